//! How things stand, of every database.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use crate::store::StoreFuture;
use crate::store::health::{
    CommitStats, Health, HealthQuery, HealthSnapshot, Incident, IncidentUpdate, Loss, QueueDepth, Status,
    UnfitSignatures,
};
use crate::store::ingest::Recorded;
use crate::store::sql::database::Database;
use crate::store::sql::{incidents, inquiries, prune, queue_depth};

impl<D: Database> Health for D {
    fn query_health(&self, query: HealthQuery) -> StoreFuture<'_, HealthSnapshot> {
        Box::pin(self.look(move |connection| incidents::health_snapshot(connection, query)))
    }

    fn incidents(&self) -> StoreFuture<'_, Vec<Incident>> {
        Box::pin(self.look(incidents::incidents))
    }

    fn queue_depths(&self, channels: Vec<String>) -> StoreFuture<'_, Vec<QueueDepth>> {
        Box::pin(self.look(move |connection| queue_depth::depths(connection, &channels)))
    }

    fn update_incident(&self, change: IncidentUpdate) -> StoreFuture<'_, Option<Recorded>> {
        Box::pin(self.change(move |connection| incidents::update(connection, &change)))
    }

    fn unproven(&self, source: &str, after: Timestamp, before: Timestamp) -> StoreFuture<'_, Option<UnfitSignatures>> {
        let source = source.to_owned();
        Box::pin(self.look(move |connection| incidents::unproven(connection, &source, after, before)))
    }

    fn last_event(&self, before: Timestamp) -> StoreFuture<'_, Option<Timestamp>> {
        Box::pin(self.look(move |connection| incidents::last_event(connection, before)))
    }

    fn ask_settings(&self, id: Uuid, public_key: Vec<u8>, now: Timestamp) -> StoreFuture<'_, ()> {
        Box::pin(self.change(move |connection| inquiries::ask(connection, id, &public_key, now)))
    }

    fn inquiries(&self) -> StoreFuture<'_, Vec<(Uuid, Vec<u8>)>> {
        Box::pin(self.look(inquiries::unanswered))
    }

    fn answer_inquiry(&self, id: Uuid, answer: String, now: Timestamp) -> StoreFuture<'_, ()> {
        Box::pin(self.change(move |connection| inquiries::answer(connection, id, &answer, now)))
    }

    fn answer(&self, id: Uuid) -> StoreFuture<'_, Option<String>> {
        Box::pin(self.look(move |connection| inquiries::answered(connection, id)))
    }

    fn drop_inquiry(&self, id: Uuid) -> StoreFuture<'_, ()> {
        Box::pin(self.change(move |connection| inquiries::forget(connection, id)))
    }

    fn prune(&self, before: Timestamp, after_seq: i64, steps: u32) -> StoreFuture<'_, (u64, Option<i64>)> {
        Box::pin(async move {
            let pruned = self.change(move |connection| prune::prune(connection, before, after_seq, steps)).await?;
            Ok((pruned.removed, pruned.next))
        })
    }

    fn database_time(&self) -> StoreFuture<'_, Option<Timestamp>> {
        Box::pin(Database::time(self))
    }

    fn opened(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // An error means that the thread has ended, and then nothing can be asked of the store any more either.
            let _ = Database::status(self).wait_for(|status| matches!(status, Status::Ready(_))).await;
        })
    }

    fn status(&self) -> watch::Receiver<Status> {
        Database::status(self)
    }

    fn commits(&self) -> Arc<CommitStats> {
        Database::commits(self)
    }

    fn is_ready(&self) -> bool {
        matches!(&*Database::status(self).borrow(), Status::Ready(_))
    }

    fn writer_answers(&self) -> BoxFuture<'_, bool> {
        Box::pin(Database::writer_answers(self))
    }

    fn loss(&self) -> Option<Loss> {
        Database::loss(self)
    }

    fn forget_loss(&self) {
        Database::forget_loss(self);
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(Database::close(self))
    }
}
