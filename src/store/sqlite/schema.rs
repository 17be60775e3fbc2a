//! The schema: its migrations, and which binaries may run on it.

use std::path::Path;

use rusqlite::Connection;

use crate::store::StoreError;
use crate::store::sqlite::conversion::Progress;
use crate::store::sqlite::opening::OpenError;
use crate::store::sqlite::{conversion, unavailable};

mod migrations {
    refinery::embed_migrations!("src/store/migrations/sqlite");
}

/// The number of the newest migration that this binary knows.
const SCHEMA: i64 = 11;

/// The migration that rewrites events and orders.
const CONVERTS: i64 = 8;

/// A store of an older version is brought up to date before anybody can ask for it, unless it has more pages than this.
const PAGES_AT_ONCE: i64 = 8192;

/// So many steps of a conversion are made at once: a store of some thousand events is ready when it is open.
const STEPS_AT_ONCE: u32 = 4;

/// SQLite 3.51.3 mended a fault that can corrupt a write-ahead log when two connections write at the same moment.
const OLDEST_SQLITE: i32 = 3_051_003;

pub fn refuse_faulty_sqlite() -> Result<(), StoreError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        let version = rusqlite::version();
        return Err(StoreError::Refused(format!(
            "SQLite {version} can corrupt its write-ahead log; build orderbell with the bundled SQLite (3.51.3 or newer)"
        )));
    }
    Ok(())
}

/// Brings the schema up to date, and begins to convert what stands in it.
///
/// # Errors
/// [`StoreError::Refused`] when a newer version has changed the store beyond what this binary understands.
pub fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    refuse_newer(connection).map_err(OpenError::Never)?;
    run_migrations(connection, path)?;
    let failed = |error: rusqlite::Error| OpenError::of_sqlite(path, &error);
    let events = conversion::progress(connection).map_err(failed)?.map_or(0, |progress| progress.all);
    for _ in 0..STEPS_AT_ONCE {
        if conversion::step(connection).map_err(failed)?.is_none() {
            // A new store has none.
            if events > 0 {
                tracing::info!(events, "the store is converted");
            }
            break;
        }
    }
    Ok(())
}

fn run_migrations(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    // A newer version may have added what an older one can live with; the floor says when it cannot.
    // All in one transaction: a crash between a migration and the row that says so would leave a store that never opens.
    let migrated = migrations::migrations::runner().set_abort_missing(false).set_grouped(true).run(connection);
    migrated.map(drop).map_err(|error| {
        let text = format!("the schema cannot be brought up to date: {error}");
        OpenError::of_cause(path, StoreError::Unavailable(text), &error)
    })
}

/// Whether the store of an older version is so large that webhooks are to be answered while it is brought up to date, be it
/// that they come too early.
///
/// # Errors
/// As SQLite says it.
pub fn takes_long(connection: &Connection) -> rusqlite::Result<bool> {
    let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    Ok(pages > PAGES_AT_ONCE && is_begun(connection)? && version(connection)? < CONVERTS)
}

/// Brings such a store a step further. Answers how far it has come; `None` when all is done.
///
/// # Errors
/// [`OpenError`]: nothing of this step was done.
pub fn step(connection: &mut Connection, path: &Path) -> Result<Option<Progress>, OpenError> {
    let failed = |error: rusqlite::Error| OpenError::of_sqlite(path, &error);
    if version(connection).map_err(failed)? < SCHEMA {
        run_migrations(connection, path)?;
    }
    conversion::step(connection).map_err(failed)
}

/// Whether it has a schema.
fn is_begun(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'refinery_schema_history')";
    connection.query_row(sql, [], |row| row.get(0))
}

/// The number of the newest migration that it has seen.
fn version(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce(max(version), 0) FROM refinery_schema_history";
    connection.query_row(sql, [], |row| row.get(0))
}

/// # Errors
/// [`StoreError::Refused`] when it was written by a version that is too new.
pub fn refuse_newer(connection: &Connection) -> Result<(), StoreError> {
    match floor(connection) {
        Some(floor) if floor > SCHEMA => Err(StoreError::Refused(format!(
            "this store was written by a newer orderbell (schema {floor}, this one knows {SCHEMA}); start that version, or restore a backup"
        ))),
        _ => Ok(()),
    }
}

/// For whoever uses a store as it is, beside the daemon that may be running on it.
///
/// # Errors
/// [`StoreError::Refused`] when it was written by a version that is too new, or is not brought up to date yet.
pub fn refuse_other_version(connection: &Connection) -> Result<(), StoreError> {
    refuse_newer(connection)?;
    let failed = |error: rusqlite::Error| unavailable(&error);
    if !is_begun(connection).map_err(failed)? {
        return Err(StoreError::Refused(
            "this store is only being made; try again in a moment, or start `orderbell serve` where it does not run"
                .to_owned(),
        ));
    }
    let version = version(connection).map_err(failed)?;
    match version < SCHEMA {
        true => Err(StoreError::Refused(format!(
            "this store is that of an older orderbell (schema {version}, this one needs {SCHEMA}); `orderbell serve` of this version brings it up to date"
        ))),
        false => refuse_converting(connection),
    }
}

fn refuse_converting(connection: &Connection) -> Result<(), StoreError> {
    match conversion::progress(connection).map_err(|error| unavailable(&error))? {
        Some(Progress { done, all }) => Err(StoreError::Refused(format!(
            "this store is being converted for this version of orderbell: event {done} of {all}; `orderbell serve` goes on with it, so try again when that is done"
        ))),
        None => Ok(()),
    }
}

/// `None` in a store that is still empty.
fn floor(connection: &Connection) -> Option<i64> {
    connection.query_row("SELECT max(oldest_binary_schema) FROM schema_floor", [], |row| row.get(0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_number_is_that_of_the_newest_migration() {
        let newest = migrations::migrations::runner()
            .get_migrations()
            .iter()
            .map(|migration| i64::from(migration.version()))
            .max();
        assert_eq!(newest, Some(SCHEMA));
    }

    #[test]
    fn a_store_of_a_newer_version_is_refused_with_both_numbers() {
        let mut connection = Connection::open_in_memory().expect("memory");
        migrate(&mut connection, Path::new("bell.db")).expect("an empty store");
        connection.execute("UPDATE schema_floor SET oldest_binary_schema = 99", []).expect("update");
        let refused = migrate(&mut connection, Path::new("bell.db")).expect_err("too new").into_error().to_string();
        assert!(refused.contains("schema 99, this one knows 11"), "{refused}");
        assert!(refuse_other_version(&connection).is_err());
    }

    #[test]
    fn a_store_that_is_not_up_to_date_yet_is_refused_to_whoever_must_not_change_it() {
        let mut connection = Connection::open_in_memory().expect("memory");
        let refused = refuse_other_version(&connection).expect_err("nothing there").to_string();
        assert!(refused.contains("is only being made"), "{refused}");
        migrate(&mut connection, Path::new("bell.db")).expect("an empty store");
        refuse_other_version(&connection).expect("up to date");
        connection.execute("DELETE FROM refinery_schema_history WHERE version > 1", []).expect("delete");
        let refused = refuse_other_version(&connection).expect_err("too old").to_string();
        assert!(refused.contains("schema 1, this one needs 11"), "{refused}");
    }
}
