//! Our own accept loop around poem's endpoints: HTTP/1.1 with a limit on everything a peer can make us wait for or hold.
//!
//! `poem::Server` sets no timer on half-sent requests, no limit on connections and bodies, and a single half-sent request
//! holds up its graceful stop. Here each of these has a limit, and handlers stay thin: a request reaches its endpoint with
//! the body already whole and within the limit, or not at all (413 too large, 408 too slow, 400 broken off, 503 too much at
//! once).
//!
//! TLS is the business of the reverse proxy in front.

mod refused;
pub mod request;
mod stream;

use std::convert::Infallible;
use std::io;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use poem::Endpoint;
use poem::web::LocalAddr;
use poem::web::RemoteAddr;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::web::server::request::Note;
use crate::web::server::request::Shared;
use crate::web::server::request::Standing;
use crate::web::server::request::answer;
use crate::web::server::stream::Impatient;

/// What one listener grants its peers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the first wait for a request to the end of its header; so also how long a kept-alive connection may idle.
    /// Afterwards the connection is closed without an answer. Default 10 s.
    pub header_timeout: Duration,
    /// From the end of the header to the end of the body; afterwards 408. Default 10 s.
    pub body_timeout: Duration,
    /// How long an answer may wait for a peer that does not read; afterwards the connection is closed. Default 10 s.
    pub write_timeout: Duration,
    /// Bytes of a request's body, however it is sent; above it 413. Default 1 MiB.
    pub max_body_bytes: usize,
    /// Bytes of all bodies together that are held at a time; above it 503. At least one body fits. Default 128 MiB.
    pub max_held_bytes: usize,
    /// Connections at a time; further ones wait in the listener's queue until one ends. At least 1. Default 1024.
    pub max_connections: usize,
    /// How long requests in flight may take to finish after the stop; then they are cut off. Default 8 s.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            max_body_bytes: 1024 * 1024,
            max_held_bytes: 128 * 1024 * 1024,
            max_connections: 1024,
            grace: Duration::from_secs(8),
        }
    }
}

/// Header fields of a request; above it 431.
const MAX_HEADERS: usize = 100;
/// Bytes of a request's header, and of what is read ahead per connection; above it 431.
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// How long after the stop a half-sent request may take to become whole.
const STOP_PATIENCE: Duration = Duration::from_millis(500);
/// What is read and dropped of a request that was answered before its end: so much, so long, and no more.
const LINGER_BYTES: usize = 16 * 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(2);
/// The wait after an accept that failed for want of something (file descriptors, memory), doubled up to the longest.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const ACCEPT_PAUSE_LONGEST: Duration = Duration::from_secs(1);

/// Serves `endpoint` on `listener` until `shutdown` is cancelled. Then nothing more is accepted, idle connections are
/// closed at once, half-sent requests have half a second to become whole, requests in flight have `limits.grace` to
/// finish; it returns when all connections are gone.
///
/// A panicking handler costs its own request a 500. A handler is dropped half-way only when its connection breaks or the
/// grace is over; a peer that merely closes its sending half still gets its answer.
pub async fn serve<E: Endpoint + 'static>(
    listener: TcpListener,
    endpoint: E,
    limits: Limits,
    shutdown: CancellationToken,
) {
    serve_noting(listener, endpoint, limits, Arc::new(|_, _, _| {}), shutdown).await;
}

/// As [`serve`]; and `note` hears of the requests that never reach the endpoint, because their bodies were not read whole.
pub async fn serve_noting<E: Endpoint + 'static>(
    listener: TcpListener,
    endpoint: E,
    limits: Limits,
    note: Note,
    shutdown: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(limits.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
    let shared = Arc::new(Shared::new(endpoint, limits, note, shutdown.clone()));
    let connections = TaskTracker::new();
    let cut_off = CancellationToken::new();
    let mut pause = ACCEPT_PAUSE;
    while let Some(slot) = shutdown.run_until_cancelled(slots.clone().acquire_owned()).await {
        let slot = slot.expect("the semaphore is never closed");
        let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await else { break };
        match accepted {
            Ok((stream, peer)) => {
                pause = ACCEPT_PAUSE;
                let connection = converse(stream, peer, shared.clone());
                let cut_off = cut_off.clone();
                connections.spawn(async move {
                    cut_off.run_until_cancelled(connection).await;
                    drop(slot);
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, delay_ms = pause.as_millis() as u64, "cannot accept connections for the moment");
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

/// One connection from its first byte to its last.
async fn converse<E: Endpoint>(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared<E>>) {
    // Answers are small and each is awaited: Nagle's algorithm would only delay them. Failing to say so changes nothing else.
    let _ = stream.set_nodelay(true);
    let Ok(local) = stream.local_addr() else { return };
    let limits = shared.limits;
    let standing = Arc::new(Standing::default());
    let service = service_fn({
        let (shared, standing) = (shared.clone(), standing.clone());
        let addresses = (LocalAddr(local.into()), RemoteAddr(peer.into()));
        move |request| {
            let answered = answer(shared.clone(), standing.clone(), addresses.clone(), request);
            async { Ok::<_, Infallible>(answered.await) }
        }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEADER_BYTES)
        .max_buf_size(MAX_HEADER_BYTES)
        .half_close(true)
        .serve_connection(Impatient::new(stream, limits.write_timeout), service);

    let ended = tokio::select! {
        biased;
        ended = &mut connection => Some(ended),
        () = shared.shutdown.cancelled() => {
            // Closes an idle connection at once; a busy one after the answer that is being made.
            Pin::new(&mut connection).graceful_shutdown();
            match tokio::time::timeout(STOP_PATIENCE, &mut connection).await {
                Ok(ended) => Some(ended),
                Err(_) if standing.is_in_flight() => Some((&mut connection).await),
                Err(_) => None,
            }
        }
    };
    let misread = matches!(&ended, Some(Err(error)) if error.is_parse());
    if let Some(Err(error)) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
    if misread || standing.has_unread() {
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
