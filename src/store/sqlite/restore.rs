//! A backup put into the place of a store, in two steps between which a person decides: first it is copied beside that place,
//! looked through and brought up to date; then it takes the place, all at once, and what was there is kept aside.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Connection;
use tempfile::NamedTempFile;

use crate::store::StoreError;
use crate::store::contents::{PresentStore, RestoreFindings, StoreContents, WaitingChoice};
use crate::store::sql::restored;
use crate::store::sqlite::lock::{Identity, Lock};
use crate::store::sqlite::opening::OpenError;
use crate::store::sqlite::{contents, conversion, files, schema, unavailable, unopened, wal};

/// A backup that could take the place of the store. While it is there, no daemon starts on that store.
pub struct BackupCopy {
    pub found: RestoreFindings,
    half: NamedTempFile,
    connection: Connection,
    lock: Lock,
    /// Whether there was a store before the lock was taken, which makes an empty file.
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Taken,
    Empty,
}

impl Drop for BackupCopy {
    fn drop(&mut self) {
        if self.place == Place::Empty && std::fs::metadata(&self.lock.path).is_ok_and(|file| file.len() == 0) {
            let _ = std::fs::remove_file(&self.lock.path);
        }
    }
}

impl BackupCopy {
    /// Looks through a backup, and copies it beside the store.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when a daemon holds the store, when the backup is damaged, none, or that of a newer version, or
    /// when this user is not the store's; [`StoreError::Unavailable`] when something cannot be read or written.
    pub fn of(backup: &Path, store: &Path) -> Result<Self, StoreError> {
        refuse_the_same(backup, store)?;
        refuse_another_user(store)?;
        let place = if store.exists() { Place::Taken } else { Place::Empty };
        let lock = Lock::take(store).map_err(OpenError::into_error)?;
        let mut prepared = Self::begin(backup, lock, place)?;
        prepared.found.present = match place {
            Place::Taken => Some(prepared.compare()),
            Place::Empty => None,
        };
        Ok(prepared)
    }

    fn begin(backup: &Path, lock: Lock, place: Place) -> Result<Self, StoreError> {
        let begun = || {
            let (from, found) = contents::checked(backup)?;
            schema::refuse_newer(&from)?;
            refuse_full(&lock.path, found.bytes)?;
            let half = tempfile::Builder::new().prefix(".orderbell-restore-").tempfile_in(folder_of(&lock.path));
            let half = half.map_err(|error| unwritten(&lock.path, &error))?;
            let name = half.path().to_str().ok_or_else(|| StoreError::Refused("its folder is no text".to_owned()))?;
            from.execute("VACUUM INTO ?1", [name]).map_err(|error| unavailable(&error))?;
            let mut connection = Connection::open(half.path()).map_err(|error| unopened(half.path(), &error))?;
            bring_up_to_date(&mut connection, half.path())?;
            // As the daemon finds it: an older backup keeps its events elsewhere until it is converted.
            let now = contents::read(&connection, found.bytes)?;
            let backup = StoreContents { schema: found.schema, ..now };
            Ok((half, connection, RestoreFindings { backup, present: None }))
        };
        match begun() {
            Ok((half, connection, found)) => Ok(Self { found, half, connection, lock, place }),
            Err(error) => {
                if place == Place::Empty {
                    let _ = std::fs::remove_file(&lock.path);
                }
                Err(error)
            }
        }
    }

    /// What the present store has that the backup has not.
    fn compare(&self) -> Result<PresentStore, String> {
        let said = |error: StoreError| error.to_string();
        if !files::begins_as_database(&self.lock.database) {
            return Err("it is no database".to_owned());
        }
        let present = contents::open(&self.lock.path).map_err(said)?;
        schema::refuse_other_version(&present).map_err(said)?;
        let bytes = std::fs::metadata(&self.lock.path).map_or(0, |found| found.len());
        let contents = contents::read(&present, bytes).map_err(said)?;
        restored::compare(&self.connection, &present, contents).map_err(|error| error.to_string())
    }

