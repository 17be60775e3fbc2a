//! Each channel's writer, its limit, and how a reader's client takes a part apart again.

use orderbell::channel::Channel;
use orderbell::channel::email::Email;
use orderbell::domain::document::read::read;
use orderbell::domain::document::{Block, Document, Inline};
use orderbell::domain::mail;
use orderbell::domain::mail::ParsedMail;
use orderbell::domain::message::Part;
use serde_json::Value;

use crate::words::golden::{robot, wecom};

/// The one address that links and pictures of the random documents have.
pub const URL: &str = "https://a.example/";

/// One channel under test.
pub struct Writer {
    pub name: &'static str,
    pub channel: Box<dyn Channel>,
    /// Of one part in its form that was halved so many times, in what `size` counts.
    pub limit: fn(u8) -> usize,
    pub size: fn(&Part) -> usize,
    /// The part as its readers' clients take it apart.
    pub shown: fn(&Part) -> Document,
    /// Sorts of markup that it writes for others: a field as bold, a picture as a link.
    pub own: &'static [(&'static str, &'static str)],
    /// Says what of a part's bytes could call somebody, or be markup that `shown` does not know.
    pub faults: fn(&Part) -> Vec<String>,
}

pub fn writers() -> Vec<Writer> {
    let mention = "mention = { user_ids = [\"user-1\"] }";
    vec![
        Writer {
            name: "dingtalk",
            channel: Box::new(robot("")),
            limit: |times| 20_000 >> times,
            size: |part| part.body.len(),
            shown: |part| read(&field(part, "/markdown/text")),
            own: &[("field", "strong"), ("field", "paragraph"), ("list", "paragraph"), ("list", "field")],
            faults: |part| {
                let text = field(part, "/markdown/text");
                let at = body(part).get("at").map(|at| format!("it calls {at}"));
                at.into_iter().chain(text.contains('<').then(|| format!("HTML in {text}"))).collect()
            },
        },
        Writer {
            name: "wecom markdown",
            channel: Box::new(wecom(mention)),
            limit: |times| 4096 >> times,
            size: |part| field(part, "/markdown/content").len(),
            // The dialect has no escapes: a backslash is shown as it is.
            shown: |part| read(&field(part, "/markdown/content").replace('\\', "\\\\").replace("<@user-1>", "")),
            own: &[
                ("field", "tone"),
                ("field", "strong"),
                ("field", "paragraph"),
                ("list", "paragraph"),
                ("picture", "link"),
            ],
            faults: |part| {
                let known = ["<@user-1>", "<font color=\"comment\">", "<font color=\"warning\">", "</font>"];
                let text = field(part, "/markdown/content");
                let tags = text.match_indices('<').map(|(at, _)| &text[at..]);
                let strange = tags.filter(|tag| !known.iter().any(|known| tag.starts_with(known)));
                let calls = text.matches("<@").count();
                let too_many = (calls > usize::from(part.index == 0)).then(|| format!("{calls} calls in {text}"));
                strange.map(|tag| format!("a tag: {tag}")).chain(too_many).collect()
            },
        },
        Writer {
            name: "wecom text",
            channel: Box::new(wecom("format = \"text\"")),
            limit: |times| 2048 >> times,
            size: |part| field(part, "/text/content").len(),
            shown: |part| Document { blocks: vec![Block::Paragraph(vec![Inline::Text(field(part, "/text/content"))])] },
            own: &[("", "paragraph")],
            faults: |part| {
                let text = field(part, "/text/content");
                text.contains('<').then(|| format!("it could call somebody: {text}")).into_iter().collect()
            },
        },
        Writer {
            name: "email",
            channel: Box::new(mailbox()),
            // A server that finds a mail too long will never take it, so none is halved.
            limit: |_| 100_000,
            size: |part| opened(part).html.unwrap_or_default().len(),
            shown: |part| {
                let text = opened(part).text.unwrap_or_default().replace("\r\n", "\n");
                Document { blocks: vec![Block::Paragraph(vec![Inline::Text(text)])] }
            },
            own: &[("", "paragraph")],
            faults: |part| {
                let html = opened(part).html.unwrap_or_default();
                let tags = ["<@", "<font", "<script", "\" onload"].into_iter().filter(|tag| html.contains(tag));
                let addresses = ["href=\"", "src=\""].into_iter().flat_map(|name| html.split(name).skip(1));
                let elsewhere = addresses.filter(|address| !address.starts_with(URL));
                tags.map(str::to_owned).chain(elsewhere.map(|link| format!("{link:.60}"))).collect()
            },
        },
    ]
}

fn mailbox() -> Email {
    let text = "smtp = \"smtps://smtp.example.com\"\nfrom = \"bell@example.com\"\nto = [\"owner@example.com\"]";
    toml::from_str(text).unwrap()
}

/// A mail without the line of its envelope, taken apart.
fn opened(part: &Part) -> ParsedMail {
    mail::open(part.body.split_once("\r\n").unwrap().1)
}

fn body(part: &Part) -> Value {
    serde_json::from_str(&part.body).unwrap()
}

fn field(part: &Part, pointer: &str) -> String {
    body(part).pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
