//! What the end of an attempt comes to, decided without a database: for its part, for the delivery, and for the channel.

use jiff::Timestamp;

use crate::domain::message::PartForm;
use crate::domain::retry::{Answer, Outcome, Step};
use crate::store::queue::attempt::{Purpose, Settle};

/// What is to be written.
pub struct Settlement<'a> {
    /// The delivery's own answer, and what becomes of it.
    pub answer: &'a Answer,
    pub step: &'a Step,
    pub delivery: DeliveryStatus,
    /// The part is not sent again.
    pub part_is_over: bool,
    pub channel: ChannelEffect,
    /// The receiver took this part.
    pub is_accepted: bool,
}

/// How a delivery stands after an attempt.
pub struct DeliveryStatus {
    pub state: &'static str,
    pub due_at: Timestamp,
    /// The step of the retry schedule is used up.
    pub spends: bool,
    pub form: PartForm,
}

/// What the answer says of the channel as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelEffect {
    /// Its setting is wrong.
    Park {
        probe_at: Timestamp,
    },
    /// The same, found by a person who tries it: one that is parked already waits no longer for that, because whoever mends a
    /// setting step by step and tries each must not have the messages wait longer for it.
    ParkUnlessParked {
        probe_at: Timestamp,
    },
    /// It says nothing of the setting: where the channel is parked, the next probe comes with the next try.
    PutOff {
        until: Timestamp,
    },
    /// The setting is right.
    Resume,
    Nothing,
}

/// Decides what the end of an attempt comes to.
pub fn decide(settle: &Settle) -> Settlement<'_> {
    let ((answer, step), part_is_over) = match &settle.whole {
        Some((answer, step)) => ((answer, step), matches!(settle.step, Step::Delivered | Step::Dead)),
        None => ((&settle.answer, &settle.step), settle.step == Step::Delivered),
    };
    Settlement {
        answer,
        step,
        delivery: status(settle, step),
        part_is_over,
        channel: channel_effect(settle.purpose, answer, step),
        is_accepted: matches!(settle.answer.outcome, Outcome::Delivered | Outcome::Partial { .. }),
    }
}

fn status(settle: &Settle, step: &Step) -> DeliveryStatus {
    let (state, due_at, spends, form) = match step {
        Step::Delivered if settle.more_parts => ("waiting", settle.at, false, settle.form),
        Step::Delivered => ("delivered", settle.at, false, settle.form),
        Step::Wait { until, spends } => ("waiting", *until, *spends, settle.form),
        Step::Park { probe_at } => ("waiting", *probe_at, false, settle.form),
        Step::Recompose(form) => ("waiting", settle.at, false, *form),
        Step::Dead => ("dead", settle.at, false, settle.form),
    };
    DeliveryStatus { state, due_at, spends, form }
}

fn channel_effect(purpose: Purpose, answer: &Answer, step: &Step) -> ChannelEffect {
    let says_nothing = matches!(answer.outcome, Outcome::Retry { .. } | Outcome::Unknown | Outcome::Throttled { .. });
    match (step, purpose) {
        (Step::Park { probe_at }, Purpose::Notify) => ChannelEffect::Park { probe_at: *probe_at },
        (Step::Park { probe_at }, Purpose::Test) => ChannelEffect::ParkUnlessParked { probe_at: *probe_at },
        (Step::Wait { until, .. }, Purpose::Notify) if says_nothing => ChannelEffect::PutOff { until: *until },
        _ if says_nothing => ChannelEffect::Nothing,
        _ => ChannelEffect::Resume,
    }
}
