//! The daily report: its figures by their definitions, under the names that templates, the WebHook's JSON and
//! `orderbell report --format json` have for them.
//!
//! An order's day is the local day on which it was placed; where only later events of it came, that of the first one. Amounts
//! are never added across currencies. A refund counts once, on the day on which it took effect: when an event first had it
//! without somebody having to agree to it.

pub mod calendar;
mod flat;
pub mod settings;
mod shortened;
pub mod upcoming;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::domain::coded::Coded;
use crate::domain::money::Money;
use crate::domain::shop::Shop;
use crate::domain::timestamp::milliseconds;

/// Everything that one report tells.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// As the configuration calls it.
    pub name: String,
    /// The time zone of its days and hours, an IANA name.
    pub timezone: String,
    /// The first and the last day that it covers.
    pub from: Date,
    pub to: Date,
    /// The state of the store that it is made of.
    #[serde(serialize_with = "milliseconds")]
    pub as_of: Timestamp,
    /// It is sent later than it should have been, or covers days that reports should have covered before it.
    pub late: bool,
    pub total: Figures,
    /// By source and shop, those with the most orders first.
    pub shops: Vec<ShopFigures>,
    /// The shops are of several sources.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sources_differ: bool,
    /// By day.
    pub days: Vec<DayFigures>,
    /// The orders by the hour in which they were placed: 24 entries. Where the clock is put back, an hour stands for both.
    pub hours: Vec<Hour>,
    pub cancellations: Cancellations,
    /// The ten that were sold most, in pieces; orders that are cancelled do not count.
    pub products: Vec<Product>,
    /// Absent when no order has been accepted.
    pub acceptance: Option<Acceptance>,
    /// What the platforms have said is low since the first day began, until two days after the last one: each product as it
    /// was said last.
    pub stock: Vec<LowStock>,
    /// What has changed since the report before on days that were reported already; nothing where a later day was reported.
    pub restated: Vec<Restated>,
    /// The platforms' own totals beside ours, as far as they have sent them until two days after the last day.
    pub reconciled: Vec<Reconciled>,
    #[serde(rename = "bell")]
    pub service: ServiceHealth,
    /// The last fourteen days, the last one being `to`; without those before the first webhook that is known of.
    pub history: Vec<PastDay>,
    /// Where its picture can be fetched for some days.
    pub picture: Option<String>,
    /// The reader sees the picture in a message of its own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub picture_follows: bool,
    /// The last day is not over yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub so_far: bool,
    /// How many are left out of the lists, where there was no room for them ([`Report::shortened`]).
    #[serde(skip_serializing_if = "is_zero")]
    pub days_left_out: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub shops_left_out: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub stock_left_out: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub restated_left_out: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub reconciled_left_out: i64,
}

fn is_zero(count: &i64) -> bool {
    *count == 0
}

/// What orders and refunds come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// Orders placed.
    pub orders: i64,
    /// Those of them that are cancelled now.
    pub cancelled: i64,
    /// Refunds that took effect.
    pub refunds: i64,
    /// Orders that are not cancelled and whose total no event has: they are in no amount.
    pub without_total: i64,
    /// Refunds whose amount no event has: they are in no amount.
    pub refunds_without_amount: i64,
    /// By currency.
    pub amounts: Vec<Amounts>,
}

/// The amounts in one currency.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amounts {
    pub currency: String,
    /// Orders in this currency that are not cancelled.
    pub orders: i64,
    /// The sum of their totals.
    pub gross: Money,
    /// The sum of the refunds that took effect.
    pub refunded: Money,
    /// What is left: gross less refunded.
    pub net: Money,
    /// Gross by orders, rounded half away from zero; absent without orders.
    pub average: Option<Money>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ShopFigures {
    pub source: String,
    pub shop: Option<Shop>,
    #[serde(flatten)]
    pub figures: Figures,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DayFigures {
    pub day: Date,
    #[serde(flatten)]
    pub figures: Figures,
    /// Absent where our records do not go back so far, or the day is not over.
    pub day_before: Option<Comparison>,
    /// The mean of the last four same weekdays, as far as our records go back.
    pub same_weekdays: Option<Comparison>,
}

/// What a day is measured against.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Comparison {
    /// Of how many days it is the mean.
    pub days: i64,
    /// Rounded half away from zero.
    pub orders: i64,
    /// By how much the day has more; absent against nothing.
    pub orders_percent: Option<i64>,
    pub amounts: Vec<ComparedAmount>,
}

