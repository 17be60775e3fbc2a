//! What a believed APSDAI webhook says, in our words: the header decides what happened, the body may say more.

use std::borrow::Cow;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::domain::apsdai;
use crate::domain::data::{Details, Refund, StockItem, Unnumbered, Unrecognised};
use crate::domain::event::{DedupeKey, Kind, SignatureCheck};
use crate::domain::mask::mask;
use crate::domain::money::Money;
use crate::domain::order::{MAX_LINES, OrderState, OrderUpdate, RefundUpdate};
use crate::domain::payload::{Data, OrderProgress, Payload};
use crate::domain::text::clean_line;
use crate::platform::apsdai::body::Body;
use crate::platform::apsdai::fields::FieldName;
use crate::platform::apsdai::reader::BodyReader;
use crate::platform::apsdai::settings::Apsdai;
use crate::platform::apsdai::verify::VerifiedApsdai;
use crate::platform::apsdai::{totals, values};
use crate::platform::field::JsonField;
use crate::platform::{ParsedWebhook, WebhookRequest, without_mark};

/// Without a timestamp, an equal body so soon after is a repeat.
const REPEAT_WINDOW_SECONDS: i64 = 300;
/// Longest name of an event that is kept, in graphemes.
const MAX_EVENT: usize = 64;

/// Reads a believed request. Whatever its body is, the header's event happened.
pub fn parse(apsdai: &Apsdai, verified: &VerifiedApsdai<'_>, request: &WebhookRequest<'_>) -> ParsedWebhook {
    let bytes = without_mark(verified.body());
    let text = std::str::from_utf8(bytes).ok();
    let root = text.map(JsonField::of).unwrap_or_default();
    let body = Body::of(&root);
    let (event, named_by) = name(apsdai, verified, &body);
    let kind = apsdai::kind(&event);

    let reading = BodyReader::new(apsdai, &body, request);
    let at = verified.stamp().map(|stamp| stamp.at);
    let mut story = reading.content(&kind, &body, at.unwrap_or(request.now));
    if kind == Kind::Unrecognised {
        let event = (!event.is_empty()).then(|| event.clone());
        let unrecognised = Unrecognised { event, bytes: request.body.len() as u64, malformed: false };
        story.data = Payload::Unrecognised(unrecognised).into();
    } else {
        story.data.details = details(apsdai, &body, text, root.is_there(), story.is_familiar);
        // What the test button makes up is no order.
        if story.data.details == Some(Details::Test)
            && let Some(order) = story.order.take()
        {
            let OrderUpdate { short_number, placed_at, total, total_is_approximate, lines, unreadable, .. } = order;
            let unnumbered = Unnumbered { short_number, placed_at, total, total_is_approximate, lines, unreadable };
            story.data.unnumbered = Some(unnumbered);
        }
    }
    ParsedWebhook {
        kind,
        occurred_at: story.occurred_at.or(at),
        shop: None,
        order: story.order,
        data: story.data,
        signature: SignatureCheck::Valid(format!("{}{named_by}", verified.recipe())),
        dedupe_keys: vec![repeat_key(verified, &event)],
        body: match mask(bytes, &[]) {
            // Nothing to mask, or no JSON: it stays as it came.
            Cow::Borrowed(_) => request.body.to_vec(),
            Cow::Owned(masked) => masked,
        },
    }
}

/// The event's name, and how it came where it is not the header that says it.
fn name(apsdai: &Apsdai, verified: &VerifiedApsdai<'_>, body: &Body) -> (String, &'static str) {
    let tidy = |name: &str| clean_line(name, MAX_EVENT).to_ascii_lowercase();
    if let Some(name) = verified.event() {
        return (tidy(name), "");
    }
    let known = |field: &JsonField| field.raw_text().map(|name| tidy(&name)).filter(|name| !name.is_empty());
    match body.find(&apsdai.fields, FieldName::Event, known) {
        Some(name) => (name, "; the event's name is from the body, which nothing proves"),
        None => (String::new(), "; nothing names the event"),
    }
}

/// The token is not part of the key: it follows from the time and the secret, and it could be spelt in other ways. Nor is the
/// event's name: nothing signs it, so it is content, as the body is.
fn repeat_key(verified: &VerifiedApsdai<'_>, event: &str) -> DedupeKey {
    let content: [u8; 32] =
        Sha256::new().chain_update(event).chain_update([0]).chain_update(verified.body()).finalize().into();
    match verified.stamp() {
        Some(stamp) => DedupeKey::Guarded { key: format!("@{}", stamp.number), content, fresh: verified.is_fresh() },
        None => DedupeKey::Latest {
            key: format!("{event}:{}", hex::encode(content)),
            content,
            window_seconds: REPEAT_WINDOW_SECONDS,
        },
    }
}

/// Why there is little to say, when there is.
fn details(apsdai: &Apsdai, body: &Body, text: Option<&str>, is_json: bool, is_familiar: bool) -> Option<Details> {
    let yes = |field: &JsonField| match field.raw().trim_matches('"').to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Some(()),
        _ => None,
    };
    let is_test = |text: &str| text.trim().trim_matches('"').eq_ignore_ascii_case("test");
    let says_test = |field: &JsonField| field.raw_text().filter(|text| is_test(text)).map(drop);
    if text.is_some_and(is_test)
        || body.find(&apsdai.fields, FieldName::Test, yes).is_some()
        || body.find(&apsdai.fields, FieldName::Event, says_test).is_some()
    {
        return Some(Details::Test);
    }
    match text {
        Some(text) if text.trim().is_empty() => Some(Details::Missing),
        _ if !is_json => Some(Details::Unreadable),
        _ if body.is_empty() => Some(Details::Missing),
        _ if !is_familiar => Some(Details::Unfamiliar),
        _ => None,
    }
}

