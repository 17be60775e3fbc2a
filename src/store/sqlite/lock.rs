//! Who holds the store: one daemon at a time, by whatever name it comes and whatever becomes of the lock file.
//!
//! Two locks are held until the end. The lock file, named by the canonical path, keeps out daemons of every version. The
//! database file itself is locked as a whole (`flock`), which a hard link, a moved folder or a removed lock file do not get
//! around; SQLite's own locks (`fcntl`) are of another kind and do not meet it, except on file systems over a network, where
//! only the lock file is used. The database file is opened for this once and closed after SQLite has closed it: closing it
//! earlier would drop SQLite's locks.

use std::fs::{File, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{io, thread};

use crate::store::StoreError;
use crate::store::sqlite::opening::OpenError;

/// A command that looks whether a daemon runs has the lock for a moment, and so has a program that another one is starting.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(15);

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Of what stands at a path now, with its size.
    ///
    /// # Errors
    /// As of `stat`.
    pub fn at(path: &Path) -> io::Result<(Self, u64)> {
        std::fs::metadata(path).map(|found| (Self { device: found.dev(), inode: found.ino() }, found.len()))
    }

    /// Of an open file.
    ///
    /// # Errors
    /// As of `fstat`.
    pub fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|found| Self { device: found.dev(), inode: found.ino() })
    }
}

/// The locks of a store.
pub struct Lock {
    /// The canonical path of the database.
    pub path: PathBuf,
    /// The database file, open until the end.
    pub database: File,
    beside: PathBuf,
    file: File,
}

impl Lock {
    /// Takes both locks, and makes the database file if it is not there.
    ///
    /// # Errors
    /// `Failure::Never` with [`StoreError::Refused`] when another daemon has one of them.
    pub fn take(path: &Path) -> Result<Self, OpenError> {
        let mut held = OpenError::Later(format!("{} is being replaced", path.display()));
        for _ in 0..TRIES {
            match Self::try_take(path) {
                Ok(Some(lock)) => return Ok(lock),
                // What was locked is not what stands there now.
                Ok(None) => {}
                Err(failure @ OpenError::Never(StoreError::Refused(_))) => held = failure,
                Err(failure) => return Err(failure),
            }
            thread::sleep(BETWEEN_TRIES);
        }
        Err(held)
    }

    fn try_take(path: &Path) -> Result<Option<Self>, OpenError> {
        let canonical = canonical(path).map_err(|error| OpenError::of_io(path, "found", &error))?;
        let beside = lock_file(&canonical);
        let Some(file) = lock_beside(&beside, path)? else { return Ok(None) };
        // For its owner alone: it holds what buyers wrote. SQLite gives the files beside it the same mode.
        let database = File::options().create(true).append(true).read(true).mode(0o600).open(&canonical);
        let database = database.map_err(|error| OpenError::of_io(path, "opened", &error))?;
        if !lock_whole(&database) {
            return Err(OpenError::Never(in_use(path)));
        }
        let identity = Identity::of(&database).map_err(|error| OpenError::of_io(path, "read", &error))?;
        // As it is configured, not as it is called: a link may have been turned in between.
        let is_same = Identity::at(path).is_ok_and(|(found, _)| found == identity);
        Ok(is_same.then_some(Self { path: canonical, database, beside, file }))
    }

    /// Takes the lock file anew where it was removed or replaced.
    ///
    /// # Errors
    /// Another daemon has it, or it cannot be made.
    pub fn renew(&mut self) -> Result<(), StoreError> {
        let held = Identity::of(&self.file).ok();
        if held.is_some() && Identity::at(&self.beside).ok().map(|(found, _)| found) == held {
            return Ok(());
        }
        match lock_beside(&self.beside, &self.path) {
            Ok(Some(file)) => {
                tracing::warn!("the lock file {} was removed or replaced; it is made anew", self.beside.display());
                self.file = file;
                Ok(())
            }
            // It was replaced once more; the next look sees it.
            Ok(None) => Ok(()),
            Err(failure) => Err(failure.into_error()),
        }
    }
}

/// Whether a daemon holds the store.
pub fn is_held(path: &Path) -> bool {
    let Ok(canonical) = canonical(path) else { return false };
    // A lock file is not made for a look.
    let beside = File::open(lock_file(&canonical));
    if beside.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock))) {
        return true;
    }
    File::open(&canonical).is_ok_and(|file| !lock_whole(&file))
}

/// The path without links, also of a file that is not there yet.
fn canonical(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found => return found,
    }
    let target = match std::fs::read_link(path) {
        // A link that leads to no file yet: the file is made where it leads.
        Ok(target) => folder(path).join(target),
        Err(_) => path.to_owned(),
    };
    let name = target.file_name().ok_or(io::ErrorKind::NotFound)?;
    Ok(folder(&target).canonicalize()?.join(name))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn lock_file(canonical: &Path) -> PathBuf {
    let mut name = canonical.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// `None` when the file was removed or replaced in between.
fn lock_beside(beside: &Path, path: &Path) -> Result<Option<File>, OpenError> {
    let file = File::options().create(true).append(true).open(beside);
    let file = file.map_err(|error| OpenError::of_io(beside, "opened", &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::Never(in_use(path))),
        Err(TryLockError::Error(error)) => return Err(OpenError::of_io(beside, "locked", &error)),
    }
    let locked = Identity::of(&file).map_err(|error| OpenError::of_io(beside, "read", &error))?;
    Ok(Identity::at(beside).is_ok_and(|(found, _)| found == locked).then_some(file))
}

/// Locks the whole file where that does not meet SQLite's locks. Answers whether nobody else has done so.
fn lock_whole(database: &File) -> bool {
    // An error means that the file system knows no such locks.
    !locks_are_apart(database) || !matches!(database.try_lock(), Err(TryLockError::WouldBlock))
}

/// Whether `flock` and `fcntl` are two kinds of locks where this file lies, as on Linux' own file systems.
#[cfg(target_os = "linux")]
fn locks_are_apart(file: &File) -> bool {
    /// NFS, SMB (three generations), 9P, FUSE, AFS, Coda, VirtualBox: the server decides, or a program in between.
    const SHARED: [u32; 9] =
        [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997, 0x6573_5546, 0x5346_414f, 0x7375_7245, 0x786f_4256];
    // Its type differs by architecture; the numbers have 32 bits.
    rustix::fs::fstatfs(file).is_ok_and(|found| !SHARED.contains(&(found.f_type as u32)))
}

/// Elsewhere they are one kind, and SQLite's would never be granted.
#[cfg(not(target_os = "linux"))]
fn locks_are_apart(_: &File) -> bool {
    false
}

fn in_use(path: &Path) -> StoreError {
    StoreError::Refused(format!("{} is in use by another orderbell daemon; stop that one first", path.display()))
}
