//! What Orderbell remembers: the contract of the stores, in the words of the flow.

pub mod change;
pub mod history;
pub mod sqlite;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::domain::digest_group::Candidate;
use crate::domain::event::{DedupeKey, DeliveryId, Event, EventId, Kind};
use crate::domain::fallback::CatchUp;
use crate::domain::glob::Glob;
use crate::domain::message::{Part, PartForm};
use crate::domain::order::Order;
use crate::domain::retry::{Answer, Step};
use crate::domain::route::{Target, UndecidedCondition};
use crate::domain::route_decision::RouteDecisions;

/// Why the store did not do what it was asked. Nothing of the request was kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot now and may later: the disk is full, read-only or gone, or the daemon is stopping.
    #[error("the store cannot be used now: {0}")]
    Unavailable(String),
    /// It cannot as things stand, and a person must act.
    #[error("{0}")]
    Refused(String),
}

/// An event to be remembered, with what makes its repeats recognisable and the channels that may be notified.
#[derive(Clone, Debug)]
pub struct Record {
    pub event: Event,
    /// The body as it may be kept.
    pub body: Vec<u8>,
    pub dedupe_keys: Vec<DedupeKey>,
    /// The channels whose routes match, and an id for the delivery to each.
    pub targets: Vec<(Target, DeliveryId)>,
    /// Those of the channels that call the event's kind urgent.
    pub urgent: Vec<String>,
    /// What each route came to.
    pub decisions: RouteDecisions,
}

/// What became of a [`Record`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The event is new and on disk; these channels now have a delivery waiting. Conditions that could not be judged let it
    /// through.
    New { channels: Vec<String>, unjudged: Vec<UndecidedCondition> },
    /// It was known already; that it came again is on disk.
    Repeat { of: EventId },
    /// An old proof under other content ([`DedupeKey::Guarded`]): nothing of it was kept.
    Replay,
}

/// What waits for one channel and could go now.
#[derive(Clone, Debug, Default)]
pub struct DueBatch {
    /// Urgent ones first, then by when they fell due.
    pub candidates: Vec<Candidate>,
    /// The channel's setting is wrong, as far as its receiver said.
    pub parked: Option<ParkedState>,
    /// Their event or order was written by a version that knows more than this one. They stay where they are and hold up
    /// no other.
    pub unreadable: Vec<DeliveryId>,
}

/// How the reason of a parked channel begins that waits for a secret: nothing is tried until it has one.
pub const UNREADY: &str = "nothing is sent without its secret: ";

/// A channel whose setting is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedState {
    pub since: Timestamp,
    /// In our own words.
    pub reason: String,
    /// Messages that were tried since.
    pub probes: u32,
    pub next_probe_at: Timestamp,
}

/// A delivery whose time has come, with everything that its message is made from.
#[derive(Clone, Debug)]
pub struct PendingDelivery {
    pub id: DeliveryId,
    pub event: Event,
    /// The order as it stands now.
    pub order: Option<Order>,
    pub order_key: Option<String>,
    pub attempts: u32,
    pub spent: u32,
    /// How often a person asked for it once more.
    pub round: u32,
    pub form: PartForm,
    /// The parts of this form that were composed before and are not delivered yet.
    pub parts: Vec<Part>,
    /// Which of the parts had the fewest attempts, the first of them: where each goes to a recipient of its own, that one is next.
    pub next_part: u16,
    /// Of a form that is to be composed because the one before was too long: the part that was refused.
    pub refused: Option<Part>,
    /// An earlier attempt ended without our learning its answer.
    pub maybe_accepted: bool,
    /// An earlier attempt was accepted: one recipient of several has the message.
    pub accepted: bool,
    /// The parts of which an attempt, hours ago, found the recipient's mailbox full.
    pub late: Vec<u16>,
    /// Of an order that changed: the earlier deliveries of it to this channel, sent or waiting.
    pub placed_before: Vec<DeliveryId>,
    /// For a fallback: the channels that could not be reached, the first one first.
    pub unreached: Vec<UnreachedChannel>,
    /// Of what the channel catches up with: the channels that were sent it meanwhile.
    pub meanwhile: Vec<String>,
    /// Of a report: its orders as CSV.
    pub table: Option<String>,
}

/// A channel that could not be reached, so that another one is notified in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreachedChannel {
    pub channel: String,
    pub since: Timestamp,
}

/// The begin of an attempt: the part is about to be sent.
#[derive(Clone, Debug)]
pub struct Claim {
    pub delivery: DeliveryId,
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
}

/// Whether an attempt may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It may; the number names the attempt.
    Yes(i64),
    /// A person cancelled the delivery, or one of those that it carries, or it is done.
    No,
}

