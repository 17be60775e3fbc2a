//! DingTalk: the custom group robot.
//!
//! - Source: help.dingtalk.io, "Custom robot" and "Customize robot security settings", read in November 2026; error codes also
//!   from public code (see [`answers`]).
//! - Proof: the token in the address; in signed mode also `timestamp` and `sign` in the query, in keyword mode a word in
//!   the message.
//! - Limits: the whole body up to 20000 bytes; 20 messages a minute, beyond which the robot is blocked for ten minutes.
//! - Repeats: `msgUuid` in the body, the vendor's field for trying again after a time-out.
//! - Answers: HTTP 200 with `errcode`; 0 is acceptance.

pub mod answers;
pub mod markdown;
mod preview;
mod settings;

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::channel::http::Http;
use crate::channel::robot::{ALLOWANCE, LEAST_ROOM, Mention, TITLE_GRAPHEMES, WIDEST_MARKER};
use crate::channel::{Attempt, Channel, SendFuture, robot};
use crate::domain::bidi::directed;
use crate::domain::document::split::split;
use crate::domain::document::{Block, Inline};
use crate::domain::mask::known::{Mask, Masking, Secrets};
use crate::domain::message::{Message, Part, PartForm, idempotency_key};
use crate::domain::rate_limit::RateLimit;
use crate::domain::retry::Answer;
use crate::domain::secret::Secret;
use crate::domain::simulated::{Addressee, Demands, Simulated};
use crate::domain::text::{cap, cap_bytes, composed_line};
use crate::domain::{document, sign};

/// The parameter of the robot's address that is its token.
const TOKEN: &str = "access_token";
/// The whole body, in bytes (reported with error 460101).
const LIMIT_BYTES: usize = 20_000;

/// One robot of a DingTalk group.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DingTalk {
    /// The robot's address, which holds its token: `https://oapi.dingtalk.com/robot/send?access_token=…`
    #[schemars(extend("format" = "uri"))]
    pub webhook: Secret,
    /// The secret of signed mode; begins with `SEC`.
    pub secret: Option<Secret>,
    /// The word that the robot's keyword mode demands in each message.
    #[schemars(example = &"order")]
    pub keyword: Option<String>,
    /// Who is called by name in each message.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "mobiles": ["+852-51234567"], "user_ids": [], "all": false }))]
    pub mention: Mention,
    #[serde(skip)]
    pub masking: Masking,
}

/// The body of a request, in the vendor's spelling.
#[derive(Serialize)]
struct Body<'a> {
    msgtype: &'static str,
    markdown: Markdown<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<At<'a>>,
    #[serde(rename = "msgUuid")]
    msg_uuid: &'a str,
}

#[derive(Serialize)]
struct Markdown<'a> {
    title: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct At<'a> {
    at_mobiles: &'a [String],
    at_user_ids: &'a [String],
    is_at_all: bool,
}

