//! What comes in: an event is remembered with its order and its deliveries in one commit, and what was refused is noted.

use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::event::{DedupeKey, DeliveryId, Event, EventId};
use crate::domain::order::Order;
use crate::domain::route::{Target, UndecidedCondition};
use crate::domain::route_decision::RouteDecisions;
use crate::store::StoreFuture;

/// The way in.
///
/// # Errors
/// Each fails with [`StoreError::Unavailable`](crate::store::StoreError::Unavailable): then nothing of it was kept.
pub trait Ingest: Send + Sync {
    /// Records an event, its dedupe keys, its order, its ledger entries and its deliveries, in one commit. When this returns,
    /// all of it survives a loss of power.
    fn record(&self, record: Record) -> StoreFuture<'_, Recorded>;

    /// Notes webhooks that were refused. Of each source the newest 5 000 notes are kept.
    fn note_refusals(&self, refused: Vec<RefusedWebhook>) -> StoreFuture<'_, ()>;

    /// Writes down when something came from a source last; `None`: forgets it. Nobody waits for that: it is committed with
    /// what else is queued. Answers whether it is queued.
    fn sign_of_life(&self, source: &str, at: Option<Timestamp>) -> bool;
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
#[derive(Clone, Debug, PartialEq)]
pub enum Recorded {
    /// The event is new and on disk; these channels now have a delivery waiting. Conditions that could not be judged let it
    /// through.
    New { channels: Vec<String>, unjudged: Vec<UndecidedCondition>, committed: Option<Box<Committed>> },
    /// It was known already; that it came again is on disk.
    Repeat { of: EventId },
    /// An old proof under other content ([`DedupeKey::Guarded`]): nothing of it was kept.
    Replay,
}

/// What a [`Record`] came to, for those who go on with it without reading it again.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// The event's place in the sequence of arrival.
    pub seq: i64,
    pub event: Arc<Event>,
    /// The order as it stands after the event.
    pub order: Option<Arc<Order>>,
    pub deliveries: Vec<NewDelivery>,
    /// How large the webhook was.
    pub bytes: usize,
}

/// A delivery that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    pub id: DeliveryId,
    pub channel: String,
    pub urgent: bool,
}

/// A webhook that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedWebhook {
    pub source: String,
    pub at: Timestamp,
    /// In our own words.
    pub reason: String,
    pub bytes: u64,
    /// How many it stands for: more than one where so many came in one minute that not each was noted.
    pub count: u64,
}
