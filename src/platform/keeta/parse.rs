//! What a believed Keeta webhook says, in our words: one function per family of events.

use std::fmt::Display;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::domain::coded::Coded;
use crate::domain::data::{Authorisation, Courier, Refund, RefundItem, Unrecognised};
use crate::domain::event::{DedupeKey, Kind, SignatureCheck};
use crate::domain::mask::mask;
use crate::domain::money::Money;
use crate::domain::order::{MAX_LINES, OrderState, OrderUpdate, RefundUpdate};
use crate::domain::payload::{CourierProgress, Data, OrderProgress, Payload};
use crate::domain::shop::Shop;
use crate::platform::field::{Below, JsonField, UnreadableFields};
use crate::platform::keeta::members::{KeetaEnvelope, VerifiedContent};
use crate::platform::keeta::settings::Keeta;
use crate::platform::keeta::verify::VerifiedKeeta;
use crate::platform::keeta::{order, shop};
use crate::platform::{Incoming, ParsedWebhook, WebhookRequest};

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
pub fn parse(keeta: &Keeta, verified: &VerifiedKeeta<'_>, request: &WebhookRequest<'_>) -> Incoming {
    match verified.content() {
        VerifiedContent::Nothing => Incoming::Heartbeat,
        VerifiedContent::AuthorisationCode { fingerprint, at } => {
            let authorisation = Authorisation { code_received: true, ..Authorisation::default() };
            Incoming::Webhook(Box::new(ParsedWebhook {
                kind: Kind::AppAuthorised,
                occurred_at: Some(*at),
                shop: None,
                order: None,
                data: Payload::Authorisation(authorisation).into(),
                signature: verified.signature().clone(),
                dedupe_keys: std::iter::once(DedupeKey::Once(format!("code:{}", hex::encode(fingerprint))))
                    .chain(verified.seal().map(seal_key))
                    .collect(),
                // The code is a credential: of this one event nothing of the request is kept.
                body: Vec::new(),
            }))
        }
        VerifiedContent::Envelope(envelope) => {
            let message = &envelope.read;
            let is_malformed = !envelope.is_strict && !message.is_object();
            let story = read(envelope, message, request)
                .unwrap_or_else(|| EnvelopeParser::unrecognised(envelope, request.body.len(), is_malformed));
            let meaning = match story.meaning {
                None => latest_of_shop(envelope),
                // It has the whole order, which may have changed.
                Some(meaning) if story.kind == Kind::OrderPlaced => DedupeKey::Unchanged(meaning),
                Some(meaning) => DedupeKey::Once(meaning),
            };
            let mut dedupe_keys = vec![DedupeKey::Once(format!("message:{}", envelope.message_id)), meaning];
            dedupe_keys.extend(verified.seal().map(seal_key));
            let name = keeta.shops.get(&envelope.shop_id).cloned().or(story.shop_name);
            Incoming::Webhook(Box::new(ParsedWebhook {
                kind: story.kind,
                occurred_at: Some(story.occurred_at.unwrap_or(envelope.at)),
                shop: (envelope.shop_id != "0").then(|| Shop { id: envelope.shop_id.clone(), name }),
                order: story.order,
                data: story.data,
                signature: proof(verified, !envelope.is_strict && !is_malformed),
                dedupe_keys,
                body: mask(request.body, credentials(envelope)).into_owned(),
            }))
        }
    }
}

/// A signed string that can be cut into members in several ways is one event, whichever way comes first.
fn seal_key(signature: &str) -> DedupeKey {
    DedupeKey::Once(format!("sig:{signature}"))
}

/// How it was proved; `why` shows it.
fn proof(verified: &VerifiedKeeta<'_>, leniently: bool) -> SignatureCheck {
    match verified.signature() {
        SignatureCheck::Valid(recipe) if leniently => {
            SignatureCheck::Valid(format!("{recipe}; its message is not strictly JSON and was read as far as it goes"))
        }
        proof => proof.clone(),
    }
}