impl Channel for DingTalk {
    fn kind(&self) -> &'static str {
        "dingtalk"
    }

    fn allowance(&self) -> Option<RateLimit> {
        Some(ALLOWANCE)
    }

    fn credential(&self) -> String {
        robot::credential(&self.webhook, TOKEN)
    }

    fn address(&self) -> Option<&Secret> {
        Some(&self.webhook)
    }

    fn simulated(&self) -> Option<Simulated> {
        let addressee = Addressee::Token(robot::token(self.webhook.expose(), TOKEN)?);
        let keyword = self.keyword.as_deref().map(Secret::new);
        let demands = Demands::default().with("secret", self.secret.clone()).with("keyword", keyword);
        Some(Simulated { addressee, demands })
    }

    fn replace_server(&mut self, base_url: &Secret) {
        robot::replace_server(&mut self.webhook, base_url);
    }

    fn masking(&mut self) -> Option<&mut Masking> {
        Some(&mut self.masking)
    }

    fn write(&self, message: &Message, form: PartForm) -> Vec<Part> {
        self.write_within(message, form, None)
    }

    fn write_within(&self, message: &Message, form: PartForm, most: Option<usize>) -> Vec<Part> {
        let document = match form {
            PartForm::Reduced => Cow::Owned(message.document.reduced()),
            _ => Cow::Borrowed(&*message.document),
        };
        let limit = match (most, form) {
            (Some(most), _) => most.min(LIMIT_BYTES),
            (None, PartForm::Halved(times)) => LIMIT_BYTES >> times.min(6),
            (None, _) => LIMIT_BYTES,
        };
        let title = if most.is_some() { cap_bytes(&message.title, limit / 8) } else { Cow::Borrowed(&*message.title) };
        let longest_key = idempotency_key(message.delivery, message.round, u16::MAX - 1, form);
        // A shorter marker leaves more of a title that is cut, which may take more bytes than the marker saves.
        let longest_title = format!("{WIDEST_MARKER}{}", marked(&title, ""));
        // Where there is little room, the marker alone heads a part.
        let head = |title: &str, marker: &str| if most.is_some() { marker.trim() } else { title }.to_owned();
        let longest_head = head(&longest_title, WIDEST_MARKER);
        let place = message.place();
        let measure = |blocks: &[Block]| {
            let text = self.text(blocks, Some(&longest_head), place, Calls::Mentioned);
            self.body(&longest_title, &text, Calls::Mentioned, &longest_key).len()
        };
        let limit = limit.max(most.map_or(0, |_| measure(&[]) + LEAST_ROOM));
        let parts = split(&document, limit, measure);
        let count = parts.len();
        let parts = parts.iter().zip(0..u16::MAX);
        parts
            .map(|(part, index)| {
                let calls = if index == 0 { Calls::Mentioned } else { Calls::Silent };
                let marker = if count > 1 { format!("({}/{count}) ", index + 1) } else { String::new() };
                let title = marked(&title, &marker);
                let head = (count > 1).then(|| head(&title, &marker));
                let text = match part.blocks.is_empty() {
                    // A reduced form may have nothing left, and an empty text is refused.
                    true => self.text(&[], Some(&title), place, calls),
                    false => self.text(&part.blocks, head.as_deref(), place, calls),
                };
                let key = idempotency_key(message.delivery, message.round, index, form);
                Part { index, form, body: self.body(&title, &text, calls, &key) }
            })
            .collect()
    }

    fn exchange<'a>(&'a self, http: &'a Http, part: &'a Part, attempt: &'a Attempt) -> SendFuture<'a> {
        Box::pin(async move {
            let headers = [("content-type", "application/json; charset=utf-8")];
            let answer = match http.post(&self.signed_address(attempt.now), &headers, part.body.clone()).await {
                Ok(response) => answers::judge(&response.without_cut_end(self.mask())).answer,
                Err(failure) => failure.into(),
            };
            let proof =
                self.secret.as_ref().map(|secret| sign::dingtalk(secret.expose(), attempt.now.as_millisecond()));
            let words = Secrets::default().texts(proof.as_deref()).mask().text(&answer.detail);
            Answer { detail: words, ..answer }
        })
    }

    fn mask(&self) -> &Mask {
        self.masking.mask(|secrets| {
            let secrets = secrets.address(self.webhook.expose()).guessing();
            let signing = self.secret.as_ref().map(Secret::expose);
            secrets.texts(signing).texts(signing.and_then(|secret| secret.strip_prefix("SEC")))
        })
    }

    fn shown(&self, part: &Part) -> String {
        let body: serde_json::Value = serde_json::from_str(&part.body).unwrap_or_default();
        let text = |pointer| body.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default();
        format!("{}\n\n{}", text("/markdown/title"), text("/markdown/text"))
    }
}

/// Whether a part calls people: only the first does, so that nobody is called three times for one message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Calls {
    Mentioned,
    Silent,
}

