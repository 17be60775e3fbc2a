//! Keeta's API as far as it is simulated: `base/callback/url/set`, which registers a webhook address.
//!
//! Source: api-docs.mykeeta.com, Standard, `docs/author` and `base/callback/url/set`, read in November 2026. The codes of
//! refusals are not documented; those here are the sandbox's own.

use std::collections::BTreeMap;

use http::request::Parts;
use http::{StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::domain::sign;
use crate::domain::simulated::Addressee;
use crate::sandbox::inbox::MockVerdict;
use crate::sandbox::mock::{Call, Content, HttpMock, Mock};
use crate::sandbox::reply::{MockResponse, json_answer};

const PATH: &str = "/api/open/base/callback/url/set";

/// How far the signed time may be from the clock.
const MAX_AGE: SignedDuration = SignedDuration::from_mins(10);

/// The API, which each application asks.
pub struct MockKeeta;

impl Mock for MockKeeta {
    fn kind(&self) -> &'static str {
        "keeta"
    }

    fn label(&self) -> &'static str {
        "Keeta application"
    }

    fn http(&self) -> Option<&dyn HttpMock> {
        Some(self)
    }
}

impl HttpMock for MockKeeta {
    fn help(&self) -> &'static str {
        "POST   /api/open/base/callback/url/set  Keeta's API: registers a webhook address"
    }

    fn addressee(&self, _: &str, _: &str) -> Option<Addressee> {
        None
    }

    fn addressee_in_body(&self, path: &str, body: &[u8]) -> Option<Addressee> {
        (path == PATH).then(|| Addressee::Name(app(body)))
    }

    fn read(&self, _: &Parts, body: &[u8]) -> Content {
        Content { text: read(body), ..Content::default() }
    }

    fn judge(&self, call: &Call<'_>) -> (MockVerdict, MockResponse) {
        let host = call.header(header::HOST.as_str()).unwrap_or_default();
        let secret = call.demands.and_then(|demands| demands.get("app_secret"));
        let judged = judge(call.body, &format!("http://{host}{PATH}"), secret, call.now);
        let answer = json_answer(StatusCode::OK, answer(judged.as_ref().err()));
        let verdict = judged
            .map_or_else(|(code, words)| MockVerdict::Refused(format!("{code} {words}")), |()| MockVerdict::Accepted);
        (verdict, answer)
    }
}

/// The application that a call is made for; empty when it names none.
fn app(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body.get("appId").map(text).unwrap_or_default()
}

/// What was registered, in a line.
fn read(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let stores = match body.get("isTest").and_then(Value::as_u64) {
        Some(0) => "formal stores",
        Some(_) => "test stores",
        None => "test stores, because isTest was left out",
    };
    Some(format!("event {} → {} ({stores})", text(body.get("eventId")?), body.get("url")?.as_str()?))
}

/// Judges a call to `address`, signed with this secret; without one the signature is not looked at.
///
/// # Errors
/// The code and words of a refusal.
fn judge(body: &[u8], address: &str, secret: Option<&str>, now: Timestamp) -> Result<(), (u64, String)> {
    let refuse = |code, words: &str| Err((code, words.to_owned()));
    let Ok(mut members) = serde_json::from_slice::<BTreeMap<String, Value>>(body) else {
        return refuse(1001, "the body is not a JSON object");
    };
    let signature = members.remove("sig").as_ref().map(text).unwrap_or_default();
    if let Some(secret) = secret {
        let parameters: Vec<String> = members.iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
        let right = sign::keeta(&format!("{address}?"), &parameters.join("&"), secret);
        if !sign::same(signature.as_bytes(), right.as_bytes()) {
            return refuse(1002, "sig invalid");
        }
    }
    let at = members.get("timestamp").map(text).and_then(|text| text.parse().ok());
    let at = at.and_then(|seconds| Timestamp::from_second(seconds).ok());
    if at.is_none_or(|at| now.duration_since(at).abs() > MAX_AGE) {
        return refuse(1003, "timestamp invalid");
    }
    if !members.get("eventId").is_some_and(Value::is_u64) {
        return refuse(1004, "eventId invalid");
    }
    if !members.get("url").and_then(Value::as_str).is_some_and(|url| url.starts_with("https://")) {
        return refuse(1005, "url invalid");
    }
    match members.get("isTest").map(Value::as_u64) {
        None | Some(Some(0 | 1)) => Ok(()),
        Some(_) => refuse(1006, "isTest invalid"),
    }
}

/// The answer's body.
fn answer(refusal: Option<&(u64, String)>) -> String {
    match refusal {
        None => json!({ "code": 0, "message": "success", "data": {} }).to_string(),
        Some((code, message)) => json!({ "code": code, "message": message }).to_string(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