/// What a body says.
#[derive(Default)]
struct Story {
    occurred_at: Option<Timestamp>,
    order: Option<OrderUpdate>,
    data: Data,
    /// Something in it had a name that we know.
    is_familiar: bool,
}

impl BodyReader<'_> {
    fn content(self, kind: &Kind, body: &Body, triggered_at: Timestamp) -> Story {
        match kind {
            Kind::Unrecognised => Story::default(),
            Kind::StockLow | Kind::StockKeysLow => {
                let stock = self.stock(body);
                let occurred_at = self.instant(body, FieldName::OccurredAt);
                let is_familiar = !stock.is_empty();
                Story { occurred_at, data: Payload::Stock(stock).into(), is_familiar, order: None }
            }
            Kind::TotalsReported => {
                let today = triggered_at.to_zoned(self.zone().clone()).date();
                let totals = totals::read(&self, body, today);
                let is_familiar = !totals.is_empty();
                Story { data: Payload::Totals(totals).into(), is_familiar, ..Story::default() }
            }
            _ => self.order(kind, body),
        }
    }

    fn order(self, kind: &Kind, body: &Body) -> Story {
        let (total, lines, total_is_approximate) = self.bill(body);
        let placed_at = self.moment(body, FieldName::PlacedAt, "/placed_at");
        let time = || self.instant(body, FieldName::OccurredAt);
        let reason = self.read(body, FieldName::Reason, "/reason", JsonField::text);
        let refund_amount = self.read(body, FieldName::RefundAmount, "/refund/amount", |field| self.money(field));
        // Many systems send it with every order, as 0.
        let refund_amount = refund_amount.filter(|money| money.minor != 0);
        let refund_amount = refund_amount.map(|money| Money::new(money.minor.saturating_abs(), money.currency));
        // APSDAI names no refunds; there is one state of it for each order.
        let refund = |number: &str| {
            match kind {
                Kind::OrderRefund => Some(refund_amount.clone()),
                Kind::OrderCancelled => refund_amount.clone().map(Some),
                _ => None,
            }
            .map(|amount| {
                let assumes_currency = amount.is_some() && self.assumes_currency;
                RefundUpdate { id: number.to_owned(), amount, assumes_currency, pending: false }
            })
        };
        let buyer = self.read(body, FieldName::BuyerEmail, "/buyer", values::masked_email);
        let (state, occurred_at) = match kind {
            Kind::OrderPlaced => (Some(OrderState::Placed), placed_at.or_else(time)),
            Kind::OrderPaid => (Some(OrderState::Paid), self.moment(body, FieldName::PaidAt, "/paid_at").or_else(time)),
            Kind::OrderCancelled => (Some(OrderState::Cancelled), time()),
            Kind::OrderRefund => (Some(OrderState::Refunded), time()),
            Kind::OrderCompleted => (Some(OrderState::Completed), time()),
            _ => (None, time()),
        };
        let payload = match kind {
            Kind::OrderCancelled => Payload::Progress(OrderProgress { reason, ..OrderProgress::default() }),
            Kind::OrderRefund if refund_amount.is_some() || reason.is_some() => {
                let amount = refund_amount.clone();
                Payload::Refund(Box::new(Refund { amount, request_reason: reason, ..Refund::default() }))
            }
            Kind::OrderOutOfStock => Payload::Stock(self.stock(body)),
            _ => Payload::None,
        };
        let mut data = Data { buyer, ..Data::from(payload) };
        let number = self.read(body, FieldName::OrderNumber, "/number", values::word);
        if number.is_none() && body.stands(self.fields(), FieldName::OrderNumber) {
            self.unread.note("/number");
        }
        let has_details = !lines.is_empty() || total.is_some() || self.unread.has("/total");
        let unreadable = self.unread.take();
        let is_familiar = number.is_some() || total.is_some() || !lines.is_empty() || data != Data::default();
        let order = number.map(|number| OrderUpdate {
            refund: refund(&number),
            number,
            state,
            placed_at,
            total: total.clone(),
            total_is_approximate,
            lines: lines.clone(),
            unreadable: unreadable.clone(),
            ..OrderUpdate::default()
        });
        if order.is_none() && (has_details || !unreadable.is_empty()) {
            let short_number = None;
            let unnumbered = Unnumbered { short_number, placed_at, total, total_is_approximate, lines, unreadable };
            data.unnumbered = Some(unnumbered);
        }
        Story { occurred_at, order, data, is_familiar }
    }

    fn stock(&self, body: &Body) -> Vec<StockItem> {
        let item = |body: &Body| {
            let number = |detail| body.find(self.fields(), detail, JsonField::integer);
            let text = |detail| body.find(self.fields(), detail, JsonField::text);
            StockItem {
                name: text(FieldName::ProductName),
                id: text(FieldName::ProductId),
                left: number(FieldName::ProductStock),
                threshold: number(FieldName::ProductThreshold),
            }
        };
        let items = body.items(self.fields(), FieldName::Products);
        let read: Vec<StockItem> = match items.is_empty() {
            false => items.iter().map(item).take(MAX_LINES).collect(),
            true => vec![item(body)],
        };
        read.into_iter().filter(|item| *item != StockItem::default()).collect()
    }
}
