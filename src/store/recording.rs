//! What a group of webhooks comes to: a pure function of the records and of what a store knows before, so that every store
//! decides alike.
//!
//! A store prepares each record where it is handed in ([`prepare`]), loads what the group needs to know ([`wanted`], then
//! [`wanted_besides`]) into a [`Known`], has [`decide`] decide, and writes the [`Rows`], table by table.

pub mod known;
pub mod packed;
pub mod repeats;
pub mod rows;

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use crate::domain::data::Late;
use crate::domain::event::{DedupeKey, DeliveryId, Event, EventId};
use crate::domain::ledger::LedgerEntry;
use crate::domain::order::Order;
use crate::domain::route::{RouteMatch, Target};
use crate::domain::route_decision::{RouteCondition, RouteDecision, RouteDecisions};
use crate::domain::{changed, fold, ledger, route};
use crate::store::ingest::{Committed, NewDelivery, Record, Recorded};
use crate::store::recording::known::{Known, RowKey};
use crate::store::recording::repeats::SeenBefore;
use crate::store::recording::rows::{EventRow, LedgerRow, NewDeliveryRow, Repeat, Rows};

/// A record with everything that can be made of it before it is its turn.
pub struct Prepared {
    event: Arc<Event>,
    body: Vec<u8>,
    dedupe_keys: Vec<DedupeKey>,
    targets: Vec<(Target, DeliveryId)>,
    urgent: Vec<String>,
    decisions: RouteDecisions,
    /// Event, keys and body as they are kept, unless the order says more.
    packed: Vec<u8>,
    /// What it comes to where its order is not known yet.
    fresh: Outcome,
    /// And the order as it is kept then.
    fresh_order: Vec<u8>,
}

/// Something panicked, or could not be written as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an internal error")]
pub struct InternalError;

/// Serialises, packs and decides as far as nothing has to be known for it. That takes longer than what must be done in turn,
/// so it is for the thread that hands the record in.
///
/// # Errors
/// [`InternalError`].
pub fn prepare(record: Record) -> Result<Prepared, InternalError> {
    let prepare = || {
        let Record { event, body, dedupe_keys, targets, urgent, decisions } = record;
        let packed = rows::pack_event(&event, &dedupe_keys, &body).ok()?;
        let fresh = outcome(None, &event, &targets, &decisions);
        let order = fresh.order.as_deref().map(rows::pack_order).transpose().ok()?;
        let (event, fresh_order) = (Arc::new(event), order.unwrap_or_default());
        Some(Prepared { event, body, dedupe_keys, targets, urgent, decisions, packed, fresh, fresh_order })
    };
    std::panic::catch_unwind(AssertUnwindSafe(prepare)).ok().flatten().ok_or(InternalError)
}

/// What an event comes to.
#[derive(Clone)]
struct Outcome {
    /// The order after it.
    order: Option<Arc<Order>>,
    late: Option<Late>,
    ledger: Vec<LedgerEntry>,
    matched: Arc<RouteMatch>,
    routes: String,
}

fn outcome(
    before: Option<&Order>,
    event: &Event,
    targets: &[(Target, DeliveryId)],
    decisions: &RouteDecisions,
) -> Outcome {
    let fold::Decision { order, late, ledger } = fold::decide(before, event);
    let mut event = Cow::Borrowed(event);
    if late.is_some() {
        event.to_mut().data.late.clone_from(&late);
    }
    let matched = route::choose(&event, order.as_ref(), targets.iter().map(|(target, _)| target));
    let judge = |rule: &RouteCondition| match matched.judged.get(&rule.route) {
        Some(decision) => *decision,
        // Its channels get the event anyway.
        None => route::judge(rule, &event, order.as_ref()).unwrap_or(RouteDecision::Unjudged),
    };
    let routes = decisions.settled(judge).into_owned();
    Outcome { order: order.map(Arc::new), late, ledger, matched: Arc::new(matched), routes }
}

/// The keys and orders, by source, that have to be known of a record: what the store has of them.
pub fn wanted(prepared: &Prepared) -> (Vec<RowKey>, Option<RowKey>) {
    let source = &prepared.event.source;
    let keys = repeats::names(&prepared.dedupe_keys).into_iter().map(|key| (source.clone(), key)).collect();
    (keys, order_key(&prepared.event))
}

/// The keys that have to be known besides, now that those are known that were wanted first: few have any.
pub fn wanted_besides(prepared: &Prepared, known: &Known) -> Vec<RowKey> {
    repeats::names_besides(&prepared.event.source, &prepared.dedupe_keys, known)
}

