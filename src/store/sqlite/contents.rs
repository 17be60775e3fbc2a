//! A database file that nobody changes, such as a backup: whether it is whole and a store, and what stands in it.

use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use url::Url;

use crate::store::StoreError;
use crate::store::contents::StoreContents;
use crate::store::sql;
use crate::store::sqlite::{BUSY_MS, unavailable, unopened, wal};

/// Opens a file to look at it and nothing else: no file is made beside it. What stands in a write-ahead log beside it would
/// not be seen, so with such a log it is opened as the daemon opens it.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub fn open(path: &Path) -> Result<Connection, StoreError> {
    let unreadable = |error: io::Error| StoreError::Unavailable(format!("{} cannot be read: {error}", path.display()));
    let whole = path.canonicalize().map_err(unreadable)?;
    let has_log = std::fs::metadata(wal::beside(&whole, "-wal")).is_ok_and(|log| log.len() > 0);
    let opened = match Url::from_file_path(&whole) {
        Ok(url) if !has_log => {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            Connection::open_with_flags(format!("{url}?immutable=1"), flags)
        }
        _ => Connection::open_with_flags(&whole, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX),
    };
    let connection = opened.map_err(|error| unopened(path, &error))?;
    connection.busy_timeout(Duration::from_millis(BUSY_MS)).map_err(|error| unavailable(&error))?;
    Ok(connection)
}

/// Looks through a file, and says what stands in it.
///
/// # Errors
/// [`StoreError::Refused`] when it is damaged, or no store; [`StoreError::Unavailable`] when it cannot be read.
pub fn checked(path: &Path) -> Result<(Connection, StoreContents), StoreError> {
    let bytes = std::fs::metadata(path).map_or(0, |found| found.len());
    let connection = open(path)?;
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match found {
        Ok(found) if found == "ok" => {}
        Ok(found) => return Err(damaged(path, &found)),
        Err(error) => return Err(damaged(path, &error.to_string())),
    }
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name IN ('refinery_schema_history', 'events', 'deliveries')";
    let tables: i64 = connection.query_row(sql, [], |row| row.get(0)).map_err(|error| unavailable(&error))?;
    if tables < 3 {
        return Err(StoreError::Refused(format!("{} is a database, but no store of Orderbell", path.display())));
    }
    let contents = read(&connection, bytes)?;
    Ok((connection, contents))
}

/// What stands in a store that is open.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub fn read(connection: &dyn sql::Connection, bytes: u64) -> Result<StoreContents, StoreError> {
    let one = |sql: &str| connection.one(sql, &[], |row| row.get(0));
    let newest = "SELECT received_at FROM events ORDER BY seq DESC LIMIT 1";
    let inside = "SELECT count(*) FROM deliveries WHERE state = 'waiting' AND digest IS NOT NULL";
    let alone = "SELECT count(*) FROM deliveries WHERE state = 'waiting' AND digest IS NULL";
    Ok(StoreContents {
        bytes,
        schema: connection.one("SELECT max(version) FROM refinery_schema_history", &[], |row| row.get(0))?,
        events: one("SELECT count(*) FROM events")?,
        newest_at: connection.optional(newest, &[], |row| row.get(0))?,
        waiting: one(inside)? + one(alone)?,
    })
}

fn damaged(path: &Path, found: &str) -> StoreError {
    StoreError::Refused(format!("{} is damaged, or no database: {found}", path.display()))
}
