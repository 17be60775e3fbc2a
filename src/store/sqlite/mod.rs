//! The store in one SQLite file: one thread writes, whatever is queued goes into one transaction, and then everyone is
//! answered.

mod access;
pub mod backup;
mod changes;
mod connection;
pub mod contents;
mod conversion;
mod damage_search;
mod files;
mod group;
mod last_known;
mod leases;
pub mod lock;
pub mod moving;
mod opening;
#[cfg(test)]
pub mod plans;
mod read;
pub mod restore;
mod schema;
mod wal;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::store::StoreError;
use crate::store::health::{CommitStats, Loss, Status};
use crate::store::ingest::{Record, Recorded};
use crate::store::queue::attempt::{Claim, Claimed, Settle};
use crate::store::sql;
use crate::store::sql::database::Database;
use crate::store::sql::jobs::Jobs;
use crate::store::sqlite::access::WriteAccess;
use crate::store::sqlite::opening::{CHECK_FOR, CONVERTING, OpenError, Opened, PATIENCE, StorePlace};
use crate::store::sqlite::read::Readers;
use crate::store::sqlite::writer::Writer;

/// How many may wait to look; beyond it, whoever asks waits.
const QUEUE: usize = 1024;
/// How long a command's connection waits for a lock, in milliseconds.
const BUSY_MS: u64 = 5000;
/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 128;

/// One SQLite file, held by one daemon, or as a command uses it beside that.
pub struct Sqlite {
    readers: Readers,
    writer: WriteAccess,
    status: watch::Receiver<Status>,
    loss: Arc<Mutex<Option<Loss>>>,
    commits: Arc<CommitStats>,
}

impl Sqlite {
    /// Opens the file, or makes it; brings its schema up to date, and takes up what a crash left under way.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when another daemon holds the file, when the bundled SQLite has the write-ahead-log fault, when
    /// the file is damaged, or when it was written by a newer version; [`StoreError::Unavailable`] when it cannot be opened or
    /// made. What passes by itself, such as a full disk, is no error here: until then each request to the store fails.
    pub fn open(path: &Path, now: Timestamp) -> Result<Self, StoreError> {
        Self::open_within(path, now, u32::MAX)
    }

    /// As [`Sqlite::open`], with a limit to the size of the file, in pages of 4 KiB. A change that does not fit is refused
    /// as on a full disk; a file that is larger already does not grow any further.
    ///
    /// # Errors
    /// As [`Sqlite::open`].
    pub fn open_within(path: &Path, now: Timestamp, max_pages: u32) -> Result<Self, StoreError> {
        Self::start(StorePlace { path: path.to_owned(), max_pages, check_for: CHECK_FOR, before: None }, now)
    }

