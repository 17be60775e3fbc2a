//! Which methods an address takes, and what it says of the others.

use poem::error::MethodNotAllowedError;
use poem::{Endpoint, EndpointExt, IntoEndpoint, Response, RouteMethod, get};

use crate::web::admin::problem::Problem;

/// An endpoint that only shows something.
pub fn reading<E: IntoEndpoint>(endpoint: E) -> impl Endpoint<Output = Response>
where
    E::Endpoint: 'static,
{
    alone(get(endpoint), "GET, HEAD")
}

/// An endpoint that takes these methods, and says so where it is asked by another one.
pub fn alone(endpoint: RouteMethod, methods: &'static str) -> impl Endpoint<Output = Response> {
    endpoint.map_to_response().around(move |endpoint, request| async move {
        endpoint.call(request).await.map_err(|error| match error.is::<MethodNotAllowedError>() {
            true => Problem::method(methods).into(),
            false => error,
        })
    })
}
