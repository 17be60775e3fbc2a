//! A part as whoever looks into what a receiver gets would read it.

use serde_json::{Map, Value};

use crate::domain::preview::{Preview, PreviewContent};

/// The object of an event, indented; `None` where a body is none.
pub fn preview(body: &str) -> Option<Preview> {
    let event: Map<String, Value> = serde_json::from_str(body).ok()?;
    let title = event.get("title").and_then(Value::as_str).map(str::to_owned);
    let indented = serde_json::to_string_pretty(&event).ok()?;
    Some(Preview { title, ..Preview::of(PreviewContent::Json(indented)) })
}
