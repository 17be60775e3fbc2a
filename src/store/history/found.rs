//! Everything that the store remembers of one thing, for whoever asks why a message did or did not arrive.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::domain::event::{DeliveryId, Event, EventId};
use crate::domain::order::Order;
use crate::domain::report::upcoming::Past;
use crate::store::ingest::RefusedWebhook;
use crate::store::queue::pending::PausedState;

/// What is asked for: an order by its number or short number (after its source and a slash, where two have the same), an
/// event or a delivery by its id or the first eight digits of it or more, a source, or a report by its kind.
#[derive(Clone, Debug)]
pub struct Question {
    pub asked: String,
    /// The sources that there are; the store may know others.
    pub sources: Vec<String>,
    /// Of a source: the refusals around this moment instead of the newest.
    pub around: Option<Timestamp>,
    /// Of a source: so many refusals at most. Of a report: so many of those that were made when they were due.
    pub limit: u32,
}

/// What there is to an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundHistory {
    pub found: HistoryAnswer,
    /// All channels that rest because their setting is wrong.
    pub parked: Vec<ParkedHistory>,
    /// All channels that a person has paused.
    pub paused: BTreeMap<String, PausedState>,
    /// All credentials that their receivers limit.
    pub rate_limited: Vec<RateLimitHistory>,
    /// All slots of allowances that are noted, those whose attempts ended first at the beginning.
    pub slots: Vec<SlotHistory>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum HistoryAnswer {
    Nothing,
    /// Several events and deliveries whose ids begin like this.
    Several(Vec<IdMatch>),
    /// The orders of this number, and how many more there are of this short number.
    Orders {
        orders: Vec<OrderHistory>,
        more: u64,
    },
    Event(EventHistory),
    /// With this delivery alone.
    Delivery(EventHistory),
    Source(SourceHistory),
    /// A report by its kind, such as `report.daily`; also one of which nothing is known.
    Report(ReportHistory),
}

/// What an id may stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdMatch {
    pub id: String,
    pub kind: String,
    pub order: Option<String>,
    /// Of a delivery.
    pub channel: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OrderHistory {
    pub source: String,
    pub number: String,
    /// As it stands; unknown where nothing that came of it was proven.
    pub order: Option<Order>,
    /// In the sequence of their arrival.
    pub events: Vec<EventHistory>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct EventHistory {
    pub event: Event,
    /// How often it came again, and when last.
    pub repeats: u64,
    pub last_repeat_at: Option<Timestamp>,
    /// What each route came to ([`crate::domain::route_decision`]).
    pub routes: String,
    pub deliveries: Vec<DeliveryHistory>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryHistory {
    pub id: DeliveryId,
    pub channel: String,
    pub state: String,
    /// While it is being sent: when its lease ends.
    pub due_at: Timestamp,
    pub created_at: Timestamp,
    pub attempts: u32,
    pub is_urgent: bool,
    /// Of the last attempt.
    pub outcome: Option<String>,
    pub answer: Option<String>,
    pub tries: Vec<AttemptHistory>,
    pub steps: Vec<StepTaken>,
    /// The delivery whose message carries this one, or went out in its place.
    pub carrier: Option<Other>,
    /// Those that this one's message carries.
    pub carried: Vec<Other>,
    /// For a fallback: what it stands in for, and the channels that could not be reached, the first one first.
    pub instead_of: Option<Other>,
    pub unreached: Vec<ChannelOutage>,
    /// The fallbacks that stand in for this one.
    pub stand_ins: Vec<Other>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptHistory {
    pub at: Timestamp,
    /// `None` while it is under way.
    pub ended_at: Option<Timestamp>,
    /// From 0.
    pub part: u16,
    /// As it stands in the store.
    pub form: String,
    pub outcome: Option<String>,
    pub answer: Option<String>,
}

/// What happened to a delivery besides its attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTaken {
    pub at: Timestamp,
    pub step: String,
    pub detail: String,
}

/// Another delivery that this one has to do with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    pub id: DeliveryId,
    pub event: EventId,
    pub kind: String,
    pub order: Option<String>,
    pub channel: String,
    pub state: String,
    pub due_at: Timestamp,
    /// It stands in for this delivery.
    pub instead_of: Option<DeliveryId>,
}

/// A channel that could not be reached.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct ChannelOutage {
    pub channel: String,
    pub since: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedHistory {
    pub channel: String,
    pub since: Timestamp,
    pub reason: String,
    pub probes: u32,
    pub next_probe_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitHistory {
    /// A hash ([`crate::channel`]'s `credential`).
    pub credential: String,
    pub until: Timestamp,
    pub reason: String,
}

/// A slot of a credential's allowance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotHistory {
    /// As in [`RateLimitHistory`].
    pub credential: String,
    /// `None` while the attempt that took it is under way.
    pub ended_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceHistory {
    pub source: String,
    /// The oldest first.
    pub refused: Vec<RefusedWebhook>,
    /// How many are kept in all.
    pub refusals: u64,
    /// The newest webhook that was believed.
    pub believed: Option<ReceivedWebhook>,
    /// Where there is none of that: it was looked for among so many of the newest of all sources, and there are older ones.
    pub looked_at: Option<u32>,
    /// The newest whose signature fitted none of the recipes, and that were kept and delivered to nobody: a few of the last
    /// days, the newest first, whatever was believed since; else one that is newer than that.
    pub unproven: Vec<ReceivedWebhook>,
    /// When anything at all came last, heartbeats included.
    pub sign_of_life: Option<Timestamp>,
}

/// A webhook of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedWebhook {
    pub event: EventId,
    pub kind: String,
    pub at: Timestamp,
}

/// What became of a report so far.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportHistory {
    pub report: String,
    pub past: Past,
    /// The newest of those that were made when they were due, the oldest first.
    pub runs: Vec<RunHistory>,
    /// How many of those there are in all.
    pub count: u64,
    /// Those that a person has sent in the last days, the oldest first.
    pub by_hand: Vec<EventHistory>,
}

/// A report that was made when it was due, or late.
#[derive(Clone, Debug, PartialEq)]
pub struct RunHistory {
    /// The days that it covers.
    pub from: Date,
    pub to: Date,
    pub event: EventId,
    pub made_at: Option<Timestamp>,
    /// Absent where it is removed already, because it is old.
    pub history: Option<EventHistory>,
}
