//! What a believed Keeta webhook says, in our words: one function per family of events.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::Digest;
use sha2::Sha256;

use crate::domain::data::Authorisation;
use crate::domain::data::Coded;
use crate::domain::data::Courier;
use crate::domain::data::Data;
use crate::domain::data::Refund;
use crate::domain::data::RefundItem;
use crate::domain::data::Unrecognised;
use crate::domain::event::Kind;
use crate::domain::event::RepeatKey;
use crate::domain::event::Shop;
use crate::domain::mask::mask;
use crate::domain::money::Money;
use crate::domain::order::OrderNews;
use crate::domain::order::OrderState;
use crate::domain::order::RefundNews;
use crate::platform::Heard;
use crate::platform::Request;
use crate::platform::Webhook;
use crate::platform::field;
use crate::platform::field::Field;
use crate::platform::keeta::Keeta;
use crate::platform::keeta::order;
use crate::platform::keeta::shop;
use crate::platform::keeta::verify::Content;
use crate::platform::keeta::verify::Envelope;
use crate::platform::keeta::verify::Verified;

/// `opType` and its relatives. The numbers are Keeta's documentation, the names come from integrators.
const ACTORS: [(i64, &str); 4] = [(0, "system"), (10, "customer"), (20, "merchant"), (30, "support")];
/// `logisticsStatus` and `deliveryStatus`, from two independent integrators.
const DELIVERY: [(i64, &str); 7] = [
    (0, "created"),
    (10, "looking_for_rider"),
    (20, "assigned"),
    (25, "at_shop"),
    (30, "collected"),
    (50, "delivered"),
    (99, "delivery_cancelled"),
];
/// The full list is not public; 2001 and 5001 stand in examples without a name.
const WAITING_FOR_MERCHANT: i64 = 1001;
const REFUND: [(i64, &str); 1] = [(WAITING_FOR_MERCHANT, "waiting_for_merchant")];

/// Within which equal content about a shop is a repeat of the latest.
const SHOP_REPEAT_WINDOW_SECONDS: i64 = 300;

/// Reads a believed request. What cannot be read becomes an event of kind `unrecognised`.
pub fn parse(keeta: &Keeta, verified: &Verified<'_>, request: &Request<'_>) -> Heard {
    match verified.content() {
        Content::Nothing => Heard::Heartbeat,
        Content::AuthorisationCode { fingerprint, at } => {
            let authorisation = Authorisation { code_received: true, ..Authorisation::default() };
            Heard::Webhook(Box::new(Webhook {
                kind: Kind::AppAuthorised,
                occurred_at: Some(*at),
                shop: None,
                order: None,
                data: Data { authorisation: Some(authorisation), ..Data::default() },
                proof: verified.proof().clone(),
                repeat_keys: vec![RepeatKey::Once(format!("code:{}", hex::encode(fingerprint)))],
                // The code is a credential: of this one event nothing of the request is kept.
                body: Vec::new(),
            }))
        }
        Content::Envelope(envelope) => {
            let story = tell(envelope, request).unwrap_or_else(|| Story::unrecognised(envelope, request.body.len()));
            let name = keeta.shops.get(&envelope.shop_id).cloned().or(story.shop_name);
            Heard::Webhook(Box::new(Webhook {
                kind: story.kind,
                occurred_at: Some(story.occurred_at.unwrap_or(envelope.at)),
                shop: (envelope.shop_id != "0").then(|| Shop { id: envelope.shop_id.clone(), name }),
                order: story.order,
                data: story.data,
                proof: verified.proof().clone(),
                repeat_keys: vec![
                    RepeatKey::Once(format!("message:{}", envelope.message_id)),
                    story.meaning.map_or_else(|| latest_of_shop(envelope), RepeatKey::Once),
                ],
                body: mask(request.body, credentials(envelope)).into_owned(),
            }))
        }
    }
}

