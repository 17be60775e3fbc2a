//! What one more event makes of its order: a pure function of (order before, event), whatever their sequence.

use jiff::Timestamp;

use crate::domain::data::Late;
use crate::domain::event::{Event, Kind, SignatureCheck};
use crate::domain::ledger::{self, LedgerEntry};
use crate::domain::order::{Counted, Order, OrderUpdate, RefundStatus};
use crate::domain::payload::{OrderProgress, Payload};
use crate::domain::{changed, unreadable};

/// What one event changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// The order after the event; `None` when the event is about no order.
    pub order: Option<Order>,
    /// Set when the event came after something newer of the same order.
    pub late: Option<Late>,
    /// What the reports count.
    pub ledger: Vec<LedgerEntry>,
}

/// Decides what an event changes, given the order before it. It is called inside the commit, where the order is known. An
/// event that nobody proved changes nothing.
pub fn decide(before: Option<&Order>, event: &Event) -> Decision {
    if event.proof == SignatureCheck::Invalid || event.order.is_none() {
        return Decision::default();
    }
    let mut order = merge(before, event);
    order.revision = before.map_or(0, |order| order.revision) + 1;
    let late = before.and_then(|before| lateness(before, event));
    let ledger = ledger::entries(before, &order);
    Decision { order: Some(order), late, ledger }
}

/// The order after one more event of it. A duplicate goes through here too, because a fuller one may complete lines and
/// total; the revision stays as it is. What is known of them gives way only to an event that changes the order
/// ([`changed::by`]).
pub fn merge(before: Option<&Order>, event: &Event) -> Order {
    let mut order = before.cloned().unwrap_or_default();
    let Some(news) = &event.order else { return order };
    // One that an older version kept.
    order.counted.first_at = order.counted.first_at.or(order.day_at());
    if order.number.is_empty() {
        order.number.clone_from(&news.number);
    }
    order.state = order.state.max(news.state.unwrap_or_default());
    // A platform whose clock is ahead must not make everything after it late.
    order.latest_at = order.latest_at.max(event.occurred_at.map(|at| at.min(event.received_at)));
    fill(&mut order.short_number, &news.short_number);
    fill(&mut order.placed_at, &news.placed_at);
    match (&mut order.shop, &event.shop) {
        (None, Some(shop)) => order.shop = Some(shop.clone()),
        (Some(known), Some(shop)) => fill(&mut known.name, &shop.name),
        (_, None) => {}
    }
    match news.as_of {
        Some(_) => changed::merge(&mut order, event),
        None => take_fuller(&mut order, news),
    }
    unreadable::settle(before, news, &mut order);
    if event.data.changed.is_some() {
        unreadable::keep(news, &mut order);
    }
    count(&mut order.counted, event, news);
    if let Some(refund) = news.refund.as_ref().filter(|refund| !refund.pending) {
        let at = happened(event);
        let (amount, assumes_currency) = (refund.amount.clone(), refund.assumes_currency);
        let known = order.refunds.entry(refund.id.clone()).or_insert_with(|| RefundStatus {
            amount: amount.clone(),
            assumes_currency,
            at,
            effect_at: Some(at),
        });
        known.effect_at = Some(known.effect_at().min(at));
        if amount.is_some() && (known.at <= at || known.amount.is_none()) {
            (known.amount, known.assumes_currency) = (amount, assumes_currency);
        }
        known.at = known.at.max(at);
    }
    if let Some(total) = &order.total {
        order.refunds.values_mut().for_each(|refund| refund.settle_currency(total));
    }
    order
}

/// Of an event that may have a part of the order alone, what is more than what is known.
fn take_fuller(order: &mut Order, news: &OrderUpdate) {
    if news.total.is_some() && (order.total.is_none() || (order.total_is_approximate && !news.total_is_approximate)) {
        order.total.clone_from(&news.total);
        order.total_is_approximate = news.total_is_approximate;
    }
    if order.lines.len() < news.lines.len() || unreadable::has_fuller_lines(order, news) {
        order.lines.clone_from(&news.lines);
    }
}

/// When an event happened, as far as the reports go.
fn happened(event: &Event) -> Timestamp {
    event.occurred_at.map_or(event.received_at, |at| at.min(event.received_at))
}

fn count(counted: &mut Counted, event: &Event, news: &OrderUpdate) {
    let at = happened(event);
    let earliest =
        |known: &mut Option<Timestamp>, at: Timestamp| *known = Some(known.map_or(at, |known| known.min(at)));
    earliest(&mut counted.first_at, at);
    if let Some(placed_at) = news.placed_at {
        earliest(&mut counted.placed_at, placed_at.min(event.received_at));
    }
    match event.kind {
        Kind::OrderPlaced if news.placed_at.is_none() => earliest(&mut counted.placed_at, at),
        Kind::OrderAccepted => earliest(&mut counted.accepted_at, at),
        Kind::OrderCompleted => earliest(&mut counted.completed_at, at),
        Kind::OrderCancelled => {
            let is_first = counted.cancelled_at.is_none_or(|known| at < known);
            earliest(&mut counted.cancelled_at, at);
            // Several events of one cancellation complete each other; the first one counts.
            let Payload::Progress(OrderProgress { by, reason, .. }) = &event.data.payload else { return };
            if by.is_some() && (is_first || counted.cancelled_by.is_none()) {
                counted.cancelled_by.clone_from(by);
            }
            if reason.is_some() && (is_first || counted.cancel_reason.is_none()) {
                counted.cancel_reason.clone_from(reason);
            }
        }
        _ => {}
    }
}

fn fill<T: Clone>(known: &mut Option<T>, news: &Option<T>) {
    if known.is_none() {
        known.clone_from(news);
    }
}

/// An event is late when the order has already gone past it: by the time at which things happened where both are known, else
/// by its state.
fn lateness(before: &Order, event: &Event) -> Option<Late> {
    let news = event.order.as_ref()?;
    // The time of a change is that of its message, which has no fractions of a second.
    let latest_at = before.latest_at.map(|at| if event.data.changed.is_some() { whole_second(at) } else { at });
    let behind = match (event.occurred_at, latest_at) {
        (Some(at), Some(latest)) if at != latest => at < latest,
        _ => news.state.is_some_and(|state| state < before.state),
    };
    if !behind {
        return None;
    }
    let happened = event.occurred_at.unwrap_or(event.received_at);
    let by_seconds = event.received_at.as_second().saturating_sub(happened.as_second()).max(0);
    Some(Late { by_seconds, order_state: before.state })
}

fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_millisecond().div_euclid(1000)).unwrap_or(at)
}
