//! The store in one SQLite file: one thread writes, whatever is queued goes into one transaction, and then everyone is
//! answered.

pub mod asked;
pub mod backup;
pub mod change;
mod deliver;
mod due;
mod fallback;
mod find;
mod history;
pub mod list;
mod pacing;
mod parking;
mod parts;
mod prune;
pub mod read;
mod record;
mod refusals;
mod repeat;
mod report;
mod rows;
mod schema;
mod troubles;

use std::collections::HashMap;
use std::fs::File;
use std::fs::TryLockError;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::path::PathBuf;
use std::thread;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use crate::domain::order::Order;
use crate::store::Claim;
use crate::store::Claimed;
use crate::store::Record;
use crate::store::Recorded;
use crate::store::Settle;
use crate::store::StoreError;
use crate::store::sqlite::read::Reader;

/// How many jobs may wait for the writer; beyond it, whoever asks waits.
const QUEUE: usize = 1024;
/// How many jobs share a transaction at most.
const GROUP: usize = 1024;
/// Checkpoints every so many pages: a thousand is slower, sixteen thousand stalls.
const CHECKPOINT_PAGES: i64 = 4000;
/// How long a connection waits for a lock that a command holds, in milliseconds.
const BUSY_MS: u64 = 5000;
/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 64;

/// One SQLite file, held by one daemon.
pub struct Sqlite {
    writer: mpsc::Sender<Job>,
    reader: Reader,
    /// Hears when the writer thread has ended and let go of the file.
    ended: oneshot::Receiver<()>,
}

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

enum Job {
    Record(Box<Record>, Reply<Recorded>),
    Change(Change),
}

/// Anything else that is changed: it is given the transaction, and answers what is told after the commit.
type Change = Box<dyn FnOnce(&Connection, &Result<(), StoreError>) -> Afterwards + Send>;

/// The orders that a group of jobs has loaded, folded in memory.
type Orders = HashMap<(String, String), Option<(i64, Order)>>;