#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedAmount {
    pub gross: Money,
    pub gross_percent: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hour {
    /// 0 to 23.
    pub hour: i8,
    /// Orders placed.
    pub orders: i64,
    /// Of those that are not cancelled, by currency.
    pub gross: Vec<Money>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cancellations {
    /// Those who did it most first; without `by` where no event says it.
    pub by: Vec<CancelledBy>,
    /// The five that were given most.
    pub reasons: Vec<CancelReason>,
    /// Cancelled by the platform because nobody had accepted them.
    pub not_accepted: i64,
}

#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CancelledBy {
    pub by: Option<Coded>,
    pub orders: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CancelReason {
    pub reason: String,
    pub orders: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Product {
    pub name: String,
    pub quantity: u64,
}

/// From placing an order to its being accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Acceptance {
    /// How many have been accepted.
    pub orders: i64,
    pub median_seconds: i64,
    pub slowest_seconds: i64,
    /// The number of the slowest one.
    pub slowest_order: String,
}

#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LowStock {
    pub source: String,
    pub shop: Option<Shop>,
    /// `stock.low` or `stock.keys_low`.
    pub kind: String,
    pub name: Option<String>,
    /// The platform's own id, or the product's path in its shop.
    pub id: Option<String>,
    /// Pieces or keys; below zero when more were sold than there were.
    pub left: Option<i64>,
    /// The number at or below which the platform warns.
    pub threshold: Option<i64>,
    /// When the platform said so.
    #[serde(serialize_with = "milliseconds")]
    pub at: Timestamp,
}

/// A day that was reported and has changed since: each figure as it was and as it is, where they differ.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Restated {
    pub day: Date,
    pub orders: Option<ChangedFigure<i64>>,
    pub cancelled: Option<ChangedFigure<i64>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gross: Vec<ChangedFigure<Money>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refunded: Vec<ChangedFigure<Money>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub net: Vec<ChangedFigure<Money>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedFigure<T> {
    pub before: T,
    pub after: T,
}

/// What a platform counts of a day, and what we do.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reconciled {
    pub source: String,
    pub day: Date,
    /// When the platform said so.
    #[serde(rename = "told_at", serialize_with = "milliseconds")]
    pub stated_at: Timestamp,
    /// The platform's; absent where it did not say.
    pub their_orders: Option<i64>,
    pub our_orders: i64,
    pub their_amount: Option<Money>,
    /// Gross, in the currency of the platform's amount.
    pub our_amount: Option<Money>,
    pub difference: Difference,
    /// For `missing` and `amount`: the longest time of that day in which nothing new came from it.
    pub silence: Option<Silence>,
}

/// Why the figures differ, as far as we can know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// They do not.
    #[default]
    None,
    /// The platform leaves out what was cancelled.
    WithoutCancelled,
    /// In its amount the platform includes what was cancelled.
    WithCancelled,
    /// The platform sent its figures before the day was over.
    Early,
    /// The platform counts more: webhooks are missing.
    Missing,
    /// We count more.
    Surplus,
    /// The orders agree and the amounts do not.
    Amount,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    #[serde(serialize_with = "milliseconds")]
    pub from: Timestamp,
    #[serde(serialize_with = "milliseconds")]
    pub to: Timestamp,
}

/// How Orderbell itself did on these days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceHealth {
    /// Webhooks that were kept, repeats included.
    pub received: i64,
    pub repeats: i64,
    /// Webhooks that were not believed.
    pub refused: i64,
    /// Of each source that observes, and of each that did: how many were kept whose signature does not fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unproven: Vec<Unproven>,
    /// Messages that were to be sent, of all sources and shops, by what has become of them.
    pub delivered: i64,
    /// Those of the delivered that came more than a minute after their event.
    pub late: i64,
    pub waiting: i64,
    pub dead: i64,
    /// The channels that rest because their setting is wrong.
    pub parked: Vec<ParkedSince>,
    /// When each channel took a message last.
    pub channels: Vec<LastAccepted>,
}

/// Webhooks that nobody proved: they were acknowledged, and delivered to nobody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unproven {
    pub source: String,
    pub webhooks: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedSince {
    pub channel: String,
    #[serde(serialize_with = "milliseconds")]
    pub since: Timestamp,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastAccepted {
    pub channel: String,
    #[serde(serialize_with = "milliseconds")]
    pub at: Timestamp,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PastDay {
    pub day: Date,
    pub orders: i64,
    /// Gross less refunded, by currency.
    pub net: Vec<Money>,
}
