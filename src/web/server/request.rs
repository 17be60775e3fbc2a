//! One request of a connection: its body is read whole within bounds, the endpoint is asked, and a panic becomes a 500.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use bytes::BytesMut;
use futures_util::FutureExt;
use http::StatusCode;
use http::header;
use http::uri::Scheme;
use http_body_util::BodyExt;
use http_body_util::LengthLimitError;
use http_body_util::Limited;
use hyper::body::Body;
use hyper::body::Frame;
use hyper::body::Incoming;
use hyper::body::SizeHint;
use poem::Endpoint;
use poem::web::LocalAddr;
use poem::web::RemoteAddr;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::web::server::Limits;
use crate::web::server::STOP_PATIENCE;
use crate::web::server::refused::Refused;

/// What all connections share.
pub struct Shared<E> {
    pub endpoint: E,
    pub limits: Limits,
    pub shutdown: CancellationToken,
    /// A permit for each byte of a body that may still be held.
    held: Arc<Semaphore>,
    refused: Refused,
    note: Note,
}

impl<E> Shared<E> {
    pub fn new(endpoint: E, limits: Limits, note: Note, shutdown: CancellationToken) -> Self {
        let held = limits.max_held_bytes.clamp(limits.max_body_bytes, Semaphore::MAX_PERMITS);
        Self { endpoint, limits, shutdown, held: Arc::new(Semaphore::new(held)), refused: Refused::default(), note }
    }
}

/// Where a connection stands.
#[derive(Default)]
pub struct Standing {
    /// From the end of a request's header to the last byte of its answer.
    in_flight: AtomicBool,
    /// An answer went out although the request was not read to its end: what the peer still sends must be read and
    /// dropped, or the answer is lost to a reset.
    unread: AtomicBool,
}

impl Standing {
    pub fn is_in_flight(&self) -> bool {
        self.in_flight.load(Ordering::Acquire)
    }

    pub fn has_unread(&self) -> bool {
        self.unread.load(Ordering::Acquire)
    }
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Larger than this many bytes.
    TooLarge(usize),
    /// Not whole after this time.
    Late(Duration),
    Broken,
    Crowded,
    Stopping,
}

/// Hears of each request whose body was not read to its end: its path, why, and how many bytes had come or were announced.
pub type Note = Arc<dyn Fn(&str, Unread, u64) + Send + Sync>;

/// Answers one request.
pub async fn answer<E: Endpoint>(
    shared: Arc<Shared<E>>,
    standing: Arc<Standing>,
    addresses: (LocalAddr, RemoteAddr),
    request: http::Request<Incoming>,
) -> hyper::Response<AnswerBody> {
    standing.in_flight.store(true, Ordering::Release);
    let (parts, body) = request.into_parts();
    let (local, remote) = addresses;
    let (method, uri, peer) = (parts.method.clone(), parts.uri.clone(), remote.clone());
    let response = match read(body, &shared).await {
        Ok((body, _held)) => {
            let parts = (parts, local, remote, Scheme::HTTP).into();
            let request = poem::Request::from_parts(parts, poem::Body::from_bytes(body));
            // It is not polled again after a panic, so what it left half done is only dropped.
            match AssertUnwindSafe(shared.endpoint.get_response(request)).catch_unwind().await {
                Ok(response) => {
                    let status = response.status();
                    if status.is_client_error() && status != StatusCode::UNAUTHORIZED {
                        shared.refused.log(status, &method, uri.path(), &peer);
                    }
                    response
                }
                Err(_) => {
                    tracing::error!("a request handler panicked; its request was answered with 500");
                    refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal error".to_owned())
                }
            }
        }
        Err((why, bytes)) => {
            standing.unread.store(true, Ordering::Release);
            let response = unread(why);
            shared.refused.log(response.status(), &method, uri.path(), &peer);
            (shared.note)(uri.path(), why, bytes);
            response
        }
    };
    hyper::Response::from(response).map(|inner| AnswerBody { inner, standing })
}

/// The whole body, and the permits for its bytes; or why not, and how many bytes came or were announced. Never holds more than
/// the limits, whatever the sender announced.
async fn read<E>(body: Incoming, shared: &Shared<E>) -> Result<(Bytes, Option<OwnedSemaphorePermit>), (Unread, u64)> {
    if body.is_end_stream() {
        return Ok((Bytes::new(), None));
    }
    let limits = &shared.limits;
    let announced = body.size_hint().lower();
    if announced > limits.max_body_bytes as u64 {
        return Err((Unread::TooLarge(limits.max_body_bytes), announced));
    }
    let stopping = async {
        shared.shutdown.cancelled().await;
        tokio::time::sleep(STOP_PATIENCE).await;
    };
    let mut came = 0;
    let collected = tokio::select! {
        biased;
        collected = collect(body, limits.max_body_bytes, &shared.held, &mut came) => collected,
        () = tokio::time::sleep(limits.body_timeout) => Err(Unread::Late(limits.body_timeout)),
        () = stopping => Err(Unread::Stopping),
    };
    collected.map_err(|why| (why, came))
}

/// Takes a permit for each byte as it comes, so that a peer holds no more than it has sent.
async fn collect(
    body: Incoming,
    limit: usize,
    held: &Arc<Semaphore>,
    came: &mut u64,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Unread> {
    let mut body = Limited::new(body, limit);
    let mut whole = BytesMut::new();
    let mut permits: Option<OwnedSemaphorePermit> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error.is::<LengthLimitError>() {
            true => Unread::TooLarge(limit),
            false => Unread::Broken,
        })?;
        let Ok(data) = frame.into_data() else { continue };
        *came += data.len() as u64;
        let bytes = u32::try_from(data.len()).map_err(|_| Unread::TooLarge(limit))?;
        let more = held.clone().try_acquire_many_owned(bytes).map_err(|_| Unread::Crowded)?;
        match &mut permits {
            Some(permits) => permits.merge(more),
            None => permits = Some(more),
        }
        whole.extend_from_slice(&data);
    }
    Ok((whole.freeze(), permits))
}

fn unread(why: Unread) -> poem::Response {
    let (status, message) = match why {
        Unread::TooLarge(most) => (StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {most} bytes")),
        Unread::Late(after) => (StatusCode::REQUEST_TIMEOUT, format!("the body was not whole after {after:?}")),
        Unread::Broken => (StatusCode::BAD_REQUEST, "the body is broken off or malformed".to_owned()),
        Unread::Crowded => (StatusCode::SERVICE_UNAVAILABLE, "too much at once; please send it again".to_owned()),
        Unread::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping; please send it again".to_owned()),
    };
    refusal(status, message)
}

/// An answer after which the connection closes. Platforms look at the `code` of a refusal too, so it is never zero.
fn refusal(status: StatusCode, message: String) -> poem::Response {
    let body = serde_json::json!({ "code": status.as_u16(), "message": message }).to_string();
    let response = poem::Response::builder().status(status).header(header::CONNECTION, "close");
    response.content_type("application/json").body(body)
}

type PoemBody = http_body_util::combinators::BoxBody<Bytes, std::io::Error>;

/// An answer's body, which marks its request as finished when it has been handed to the socket.
pub struct AnswerBody {
    inner: PoemBody,
    standing: Arc<Standing>,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.standing.in_flight.store(false, Ordering::Release);
    }
}
