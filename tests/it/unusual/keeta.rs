//! Keeta's webhooks, made of raw JSON and signed as the platform would.

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use orderbell::domain::secret::Secret;
use orderbell::domain::sign;
use orderbell::platform::keeta::settings::{Keeta, Verify};
use orderbell::platform::{Incoming, Method, ParsedWebhook, Platform, Refusal, WebhookRequest};
use serde_json::Value;

pub const ADDRESS: &str = "https://bell.example.com/hooks/keeta-hk";
pub const SECRET: &str = "app-secret";
pub const APP: u64 = 3_762_772_727;

pub fn keeta() -> Keeta {
    Keeta {
        app_id: APP,
        app_secret: Secret::new(SECRET),
        verify: Verify::Enforce,
        registered_url: None,
        shops: Default::default(),
        max_age: SignedDuration::from_hours(24),
    }
}

pub fn now() -> Timestamp {
    "2025-06-04T03:36:00Z".parse().unwrap()
}

/// The members of an envelope as raw JSON.
pub type Members = Vec<(&'static str, String)>;

pub fn envelope(event_id: u64, message: &str) -> Members {
    vec![
        ("eventId", event_id.to_string()),
        ("appId", APP.to_string()),
        ("messageId", "\"1930106161957212198\"".to_owned()),
        ("shopId", "466663".to_owned()),
        ("message", Value::from(message).to_string()),
        ("timestamp", now().as_second().to_string()),
    ]
}

/// The string that is signed, without address and secret.
pub fn parameters(members: &Members) -> String {
    let text = |raw: &str| serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.to_owned());
    let mut sorted = members.clone();
    sorted.sort_unstable();
    let pairs: Vec<String> = sorted.iter().map(|(name, raw)| format!("{name}={}", text(raw))).collect();
    pairs.join("&")
}

pub fn signature(members: &Members) -> String {
    sign::keeta(&format!("{ADDRESS}?"), &parameters(members), SECRET)
}

pub fn body(members: &[(impl AsRef<str>, String)], signature: &str) -> Vec<u8> {
    let members: Vec<String> = members.iter().map(|(name, raw)| format!("\"{}\":{raw}", name.as_ref())).collect();
    format!("{{{},\"sig\":\"{signature}\"}}", members.join(",")).into_bytes()
}

pub fn signed(members: &Members) -> Vec<u8> {
    body(members, &signature(members))
}

pub fn receive(body: &[u8]) -> Result<Incoming, Refusal> {
    let headers = HeaderMap::new();
    let (method, address, currency) = (Method::Post, ADDRESS, "HKD");
    keeta().receive(&WebhookRequest { method, query: None, headers: &headers, body, address, currency, now: now() })
}

pub fn webhook(incoming: Result<Incoming, Refusal>) -> ParsedWebhook {
    match incoming {
        Ok(Incoming::Webhook(webhook)) => *webhook,
        other => panic!("a webhook was expected: {other:?}"),
    }
}

/// What an event with this message, given as text, becomes.
pub fn parsed(event_id: u64, message: &str) -> ParsedWebhook {
    webhook(receive(&signed(&envelope(event_id, message))))
}
