//! What the daily figures count: per event one entry a figure, as a difference, so that corrections cost what they change.

use jiff::Timestamp;

use crate::domain::event::Event;
use crate::domain::money::Money;
use crate::domain::order::Order;
use crate::domain::order::OrderNews;
use crate::domain::order::OrderState;

/// One figure of the reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Orders placed, and their totals.
    Placed,
    /// Orders completed, and their totals.
    Completed,
    /// Orders cancelled, and their totals.
    Cancelled,
    /// Refunds told of, and their amounts.
    Refunded,
}

impl Figure {
    pub fn as_str(self) -> &'static str {
        match self {
            Figure::Placed => "placed",
            Figure::Completed => "completed",
            Figure::Cancelled => "cancelled",
            Figure::Refunded => "refunded",
        }
    }
}

/// One difference to one figure. The day it belongs to follows from `effect_at` and the report's own time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub figure: Figure,
    /// How many orders (or refunds) it adds.
    pub count: i64,
    /// How much money it adds, when that is known.
    pub amount: Option<Money>,
    /// When it took effect: when the order was placed, completed, cancelled or refunded.
    pub effect_at: Timestamp,
}

/// The differences that one event makes: what the order counts for after it, less what it counted for before.
pub fn entries(before: Option<&Order>, after: &Order, news: &OrderNews, event: &Event) -> Vec<Entry> {
    let happened = event.occurred_at.unwrap_or(event.received_at);
    let mut entries = Vec::new();
    let known = before.map_or(OrderState::Unknown, |order| order.state);
    let had_total = before.and_then(|order| order.total.as_ref());

    let was_placed = before.is_some_and(|order| order.placed_at.is_some());
    if let Some(placed_at) = after.placed_at {
        match (was_placed, had_total, &after.total) {
            (false, _, total) => {
                entries.push(Entry { figure: Figure::Placed, count: 1, amount: total.clone(), effect_at: placed_at })
            }
            (true, None, Some(total)) => {
                entries.push(Entry {
                    figure: Figure::Placed,
                    count: 0,
                    amount: Some(total.clone()),
                    effect_at: placed_at,
                });
            }
            _ => {}
        }
    }
    let reached = |state: OrderState| news.state == Some(state) && (known < state || before.is_none());
    if reached(OrderState::Completed) {
        entries.push(Entry { figure: Figure::Completed, count: 1, amount: after.total.clone(), effect_at: happened });
    }
    if reached(OrderState::Cancelled) {
        entries.push(Entry { figure: Figure::Cancelled, count: 1, amount: after.total.clone(), effect_at: happened });
    }
    if let Some(refund) = &news.refund {
        let earlier = before.and_then(|order| order.refunds.get(&refund.id));
        let now = after.refunds.get(&refund.id).map(|standing| &standing.amount);
        let (count, difference) = match (earlier.map(|standing| &standing.amount), now) {
            (None, now) => (1, now.cloned()),
            (Some(earlier), Some(now)) => (0, now.plus(&Money::new(-earlier.minor, &earlier.currency))),
            (Some(_), None) => (0, None),
        };
        if count != 0 || difference.as_ref().is_some_and(|difference| difference.minor != 0) {
            entries.push(Entry { figure: Figure::Refunded, count, amount: difference, effect_at: happened });
        }
    }
    entries
}
