//! What is to be sent to one channel and need not be read from the store: each by itself, the urgent ones first, those of an
//! order one after another. It holds so much and no more; what it does not hold waits in the store.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::domain::event::DeliveryId;
use crate::domain::pace::{Backlog, Elapsed};
use crate::store::queue::pending::PendingDelivery;

/// So many deliveries at most.
const MOST: usize = 512;
/// So many bytes at most, by the size of what each was made from.
const MOST_BYTES: usize = 4 << 20;

/// Urgent ones first, then in the sequence of arrival.
type Rank = (bool, i64);

/// The deliveries to one channel that are in memory.
#[derive(Default)]
pub struct ChannelQueue {
    ready: BTreeMap<Rank, QueuedDelivery>,
    /// How many of those are urgent.
    urgent: usize,
    orders: HashMap<String, OrderQueue>,
    ids: HashSet<DeliveryId>,
    bytes: usize,
    /// Nothing that is due waits in the store and is neither here nor being sent: so what is committed may come here.
    is_complete: bool,
}

/// One delivery, and since when it is in memory.
pub struct QueuedDelivery {
    pub due: PendingDelivery,
    pub since: Elapsed,
}

/// The deliveries of one order, of which at most one is ready or being sent.
#[derive(Default)]
struct OrderQueue {
    ready: Option<Rank>,
    behind: BTreeMap<i64, QueuedDelivery>,
}

impl ChannelQueue {
    /// A look into the store begins: what is committed from now on may come here, because the look may miss it.
    pub fn open(&mut self) {
        self.is_complete = true;
    }

    /// There is more in the store than there is here.
    pub fn close(&mut self) {
        self.is_complete = false;
    }

    /// Nothing is sent now as it comes.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub fn has(&self, id: DeliveryId) -> bool {
        self.ids.contains(&id)
    }

    /// Takes what was committed just now. Answers whether it did: else it must be looked for in the store.
    pub fn commit(&mut self, due: PendingDelivery, now: Elapsed) -> bool {
        self.is_complete && self.push(due, now)
    }

    /// Takes what was read from the store. Answers whether there was room for it.
    pub fn push(&mut self, due: PendingDelivery, now: Elapsed) -> bool {
        if self.ids.contains(&due.id) {
            return true;
        }
        if self.ids.len() >= MOST || (self.bytes + due.bytes > MOST_BYTES && !self.ids.is_empty()) {
            self.is_complete = false;
            return false;
        }
        self.ids.insert(due.id);
        self.bytes += due.bytes;
        self.renew_order(&due);
        self.place(QueuedDelivery { due, since: now });
        true
    }

    /// An earlier delivery of the same order shows the order as it stands by now.
    fn renew_order(&mut self, newer: &PendingDelivery) {
        let (Some(key), Some(order)) = (&newer.order_key, &newer.order) else { return };
        let Some(queue) = self.orders.get_mut(key) else { return };
        let ready = queue.ready.and_then(|rank| self.ready.get_mut(&rank));
        for queued in queue.behind.values_mut().chain(ready) {
            if queued.due.order.as_ref().is_none_or(|known| known.revision < order.revision) {
                queued.due.order = Some(Arc::clone(order));
            }
        }
    }

    fn place(&mut self, queued: QueuedDelivery) {
        let rank = (!queued.due.urgent, queued.due.event_seq);
        let Some(key) = queued.due.order_key.clone() else { return self.make_ready(queued) };
        let ready = match self.orders.get(&key) {
            None => None,
            // It comes before the one that is ready, though that was given first.
            Some(OrderQueue { ready: Some(ready), .. }) if rank.1 < ready.1 => Some(*ready),
            Some(_) => {
                self.orders.entry(key).or_default().behind.insert(rank.1, queued);
                return;
            }
        };
        let later = ready.and_then(|ready| self.take_ready(ready));
        let queue = self.orders.entry(key).or_default();
        queue.behind.extend(later.map(|later| (later.due.event_seq, later)));
        queue.ready = Some(rank);
        self.make_ready(queued);
    }

    fn make_ready(&mut self, queued: QueuedDelivery) {
        self.urgent += usize::from(queued.due.urgent);
        self.ready.insert((!queued.due.urgent, queued.due.event_seq), queued);
    }

    fn take_ready(&mut self, rank: Rank) -> Option<QueuedDelivery> {
        let queued = self.ready.remove(&rank)?;
        self.urgent -= usize::from(queued.due.urgent);
        Some(queued)
    }

    /// What could be sent now.
    pub fn backlog(&self) -> Backlog {
        Backlog { urgent: self.urgent, ordinary: self.ready.len() - self.urgent }
    }

    /// Takes out the next one. No other of its order comes out until that [`ended`](Self::ended).
    pub fn pop(&mut self) -> Option<QueuedDelivery> {
        let rank = *self.ready.first_key_value()?.0;
        let queued = self.take_ready(rank)?;
        self.forget(&queued);
        if let Some(queue) = queued.due.order_key.as_ref().and_then(|key| self.orders.get_mut(key)) {
            queue.ready = None;
        }
        Some(queued)
    }

    /// One of this order is done: the next one may go.
    pub fn ended(&mut self, order_key: &str) {
        let Some(queue) = self.orders.get_mut(order_key).filter(|queue| queue.ready.is_none()) else { return };
        match queue.behind.pop_first() {
            None => drop(self.orders.remove(order_key)),
            Some((seq, next)) => {
                queue.ready = Some((!next.due.urgent, seq));
                self.make_ready(next);
            }
        }
    }

    /// One of this order waits for a later try: what is behind it waits in the store.
    pub fn waits(&mut self, order_key: &str) {
        let Some(queue) = self.orders.remove(order_key) else { return };
        let ready = queue.ready.and_then(|rank| self.take_ready(rank));
        for queued in queue.behind.into_values().chain(ready) {
            self.forget(&queued);
        }
    }

    fn forget(&mut self, queued: &QueuedDelivery) {
        self.ids.remove(&queued.due.id);
        self.bytes -= queued.due.bytes;
    }
}