fn order_key(event: &Event) -> Option<RowKey> {
    event.order.as_ref().map(|order| (event.source.clone(), order.number.clone()))
}

/// What each record of a group comes to, in the sequence in which they came, and what is to be written of all. One that meets
/// an internal error takes no other along.
pub fn decide(group: &[Prepared], mut known: Known) -> (Vec<Result<Recorded, InternalError>>, Rows) {
    let mut rows = Rows::default();
    let one = |prepared: &Prepared| {
        let change = std::panic::catch_unwind(AssertUnwindSafe(|| change(prepared, &known)));
        let change = change.ok().and_then(Result::ok).ok_or(InternalError)?;
        Ok(take(change, &mut known, &mut rows))
    };
    let answers = group.iter().map(one).collect();
    rows.keys = known.changed_keys();
    rows.orders = known.changed_orders();
    (answers, rows)
}

/// What one record changes.
#[derive(Default)]
struct Change {
    event: Option<EventRow>,
    keys: Vec<(RowKey, known::KnownKey)>,
    order: Option<(RowKey, Arc<Order>, Option<Vec<u8>>)>,
    ledger: Vec<LedgerRow>,
    deliveries: Vec<NewDeliveryRow>,
    repeat: Option<Repeat>,
}

fn take((recorded, change): (Recorded, Change), known: &mut Known, rows: &mut Rows) -> Recorded {
    if let Some(event) = change.event {
        known.next_seq = event.seq + 1;
        rows.events.push(event);
    }
    for (name, key) in change.keys {
        known.put_key(name, key);
    }
    if let Some((name, order, packed)) = change.order {
        known.put_order(name, order, packed);
    }
    rows.ledger.extend(change.ledger);
    rows.deliveries.extend(change.deliveries);
    rows.repeats.extend(change.repeat);
    recorded
}

fn change(prepared: &Prepared, known: &Known) -> serde_json::Result<(Recorded, Change)> {
    let event = &prepared.event;
    match repeats::seen_before(event, &prepared.dedupe_keys, known) {
        SeenBefore::No => new(prepared, known, event.clone()),
        SeenBefore::Replay => Ok((Recorded::Replay, Change::default())),
        SeenBefore::Repeat { of } => Ok(repeated(prepared, known, of)),
        SeenBefore::Retold { of } => {
            let before = order_key(event).and_then(|key| known.order(&key));
            match before.and_then(|before| changed::by(&before.order, event)) {
                Some(changed) => {
                    let mut event = Event::clone(event);
                    // It did not happen when the order was placed.
                    event.occurred_at = event.order.as_ref().and_then(|order| order.as_of).or(event.occurred_at);
                    event.data.changed = Some(Box::new(changed));
                    new(prepared, known, Arc::new(event))
                }
                None => {
                    let (recorded, mut change) = repeated(prepared, known, of);
                    change.keys = repeats::ids_of_repeat(event, &prepared.dedupe_keys, known, of);
                    Ok((recorded, change))
                }
            }
        }
    }
}

/// `event` is the record's, or what it is because it changes its order.
fn new(prepared: &Prepared, known: &Known, event: Arc<Event>) -> serde_json::Result<(Recorded, Change)> {
    let name = order_key(&event);
    let before = name.as_ref().and_then(|name| known.order(name));
    let is_fresh = before.is_none() && Arc::ptr_eq(&event, &prepared.event);
    let outcome = match is_fresh {
        true => prepared.fresh.clone(),
        false => outcome(before.map(|known| &*known.order), &event, &prepared.targets, &prepared.decisions),
    };
    let event = match outcome.late {
        Some(late) => {
            let mut event = Arc::unwrap_or_clone(event);
            event.data.late = Some(late);
            Arc::new(event)
        }
        None => event,
    };
    let packed = match Arc::ptr_eq(&event, &prepared.event) {
        true => prepared.packed.clone(),
        false => rows::pack_event(&event, &prepared.dedupe_keys, &prepared.body)?,
    };
    let seq = known.next_seq;
    let is_chosen = |target: &Target| outcome.matched.channels.contains(&target.channel);
    let chosen = prepared.targets.iter().filter(|(target, _)| is_chosen(target));
    let deliveries: Vec<NewDelivery> = chosen
        .map(|(Target { channel, .. }, id)| NewDelivery {
            id: *id,
            channel: channel.clone(),
            urgent: prepared.urgent.contains(channel),
        })
        .collect();
    let change = Change {
        event: Some(EventRow::new(seq, &event, outcome.routes, packed)),
        keys: repeats::keys_of_event(&event, &prepared.dedupe_keys),
        order: name.zip(outcome.order.clone()).map(|(name, order)| {
            let packed = is_fresh.then(|| prepared.fresh_order.clone());
            (name, order, packed)
        }),
        ledger: LedgerRow::all(event.id, &event, outcome.ledger),
        deliveries: deliveries.iter().map(|delivery| NewDeliveryRow::new(delivery, seq, &event)).collect(),
        repeat: None,
    };
    let order = outcome.order.filter(|_| !deliveries.is_empty());
    let committed = Committed { seq, event, order, deliveries, bytes: prepared.body.len() };
    let (channels, unjudged) = (outcome.matched.channels.clone(), outcome.matched.unjudged.clone());
    Ok((Recorded::New { channels, unjudged, committed: Some(Box::new(committed)) }, change))
}