/// The end of an attempt.
#[derive(Clone, Debug)]
pub struct Settle {
    pub delivery: DeliveryId,
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
#[derive(Clone, Debug, Default)]
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

/// Where a delivery stands, for lists.
#[derive(Clone, Debug)]
pub struct DeliveryRow {
    pub id: DeliveryId,
    pub event: EventId,
    pub kind: String,
    pub source: String,
    pub order: Option<String>,
    pub channel: String,
    pub state: String,
    pub attempts: u32,
    pub created_at: Timestamp,
    pub due_at: Timestamp,
    pub answer: Option<String>,
    pub digest: Option<DeliveryId>,
}

/// Which deliveries a list has.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    pub state: Option<String>,
    pub channel: Option<String>,
    /// Those of one of these orders: source and number of each.
    pub orders: Option<Vec<(String, String)>>,
    pub kind: Option<Glob>,
    /// Made since then.
    pub since: Option<Timestamp>,
}

/// How a form stands in the store.
pub fn form_text(form: PartForm) -> String {
    match form {
        PartForm::Full => "full".to_owned(),
        PartForm::Reduced => "reduced".to_owned(),
        PartForm::Halved(times) => format!("halved{times}"),
    }
}

/// Reads what [`form_text`] wrote; anything else is the full form.
pub fn form_of(text: &str) -> PartForm {
    match text {
        "reduced" => PartForm::Reduced,
        _ => text.strip_prefix("halved").and_then(|times| times.parse().ok()).map_or(PartForm::Full, PartForm::Halved),
    }
}

/// Something wrong of which the operator was notified, and not yet of its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    pub topic: String,
    pub subject: String,
    pub since: Timestamp,
    /// What was said of it, in the form of whoever watches.
    pub detail: String,
}

/// A change of what the operator knows of an incident.
#[derive(Clone, Debug)]
pub struct IncidentUpdate {
    /// The change applies when the incident is stored so; `None`: when there is none.
    pub before: Option<Incident>,
    /// How it stands from now on; `None`: it is over.
    pub after: Option<Incident>,
    /// Its notice, where there is one.
    pub notice: Option<Record>,
}

/// What the daemon asks about itself.
#[derive(Clone, Debug)]
pub struct HealthQuery {
    /// The channels that there are.
    pub channels: Vec<String>,
    /// An urgent delivery that waits since then, or for longer, should be delivered.
    pub waits_since: Timestamp,
    /// What is known of the dead deliveries by channel.
    pub dead: BTreeMap<String, DeadLetterStats>,
    /// Whether to look at the newest events, too.
    pub newest: bool,
}

/// What it finds.
#[derive(Clone, Debug, Default)]
pub struct HealthSnapshot {
    pub incidents: Vec<Incident>,
    pub parked: Vec<ParkedChannel>,
    pub waiting: Vec<OverdueDeliveries>,
    /// By channel.
    pub dead: BTreeMap<String, DeadLetterStats>,
    /// When something came from each source last.
    pub source_activity: BTreeMap<String, Timestamp>,
    pub unrouted: Vec<UnroutedEvent>,
}

/// A channel that is parked, because its receiver says that its setting is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedChannel {
    pub channel: String,
    pub since: Timestamp,
    /// In our own words.
    pub reason: String,
    pub next_probe_at: Timestamp,
    /// How many messages wait for it.
    pub waiting: u64,
}

/// The urgent deliveries of a channel that have waited for too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverdueDeliveries {
    pub channel: String,
    /// Since when the oldest of them waits.
    pub oldest: Timestamp,
    /// The last answer to that one, in our own words.
    pub words: Option<String>,
    pub count: u64,
}

/// The dead deliveries of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterStats {
    /// How many there are, notices and tests included.
    pub all: u64,
    /// Those of which somebody should know.
    pub dead: Option<DeadLetter>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub count: u64,
    pub first: Timestamp,
    pub newest: Timestamp,
    /// Which one died last, and of what.
    pub words: String,
}

/// An event that no route matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnroutedEvent {
    pub kind: Kind,
    pub source: String,
    pub shop: Option<String>,
}

/// A report that is made, with the days that it covers.
#[derive(Clone, Debug)]
pub struct ReportRun {
    pub report: String,
    pub days: Vec<Date>,
    /// The number of the newest entry of the ledger that it knows.
    pub ledger_seq: i64,
    pub record: Record,
    /// The name of its picture, and until when that can be fetched.
    pub picture: Option<(String, Timestamp)>,
}

/// What became of the report that covers a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportStatus {
    /// There is none.
    Missing,
    /// The day lies before the report's beginning.
    NotBegun,
    /// It was made; these deliveries of it have not arrived.
    Made { event: EventId, undelivered: Vec<Undelivered> },
}

/// A delivery that has not arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    pub channel: String,
    pub state: String,
    pub answer: Option<String>,
}
