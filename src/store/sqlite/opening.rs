//! Opening the store for the daemon: its locks, its connection, its schema; and whether a failure passes by itself.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};

use crate::store::StoreError;
use crate::store::health::Loss;
use crate::store::sql;
use crate::store::sql::deliver;
use crate::store::sqlite::files::Files;
use crate::store::sqlite::last_known::{DatabaseState, LastKnown, Newest};
use crate::store::sqlite::lock::Lock;
use crate::store::sqlite::wal::Inspection;
use crate::store::sqlite::{conversion, keep_statements, schema, unavailable, unopened, wal};

/// Checkpoints every so many pages: a thousand is slower, sixteen thousand stalls.
const CHECKPOINT_PAGES: i64 = 4000;
/// How long the daemon waits for the write lock while another program holds it.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// And how long while it has waited for so long in vain: what is queued behind must not wait in series.
pub const SHORT_PATIENCE: Duration = Duration::from_millis(50);

/// How long the database is looked through before the first webhook is taken, at most.
pub const CHECK_FOR: Duration = Duration::from_millis(100);

/// Why the store is not open.
#[derive(Debug)]
pub enum OpenError {
    /// It passes by itself, or when room is made: the disk is full or read-only, another program holds the database.
    Later(String),
    /// A person must act first.
    Never(StoreError),
}

impl OpenError {
    pub fn into_error(self) -> StoreError {
        match self {
            OpenError::Later(reason) => StoreError::Unavailable(reason),
            OpenError::Never(error) => error,
        }
    }

    pub fn of_io(path: &Path, done: &str, error: &io::Error) -> Self {
        let text = format!("{} cannot be {done}: {error}", path.display());
        /// EIO: the device, or the server behind it, does not answer.
        const IO_ERROR: i32 = 5;
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem => {
                OpenError::Later(text)
            }
            _ if error.raw_os_error() == Some(IO_ERROR) => OpenError::Later(text),
            _ => OpenError::Never(StoreError::Unavailable(text)),
        }
    }

    pub fn of_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        use ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, OutOfMemory, ReadOnly,
            SystemIoFailure,
        };
        let later = || OpenError::Later(unopened(path, error).to_string());
        match error.sqlite_error_code() {
            Some(NotADatabase | DatabaseCorrupt) => OpenError::Never(damaged(path, &error.to_string())),
            Some(DiskFull | DatabaseBusy | DatabaseLocked | SystemIoFailure | OutOfMemory | ReadOnly) => later(),
            // The files beside it cannot be made.
            Some(CannotOpen) if is_full(path) => later(),
            _ => OpenError::Never(unopened(path, error)),
        }
    }

    pub fn of_sql(path: &Path, error: sql::Error) -> Self {
        match error {
            sql::Error::Failed(error) => Self::of_cause(path, StoreError::Unavailable(error.to_string()), &*error),
            error => OpenError::Never(error.into()),
        }
    }

    /// Of an error that has SQLite's inside.
    pub fn of_cause(path: &Path, error: StoreError, cause: &(dyn Error + 'static)) -> Self {
        let mut cause = Some(cause);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<rusqlite::Error>() {
                return Self::of_sqlite(path, error);
            }
            cause = error.source();
        }
        OpenError::Never(error)
    }
}

fn is_full(path: &Path) -> bool {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    rustix::fs::statvfs(folder).is_ok_and(|disk| disk.f_bavail == 0 || disk.f_favail == 0)
}

/// The database is not what SQLite wrote.
pub fn damaged(path: &Path, found: &str) -> StoreError {
    let path = path.display();
    StoreError::Refused(format!(
        "{path} is damaged ({found}) and is left as it is; stop orderbell, move {path}, {path}-wal and {path}-shm aside, put a backup in the place of {path}, and start it again"
    ))
}

