//! One request of a connection: its body is read whole within bounds, the endpoint is asked, and a panic becomes a 500.

use std::io::Read;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use futures_util::FutureExt;
use http::uri::Scheme;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use poem::Endpoint;
use poem::web::{LocalAddr, RemoteAddr};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::web::server::connections::{ConnectionPhase, Connections, OpenConnection};
use crate::web::server::limits::{ListenerLimits, SMALL_BODY_BYTES, STOP_PATIENCE};
use crate::web::server::refused::RefusalLog;

/// How gzip begins. A proxy may have undone it and left the header.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// How often it is looked whether one has stalled.
const RECHECK: Duration = Duration::from_millis(100);

/// What all connections share.
pub struct Shared<E> {
    pub endpoint: E,
    pub limits: ListenerLimits,
    pub shutdown: CancellationToken,
    pub connections: Arc<Connections>,
    pub refused: RefusalLog,
    /// A permit for each byte of the larger bodies that may still be held.
    room: Arc<Semaphore>,
    unread: BodyErrorNote,
    refusal: fn(StatusCode, String) -> poem::Response,
}

impl<E> Shared<E> {
    pub fn new(
        endpoint: E,
        limits: ListenerLimits,
        (unread, refusal): (BodyErrorNote, fn(StatusCode, String) -> poem::Response),
        shutdown: CancellationToken,
    ) -> Self {
        let connections = Arc::new(Connections::new(limits.max_connections));
        let (room, refused) = (Arc::new(Semaphore::new(limits.room_bytes())), RefusalLog::default());
        Self { endpoint, limits, shutdown, connections, refused, room, unread, refusal }
    }

    /// Room for a larger body, once there is some: first come, first served. Bodies that have stalled make room for those that
    /// come.
    pub async fn room_for(&self, connection: &OpenConnection, bytes: usize) -> Result<OwnedSemaphorePermit, BodyError> {
        let permits = u32::try_from(bytes).map_err(|_| BodyError::TooLarge(bytes))?;
        // Its peer has done its part; it must not count as one that has stalled.
        connection.enter(ConnectionPhase::Queued);
        let mut acquired = pin!(self.room.clone().acquire_many_owned(permits));
        let waiting = async {
            loop {
                if let Ok(permit) = tokio::time::timeout(RECHECK, &mut acquired).await {
                    return permit.expect("the semaphore is never closed");
                }
                self.connections
                    .shed_where(|phase, lasted| phase == ConnectionPhase::Body && lasted >= self.limits.stalled_after);
            }
        };
        let room = tokio::time::timeout(self.limits.room_timeout, waiting).await;
        connection.enter(ConnectionPhase::Body);
        room.map_err(|_| BodyError::Crowded)
    }
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Larger than this many bytes.
    TooLarge(usize),
    /// Not whole after this time.
    Late(Duration),
    Broken,
    Crowded,
    Stopping,
}

/// Called for each request whose body was not read to its end: its path, why, and how many bytes had come or were announced.
pub type BodyErrorNote = Arc<dyn Fn(&str, BodyError, u64) + Send + Sync>;

/// Answers one request.
pub async fn answer<E: Endpoint>(
    shared: Arc<Shared<E>>,
    connection: Arc<OpenConnection>,
    addresses: (LocalAddr, RemoteAddr),
    request: http::Request<Incoming>,
) -> hyper::Response<AnswerBody> {
    connection.enter(ConnectionPhase::Body);
    let (mut parts, body) = request.into_parts();
    let (local, remote) = addresses;
    let (method, uri, peer) = (parts.method.clone(), parts.uri.clone(), remote.clone());
    let read = read(&mut parts.headers, body, &shared, &connection).await;
    connection.enter(ConnectionPhase::Busy);
    let response = match read {
        Ok((body, _room)) => {
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
                    (shared.refusal)(StatusCode::INTERNAL_SERVER_ERROR, "internal error".to_owned())
                }
            }
        }
        Err((why, bytes)) => {
            connection.mark_unread();
            let (status, message) = unread(why);
            let response = (shared.refusal)(status, message);
            shared.refused.log(response.status(), &method, uri.path(), &peer);
            (shared.unread)(uri.path(), why, bytes);
            response
        }
    };
    connection.enter(ConnectionPhase::Answering);
    hyper::Response::from(response).map(|inner| AnswerBody { inner, connection })
}

/// The whole body, and the room it takes; or why not, and how many bytes came or were announced. Never holds more than the
/// limits, whatever the sender announced.
async fn read<E>(
    headers: &mut HeaderMap,
    body: Incoming,
    shared: &Shared<E>,
    connection: &OpenConnection,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), (BodyError, u64)> {
    if body.is_end_stream() {
        return Ok((Bytes::new(), None));
    }
    let limits = &shared.limits;
    let announced = body.size_hint().lower();
    if announced > limits.max_body_bytes as u64 {
        return Err((BodyError::TooLarge(limits.max_body_bytes), announced));
    }
    let stopping = async {
        shared.shutdown.cancelled().await;
        tokio::time::sleep(STOP_PATIENCE).await;
    };
    let mut came = 0;
    let whole = async {
        let (body, room) = collect(is_gzip(headers), body, (shared, connection), &mut came).await?;
        undone(headers, body, room, (shared, connection)).await
    };
    let collected = tokio::select! {
        biased;
        collected = whole => collected,
        () = tokio::time::sleep(limits.body_timeout) => Err(BodyError::Late(limits.body_timeout)),
        () = stopping => Err(BodyError::Stopping),
    };
    collected.map_err(|why| (why, came))
}