impl Sqlite {
    /// Opens the file, or makes it; brings its schema up to date, and takes up what a crash left under way.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when another daemon holds the file, when the bundled SQLite has the write-ahead-log fault, or
    /// when the file was written by a newer version; [`StoreError::Unavailable`] when it cannot be opened or written.
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
        let lock = lock(path)?;
        create(path)?;
        let mut connection = connect(path).map_err(|error| unopened(path, &error))?;
        schema::migrate(&mut connection)?;
        deliver::take_up(&connection, now).map_err(|error| unavailable(&error))?;
        connection.pragma_update(None, "max_page_count", max_pages).map_err(|error| unopened(path, &error))?;
        let reader = Reader::open(path)?;
        let (writer, jobs) = mpsc::channel(QUEUE);
        let (end, ended) = oneshot::channel();
        spawn("store-write", move || {
            write(&mut connection, jobs);
            // Then a copy of the one file is a copy of everything. An error leaves the log in place, where it is just as safe.
            let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            // Until here no second daemon may write beside this one.
            drop(lock);
            let _ = end.send(());
        })?;
        Ok(Self { writer, reader, ended })
    }

    /// Records an event, its repeat keys, its order, its ledger entries and its deliveries, in one commit.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: nothing of it was kept.
    pub async fn record(&self, record: Record) -> Result<Recorded, StoreError> {
        self.ask(|reply| Job::Record(Box::new(record), reply)).await
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
        self.ask(|reply| Job::Change(Box::new(move |connection, begun| simple(connection, begun, reply, work)))).await
    }

    /// Leaves a change with the writer thread, for which nobody waits. Answers whether it was taken.
    fn leave<T: Send + 'static>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static) -> bool {
        let (reply, _) = oneshot::channel();
        let change = move |connection: &Connection, begun: &_| simple(connection, begun, reply, work);
        self.writer.try_send(Job::Change(Box::new(change))).is_ok()
    }

    async fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, StoreError> {
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

/// Whether a daemon holds the store.
pub fn is_held(path: &Path) -> bool {
    matches!(lock(path), Err(StoreError::Refused(_)))
}

/// Takes the lock file beside the store.
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let beside = PathBuf::from(name);
    let file = File::options().create(true).append(true).open(&beside);
    let file =
        file.map_err(|error| StoreError::Unavailable(format!("{} cannot be opened: {error}", beside.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Refused(format!(
            "{} is in use by another orderbell daemon; stop that one first",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => {
            Err(StoreError::Unavailable(format!("{} cannot be locked: {error}", beside.display())))
        }
    }
}

/// Makes the file for its owner alone: it holds what buyers wrote. SQLite gives the files beside it the same mode.
fn create(path: &Path) -> Result<(), StoreError> {
    let made = File::options().create(true).append(true).mode(0o600).open(path);
    made.map(drop).map_err(|error| StoreError::Unavailable(format!("{} cannot be opened: {error}", path.display())))
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
    keep_statements(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    Ok(connection)
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

/// The writer thread: ends when nobody can ask any more.
fn write(connection: &mut Connection, mut jobs: mpsc::Receiver<Job>) {
    while let Some(first) = jobs.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(job) = jobs.try_recv()
        {
            group.push(job);
        }
        // A job that panics takes its group along: their senders hear that the store is unavailable, and nothing is kept.
        let committed = std::panic::catch_unwind(AssertUnwindSafe(|| commit(connection, group)));
        if committed.is_err() {
            tracing::error!("the store met a fault of its own; a group of changes was taken back");
            if !connection.is_autocommit() {
                let _ = connection.execute_batch("ROLLBACK");
            }
        }
    }
}

/// What is told after the commit, or that there was none.
type Afterwards = Box<dyn FnOnce(Result<(), StoreError>)>;

/// Runs a group of jobs in one transaction, each in a savepoint of its own, and answers them after the commit.
fn commit(connection: &mut Connection, group: Vec<Job>) {
    let mut answers: Vec<Afterwards> = Vec::with_capacity(group.len());
    let begun = connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| unavailable(&error));
    let mut orders = Orders::new();
    for job in group {
        let answer: Afterwards = match job {
            Job::Record(record, reply) => {
                run(connection, &begun, reply, |c| record::record(c, &mut orders, &record), || orders_of(&record))
                    .unwrap_or_else(|(answer, touched)| {
                        touched.into_iter().for_each(|key| drop(orders.remove(&key)));
                        answer
                    })
            }
            Job::Change(change) => change(connection, &begun),
        };
        answers.push(answer);
    }
    let ended = begun.and_then(|()| {
        if connection.is_autocommit() {
            // The failure of one statement made SQLite take back the whole transaction.
            return Err(taken_back());
        }
        connection.execute_batch("COMMIT").map_err(|error| {
            let _ = connection.execute_batch("ROLLBACK");
            unavailable(&error)
        })
    });
    for answer in answers {
        answer(ended.clone());
    }
}

/// The orders that a record may have touched, to be loaded anew when it is taken back.
fn orders_of(record: &Record) -> Vec<(String, String)> {
    let number = record.event.order.as_ref().map(|order| order.number.clone());
    number.map(|number| (record.event.source.clone(), number)).into_iter().collect()
}

/// Runs one job in its savepoint. `Err` carries what the job may have left in memory, when it was taken back.
fn run<T: 'static>(
    connection: &Connection,
    begun: &Result<(), StoreError>,
    reply: Reply<T>,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    touched: impl FnOnce() -> Vec<(String, String)>,
) -> Result<Afterwards, (Afterwards, Vec<(String, String)>)> {
    let done = match begun {
        Err(error) => Err(error.clone()),
        // A job before this one made SQLite take back the transaction. Outside of it, this one would be kept by itself,
        // and yet be answered that it was not.
        Ok(()) if connection.is_autocommit() => Err(taken_back()),
        Ok(()) => in_savepoint(connection, work).map_err(|error| unavailable(&error)),
    };
    let failed = done.is_err();
    let answer: Afterwards = Box::new(move |ended| {
        // Whoever asked may be gone; the change stands all the same.
        let _ = reply.send(ended.and(done));
    });
    if failed { Err((answer, touched())) } else { Ok(answer) }
}

fn simple<T: 'static>(
    connection: &Connection,
    begun: &Result<(), StoreError>,
    reply: Reply<T>,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Afterwards {
    run(connection, begun, reply, work, Vec::new).unwrap_or_else(|(answer, _)| answer)
}

fn in_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let run = |sql: &str| connection.prepare_cached(sql)?.execute([]);
    run("SAVEPOINT job")?;
    match work(connection) {
        Ok(done) => {
            run("RELEASE job")?;
            Ok(done)
        }
        Err(error) => {
            if !connection.is_autocommit() {
                run("ROLLBACK TO job")?;
                run("RELEASE job")?;
            }
            Err(error)
        }
    }
}

fn taken_back() -> StoreError {
    StoreError::Unavailable("the disk is full or cannot be written".to_owned())
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
        other => other.to_string(),
    })
}
