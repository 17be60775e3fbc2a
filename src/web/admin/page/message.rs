//! A message as its reader sees it, for the views that show one; a mail stands in a frame that may do and load nothing.

use std::sync::Arc;

use http::{StatusCode, header};
use minijinja::{Value, context};
use poem::web::{Data, Path};
use poem::{Response, handler};
use uuid::Uuid;

use crate::domain::preview::PreviewContent;
use crate::flow::resources::preview::PartPreview;
use crate::web::admin::page::reader::{Pages, Reader};
use crate::web::admin::page::values::plain;
use crate::web::admin::problem::Problem;

/// What the page of a mail may do: show itself, in a frame of ours.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// The parts of a stored delivery, for the macro `message` of `message.html`.
pub fn stored(delivery: Uuid, previews: &[PartPreview]) -> Vec<Value> {
    previews.iter().enumerate().map(|(at, part)| shown(part, || format!("/frames/{delivery}/{at}"))).collect()
}

/// The parts of a message that was composed just now, for the same.
pub fn composed(reader: &Reader, previews: &[PartPreview]) -> Vec<Value> {
    let shown = |part: &PartPreview| {
        shown(part, || match &part.preview.content {
            PreviewContent::Page { html, .. } => reader.pages.frames.keep(html),
            _ => String::new(),
        })
    };
    previews.iter().map(shown).collect()
}

/// Without the page of a mail: that stands at the address of its frame.
fn shown(part: &PartPreview, frame: impl FnOnce() -> String) -> Value {
    let preview = &part.preview;
    let (content, frame) = match &preview.content {
        PreviewContent::Html(html) => (context! { html => Value::from_safe_string(html.clone()) }, None),
        PreviewContent::Page { text, .. } => (plain(PreviewContent::Text(text.clone())), Some(frame())),
        other => (plain(other), None),
    };
    context! {
        parts => &part.parts,
        form => part.form.trim_end_matches(|letter: char| letter.is_ascii_digit()),
        title => &preview.title,
        from => &preview.from,
        to => &preview.to,
        called => &preview.called,
        enclosed => &preview.enclosed,
        content => content,
        frame => frame.map(Value::from_safe_string),
    }
}

/// A mail that was composed to be looked at.
#[handler]
pub async fn composed_frame(Path(name): Path<String>, pages: Data<&Arc<Pages>>) -> Result<Response, Problem> {
    let missing =
        || Problem::of_status(StatusCode::NOT_FOUND).detail("this mail is not shown any more: open its view again");
    Ok(framed(pages.frames.find(&name).ok_or_else(missing)?.to_string()))
}

/// A mail of a stored delivery.
#[handler]
pub async fn stored_frame(Path((id, at)): Path<(Uuid, usize)>, reader: Reader) -> Result<Response, Problem> {
    Ok(framed(reader.resources().mail_page(id, at).await?))
}

fn framed(html: String) -> Response {
    let answer = Response::builder().content_type("text/html; charset=utf-8");
    let answer = answer.header(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    answer.header(header::X_FRAME_OPTIONS, "SAMEORIGIN").body(html)
}