/// Once a body is no longer small, it has room for all of it before more is read: for what was announced, or else for the most
/// that may come. So bodies that wait for room hold next to nothing, and none waits for another that waits.
///
/// A packed body takes the room of what it may unpack to besides, so that it need not ask for more once it has some.
async fn collect<E>(
    is_packed: bool,
    body: Incoming,
    (shared, connection): (&Shared<E>, &OpenConnection),
    came: &mut u64,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), BodyError> {
    let limit = shared.limits.max_body_bytes;
    let most = body.size_hint().exact().map_or(limit, |exact| usize::try_from(exact).unwrap_or(limit));
    let mut body = Limited::new(body, limit);
    // No more than it may take: growing by itself, it would take up to twice that.
    let mut whole = Vec::new();
    whole.reserve_exact(most.min(SMALL_BODY_BYTES));
    let mut room = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error.is::<LengthLimitError>() {
            true => BodyError::TooLarge(limit),
            false => BodyError::Broken,
        })?;
        let Ok(data) = frame.into_data() else { continue };
        *came += data.len() as u64;
        let length = whole.len() + data.len();
        if length > SMALL_BODY_BYTES && room.is_none() {
            let unpacked = if is_packed { limit } else { 0 };
            room = Some(shared.room_for(connection, (most + unpacked).min(shared.limits.room_bytes())).await?);
            whole.reserve_exact(most - whole.len());
        }
        whole.extend_from_slice(&data);
    }
    Ok((whole.into(), room))
}

/// A body as it was before it was packed, with the room that it takes; the header goes with the packing. A body that says gzip
/// and cannot be unpacked stays as it is, with its header.
///
/// # Errors
/// [`BodyError::TooLarge`] beyond the limit; [`BodyError::Crowded`] when there is no room for it.
async fn undone<E>(
    headers: &mut HeaderMap,
    body: Bytes,
    mut room: Option<OwnedSemaphorePermit>,
    (shared, connection): (&Shared<E>, &OpenConnection),
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), BodyError> {
    // Some lose the header on the way, and nothing else that is sent begins so. A larger one would need more room besides.
    let is_unsaid = !is_gzip(headers) && room.is_none() && body.starts_with(&GZIP);
    if !is_gzip(headers) && !is_unsaid {
        return Ok((body, room));
    }
    if !body.starts_with(&GZIP) {
        headers.remove(header::CONTENT_ENCODING);
        return Ok((body, room));
    }
    let limit = shared.limits.max_body_bytes;
    // Both together are one small body.
    let small = SMALL_BODY_BYTES.saturating_sub(body.len()).min(limit);
    let unpacked = match gunzipped(&body, small) {
        Unpacked::TooMuch if small < limit => {
            if room.is_none() {
                room = Some(shared.room_for(connection, limit).await?);
            }
            let packed = body.clone();
            let unpacking = tokio::task::spawn_blocking(move || gunzipped(&packed, limit));
            unpacking.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
        }
        unpacked => unpacked,
    };
    match unpacked {
        Unpacked::Whole(plain) => {
            headers.remove(header::CONTENT_ENCODING);
            Ok((plain.into(), room))
        }
        Unpacked::TooMuch => Err(BodyError::TooLarge(limit)),
        Unpacked::Broken => Ok((body, room)),
    }
}

/// Whether a request says that its body is gzip, and nothing else besides.
fn is_gzip(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_ENCODING).into_iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let value = value.as_bytes().trim_ascii();
    value.eq_ignore_ascii_case(b"gzip") || value.eq_ignore_ascii_case(b"x-gzip")
}

/// What comes of unpacking.
enum Unpacked {
    Whole(Vec<u8>),
    TooMuch,
    Broken,
}

/// Unpacks a body, up to so many bytes.
fn gunzipped(packed: &[u8], limit: usize) -> Unpacked {
    let mut plain = Vec::new();
    match MultiGzDecoder::new(packed).take(limit as u64 + 1).read_to_end(&mut plain) {
        Ok(_) if plain.len() > limit => Unpacked::TooMuch,
        Ok(_) => Unpacked::Whole(plain),
        Err(_) => Unpacked::Broken,
    }
}

fn unread(why: BodyError) -> (StatusCode, String) {
    match why {
        BodyError::TooLarge(most) => (StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {most} bytes")),
        BodyError::Late(after) => (StatusCode::REQUEST_TIMEOUT, format!("the body was not whole after {after:?}")),
        BodyError::Broken => (StatusCode::BAD_REQUEST, "the body is broken off or malformed".to_owned()),
        BodyError::Crowded => (StatusCode::SERVICE_UNAVAILABLE, "too much at once; please send it again".to_owned()),
        BodyError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping; please send it again".to_owned()),
    }
}

/// An answer after which the connection closes. Platforms look at the `code` of a refusal too, so it is never zero.
pub fn refusal(status: StatusCode, message: String) -> poem::Response {
    let body = serde_json::json!({ "code": status.as_u16(), "message": message }).to_string();
    let response = poem::Response::builder().status(status).header(header::CONNECTION, "close");
    response.content_type("application/json").body(body)
}

type PoemBody = http_body_util::combinators::BoxBody<Bytes, std::io::Error>;

/// An answer's body, which marks its request as finished when it has been handed to the socket.
pub struct AnswerBody {
    inner: PoemBody,
    connection: Arc<OpenConnection>,
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
        self.connection.enter(ConnectionPhase::Resting);
    }
}
