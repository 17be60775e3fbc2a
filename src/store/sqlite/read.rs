//! The threads that look at the store without changing it: one for delivering, one for whoever asks, one for what may take long.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
#[cfg(target_os = "linux")]
use rustix::process::{getpriority_process, setpriority_process};
use tokio::sync::{mpsc, oneshot};

use crate::store::StoreError;
use crate::store::sql;
use crate::store::sql::jobs::stopped;
use crate::store::sqlite::{BUSY_MS, QUEUE, keep_statements, schema, spawn, unopened};

/// By how much the nice value of a thread in the background is above that of the others.
#[cfg(target_os = "linux")]
const NICER: i32 = 10;

/// What the reader thread is asked for.
enum Reading {
    Look(Look),
    /// The files are not the right ones any more, or they are now.
    Close(oneshot::Sender<()>),
    Open(PathBuf, oneshot::Sender<Result<(), StoreError>>),
}

type Look = Box<dyn FnOnce(Result<&Connection, &StoreError>) + Send>;

/// A read-only connection with a thread of its own.
#[derive(Clone)]
pub struct ReadThread {
    readings: mpsc::Sender<Reading>,
}

impl ReadThread {
    /// Opens an existing store to read, also beside the daemon that holds it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file is missing or cannot be opened.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::start(Some(open(path)?))
    }

    /// As [`ReadThread::open`], of a store that cannot be opened yet.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: there is no thread.
    fn closed() -> Result<Self, StoreError> {
        Self::start(None)
    }

    fn start(connection: Option<Connection>) -> Result<Self, StoreError> {
        let (readings, queue) = mpsc::channel(QUEUE);
        spawn("store-read", move || read(connection, queue))?;
        Ok(Self { readings })
    }

    /// For what may take long: it runs when nothing else wants the processor, or nearly so. It is rare, so each look has a
    /// connection of its own and keeps no memory.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: there is no thread.
    fn in_background(path: Option<PathBuf>) -> Result<Self, StoreError> {
        let (readings, queue) = mpsc::channel(QUEUE);
        spawn("store-report", move || read_in_background(path, queue))?;
        Ok(Self { readings })
    }

    /// Lets go of the files, for the writer thread.
    fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.readings.blocking_send(Reading::Close(reply)).is_ok() {
            let _ = closed.blocking_recv();
        }
    }

    /// As [`ReadThread::close`], when the store is closed.
    async fn end(&self) {
        let (reply, closed) = oneshot::channel();
        if self.readings.send(Reading::Close(reply)).await.is_ok() {
            let _ = closed.await;
        }
    }

    /// Opens the files, for the writer thread.
    ///
    /// # Errors
    /// As [`ReadThread::open`].
    fn reopen(&self, path: &Path) -> Result<(), StoreError> {
        let (reply, opened) = oneshot::channel();
        self.readings.blocking_send(Reading::Open(path.to_owned(), reply)).map_err(|_| stopped())?;
        opened.blocking_recv().map_err(|_| stopped())?
    }

    /// Reads something.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub(super) async fn look<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let look: Look = Box::new(move |connection| {
            let seen = connection.map_err(Clone::clone).and_then(|connection| Ok(read(connection)?));
            // Where the caller was nobody waits for the answer any more.
            let _ = reply.send(seen);
        });
        self.readings.send(Reading::Look(look)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

/// The readers of a store. Whoever asks has one of their own, so that no answer holds up delivering; and so have reports, which
/// hold up neither.
#[derive(Clone)]
pub struct Readers {
    pub(super) delivering: ReadThread,
    pub(super) asking: ReadThread,
    pub(super) reporting: ReadThread,
}

impl Readers {
    /// As [`ReadThread::open`].
    ///
    /// # Errors
    /// As [`ReadThread::open`].
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let (delivering, asking) = (ReadThread::open(path)?, ReadThread::open(path)?);
        Ok(Self { delivering, asking, reporting: ReadThread::in_background(Some(path.to_owned()))? })
    }

    /// As [`Readers::open`], of a store that cannot be opened yet.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: there is no thread.
    pub(super) fn closed() -> Result<Self, StoreError> {
        Ok(Self {
            delivering: ReadThread::closed()?,
            asking: ReadThread::closed()?,
            reporting: ReadThread::in_background(None)?,
        })
    }

    /// One for everything, of a command, which delivers nothing.
    ///
    /// # Errors
    /// As [`ReadThread::open`].
    pub(super) fn one(path: &Path) -> Result<Self, StoreError> {
        let reader = ReadThread::open(path)?;
        Ok(Self { delivering: reader.clone(), asking: reader.clone(), reporting: reader })
    }

    /// Lets go of the files, for the writer thread.
    pub(super) fn close(&self) {
        self.delivering.close();
        self.asking.close();
        self.reporting.close();
    }

    /// As [`Readers::close`], when the store is closed.
    pub(super) async fn end(&self) {
        self.delivering.end().await;
        self.asking.end().await;
        self.reporting.end().await;
    }

    /// Opens the files, for the writer thread.
    ///
    /// # Errors
    /// As [`ReadThread::open`].
    pub(super) fn reopen(&self, path: &Path) -> Result<(), StoreError> {
        self.delivering.reopen(path)?;
        self.asking.reopen(path)?;
        self.reporting.reopen(path)
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // Reading a write-ahead log needs its shared memory file, so the connection is opened for writing, which is then switched off.
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_millis(BUSY_MS))?;
    keep_statements(&connection)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path).map_err(|error| unopened(path, &error))?;
    schema::refuse_other_version(&connection)?;
    Ok(connection)
}

