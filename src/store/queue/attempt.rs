//! One attempt: its begin, its end, and what it taught.

use jiff::Timestamp;

use crate::domain::event::DeliveryId;
use crate::domain::fallback::CatchUp;
use crate::domain::message::{Part, PartForm};
use crate::domain::retry::{Answer, Step};
use crate::store::fencing::FencingToken;

/// The begin of an attempt: the part is about to be sent.
#[derive(Clone, Debug)]
pub struct Claim {
    pub delivery: DeliveryId,
    pub channel: String,
    pub purpose: Purpose,
    /// How it stood when it was loaded: attempts that were made, and the round. It must stand so still.
    pub attempts: u32,
    pub round: u32,
    /// Whether the message goes out from here on. A channel that is paused begins none, and ends the one that is under way.
    pub begins: bool,
    /// Whether it waits for what came before of its order.
    pub in_order: bool,
    /// What its message carries as well, when it was composed just now: those wait with it and share its fate.
    pub carries: Vec<DeliveryId>,
    /// What its message carried in a longer form and has no room for any more: each goes another time.
    pub released: Vec<DeliveryId>,
    /// The parts, when they were composed just now, or when one of them was marked as a possible repeat.
    pub composed: Vec<Part>,
    pub part: u16,
    pub form: PartForm,
    pub at: Timestamp,
    /// Until when nobody else takes the delivery.
    pub lease_until: Timestamp,
    /// The credential of which a slot is taken.
    pub credential: Option<String>,
    /// Attempts whose slots are free by now.
    pub freed: Vec<i64>,
    /// By which lease the channel is worked.
    pub token: FencingToken,
}

/// What a delivery is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Notify,
    /// A person tries the channel. It comes when they want it, so it is no probe.
    Test,
}

/// Whether an attempt may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It may; the number names the attempt.
    Yes(i64),
    /// The channel is paused.
    Paused,
    /// A person cancelled the delivery, or one of those that it carries, or it is done; or something came before it.
    No,
}

/// The end of an attempt.
#[derive(Clone, Debug)]
pub struct Settle {
    pub delivery: DeliveryId,
    pub channel: String,
    pub purpose: Purpose,
    pub attempt: i64,
    pub part: u16,
    pub form: PartForm,
    /// More parts of the message are to follow.
    pub more_parts: bool,
    pub at: Timestamp,
    pub answer: Answer,
    pub step: Step,
    /// What becomes of the whole delivery, where its parts go to recipients of their own; the part itself is then over when
    /// it is delivered or dead. Elsewhere a part's answer and step are the delivery's.
    pub whole: Option<(Answer, Step)>,
    /// How far the receiver's clock is ahead of ours, in seconds, where it said.
    pub clock_ahead_s: Option<i64>,
    /// What the receiver said of the credential.
    pub pacing: Option<PacingFeedback>,
    /// Who is notified when this one is dead.
    pub fallback: Option<Fallback>,
    /// By which lease the attempt was begun.
    pub token: FencingToken,
}

/// What an attempt taught about a credential.
#[derive(Clone, Debug)]
pub enum PacingFeedback {
    /// It is rate-limited; how often in a row it was found so.
    Closed { credential: String, until: Timestamp, closings: u32, reason: String },
    /// It took a message after it was rate-limited.
    Open { credential: String },
}

/// Another channel that is notified in the place of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    pub channel: String,
    pub to: String,
    /// How the first channel catches up with what this one was sent.
    pub catch_up: CatchUp,
}

/// The pacing that outlives a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PacingState {
    /// Credential and attempt of each slot.
    pub slots: Vec<(String, i64)>,
    /// Credential, until when it is rate-limited, and how often in a row it was found so.
    pub closed: Vec<(String, Timestamp, u32)>,
}

/// How a message fares that a person has sent to try a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestSend {
    pub state: String,
    /// The attempts that have ended, the first one first.
    pub attempts: Vec<TestAttempt>,
    /// Until when the credential is rate-limited, where it is.
    pub rate_limited_until: Option<Timestamp>,
}

/// One attempt that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestAttempt {
    /// As [`crate::domain::retry::Outcome::as_str`] says it.
    pub outcome: String,
    pub answer: String,
    pub clock_ahead_s: Option<i64>,
}
