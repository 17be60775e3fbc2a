//! The schema on PostgreSQL: its migrations, made by one instance while the others wait, and which binaries may run on it.

use crate::store::StoreError;
use crate::store::postgres::opening::OpeningFailure;
use crate::store::postgres::session::Session;
use crate::store::sql::{Connection, Result, params};

mod migrations {
    refinery::embed_migrations!("src/store/migrations/postgres");
}

/// The number of the newest migration that this binary knows.
pub const SCHEMA: i64 = 1;

/// One store at a time is made or brought up to date in a schema, and in each step of this transaction something is waited for
/// so long, in milliseconds.
const BEGIN: &str =
    "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = 60000; SET LOCAL statement_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 60000; SET LOCAL synchronous_commit = on;
    SELECT pg_advisory_xact_lock(1330790732, hashtext(coalesce(current_schema(), '')))";

/// Brings the schema up to date, for the daemon. A user who may not make tables can use one that is up to date.
///
/// # Errors
/// [`OpeningFailure::Never`] with [`StoreError::Refused`]: a newer version has changed the store beyond what this binary
/// understands, or the database's text is not UTF-8. [`OpeningFailure::Later`]: what the database says.
pub fn migrate(session: &Session<'_>) -> std::result::Result<(), OpeningFailure> {
    refuse_other_encoding(session)?;
    if version(session)? >= SCHEMA {
        return refuse_newer(session);
    }
    session.batch(BEGIN)?;
    let migrated = run(session);
    match migrated {
        Ok(()) => session.batch("COMMIT").map(drop)?,
        Err(error) => {
            // The connection ends with the error otherwise, and the transaction with it.
            let _ = session.batch("ROLLBACK");
            return Err(error);
        }
    }
    refuse_newer(session)
}

fn run(session: &Session<'_>) -> std::result::Result<(), OpeningFailure> {
    session.batch(
        "CREATE TABLE IF NOT EXISTS schema_history (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())",
    )?;
    // Another instance may have done it in between. Whether its table is there, this session may still know from before; what
    // is in it, nobody knows without reading it.
    let known = newest(session)?;
    let runner = migrations::migrations::runner();
    let mut wanted: Vec<_> = runner.get_migrations().iter().collect();
    wanted.sort_by_key(|migration| migration.version());
    for migration in wanted.into_iter().filter(|migration| i64::from(migration.version()) > known) {
        let (version, name) = (i64::from(migration.version()), migration.name());
        session.batch(migration.sql().unwrap_or_default())?;
        let connection: &dyn Connection = session;
        connection.execute("INSERT INTO schema_history (version, name) VALUES (?1, ?2)", params![version, name])?;
        tracing::info!(version, name, "the schema of the database is brought up to date");
    }
    Ok(())
}

/// For whoever uses a store as it is, beside the instances that may be running on it.
///
/// # Errors
/// [`StoreError::Refused`] when it was written by a version that is too new, or is not made or brought up to date yet;
/// [`StoreError::Unavailable`] when it cannot be read.
pub fn refuse_other_version(session: &Session<'_>) -> std::result::Result<(), OpeningFailure> {
    let refused = |reason: String| Err(OpeningFailure::Never(StoreError::Refused(reason)));
    refuse_other_encoding(session)?;
    match version(session)? {
        0 => refused("there is no store in this database yet; start `orderbell serve`, which makes it".to_owned()),
        found if found < SCHEMA => refused(format!(
            "this store is that of an older orderbell (schema {found}, this one needs {SCHEMA}); `orderbell serve` of this version brings it up to date"
        )),
        _ => refuse_newer(session),
    }
}

/// The number of the newest migration that was made; 0 where there is no store.
fn version(connection: &dyn Connection) -> Result<i64> {
    let is_there = "SELECT to_regclass('schema_history') IS NOT NULL";
    if !connection.one(is_there, &[], |row| row.get::<bool>(0))? {
        return Ok(0);
    }
    newest(connection)
}

fn newest(connection: &dyn Connection) -> Result<i64> {
    connection.one("SELECT coalesce(max(version), 0) FROM schema_history", &[], |row| row.get(0))
}

fn refuse_newer(connection: &dyn Connection) -> std::result::Result<(), OpeningFailure> {
    let sql = "SELECT max(oldest_binary_schema) FROM schema_floor";
    match connection.one(sql, &[], |row| row.get::<Option<i64>>(0))? {
        Some(floor) if floor > SCHEMA => Err(OpeningFailure::Never(StoreError::Refused(format!(
            "this store was written by a newer orderbell (schema {floor}, this one knows {SCHEMA}); start that version, or restore a backup"
        )))),
        _ => Ok(()),
    }
}

fn refuse_other_encoding(connection: &dyn Connection) -> std::result::Result<(), OpeningFailure> {
    let sql = "SELECT current_setting('server_encoding'), CAST(current_database() AS TEXT)";
    let (encoding, name) = connection.one(sql, &[], |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?)))?;
    match encoding.as_str() {
        "UTF8" => Ok(()),
        _ => Err(OpeningFailure::Never(StoreError::Refused(format!(
            "the database {name} keeps text as {encoding}, in which not every name and message can be written; make another one with CREATE DATABASE {name}_utf8 ENCODING 'UTF8' TEMPLATE template0, and name that in store.url"
        )))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_number_is_that_of_the_newest_migration() {
        let runner = migrations::migrations::runner();
        let newest = runner.get_migrations().iter().map(|migration| i64::from(migration.version())).max();
        assert_eq!(newest, Some(SCHEMA));
    }
}