/// The reader thread: ends when nobody can ask any more.
fn read(mut connection: Option<Connection>, mut readings: mpsc::Receiver<Reading>) {
    let closed = closed();
    while let Some(reading) = readings.blocking_recv() {
        match reading {
            Reading::Look(look) => see(look, connection.as_ref().ok_or(&closed)),
            Reading::Close(reply) => {
                connection = None;
                let _ = reply.send(());
            }
            Reading::Open(path, reply) => {
                let opened = open(&path).map(|opened| connection = Some(opened));
                let _ = reply.send(opened);
            }
        }
    }
}

/// As [`read`], with a connection for each look.
fn read_in_background(mut path: Option<PathBuf>, mut readings: mpsc::Receiver<Reading>) {
    yield_to_others();
    while let Some(reading) = readings.blocking_recv() {
        match reading {
            Reading::Look(look) => {
                let opened = path.as_deref().ok_or_else(closed).and_then(open);
                see(look, opened.as_ref());
            }
            Reading::Close(reply) => {
                path = None;
                let _ = reply.send(());
            }
            Reading::Open(other, reply) => {
                path = Some(other);
                let _ = reply.send(Ok(()));
            }
        }
    }
}

/// Runs a look. Whoever asked for one that panics gets an error in place of an answer; the next one is answered as ever.
fn see(look: Look, connection: Result<&Connection, &StoreError>) {
    if std::panic::catch_unwind(AssertUnwindSafe(|| look(connection))).is_err() {
        tracing::error!("a look into the store met an internal error");
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("it is not open".to_owned())
}

/// From now on this thread has what others leave of the processor, and about a tenth beside one that takes all.
#[cfg(target_os = "linux")]
fn yield_to_others() {
    // Without a process, Linux takes the calling thread. Where it refuses, the thread counts as much as the others.
    let _ = getpriority_process(None).and_then(|nice| setpriority_process(None, nice + NICER));
}

/// Elsewhere there is none for one thread.
#[cfg(not(target_os = "linux"))]
fn yield_to_others() {}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rusqlite::StatementStatus;

    use super::*;
    use crate::store::health::Health;
    use crate::store::sql::database;
    use crate::store::sqlite::Sqlite;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_takes_long_yields_to_whatever_else_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("bell.db"), Timestamp::UNIX_EPOCH).unwrap();
        let nice = |_: &dyn sql::Connection| Ok(getpriority_process(None).unwrap());
        let own = getpriority_process(None).unwrap();
        assert_eq!(database::Database::look_up(&store, nice).await.unwrap(), own);
        assert_eq!(database::Database::look_in_background(&store, nice).await.unwrap(), (own + NICER).min(19));
        store.close().await;
        assert!(database::Database::look_in_background(&store, nice).await.is_err(), "it has let go of the files");
    }

    #[tokio::test]
    async fn a_statement_is_prepared_once_whatever_is_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bell.db");
        let store = Sqlite::open(&path, Timestamp::UNIX_EPOCH).unwrap();
        for connection in
            [connect(&path).unwrap(), crate::store::sqlite::opening::connect(&path, Duration::ZERO).unwrap()]
        {
            // An index is partial by `urgent`, and the limit matters for how to search.
            let sql = "SELECT id FROM deliveries WHERE channel = ?1 AND urgent = ?2 AND state = 'waiting' LIMIT ?3";
            for times in 0..4 {
                let mut select = connection.prepare_cached(sql).unwrap();
                assert!(!select.exists(rusqlite::params![times.to_string(), times % 2, times]).unwrap());
                assert_eq!(select.get_status(StatementStatus::RePrepare), 0, "at the {times}th time");
            }
        }
        store.close().await;
    }
}
