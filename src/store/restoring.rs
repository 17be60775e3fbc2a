//! A backup put back into the place of a store: looked through first, and put there when a person has decided.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::store::StoreError;
use crate::store::address::StoreUrl;
use crate::store::contents::{RestoreFindings, WaitingChoice};
use crate::store::sqlite::restore::BackupCopy;

/// A backup that is ready to take the place of a store, on which no daemon starts meanwhile.
pub struct PreparedRestore(BackupCopy);

impl PreparedRestore {
    /// Looks through a backup, and compares it with the store that is there.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when a daemon holds the store, when the backup is damaged, none, or that of a newer version, or
    /// when the store is on a server; [`StoreError::Unavailable`] when something cannot be read or written.
    pub async fn prepare(url: &StoreUrl, backup: &Path) -> Result<Self, StoreError> {
        match url {
            StoreUrl::Sqlite(store) => {
                let (store, backup) = (store.clone(), backup.to_owned());
                done(tokio::task::spawn_blocking(move || BackupCopy::of(&backup, &store).map(Self)).await)
            }
            StoreUrl::Postgres(_) => Err(StoreError::Refused(
                "a store on PostgreSQL is put back by its own tool, `pg_restore`, as docs/postgresql.md shows"
                    .to_owned(),
            )),
        }
    }

    pub fn found(&self) -> &RestoreFindings {
        &self.0.found
    }

    /// Puts the backup into the place of the store. Answers under which name the one that was there is kept; `stamp` is in it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: the store is as it was.
    pub async fn put_in_place(
        self,
        choice: WaitingChoice,
        stamp: String,
        now: Timestamp,
    ) -> Result<Option<PathBuf>, StoreError> {
        done(tokio::task::spawn_blocking(move || self.0.put_in_place(choice, &stamp, now)).await)
    }
}

fn done<T>(joined: Result<Result<T, StoreError>, tokio::task::JoinError>) -> Result<T, StoreError> {
    joined.unwrap_or_else(|error| Err(StoreError::Refused(format!("it was broken off: {error}"))))
}
