//! The play-acting WebHook receiver: whether a request proves that it comes from us.

use http::HeaderMap;
use jiff::SignedDuration;
use jiff::Timestamp;
use serde_json::Value;

use crate::domain::sign;
use crate::sandbox::rules::Signing;

/// How far a signed timestamp may be from the clock.
const MAX_AGE: SignedDuration = SignedDuration::from_mins(5);

/// Judges a request.
///
/// # Errors
/// Why it is not believed.
pub fn judge(signing: &Signing, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), String> {
    match signing {
        Signing::None => Ok(()),
        Signing::Apsdai(secret) => {
            let timestamp_ms = apsdai(headers, now)?;
            let token = required(headers, "x-apsdai-token")?;
            equal("x-apsdai-token", token, &sign::apsdai_token(secret.expose(), timestamp_ms))
        }
        Signing::ApsdaiPassword(password) => {
            apsdai(headers, now)?;
            equal("x-apsdai-token", required(headers, "x-apsdai-token")?, password.expose())
        }
        Signing::StandardWebhooks(secret) => {
            let id = required(headers, "webhook-id")?;
            let timestamp = required(headers, "webhook-timestamp")?;
            let timestamp_s: i64 = timestamp.parse().map_err(|_| "webhook-timestamp is not a number".to_owned())?;
            in_time(Timestamp::from_second(timestamp_s).ok(), now)?;
            let wanted = sign::standard_webhooks(secret.expose(), id, timestamp_s, body);
            let mut given = required(headers, "webhook-signature")?.split(' ');
            if given.any(|given| sign::same(given.as_bytes(), wanted.as_bytes())) {
                Ok(())
            } else {
                Err("webhook-signature does not match".to_owned())
            }
        }
    }
}

/// The idempotency key, and what a person would read.
pub fn read(headers: &HeaderMap, body: &[u8]) -> (Option<String>, Option<String>, Option<String>) {
    let key = text(headers, "webhook-id").or_else(|| text(headers, "x-orderbell-delivery")).map(str::to_owned);
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let string = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    (key, string("title"), string("text"))
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
