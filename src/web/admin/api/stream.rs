//! What happens, as server-sent events.

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use poem::Request;
use poem_openapi::OpenApi;
use poem_openapi::param::Header;
use poem_openapi::payload::EventStream;

use crate::flow::resources::Resources;
use crate::flow::resources::stream::Happening;
use crate::web::admin::access::AccessEnd;
use crate::web::admin::api::part::ApiSection;
use crate::web::admin::happening::{KEEP_ALIVE, server_sent};
use crate::web::admin::problem::Problem;

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
        Ok(EventStream::new(stream).keep_alive(KEEP_ALIVE).to_event(server_sent))
    }
}
