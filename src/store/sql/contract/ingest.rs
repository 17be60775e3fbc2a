//! What comes in, of every database.

use jiff::Timestamp;

use crate::store::StoreFuture;
use crate::store::ingest::{Ingest, Record, Recorded, RefusedWebhook};
use crate::store::sql::database::Database;
use crate::store::sql::{incidents, refusals};

impl<D: Database> Ingest for D {
    fn record(&self, record: Record) -> StoreFuture<'_, Recorded> {
        Box::pin(Database::record(self, record))
    }

    fn note_refusals(&self, refused: Vec<RefusedWebhook>) -> StoreFuture<'_, ()> {
        Box::pin(self.change(move |connection| refusals::note(connection, &refused)))
    }

    fn sign_of_life(&self, source: &str, at: Option<Timestamp>) -> bool {
        let source = source.to_owned();
        self.leave(move |connection| incidents::sign(connection, &source, at))
    }
}
