//! The two ends of a move of a whole store, where they are SQLite files: one that stands still meanwhile, and one that is there
//! only when all of it is on disk.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::NamedTempFile;

use crate::store::StoreError;
use crate::store::sqlite::lock::Lock;
use crate::store::sqlite::opening::OpenError;
use crate::store::sqlite::{schema, unavailable, unopened, wal};

/// A store that is read while no daemon may open it.
pub struct StillStore {
    // Closed before the file that the lock holds.
    pub connection: Connection,
    lock: Lock,
}

impl StillStore {
    /// Opens an existing store.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when a daemon holds it, or when it is another version's; [`StoreError::Unavailable`] when there is
    /// none.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Unavailable(format!("there is no store at {}", path.display())));
        }
        let lock = Lock::take(path).map_err(OpenError::into_error)?;
        let connection = Connection::open(&lock.path).map_err(|error| unopened(path, &error))?;
        schema::refuse_other_version(&connection)?;
        // One moment, though nobody else should write.
        connection.execute_batch("BEGIN").map_err(|error| unavailable(&error))?;
        Ok(Self { connection, lock })
    }
}

impl StillStore {
    /// Removes the store with what lies beside it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub fn remove(self) -> Result<(), StoreError> {
        let path = self.lock.path.clone();
        for ending in ["", "-wal", "-shm", ".last", ".lock"] {
            match std::fs::remove_file(wal::beside(&path, ending)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::Unavailable(format!("{} cannot be removed: {error}", path.display())));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A store that is being made.
pub struct HalfStore {
    pub connection: Connection,
    half: NamedTempFile,
    path: PathBuf,
}

impl HalfStore {
    /// Begins a store beside the place where it is to be.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when something is there already; [`StoreError::Unavailable`] when it cannot be written.
    pub fn begin(path: &Path) -> Result<Self, StoreError> {
        // A log that was left behind would be taken for this store's.
        for ending in ["", "-wal", "-shm"] {
            let path = wal::beside(path, ending);
            if path.try_exists().map_err(|error| unwritten(&path, &error))? {
                return Err(already(&path));
            }
        }
        let half = tempfile::Builder::new().prefix(".orderbell-move-").tempfile_in(folder_of(path));
        let half = half.map_err(|error| unwritten(path, &error))?;
        let mut connection = Connection::open(half.path()).map_err(|error| unopened(path, &error))?;
        // Nothing that is not whole is ever looked at.
        let quick = connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
        quick.map_err(|error| unavailable(&error))?;
        schema::migrate(&mut connection, path).map_err(OpenError::into_error)?;
        Ok(Self { connection, half, path: path.to_owned() })
    }

    /// Puts it where it is to be.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when something has come there meanwhile; [`StoreError::Unavailable`] when it cannot be written.
    /// Then there is none.
    pub fn finish(self) -> Result<(), StoreError> {
        let Self { connection, half, path } = self;
        connection.execute_batch("PRAGMA journal_mode = WAL").map_err(|error| unavailable(&error))?;
        connection.close().map_err(|(_, error)| unavailable(&error))?;
        half.as_file().sync_all().map_err(|error| unwritten(&path, &error))?;
        half.persist_noclobber(&path).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => already(&path),
            _ => unwritten(&path, &error.error),
        })?;
        let kept = File::open(folder_of(&path)).and_then(|folder| folder.sync_all());
        kept.map_err(|error| unwritten(&path, &error))
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn unwritten(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("{} cannot be written: {error}", path.display()))
}

fn already(path: &Path) -> StoreError {
    StoreError::Refused(format!("{} is there already and stays as it is; choose another name", path.display()))
}