/// The members of a message that are credentials although their names do not say so: event 1 hands over a code.
fn credentials(envelope: &KeetaEnvelope<'_>) -> &'static [&'static str] {
    if envelope.event_id == 1 { &["code"] } else { &[] }
}

/// What one envelope says.
struct EnvelopeParser {
    kind: Kind,
    occurred_at: Option<Timestamp>,
    shop_name: Option<String>,
    order: Option<OrderUpdate>,
    data: Data,
    /// Two envelopes of the same meaning are one event; `None` where only equal content shortly after is a repeat.
    meaning: Option<String>,
}

impl EnvelopeParser {
    fn of(kind: Kind, data: impl Into<Data>) -> Self {
        Self { kind, occurred_at: None, shop_name: None, order: None, data: data.into(), meaning: None }
    }

    fn unrecognised(envelope: &KeetaEnvelope<'_>, bytes: usize, malformed: bool) -> Self {
        let event = Some(envelope.event_id.to_string());
        let unrecognised = Unrecognised { event, bytes: bytes as u64, malformed };
        Self::of(Kind::Unrecognised, Payload::Unrecognised(unrecognised))
    }
}

fn latest_of_shop(envelope: &KeetaEnvelope<'_>) -> DedupeKey {
    DedupeKey::Latest {
        key: format!("shop:{}:{}", envelope.event_id, envelope.shop_id),
        content: Sha256::digest(envelope.message.as_bytes()).into(),
        window_seconds: SHOP_REPEAT_WINDOW_SECONDS,
    }
}

/// `None` when the event id is unknown or the message lacks what the event is about.
fn read(envelope: &KeetaEnvelope<'_>, message: &JsonField, request: &WebhookRequest<'_>) -> Option<EnvelopeParser> {
    let id = envelope.event_id;
    match id {
        1 | 1301 => authorised(message, Kind::AppAuthorised),
        1302 | 1303 => authorised(message, Kind::AppDeauthorised),
        1001 => placed(envelope, message, request.currency),
        1002 => stepped(id, message, Kind::OrderAccepted, OrderState::Accepted),
        1003 => stepped(id, message, Kind::OrderCompleted, OrderState::Completed),
        1004 | 1008 => stepped(id, message, Kind::OrderCancelled, OrderState::Cancelled),
        1005 => refunded(id, message, Kind::OrderRefund, request.currency),
        1007 => refunded(id, message, Kind::OrderPartialRefund, request.currency),
        1006 => delivered(message),
        1101 => Some(EnvelopeParser::of(Kind::StoreHours, Payload::Hours(shop::hours(message)?))),
        1102 => Some(EnvelopeParser::of(Kind::StoreStatus, Payload::Status(shop::status(message)?))),
        1201 => Some(EnvelopeParser::of(Kind::MenuImages, Payload::Task(shop::task(message)?))),
        1202 => Some(EnvelopeParser::of(Kind::MenuSync, Payload::Task(shop::task(message)?))),
        _ => None,
    }
}

fn placed(envelope: &KeetaEnvelope<'_>, message: &JsonField, currency: &str) -> Option<EnvelopeParser> {
    let placed = order::read(message, currency)?;
    Some(EnvelopeParser {
        occurred_at: placed.placed_at,
        shop_name: placed.shop_name,
        // Without its number, only equal content shortly after is a repeat.
        meaning: placed.update.as_ref().map(|update| format!("order:1001:{}", update.number)),
        order: placed.update.map(|update| OrderUpdate { as_of: Some(envelope.at), ..update }),
        ..EnvelopeParser::of(Kind::OrderPlaced, placed.data)
    })
}

/// 1301 to 1303: a shop or a brand let the application in, or put it out.
fn authorised(message: &JsonField, kind: Kind) -> Option<EnvelopeParser> {
    Some(EnvelopeParser {
        occurred_at: message.get("createTime").instant(),
        shop_name: message.get("shopName").text(),
        ..EnvelopeParser::of(kind, Payload::Authorisation(shop::authorisation(message)?))
    })
}

fn actor(code: &JsonField) -> Option<Coded> {
    code.integer().map(|code| Coded::of(code, &ACTORS))
}

/// When it happened; zero stands for no moment.
fn happened(message: &JsonField, unread: &UnreadableFields) -> Option<Timestamp> {
    unread.read(&message.get("opTime"), "/occurred_at", JsonField::moment).flatten()
}

fn number(message: &JsonField, unread: &UnreadableFields) -> Option<String> {
    unread.read(&message.get("orderViewId"), "/number", JsonField::id)
}

/// 1002, 1003, 1004 and 1008: an order moved on.
fn stepped(event_id: u64, message: &JsonField, kind: Kind, state: OrderState) -> Option<EnvelopeParser> {
    let unread = UnreadableFields::default();
    let number = number(message, &unread)?;
    let progress = OrderProgress {
        reason: unread.read(&message.get("cancelReason"), "/reason", JsonField::text),
        by: unread.read(&message.get("opType"), "/by", actor),
        cancel_type: unread.read(&message.get("cancelType"), "/cancel_type", JsonField::integer),
    };
    let occurred_at = happened(message, &unread);
    let unreadable = unread.into_pointers();
    Some(EnvelopeParser {
        occurred_at,
        meaning: Some(format!("order:{event_id}:{number}")),
        order: Some(OrderUpdate { number, state: Some(state), unreadable, ..OrderUpdate::default() }),
        ..EnvelopeParser::of(kind, Payload::Progress(progress))
    })
}

/// 1005 and 1007: a refund, or some items of one, reached a new state. The order's own state is not theirs to say.
fn refunded(event_id: u64, message: &JsonField, kind: Kind, default_currency: &str) -> Option<EnvelopeParser> {
    let unread = UnreadableFields::default();
    let number = number(message, &unread)?;
    let currency = unread.read(&message.get("currency"), "/refund/amount/currency", order::currency);
    let assumes_currency = currency.is_none();
    let currency = currency.unwrap_or_else(|| default_currency.to_owned());
    let occurred_at = happened(message, &unread);
    let refund = refund(message, &currency, &unread);
    let status = refund.status.as_ref().map(|status| status.code);
    let meaning = match (&refund.id, status) {
        (Some(id), Some(status)) => format!("refund:{event_id}:{id}:{status}"),
        _ => format!("order:{event_id}:{number}:{status:?}:{occurred_at:?}"),
    };
    // A refund without an id of its own can only be distinguished by its order.
    let pending = status == Some(WAITING_FOR_MERCHANT);
    let id = refund.id.clone().unwrap_or_else(|| number.clone());
    let amount = refund.amount.clone();
    let update = amount.map(|amount| RefundUpdate { id, amount: Some(amount), assumes_currency, pending });
    let unreadable = unread.into_pointers();
    Some(EnvelopeParser {
        occurred_at,
        meaning: Some(meaning),
        order: Some(OrderUpdate { number, refund: update, unreadable, ..OrderUpdate::default() }),
        ..EnvelopeParser::of(kind, Payload::Refund(Box::new(refund)))
    })
}

fn refund(message: &JsonField, currency: &str, unread: &UnreadableFields) -> Refund {
    let integer = |name: &str, at: &str| unread.read(&message.get(name), Below("/refund", at), JsonField::integer);
    let text = |name: &str, at: &str| unread.read(&message.get(name), Below("/refund", at), JsonField::text);
    let actor = |name: &str, at: &str| unread.read(&message.get(name), Below("/refund", at), actor);
    let products = unread.list(&message.get("refundProducts"), "/refund/items");
    let items = products.iter().take(MAX_LINES).enumerate();
    let items = items.map(|(index, product)| refund_item(product, Below("/refund/items", index), currency, unread));
    let items = items.collect();
    if products.len() > MAX_LINES {
        unread.note(Below("/refund/items", MAX_LINES));
    }
    Refund {
        id: unread.read(&message.get("afterSaleOrderId"), "/refund/id", JsonField::id),
        status: integer("status", "status").map(|code| Coded::of(code, &REFUND)),
        amount: integer("money", "amount").map(|minor| Money::new(minor, currency)),
        appeal: integer("isAppeal", "appeal") == Some(1),
        requested_by: actor("applyOpType", "requested_by"),
        request_reason: text("applyReason", "request_reason"),
        handled_by: actor("handleOpType", "handled_by"),
        handling_reason: text("handleReason", "handling_reason"),
        pictures: unread.read(&message.get("pictures"), "/refund/pictures", pictures).filter(|count| *count > 0),
        items,
    }
}

fn refund_item(product: &JsonField, at: impl Display + Copy, currency: &str, unread: &UnreadableFields) -> RefundItem {
    let at = |part: &'static str| Below(at, part);
    let name = |field: &str| unread.read(&product.get(field), at("name"), JsonField::name);
    let name = name("name").or_else(|| name("nameI18n"));
    if name.is_none() {
        unread.note(at("name"));
    }
    let amount = unread.read(&product.get("refundPrice"), at("amount"), JsonField::integer);
    RefundItem {
        name: name.unwrap_or_default(),
        quantity: unread.read(&product.get("count"), at("quantity"), JsonField::count),
        amount: amount.map(|minor| Money::new(minor, currency)),
    }
}

/// `pictures` is a string that holds a JSON list of addresses; only their number is kept.
fn pictures(field: &JsonField) -> Option<u64> {
    let list = JsonField::of(&field.raw_text()?);
    list.is_list().then(|| list.list().count() as u64)
}

/// 1006: the courier moved on.
fn delivered(message: &JsonField) -> Option<EnvelopeParser> {
    let unread = UnreadableFields::default();
    let number = number(message, &unread)?;
    let status = unread.read(&message.get("logisticsStatus"), "/delivery", JsonField::integer)?;
    let text = |name: &str, at: &str| unread.read(&message.get(name), at, JsonField::text);
    let courier = Courier { name: text("courierName", "/courier/name"), phone: text("courierPhone", "/courier/phone") };
    let progress = CourierProgress {
        delivery: Some(Coded::of(status, &DELIVERY)),
        courier: (courier != Courier::default()).then_some(courier),
    };
    let op_time = message.get("opTime");
    let op_time = op_time.raw_text().unwrap_or_default();
    let occurred_at = happened(message, &unread);
    let unreadable = unread.into_pointers();
    Some(EnvelopeParser {
        occurred_at,
        meaning: Some(format!("order:1006:{number}:{status}:{op_time}")),
        order: Some(OrderUpdate { number, unreadable, ..OrderUpdate::default() }),
        ..EnvelopeParser::of(Kind::OrderDelivery, Payload::Delivery(progress))
    })
}
