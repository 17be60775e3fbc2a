//! How a store writes: the daemon by one thread, a command beside it in short transactions of its own.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::store::StoreError;
use crate::store::ingest::{Record, Recorded};
use crate::store::queue::attempt::{Claim, Claimed, Settle};
use crate::store::recording::prepare;
use crate::store::sql::commit::{ReplySender, WriterJob, simple};
use crate::store::sql::{self, Connection, claim, record, settle};
use crate::store::sqlite::changes::Changes;
use crate::store::sqlite::stopped;

/// Who writes.
pub enum WriteAccess {
    /// The daemon's thread. `jobs` is gone once the store is closed; `ended` is cancelled when the thread has let go of the file.
    Thread { jobs: Mutex<Option<mpsc::Sender<WriterJob>>>, ended: CancellationToken },
    /// A command. Its connection is opened with its first change.
    Beside { path: PathBuf, changes: Mutex<Option<Changes>> },
}

impl WriteAccess {
    pub fn thread(jobs: mpsc::Sender<WriterJob>, ended: CancellationToken) -> Self {
        Self::Thread { jobs: Mutex::new(Some(jobs)), ended }
    }

    pub fn beside(path: PathBuf) -> Self {
        Self::Beside { path, changes: Mutex::new(None) }
    }

    /// Records an event, in one commit with whatever else is queued.
    pub async fn record(&self, record: Record) -> Result<Recorded, StoreError> {
        match self {
            Self::Thread { jobs, .. } => {
                let prepared = prepare(record).map_err(|error| StoreError::Unavailable(error.to_string()))?;
                ask(jobs, |reply| WriterJob::Record(Box::new(prepared), reply)).await
            }
            Self::Beside { .. } => self.transact(|connection| record::record(connection, &record)),
        }
    }

    /// Begins an attempt, with whatever else is queued.
    pub async fn claim(&self, claim: Claim) -> Result<Claimed, StoreError> {
        match self {
            Self::Thread { jobs, .. } => ask(jobs, |reply| WriterJob::Claim(Box::new(claim), reply)).await,
            Self::Beside { .. } => Ok(self.transact(|connection| claim::claim(connection, &[&claim]))?.remove(0)),
        }
    }

    /// Ends an attempt, with whatever else is queued.
    pub async fn settle(&self, settle: Settle) -> Result<(), StoreError> {
        match self {
            Self::Thread { jobs, .. } => ask(jobs, |reply| WriterJob::Settle(Box::new(settle), reply)).await,
            Self::Beside { .. } => self.transact(|connection| settle::settle(connection, &[&settle]).map(drop)),
        }
    }

    /// Changes something: in the transaction of the thread's group and a savepoint of its own, or in a transaction of the command.
    pub async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Connection) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        match self {
            Self::Thread { jobs, .. } => {
                let job = |reply| WriterJob::Change(Box::new(move |transaction| simple(transaction, reply, work)));
                ask(jobs, job).await
            }
            Self::Beside { .. } => self.transact(work),
        }
    }

    /// Leaves a change for which nobody waits. Answers whether it was taken.
    pub fn leave<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Connection) -> sql::Result<T> + Send + 'static,
    ) -> bool {
        match self {
            Self::Thread { jobs, .. } => {
                let (reply, _) = oneshot::channel();
                let job = WriterJob::Change(Box::new(move |transaction| simple(transaction, reply, work)));
                held(jobs).as_ref().is_some_and(|jobs| jobs.try_send(job).is_ok())
            }
            Self::Beside { .. } => self.transact(work).is_ok(),
        }
    }

    /// Waits until the thread answers, be it that it cannot write now; `false` when it has ended.
    pub async fn answers(&self) -> bool {
        let Self::Thread { jobs, .. } = self else { return true };
        let (reply, answer) = oneshot::channel();
        let nothing = WriterJob::Change(Box::new(move |_| {
            Box::new(move |_| {
                // Whoever asked may have given up.
                let _ = reply.send(());
            })
        }));
        let jobs = held(jobs).clone();
        match jobs {
            Some(jobs) => jobs.send(nothing).await.is_ok() && answer.await.is_ok(),
            None => false,
        }
    }

    /// Takes no more, and returns when everything that was asked is done and the file is free.
    pub async fn end(&self) {
        match self {
            Self::Thread { jobs, ended } => {
                held(jobs).take();
                ended.cancelled().await;
            }
            Self::Beside { changes, .. } => *held(changes) = None,
        }
    }

    fn transact<T>(&self, work: impl FnOnce(&dyn Connection) -> sql::Result<T>) -> Result<T, StoreError> {
        let Self::Beside { path, changes } = self else { return Err(stopped()) };
        let mut changes = held(changes);
        match changes.as_mut() {
            Some(changes) => changes.transact(work),
            None => changes.insert(Changes::open(path)?).transact(work),
        }
    }
}

async fn ask<T>(
    jobs: &Mutex<Option<mpsc::Sender<WriterJob>>>,
    job: impl FnOnce(ReplySender<T>) -> WriterJob,
) -> Result<T, StoreError> {
    let jobs = held(jobs).clone().ok_or_else(stopped)?;
    let (reply, answer) = oneshot::channel();
    jobs.send(job(reply)).await.map_err(|_| stopped())?;
    // Whoever waits for an answer does not keep the thread from ending after it.
    drop(jobs);
    answer.await.map_err(|_| stopped())?
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rusqlite::Connection;

    use crate::store::sql::database::Database;
    use crate::store::sql::params;
    use crate::store::sqlite::Sqlite;

    #[tokio::test]
    async fn a_change_that_panics_is_refused_and_takes_no_other_along() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bell.db");
        let store = Sqlite::open(&path, Timestamp::UNIX_EPOCH).unwrap();
        let other = Connection::open(&path).unwrap();
        // While the lock is held, all of them gather behind the first one, in one transaction.
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let sign = |source: &'static str| {
            store.change(move |connection| {
                let sql = "INSERT INTO signs_of_life (source, at) VALUES (?1, 0)";
                let done = connection.execute(sql, params![source])?;
                assert_ne!(source, "bad", "an internal error");
                Ok(done)
            })
        };
        let all =
            async { tokio::join!(sign("first"), sign("good"), sign("bad"), sign("better"), store.writer_answers()) };
        let release = async {
            tokio::task::yield_now().await;
            other.execute_batch("COMMIT").unwrap();
        };
        let ((first, good, bad, better, answers), ()) = tokio::join!(all, release);
        assert!(first.is_ok() && good.is_ok() && better.is_ok() && answers);
        assert!(bad.unwrap_err().to_string().contains("internal error"));
        let mut select = other.prepare("SELECT source FROM signs_of_life ORDER BY source").unwrap();
        let kept: Vec<String> = select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(kept, ["better", "first", "good"]);
        drop(select);
        store.close().await;
    }
}
