//! A source of this platform in either token mode, and how a webhook is brought before it.

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use orderbell::domain::event::Kind;
use orderbell::domain::secret::Secret;
use orderbell::domain::sign;
use orderbell::platform::apsdai::fields::Fields;
use orderbell::platform::apsdai::settings::{AmountUnit, Apsdai};
use orderbell::platform::{Incoming, Method, ParsedWebhook, Platform, Refusal, WebhookRequest};
use serde_json::Value;

pub const SECRET: &str = "this is secret";
pub const HOOKS: [(&str, Kind); 9] = [
    ("order_create_hook", Kind::OrderPlaced),
    ("order_pay_hook", Kind::OrderPaid),
    ("order_cancel_hook", Kind::OrderCancelled),
    ("order_refund_hook", Kind::OrderRefund),
    ("order_out_of_stock_hook", Kind::OrderOutOfStock),
    ("order_finish_hook", Kind::OrderCompleted),
    ("stock_alarm_hook", Kind::StockLow),
    ("key_stock_alarm_hook", Kind::StockKeysLow),
    ("order_count_amount_hook", Kind::TotalsReported),
];

pub fn apsdai() -> Apsdai {
    Apsdai {
        secret: Some(Secret::new(SECRET)),
        password: None,
        max_age: SignedDuration::from_mins(5),
        amount_unit: AmountUnit::Major,
        timezone: TimeZone::get("Asia/Shanghai").unwrap(),
        fields: Fields::new(),
    }
}

pub fn by_password() -> Apsdai {
    Apsdai { secret: None, password: Some(Secret::new("pass word+%2B")), ..apsdai() }
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Midday of 2 January 2026 in Shanghai.
pub fn now() -> Timestamp {
    at("2026-01-02T04:00:00Z")
}

pub fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let header = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    pairs.iter().map(header).collect()
}

pub fn receive(apsdai: &Apsdai, headers: &HeaderMap, body: &[u8]) -> Result<Incoming, Refusal> {
    let (method, query, address, currency) = (Method::Post, None, "https://bell.example.com/hooks/licences", "HKD");
    apsdai.receive(&WebhookRequest { method, query, headers, body, address, currency, now: now() })
}

pub fn webhook(incoming: Result<Incoming, Refusal>) -> ParsedWebhook {
    match incoming {
        Ok(Incoming::Webhook(webhook)) => *webhook,
        other => panic!("a webhook was expected, not {other:?}"),
    }
}

/// The headers of a hook that is triggered now, with a signed token.
pub fn signed(hook: &str) -> HeaderMap {
    let ms = now().as_millisecond();
    let (token, ms) = (sign::apsdai_token(SECRET, ms), ms.to_string());
    headers(&[("X-Apsdai-Token", &token), ("X-Apsdai-Timestamp", &ms), ("X-Apsdai-Event", hook)])
}

pub fn parsed_by(apsdai: &Apsdai, hook: &str, body: &[u8]) -> ParsedWebhook {
    webhook(receive(apsdai, &signed(hook), body))
}

pub fn parsed(hook: &str, body: &Value) -> ParsedWebhook {
    parsed_by(&apsdai(), hook, body.to_string().as_bytes())
}
