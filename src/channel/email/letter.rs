//! One mail as it goes over the wire: headers, text and HTML. The same message gives the same bytes, so that what is stored
//! with a delivery is what every attempt sends.

use std::time::Duration;
use std::time::SystemTime;

use lettre::Message as Mail;
use lettre::message::MultiPart;
use lettre::message::SinglePart;
use lettre::message::header::HeaderName;
use lettre::message::header::HeaderValue;
use sha2::Digest;
use sha2::Sha256;

use crate::channel::email::party::Party;
use crate::domain::message::Message;

/// Who a mail is from and to.
#[derive(Clone, Copy)]
pub struct Envelope<'a> {
    pub from: &'a Party,
    pub to: &'a [Party],
    pub cc: &'a [Party],
    pub reply_to: Option<&'a Party>,
}

/// What one mail says.
pub struct Content<'a> {
    pub subject: &'a str,
    pub text: String,
    pub html: String,
    /// The idempotency key, which becomes the Message-ID.
    pub key: &'a str,
}

/// Writes a mail: lines that end in CR LF, ASCII throughout.
pub fn write(envelope: Envelope<'_>, message: &Message, content: Content<'_>) -> String {
    let Envelope { from, to, cc, reply_to } = envelope;
    let domain = from.domain();
    let mut mail = Mail::builder().from(from.mailbox());
    mail = to.iter().fold(mail, |mail, party| mail.to(party.mailbox()));
    mail = cc.iter().fold(mail, |mail, party| mail.cc(party.mailbox()));
    if let Some(party) = reply_to {
        mail = mail.reply_to(party.mailbox());
    }
    mail = mail.subject(content.subject).message_id(Some(format!("<{}@{domain}>", content.key)));
    // All mails of an order answer one that never was, so that clients show them as one conversation whichever came first.
    if let Some(root) = root(&envelope, message) {
        let root = format!("<{root}@{domain}>");
        mail = mail.in_reply_to(root.clone()).references(root);
    }
    let seconds = u64::try_from(message.event.received_at.as_second()).unwrap_or_default();
    let mail = mail
        .date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Auto-Response-Suppress", "All"));
    // The boundary is not drawn by lot, so that the bytes stay the same.
    let boundary = hex::encode(&Sha256::digest(content.key)[..15]);
    let body = MultiPart::alternative()
        .boundary(boundary)
        .singlepart(SinglePart::plain(content.text))
        .singlepart(SinglePart::html(content.html));
    let mail = mail.multipart(body);
    let mail = mail.expect("there is a sender, and a recipient");
    String::from_utf8(mail.formatted()).expect("headers and bodies are encoded as ASCII")
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// What stands for the conversation about an order in this mailbox: made of sender, recipients, source and order.
fn root(envelope: &Envelope<'_>, message: &Message) -> Option<String> {
    let order = message.order.as_ref()?;
    let mut hash = Sha256::new();
    let people = std::iter::once(envelope.from).chain(envelope.to).chain(envelope.cc);
    for piece in people.map(Party::address).chain([message.event.source.as_str(), order.number.as_str()]) {
        hash.update(piece);
        hash.update([0]);
    }
    Some(format!("order-{}", hex::encode(&hash.finalize()[..16])))
}
