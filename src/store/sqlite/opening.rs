//! Opening the store for the daemon: its locks, its connection, its schema; and whether a failure passes by itself.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode};

use crate::store::StoreError;
use crate::store::sqlite::files::Files;
use crate::store::sqlite::lock::Lock;
use crate::store::sqlite::{deliver, keep_statements, schema, unavailable, unopened};

/// Checkpoints every so many pages: a thousand is slower, sixteen thousand stalls.
const CHECKPOINT_PAGES: i64 = 4000;
/// How long the daemon waits for the write lock while another program holds it.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// And how long while it has waited for so long in vain: what is queued behind must not wait in series.
pub const SHORT_PATIENCE: Duration = Duration::from_millis(50);

/// Why the store is not open.
#[derive(Debug)]
pub enum Failure {
    /// It passes by itself, or when room is made: the disk is full or read-only, another program holds the database.
    Later(String),
    /// A person must act first.
    Never(StoreError),
}

impl Failure {
    pub fn into_error(self) -> StoreError {
        match self {
            Failure::Later(reason) => StoreError::Unavailable(reason),
            Failure::Never(error) => error,
        }
    }

    pub fn of_io(path: &Path, done: &str, error: &io::Error) -> Self {
        let text = format!("{} cannot be {done}: {error}", path.display());
        /// EIO: the device, or the server behind it, does not answer.
        const IO_ERROR: i32 = 5;
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem => {
                Failure::Later(text)
            }
            _ if error.raw_os_error() == Some(IO_ERROR) => Failure::Later(text),
            _ => Failure::Never(StoreError::Unavailable(text)),
        }
    }

    fn of_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        use ErrorCode::CannotOpen;
        use ErrorCode::DatabaseBusy;
        use ErrorCode::DatabaseCorrupt;
        use ErrorCode::DatabaseLocked;
        use ErrorCode::DiskFull;
        use ErrorCode::NotADatabase;
        use ErrorCode::OutOfMemory;
        use ErrorCode::ReadOnly;
        use ErrorCode::SystemIoFailure;
        let later = || Failure::Later(unopened(path, error).to_string());
        match error.sqlite_error_code() {
            Some(NotADatabase | DatabaseCorrupt) => Failure::Never(damaged(path, &error.to_string())),
            Some(DiskFull | DatabaseBusy | DatabaseLocked | SystemIoFailure | OutOfMemory | ReadOnly) => later(),
            // The files beside it cannot be made.
            Some(CannotOpen) if is_full(path) => later(),
            _ => Failure::Never(unopened(path, error)),
        }
    }

    /// Of a migration, whose error has SQLite's inside.
    pub fn of_migration(path: &Path, error: StoreError, cause: &(dyn Error + 'static)) -> Self {
        let mut cause = Some(cause);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<rusqlite::Error>() {
                return Self::of_sqlite(path, error);
            }
            cause = error.source();
        }
        Failure::Never(error)
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
#[derive(Clone)]
pub struct Place {
    /// As it is configured.
    pub path: PathBuf,
    /// The file grows no further, in pages of 4 KiB.
    pub max_pages: u32,
}

/// An open store.
pub struct Opened {
    // Fields are dropped in this sequence: the file that the lock holds must be closed after SQLite has closed it.
    pub connection: Connection,
    pub files: Files,
    pub lock: Lock,
}

impl Place {
    /// Opens the file, or makes it; brings its schema up to date, and takes up what a crash left under way.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn open(&self, now: Timestamp, patience: Duration) -> Result<Opened, Failure> {
        let lock = Lock::take(&self.path)?;
        let (mut connection, files) = self.connect(&lock, patience)?;
        schema::migrate(&mut connection, &self.path)?;
        deliver::take_up(&connection, now).map_err(|error| Failure::of_sqlite(&self.path, &error))?;
        self.limit(&connection)?;
        Ok(Opened { connection, files, lock })
    }

    /// Opens the file once more, under the locks that are held.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn reopen(&self, lock: &Lock) -> Result<(Connection, Files), Failure> {
        let (connection, files) = self.connect(lock, PATIENCE)?;
        self.limit(&connection)?;
        Ok((connection, files))
    }

    fn connect(&self, lock: &Lock, patience: Duration) -> Result<(Connection, Files), Failure> {
        let connection = connect(&lock.path, patience).map_err(|error| Failure::of_sqlite(&self.path, &error))?;
        let files = Files::of(&self.path, lock).map_err(|error| Failure::of_io(&self.path, "opened", &error))?;
        Ok((connection, files))
    }

    fn limit(&self, connection: &Connection) -> Result<(), Failure> {
        let limited = connection.pragma_update(None, "max_page_count", self.max_pages);
        limited.map_err(|error| Failure::of_sqlite(&self.path, &error))
    }
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
