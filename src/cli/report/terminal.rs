//! A report as a terminal shows it.

use jiff::tz::TimeZone;
use uuid::Uuid;

use crate::cli::output;
use crate::domain::compose;
use crate::domain::document::{Block, Document};
use crate::domain::event::{Event, EventId, Kind, OWN_SOURCE, SignatureCheck};
use crate::domain::message_context::MessageContext;
use crate::domain::payload::Payload;
use crate::domain::report::Report;
use crate::domain::template::Templates;

/// By the same template as the messages.
pub fn text(report: &Report, templates: &Templates, language: &str, zone: &TimeZone) -> String {
    let event = Event {
        id: EventId(Uuid::nil()),
        kind: Kind::Report(report.name.clone()),
        source: OWN_SOURCE.to_owned(),
        occurred_at: Some(report.as_of),
        received_at: report.as_of,
        shop: None,
        order: None,
        data: Payload::Report(Box::new(report.clone())).into(),
        proof: SignatureCheck::Own,
    };
    let view =
        MessageContext { event: &event, order: None, language, timezone: zone, channel: "", channel_kind: "terminal" };
    let composed = templates.compose(&view).unwrap_or_else(|error| {
        output::complain(format_args!("warning: {error}; the plain form is shown instead\n"));
        compose::plain(&view)
    });
    lines(&composed.document)
}

/// Headings and lists stand apart from each other by an empty line.
fn lines(document: &Document) -> String {
    let mut text = String::new();
    for block in &document.blocks {
        let one = Document { blocks: vec![block.clone()] }.plain_text();
        match block {
            Block::Heading { .. } if text.is_empty() => text.push_str(&format!("{one}\n")),
            Block::Heading { .. } => text.push_str(&format!("\n{one}\n")),
            _ => text.push_str(&format!("{one}\n")),
        }
    }
    text
}
