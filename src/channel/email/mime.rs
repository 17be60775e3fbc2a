//! One mail as it goes over the wire: headers, text and HTML. The same message gives the same bytes, so that what is stored
//! with a delivery is what every attempt sends.

use std::time::{Duration, SystemTime};

use lettre::Message as Mail;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, MultiPart, SinglePart};
use sha2::{Digest, Sha256};

use crate::channel::email::mailbox::Mailbox;
use crate::domain::document::{DARK_PICTURE, PICTURE};
use crate::domain::message::{Attachments, Message, TableFile};

/// Who a mail is from and to.
#[derive(Clone, Copy)]
pub struct MailEnvelope<'a> {
    pub from: &'a Mailbox,
    pub to: &'a [Mailbox],
    pub cc: &'a [Mailbox],
    pub reply_to: Option<&'a Mailbox>,
    /// Where a reader asks for no more of these.
    pub unsubscribe: Option<&'a str>,
}

/// What one mail says.
pub struct MailContent<'a> {
    pub subject: &'a str,
    pub text: String,
    pub html: String,
    /// The idempotency key, which becomes the Message-ID.
    pub key: &'a str,
    pub enclosed: Attachments,
}

/// Writes a mail: lines that end in CR LF, ASCII throughout.
pub fn write(envelope: MailEnvelope<'_>, message: &Message, content: MailContent<'_>) -> String {
    let MailEnvelope { from, to, cc, reply_to, unsubscribe } = envelope;
    let domain = from.domain();
    let mut mail = Mail::builder().from(from.to_lettre());
    mail = to.iter().fold(mail, |mail, mailbox| mail.to(mailbox.to_lettre()));
    mail = cc.iter().fold(mail, |mail, mailbox| mail.cc(mailbox.to_lettre()));
    if let Some(mailbox) = reply_to {
        mail = mail.reply_to(mailbox.to_lettre());
    }
    mail = mail.subject(content.subject).message_id(Some(format!("<{}@{domain}>", content.key)));
    // All mails of an order answer one that never was, so that clients show them as one conversation whichever came first.
    if let Some(root) = root(&envelope, message) {
        let root = format!("<{root}@{domain}>");
        mail = mail.in_reply_to(root.clone()).references(root);
    }
    let seconds = u64::try_from(message.event.received_at.as_second()).unwrap_or_default();
    if let Some(address) = unsubscribe {
        mail = mail.raw_header(header("List-Unsubscribe", &format!("<{address}>")));
        if address.starts_with("https://") {
            mail = mail.raw_header(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"));
        }
    }
    let mail = mail
        .date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Auto-Response-Suppress", "All"));
    let mail = mail.multipart(body(content));
    let mail = mail.expect("there is a sender, and a recipient");
    String::from_utf8(mail.formatted()).expect("headers and bodies are encoded as ASCII")
}

/// Text and HTML as one; with the HTML its picture; and beside both the table.
fn body(content: MailContent<'_>) -> MultiPart {
    let MailContent { text, html, key, enclosed, .. } = content;
    // Boundaries are not drawn by lot, so that the bytes stay the same.
    let boundary = |level: &str| hex::encode(&Sha256::digest(format!("{key}{level}"))[..15]);
    let alternative = MultiPart::alternative().boundary(boundary("")).singlepart(SinglePart::plain(text));
    let alternative = match enclosed.picture {
        Some(png) => {
            let related = MultiPart::related().boundary(boundary("related")).singlepart(SinglePart::html(html));
            let related = related.singlepart(picture(PICTURE, &png));
            alternative.multipart(match enclosed.dark_picture {
                Some(png) => related.singlepart(picture(DARK_PICTURE, &png)),
                None => related,
            })
        }
        None => alternative.singlepart(SinglePart::html(html)),
    };
    match enclosed.table {
        Some(TableFile { file, content }) => {
            let table = Attachment::new(file).body(content, content_type("text/csv; charset=utf-8"));
            MultiPart::mixed().boundary(boundary("mixed")).multipart(alternative).singlepart(table)
        }
        None => alternative,
    }
}

/// A picture that the page shows by this address.
fn picture(address: &str, png: &[u8]) -> SinglePart {
    let cid = address.trim_start_matches("cid:");
    let inline = Attachment::new_inline_with_name(cid.to_owned(), format!("{cid}.png"));
    inline.body(png.to_vec(), content_type("image/png"))
}

fn content_type(text: &str) -> ContentType {
    ContentType::parse(text).expect("the few that we write are right")
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// What stands for the conversation about an order in this mailbox: made of sender, recipients, source and order.
fn root(envelope: &MailEnvelope<'_>, message: &Message) -> Option<String> {
    let order = message.order.as_ref()?;
    let mut hash = Sha256::new();
    let people = std::iter::once(envelope.from).chain(envelope.to).chain(envelope.cc);
    for piece in people.map(Mailbox::address).chain([message.event.source.as_str(), order.number.as_str()]) {
        hash.update(piece);
        hash.update([0]);
    }
    Some(format!("order-{}", hex::encode(&hash.finalize()[..16])))
}