/// What it takes to open the store, also a second time.
pub struct StorePlace {
    /// As it is configured.
    pub path: PathBuf,
    /// The file grows no further, in pages of 4 KiB.
    pub max_pages: u32,
    /// How long the database is looked through, at most.
    pub check_for: Duration,
    /// What was found at the first try; a later one finds what that one left.
    pub before: Option<(DatabaseState, Inspection)>,
}

/// A store that was opened.
#[expect(clippy::large_enum_variant, reason = "one of them is made at a start")]
pub enum Opened {
    Ready(OpenStore),
    Converting(ConvertingStore),
}

/// Why nothing can be stored meanwhile.
pub const CONVERTING: &str =
    "the store of an older version is being converted, which takes a while; it goes on by itself";

/// A store of an older version, whose events and orders are being converted.
pub struct ConvertingStore {
    // In the same sequence as of an open store.
    pub connection: Connection,
    files: Files,
    lock: Lock,
    found: DatabaseState,
    log: Inspection,
    looked: LookedThrough,
}

/// How far the database was looked through for damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookedThrough {
    All,
    /// It is too large for a start.
    Partly,
}

/// An open store.
pub struct OpenStore {
    // Fields are dropped in this sequence: the file that the lock holds must be closed after SQLite has closed it.
    pub connection: Connection,
    pub files: Files,
    pub lock: Lock,
    pub last_known: LastKnown,
    /// What may be missing, as far as the operator was not notified of it.
    pub loss: Option<Loss>,
    pub looked: LookedThrough,
}

impl StorePlace {
    /// Opens the file, or makes it; sees whether something is missing; brings the schema up to date, and takes up what a crash
    /// left under way.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&mut self, now: Timestamp, patience: Duration) -> Result<Opened, OpenError> {
        let found = match std::fs::metadata(&self.path) {
            Ok(found) if found.len() > 0 => DatabaseState::There,
            Ok(_) => DatabaseState::Empty,
            Err(_) => DatabaseState::Missing,
        };
        let lock = Lock::take(&self.path)?;
        let (found, log) = self.inspect(found, &lock)?;
        let (mut connection, files) = self.connect(&lock, patience)?;
        let looked = refuse_damaged(&mut connection, &self.path, self.check_for)?;
        schema::refuse_newer(&connection).map_err(OpenError::Never)?;
        let failed = |error: rusqlite::Error| OpenError::of_sqlite(&self.path, &error);
        let takes_long = schema::takes_long(&connection).map_err(failed)?;
        if !takes_long {
            schema::migrate(&mut connection, &self.path)?;
        }
        let is_converting = takes_long || conversion::progress(&connection).map_err(failed)?.is_some();
        let opened = ConvertingStore { connection, files, lock, found, log, looked };
        match is_converting {
            true => Ok(Opened::Converting(opened)),
            false => self.finish(opened, now).map(Opened::Ready),
        }
    }

    /// Takes up a store in which nothing is left to be converted.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn finish(&self, opened: ConvertingStore, now: Timestamp) -> Result<OpenStore, OpenError> {
        let ConvertingStore { connection, files, lock, found, log, looked } = opened;
        let of_sql = |error: sql::Error| OpenError::of_sql(&self.path, error);
        let newest = Newest::of(&connection).map_err(of_sql)?;
        let mut last_known = LastKnown::read(&lock.path);
        let loss = last_known.compare(&newest, found, log);
        take_up(&connection, now).map_err(of_sql)?;
        self.limit(&connection)?;
        if let Some(loss) = &loss {
            let (from, until) = (said(loss.from, "the beginning"), said(loss.until, "now"));
            tracing::error!("events may be missing, from {from} to {until}: {}", loss.found);
            last_known.renew(newest, Some(loss.clone()));
        }
        Ok(OpenStore { connection, files, lock, last_known, loss, looked })
    }

    /// How the files are found before SQLite looks at them.
    fn inspect(&mut self, found: DatabaseState, lock: &Lock) -> Result<(DatabaseState, Inspection), OpenError> {
        if let Some(before) = self.before {
            return Ok(before);
        }
        let unreadable = |error: io::Error| OpenError::of_io(&self.path, "read", &error);
        let mut log = wal::inspect(&lock.path).map_err(unreadable)?;
        if found != DatabaseState::There {
            // SQLite would delete the log of a database that is not there.
            let has_log = std::fs::metadata(wal::beside(&lock.path, "-wal")).is_ok_and(|log| log.len() > 0);
            log = Inspection { is_damaged: has_log || log.is_damaged, is_useless: has_log, ..log };
        }
        if log.is_useless {
            wal::set_aside(&lock.path).map_err(unreadable)?;
            tracing::warn!(
                "the write-ahead log of {} is of no use to it and is kept as {0}-wal.aside",
                lock.path.display()
            );
        }
        self.before = Some((found, log));
        Ok((found, log))
    }

    /// Opens the file once more, under the locks that are held.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn reopen(&self, lock: &Lock) -> Result<(Connection, Files), OpenError> {
        let (connection, files) = self.connect(lock, PATIENCE)?;
        self.limit(&connection)?;
        Ok((connection, files))
    }

    fn connect(&self, lock: &Lock, patience: Duration) -> Result<(Connection, Files), OpenError> {
        let connection = connect(&lock.path, patience).map_err(|error| OpenError::of_sqlite(&self.path, &error))?;
        let files = Files::of(&self.path, lock).map_err(|error| OpenError::of_io(&self.path, "opened", &error))?;
        Ok((connection, files))
    }

    fn limit(&self, connection: &Connection) -> Result<(), OpenError> {
        let limited = connection.pragma_update(None, "max_page_count", self.max_pages);
        limited.map_err(|error| OpenError::of_sqlite(&self.path, &error))
    }
}

