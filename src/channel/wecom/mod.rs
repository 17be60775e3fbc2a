//! WeCom: the group robot.
//!
//! - Source: developer.work.weixin.qq.com, "Group robot" (path 91770), read through mirrors in November 2026; error codes
//!   from path 90313 (see [`answers`]).
//! - Proof: the key in the address, and nothing else.
//! - Limits: 4096 bytes of markdown, 2048 of text, in UTF-8; 20 messages a minute.
//! - Mentions: in markdown `<@user id>`; mobile numbers and everyone only in a text message, which goes out as a further
//!   part and counts like any other.
//! - Pictures: PNG or JPG up to 2 MB as base64, in a message of its own with their MD5.
//! - Repeats: the receiver knows no key, so a repeat is marked as a possible one.
//! - Answers: HTTP 200 with `errcode`; 0 is acceptance.

pub mod answers;
pub mod markdown;
mod preview;
mod settings;
pub mod text;

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest, Md5};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::channel::http::Http;
use crate::channel::robot::{ALLOWANCE, LEAST_ROOM, Mention, TITLE_GRAPHEMES, WIDEST_MARKER};
use crate::channel::wecom::markdown::{BLOCK_BREAK, LINE_BREAK};
use crate::channel::{Attempt, Channel, Pictures, SendFuture, robot};
use crate::domain::bidi::directed;
use crate::domain::document;
use crate::domain::document::split::split;
use crate::domain::document::{Block, Inline, Tone};
use crate::domain::mask::known::{Mask, Masking};
use crate::domain::message::{Message, Part, PartForm};
use crate::domain::rate_limit::RateLimit;
use crate::domain::secret::Secret;
use crate::domain::simulated::{Addressee, Demands, Simulated};
use crate::domain::text::{cap, cap_bytes, composed_line};

/// The parameter of the robot's address that is its key.
const KEY: &str = "key";
/// Bytes of `markdown.content` (reported with error 40058).
const MARKDOWN_BYTES: usize = 4096;
/// Bytes of `text.content`. A server was once seen to take 5120; the documented number is the safe one.
const TEXT_BYTES: usize = 2048;
/// Of that, what the mark of a repeat may take, so that a marked part is within the limit as well.
const MARK_BYTES: usize = 64;

/// One robot of a WeCom group.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeCom {
    /// The robot's address, which holds its key.
    #[schemars(extend("format" = "uri"))]
    pub webhook: Secret,
    /// How messages are marked up.
    #[serde(default)]
    #[schemars(extend("default" = "markdown"))]
    pub format: Format,
    /// Who is called by name in each message.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "mobiles": ["+852-51234567"], "user_ids": [], "all": false }))]
    pub mention: Mention,
    #[serde(skip)]
    pub masking: Masking,
}

/// What a message is written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Titles, bold, links, quotes and grey; WeChat does not show it.
    #[default]
    Markdown,
    /// Plain lines, which WeChat shows too.
    Text,
}

/// The body of a request, in the vendor's spelling.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "msgtype", rename_all = "lowercase")]
enum Body {
    Markdown { markdown: Content },
    Text { text: Content },
    Image { image: Image },
}

/// A PNG or JPG of at most 2 MB.
#[derive(Debug, Serialize, Deserialize)]
struct Image {
    base64: String,
    /// Of the bytes before they became base64, in hexadecimal digits.
    md5: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    content: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    mentioned_list: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    mentioned_mobile_list: Vec<String>,
}

