//! The simulated WeCom robot: what its `cgi-bin/webhook/send` checks, in the order in which it checks it.
//!
//! Source: developer.work.weixin.qq.com, "Group robot" (path 91770) and the list of codes (path 90313), read through mirrors;
//! words as real robots were seen to answer them. Everything is answered with HTTP 200; `errcode` says what it means.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::request::Parts;
use md5::{Digest, Md5};
use serde_json::Value;
use url::form_urlencoded;

use crate::domain::simulated::Addressee;
use crate::sandbox::errcode;
use crate::sandbox::errcode::MockRefusal;
use crate::sandbox::inbox::MockVerdict;
use crate::sandbox::mock::{Call, Content, HttpMock, Mock};
use crate::sandbox::reply::MockResponse;

/// How long a robot is blocked after one message too many: about as long as the window that was exceeded.
const BLOCKED: Duration = Duration::from_secs(60);

/// Bytes of UTF-8 that each type of message may hold. A text of 5120 bytes was once seen to pass; the documented limit is
/// simulated here.
const LIMITS: [(&str, usize); 3] = [("text", 2048), ("markdown", 4096), ("markdown_v2", 4096)];
/// A picture as it is, before it becomes base64.
const PICTURE_BYTES: usize = 2 * 1024 * 1024;
/// Types that a robot knows and that are taken here without a look inside.
const OTHERS: [&str; 4] = ["news", "file", "voice", "template_card"];

/// The kind of robot.
pub struct MockWeCom;

impl Mock for MockWeCom {
    fn kind(&self) -> &'static str {
        "wecom"
    }

    fn label(&self) -> &'static str {
        "WeCom robot"
    }

    fn http(&self) -> Option<&dyn HttpMock> {
        Some(self)
    }
}

impl HttpMock for MockWeCom {
    fn help(&self) -> &'static str {
        "POST   /cgi-bin/webhook/send?key=KEY    a WeCom robot"
    }

    fn addressee(&self, path: &str, query: &str) -> Option<Addressee> {
        let key = || form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "key");
        (path == "/cgi-bin/webhook/send")
            .then(|| Addressee::Token(key().map(|(_, key)| key.into_owned()).unwrap_or_default()))
    }

    fn read(&self, _: &Parts, body: &[u8]) -> Content {
        read(body)
    }

    fn judge(&self, call: &Call<'_>) -> (MockVerdict, MockResponse) {
        let judged = judge(call).and_then(|()| match (call.admit)(BLOCKED) {
            true => Ok(()),
            // One message too many within a minute, or any while the robot is blocked.
            false => Err(refusal(45009, "api freq out of limit")),
        });
        errcode::answered(judged)
    }
}

/// Reads a body without judging it. A robot's messages have no title.
fn read(body: &[u8]) -> Content {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return Content::default() };
    let content = |kind: &str| body.get(kind)?.get("content")?.as_str().map(str::to_owned);
    let text = LIMITS.iter().find_map(|(kind, _)| content(kind)).or_else(|| shown(&body));
    Content { text, ..Content::default() }
}

/// What stands for a picture where there is nothing but text.
fn shown(body: &Value) -> Option<String> {
    let picture = BASE64_STANDARD.decode(body.pointer("/image/base64")?.as_str()?).ok()?;
    Some(format!("[a picture, {} KB]", picture.len().div_ceil(1000)))
}

/// Judges everything but the allowance.
///
/// # Errors
/// The [`MockRefusal`] that the robot would answer.
fn judge(call: &Call<'_>) -> Result<(), MockRefusal> {
    if call.parts.method != http::Method::POST {
        return Err(refusal(43002, "require POST method"));
    }
    // It is in no group.
    if call.demands.is_none() {
        return Err(refusal(93000, "invalid webhook url"));
    }
    let body: Value = serde_json::from_slice(call.body).map_err(|_| refusal(40058, "invalid Request Parameter"))?;
    let kind = body.get("msgtype").and_then(Value::as_str).unwrap_or_default();
    if kind == "image" {
        return picture(&body);
    }
    let Some((_, limit_bytes)) = LIMITS.iter().find(|(known, _)| *known == kind) else {
        return match OTHERS.contains(&kind) && body.get(kind).is_some_and(Value::is_object) {
            true => Ok(()),
            false => Err(refusal(40008, "invalid message type")),
        };
    };
    let content = body.pointer(&format!("/{kind}/content")).and_then(Value::as_str).unwrap_or_default();
    if content.trim().is_empty() {
        return Err(refusal(44004, "empty content"));
    }
    if content.len() > *limit_bytes {
        let words = format!("{kind}.content exceed max length {limit_bytes}. invalid Request Parameter");
        return Err(refusal(40058, &words));
    }
    for list in ["mentioned_list", "mentioned_mobile_list"] {
        let list = body.pointer(&format!("/{kind}/{list}"));
        let right = list.is_none_or(|list| list.as_array().is_some_and(|ids| ids.iter().all(Value::is_string)));
        if !right {
            return Err(refusal(40058, "invalid Request Parameter"));
        }
    }
    Ok(())
}

/// A PNG or JPG, with the MD5 of its bytes.
fn picture(body: &Value) -> Result<(), MockRefusal> {
    let text = |name: &str| body.pointer(&format!("/image/{name}")).and_then(Value::as_str).unwrap_or_default();
    let malformed = |_| refusal(40058, "invalid Request Parameter");
    let picture = BASE64_STANDARD.decode(text("base64")).map_err(malformed)?;
    let is_picture = picture.starts_with(b"\x89PNG\r\n\x1a\n") || picture.starts_with(b"\xff\xd8\xff");
    match picture.len() {
        0 => Err(refusal(44001, "empty media data")),
        PICTURE_BYTES.. => Err(refusal(45001, "media file size out of limit")),
        _ if !is_picture => Err(refusal(40009, "invalid image size")),
        _ if hex::encode(Md5::digest(&picture)) != text("md5") => Err(refusal(40058, "invalid Request Parameter")),
        _ => Ok(()),
    }
}

/// In the form in which WeCom words its refusals.
fn refusal(errcode: i64, words: &str) -> MockRefusal {
    let more = format!("more info at https://open.work.weixin.qq.com/devtool/query?e={errcode}");
    MockRefusal::new(errcode, format!("{words}, hint: [1700000000_sandbox], {more}"))
}
