//! The simulated DingTalk robot: what its `robot/send` checks, in the order in which it checks it.
//!
//! Source: help.dingtalk.io, "Custom robots send group messages" and "Customize robot security settings"; codes as real
//! robots were seen to answer them. Everything is answered with HTTP 200; `errcode` says what it means.

use std::time::Duration;

use http::header;
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use url::form_urlencoded;

use crate::domain::sign;
use crate::domain::simulated::{Addressee, Demands};
use crate::sandbox::errcode;
use crate::sandbox::errcode::MockRefusal;
use crate::sandbox::inbox::MockVerdict;
use crate::sandbox::mock::{Call, Content, HttpMock, Mock};
use crate::sandbox::reply::MockResponse;

/// How long a robot is blocked after one message too many.
const BLOCKED: Duration = Duration::from_secs(600);
/// Bytes of a whole body.
const MAX_BODY_BYTES: usize = 20_000;
/// How far the signed timestamp may be from the clock.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(1);

/// The kind of robot.
pub struct MockDingTalk;

impl Mock for MockDingTalk {
    fn kind(&self) -> &'static str {
        "dingtalk"
    }

    fn label(&self) -> &'static str {
        "DingTalk robot"
    }

    fn http(&self) -> Option<&dyn HttpMock> {
        Some(self)
    }
}

impl HttpMock for MockDingTalk {
    fn help(&self) -> &'static str {
        "POST   /robot/send?access_token=TOKEN   a DingTalk robot"
    }

    fn addressee(&self, path: &str, query: &str) -> Option<Addressee> {
        (path == "/robot/send").then(|| Addressee::Token(parameter(query, "access_token").unwrap_or_default()))
    }

    fn read(&self, _: &Parts, body: &[u8]) -> Content {
        read(body)
    }

    fn judge(&self, call: &Call<'_>) -> (MockVerdict, MockResponse) {
        let judged = judge(call).and_then(|()| match (call.admit)(BLOCKED) {
            true => Ok(()),
            // One message too many within a minute, or any while the robot is blocked.
            false => Err(MockRefusal::new(410100, "send too fast, exceed 20 times per minute")),
        });
        errcode::answered(judged)
    }
}

/// Reads a body without judging it.
fn read(body: &[u8]) -> Content {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return Content::default() };
    let string = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Content {
        title: string("/markdown/title"),
        text: string("/markdown/text").or_else(|| string("/text/content")),
        key: string("/msgUuid"),
    }
}

/// Judges everything but the allowance.
///
/// # Errors
/// The [`MockRefusal`] that the robot would answer.
fn judge(call: &Call<'_>) -> Result<(), MockRefusal> {
    if call.parts.method != http::Method::POST {
        return Err(MockRefusal::new(43002, "require POST method"));
    }
    let content_type = call.header(header::CONTENT_TYPE.as_str());
    if !content_type.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("application/json")) {
        return Err(MockRefusal::new(43004, "invalid Content-Type: application/json is needed"));
    }
    let demands = call.demands.ok_or_else(|| MockRefusal::new(300005, "token is not exist"))?;
    if call.body.len() > MAX_BODY_BYTES {
        return Err(MockRefusal::new(460101, format!("message body is too long, exceed {MAX_BODY_BYTES} bytes")));
    }
    let body: Value = serde_json::from_slice(call.body)
        .map_err(|_| MockRefusal::new(40035, "missing parameter: the body is not JSON"))?;
    let content = read(call.body);
    check_security(call.query(), demands, content.text.as_deref().unwrap_or_default(), call.now)?;
    check_content(&body)
}

fn check_security(query: &str, demands: &Demands, text: &str, now: Timestamp) -> Result<(), MockRefusal> {
    const MORE: &str = "more: [https://open.dingtalk.com/document/robots/customize-robot-security-settings]";
    if let Some(secret) = demands.get("secret") {
        let not_matching = || MockRefusal::new(310000, format!("sign not match, {MORE}"));
        let timestamp_ms: i64 =
            parameter(query, "timestamp").and_then(|text| text.parse().ok()).ok_or_else(not_matching)?;
        let signed_at = Timestamp::from_millisecond(timestamp_ms).map_err(|_| not_matching())?;
        if now.duration_since(signed_at).abs() > MAX_AGE {
            return Err(MockRefusal::new(310000, format!("timestamp is invalid, {MORE}")));
        }
        let given = parameter(query, "sign").unwrap_or_default();
        if !sign::same(given.as_bytes(), sign::dingtalk(secret, timestamp_ms).as_bytes()) {
            return Err(not_matching());
        }
    }
    match demands.get("keyword") {
        Some(keyword) if !text.contains(keyword) => {
            Err(MockRefusal::new(310000, format!("keywords not in content, {MORE}")))
        }
        _ => Ok(()),
    }
}

fn check_content(body: &Value) -> Result<(), MockRefusal> {
    let is_empty =
        |pointer: &str| body.pointer(pointer).and_then(Value::as_str).is_none_or(|text| text.trim().is_empty());
    match body.get("msgtype").and_then(Value::as_str) {
        None => Err(MockRefusal::new(40035, "missing parameter msgtype")),
        Some("markdown") if is_empty("/markdown/title") => Err(MockRefusal::new(400402, "markdown title is empty")),
        Some("markdown") if is_empty("/markdown/text") => Err(MockRefusal::new(400403, "markdown text is empty")),
        Some("text") if is_empty("/text/content") => Err(MockRefusal::new(40035, "missing parameter text.content")),
        Some("markdown" | "text") => Ok(()),
        Some(other) => Err(MockRefusal::new(400105, format!("unsupported msgtype {other}"))),
    }
}

fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
