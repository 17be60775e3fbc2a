//! The way to the thread that writes a store: whatever is queued goes into one commit.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::store::StoreError;
use crate::store::ingest::{Record, Recorded};
use crate::store::queue::attempt::{Claim, Claimed, Settle};
use crate::store::recording::prepare;
use crate::store::sql::commit::{ReplySender, WriterJob, simple};
use crate::store::sql::{self, Connection};

/// How many jobs may wait for the writer; beyond it, whoever asks waits.
const QUEUE: usize = 1024;

/// Jobs for a writer thread.
pub struct Jobs {
    /// Gone once the store is closed.
    sender: Mutex<Option<mpsc::Sender<WriterJob>>>,
    /// Cancelled when the thread has let go of the store.
    ended: CancellationToken,
}

impl Jobs {
    /// With what the thread takes them from. It holds the guard of `ended` until it has let go of the store.
    pub fn new(ended: CancellationToken) -> (Self, mpsc::Receiver<WriterJob>) {
        let (sender, jobs) = mpsc::channel(QUEUE);
        (Self { sender: Mutex::new(Some(sender)), ended }, jobs)
    }

    /// Records an event, in one commit with whatever else is queued.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: nothing was kept.
    pub async fn record(&self, record: Record) -> Result<Recorded, StoreError> {
        let prepared = prepare(record).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        self.ask(|reply| WriterJob::Record(Box::new(prepared), reply)).await
    }

    /// Begins an attempt, with whatever else is queued.
    ///
    /// # Errors
    /// As [`Jobs::record`].
    pub async fn claim(&self, claim: Claim) -> Result<Claimed, StoreError> {
        self.ask(|reply| WriterJob::Claim(Box::new(claim), reply)).await
    }

    /// Ends an attempt, with whatever else is queued.
    ///
    /// # Errors
    /// As [`Jobs::record`].
    pub async fn settle(&self, settle: Settle) -> Result<(), StoreError> {
        self.ask(|reply| WriterJob::Settle(Box::new(settle), reply)).await
    }

    /// Changes something in the transaction of the group and a savepoint of its own.
    ///
    /// # Errors
    /// As [`Jobs::record`].
    pub async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Connection) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.ask(|reply| WriterJob::Change(Box::new(move |transaction| simple(transaction, reply, work)))).await
    }

    /// As [`Jobs::change`], of something that gives no channel anything to do.
    ///
    /// # Errors
    /// As [`Jobs::record`].
    pub async fn note<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Connection) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.ask(|reply| WriterJob::Note(Box::new(move |transaction| simple(transaction, reply, work)))).await
    }

    /// Leaves a change for which nobody waits. Answers whether it was taken.
    pub fn leave<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Connection) -> sql::Result<T> + Send + 'static,
    ) -> bool {
        let (reply, _) = oneshot::channel();
        let job = WriterJob::Change(Box::new(move |transaction| simple(transaction, reply, work)));
        self.sender().as_ref().is_some_and(|sender| sender.try_send(job).is_ok())
    }

    /// Waits until the thread answers, be it that it cannot write now; `false` when it has ended.
    pub async fn answers(&self) -> bool {
        let (reply, answer) = oneshot::channel();
        let nothing = WriterJob::Note(Box::new(move |_| {
            Box::new(move |_| {
                // Whoever asked may have given up.
                let _ = reply.send(());
            })
        }));
        let sender = self.sender().clone();
        match sender {
            Some(sender) => sender.send(nothing).await.is_ok() && answer.await.is_ok(),
            None => false,
        }
    }

    /// Takes no more, and returns when everything that was asked is done and the store is free.
    pub async fn end(&self) {
        self.sender().take();
        self.ended.cancelled().await;
    }

    async fn ask<T>(&self, job: impl FnOnce(ReplySender<T>) -> WriterJob) -> Result<T, StoreError> {
        let sender = self.sender().clone().ok_or_else(stopped)?;
        let (reply, answer) = oneshot::channel();
        sender.send(job(reply)).await.map_err(|_| stopped())?;
        // Whoever waits for an answer does not keep the thread from ending after it.
        drop(sender);
        answer.await.map_err(|_| stopped())?
    }

    fn sender(&self) -> MutexGuard<'_, Option<mpsc::Sender<WriterJob>>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is answered by a store that was closed.
pub fn stopped() -> StoreError {
    StoreError::Unavailable("the store was stopped".to_owned())
}
