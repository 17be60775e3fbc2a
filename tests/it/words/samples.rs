//! Events as Keeta's webhooks and Orderbell itself make them, in the variants in which the words differ.

mod our_own;
mod shops;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use orderbell::domain::changed;
use orderbell::domain::coded::Coded;
use orderbell::domain::data::{Charges, Courier, Late, Refund, RefundItem, Unnumbered};
use orderbell::domain::event::{DeliveryId, Event, EventId, Kind, SignatureCheck};
use orderbell::domain::fold::decide;
use orderbell::domain::message_context::MessageContext;
use orderbell::domain::money::Money;
use orderbell::domain::order::{Order, OrderLine, OrderState, OrderUpdate};
use orderbell::domain::payload::{CourierProgress, Data, OrderProgress, Payload, Placement};
use orderbell::domain::shop::Shop;
use uuid::Uuid;

use crate::words::licences;
use crate::words::samples::our_own::our_own;
use crate::words::samples::shops::shops_and_menus;

/// One event in one variant, with the order as it stands.
#[derive(Clone)]
pub struct Sample {
    /// The file name: the kind, and the variant where there are several.
    pub name: String,
    pub event: Event,
    pub order: Option<Order>,
}

impl Sample {
    pub fn view<'a>(&'a self, language: &'a str, timezone: &'a TimeZone) -> MessageContext<'a> {
        let order = self.order.as_ref();
        MessageContext { event: &self.event, order, language, timezone, channel: "kitchen", channel_kind: "dingtalk" }
    }
}

pub const DELIVERY: DeliveryId = DeliveryId(Uuid::from_u128(0x0198_4a10_7d5c_7cc3_98c4_dc0c_0c07_398f));

