//! Lists of deliveries: which they have, page by page, and what a row says.

use jiff::Timestamp;

use crate::domain::event::{DeliveryId, EventId};
use crate::domain::glob::Glob;

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
    /// Those of events of this source.
    pub source: Option<String>,
    /// Made since then.
    pub since: Option<Timestamp>,
    /// Made before then.
    pub until: Option<Timestamp>,
}

/// What a delivery is called in a list for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortName {
    pub id: String,
    /// The short number where there is one, else the number.
    pub order: Option<String>,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    Beginning,
    /// With this one.
    At(DeliveryId),
    /// With the one after this.
    After(DeliveryId),
}
