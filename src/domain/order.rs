//! An order: what one event says of it, and what all its events add up to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::domain::coded::Coded;
use crate::domain::money::Money;
use crate::domain::shop::Shop;

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
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrderLine {
    /// Empty where it could not be read.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What was chosen with it, outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    pub quantity: Option<u64>,
    pub unit_price: Option<Money>,
    /// The buyer's words about this line.
    pub note: Option<String>,
}

/// What one event says of an order; `None` and empty where it says nothing.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrderUpdate {
    /// The platform's own order number.
    pub number: String,
    /// The platform's time of the message, where it tells the whole order as it stood then.
    pub as_of: Option<Timestamp>,
    /// The number that people call out.
    pub short_number: Option<String>,
    pub state: Option<OrderState>,
    pub placed_at: Option<Timestamp>,
    pub total: Option<Money>,
    /// The platform sent no total; this one is the sum of the lines.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub total_is_approximate: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<OrderLine>,
    /// What came and could not be read ([`crate::domain::unreadable`]).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// Where one refund stands after this event.
    pub refund: Option<RefundUpdate>,
}

#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefundUpdate {
    /// The platform's id of the refund; several events of one id are one refund.
    pub id: String,
    /// Absent where the platform does not say it.
    pub amount: Option<Money>,
    /// The platform does not say the currency either: it is that of the order, where the order has one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumes_currency: bool,
    /// Somebody still has to agree: it has not taken effect.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pending: bool,
}

/// An order as it stands.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Order {
    pub number: String,
    pub short_number: Option<String>,
    pub shop: Option<Shop>,
    pub state: OrderState,
    /// How many events it has had.
    pub revision: u64,
    pub placed_at: Option<Timestamp>,
    /// When the newest event that we know of happened.
    pub latest_at: Option<Timestamp>,
    /// The platform's time of the message that its lines and total are from, where that has the whole order.
    pub as_of: Option<Timestamp>,
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

#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefundStatus {
    /// As it stands in the newest event; absent where none has it, or not in the order's currency.
    pub amount: Option<Money>,
    /// As [`RefundUpdate::assumes_currency`], until the order's is known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumes_currency: bool,
    /// When the newest thing that we know of it happened.
    pub at: Timestamp,
    /// When it took effect; absent in orders of an older version, where it is `at`.
    pub effect_at: Option<Timestamp>,
}

/// When the order first reached what the reports count, whatever the sequence of the events; never later than their
/// arrival, because a platform's clock may be ahead.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counted {
    /// The first thing that we know of it.
    pub first_at: Option<Timestamp>,
    pub placed_at: Option<Timestamp>,
    pub accepted_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    pub cancelled_at: Option<Timestamp>,
    /// Who cancelled it.
    pub cancelled_by: Option<Coded>,
    /// Why, in the words of whoever did it.
    pub cancel_reason: Option<String>,
}

impl Counted {
    fn is_empty(&self) -> bool {
        *self == Self::default()
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
    pub fn settle_currency(&mut self, total: &Money) {
        if std::mem::take(&mut self.assumes_currency) {
            let same = |amount: &Money| amount.exponent() == total.exponent();
            self.amount = self.amount.take().filter(same).map(|amount| Money::new(amount.minor, &total.currency));
        }
    }
}