impl Channel for WeCom {
    fn kind(&self) -> &'static str {
        "wecom"
    }

    fn allowance(&self) -> Option<RateLimit> {
        Some(ALLOWANCE)
    }

    fn credential(&self) -> String {
        robot::credential(&self.webhook, KEY)
    }

    fn address(&self) -> Option<&Secret> {
        Some(&self.webhook)
    }

    fn simulated(&self) -> Option<Simulated> {
        let addressee = Addressee::Token(robot::token(self.webhook.expose(), KEY)?);
        Some(Simulated { addressee, demands: Demands::default() })
    }

    fn replace_server(&mut self, base_url: &Secret) {
        robot::replace_server(&mut self.webhook, base_url);
    }

    fn masking(&mut self) -> Option<&mut Masking> {
        Some(&mut self.masking)
    }

    fn pictures(&self) -> Pictures {
        Pictures::Behind
    }

    fn parts_of_one(&self) -> usize {
        1 + usize::from(self.format == Format::Markdown && self.callings(MARKDOWN_BYTES / 4).need_a_text())
    }

    fn write(&self, message: &Message, form: PartForm) -> Vec<Part> {
        self.write_within(message, form, None)
    }

    fn write_within(&self, message: &Message, form: PartForm, most: Option<usize>) -> Vec<Part> {
        let document = match form {
            PartForm::Reduced => Cow::Owned(message.document.reduced()),
            _ => Cow::Borrowed(&*message.document),
        };
        let whole = match self.format {
            Format::Markdown => MARKDOWN_BYTES,
            Format::Text => TEXT_BYTES,
        };
        let limit = match (most, form) {
            (Some(most), _) => most.min(whole),
            (None, PartForm::Halved(times)) => whole >> times.min(3),
            (None, _) => whole,
        };
        let limit = limit.saturating_sub(MARK_BYTES);
        let title = title(&message.title, limit / 4);
        let callings = self.callings(limit / 4);
        // Where there is little room, the marker alone heads a part.
        let head = |marker: &str| if most.is_some() { marker.to_owned() } else { format!("{marker} {title}") };
        let widest = head(WIDEST_MARKER.trim());
        let inline = callings.inline.as_str();
        let measure = |blocks: &[Block]| self.content(Some(&widest), blocks, inline).len();
        let limit = limit.max(most.map_or(0, |_| measure(&[]) + LEAST_ROOM));
        let parts = split(&document, limit, measure);
        let count = parts.len();
        let mut bodies: Vec<Body> = Vec::with_capacity(count + 1);
        for (at, part) in parts.iter().enumerate() {
            let head = (count > 1).then(|| head(&format!("({}/{count})", at + 1)));
            // A reduced form may have nothing left, and an empty text is refused.
            let head = head.or_else(|| part.blocks.is_empty().then(|| title.clone()));
            let content = self.content(head.as_deref(), &part.blocks, if at == 0 { inline } else { "" });
            bodies.push(match self.format {
                Format::Markdown => Body::Markdown { markdown: Content::of(content) },
                Format::Text if at == 0 => Body::Text { text: callings.with(content) },
                Format::Text => Body::Text { text: Content::of(content) },
            });
        }
        if self.format == Format::Markdown && callings.need_a_text() {
            bodies.push(Body::Text { text: callings.with(text::write(&[line(&title)])) });
        }
        if let Some(picture) = message.enclosed.picture.as_ref().filter(|_| form != PartForm::Reduced) {
            bodies.push(Body::Image { image: Image::of(picture) });
        }
        let parts = bodies.iter().zip(0..u16::MAX);
        parts.map(|(body, index)| Part { index, form, body: body.json() }).collect()
    }

    /// The robot counts the content alone.
    fn size(&self, part: &Part) -> usize {
        match serde_json::from_str(&part.body) {
            Ok(Body::Markdown { markdown: content } | Body::Text { text: content }) => content.content.len(),
            Ok(Body::Image { .. }) | Err(_) => part.body.len(),
        }
    }

    fn exchange<'a>(&'a self, http: &'a Http, part: &'a Part, _: &'a Attempt) -> SendFuture<'a> {
        Box::pin(async move {
            let headers = [("content-type", "application/json; charset=utf-8")];
            match http.post(self.webhook.expose(), &headers, part.body.clone()).await {
                Ok(response) => answers::judge(&response.without_cut_end(self.mask())).answer,
                Err(failure) => failure.into(),
            }
        })
    }

    fn mask(&self) -> &Mask {
        self.masking.mask(|secrets| secrets.address(self.webhook.expose()).guessing())
    }

    fn shown(&self, part: &Part) -> String {
        match serde_json::from_str(&part.body) {
            Ok(Body::Markdown { markdown }) => markdown.content,
            Ok(Body::Text { text }) => {
                let called = [text.mentioned_list, text.mentioned_mobile_list].concat();
                if called.is_empty() {
                    text.content
                } else {
                    format!("{}\n(calls {})", text.content, called.join(", "))
                }
            }
            Ok(Body::Image { image }) => format!("[a picture, PNG, {} KB]", image.base64.len() * 3 / 4 / 1000),
            Err(_) => part.body.clone(),
        }
    }

    fn marked(&self, part: &Part, mark: &str) -> Option<Part> {
        let mut body: Body = serde_json::from_str(&part.body).ok()?;
        let mark = format!("({})", composed_line(mark));
        let (content, mark) = match &mut body {
            Body::Markdown { markdown } => {
                let mark = markdown::write(&[line(&mark)]);
                (&mut markdown.content, markdown::toned(Tone::Comment, &mark))
            }
            Body::Text { text } => (&mut text.content, text::write(&[line(&mark)])),
            // A picture has no place for it.
            Body::Image { .. } => return None,
        };
        let mark = format!("{mark}{LINE_BREAK}");
        // A language whose words for it are too long goes without them rather than over the limit.
        if mark.len() > MARK_BYTES || content.starts_with(&mark) {
            return None;
        }
        content.insert_str(0, &mark);
        Some(Part { body: body.json(), ..part.clone() })
    }
}

