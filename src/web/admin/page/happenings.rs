//! What happens, for a page that is open: it asks anew for what it shows, and rings for new orders.

use futures_util::StreamExt;
use poem::web::sse::SSE;
use poem::{IntoResponse, Request, Response, handler};

use crate::flow::resources::ResourceError;
use crate::web::admin::access::AccessEnd;
use crate::web::admin::happening::{KEEP_ALIVE, server_sent};
use crate::web::admin::page::reader::Reader;
use crate::web::admin::problem::Problem;

#[handler]
pub async fn happenings(reader: Reader, request: &Request) -> Result<Response, Problem> {
    let AccessEnd(end) = request.data::<AccessEnd>().cloned().unwrap_or_default();
    let last = request.headers().get("last-event-id").and_then(|last| last.to_str().ok());
    let stream = match reader.resources().stream(last, end.clone()).await {
        // Of a store that is another one by now: from here on.
        Err(ResourceError::Senseless(_)) => reader.resources().stream(None, end).await?,
        stream => stream?,
    };
    let happenings = stream.map(server_sent);
    // It ends with the session.
    Ok(match &reader.session {
        Some(current) => {
            let ended = Box::pin(reader.resources().sessions.clone().until_ended(current.key.clone()));
            SSE::new(happenings.take_until(ended)).keep_alive(KEEP_ALIVE).into_response()
        }
        None => SSE::new(happenings).keep_alive(KEEP_ALIVE).into_response(),
    })
}
