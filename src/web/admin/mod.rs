//! The admin listener: what other programs and people see of the daemon. A listener of its own, so that the internet sees
//! `/hooks` only.

pub mod access;
pub mod api;
mod metrics;
pub mod problem;
mod readyz;
mod same_site;

use std::sync::Arc;

use http::header;
use poem::error::MethodNotAllowedError;
use poem::middleware::SetHeader;
use poem::{Endpoint, EndpointExt, IntoEndpoint, IntoResponse, Response, Route, get};

use crate::flow::Current;
use crate::flow::metrics::Metrics;
use crate::flow::readiness::Readiness;
use crate::flow::resources::Resources;
use crate::flow::routing::RoutingSnapshot;
use crate::web::admin::access::{Authenticator, Protected};
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

/// Everything that the listener answers. Whatever is not answered is a problem document.
pub fn routes(state: AdminState) -> impl Endpoint<Output = Response> + 'static {
    let AdminState { authenticator, readiness, metrics, routing, resources } = state;
    let behind = Route::new().at("/metrics", reading(metrics::metrics)).nest(api::ADDRESS, api::routes(&resources));
    let protected = Protected { authenticator: authenticator.clone(), endpoint: behind };
    let all = Route::new().at("/readyz", reading(readyz::readyz)).nest("/", protected);
    let headers = SetHeader::new()
        .overriding(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .overriding(header::REFERRER_POLICY, "no-referrer")
        .appending(header::CACHE_CONTROL, "no-store");
    all.data(authenticator)
        .data(readiness)
        .data(metrics)
        .data(routing)
        .catch_all_error(|error| async move { Problem::of(&error).into_response() })
        .with(headers)
}

/// An endpoint that only shows something.
fn reading<E: IntoEndpoint>(endpoint: E) -> impl Endpoint<Output = Response>
where
    E::Endpoint: 'static,
{
    get(endpoint).catch_error(|_: MethodNotAllowedError| async { Problem::method("GET, HEAD") }).map_to_response()
}

/// Refuses as the routes do.
pub fn notes() -> ListenerNotes {
    ListenerNotes { refusal, ..ListenerNotes::default() }
}
