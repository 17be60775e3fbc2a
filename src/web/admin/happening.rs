//! What happens, as a server-sent event.

use std::time::Duration;

use poem::web::sse::Event;
use poem_openapi::types::ToJSON;

use crate::flow::resources::stream::{Happening, HappeningKind};

/// By a line without meaning it is found out whether a reader is still there.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub fn server_sent(happening: Happening) -> Event {
    let kind = match happening.kind {
        HappeningKind::Event => "event",
        HappeningKind::Changed => "changed",
    };
    let event = Event::message(happening.to_json_string()).event_type(kind);
    match &happening.id {
        Some(id) => event.id(id),
        None => event,
    }
}