    fn start(mut place: StorePlace, now: Timestamp) -> Result<Self, StoreError> {
        schema::refuse_faulty_sqlite()?;
        let (opened, converting, status) = match place.open(now, PATIENCE) {
            Ok(Opened::Ready(opened)) => (Some(opened), None, Status::Ready(None)),
            Ok(Opened::Converting(converting)) => {
                tracing::warn!("{CONVERTING}; until then webhooks are answered 503");
                (None, Some(converting), Status::Wrong(CONVERTING.to_owned()))
            }
            Err(OpenError::Later(reason)) => {
                tracing::error!(
                    "the database cannot be used yet, so webhooks are answered 503; it is tried again and again: {reason}"
                );
                (None, None, Status::Wrong(reason))
            }
            Err(OpenError::Never(error)) => return Err(error),
        };
        let readers = match &opened {
            Some(opened) => Readers::open(&opened.lock.path)?,
            None => Readers::closed()?,
        };
        let ended = CancellationToken::new();
        let end = ended.clone().drop_guard();
        let (jobs, queue) = Jobs::new(ended);
        let (status, seen) = watch::channel(status);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|error| StoreError::Unavailable(format!("no timer for the store: {error}")))?;
        let loss = Arc::new(Mutex::new(opened.as_ref().and_then(|opened| opened.loss.clone())));
        let thread = Writer::new(place, (opened, converting), readers.clone(), status, loss.clone(), now);
        let commits = thread.commits.clone();
        spawn("store-write", move || {
            // Until its end no second daemon may write beside this one.
            thread.run(queue, &runtime);
            drop(end);
        })?;
        Ok(Self { writer: WriteAccess::Thread(jobs), readers, status: seen, loss, commits })
    }

    /// Opens an existing file for a command, also beside the daemon that holds it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file is missing or cannot be opened; [`StoreError::Refused`] when it is another
    /// version's.
    pub fn open_beside(path: &Path) -> Result<Self, StoreError> {
        let (_, status) = watch::channel(Status::Ready(None));
        let writer = WriteAccess::beside(path.to_owned());
        Ok(Self { readers: Readers::one(path)?, writer, status, loss: Arc::default(), commits: Arc::default() })
    }

    /// The writer's `journal_mode` and `synchronous`, as SQLite says them: a promise hangs on both.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn durability(&self) -> Result<(String, i64), StoreError> {
        self.change(durability).await
    }

    /// While the store of an older version is converted, nobody waits for the thread that does it: a step may take long.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it is being converted.
    fn refuse_converting(&self) -> Result<(), StoreError> {
        match &*self.status.borrow() {
            Status::Wrong(reason) if reason == CONVERTING => Err(StoreError::Unavailable(reason.clone())),
            _ => Ok(()),
        }
    }

    fn noted_loss(&self) -> MutexGuard<'_, Option<Loss>> {
        self.loss.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Database for Sqlite {
    async fn look<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn sql::Connection) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.delivering.look(|connection| read(connection)).await
    }

    async fn look_at_once<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn sql::Connection) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.delivering.look(|connection| read(&*connection.unchecked_transaction()?)).await
    }

    async fn look_up<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn sql::Connection) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.asking.look(|connection| read(&*connection.unchecked_transaction()?)).await
    }

    async fn look_in_background<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn sql::Connection) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.reporting.look(|connection| read(&*connection.unchecked_transaction()?)).await
    }

    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn sql::Connection) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.refuse_converting()?;
        self.writer.change(work).await
    }

    fn leave(&self, work: impl FnOnce(&dyn sql::Connection) -> sql::Result<()> + Send + 'static) -> bool {
        self.writer.leave(work)
    }

    async fn record(&self, record: Record) -> Result<Recorded, StoreError> {
        self.refuse_converting()?;
        self.writer.record(record).await
    }

    async fn claim(&self, claim: Claim) -> Result<Claimed, StoreError> {
        self.writer.claim(claim).await
    }

    async fn settle(&self, settle: Settle) -> Result<(), StoreError> {
        self.writer.settle(settle).await
    }

    async fn version(&self) -> Result<i64, StoreError> {
        self.look(|connection| connection.one("PRAGMA data_version", &[], |row| row.get(0))).await
    }

    async fn time(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    fn commits(&self) -> Arc<CommitStats> {
        self.commits.clone()
    }

    async fn writer_answers(&self) -> bool {
        self.writer.answers().await
    }

    fn loss(&self) -> Option<Loss> {
        self.noted_loss().clone()
    }

    fn forget_loss(&self) {
        *self.noted_loss() = None;
    }

    async fn close(&self) {
        self.writer.end().await;
        self.readers.end().await;
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map(drop)
        .map_err(|error| StoreError::Unavailable(format!("no thread for the store: {error}")))
}

/// Has each statement prepared once. A bound value that might matter for how to search would otherwise have SQLite prepare the
/// statement anew for each value, which costs more than most searches.
fn keep_statements(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

fn durability(connection: &dyn sql::Connection) -> sql::Result<(String, i64)> {
    let journal = connection.one("PRAGMA journal_mode", &[], |row| row.get(0))?;
    Ok((journal, connection.one("PRAGMA synchronous", &[], |row| row.get(0))?))
}

fn unopened(path: &Path, error: &rusqlite::Error) -> StoreError {
    StoreError::Unavailable(format!("{} cannot be opened: {error}", path.display()))
}

/// What SQLite says, without the values of any statement.
fn unavailable(error: &rusqlite::Error) -> StoreError {
    StoreError::Unavailable(match error {
        rusqlite::Error::SqliteFailure(code, message) => {
            message.clone().unwrap_or_else(|| format!("SQLite error {}", code.extended_code))
        }
        rusqlite::Error::UnwindingPanic => "an internal error".to_owned(),
        other => other.to_string(),
    })
}
