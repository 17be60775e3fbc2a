//! What the daily figures count: per event one entry a figure, as a difference, so that corrections cost what they change.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::money::Money;
use crate::domain::order::Order;

/// One figure of the reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// Orders, and their totals; they take effect on the order's day ([`Order::day_at`]).
    Orders,
    /// Those of them that are cancelled; they take effect on the order's day as well.
    Cancelled,
    /// Refunds, and their amounts; each on the day on which it took effect.
    Refunded,
}

impl Figure {
    pub const ALL: [Figure; 3] = [Figure::Orders, Figure::Cancelled, Figure::Refunded];

    pub fn as_str(self) -> &'static str {
        match self {
            Figure::Orders => "orders",
            Figure::Cancelled => "cancelled",
            Figure::Refunded => "refunded",
        }
    }
}

/// One difference to one figure. The day it belongs to follows from `effect_at` and the report's own time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct LedgerEntry {
    pub figure: Figure,
    /// The shop's id, where it is known.
    pub shop: Option<String>,
    /// How many orders (or refunds) it adds.
    pub count: i64,
    /// How much money it adds; absent for those whose amount is not known.
    pub amount: Option<Money>,
    pub effect_at: Timestamp,
}

/// In minor units. An amount beyond it, some million million of any currency, is a mistake of whoever sends it, and
/// would spoil every sum that it is in: it counts as one that is not known.
const MOST: u64 = 1_000_000_000_000_000;

/// Whether the reports count an amount.
pub fn is_credible(amount: &Money) -> bool {
    amount.minor.unsigned_abs() <= MOST
}

/// Where something counts: entries of one place can be added.
type Place = (Figure, Option<String>, Timestamp, Option<String>);

/// The differences that an event made: what the order adds to the figures now, less what it added before. What becomes known
/// later, such as a total, its day, or another amount of a refund, thus corrects the day on which it took effect.
pub fn entries(before: Option<&Order>, after: &Order) -> Vec<LedgerEntry> {
    let mut sums: BTreeMap<Place, (i64, i64)> = BTreeMap::new();
    let mut add = |order: &Order, sign: i64| {
        for (place, minor) in shares(order) {
            let (count, sum) = sums.entry(place).or_default();
            *count += sign;
            *sum = sum.saturating_add(minor.saturating_mul(sign));
        }
    };
    if let Some(before) = before {
        add(before, -1);
    }
    add(after, 1);
    let entry = |((figure, shop, effect_at, currency), (count, minor)): (Place, (i64, i64))| {
        let amount = currency.map(|currency| Money::new(minor, currency));
        (count != 0 || minor != 0).then_some(LedgerEntry { figure, shop, count, amount, effect_at })
    };
    sums.into_iter().filter_map(entry).collect()
}

/// What an order adds: the places, and the minor units of each.
fn shares(order: &Order) -> Vec<(Place, i64)> {
    let shop = || order.shop.as_ref().map(|shop| shop.id.clone());
    let mut shares = Vec::new();
    let mut add = |figure: Figure, at: Timestamp, amount: Option<&Money>| {
        let amount = amount.filter(|amount| is_credible(amount));
        let currency = amount.map(|money| money.currency.clone());
        shares.push(((figure, shop(), at, currency), amount.map_or(0, |money| money.minor)));
    };
    if let Some(day_at) = order.day_at() {
        add(Figure::Orders, day_at, order.total.as_ref());
        if order.is_cancelled() {
            add(Figure::Cancelled, day_at, order.total.as_ref());
        }
    }
    for refund in order.refunds.values() {
        add(Figure::Refunded, refund.effect_at(), refund.amount.as_ref());
    }
    shares
}