impl WeCom {
    /// The content of one part: its marker where there are several, its blocks, those who are called.
    fn content(&self, head: Option<&str>, blocks: &[Block], called: &str) -> String {
        let write = match self.format {
            Format::Markdown => markdown::write,
            Format::Text => text::write,
        };
        let head = head.map(line);
        let direction = document::direction(head.iter().chain(blocks));
        let write = |blocks: &[Block]| directed(write(blocks), direction);
        let pieces = [write(head.as_slice()), write(blocks), called.to_owned()];
        pieces.into_iter().filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join(BLOCK_BREAK)
    }

    /// How those who are to be called are called; `room` is what may stand in the markdown itself.
    fn callings(&self, room: usize) -> Callings {
        let Mention { mobiles, user_ids, all } = &self.mention;
        let everyone = all.then(|| "@all".to_owned());
        let inline = user_ids.iter().map(|id| format!("<@{id}>")).collect::<Vec<_>>().join(" ");
        if self.format == Format::Markdown && inline.len() <= room {
            return Callings { inline, listed: Vec::from_iter(everyone), mobiles: mobiles.clone() };
        }
        let listed = user_ids.iter().cloned().chain(everyone).collect();
        Callings { inline: String::new(), listed, mobiles: mobiles.clone() }
    }
}

/// Who is called, and by which way.
struct Callings {
    /// Within the markdown.
    inline: String,
    /// In the lists of a text message: user ids and `@all`, and mobile numbers.
    listed: Vec<String>,
    mobiles: Vec<String>,
}

impl Callings {
    fn need_a_text(&self) -> bool {
        !self.listed.is_empty() || !self.mobiles.is_empty()
    }

    fn with(&self, content: String) -> Content {
        Content { content, mentioned_list: self.listed.clone(), mentioned_mobile_list: self.mobiles.clone() }
    }
}

impl Content {
    fn of(content: String) -> Self {
        Self { content, mentioned_list: Vec::new(), mentioned_mobile_list: Vec::new() }
    }
}

impl Image {
    fn of(picture: &[u8]) -> Self {
        Self { base64: BASE64_STANDARD.encode(picture), md5: hex::encode(Md5::digest(picture)) }
    }
}

impl Body {
    fn json(&self) -> String {
        serde_json::to_string(self).expect("texts and lists of texts always serialise")
    }
}

fn line(text: &str) -> Block {
    Block::Paragraph(vec![Inline::Text(text.to_owned())])
}

/// The title as one short line; never empty, which the robot would refuse.
fn title(title: &str, bytes: usize) -> String {
    let title = composed_line(title);
    let title = if title.is_empty() { "Orderbell" } else { &title };
    cap_bytes(&cap(title, TITLE_GRAPHEMES), bytes).into_owned()
}
