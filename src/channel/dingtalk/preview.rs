//! A part as a DingTalk group shows it.

use serde::Deserialize;

use crate::domain::preview::{Preview, PreviewContent, markdown};

#[derive(Deserialize)]
struct Sent {
    markdown: SentMarkdown,
    #[serde(default)]
    at: SentAt,
}

#[derive(Deserialize)]
struct SentMarkdown {
    title: String,
    text: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SentAt {
    at_mobiles: Vec<String>,
    at_user_ids: Vec<String>,
    is_at_all: bool,
}

/// What readers see of a body of a request; `None` where it is none to a DingTalk robot. What their clients make of HTML in a
/// message (one interprets it, another shows nothing) is not shown: it stays text.
pub fn preview(body: &str) -> Option<Preview> {
    let Sent { markdown: SentMarkdown { title, text }, at } = serde_json::from_str(body).ok()?;
    let everyone = at.is_at_all.then(|| "@all".to_owned());
    let called = everyone.into_iter().chain(at.at_mobiles).chain(at.at_user_ids).collect();
    let content = PreviewContent::Html(markdown::html(&text));
    Some(Preview { title: Some(title), called, ..Preview::of(content) })
}
