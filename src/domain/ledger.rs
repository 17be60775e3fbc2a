//! What the daily figures count: per event one entry a figure, as a difference, so that corrections cost what they change.

use jiff::Timestamp;

use crate::domain::money::Money;
use crate::domain::order::Order;

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

/// What an order adds to one figure.
struct Share<'a> {
    figure: Figure,
    /// Tells the shares of one figure apart: the refund id, else empty.
    part: &'a str,
    amount: Option<&'a Money>,
    effect_at: Timestamp,
}

/// The differences that an event made: what the order adds to the figures now, less what it added before. A total that
/// becomes known later, or a refund whose amount changes, thus corrects the day on which it took effect.
pub fn entries(before: Option<&Order>, after: &Order) -> Vec<Entry> {
    let earlier = before.map(shares).unwrap_or_default();
    let difference = |share: Share<'_>| {
        let known = earlier.iter().find(|known| known.figure == share.figure && known.part == share.part);
        let (count, amount) = match known {
            None => (1, share.amount.cloned()),
            Some(known) => (0, change(known.amount, share.amount)),
        };
        let effect_at = known.map_or(share.effect_at, |known| known.effect_at);
        (count != 0 || amount.is_some()).then_some(Entry { figure: share.figure, count, amount, effect_at })
    };
    shares(after).into_iter().filter_map(difference).collect()
}

fn shares(order: &Order) -> Vec<Share<'_>> {
    let total = order.total.as_ref();
    let milestones = [
        (Figure::Placed, order.counted.placed_at),
        (Figure::Completed, order.counted.completed_at),
        (Figure::Cancelled, order.counted.cancelled_at),
    ];
    let reached = milestones
        .into_iter()
        .filter_map(|(figure, at)| at.map(|effect_at| Share { figure, part: "", amount: total, effect_at }));
    let refunds = order.refunds.iter().map(|(id, refund)| Share {
        figure: Figure::Refunded,
        part: id,
        amount: Some(&refund.amount),
        effect_at: refund.at,
    });
    reached.chain(refunds).collect()
}

/// `None` when nothing changed, or when the amounts are of different currencies and have no difference.
fn change(before: Option<&Money>, after: Option<&Money>) -> Option<Money> {
    match (before, after) {
        (None, Some(after)) => Some(after.clone()),
        (Some(before), Some(after)) => {
            after.plus(&Money::new(before.minor.checked_neg()?, &before.currency)).filter(|money| money.minor != 0)
        }
        (_, None) => None,
    }
}
