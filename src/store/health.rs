//! How things stand: what the operator was notified of, how the store fares, and what is done to keep it so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

use crate::domain::distribution::Distribution;
use crate::domain::event::Kind;
use crate::store::StoreFuture;
use crate::store::ingest::{Record, Recorded};
use crate::store::queue::pending::{ParkedState, PausedState};

/// What the daemon asks of itself, and commands of the daemon.
///
/// # Errors
/// Each fails with [`StoreError::Unavailable`](crate::store::StoreError::Unavailable): then nothing was changed.
pub trait Health: Send + Sync {
    /// What the daemon wants to know of itself.
    fn query_health(&self, query: HealthQuery) -> StoreFuture<'_, HealthSnapshot>;

    /// Everything of which the operator was notified, and not yet of its end.
    fn incidents(&self) -> StoreFuture<'_, Vec<Incident>>;

    /// How many deliveries of each of these channels wait, and since when.
    fn queue_depths(&self, channels: Vec<String>) -> StoreFuture<'_, Vec<QueueDepth>>;

    /// Changes what the operator is known to know, and records the notice that says so, in one commit. `None`: somebody else
    /// has changed it meanwhile, and nothing was done.
    fn update_incident(&self, change: IncidentUpdate) -> StoreFuture<'_, Option<Recorded>>;

    /// What was not proven of a source's webhooks, after one moment and before another.
    fn unproven(&self, source: &str, after: Timestamp, before: Timestamp) -> StoreFuture<'_, Option<UnfitSignatures>>;

    /// When the last event came before a moment.
    fn last_event(&self, before: Timestamp) -> StoreFuture<'_, Option<Timestamp>>;

    /// Asks the daemon about its settings, with half of a key. It sees the question at its next look.
    fn ask_settings(&self, id: Uuid, public_key: Vec<u8>, now: Timestamp) -> StoreFuture<'_, ()>;

    /// What is asked and not answered yet: ids and halves of keys.
    fn inquiries(&self) -> StoreFuture<'_, Vec<(Uuid, Vec<u8>)>>;

    /// Answers a question, and forgets those whose commands are gone.
    fn answer_inquiry(&self, id: Uuid, answer: String, now: Timestamp) -> StoreFuture<'_, ()>;

    /// The answer to a question, where there is one yet.
    fn answer(&self, id: Uuid) -> StoreFuture<'_, Option<String>>;

    /// Forgets a question, answered or not.
    fn drop_inquiry(&self, id: Uuid) -> StoreFuture<'_, ()>;

    /// Removes events older than `before` whose deliveries are all done, at most `steps` of them, beginning after the event
    /// numbered `after_seq`. Answers how many, and where to go on; `None` at the end.
    fn prune(&self, before: Timestamp, after_seq: i64, steps: u32) -> StoreFuture<'_, (u64, Option<i64>)>;

    /// What time the database has, where it has a clock of its own; `None`: it is this machine's.
    fn database_time(&self) -> StoreFuture<'_, Option<Timestamp>>;

    /// Returns when the store has been opened, which may take as long as the disk is full; at once where it was.
    fn opened(&self) -> BoxFuture<'_, ()>;

    /// Whether the store can be used, and how that changes.
    fn status(&self) -> watch::Receiver<Status>;

    /// Whether the store can be used now.
    fn is_ready(&self) -> bool {
        matches!(&*self.status().borrow(), Status::Ready(_))
    }

    /// Waits until whatever writes the store answers, be it that it cannot write now; `false` when it has ended.
    fn writer_answers(&self) -> BoxFuture<'_, bool>;

    /// How large its commits are, and how long they take.
    fn commits(&self) -> Arc<CommitStats>;

    /// What may be missing, by what the last start of the store found, until the operator was notified of it.
    fn loss(&self) -> Option<Loss>;

    /// The operator was notified of what may be missing, so no later start says it again.
    fn forget_loss(&self);

    /// Lets go of the store, after everything that was asked is done. Whatever is asked later fails.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// The commits of a store, since it was opened.
#[derive(Debug)]
pub struct CommitStats {
    /// Changes that each took together.
    pub jobs: Distribution,
    pub seconds: Distribution,
}

impl Default for CommitStats {
    fn default() -> Self {
        const JOBS: [f64; 7] = [1.0, 2.0, 4.0, 16.0, 64.0, 256.0, 1024.0];
        const SECONDS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0];
        Self { jobs: Distribution::new(&JOBS), seconds: Distribution::new(&SECONDS) }
    }
}

impl CommitStats {
    pub fn note(&self, jobs: usize, took: Duration) {
        self.jobs.observe(jobs as f64);
        self.seconds.observe(took.as_secs_f64());
    }
}

/// Whether the store can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// After this was wrong, if anything was.
    Ready(Option<String>),
    /// Nothing can be stored, for this reason; the store goes on by itself when it is gone.
    Wrong(String),
}

/// What may be missing since the last start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// What was found, without anything of a buyer.
    pub found: String,
    /// When the last event came that is there; or the first one, where none is.
    pub from: Option<Timestamp>,
    /// When the last thing was stored that was known.
    pub until: Option<Timestamp>,
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

/// What waits for a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDepth {
    pub channel: String,
    /// Deliveries; those that one message carries count as one.
    pub waiting: u64,
    /// Since when the one of the oldest event waits in earnest; later than now where it is held until then.
    pub oldest: Option<Timestamp>,
    /// Where the channel is parked.
    pub parked: Option<ParkedState>,
    /// Where a person has paused it.
    pub paused: Option<PausedState>,
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

/// Webhooks of a source that were not proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnfitSignatures {
    pub count: u64,
    pub first: Timestamp,
    pub last: Timestamp,
}
