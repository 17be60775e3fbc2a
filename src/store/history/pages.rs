//! Lists from the newest to the oldest, a page at a time, for programs and for the page: a look goes through so many rows at most,
//! whatever it finds, so that each takes little time and memory in a store of any size.

use jiff::Timestamp;

use crate::domain::event::{DeliveryId, EventId};
use crate::domain::glob::Glob;
use crate::domain::order::Order;
use crate::store::history::list::DeliveryRow;

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPage<R, K> {
    /// The newest first. There may be none although there are more to come: then none was found among those looked at.
    pub rows: Vec<R>,
    /// Before which one the next page goes on; absent at the end.
    pub next: Option<K>,
}

/// Which events a list has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    pub kind: Option<Glob>,
    pub source: Option<String>,
    /// The id of a shop.
    pub shop: Option<String>,
    /// Received since then.
    pub since: Option<Timestamp>,
    /// Received before then.
    pub until: Option<Timestamp>,
}

/// An event in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedEvent {
    /// Its place in the sequence of arrival.
    pub seq: i64,
    pub id: EventId,
    pub received_at: Timestamp,
    pub kind: String,
    pub source: String,
    pub shop: Option<String>,
    pub order: Option<String>,
    /// No signature fitted, and its source only observes.
    pub is_unproven: bool,
    /// How often it came again.
    pub duplicates: u64,
}

/// Which orders a list has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderFilter {
    pub source: Option<String>,
    /// The id of a shop.
    pub shop: Option<String>,
    /// By its number, or its short number.
    pub number: Option<String>,
}

/// An order in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedOrder {
    /// Its place in the sequence of the first arrival.
    pub seq: i64,
    pub source: String,
    pub order: Order,
}

/// Of a list of deliveries, what [`DeliveryFilter`](crate::store::history::list::DeliveryFilter) does not say.
pub type DeliveryPage = ListPage<DeliveryRow, DeliveryId>;

/// What a delivery's message is made of, as far as it was composed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMessage {
    /// How often a person asked for it once more.
    pub round: u32,
    pub parts: Vec<SentPart>,
}

/// A part of a message as it was sent, or is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentPart {
    /// From 0.
    pub part: u16,
    pub form: String,
    /// It was accepted, or is given up.
    pub is_done: bool,
    pub body: String,
}

/// How much waits for a channel. Counts stop at [`COUNTED`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelLoad {
    pub waiting: u64,
    /// When the first of what waits falls due, or fell.
    pub due_at: Option<Timestamp>,
    pub dead: u64,
    /// When its receiver accepted a message last.
    pub accepted_at: Option<Timestamp>,
}

/// Further than that nothing is counted: so many, or more.
pub const COUNTED: u32 = 10_000;

/// What came of a source's webhooks since a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceCounts {
    pub believed: u64,
    /// No signature fitted, and the source only observes.
    pub unproven: u64,
    pub refused: u64,
    pub duplicates: u64,
}

/// What is known of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceState {
    pub counts: SourceCounts,
    /// The newest webhook that was believed, among the newest events of all sources.
    pub believed: Option<BelievedWebhook>,
    /// When anything at all came last, heartbeats included.
    pub active_at: Option<Timestamp>,
    /// The newest webhook that was refused, and why.
    pub refused: Option<(Timestamp, String)>,
}

/// A webhook that was believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BelievedWebhook {
    pub event: EventId,
    pub kind: String,
    pub at: Timestamp,
    /// The name of the signature recipe that fitted.
    pub recipe: Option<String>,
}
