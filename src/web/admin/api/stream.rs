//! What happens, as server-sent events.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use poem::Request;
use poem::web::sse::Event;
use poem_openapi::OpenApi;
use poem_openapi::param::Header;
use poem_openapi::payload::EventStream;
use poem_openapi::types::ToJSON;

use crate::flow::resources::Resources;
use crate::flow::resources::stream::{Happening, HappeningKind};
use crate::web::admin::access::AccessEnd;
use crate::web::admin::api::part::ApiSection;
use crate::web::admin::problem::Problem;

/// By a line without meaning it is found out whether a reader is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub struct StreamApi(pub Resources);

#[OpenApi]
impl StreamApi {
    /// What happens, as server-sent events: `event` for each event that is recorded, `changed` when something else has changed
    #[oai(path = "/stream", method = "get", operation_id = "stream", tag = "ApiSection::Status")]
    async fn stream(
        &self,
        /// The id of the last one that was read; from now on where absent.
        #[oai(name = "Last-Event-ID")]
        last: Header<Option<String>>,
        request: &Request,
    ) -> Result<EventStream<BoxStream<'static, Happening>>, Problem> {
        let AccessEnd(end) = request.data::<AccessEnd>().cloned().unwrap_or_default();
        let stream = self.0.stream(last.0.as_deref(), end).await?.boxed();
        Ok(EventStream::new(stream).keep_alive(KEEP_ALIVE).to_event(|happening| {
            let kind = match happening.kind {
                HappeningKind::Event => "event",
                HappeningKind::Changed => "changed",
            };
            let event = Event::message(happening.to_json_string()).event_type(kind);
            match &happening.id {
                Some(id) => event.id(id),
                None => event,
            }
        }))
    }
}
