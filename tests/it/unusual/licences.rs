//! APSDAI's webhooks with a right token.

use http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use orderbell::domain::sign;
use orderbell::platform::apsdai::settings::Apsdai;
use orderbell::platform::{Incoming, Method, ParsedWebhook, Platform, WebhookRequest};

pub fn apsdai(settings: &str) -> Apsdai {
    toml::from_str(&format!("secret = \"s\"\n{settings}")).unwrap()
}

pub fn now() -> Timestamp {
    "2026-01-01T00:00:20Z".parse().unwrap()
}

/// What a hook with this body, given as text, becomes.
pub fn parsed_by(apsdai: &Apsdai, hook: &str, body: &str) -> ParsedWebhook {
    let stamp = now().as_millisecond();
    let token = sign::apsdai_token("s", stamp);
    let values =
        [("x-apsdai-token", token), ("x-apsdai-timestamp", stamp.to_string()), ("x-apsdai-event", hook.into())];
    let headers: HeaderMap =
        values.into_iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
    let (method, address, currency, body) = (Method::Post, "", "CNY", body.as_bytes());
    let request = WebhookRequest { method, query: None, headers: &headers, body, address, currency, now: now() };
    match apsdai.receive(&request) {
        Ok(Incoming::Webhook(webhook)) => *webhook,
        other => panic!("a webhook was expected: {other:?}"),
    }
}

pub fn parsed(hook: &str, body: &str) -> ParsedWebhook {
    parsed_by(&apsdai(""), hook, body)
}
