//! What is to be written of a group, table by table.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::event::{DedupeKey, DeliveryId, Event, EventId, OWN_SOURCE, SignatureCheck};
use crate::domain::ledger::LedgerEntry;
use crate::domain::order::Order;
use crate::store::ingest::NewDelivery;
use crate::store::recording::known::{KnownKey, OrderRow, RowKey};
use crate::store::recording::packed;
use crate::store::recording::repeats;

/// Everything that a group of records changes, each table in the sequence of its keys.
#[derive(Debug, Default)]
pub struct Rows {
    pub events: Vec<EventRow>,
    /// New ones, and those that belong to another event now.
    pub keys: BTreeMap<RowKey, KnownKey>,
    /// As each stands after the group.
    pub orders: BTreeMap<RowKey, OrderRow>,
    pub ledger: Vec<LedgerRow>,
    pub deliveries: Vec<NewDeliveryRow>,
    pub repeats: Vec<Repeat>,
}

#[derive(Debug)]
pub struct EventRow {
    /// Its place in the sequence of arrival.
    pub seq: i64,
    pub id: EventId,
    pub kind: String,
    pub source: String,
    pub shop: Option<String>,
    pub order_number: Option<String>,
    /// Nobody proved it.
    pub unproven: bool,
    pub received_at: Timestamp,
    /// How each route judged it.
    pub routes: String,
    /// As [`pack_event`] packs it.
    pub packed: Vec<u8>,
}

impl EventRow {
    pub(super) fn new(seq: i64, event: &Event, routes: String, packed: Vec<u8>) -> Self {
        Self {
            seq,
            id: event.id,
            kind: event.kind.to_string(),
            source: event.source.clone(),
            shop: event.shop.as_ref().map(|shop| shop.id.clone()),
            order_number: event.order.as_ref().map(|order| order.number.clone()),
            unproven: event.proof == SignatureCheck::Invalid,
            received_at: event.received_at,
            routes,
            packed,
        }
    }
}

#[derive(Debug)]
pub struct LedgerRow {
    /// The recorded event, which a repeat is not.
    pub event: EventId,
    pub source: String,
    pub order_number: String,
    pub recorded_at: Timestamp,
    pub entry: LedgerEntry,
}

impl LedgerRow {
    /// `of` is the recorded event, which a repeat is not.
    pub(super) fn all(of: EventId, event: &Event, entries: Vec<LedgerEntry>) -> Vec<Self> {
        let number = event.order.as_ref().map(|order| order.number.as_str()).unwrap_or_default();
        let one = |entry| Self {
            event: of,
            source: event.source.clone(),
            order_number: number.to_owned(),
            recorded_at: event.received_at,
            entry,
        };
        entries.into_iter().map(one).collect()
    }
}

#[derive(Debug)]
pub struct NewDeliveryRow {
    pub id: DeliveryId,
    pub event: EventId,
    pub event_seq: i64,
    pub channel: String,
    /// Source and order number; deliveries of one order belong together.
    pub order_key: Option<String>,
    pub urgent: bool,
    /// When it was made and is due.
    pub at: Timestamp,
}

impl NewDeliveryRow {
    pub(super) fn new(delivery: &NewDelivery, event_seq: i64, event: &Event) -> Self {
        Self {
            id: delivery.id,
            event: event.id,
            event_seq,
            channel: delivery.channel.clone(),
            order_key: event.order.as_ref().map(|order| format!("{}/{}", event.source, order.number)),
            urgent: delivery.urgent,
            at: event.received_at,
        }
    }
}

/// That a webhook came again.
#[derive(Debug)]
pub struct Repeat {
    pub of: EventId,
    pub at: Timestamp,
    /// The source whose repeats are counted; absent for a notice of ours that is made twice, which is no webhook.
    pub counted_for: Option<String>,
}

impl Repeat {
    pub(super) fn new(of: EventId, event: &Event) -> Self {
        let counted_for = (event.source != OWN_SOURCE).then(|| event.source.clone());
        Self { of, at: event.received_at, counted_for }
    }
}

/// An event as it is kept: what it says, the keys of its rows among the dedupe keys, and its body as it came.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn pack_event(event: &Event, keys: &[DedupeKey], body: &[u8]) -> serde_json::Result<Vec<u8>> {
    let keys = serde_json::to_vec(&repeats::names(keys))?;
    Ok(packed::pack(&[&serde_json::to_vec(event)?, &keys, body]))
}

/// An order as it is kept.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn pack_order(order: &Order) -> serde_json::Result<Vec<u8>> {
    Ok(packed::pack(&[&serde_json::to_vec(order)?]))
}
