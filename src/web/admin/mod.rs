//! The admin listener: what other programs and people see of the daemon. A listener of its own, so that the internet sees
//! `/hooks` only.

pub mod access;
pub mod api;
pub mod cookie;
pub mod first_start;
mod happening;
pub mod local_path;
pub mod logged_in;
mod method;
mod metrics;
pub mod page;
pub mod problem;
mod readyz;
mod same_site;

use std::sync::Arc;

use http::header;
use poem::middleware::SetHeader;
use poem::{Endpoint, EndpointExt, IntoResponse, Response, Route};

use crate::flow::Current;
use crate::flow::metrics::Metrics;
use crate::flow::readiness::Readiness;
use crate::flow::resources::Resources;
use crate::flow::routing::RoutingSnapshot;
use crate::web::admin::access::{Authenticator, Protected};
use crate::web::admin::method::reading;
use crate::web::admin::problem::{Problem, refusal};
use crate::web::server::ListenerNotes;

/// What the listener answers from.
pub struct AdminState {
    pub authenticator: Authenticator,
    pub readiness: Arc<Readiness>,
    pub metrics: Metrics,
    pub routing: Current<RoutingSnapshot>,
    pub resources: Resources,
}

/// Everything that the listener answers. What is not answered is a problem document, or a page for whoever reads pages.
pub fn routes(state: AdminState) -> impl Endpoint<Output = Response> + 'static {
    let AdminState { authenticator, readiness, metrics, routing, resources } = state;
    let answered = Route::new()
        .at("/readyz", reading(readyz::readyz))
        .at("/metrics", Protected { authenticator: authenticator.clone(), endpoint: reading(metrics::metrics) })
        .nest(api::ADDRESS, Protected { authenticator: authenticator.clone(), endpoint: api::routes(&resources) })
        .nest("/", page::routes(&resources, &authenticator));
    let headers = SetHeader::new()
        .overriding(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        // With none at all, browsers say `Origin: null` of what a page of ours posts.
        .overriding(header::REFERRER_POLICY, "same-origin")
        .appending(header::CACHE_CONTROL, "no-store");
    let answered = answered
        .data(authenticator)
        .data(readiness)
        .data(metrics)
        .data(routing)
        .catch_all_error(|error| async move { Problem::of(&error).into_response() })
        .with(headers);
    Route::new().nest("/assets", page::assets()).nest("/", answered).map_to_response()
}

/// Refuses as the routes do.
pub fn notes() -> ListenerNotes {
    ListenerNotes { refusal, ..ListenerNotes::default() }
}