    /// Puts it into the place of the store. Answers under which name the one that was there is kept.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: the store is as it was.
    pub fn put_in_place(
        mut self,
        choice: WaitingChoice,
        stamp: &str,
        now: Timestamp,
    ) -> Result<Option<PathBuf>, StoreError> {
        let attempted = match &self.found.present {
            Some(Ok(present)) => Some(&present.attempted),
            // Nobody knows what was sent since.
            Some(Err(_)) | None => None,
        };
        let changed = self.connection.transaction().map_err(|error| unavailable(&error))?;
        restored::decide(&*changed, choice, attempted, now)?;
        changed.commit().map_err(|error| unavailable(&error))?;
        let store = self.lock.path.clone();
        let failed = |error: io::Error| unwritten(&store, &error);
        self.half.as_file().sync_all().map_err(failed)?;
        let aside = match self.place {
            Place::Taken => Some(keep_aside(&self.lock, stamp)?),
            Place::Empty => {
                // A log that was left behind would be taken for this store's.
                wal::set_aside(&store).map_err(failed)?;
                None
            }
        };
        std::fs::rename(self.half.path(), &store).map_err(failed)?;
        self.place = Place::Taken;
        File::open(folder_of(&store)).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(aside)
    }
}

/// Gives the present store a second name. What its write-ahead log holds is written into it before: beside another database,
/// the log would be taken for that one's.
fn keep_aside(lock: &Lock, stamp: &str) -> Result<PathBuf, StoreError> {
    let store = lock.path.as_path();
    let aside = wal::beside(store, &format!(".before-{stamp}"));
    let failed = |error: io::Error| unwritten(&aside, &error);
    // SQLite would delete a log beside what it does not know.
    if files::begins_as_database(&lock.database) {
        let emptied = Connection::open(store).and_then(|present| present.execute_batch("PRAGMA journal_mode = DELETE"));
        if let Err(error) = emptied {
            tracing::debug!(%error, "the present store is kept as it is, with its log");
        }
    }
    if aside.exists() {
        return Err(StoreError::Refused(format!("{} is there already; try again in a moment", aside.display())));
    }
    // Some file systems have no second names; there the place is empty for a moment.
    std::fs::hard_link(store, &aside).or_else(|_| std::fs::rename(store, &aside)).map_err(failed)?;
    for ending in ["-wal", "-shm"] {
        let beside = wal::beside(store, ending);
        if beside.exists() {
            std::fs::rename(&beside, wal::beside(&aside, ending)).map_err(failed)?;
        }
    }
    Ok(aside)
}

fn bring_up_to_date(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    schema::migrate(connection, path).map_err(OpenError::into_error)?;
    while conversion::step(connection).map_err(|error| unavailable(&error))?.is_some() {}
    Ok(())
}

fn refuse_the_same(backup: &Path, store: &Path) -> Result<(), StoreError> {
    let unreadable =
        |error: io::Error| StoreError::Unavailable(format!("{} cannot be read: {error}", backup.display()));
    let (given, _) = Identity::at(backup).map_err(unreadable)?;
    match Identity::at(store).is_ok_and(|(present, _)| present == given) {
        true => Err(StoreError::Refused(format!("{} is the store itself", backup.display()))),
        false => Ok(()),
    }
}

/// What another user makes here, the daemon may not be able to open.
fn refuse_another_user(store: &Path) -> Result<(), StoreError> {
    let owner = std::fs::metadata(store).or_else(|_| std::fs::metadata(folder_of(store)));
    let owner = owner.map_err(|error| unwritten(store, &error))?.uid();
    match owner == rustix::process::geteuid().as_raw() {
        true => Ok(()),
        false => Err(StoreError::Refused(format!(
            "{} belongs to the user with the number {owner}; run this as that user, so that the daemon can open what it makes",
            store.display()
        ))),
    }
}

fn refuse_full(store: &Path, bytes: u64) -> Result<(), StoreError> {
    let Ok(disk) = rustix::fs::statvfs(folder_of(store)) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    match free < bytes {
        true => Err(StoreError::Unavailable(format!(
            "there is no room beside {}: the copy needs {} MiB, and {} MiB are free",
            store.display(),
            bytes.div_ceil(1 << 20),
            free >> 20
        ))),
        false => Ok(()),
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn unwritten(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("{} cannot be written: {error}", path.display()))
}
