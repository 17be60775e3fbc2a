//! How a store writes: the daemon by one thread, a command beside it in short transactions of its own.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::StoreError;
use crate::store::ingest::{Record, Recorded};
use crate::store::queue::attempt::{Claim, Claimed, Settle};
use crate::store::sql::jobs::{Jobs, stopped};
use crate::store::sql::{self, Connection, claim, record, settle};
use crate::store::sqlite::changes::Changes;

/// Who writes.
pub enum WriteAccess {
    /// The daemon's thread.
    Thread(Jobs),
    /// A command. Its connection is opened with its first change.
    Beside { path: PathBuf, changes: Mutex<Option<Changes>> },
}

impl WriteAccess {
    pub fn beside(path: PathBuf) -> Self {
        Self::Beside { path, changes: Mutex::new(None) }
    }

    /// Records an event, in one commit with whatever else is queued.
    pub async fn record(&self, record: Record) -> Result<Recorded, StoreError> {
        match self {
            Self::Thread(jobs) => jobs.record(record).await,
            Self::Beside { .. } => self.transact(|connection| record::record(connection, &record)),
        }
    }

    /// Begins an attempt, with whatever else is queued.
    pub async fn claim(&self, claim: Claim) -> Result<Claimed, StoreError> {
        match self {
            Self::Thread(jobs) => jobs.claim(claim).await,
            Self::Beside { .. } => Ok(self.transact(|connection| claim::claim(connection, &[&claim]))?.remove(0)),
        }
    }

    /// Ends an attempt, with whatever else is queued.
    pub async fn settle(&self, settle: Settle) -> Result<(), StoreError> {
        match self {
            Self::Thread(jobs) => jobs.settle(settle).await,
            Self::Beside { .. } => self.transact(|connection| settle::settle(connection, &[&settle]).map(drop)),
        }
    }

    /// Changes something: in the transaction of the thread's group and a savepoint of its own, or in a transaction of the command.
    pub async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Connection) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        match self {
            Self::Thread(jobs) => jobs.change(work).await,
            Self::Beside { .. } => self.transact(work),
        }
    }

    /// Leaves a change for which nobody waits. Answers whether it was taken.
    pub fn leave<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Connection) -> sql::Result<T> + Send + 'static,
    ) -> bool {
        match self {
            Self::Thread(jobs) => jobs.leave(work),
            Self::Beside { .. } => self.transact(work).is_ok(),
        }
    }

    /// Waits until the thread answers, be it that it cannot write now; `false` when it has ended.
    pub async fn answers(&self) -> bool {
        match self {
            Self::Thread(jobs) => jobs.answers().await,
            Self::Beside { .. } => true,
        }
    }

    /// Takes no more, and returns when everything that was asked is done and the file is free.
    pub async fn end(&self) {
        match self {
            Self::Thread(jobs) => jobs.end().await,
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
