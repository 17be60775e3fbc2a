//! Answers over HTTP: whole, or broken off in their midst.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

/// The first half is on its way when the connection is closed.
const BREAK_AFTER: Duration = Duration::from_millis(20);

/// The connection is to be closed without an answer, or without the rest of it.
#[derive(Debug, thiserror::Error)]
#[error("cut on command")]
pub struct Cut;

impl From<Infallible> for Cut {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// An answer as the receiver gives it.
pub type MockResponse = Response<Bytes>;

/// An answer as it goes over the wire.
pub type Sent = Response<Either<Full<Bytes>, Half>>;

/// A body that says how long it is, and ends before.
pub struct Half {
    first: Option<Bytes>,
    length: u64,
    broken: Pin<Box<Sleep>>,
}

impl Body for Half {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None => self.broken.as_mut().poll(context).map(|()| Some(Err(Cut))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

pub fn whole(answer: MockResponse) -> Sent {
    answer.map(|body| Either::Left(Full::new(body)))
}

/// Half of the body comes.
pub fn halved(answer: MockResponse) -> Sent {
    answer.map(|body| {
        let length = u64::try_from(body.len()).unwrap_or_default().max(1);
        let first = Some(body.slice(..body.len() / 2));
        Either::Right(Half { first, length, broken: Box::pin(tokio::time::sleep(BREAK_AFTER)) })
    })
}

pub fn plain(status: StatusCode, text: &str) -> MockResponse {
    response(status, "text/plain; charset=utf-8", text.to_owned())
}

pub fn json_answer(status: StatusCode, body: String) -> MockResponse {
    response(status, "application/json", body)
}

pub fn response(status: StatusCode, content_type: &'static str, body: String) -> MockResponse {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}
