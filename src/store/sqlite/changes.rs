//! The store as a command changes it, beside the daemon: each lot of changes in one short transaction of its own.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::store::StoreError;
use crate::store::sql;
use crate::store::sqlite::{BUSY_MS, STATEMENTS, schema, unopened};

/// The daemon sees a change at its next look, a second later at most.
pub struct Changes {
    connection: Connection,
}

impl Changes {
    /// Opens an existing store, also beside the daemon that holds it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file is missing or cannot be opened; [`StoreError::Refused`] when it is another
    /// version's.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = connect(path).map_err(|error| unopened(path, &error))?;
        schema::refuse_other_version(&connection)?;
        Ok(Self { connection })
    }

    /// Does something in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: nothing was changed.
    pub fn transact<T>(&mut self, work: impl FnOnce(&dyn sql::Connection) -> sql::Result<T>) -> Result<T, StoreError> {
        let whole = || {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&*transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        whole().map_err(|error: sql::Error| StoreError::from(error))
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_millis(BUSY_MS))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}
