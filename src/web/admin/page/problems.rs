//! What a browser shows when something is not done: a page that says why, in the words of whoever reads it.

use std::sync::Arc;

use http::header;
use minijinja::context;
use poem::{Endpoint, IntoResponse, Request, Response};

use crate::web::admin::page::reader::{Pages, Reader};
use crate::web::admin::problem::Problem;

/// Answers errors of an endpoint by a page, where who asks reads pages, and else by a problem document.
pub async fn as_page<E: Endpoint>(endpoint: Arc<E>, request: Request) -> poem::Result<Response> {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let is_in_place = request.headers().contains_key("hx-request");
    let reads_pages = is_in_place || accept.is_some_and(|accept| accept.contains("text/html"));
    let pages = request.data::<Arc<Pages>>().cloned().filter(|_| reads_pages);
    let reader = pages.map(|pages| Reader::of(&request, pages));
    match (endpoint.call(request).await, reader) {
        (Ok(answer), _) => Ok(answer.into_response()),
        (Err(error), Some(reader)) => Ok(page(&reader, Problem::of(&error))),
        (Err(error), None) => Err(error),
    }
}

/// A problem as a page.
pub fn page(reader: &Reader, problem: Problem) -> Response {
    let shown = context! { status => problem.status.as_u16(), title => problem.title.to_string(), detail => problem.detail.clone() };
    let mut answer = reader.answer(problem.status, "problem", shown);
    let own = problem.into_response();
    for (name, value) in own.headers().iter().filter(|(name, _)| *name != header::CONTENT_TYPE) {
        answer.headers_mut().insert(name, value.clone());
    }
    answer
}
