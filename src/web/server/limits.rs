//! What a listener grants its peers: how long, how large, how many.

use std::time::Duration;

use tokio::sync::Semaphore;

/// What one listener grants its peers.
#[derive(Clone, Copy, Debug)]
pub struct ListenerLimits {
    /// From the opening of a connection, or the first byte of a further request, to the end of the request's header.
    /// Afterwards the connection is closed without an answer. Default 10 s.
    pub header_timeout: Duration,
    /// How long a connection may rest after a request; afterwards it is closed. Proxies keep theirs for one to two minutes and
    /// lose a request when it is closed just before. Default 3 minutes.
    pub idle_timeout: Duration,
    /// From the end of the header to the end of the body; afterwards 408. Default 10 s.
    pub body_timeout: Duration,
    /// How long an answer may wait for a peer that does not read; afterwards the connection is closed. Default 10 s.
    pub write_timeout: Duration,
    /// Bytes of a request's body, however it is sent; above it 413. Default 1 MiB.
    pub max_body_bytes: usize,
    /// Bytes of all requests together, headers and bodies, that are held at a time; above it 503. At least one body fits.
    /// Default 128 MiB.
    pub max_held_bytes: usize,
    /// How long a body over 64 KiB waits for others to leave room for it; afterwards 503. Default 4 s.
    pub room_timeout: Duration,
    /// A body that is not whole after this time is shed when another needs its room. Default 2 s.
    pub stalled_after: Duration,
    /// Connections at a time; for a further one, the one that has waited longest for its peer is shed. At least 1. Default
    /// 1024.
    pub max_connections: usize,
    /// How long requests in flight may take to finish after the stop; then they are cut off. Default 8 s.
    pub grace: Duration,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl ListenerLimits {
    pub const DEFAULT: Self = Self {
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(180),
        body_timeout: Duration::from_secs(10),
        write_timeout: Duration::from_secs(10),
        max_body_bytes: 1024 * 1024,
        max_held_bytes: 128 * 1024 * 1024,
        room_timeout: Duration::from_secs(4),
        stalled_after: Duration::from_secs(2),
        max_connections: 1024,
        grace: Duration::from_secs(8),
    };

    /// Bytes for bodies that are not small: what is left when each connection holds a header and a small body.
    pub fn room_bytes(&self) -> usize {
        let each = MAX_HEADER_BYTES + self.max_body_bytes.min(SMALL_BODY_BYTES);
        let left = self.max_held_bytes.saturating_sub(self.max_connections.saturating_mul(each));
        left.clamp(self.max_body_bytes.min(Semaphore::MAX_PERMITS), Semaphore::MAX_PERMITS)
    }
}

/// Header fields of a request; above it 431.
pub const MAX_HEADERS: usize = 100;
/// Bytes of a request's header, and of what is read ahead per connection; above it 431.
pub const MAX_HEADER_BYTES: usize = 16 * 1024;
/// How long after the stop a half-sent request may take to become whole.
pub const STOP_PATIENCE: Duration = Duration::from_millis(500);
/// A body of so many bytes is held without being asked for: each connection may have one.
pub const SMALL_BODY_BYTES: usize = 64 * 1024;