pub fn riyadh() -> TimeZone {
    TimeZone::get("Asia/Riyadh").unwrap()
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn sar(minor: i64) -> Money {
    Money::new(minor, "SAR")
}

fn coded(code: i64, word: &str) -> Option<Coded> {
    Some(Coded { code, word: Some(word.to_owned()) })
}

fn number(code: i64) -> Option<Coded> {
    Some(Coded { code, word: None })
}

pub fn event(kind: Kind, data: Data) -> Event {
    Event {
        id: EventId(Uuid::from_u128(0x0198_4a10_0000_7000_8000_0000_0000_0001)),
        kind,
        source: "keeta-sa".to_owned(),
        occurred_at: Some(at("2025-06-04T03:35:38.025Z")),
        received_at: at("2025-06-04T03:35:40Z"),
        shop: Some(Shop { id: "466663".to_owned(), name: Some("Harbour Noodle House".to_owned()) }),
        order: None,
        data,
        proof: SignatureCheck::Valid("sorted parameters".to_owned()),
    }
}

pub fn update() -> OrderUpdate {
    let line = |name: &str, quantity, price| OrderLine {
        name: name.to_owned(),
        quantity: Some(quantity),
        unit_price: Some(sar(price)),
        ..OrderLine::default()
    };
    OrderUpdate {
        number: "756823555555859".to_owned(),
        short_number: Some("29332222".to_owned()),
        state: Some(OrderState::Placed),
        placed_at: Some(at("2025-06-04T03:35:38.025Z")),
        total: Some(sar(4600)),
        lines: vec![
            OrderLine { note: Some("no peanuts please, allergy".to_owned()), ..line("糖醋排骨", 1, 3600) },
            OrderLine { options: vec!["less ice".to_owned(), "no sugar".to_owned()], ..line("Lemon tea", 2, 500) },
        ],
        ..OrderUpdate::default()
    }
}

/// News that say only which order they are about.
pub fn thin() -> OrderUpdate {
    OrderUpdate { number: "756823555555859".to_owned(), ..OrderUpdate::default() }
}

/// An event of an order of which `before` is known, or nothing.
fn of_order(variant: &str, kind: Kind, before: Option<OrderUpdate>, data: Data) -> Sample {
    let known = before.and_then(|before| {
        let placed = Event { order: Some(before), ..event(Kind::OrderPlaced, Data::default()) };
        decide(None, &placed).order
    });
    let first = known.is_none();
    let state = match kind {
        Kind::OrderPaid => Some(OrderState::Paid),
        Kind::OrderAccepted => Some(OrderState::Accepted),
        Kind::OrderCompleted => Some(OrderState::Completed),
        Kind::OrderCancelled => Some(OrderState::Cancelled),
        _ => None,
    };
    let mut event = Event { order: Some(OrderUpdate { state, ..thin() }), ..event(kind, data) };
    if first {
        event.shop = None;
    }
    let order = decide(known.as_ref(), &event).order;
    sample(variant, event, order)
}

fn sample(variant: &str, event: Event, order: Option<Order>) -> Sample {
    let name = if variant.is_empty() { event.kind.to_string() } else { format!("{}.{variant}", event.kind) };
    Sample { name, event, order }
}

fn placed(variant: &str, update: OrderUpdate, data: Data) -> Sample {
    let event = Event { order: Some(update), ..event(Kind::OrderPlaced, data) };
    let order = decide(None, &event).order;
    sample(variant, event, order)
}

/// The order sent again after it has changed: three teas with less sugar instead of two, another note, a tart more.
fn changed(variant: &str, state: OrderState, change: impl Fn(&mut OrderUpdate)) -> Sample {
    let known = Event { order: Some(update()), ..event(Kind::OrderPlaced, Data::default()) };
    let mut known = decide(None, &known).order.unwrap();
    known.state = state;
    let mut update = OrderUpdate { as_of: Some(at("2025-06-04T03:41:00Z")), ..update() };
    change(&mut update);
    let mut event = Event { order: Some(update), ..event(Kind::OrderPlaced, Data::default()) };
    event.received_at = at("2025-06-04T03:41:02Z");
    event.occurred_at = Some(at("2025-06-04T03:41:00Z"));
    event.data.changed = changed::by(&known, &event).map(Box::new);
    let order = decide(Some(&known), &event).order;
    sample(variant, event, order)
}

fn changes() -> Vec<Sample> {
    let full = |update: &mut OrderUpdate| {
        update.total = Some(sar(5900));
        update.lines[0].note = Some("NO PEANUTS, allergy".to_owned());
        update.lines[1].quantity = Some(3);
        let tart = OrderLine {
            name: "Egg tart".to_owned(),
            quantity: Some(1),
            unit_price: Some(sar(800)),
            ..OrderLine::default()
        };
        update.lines.push(OrderLine { note: Some("warm".to_owned()), ..tart });
    };
    let options = |update: &mut OrderUpdate| update.lines[1].options = vec!["no ice".to_owned()];
    let gone = |update: &mut OrderUpdate| {
        update.lines.remove(1);
        update.lines[0].note = None;
        update.total = Some(sar(3600));
    };
    let mut again = changed("changed.again", OrderState::Placed, full);
    again.event.data.changed = Some(Box::default());
    let changed_before = changed("", OrderState::Placed, full).event.data;
    vec![
        changed("changed", OrderState::Placed, full),
        changed("changed.options", OrderState::Accepted, options),
        changed("changed.gone", OrderState::Cancelled, gone),
        again,
        of_order(
            "changed",
            Kind::OrderAccepted,
            Some(update()),
            Data { changed: changed_before.changed, ..Data::default() },
        ),
    ]
}

fn late(state: OrderState) -> Option<Late> {
    Some(Late { by_seconds: 7 * 60, order_state: state })
}

/// Every kind that Keeta, APSDAI or Orderbell itself makes, in every variant.
pub fn all() -> Vec<Sample> {
    let mut samples = orders();
    samples.extend(changes());
    samples.extend(refunds());
    samples.extend(shops_and_menus());
    samples.extend(licences::samples());
    samples.extend(our_own());
    samples
}

/// News of which much could not be read.
fn unreadable() -> OrderUpdate {
    let [ribs, tea] = <[OrderLine; 2]>::try_from(update().lines).unwrap();
    let pointers =
        ["/total", "/lines/0/name", "/lines/1/quantity", "/lines/1/unit_price", "/lines/1/options/1", "/lines/2/note"];
    OrderUpdate {
        total: None,
        lines: vec![
            OrderLine { name: String::new(), ..ribs },
            OrderLine { quantity: None, unit_price: None, options: vec!["less ice".to_owned(), "?".to_owned()], ..tea },
            OrderLine {
                name: "Rice \u{fffd}".to_owned(),
                quantity: Some(1),
                unit_price: Some(sar(300)),
                ..OrderLine::default()
            },
        ],
        unreadable: pointers.map(str::to_owned).into(),
        ..update()
    }
}

/// An order of which not even the number could be read.
fn unnumbered() -> Sample {
    let OrderUpdate { short_number, placed_at, total, lines, .. } = update();
    let unreadable = vec!["/number".to_owned()];
    let unnumbered = Unnumbered { short_number, placed_at, total, lines, unreadable, ..Unnumbered::default() };
    let data = Data { unnumbered: Some(unnumbered), ..Data::default() };
    sample("unnumbered", event(Kind::OrderPlaced, data), None)
}

fn orders() -> Vec<Sample> {
    let full: Data = Payload::Placed(Placement {
        handover: Some("delivery".to_owned()),
        payment: Some("Apple Pay".to_owned()),
        expected_at: Some(at("2025-06-04T04:20:00Z")),
        charges: Some(Charges {
            items: Some(sar(4600)),
            delivery: Some(sar(1900)),
            discounts: Some(sar(1900)),
            ..Charges::default()
        }),
    })
    .into();
    let approximate = OrderUpdate { total: Some(sar(123_400)), total_is_approximate: true, ..update() };
    let by_hand = OrderUpdate {
        short_number: None,
        total: None,
        placed_at: None,
        lines: vec![OrderLine { name: "Lemon tea".to_owned(), ..OrderLine::default() }],
        ..update()
    };
    let pickup = Payload::Placed(Placement {
        handover: Some("pickup".to_owned()),
        expected_at: Some(at("2025-06-05T09:00:00Z")),
        ..Placement::default()
    })
    .into();
    let late_full = Data { late: late(OrderState::Cancelled), ..full.clone() };
    let cancelled = |by, reason: Option<&str>, cancel_type| {
        Payload::Progress(OrderProgress { by, reason: reason.map(str::to_owned), cancel_type }).into()
    };
    let delivery = |delivery, courier| Payload::Delivery(CourierProgress { delivery, courier }).into();
    let rider = Courier { name: Some("Ali".to_owned()), phone: Some("+966 50 123 4567".to_owned()) };
    vec![
        placed("full", update(), full),
        placed("approximate", approximate, pickup),
        placed("few", by_hand, Data::default()),
        placed("thin", thin(), Data::default()),
        placed("late", update(), late_full),
        placed("unreadable", unreadable(), Data::default()),
        unnumbered(),
        of_order("known", Kind::OrderAccepted, Some(update()), Data::default()),
        of_order("thin", Kind::OrderAccepted, None, Data::default()),
        of_order("known", Kind::OrderCompleted, Some(update()), Data::default()),
        of_order("thin", Kind::OrderCompleted, None, Data::default()),
        of_order(
            "late",
            Kind::OrderAccepted,
            Some(update()),
            Data { late: late(OrderState::Completed), ..Data::default() },
        ),
        of_order(
            "customer",
            Kind::OrderCancelled,
            Some(update()),
            cancelled(coded(10, "customer"), Some("ordered twice"), None),
        ),
        of_order("system", Kind::OrderCancelled, Some(update()), cancelled(coded(0, "system"), None, Some(5042))),
        of_order("unknown", Kind::OrderCancelled, None, cancelled(number(77), None, None)),
        of_order("thin", Kind::OrderCancelled, None, Data::default()),
        of_order("unknown", Kind::OrderDelivery, Some(update()), delivery(number(77), None)),
        of_order("at_shop", Kind::OrderDelivery, Some(update()), delivery(coded(25, "at_shop"), Some(rider.clone()))),
        of_order("cancelled", Kind::OrderDelivery, Some(update()), delivery(coded(99, "delivery_cancelled"), None)),
        of_order(
            "thin",
            Kind::OrderDelivery,
            None,
            delivery(coded(50, "delivered"), Some(Courier { phone: None, ..rider })),
        ),
    ]
}

fn refunds() -> Vec<Sample> {
    let asked = Refund {
        id: Some("880011".to_owned()),
        status: coded(1001, "waiting_for_merchant"),
        amount: Some(sar(3600)),
        requested_by: coded(10, "customer"),
        request_reason: Some("the ribs were cold".to_owned()),
        pictures: Some(2),
        ..Refund::default()
    };
    let settled = Refund {
        status: number(2001),
        handled_by: coded(30, "support"),
        handling_reason: Some("refund granted".to_owned()),
        appeal: true,
        pictures: Some(1),
        ..asked.clone()
    };
    let items = vec![RefundItem { name: "Lemon tea".to_owned(), quantity: Some(1), amount: Some(sar(500)) }];
    let partial = Refund { status: number(5001), amount: Some(sar(500)), items, ..asked.clone() };
    let few = Refund {
        status: number(77),
        items: vec![RefundItem { name: "Lemon tea".to_owned(), quantity: None, amount: None }],
        ..Refund::default()
    };
    let data = |refund: &Refund| Payload::Refund(Box::new(refund.clone())).into();
    vec![
        of_order("asked", Kind::OrderRefund, Some(update()), data(&asked)),
        of_order("settled", Kind::OrderRefund, Some(update()), data(&settled)),
        of_order("thin", Kind::OrderRefund, None, Data::default()),
        of_order("items", Kind::OrderPartialRefund, Some(update()), data(&partial)),
        of_order("few", Kind::OrderPartialRefund, None, data(&few)),
    ]
}
