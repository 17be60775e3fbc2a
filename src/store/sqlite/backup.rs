//! A copy of the store as it is at one moment, made beside the daemon that may be running on it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::store::StoreError;
use crate::store::sqlite::{BUSY_MS, unavailable, unopened};

/// Copies the store into a file that is not there yet, for its owner alone. Answers its size in bytes. The file is there
/// only when all of it is on disk.
///
/// # Errors
/// [`StoreError::Unavailable`] when the store cannot be read or the copy cannot be written; then there is none.
/// [`StoreError::Refused`] when there is such a file already.
pub fn copy(store: &Path, to: &Path) -> Result<u64, StoreError> {
    let unwritten = |error: io::Error| StoreError::Unavailable(format!("{} cannot be written: {error}", to.display()));
    if to.try_exists().map_err(unwritten)? {
        return Err(already(to));
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let half = tempfile::Builder::new().prefix(".orderbell-backup-").tempfile_in(folder).map_err(unwritten)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(store, flags).map_err(|error| unopened(store, &error))?;
    connection.busy_timeout(Duration::from_millis(BUSY_MS)).map_err(|error| unavailable(&error))?;
    let name = half.path().to_str().ok_or_else(|| StoreError::Refused(format!("{} is no text", to.display())))?;
    // It reads in one transaction, while the daemon writes on.
    connection.execute("VACUUM INTO ?1", [name]).map_err(|error| unavailable(&error))?;
    half.as_file().sync_all().map_err(unwritten)?;
    let bytes = half.as_file().metadata().map_err(unwritten)?.len();
    half.persist_noclobber(to).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => already(to),
        _ => unwritten(error.error),
    })?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(unwritten)?;
    Ok(bytes)
}

fn already(to: &Path) -> StoreError {
    StoreError::Refused(format!("{} is there already and stays as it is; choose another name", to.display()))
}
