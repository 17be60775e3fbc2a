//! Our own accept loop around poem's endpoints: HTTP/1.1 with a limit on everything a peer can make us wait for or hold.
//!
//! `poem::Server` sets no timer on half-sent requests, no limit on connections and bodies, and a single half-sent request
//! holds up its graceful stop. Here each of these has a limit, and handlers stay thin: a request reaches its endpoint with
//! the body already whole and within the limit, or not at all (413 too large, 408 too slow, 400 broken off, 503 too much at
//! once). No peer keeps the others out: when connections or memory run short, those that have waited longest for their peer
//! are shed.
//!
//! TLS is the business of the reverse proxy in front.

pub mod connections;
pub mod limits;
mod refused;
pub mod request;
mod stream;

use std::convert::Infallible;
use std::io;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, Response};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::web::server::connections::{ConnectionPhase, OpenConnection, Shed, Slot};
use crate::web::server::limits::{ListenerLimits, MAX_HEADER_BYTES, MAX_HEADERS, STOP_PATIENCE};
use crate::web::server::request::{BodyErrorNote, Shared, answer};
use crate::web::server::stream::TimedStream;

/// What is read and dropped of a request that was answered before its end: so much, so long, and no more.
const LINGER_BYTES: usize = 16 * 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(2);
/// The wait after an accept that failed for want of something (file descriptors, memory), doubled up to the longest.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const ACCEPT_PAUSE_LONGEST: Duration = Duration::from_secs(1);
/// The most that a system takes by default.
const BACKLOG: u32 = 4096;
/// How often it is said what was shed and which log lines were left out.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Listens on an address, with as long a queue of connections that nobody has accepted yet as the system allows: where it
/// overflows, a peer tries again only after a second.
///
/// # Errors
/// When the address cannot be used.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves `endpoint` on `listener` until `shutdown` is cancelled. Then nothing more is accepted, idle connections are
/// closed at once, half-sent requests have half a second to become whole, requests in flight have `limits.grace` to
/// finish; it returns when all connections are gone.
///
/// A panicking handler costs its own request a 500. A handler is dropped half-way only when its connection breaks or the
/// grace is over; a peer that merely closes its sending half still gets its answer.
pub async fn serve<E: Endpoint + 'static>(
    listener: TcpListener,
    endpoint: E,
    limits: ListenerLimits,
    shutdown: CancellationToken,
) {
    serve_noting(listener, endpoint, limits, ListenerNotes::default(), shutdown).await;
}

/// Called each second in which connections were shed.
pub type ShedNote = Arc<dyn Fn(Shed) + Send + Sync>;

/// What a listener reports of the requests that never reach its endpoint.
#[derive(Clone)]
pub struct ListenerNotes {
    pub unread: BodyErrorNote,
    pub shed: ShedNote,
    /// How a request is answered that does not reach its endpoint; the connection closes afterwards.
    pub refusal: fn(StatusCode, String) -> Response,
}

impl Default for ListenerNotes {
    fn default() -> Self {
        Self { unread: Arc::new(|_, _, _| {}), shed: Arc::new(|_| {}), refusal: request::refusal }
    }
}

/// As [`serve`], with notes of the requests that never reach the endpoint.
pub async fn serve_noting<E: Endpoint + 'static>(
    listener: impl Into<Arc<TcpListener>>,
    endpoint: E,
    limits: ListenerLimits,
    notes: ListenerNotes,
    shutdown: CancellationToken,
) {
    let listener = listener.into();
    let shared = Arc::new(Shared::new(endpoint, limits, (notes.unread, notes.refusal), shutdown.clone()));
    let connections = TaskTracker::new();
    let cut_off = CancellationToken::new();
    connections.spawn(report(shared.clone(), notes.shed));
    let mut pause = ACCEPT_PAUSE;
    loop {
        // From the stop on nobody is accepted, also who comes at that very moment: the socket may be somebody else's by then.
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = ACCEPT_PAUSE;
                let Some(slot) = shutdown.run_until_cancelled(shared.connections.take()).await else { break };
                let (shared, cut_off) = (shared.clone(), cut_off.clone());
                connections.spawn(async move { cut_off.run_until_cancelled(occupy(slot, stream, peer, shared)).await });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, delay_ms = pause.as_millis() as u64, "cannot accept connections for the moment");
                shared.connections.shed_where(|_, _| true);
                shutdown.run_until_cancelled(tokio::time::sleep(pause)).await;
                pause = (pause * 2).min(ACCEPT_PAUSE_LONGEST);
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(limits.grace, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "cut off what had not finished in time for the stop");
        cut_off.cancel();
        connections.wait().await;
    }
}

