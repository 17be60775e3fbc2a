//! What a believed Keeta webhook says, in our words: one function per family of events.

use jiff::Timestamp;
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
use crate::platform::field::JsonField;
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
    let message = &JsonField::of(&envelope.message);
    let id = envelope.event_id;
    match id {
        1 | 1301 => shop::authorised(message, Kind::AppAuthorised),
        1302 | 1303 => shop::authorised(message, Kind::AppDeauthorised),
        1001 => placed(message, request.currency),
        1002 => stepped(id, message, Kind::OrderAccepted, OrderState::Accepted),
        1003 => stepped(id, message, Kind::OrderCompleted, OrderState::Completed),
        1004 | 1008 => stepped(id, message, Kind::OrderCancelled, OrderState::Cancelled),
        1005 => refunded(id, message, Kind::OrderRefund, request.currency),
        1007 => refunded(id, message, Kind::OrderPartialRefund, request.currency),
        1006 => delivered(message),
        1101 => shop::hours(message),
        1102 => shop::status(message),
        1201 => shop::task(message, Kind::MenuImages),
        1202 => shop::task(message, Kind::MenuSync),
        _ => None,
    }
}

fn placed(message: &JsonField, currency: &str) -> Option<Story> {
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

fn actor(code: &JsonField) -> Option<Coded> {
    code.integer().map(|code| Coded::of(code, &ACTORS))
}

/// 1002, 1003, 1004 and 1008: an order moved on.
fn stepped(event_id: u64, message: &JsonField, kind: Kind, state: OrderState) -> Option<Story> {
    let number = message.get("orderViewId").id()?;
    let data = Data {
        reason: message.get("cancelReason").text(),
        by: actor(&message.get("opType")),
        cancel_type: message.get("cancelType").integer(),
        ..Data::default()
    };
    Some(Story {
        occurred_at: message.get("opTime").instant(),
        meaning: Some(format!("order:{event_id}:{number}")),
        order: Some(OrderNews { number, state: Some(state), ..OrderNews::default() }),
        ..Story::of(kind, data)
    })
}

/// 1005 and 1007: a refund, or some items of one, reached a new state. The order's own state is not theirs to say.
fn refunded(event_id: u64, message: &JsonField, kind: Kind, default_currency: &str) -> Option<Story> {
    let number = message.get("orderViewId").id()?;
    let currency = order::currency(&message.get("currency"));
    let assumes_currency = currency.is_none();
    let currency = currency.unwrap_or_else(|| default_currency.to_owned());
    let money = |field: &JsonField| field.integer().map(|minor| Money::new(minor, &currency));
    let status = message.get("status").integer();
    let occurred_at = message.get("opTime").instant();
    let amount = money(&message.get("money"));
    let id = message.get("afterSaleOrderId").id();
    let item = |product: JsonField| {
        let name = product.get("name").text().or_else(|| product.get("nameI18n").text())?;
        Some(RefundItem { name, quantity: product.get("count").count(), amount: money(&product.get("refundPrice")) })
    };
    let refund = Refund {
        id: id.clone(),
        status: status.map(|code| Coded::of(code, &REFUND)),
        amount: amount.clone(),
        appeal: message.get("isAppeal").integer() == Some(1),
        requested_by: actor(&message.get("applyOpType")),
        request_reason: message.get("applyReason").text(),
        handled_by: actor(&message.get("handleOpType")),
        handling_reason: message.get("handleReason").text(),
        pictures: pictures(&message.get("pictures")),
        items: message.get("refundProducts").list().filter_map(item).collect(),
    };
    let meaning = match (&id, status) {
        (Some(id), Some(status)) => format!("refund:{event_id}:{id}:{status}"),
        _ => format!("order:{event_id}:{number}:{status:?}:{occurred_at:?}"),
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
fn pictures(field: &JsonField) -> Option<u64> {
    let list = JsonField::of(&field.raw_text()?);
    u64::try_from(list.list().count()).ok().filter(|count| *count > 0)
}

/// 1006: the courier moved on.
fn delivered(message: &JsonField) -> Option<Story> {
    let number = message.get("orderViewId").id()?;
    let status = message.get("logisticsStatus").integer()?;
    let courier = Courier { name: message.get("courierName").text(), phone: message.get("courierPhone").text() };
    let data = Data {
        delivery: Some(Coded::of(status, &DELIVERY)),
        courier: (courier != Courier::default()).then_some(courier),
        ..Data::default()
    };
    let op_time = message.get("opTime").raw_text().unwrap_or_default();
    Some(Story {
        occurred_at: message.get("opTime").instant(),
        meaning: Some(format!("order:1006:{number}:{status}:{op_time}")),
        order: Some(OrderNews { number, ..OrderNews::default() }),
        ..Story::of(Kind::OrderDelivery, data)
    })
}
