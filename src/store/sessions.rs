//! Who is logged in to the page: sessions, which outlast restarts and which all instances on one store share.

use jiff::Timestamp;

use crate::domain::session::{LoginSession, SessionDigest};
use crate::store::StoreFuture;

/// Sessions of one token that are kept; one more ends the one that was used longest ago.
pub const SESSIONS_OF_A_TOKEN: u32 = 200;

/// What the page asks about whoever has logged in.
///
/// # Errors
/// Each fails with [`StoreError::Unavailable`](crate::store::StoreError::Unavailable): then nothing was changed.
pub trait Sessions: Send + Sync {
    /// Keeps a new session, and of those of its token the last [`SESSIONS_OF_A_TOKEN`].
    fn begin_session(&self, session: LoginSession) -> StoreFuture<'_, ()>;

    fn session(&self, digest: SessionDigest) -> StoreFuture<'_, Option<LoginSession>>;

    /// All of them, the last used first.
    fn sessions(&self) -> StoreFuture<'_, Vec<LoginSession>>;

    /// Notes that a session was used, where there still is one.
    fn note_use(&self, digest: SessionDigest, now: Timestamp) -> StoreFuture<'_, ()>;

    /// Ends a session. Answers whether there was one.
    fn end_session(&self, digest: SessionDigest) -> StoreFuture<'_, bool>;

    /// Ends those that were not used since one moment or were begun before another. Answers how many. One that was begun or
    /// used in what is the future now was so now: the clock was put back.
    fn sweep_sessions(&self, unused_since: Timestamp, begun_before: Timestamp, now: Timestamp) -> StoreFuture<'_, u64>;
}
