//! What an event says beside its order and shop: one payload by kind, and what an event of any kind of an order may say.
//!
//! Nothing is invented: what is unknown is absent. Texts are cleaned ([`crate::domain::text::clean_line`]) before they come
//! here; ids are text; money is minor units; times are UTC.

mod json;

use jiff::Timestamp;

use crate::domain::coded::Coded;
use crate::domain::data::{
    Authorisation, Charges, Courier, DayTotal, Details, Late, Notice, OrderChanges, Refund, SampleOrigin, StockItem,
    Task, Transition, Unnumbered, Unrecognised,
};
use crate::domain::hours::Hours;
use crate::domain::report::Report;

/// `data` of an event, in the WebHook's JSON and in templates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Data {
    pub payload: Payload,
    /// What it changes of an order that was delivered before; absent for a new one.
    pub changed: Option<Box<OrderChanges>>,
    /// The buyer's e-mail address with its name masked, such as `b***@example.com`.
    pub buyer: Option<String>,
    /// It came without the number of its order: what it says all the same.
    pub unnumbered: Option<Unnumbered>,
    /// It says its kind and little or nothing more; absent when details came.
    pub details: Option<Details>,
    /// It came after something newer of the same order.
    pub late: Option<Late>,
}

/// What only some kinds say.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Payload {
    /// Nothing but the kind, as `order.paid` and `test`.
    #[default]
    None,
    /// `order.placed`.
    Placed(Placement),
    /// `order.accepted`, `order.completed`, `order.cancelled`.
    Progress(OrderProgress),
    /// `order.refund`, `order.partial_refund`.
    Refund(Box<Refund>),
    /// `order.delivery`.
    Delivery(CourierProgress),
    /// `store.hours`.
    Hours(Hours),
    /// `store.status`.
    Status(StoreStatus),
    /// `menu.images`, `menu.sync`.
    Task(Task),
    /// `app.authorised`, `app.deauthorised`.
    Authorisation(Authorisation),
    /// `stock.low`, `stock.keys_low`, `order.out_of_stock`: the products concerned; never empty.
    Stock(Vec<StockItem>),
    /// `totals.reported`: orders and their amount by day, as the platform counts them, in its sequence; never empty.
    Totals(Vec<DayTotal>),
    /// `unrecognised`.
    Unrecognised(Unrecognised),
    /// `test`, where it came as a signed sample: whose and of what.
    Sample(SampleOrigin),
    /// `operator.notice`.
    Notice(Box<Notice>),
    /// `report.<name>`.
    Report(Box<Report>),
}

/// How a new order is handed over and paid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// `delivery` or `pickup`; another word is the platform's own.
    pub handover: Option<String>,
    /// How it was paid, in the platform's words, such as `Apple Pay`.
    pub payment: Option<String>,
    /// When the buyer is to have it.
    pub expected_at: Option<Timestamp>,
    /// What the total is made of.
    pub charges: Option<Charges>,
}

/// Who moved an order on, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderProgress {
    /// In the words of whoever did it.
    pub reason: Option<String>,
    /// Words `system`, `customer`, `merchant`, `support`.
    pub by: Option<Coded>,
    /// The platform's number for the sort of cancellation.
    pub cancel_type: Option<i64>,
}

/// How far an order is on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CourierProgress {
    /// Words `created`, `looking_for_rider`, `assigned`, `at_shop`, `collected`, `delivered`, `delivery_cancelled`.
    pub delivery: Option<Coded>,
    /// Who carries it.
    pub courier: Option<Courier>,
}

/// What of a shop opened or closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// Words `operating`, `suspended`.
    pub status: Option<Transition>,
    /// Whether delivery rests (a number whose words are not published).
    pub delivery_rest: Option<Transition>,
    /// Whether pick-up rests.
    pub pickup_rest: Option<Transition>,
}

impl Data {
    /// Without the words of others: why somebody did something, and what was said to the operator.
    pub fn without_free_text(&self) -> Data {
        let mut data = self.clone();
        data.changed = self.changed.as_ref().map(|changed| Box::new(changed.without_notes()));
        match &mut data.payload {
            Payload::Progress(progress) => progress.reason = None,
            Payload::Refund(refund) => (refund.request_reason, refund.handling_reason) = (None, None),
            Payload::Notice(notice) => notice.detail = None,
            _ => {}
        }
        data
    }

    pub fn refund(&self) -> Option<&Refund> {
        match &self.payload {
            Payload::Refund(refund) => Some(refund),
            _ => None,
        }
    }

    /// The products that an event of stock is about.
    pub fn stock(&self) -> &[StockItem] {
        match &self.payload {
            Payload::Stock(items) => items,
            _ => &[],
        }
    }

    /// What a platform counts by day.
    pub fn totals(&self) -> &[DayTotal] {
        match &self.payload {
            Payload::Totals(days) => days,
            _ => &[],
        }
    }

    pub fn unrecognised(&self) -> Option<&Unrecognised> {
        match &self.payload {
            Payload::Unrecognised(unrecognised) => Some(unrecognised),
            _ => None,
        }
    }

    /// Where a test came as a signed sample: whose and of what.
    pub fn sample(&self) -> Option<&SampleOrigin> {
        match &self.payload {
            Payload::Sample(origin) => Some(origin),
            _ => None,
        }
    }

    pub fn notice(&self) -> Option<&Notice> {
        match &self.payload {
            Payload::Notice(notice) => Some(notice),
            _ => None,
        }
    }

    pub fn report(&self) -> Option<&Report> {
        match &self.payload {
            Payload::Report(report) => Some(report),
            _ => None,
        }
    }
}

/// One that says nothing is none.
impl From<Payload> for Data {
    fn from(payload: Payload) -> Self {
        let says_something = match &payload {
            Payload::Placed(placed) => *placed != Placement::default(),
            Payload::Progress(progress) => *progress != OrderProgress::default(),
            Payload::Delivery(progress) => *progress != CourierProgress::default(),
            Payload::Status(status) => *status != StoreStatus::default(),
            Payload::Stock(items) => !items.is_empty(),
            Payload::Totals(days) => !days.is_empty(),
            _ => true,
        };
        Data { payload: if says_something { payload } else { Payload::None }, ..Data::default() }
    }
}
