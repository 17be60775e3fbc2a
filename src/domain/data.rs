//! The parts of what events say beside their orders ([`crate::domain::payload`]), as they stand in JSON and in templates.
//!
//! A field is absent when unknown, never invented. Texts are cleaned ([`crate::domain::text::clean_line`]) before they
//! come here; ids are text; money is minor units; times are UTC.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::domain::coded::Coded;
use crate::domain::money::Money;
use crate::domain::order::{OrderLine, OrderState};
use crate::domain::timestamp::known_milliseconds;

/// What changed of an order; each only where it did. Without any, the order is again as it was.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrderChanges {
    pub total: Option<Diff<Money>>,
    /// One for each item.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Diff<OrderLine>>,
    /// The buyer's words that are gone, and those that are new, wherever they stand.
    pub note: Option<Diff<String>>,
}

/// One thing that changed: `was` is absent for what is new, `is` for what is gone.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff<T> {
    pub was: Option<T>,
    pub is: Option<T>,
}

impl OrderChanges {
    /// Without what the buyer wrote.
    pub fn without_notes(&self) -> OrderChanges {
        let bare = |line: &OrderLine| OrderLine { note: None, ..line.clone() };
        let lines =
            self.lines.iter().map(|Diff { was, is }| Diff { was: was.as_ref().map(bare), is: is.as_ref().map(bare) });
        OrderChanges { total: self.total.clone(), lines: lines.collect(), note: None }
    }
}

/// What a total is made of; each part only when the platform sent it and it is not zero.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Charges {
    pub items: Option<Money>,
    pub delivery: Option<Money>,
    pub platform: Option<Money>,
    /// A positive amount that was taken off.
    pub discounts: Option<Money>,
    pub tip: Option<Money>,
}

/// One refund and where it stands.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Refund {
    /// The platform's own id of the refund.
    pub id: Option<String>,
    /// Word `waiting_for_merchant` for Keeta's 1001; the full list is not public.
    pub status: Option<Coded>,
    pub amount: Option<Money>,
    /// The buyer objects to an earlier refusal.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub appeal: bool,
    pub requested_by: Option<Coded>,
    pub request_reason: Option<String>,
    pub handled_by: Option<Coded>,
    pub handling_reason: Option<String>,
    /// How many pictures the buyer sent along.
    pub pictures: Option<u64>,
    /// The items of a partial refund.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<RefundItem>,
}

#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundItem {
    /// Empty where it could not be read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    pub quantity: Option<u64>,
    pub amount: Option<Money>,
}

#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Courier {
    pub name: Option<String>,
    pub phone: Option<String>,
}

#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    pub from: Option<Coded>,
    pub to: Option<Coded>,
}

impl Transition {
    /// Both ends are known and equal: sent along, but nothing moved.
    pub fn is_none(&self) -> bool {
        self.from == self.to
    }
}

/// The end of a job that the platform did on the menu; without problems it went well.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Task {
    pub id: Option<String>,
    pub problems: Vec<TaskProblem>,
}

#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskProblem {
    pub name: Option<String>,
    /// The merchant's own code of the item.
    pub item_code: Option<String>,
    /// The platform's number of the fault.
    pub code: Option<String>,
    pub message: Option<String>,
    /// How many pictures of the item were refused.
    pub pictures: Option<u64>,
}

#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Authorisation {
    pub id: Option<String>,
    pub brand: Option<String>,
    /// The ids of all shops concerned, when there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shops: Vec<String>,
    /// A code was handed over that must now be exchanged for a token. The code itself is a credential and never stored.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub code_received: bool,
}

/// How much of one product is left. For `stock.keys_low`: how many licence keys.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StockItem {
    pub name: Option<String>,
    /// The platform's own id, or the product's path in its shop.
    pub id: Option<String>,
    /// Pieces; below zero when more were sold than there were.
    pub left: Option<i64>,
    /// The number at or below which the platform warns.
    pub threshold: Option<i64>,
}

/// The orders of one day, as the platform counts them. They stand beside our own figures and are never added to them.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DayTotal {
    /// `2026-01-01`; another text is the platform's own. Absent when a total came without its day.
    pub day: Option<String>,
    /// Orders.
    pub count: Option<u64>,
    pub amount: Option<Money>,
}

/// What an event says of an order whose number it does not tell.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unnumbered {
    /// The number that people call out.
    pub short_number: Option<String>,
    #[serde(serialize_with = "known_milliseconds")]
    pub placed_at: Option<Timestamp>,
    pub total: Option<Money>,
    /// The platform sent no total; this one is the sum of the lines.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub total_is_approximate: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<OrderLine>,
    /// What came and could not be read, as JSON pointers into this.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
}

/// Why an event has no details. Its kind is certain all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Details {
    /// The body was empty.
    Missing,
    /// The platform says that it only tries the address out.
    Test,
    /// The body is not JSON; it is kept whole.
    Unreadable,
    /// Nothing in the body has a name that we know; it is kept, and the configuration can say where the details are.
    Unfamiliar,
}

/// A webhook that is genuine and that we cannot read. Its body is kept whole and never shown.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unrecognised {
    /// The platform's own name or number of the event.
    pub event: Option<String>,
    /// Size of the body.
    pub bytes: u64,
    /// What it says is damaged: it is no JSON, not even nearly.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub malformed: bool,
}

/// Something the operator should know of Orderbell itself.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notice {
    /// Which notice: `notice.<topic>` in the language file; says it once per topic and subject.
    pub topic: String,
    /// The source or channel that it is about.
    pub subject: Option<String>,
    /// The receiver's words, or a number with its unit; free of secrets and of buyers' data.
    pub detail: Option<String>,
    /// When the trouble began.
    #[serde(serialize_with = "known_milliseconds")]
    pub since: Option<Timestamp>,
    /// When it ended; absent while it lasts. So a notice that has it says that all is well again.
    #[serde(serialize_with = "known_milliseconds")]
    pub until: Option<Timestamp>,
    /// How long it has lasted.
    pub lasted_seconds: Option<i64>,
    /// How many messages are concerned.
    pub count: Option<u64>,
    /// When the last thing of its sort happened: the last sign of life, the last message that was given up.
    #[serde(serialize_with = "known_milliseconds")]
    pub last_at: Option<Timestamp>,
    /// When it is tried again.
    #[serde(serialize_with = "known_milliseconds")]
    pub next_at: Option<Timestamp>,
    /// How far this machine's clock is ahead; negative: behind.
    pub off_by_seconds: Option<i64>,
    /// The instance that it is about, where several share a store.
    pub instance: Option<String>,
}

/// Of which source a signed sample was, and of what kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleOrigin {
    pub source: String,
    /// Such as `order.placed`.
    pub kind: String,
}

/// How late an event is that came after something newer of the same order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Late {
    /// Seconds between its happening and its arrival.
    pub by_seconds: i64,
    /// Where the order stood already when it arrived.
    pub order_state: OrderState,
}