fn take_up(connection: &Connection, now: Timestamp) -> sql::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    deliver::take_up(&*transaction, now)?;
    Ok(transaction.commit()?)
}

fn said(at: Option<Timestamp>, otherwise: &str) -> String {
    at.map_or_else(|| otherwise.to_owned(), |at| format!("{at:.0}"))
}

/// Looks through the database for as long as that may take.
fn refuse_damaged(connection: &mut Connection, path: &Path, check_for: Duration) -> Result<LookedThrough, OpenError> {
    if check_for.is_zero() {
        return Ok(LookedThrough::Partly);
    }
    // Until it is known to be sound, closing it must not write what the log holds into it.
    let keeps_log = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    connection.set_db_config(keeps_log, true).map_err(|error| OpenError::of_sqlite(path, &error))?;
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let handle = connection.get_interrupt_handle();
    let timer = std::thread::spawn(move || {
        if is_done.recv_timeout(check_for) == Err(RecvTimeoutError::Timeout) {
            handle.interrupt();
        }
    });
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    drop(done);
    // After it nothing else is interrupted.
    let _ = timer.join();
    let looked = match found {
        Ok(found) if found == "ok" => LookedThrough::All,
        Ok(found) => return Err(OpenError::Never(damaged(path, &found))),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => LookedThrough::Partly,
        Err(error) => return Err(OpenError::of_sqlite(path, &error)),
    };
    connection.set_db_config(keeps_log, false).map_err(|error| OpenError::of_sqlite(path, &error))?;
    Ok(looked)
}

/// The connection that writes.
pub fn connect(path: &Path, patience: Duration) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(patience)?;
    keep_statements(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    // The log and its index are there from the first look on.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// Writes what the log holds into the main file and empties the log. Answers whether it is empty now.
///
/// # Errors
/// As SQLite says it; the log is just as safe.
pub fn checkpoint(connection: &Connection, patience: Duration) -> Result<bool, StoreError> {
    let emptied = connection
        .busy_timeout(patience)
        .and_then(|()| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)));
    let restored = connection.busy_timeout(PATIENCE);
    let busy = emptied.map_err(|error| unavailable(&error))?;
    restored.map_err(|error| unavailable(&error))?;
    Ok(busy == 0)
}
