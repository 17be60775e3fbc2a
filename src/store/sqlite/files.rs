//! Whether the files that are open are those that stand at the store's path: what is written into others would be lost.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::store::sqlite::lock::{Identity, Lock};
use crate::store::sqlite::wal;

/// With which each database begins.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// What is wrong with the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileFault {
    /// The database cannot be used until the path is right again, or at all.
    Database(String),
    /// The write-ahead log or its index is not the one that is open.
    Log,
}

/// The files of an open store.
pub struct Files {
    /// As configured.
    path: PathBuf,
    main: Identity,
    /// How large the main file was, in bytes; it shrinks only when the database does.
    size: u64,
    /// How large the log is, in bytes: a command may have written to it.
    pub log_size: u64,
    /// It was cut short: what is missing does not come back by itself.
    is_cut_short: bool,
    log: (PathBuf, Identity),
    index: (PathBuf, Identity),
}

impl Files {
    /// Those that a connection has just opened.
    ///
    /// # Errors
    /// One of them is not there.
    pub fn of(path: &Path, lock: &Lock) -> io::Result<Self> {
        let beside = |ending: &str| {
            let path = wal::beside(&lock.path, ending);
            Identity::at(&path).map(|(identity, _)| (path, identity))
        };
        let (log, index) = (beside("-wal")?, beside("-shm")?);
        let (main, size) = Identity::at(path)?;
        match main == Identity::of(&lock.database)? {
            true => Ok(Self { path: path.to_owned(), main, size, log_size: 0, is_cut_short: false, log, index }),
            false => Err(io::Error::other("it was replaced at this moment")),
        }
    }

    /// Looks at the files.
    ///
    /// # Errors
    /// [`FileFault`]: what is written now would be lost at the next start.
    pub fn check(&mut self, lock: &Lock) -> Result<(), FileFault> {
        self.check_main(lock).map_err(FileFault::Database)?;
        let size_of = |(path, identity): &(PathBuf, Identity)| {
            Identity::at(path).ok().filter(|(found, _)| found == identity).map(|(_, size)| size)
        };
        match (size_of(&self.log), size_of(&self.index)) {
            (Some(size), Some(_)) => {
                self.log_size = size;
                Ok(())
            }
            _ => Err(FileFault::Log),
        }
    }

    fn check_main(&mut self, lock: &Lock) -> Result<(), String> {
        let path = self.path.display();
        let restart = "stop orderbell, put the right file there, and start it again";
        let (found, size) = match Identity::at(&self.path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(match lock.database.metadata().map(|database| database.nlink()) {
                    Ok(0) => format!(
                        "the database {path} is no longer there: it was deleted; stop orderbell, put a backup in its place (without one it begins with an empty database), and start it again"
                    ),
                    _ => {
                        format!("the database {path} is no longer there; move it back, and orderbell goes on by itself")
                    }
                });
            }
            Err(error) => return Err(format!("the database {path} cannot be reached: {error}")),
        };
        if found != self.main {
            return Err(format!(
                "another file stands in the place of the database {path}; put the right one back, or restart orderbell to use this one"
            ));
        }
        // A person may have had SQLite give back what was free; then the header says so, too. A file that begins otherwise was
        // overwritten by something else.
        self.is_cut_short |= header_size(&lock.database).is_none_or(|said| size < self.size && size < said);
        self.size = size;
        match self.is_cut_short {
            true => Err(format!("the database {path} was cut short or overwritten; {restart}")),
            false => Ok(()),
        }
    }
}

/// Whether a file begins as a database does.
pub fn begins_as_database(file: &File) -> bool {
    let mut begin = [0; 16];
    file.read_exact_at(&mut begin, 0).is_ok() && begin == *MAGIC
}

/// How large the database is by its own header, in bytes; `None` where there is none.
fn header_size(database: &File) -> Option<u64> {
    let mut header = [0; 100];
    database.read_exact_at(&mut header, 0).ok().filter(|()| header.starts_with(MAGIC))?;
    let page_size = match u64::from(u16::from_be_bytes([header[16], header[17]])) {
        1 => 65_536,
        size => size,
    };
    let pages = u32::from_be_bytes([header[28], header[29], header[30], header[31]]);
    Some(page_size * u64::from(pages))
}