/// Says each second what was shed and which log lines were left out, until the stop.
async fn report<E>(shared: Arc<Shared<E>>, note: ShedNote) {
    let mut ended = false;
    while !ended {
        ended = shared.shutdown.run_until_cancelled(tokio::time::sleep(REPORT_EVERY)).await.is_none();
        shared.refused.log_left_out();
        let shed = shared.connections.take_shed();
        if shed != Shed::default() {
            let Shed { resting, unfinished } = shed;
            let most = shared.limits.max_connections;
            tracing::warn!(unfinished, resting, most, "connections were shed to make room for new ones");
            note(shed);
        }
    }
}

/// Whether an accept failed because of the peer, so that the next one may well succeed.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
    )
}

/// Converses until the connection ends or is shed.
async fn occupy<E: Endpoint>(slot: Slot, stream: TcpStream, peer: SocketAddr, shared: Arc<Shared<E>>) {
    let connection = slot.connection.clone();
    connection.cut.run_until_cancelled(converse(stream, peer, connection.clone(), shared)).await;
}

/// One connection from its first byte to its last.
async fn converse<E: Endpoint>(
    stream: TcpStream,
    peer: SocketAddr,
    state: Arc<OpenConnection>,
    shared: Arc<Shared<E>>,
) {
    // Answers are small and each is awaited: Nagle's algorithm would only delay them. Failing to say so changes nothing else.
    let _ = stream.set_nodelay(true);
    let Ok(local) = stream.local_addr() else { return };
    let limits = shared.limits;
    let service = service_fn({
        let (shared, state) = (shared.clone(), state.clone());
        let addresses = (LocalAddr(local.into()), RemoteAddr(peer.into()));
        move |request| {
            let answered = answer(shared.clone(), state.clone(), addresses.clone(), request);
            async { Ok::<_, Infallible>(answered.await) }
        }
    });
    let mut connection = http1::Builder::new()
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEADER_BYTES)
        .max_buf_size(MAX_HEADER_BYTES)
        .half_close(true)
        .serve_connection(TimedStream::new(stream, state.clone(), limits), service);

    let ended = tokio::select! {
        biased;
        ended = &mut connection => Some(ended),
        () = shared.shutdown.cancelled() => {
            // Closes an idle connection at once; a busy one after the answer that is being made.
            Pin::new(&mut connection).graceful_shutdown();
            match tokio::time::timeout(STOP_PATIENCE, &mut connection).await {
                Ok(ended) => Some(ended),
                Err(_) if state.is_in_flight() => Some((&mut connection).await),
                Err(_) => None,
            }
        }
    };
    let misread = matches!(&ended, Some(Err(error)) if error.is_parse());
    if let Some(Err(error)) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
    if misread || state.has_unread() {
        // It has its answer, so it is the first to make room.
        state.enter(ConnectionPhase::Resting);
        linger(connection.into_parts().io.into_inner()).await;
    }
}

/// Reads and drops what the peer still sends. Closing a socket with unread bytes resets it, and a peer that is still
/// sending would lose the answer that already lies in its own buffer.
async fn linger(mut stream: TcpStream) {
    let reading = async {
        let mut dropped = 0;
        let mut buffer = vec![0; 16 * 1024];
        while dropped < LINGER_BYTES {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(read) => dropped += read,
            }
        }
    };
    let _ = tokio::time::timeout(LINGER_TIME, reading).await;
}
