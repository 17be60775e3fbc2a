//! What comes in, on SQLite.

use jiff::Timestamp;

use crate::store::StoreFuture;
use crate::store::ingest::{Ingest, Record, Recorded, RefusedWebhook};
use crate::store::sqlite::{Sqlite, incidents, refusals};

impl Ingest for Sqlite {
    fn record(&self, record: Record) -> StoreFuture<'_, Recorded> {
        Box::pin(self.writer.record(record))
    }

    fn note_refusals(&self, refused: Vec<RefusedWebhook>) -> StoreFuture<'_, ()> {
        Box::pin(self.change(move |connection| refusals::note(connection, &refused)))
    }

    fn sign_of_life(&self, source: &str, at: Option<Timestamp>) -> bool {
        let source = source.to_owned();
        self.writer.leave(move |connection| incidents::sign(connection, &source, at))
    }
}