impl DingTalk {
    /// The robot's address; in signed mode with the time and the signature over it, percent-encoded once.
    fn signed_address(&self, now: Timestamp) -> String {
        let webhook = self.webhook.expose();
        // What is no address is refused by the client, in words that do not hold it.
        let (Some(secret), Ok(mut url)) = (&self.secret, Url::parse(webhook)) else { return webhook.to_owned() };
        let timestamp_ms = now.as_millisecond();
        url.query_pairs_mut()
            .append_pair("timestamp", &timestamp_ms.to_string())
            .append_pair("sign", &sign::dingtalk(secret.expose(), timestamp_ms));
        url.into()
    }

    /// The text of one part: its marker where there are several, its blocks, those who are called, and where none of it has the
    /// keyword, a last line with it behind whom the message is about.
    fn text(&self, blocks: &[Block], head: Option<&str>, place: &str, calls: Calls) -> String {
        let head = head.map(|head| Block::Paragraph(vec![Inline::Text(head.to_owned())]));
        let direction = document::direction(head.iter().chain(blocks));
        let write = |blocks: &[Block]| directed(markdown::write(blocks), direction);
        let mut pieces = vec![write(head.as_slice()), write(blocks)];
        if calls == Calls::Mentioned {
            pieces.push(self.called());
        }
        pieces.retain(|piece| !piece.is_empty());
        let mut text = pieces.join("\n\n");
        if let Some(keyword) = self.keyword.as_deref().map(str::trim)
            && !keyword.is_empty()
            && !text.contains(keyword)
        {
            // As it is: escaped, it would not be found.
            let place = markdown::write(&[Block::Paragraph(vec![Inline::Text(place.to_owned())])]);
            text.push_str(&format!("\n\n{place} · {keyword}"));
        }
        text
    }

    /// Those who are called, as the text must hold them for the `at` list to take effect.
    fn called(&self) -> String {
        let Mention { mobiles, user_ids, all } = &self.mention;
        let everyone = if *all { Some("所有人") } else { None };
        let names = everyone.into_iter().chain(mobiles.iter().chain(user_ids).map(String::as_str));
        names.map(|name| format!("@{name}")).collect::<Vec<_>>().join(" ")
    }

    fn body(&self, title: &str, text: &str, calls: Calls, key: &str) -> String {
        let Mention { mobiles, user_ids, all } = &self.mention;
        let calls_someone = calls == Calls::Mentioned && self.mention != Mention::default();
        let body = Body {
            msgtype: "markdown",
            markdown: Markdown { title, text },
            at: calls_someone.then_some(At { at_mobiles: mobiles, at_user_ids: user_ids, is_at_all: *all }),
            msg_uuid: key,
        };
        serde_json::to_string(&body).expect("texts and lists of texts always serialise")
    }
}

/// The title with its marker, as one short line; never empty, which the robot would refuse.
fn marked(title: &str, marker: &str) -> String {
    let title = composed_line(title);
    let title = if title.is_empty() { "Orderbell" } else { &title };
    cap(&format!("{marker}{title}"), TITLE_GRAPHEMES).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_encoded_once() {
        let robot = DingTalk {
            webhook: Secret::new("https://oapi.dingtalk.com/robot/send?access_token=t%2B1"),
            secret: Some(Secret::new("this is secret")),
            keyword: None,
            mention: Mention::default(),
            masking: Masking::default(),
        };
        let now = Timestamp::from_millisecond(1_700_000_000_000).unwrap();
        // The vendor's rule, computed with openssl.
        let sign = "sSFWELbV2YwjdDQhWZwTcWlX5BWUx5J6TPpsZmuPii0%3D";
        let query = format!("access_token=t%2B1&timestamp=1700000000000&sign={sign}");
        assert_eq!(robot.signed_address(now), format!("https://oapi.dingtalk.com/robot/send?{query}"));
        assert_eq!(
            DingTalk { secret: None, ..robot }.signed_address(now),
            "https://oapi.dingtalk.com/robot/send?access_token=t%2B1"
        );
    }
}
