//! What all events of one order add up to: a pure function of (order before, event), whatever their sequence.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::data::{Coded, Late};
use crate::domain::event::{Event, Kind, Shop, SignatureCheck};
use crate::domain::ledger::{self, LedgerEntry};
use crate::domain::matching::{self, RouteMatch, UndecidedCondition};
use crate::domain::money::Money;
use crate::domain::route::Target;
use crate::domain::route_decision::RouteDecision;
use crate::domain::{changed, unreadable};

/// Where an order stands. The sequence of the variants is the sequence of an order's life: a state never gives way to
/// an earlier one, so the same events add up to the same state in whatever sequence they arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Events were seen, but none that tells the state.
    #[default]
    Unknown,
    Placed,
    Paid,
    Accepted,
    Ready,
    Completed,
    /// After completed, because support can cancel up to 30 days later.
    Cancelled,
    Refunded,
}

/// The most lines that are kept of one order; a sender cannot make us carry more.
pub const MAX_LINES: usize = 500;

/// One line of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrderLine {
    /// Empty where it could not be read.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What was chosen with it, outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<Money>,
    /// The buyer's words about this line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What one event says of an order; `None` and empty where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrderUpdate {
    /// The platform's own order number.
    pub number: String,
    /// The platform's time of the message, where it tells the whole order as it stood then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// The number that people call out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<OrderState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Money>,
    /// The platform sent no total; this one is the sum of the lines.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub total_is_approximate: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<OrderLine>,
    /// What came and could not be read ([`unreadable`]).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// Where one refund stands after this event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund: Option<RefundUpdate>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefundUpdate {
    /// The platform's id of the refund; several events of one id are one refund.
    pub id: String,
    /// Absent where the platform does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// The platform does not say the currency either: it is that of the order, where the order has one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumes_currency: bool,
    /// Somebody still has to agree: it has not taken effect.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pending: bool,
}

/// An order as it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Order {
    pub number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop: Option<Shop>,
    pub state: OrderState,
    /// How many events it has had.
    pub revision: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placed_at: Option<Timestamp>,
    /// When the newest event that we know of happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_at: Option<Timestamp>,
    /// The platform's time of the message that its lines and total are from, where that told the whole order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Money>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub total_is_approximate: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<OrderLine>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// What the reports count of it so far.
    #[serde(skip_serializing_if = "Counted::is_empty")]
    pub counted: Counted,
    /// The refunds that have taken effect, by their ids.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub refunds: BTreeMap<String, RefundStatus>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefundStatus {
    /// As it was told last; absent where nobody has told it, or not in the order's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// As [`RefundUpdate::assumes_currency`], until the order's is known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumes_currency: bool,
    /// When the newest thing that we know of it happened.
    pub at: Timestamp,
    /// When it took effect; absent in orders of an older version, where it is `at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect_at: Option<Timestamp>,
}

/// When the order first reached what the reports count, whatever the sequence in which we heard of it; never later than we
/// heard of it, because a platform's clock may be ahead.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counted {
    /// The first thing that we know of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancelled_at: Option<Timestamp>,
    /// Who cancelled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<Coded>,
    /// Why, in the words of whoever did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_reason: Option<String>,
}

impl Counted {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What one event changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// The order after the event; `None` when the event is about no order.
    pub order: Option<Order>,
    /// Set when the event came after something newer of the same order.
    pub late: Option<Late>,
    /// The channels that hear of it, each once, in the sequence of the routes.
    pub channels: Vec<String>,
    /// What the reports count.
    pub ledger: Vec<LedgerEntry>,
    /// The conditions that could not be judged, each once; the event was let through.
    pub unjudged: Vec<UndecidedCondition>,
    /// What the conditions came to that decided who hears, by the numbers of their routes.
    pub judged: BTreeMap<usize, RouteDecision>,
}

/// Decides what an event changes, given the order before it and the channels whose routes match.
///
/// It is called inside the commit, where the order is known. An event that nobody proved changes nothing and is told to
/// nobody. A condition that cannot be judged lets the event through: one message too many is better than one too few.
pub fn decide(before: Option<&Order>, event: &Event, targets: &[Target]) -> Decision {
    if event.proof == SignatureCheck::Invalid {
        return Decision::default();
    }
    let order = event.order.is_some().then(|| {
        let mut order = merge(before, event);
        order.revision = before.map_or(0, |order| order.revision) + 1;
        order
    });
    let RouteMatch { channels, unjudged, judged } = matching::match_routes(event, order.as_ref(), targets);
    let (late, ledger) = match &order {
        Some(order) => (before.and_then(|before| lateness(before, event)), ledger::entries(before, order)),
        None => (None, Vec::new()),
    };
    Decision { order, late, channels, ledger, unjudged, judged }
}

/// The order after one more telling of it. A repeat goes through here too, because a fuller one may complete lines and
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

/// Of an event that may tell a part of the order alone, what is more than what is known.
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
            // Several tellings of one cancellation complete each other; the first one counts.
            let (by, reason) = (&event.data.by, &event.data.reason);
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

impl Order {
    /// The moment whose local day is the order's in the reports: when it was placed, else the first thing that we know of it.
    pub fn day_at(&self) -> Option<Timestamp> {
        let Counted { placed_at, first_at, .. } = self.counted;
        placed_at.or(first_at).or(self.placed_at).or(self.latest_at)
    }

    /// Whether it was cancelled, whatever came after. Where the webhook of the cancellation never came, another one's word
    /// for the state says so.
    pub fn is_cancelled(&self) -> bool {
        self.counted.cancelled_at.is_some() || self.state == OrderState::Cancelled
    }
}

impl RefundStatus {
    pub fn effect_at(&self) -> Timestamp {
        self.effect_at.unwrap_or(self.at)
    }

    /// A currency that was only assumed gives way to the order's. Where that has other decimals the amount is not known.
    fn settle_currency(&mut self, total: &Money) {
        if std::mem::take(&mut self.assumes_currency) {
            let same = |amount: &Money| amount.exponent() == total.exponent();
            self.amount = self.amount.take().filter(same).map(|amount| Money::new(amount.minor, &total.currency));
        }
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
