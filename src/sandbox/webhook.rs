//! The simulated WebHook receiver: whether a request proves that it comes from us.

use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::domain::sign;
use crate::domain::simulated::{Addressee, Demands};
use crate::sandbox::inbox::{MockVerdict, Received};
use crate::sandbox::mock::{Call, Content, HttpMock, Mock};
use crate::sandbox::reply::{MockResponse, json_answer};

/// How far a signed timestamp may be from the clock.
const MAX_AGE: SignedDuration = SignedDuration::from_mins(5);

/// The kind of receiver. It demands one of the schemes below, or nothing.
pub struct MockWebhook;

/// How a receiver knows its sender.
pub const APSDAI: &str = "apsdai";
pub const APSDAI_PASSWORD: &str = "apsdai-password";
pub const STANDARD_WEBHOOKS: &str = "standard-webhooks";

impl Mock for MockWebhook {
    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn label(&self) -> &'static str {
        "WebHook receiver"
    }

    /// The JSON, an entry a line.
    fn shown(&self, received: &Received) -> String {
        let parsed: Result<Value, _> = serde_json::from_str(&received.body);
        let pretty = parsed.ok().and_then(|value| serde_json::to_string_pretty(&value).ok());
        pretty.unwrap_or_else(|| received.body.clone())
    }

    fn http(&self) -> Option<&dyn HttpMock> {
        Some(self)
    }
}

impl HttpMock for MockWebhook {
    fn help(&self) -> &'static str {
        "POST   /webhook/NAME                    a WebHook receiver"
    }

    fn addressee(&self, path: &str, _: &str) -> Option<Addressee> {
        path.strip_prefix("/webhook/").map(|name| Addressee::Name(name.to_owned()))
    }

    /// The idempotency key, and what a person would read.
    fn read(&self, parts: &Parts, body: &[u8]) -> Content {
        let headers = &parts.headers;
        let key = text(headers, "webhook-id").or_else(|| text(headers, "x-orderbell-delivery")).map(str::to_owned);
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let string = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        Content { title: string("title"), text: string("text"), key }
    }

    fn judge(&self, call: &Call<'_>) -> (MockVerdict, MockResponse) {
        let refused = |status, reason: String| {
            (MockVerdict::Refused(reason.clone()), json_answer(status, json!({ "error": reason }).to_string()))
        };
        if call.parts.method != Method::POST {
            return refused(StatusCode::METHOD_NOT_ALLOWED, "it takes POST".to_owned());
        }
        let Some(demands) = call.demands else {
            return refused(StatusCode::NOT_FOUND, "there is no receiver of this name".to_owned());
        };
        match judge(demands, &call.parts.headers, call.body, call.now) {
            Ok(()) => (MockVerdict::Accepted, json_answer(StatusCode::OK, json!({ "ok": true }).to_string())),
            Err(reason) => refused(StatusCode::UNAUTHORIZED, reason),
        }
    }
}

/// Judges a request.
///
/// # Errors
/// Why it is not believed.
fn judge(demands: &Demands, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), String> {
    if let Some(secret) = demands.get(APSDAI) {
        let timestamp_ms = apsdai(headers, now)?;
        let token = required(headers, "x-apsdai-token")?;
        equal("x-apsdai-token", token, &sign::apsdai_token(secret, timestamp_ms))?;
    }
    if let Some(password) = demands.get(APSDAI_PASSWORD) {
        apsdai(headers, now)?;
        equal("x-apsdai-token", required(headers, "x-apsdai-token")?, password)?;
    }
    if let Some(secret) = demands.get(STANDARD_WEBHOOKS) {
        let id = required(headers, "webhook-id")?;
        let timestamp = required(headers, "webhook-timestamp")?;
        let timestamp_s: i64 = timestamp.parse().map_err(|_| "webhook-timestamp is not a number".to_owned())?;
        in_time(Timestamp::from_second(timestamp_s).ok(), now)?;
        let wanted = sign::standard_webhooks(secret, id, timestamp_s, body);
        let mut given = required(headers, "webhook-signature")?.split(' ');
        if !given.any(|given| sign::same(given.as_bytes(), wanted.as_bytes())) {
            return Err("webhook-signature does not match".to_owned());
        }
    }
    Ok(())
}

/// The checks that both APSDAI modes share; gives the timestamp in milliseconds.
fn apsdai(headers: &HeaderMap, now: Timestamp) -> Result<i64, String> {
    required(headers, "x-apsdai-event")?;
    let timestamp = required(headers, "x-apsdai-timestamp")?;
    let timestamp_ms = timestamp.parse().map_err(|_| "x-apsdai-timestamp is not a number".to_owned())?;
    in_time(Timestamp::from_millisecond(timestamp_ms).ok(), now)?;
    Ok(timestamp_ms)
}

fn in_time(signed_at: Option<Timestamp>, now: Timestamp) -> Result<(), String> {
    match signed_at {
        Some(signed_at) if now.duration_since(signed_at).abs() <= MAX_AGE => Ok(()),
        _ => Err("the timestamp is more than five minutes from this clock".to_owned()),
    }
}

fn equal(name: &str, given: &str, wanted: &str) -> Result<(), String> {
    if sign::same(given.as_bytes(), wanted.as_bytes()) { Ok(()) } else { Err(format!("{name} does not match")) }
}

fn required<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, String> {
    text(headers, name).ok_or_else(|| format!("{name} is missing"))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
