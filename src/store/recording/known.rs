//! What a store knows before a group is decided about, and what of it the group changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::event::EventId;
use crate::domain::order::Order;

/// A source, and a dedupe key or the number of an order.
pub type RowKey = (String, String);

/// A dedupe key that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownKey {
    pub event: EventId,
    /// SHA-256; absent where the key alone decides.
    pub content: Option<Vec<u8>>,
    pub at: Timestamp,
}

/// An order that is known.
#[derive(Clone, Debug)]
pub struct KnownOrder {
    /// Its number in the store; absent while it is not in it.
    pub seq: Option<i64>,
    pub order: Arc<Order>,
    /// As it is kept, where it was packed already.
    packed: Option<Vec<u8>>,
    is_changed: bool,
}

impl KnownOrder {
    /// As the store has it.
    pub fn stored(seq: i64, order: Order) -> Self {
        Self { seq: Some(seq), order: Arc::new(order), packed: None, is_changed: false }
    }
}

/// An order that a group changes.
#[derive(Debug)]
pub struct OrderRow {
    /// Absent for one that is new.
    pub seq: Option<i64>,
    pub order: Arc<Order>,
    /// As [`crate::store::recording::rows::pack_order`] packs it, where that was done already.
    pub packed: Option<Vec<u8>>,
}

/// What is known. Whatever was wanted and is not here is not known.
#[derive(Debug, Default)]
pub struct Known {
    pub(super) next_seq: i64,
    keys: HashMap<RowKey, (KnownKey, IsChanged)>,
    orders: HashMap<RowKey, KnownOrder>,
}

type IsChanged = bool;

impl Known {
    /// Nothing but the number of the next event.
    pub fn new(next_seq: i64) -> Self {
        Self { next_seq, ..Self::default() }
    }

    pub fn add_key(&mut self, name: RowKey, key: KnownKey) {
        self.keys.insert(name, (key, false));
    }

    pub fn add_order(&mut self, name: RowKey, order: KnownOrder) {
        self.orders.insert(name, order);
    }

    pub fn key(&self, source: &str, key: &str) -> Option<&KnownKey> {
        self.keys.get(&(source.to_owned(), key.to_owned())).map(|(key, _)| key)
    }

    pub fn order(&self, name: &RowKey) -> Option<&KnownOrder> {
        self.orders.get(name)
    }

    pub(super) fn put_key(&mut self, name: RowKey, key: KnownKey) {
        self.keys.insert(name, (key, true));
    }

    pub(super) fn put_order(&mut self, name: RowKey, order: Arc<Order>, packed: Option<Vec<u8>>) {
        let seq = self.orders.get(&name).and_then(|known| known.seq);
        self.orders.insert(name, KnownOrder { seq, order, packed, is_changed: true });
    }

    /// In the sequence of the table.
    pub(super) fn changed_keys(&mut self) -> BTreeMap<RowKey, KnownKey> {
        let keys = self.keys.drain().filter(|(_, (_, is_changed))| *is_changed);
        keys.map(|(name, (key, _))| (name, key)).collect()
    }

    pub(super) fn changed_orders(&mut self) -> BTreeMap<RowKey, OrderRow> {
        let orders = self.orders.drain().filter(|(_, known)| known.is_changed);
        orders.map(|(name, KnownOrder { seq, order, packed, .. })| (name, OrderRow { seq, order, packed })).collect()
    }
}
