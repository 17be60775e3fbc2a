//! A stored mail as its reader gets to see it: its text, and its page with the pictures in it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::domain::mail;
use crate::domain::mail::ParsedMail;
use crate::domain::message::Part;

/// Subject and text, and a line for whatever is enclosed.
pub fn shown(part: &Part) -> String {
    let mail = opened(part);
    let subject = mail.header("subject").unwrap_or_default();
    format!("Subject: {subject}\n\n{}", mail.shown().unwrap_or_default().trim_end())
}

/// The page, as a browser can show it.
pub fn page(part: &Part) -> Option<String> {
    let mail = opened(part);
    let pictures = mail.enclosed.iter().filter_map(|one| Some((one.id.as_ref()?, one)));
    let html = mail.html.clone()?;
    Some(pictures.fold(html, |html, (id, picture)| {
        let held = format!("src=\"data:{};base64,{}\"", picture.kind, BASE64_STANDARD.encode(&picture.bytes));
        html.replace(&format!("src=\"cid:{id}\""), &held)
    }))
}

/// The envelope stands in the first line.
fn opened(part: &Part) -> ParsedMail {
    mail::open(part.body.split_once("\r\n").map_or(part.body.as_str(), |(_, mail)| mail))
}
