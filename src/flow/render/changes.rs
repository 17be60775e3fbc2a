//! How a message shows that an order has changed: as new where its channel has not had the order before, else from what the
//! channel knows to what is, however many changes lie between.

use std::borrow::Cow;
use std::sync::Arc;

use crate::domain::data::OrderChanges;
use crate::domain::digest::MergedDelivery;
use crate::domain::event::{DeliveryId, Event, Kind};
use crate::store::queue::pending::PendingDelivery;

/// The delivery that leads a message about one order, as it is shown with the others, the earliest first.
pub fn leading<'a>(earlier: &[PendingDelivery], leader: &'a PendingDelivery) -> Cow<'a, PendingDelivery> {
    let all: Vec<&PendingDelivery> = earlier.iter().chain([leader]).collect();
    match changes(&all) {
        Changes::None => Cow::Borrowed(leader),
        Changes::New => Cow::Owned(PendingDelivery { event: with(&leader.event, None), ..leader.clone() }),
        Changes::Since(changed) => {
            Cow::Owned(PendingDelivery { event: with(&leader.event, Some(changed)), ..leader.clone() })
        }
    }
}

/// What a message about one order says that it covers beside its leader.
pub fn behind(earlier: &[PendingDelivery], leader: &PendingDelivery) -> Vec<MergedDelivery> {
    let all: Vec<&PendingDelivery> = earlier.iter().chain([leader]).collect();
    let is_new = matches!(changes(&all), Changes::New);
    let is_placed = |due: &&PendingDelivery| due.event.kind == Kind::OrderPlaced;
    // Of those that placed the order or changed it one is said: the message is about the order as it stands.
    let said = match is_placed(&leader) {
        true => None,
        false if is_new => earlier.iter().find(is_placed).map(|due| due.id),
        false => earlier.iter().rev().find(is_placed).map(|due| due.id),
    };
    let is_said = |due: &&PendingDelivery| !has_changes(&all) || !is_placed(due) || Some(due.id) == said;
    let merged = |due: &PendingDelivery| MergedDelivery {
        kind: due.event.kind.clone(),
        changed: due.event.data.changed.is_some() && !is_new,
        at: due.event.occurred_at.unwrap_or(due.event.received_at),
    };
    earlier.iter().filter(is_said).map(merged).collect()
}

/// The events of a digest as it shows them; `None` where the entry of another one of the same order does so.
pub fn in_digest(all: &[&PendingDelivery]) -> Vec<Option<Arc<Event>>> {
    let shown = |due: &&PendingDelivery| {
        let event = &due.event;
        let order: Vec<&PendingDelivery> =
            all.iter().copied().filter(|other| other.order_key == due.order_key).collect();
        if event.kind != Kind::OrderPlaced || due.order_key.is_none() {
            return Some(event.clone());
        }
        let is_placed = |other: &&&PendingDelivery| other.event.kind == Kind::OrderPlaced;
        let is = |other: Option<&&PendingDelivery>| other.is_some_and(|other| other.id == due.id);
        match changes(&order) {
            Changes::None => Some(event.clone()),
            Changes::New => is(order.iter().find(is_placed)).then(|| with(event, None)),
            Changes::Since(changed) => is(order.iter().rev().find(is_placed)).then(|| with(event, Some(changed))),
        }
    };
    all.iter().map(shown).collect()
}

/// What the deliveries of one order in a message come to for whoever reads it.
enum Changes {
    None,
    /// The reader does not know the order yet.
    New,
    /// From what the reader knows.
    Since(OrderChanges),
}

fn has_changes(order: &[&PendingDelivery]) -> bool {
    order.iter().any(|due| due.event.data.changed.is_some())
}

fn changes(order: &[&PendingDelivery]) -> Changes {
    if !has_changes(order) {
        return Changes::None;
    }
    let is_new = |due: &&PendingDelivery| {
        let is_here = |id: &DeliveryId| order.iter().any(|other| other.id == *id);
        due.event.kind == Kind::OrderPlaced && due.placed_before.iter().all(is_here)
    };
    if order.iter().any(is_new) {
        return Changes::New;
    }
    let all = order.iter().filter_map(|due| due.event.data.changed.as_deref().cloned());
    all.reduce(OrderChanges::then).map_or(Changes::None, Changes::Since)
}

fn with(event: &Event, changed: Option<OrderChanges>) -> Arc<Event> {
    let mut event = event.clone();
    event.data.changed = changed.map(Box::new);
    Arc::new(event)
}
