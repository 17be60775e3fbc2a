//! Channels as programs see them, and what a test of one came to.

use poem_openapi::{Enum, Object};

use crate::flow::resources::moment::Moment;
use crate::flow::test_send::TestVerdict;
use crate::flow::why::meaning;
use crate::flow::why::setting::Setting;
use crate::store::history::found::FoundHistory;
use crate::store::history::pages::ChannelLoad;
use crate::store::queue::attempt::TestSend;
use crate::store::queue::pending::UNREADY;

/// Whether a channel sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum ChannelState {
    /// It sends what is due.
    Open,
    /// Its setting is wrong, as far as its receiver said: what waits is tried now and then.
    Parked,
    /// It waits for a secret that cannot be read.
    Unready,
    /// Its receiver takes nothing until a moment.
    RateLimited,
}

/// A channel that is parked.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ParkedDetail {
    pub since: Moment,
    /// What the receiver said.
    pub reason: String,
    /// What that means, and what to change.
    pub cause: Option<String>,
    pub change: Option<String>,
    /// How many messages were tried since.
    pub probes: u32,
    pub next_probe_at: Moment,
}

/// A channel that a person has paused.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
pub struct PausedDetail {
    pub since: Moment,
    /// Who did it: the name of a token.
    pub by: String,
}

/// A channel of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ChannelStatus {
    pub name: String,
    /// Such as `dingtalk`.
    pub kind: Option<String>,
    pub state: ChannelState,
    pub parked: Option<ParkedDetail>,
    /// Nothing is sent to it until it is resumed, whatever its state.
    pub paused: Option<PausedDetail>,
    pub rate_limited_until: Option<Moment>,
    /// When its receiver accepted a message last.
    pub last_accepted_at: Option<Moment>,
    /// How many messages wait, those within another one left out; 10000 stands for that many or more.
    pub waiting: u64,
    /// When the first of them is due, or was.
    pub next_due_at: Option<Moment>,
    /// How many were given up; 10000 stands for that many or more.
    pub dead: u64,
}

impl ChannelStatus {
    pub fn of(name: &str, load: &ChannelLoad, holds: &FoundHistory, setting: &Setting<'_>) -> Self {
        let kind = setting.kind(name);
        let parked = setting.parked(name, holds);
        let limited = setting.rate_limited(name, holds);
        let state = match (parked, limited) {
            (Some(parked), _) if parked.reason.starts_with(UNREADY) => ChannelState::Unready,
            (Some(_), _) => ChannelState::Parked,
            (None, Some(_)) => ChannelState::RateLimited,
            (None, None) => ChannelState::Open,
        };
        let parked = parked.map(|parked| {
            let meaning = meaning::of_answer(kind, "misconfigured", &parked.reason);
            let meaning = meaning.filter(|_| state == ChannelState::Parked);
            ParkedDetail {
                since: Moment(parked.since),
                reason: meaning::said(kind, &parked.reason),
                cause: meaning.map(|(cause, _)| cause.to_owned()),
                change: meaning.map(|(_, change)| change.to_owned()),
                probes: parked.probes,
                next_probe_at: Moment(parked.next_probe_at),
            }
        });
        let paused = setting.paused(name, holds);
        let paused = paused.map(|paused| PausedDetail { since: Moment(paused.since), by: paused.by.clone() });
        Self {
            name: name.to_owned(),
            kind: kind.map(str::to_owned),
            state,
            parked,
            paused,
            rate_limited_until: limited.map(|limited| Moment(limited.until)),
            last_accepted_at: load.accepted_at.map(Moment),
            waiting: load.waiting,
            next_due_at: load.due_at.map(Moment),
            dead: load.dead,
        }
    }
}

/// What came of pausing or resuming a channel.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
pub struct PauseOutcome {
    /// Whether anything was: a channel that is paused is not paused once more, and one that is not is not resumed.
    pub changed: bool,
    pub channel: ChannelStatus,
}

/// All channels of the configuration, by name.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
pub struct ChannelList {
    pub items: Vec<ChannelStatus>,
}

/// What a test message came to; as `orderbell test --format json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct TestOutcome {
    pub channel: String,
    /// Whether the receiver accepted it.
    pub accepted: bool,
    /// What the receiver made of it; `not_sent` where the message did not go out.
    pub outcome: String,
    pub answer: String,
    /// Recipients that were refused while others were not.
    pub refused: Vec<String>,
    /// What is wrong, and what to change.
    pub cause: Option<String>,
    pub change: Option<String>,
    /// How far the receiver's clock is ahead, in seconds, where it said.
    pub receiver_clock_ahead_s: Option<i64>,
}

impl TestOutcome {
    pub fn of(channel: &str, kind: Option<&str>, trial: &TestSend) -> Self {
        let verdict = TestVerdict::of(kind.unwrap_or_default(), trial);
        Self {
            channel: channel.to_owned(),
            accepted: verdict.accepted,
            outcome: verdict.outcome,
            answer: meaning::said(kind, &verdict.answer),
            refused: verdict.refused,
            cause: verdict.advice.map(|(cause, _)| cause.to_owned()),
            change: verdict.advice.map(|(_, change)| change.to_owned()),
            receiver_clock_ahead_s: verdict.clock_ahead.map(|ahead| ahead.as_secs()),
        }
    }
}
