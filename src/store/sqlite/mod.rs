//! The store in one SQLite file: one thread writes, whatever is queued goes into one transaction, and then everyone is
//! answered.

mod alive;
pub mod backup;
mod catch_up;
pub mod change;
mod clock;
mod commit;
mod dedupe;
mod deliver;
mod due;
mod fallback;
mod files;
mod find;
mod history;
mod incidents;
pub mod inquiries;
pub mod last_known;
pub mod list;
pub mod lock;
mod named;
mod opening;
mod pacing;
mod parking;
mod parts;
mod prune;
pub mod read;
mod record;
mod refusals;
mod report;
mod rows;
mod schema;
pub mod test_send;
mod wal;
pub mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::{mpsc, oneshot, watch};

use crate::store::sqlite::commit::{ReplySender, WriterJob, simple};
use crate::store::sqlite::last_known::Loss;
use crate::store::sqlite::opening::{OpenError, PATIENCE, StorePlace};
use crate::store::sqlite::read::Reader;
use crate::store::sqlite::writer::{Status, Writer};
use crate::store::{Claim, Claimed, Record, Recorded, Settle, StoreError};

/// How many jobs may wait for the writer; beyond it, whoever asks waits.
const QUEUE: usize = 1024;
/// How long a command's connection waits for a lock, in milliseconds.
const BUSY_MS: u64 = 5000;
/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 64;

/// One SQLite file, held by one daemon.
pub struct Sqlite {
    writer: mpsc::Sender<WriterJob>,
    reader: Reader,
    status: watch::Receiver<Status>,
    loss: Arc<Mutex<Option<Loss>>>,
    /// Resolves when the writer thread has ended and let go of the file.
    ended: oneshot::Receiver<()>,
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
        schema::refuse_faulty_sqlite()?;
        let mut place = StorePlace { path: path.to_owned(), max_pages, before: None };
        let (opened, status) = match place.open(now, PATIENCE) {
            Ok(opened) => (Some(opened), Status::Ready(None)),
            Err(OpenError::Later(reason)) => {
                tracing::error!(
                    "the database cannot be used yet, so webhooks are answered 503; it is tried again and again: {reason}"
                );
                (None, Status::Wrong(reason))
            }
            Err(OpenError::Never(error)) => return Err(error),
        };
        let reader = match &opened {
            Some(opened) => Reader::open(&opened.lock.path)?,
            None => Reader::closed()?,
        };
        let (writer, jobs) = mpsc::channel(QUEUE);
        let (end, ended) = oneshot::channel();
        let (status, seen) = watch::channel(status);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|error| StoreError::Unavailable(format!("no timer for the store: {error}")))?;
        let loss = Arc::new(Mutex::new(opened.as_ref().and_then(|opened| opened.loss.clone())));
        let thread = Writer::new(place, opened, reader.clone(), status, loss.clone(), now);
        spawn("store-write", move || {
            // Until its end no second daemon may write beside this one.
            thread.run(jobs, &runtime);
            let _ = end.send(());
        })?;
        Ok(Self { writer, reader, status: seen, loss, ended })
    }

    /// Returns when the store has been opened, which may take as long as the disk is full; at once where it was.
    pub async fn opened(&self) {
        // An error means that the thread has ended, and then nothing can be asked of the store any more either.
        let _ = self.status.clone().wait_for(|status| matches!(status, Status::Ready(_))).await;
    }

    /// Whether the store's files can be used, and how that changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Whether the store's files can be used now.
    pub fn is_ready(&self) -> bool {
        matches!(&*self.status.borrow(), Status::Ready(_))
    }

    /// What may be missing, by what the last start of the store found, until the operator was notified of it.
    pub fn loss(&self) -> Option<Loss> {
        self.loss.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The operator was notified of what may be missing, so no later start says it again.
    pub fn forget_loss(&self) {
        *self.loss.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Records an event, its repeat keys, its order, its ledger entries and its deliveries, in one commit.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: nothing of it was kept.
    pub async fn record(&self, record: Record) -> Result<Recorded, StoreError> {
        self.ask(|reply| WriterJob::Record(Box::new(record), reply)).await
    }

    /// Begins an attempt: what is about to be sent is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: the attempt must not be made.
    pub async fn claim(&self, claim: Claim) -> Result<Claimed, StoreError> {
        self.change(move |connection| deliver::claim(connection, &claim)).await
    }

    /// Ends an attempt.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: the outcome was not kept; the caller should try again, else the message may go out twice.
    pub async fn settle(&self, settle: Settle) -> Result<(), StoreError> {
        self.change(move |connection| deliver::settle(connection, &settle)).await
    }

    /// Removes events older than `before` whose deliveries are all done, at most `steps` of them, beginning after the event
    /// numbered `after_seq`. Answers how many, and where to go on; `None` at the end.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn prune(&self, before: Timestamp, after_seq: i64, steps: u32) -> Result<(u64, Option<i64>), StoreError> {
        let pruned = self.change(move |connection| prune::prune(connection, before, after_seq, steps)).await?;
        Ok((pruned.removed, pruned.next))
    }

    /// The writer's `journal_mode` and `synchronous`, as SQLite says them: a promise hangs on both.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn durability(&self) -> Result<(String, i64), StoreError> {
        self.change(durability).await
    }

    /// Lets go of the file, after everything that was asked is done.
    pub async fn close(self) {
        drop(self.writer);
        // An error means that the thread has ended already.
        let _ = self.ended.await;
    }

    /// The reading side.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Has the writer thread change something, in the transaction of its group and a savepoint of its own.
    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.ask(|reply| WriterJob::Change(Box::new(move |transaction| simple(transaction, reply, work)))).await
    }

    /// Leaves a change with the writer thread, for which nobody waits. Answers whether it was taken.
    fn leave<T: Send + 'static>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static) -> bool {
        let (reply, _) = oneshot::channel();
        self.writer.try_send(WriterJob::Change(Box::new(move |transaction| simple(transaction, reply, work)))).is_ok()
    }

    async fn ask<T>(&self, job: impl FnOnce(ReplySender<T>) -> WriterJob) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.writer.send(job(reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
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

fn durability(connection: &Connection) -> rusqlite::Result<(String, i64)> {
    let journal = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    Ok((journal, connection.pragma_query_value(None, "synchronous", |row| row.get(0))?))
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the store was stopped".to_owned())
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