/// The members of a message that are credentials although their names do not say so: event 1 hands over a code.
fn credentials(envelope: &Envelope<'_>) -> &'static [&'static str] {
    if envelope.event_id == 1 { &["code"] } else { &[] }
}

/// What one envelope tells.
pub struct Story {
    pub kind: Kind,
    pub occurred_at: Option<Timestamp>,
    pub shop_name: Option<String>,
    pub order: Option<OrderNews>,
    pub data: Data,
    /// Two envelopes of the same meaning are one event; `None` where only equal content shortly after is a repeat.
    pub meaning: Option<String>,
}

impl Story {
    pub fn of(kind: Kind, data: Data) -> Self {
        Self { kind, occurred_at: None, shop_name: None, order: None, data, meaning: None }
    }

    fn unrecognised(envelope: &Envelope<'_>, bytes: usize) -> Self {
        let unrecognised = Unrecognised { event: Some(envelope.event_id.to_string()), bytes: bytes as u64 };
        Self::of(Kind::Unrecognised, Data { unrecognised: Some(unrecognised), ..Data::default() })
    }
}

fn latest_of_shop(envelope: &Envelope<'_>) -> RepeatKey {
    RepeatKey::Latest {
        key: format!("shop:{}:{}", envelope.event_id, envelope.shop_id),
        content: Sha256::digest(envelope.message.as_bytes()).into(),
        window_seconds: SHOP_REPEAT_WINDOW_SECONDS,
    }
}

/// `None` when the event id is unknown or the message lacks what the event is about.
fn tell(envelope: &Envelope<'_>, request: &Request<'_>) -> Option<Story> {
    let message = envelope.message.as_ref();
    match envelope.event_id {
        1 | 1301 => shop::authorised(message, Kind::AppAuthorised),
        1302 | 1303 => shop::authorised(message, Kind::AppDeauthorised),
        1001 => placed(message, request.currency),
        1002 => stepped(envelope, Kind::OrderAccepted, OrderState::Accepted),
        1003 => stepped(envelope, Kind::OrderCompleted, OrderState::Completed),
        1004 | 1008 => stepped(envelope, Kind::OrderCancelled, OrderState::Cancelled),
        1005 => refunded(envelope, Kind::OrderRefund, request.currency),
        1007 => refunded(envelope, Kind::OrderPartialRefund, request.currency),
        1006 => delivered(envelope),
        1101 => shop::hours(message),
        1102 => shop::status(message),
        1201 => shop::task(message, Kind::MenuImages),
        1202 => shop::task(message, Kind::MenuSync),
        _ => None,
    }
}

fn placed(message: &str, currency: &str) -> Option<Story> {
    let placed = order::read(message, currency)?;
    let meaning = Some(format!("order:1001:{}", placed.news.number));
    Some(Story {
        occurred_at: placed.news.placed_at,
        shop_name: placed.shop_name,
        order: Some(placed.news),
        meaning,
        ..Story::of(Kind::OrderPlaced, placed.data)
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Step<'a> {
    #[serde(borrow)]
    order_view_id: Field<'a>,
    #[serde(borrow)]
    op_time: Field<'a>,
    #[serde(borrow)]
    op_type: Field<'a>,
    #[serde(borrow)]
    cancel_reason: Field<'a>,
    #[serde(borrow)]
    cancel_type: Field<'a>,
}

/// 1002, 1003, 1004 and 1008: an order moved on.
fn stepped(envelope: &Envelope<'_>, kind: Kind, state: OrderState) -> Option<Story> {
    let step: Step = serde_json::from_str(&envelope.message).ok()?;
    let number = field::id(step.order_view_id)?;
    let data = Data {
        reason: field::text(step.cancel_reason),
        by: field::integer(step.op_type).map(|code| Coded::of(code, &ACTORS)),
        cancel_type: field::integer(step.cancel_type),
        ..Data::default()
    };
    Some(Story {
        occurred_at: field::instant(step.op_time),
        meaning: Some(format!("order:{}:{number}", envelope.event_id)),
        order: Some(OrderNews { number, state: Some(state), ..OrderNews::default() }),
        ..Story::of(kind, data)
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefundMessage<'a> {
    #[serde(borrow)]
    order_view_id: Field<'a>,
    #[serde(borrow)]
    status: Field<'a>,
    #[serde(borrow)]
    after_sale_order_id: Field<'a>,
    #[serde(borrow)]
    is_appeal: Field<'a>,
    #[serde(borrow)]
    pictures: Field<'a>,
    #[serde(borrow)]
    money: Field<'a>,
    #[serde(borrow)]
    currency: Field<'a>,
    #[serde(borrow)]
    apply_op_type: Field<'a>,
    #[serde(borrow)]
    apply_reason: Field<'a>,
    #[serde(borrow)]
    handle_op_type: Field<'a>,
    #[serde(borrow)]
    handle_reason: Field<'a>,
    #[serde(borrow)]
    op_time: Field<'a>,
    #[serde(borrow)]
    refund_products: Field<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefundProduct<'a> {
    #[serde(borrow)]
    name: Field<'a>,
    #[serde(rename = "nameI18n", borrow)]
    name_i18n: Field<'a>,
    #[serde(borrow)]
    count: Field<'a>,
    #[serde(borrow)]
    refund_price: Field<'a>,
}

/// 1005 and 1007: a refund, or some items of one, reached a new state. The order's own state is not theirs to say.
fn refunded(envelope: &Envelope<'_>, kind: Kind, default_currency: &str) -> Option<Story> {
    let message: RefundMessage = serde_json::from_str(&envelope.message).ok()?;
    let number = field::id(message.order_view_id)?;
    let currency = order::currency(message.currency);
    let assumes_currency = currency.is_none();
    let currency = currency.unwrap_or_else(|| default_currency.to_owned());
    let status = field::integer(message.status);
    let occurred_at = field::instant(message.op_time);
    let amount = field::integer(message.money).map(|minor| Money::new(minor, &currency));
    let id = field::id(message.after_sale_order_id);
    let item = |raw: &RawValue| {
        let product: RefundProduct = serde_json::from_str(raw.get()).ok()?;
        Some(RefundItem {
            name: field::text(product.name).or_else(|| field::text(product.name_i18n))?,
            quantity: field::count(product.count),
            amount: field::integer(product.refund_price).map(|minor| Money::new(minor, &currency)),
        })
    };
    let actor = |code: Field<'_>| field::integer(code).map(|code| Coded::of(code, &ACTORS));
    let refund = Refund {
        id: id.clone(),
        status: status.map(|code| Coded::of(code, &REFUND)),
        amount: amount.clone(),
        appeal: field::integer(message.is_appeal) == Some(1),
        requested_by: actor(message.apply_op_type),
        request_reason: field::text(message.apply_reason),
        handled_by: actor(message.handle_op_type),
        handling_reason: field::text(message.handle_reason),
        pictures: pictures(message.pictures),
        items: field::list(message.refund_products).into_iter().filter_map(item).collect(),
    };
    let meaning = match (&id, status) {
        (Some(id), Some(status)) => format!("refund:{}:{id}:{status}", envelope.event_id),
        _ => format!("order:{}:{number}:{status:?}:{occurred_at:?}", envelope.event_id),
    };
    // A refund without an id of its own can only be told apart by its order.
    let pending = status == Some(WAITING_FOR_MERCHANT);
    let id = id.unwrap_or_else(|| number.clone());
    let standing = amount.map(|amount| RefundNews { id, amount: Some(amount), assumes_currency, pending });
    Some(Story {
        occurred_at,
        meaning: Some(meaning),
        order: Some(OrderNews { number, refund: standing, ..OrderNews::default() }),
        ..Story::of(kind, Data { refund: Some(refund), ..Data::default() })
    })
}

/// `pictures` is a string that holds a JSON list of addresses; only their number is told.
fn pictures(field: Field<'_>) -> Option<u64> {
    let list = field::raw_text(field)?;
    let addresses: Vec<&RawValue> = serde_json::from_str(&list).ok()?;
    u64::try_from(addresses.len()).ok().filter(|count| *count > 0)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryMessage<'a> {
    #[serde(borrow)]
    order_view_id: Field<'a>,
    #[serde(borrow)]
    logistics_status: Field<'a>,
    #[serde(borrow)]
    op_time: Field<'a>,
    #[serde(borrow)]
    courier_name: Field<'a>,
    #[serde(borrow)]
    courier_phone: Field<'a>,
}

/// 1006: the courier moved on.
fn delivered(envelope: &Envelope<'_>) -> Option<Story> {
    let message: DeliveryMessage = serde_json::from_str(&envelope.message).ok()?;
    let number = field::id(message.order_view_id)?;
    let status = field::integer(message.logistics_status)?;
    let courier = Courier { name: field::text(message.courier_name), phone: field::text(message.courier_phone) };
    let data = Data {
        delivery: Some(Coded::of(status, &DELIVERY)),
        courier: (courier != Courier::default()).then_some(courier),
        ..Data::default()
    };
    let op_time = field::raw_text(message.op_time).unwrap_or_default();
    Some(Story {
        occurred_at: field::instant(message.op_time),
        meaning: Some(format!("order:1006:{number}:{status}:{op_time}")),
        order: Some(OrderNews { number, ..OrderNews::default() }),
        ..Story::of(Kind::OrderDelivery, data)
    })
}
