//! The admin listener: what other programs and people see of the daemon. A listener of its own, so that the internet sees
//! `/hooks` only.

pub mod access;
pub mod problem;
mod same_site;

use http::header;
use poem::middleware::SetHeader;
use poem::{Endpoint, EndpointExt, IntoResponse, Response, Route};

use crate::web::admin::access::{Authenticator, Protected};
use crate::web::admin::problem::{Problem, refusal};
use crate::web::server::ListenerNotes;

/// Everything that the listener answers. Whatever is not answered is a problem document.
pub fn routes(authenticator: Authenticator) -> impl Endpoint<Output = Response> + 'static {
    let protected = Protected { authenticator, endpoint: Route::new() };
    let headers = SetHeader::new()
        .overriding(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .overriding(header::REFERRER_POLICY, "no-referrer")
        .appending(header::CACHE_CONTROL, "no-store");
    protected
        .map_to_response()
        .catch_all_error(|error| async move { Problem::of(&error).into_response() })
        .with(headers)
}

/// Refuses as the routes do.
pub fn notes() -> ListenerNotes {
    ListenerNotes { refusal, ..ListenerNotes::default() }
}
