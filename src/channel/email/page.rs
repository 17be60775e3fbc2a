//! A stored mail as its reader gets to see it: its text, and its page with the pictures in it.

use crate::domain::mail;
use crate::domain::mail::{MailAttachment, ParsedMail};
use crate::domain::message::Part;
use crate::domain::preview::{Preview, PreviewContent, data_address};

/// How a picture begins in a page of ours that its reader's mail program fetches.
const FETCHED: &str = "<img src=\"http";
/// The same with its address where nothing looks for it, so that its words stand there.
const NOT_FETCHED: &str = "<img data-src=\"http";

/// Subject and text, and a line for whatever is enclosed.
pub fn shown(part: &Part) -> String {
    let mail = opened(&part.body);
    let subject = mail.header("subject").unwrap_or_default();
    format!("Subject: {subject}\n\n{}", mail.shown().unwrap_or_default().trim_end())
}

/// The page, as a browser can show it.
pub fn page(part: &Part) -> Option<String> {
    with_pictures(&opened(&part.body))
}

/// What readers see of a stored mail; `None` where a body is none.
pub fn preview(body: &str) -> Option<Preview> {
    let (_, to) = body.split_once("\r\n")?.0.split_once(' ').filter(|(from, to)| is_address(from) && is_address(to))?;
    let mail = opened(body);
    let text = mail.text.clone().unwrap_or_default();
    // Whoever has the page sees the pictures in it.
    let files = mail.enclosed.iter().filter(|one| one.id.is_none() || mail.html.is_none()).map(MailAttachment::line);
    let content = match with_pictures(&mail) {
        Some(html) => PreviewContent::Page { html: html.replace(FETCHED, NOT_FETCHED), text },
        None => PreviewContent::Text(text),
    };
    Some(Preview {
        title: mail.header("subject").map(str::to_owned),
        from: mail.header("from").map(str::to_owned),
        to: vec![to.to_owned()],
        enclosed: files.collect(),
        ..Preview::of(content)
    })
}

fn is_address(text: &str) -> bool {
    text.contains('@') && !text.contains(char::is_whitespace)
}

fn with_pictures(mail: &ParsedMail) -> Option<String> {
    let pictures = mail.enclosed.iter().filter_map(|one| Some((one.id.as_ref()?, data_address(&one.bytes)?)));
    let html = mail.html.clone()?;
    Some(
        pictures.fold(html, |html, (id, address)| {
            html.replace(&format!("src=\"cid:{id}\""), &format!("src=\"{address}\""))
        }),
    )
}

/// The envelope stands in the first line.
fn opened(body: &str) -> ParsedMail {
    mail::open(body.split_once("\r\n").map_or(body, |(_, mail)| mail))
}
