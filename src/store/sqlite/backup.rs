//! A copy of the store as it is at one moment, made beside the daemon that may be running on it, and looked through before it
//! gets its name.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

use crate::store::StoreError;
use crate::store::contents::{HALF_COPY, StoreContents};
use crate::store::sqlite::{BUSY_MS, contents, spawn, unavailable, unopened};

/// How much less than the daemon's own work a copy is worth to the scheduler: the intake goes first.
#[cfg(target_os = "linux")]
const NICER: i32 = 10;

/// As [`copy`], on a thread of its own, beside which everything else goes first.
///
/// # Errors
/// As [`copy`].
pub async fn copy_quietly(store: &Path, to: &Path) -> Result<StoreContents, StoreError> {
    let (store, to) = (store.to_owned(), to.to_owned());
    let (done, copied) = oneshot::channel();
    spawn("store-backup", move || {
        be_nice();
        // Whoever asked may be gone.
        let _ = done.send(copy(&store, &to));
    })?;
    copied.await.unwrap_or_else(|_| Err(StoreError::Refused("the copy was broken off".to_owned())))
}

/// On Linux it is this thread alone that gets nicer; elsewhere it would be the process.
fn be_nice() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICER);
}

/// Copies the store into a file that is not there yet, for its owner alone. Answers what stands in it. The file is there
/// only when all of it is on disk, and whole.
///
/// # Errors
/// [`StoreError::Unavailable`] when the store cannot be read or the copy cannot be written; then there is none.
/// [`StoreError::Refused`] when there is such a file already, or when what was written is damaged.
pub fn copy(store: &Path, to: &Path) -> Result<StoreContents, StoreError> {
    let unwritten = |error: io::Error| StoreError::Unavailable(format!("{} cannot be written: {error}", to.display()));
    if to.try_exists().map_err(unwritten)? {
        return Err(already(to));
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let half = tempfile::Builder::new().prefix(HALF_COPY).tempfile_in(folder).map_err(unwritten)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(store, flags).map_err(|error| unopened(store, &error))?;
    connection.busy_timeout(Duration::from_millis(BUSY_MS)).map_err(|error| unavailable(&error))?;
    let name = half.path().to_str().ok_or_else(|| StoreError::Refused(format!("{} is no text", to.display())))?;
    // It reads in one transaction, while the daemon writes on.
    connection.execute("VACUUM INTO ?1", [name]).map_err(|error| unavailable(&error))?;
    half.as_file().sync_all().map_err(unwritten)?;
    let (_, contents) = contents::checked(half.path())?;
    half.persist_noclobber(to).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => already(to),
        _ => unwritten(error.error),
    })?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(unwritten)?;
    Ok(contents)
}

fn already(to: &Path) -> StoreError {
    StoreError::Refused(format!("{} is there already and stays as it is; choose another name", to.display()))
}