/// A repeat that says more than the first webhook completes the order, and corrects the figures.
fn repeated(prepared: &Prepared, known: &Known, of: EventId) -> (Recorded, Change) {
    let event = &prepared.event;
    let mut change = Change { repeat: Some(Repeat::new(of, event)), ..Change::default() };
    let name = order_key(event);
    if let Some((name, before)) = name.and_then(|name| Some((name.clone(), known.order(&name)?))) {
        let after = fold::merge(Some(&before.order), event);
        if after != *before.order {
            change.ledger = LedgerRow::all(of, event, ledger::entries(Some(&before.order), &after));
            change.order = Some((name, Arc::new(after), None));
        }
    }
    (Recorded::Repeat { of }, change)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::domain::event::{Kind, SignatureCheck};
    use crate::domain::order::{OrderState, OrderUpdate};
    use crate::domain::payload::Data;
    use crate::store::recording::known::KnownOrder;

    fn prepared(id: u128, number: &str, state: OrderState, key: &str) -> Prepared {
        let order = OrderUpdate { number: number.to_owned(), state: Some(state), ..OrderUpdate::default() };
        let event = Event {
            id: EventId(Uuid::from_u128(id)),
            kind: Kind::OrderPlaced,
            source: "s".to_owned(),
            occurred_at: None,
            received_at: Timestamp::UNIX_EPOCH,
            shop: None,
            order: Some(order),
            data: Data::default(),
            proof: SignatureCheck::Valid("test".to_owned()),
        };
        let targets = vec![(Target::always("kitchen"), DeliveryId(Uuid::from_u128(id + 1000)))];
        let dedupe_keys = vec![DedupeKey::Once(key.to_owned())];
        let decisions = RouteDecisions::default();
        prepare(Record { event, body: b"{}".to_vec(), dedupe_keys, targets, urgent: Vec::new(), decisions }).unwrap()
    }

    #[test]
    fn an_order_that_a_group_touches_many_times_is_written_once_and_a_repeat_within_it_is_known() {
        let group = [
            prepared(1, "7", OrderState::Placed, "a"),
            prepared(2, "7", OrderState::Accepted, "b"),
            prepared(3, "7", OrderState::Placed, "a"),
            prepared(4, "8", OrderState::Placed, "c"),
        ];
        let (answers, rows) = decide(&group, Known::new(5));
        assert!(matches!(answers[1], Ok(Recorded::New { .. })));
        assert_eq!(answers[2], Ok(Recorded::Repeat { of: EventId(Uuid::from_u128(1)) }));
        assert_eq!(rows.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [5, 6, 7]);
        let orders: Vec<_> = rows.orders.values().map(|row| (row.order.number.as_str(), row.order.revision)).collect();
        assert_eq!(orders, [("7", 2), ("8", 1)]);
        assert_eq!((rows.keys.len(), rows.deliveries.len(), rows.repeats.len()), (3, 3, 1));
    }

    #[test]
    fn a_record_that_meets_an_internal_error_takes_no_other_along() {
        // One more revision than can be counted.
        let order = Order { number: "7".to_owned(), revision: u64::MAX, ..Order::default() };
        let mut known = Known::new(1);
        known.add_order(("s".to_owned(), "7".to_owned()), KnownOrder::stored(1, order));
        let group = [
            prepared(1, "6", OrderState::Placed, "a"),
            prepared(2, "7", OrderState::Placed, "b"),
            prepared(3, "8", OrderState::Placed, "c"),
        ];
        let (answers, rows) = decide(&group, known);
        assert!(answers[0].is_ok() && answers[2].is_ok());
        assert_eq!(answers[1], Err(InternalError));
        assert_eq!(rows.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((rows.keys.len(), rows.orders.len(), rows.deliveries.len()), (2, 2, 2));
    }
}
