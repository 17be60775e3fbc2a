//! Who is logged in to the page, of every database.

use jiff::Timestamp;

use crate::domain::session::{LoginSession, SessionDigest};
use crate::store::StoreFuture;
use crate::store::sessions::Sessions;
use crate::store::sql::database::Database;
use crate::store::sql::sessions;

impl<D: Database> Sessions for D {
    fn begin_session(&self, session: LoginSession) -> StoreFuture<'_, ()> {
        Box::pin(self.change(move |connection| sessions::begin(connection, &session)))
    }

    fn session(&self, digest: SessionDigest) -> StoreFuture<'_, Option<LoginSession>> {
        Box::pin(self.look_up(move |connection| sessions::session(connection, digest)))
    }

    fn sessions(&self) -> StoreFuture<'_, Vec<LoginSession>> {
        Box::pin(self.look_up(sessions::all))
    }

    fn note_use(&self, digest: SessionDigest, now: Timestamp) -> StoreFuture<'_, ()> {
        Box::pin(self.change(move |connection| sessions::note_use(connection, digest, now)))
    }

    fn end_session(&self, digest: SessionDigest) -> StoreFuture<'_, bool> {
        Box::pin(self.change(move |connection| sessions::end(connection, digest)))
    }

    fn sweep_sessions(&self, unused_since: Timestamp, begun_before: Timestamp, now: Timestamp) -> StoreFuture<'_, u64> {
        Box::pin(self.change(move |connection| sessions::sweep(connection, unused_since, begun_before, now)))
    }
}
