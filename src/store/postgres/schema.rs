//! The schema on PostgreSQL: its migrations, made by one instance while the others wait, and which binaries may run on it.

use crate::store::StoreError;
use crate::store::postgres::opening::OpeningFailure;
use crate::store::postgres::session::Session;
use crate::store::sql::{Connection, Result, params};

mod migrations {
    refinery::embed_migrations!("src/store/migrations/postgres");
}

/// What a running instance is to be when the store has become too new for it.
pub const UPDATE: &str = "update this instance to that version";
/// And one that is started.
const START_THAT: &str = "start that version, or restore a backup";

/// One step by which a store came to what it is.
#[derive(Clone, Debug)]
struct Migration {
    number: i64,
    name: String,
    sql: String,
}

/// The migrations that a binary knows, in their sequence.
#[derive(Clone, Debug)]
pub struct Migrations(Vec<Migration>);

impl Migrations {
    /// Those of this binary.
    pub fn built_in() -> Self {
        let runner = migrations::migrations::runner();
        let mut known: Vec<_> = runner.get_migrations().iter().collect();
        known.sort_by_key(|migration| migration.version());
        let migration = |known: &refinery::Migration| Migration {
            number: i64::from(known.version()),
            name: known.name().to_owned(),
            sql: known.sql().unwrap_or_default().to_owned(),
        };
        Self(known.into_iter().map(migration).collect())
    }

    /// With one more, as a later binary has it.
    #[must_use]
    pub fn and(mut self, name: &str, sql: &str) -> Self {
        self.0.push(Migration { number: self.newest() + 1, name: name.to_owned(), sql: sql.to_owned() });
        self
    }

    /// The number of the newest.
    pub fn newest(&self) -> i64 {
        self.0.last().map_or(0, |migration| migration.number)
    }
}

/// One store at a time is made or brought up to date in a schema, and in each step of this transaction something is waited for
/// so long, in milliseconds.
const BEGIN: &str =
    "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = 60000; SET LOCAL statement_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 60000; SET LOCAL synchronous_commit = on;
    SET LOCAL client_min_messages = warning;
    SELECT pg_advisory_xact_lock(1330790732, hashtext(coalesce(current_schema(), '')))";

/// What is under way on a store ends before it is changed, and whoever comes afterwards finds the floor as it is then.
const NOBODY_ELSE: &str = "SELECT number FROM store_version FOR UPDATE";

/// The oldest schema number that a binary must know.
pub const FLOOR: &str = "SELECT max(oldest_binary_schema) FROM schema_floor";

/// Brings the schema up to date, for the daemon. A user who may not make tables can use one that is up to date.
///
/// # Errors
/// [`OpeningFailure::Never`] with [`StoreError::Refused`]: a newer version has changed the store beyond what this binary
/// understands, or the database's text is not UTF-8. [`OpeningFailure::Later`]: what the database says.
pub fn migrate(session: &Session<'_>, known: &Migrations) -> std::result::Result<(), OpeningFailure> {
    refuse_other_encoding(session)?;
    if version(session)? >= known.newest() {
        return refuse_newer(session, known);
    }
    session.batch(BEGIN)?;
    let migrated = run(session, known);
    match migrated {
        Ok(()) => session.batch("COMMIT").map(drop)?,
        Err(error) => {
            // The connection ends with the error otherwise, and the transaction with it.
            let _ = session.batch("ROLLBACK");
            return Err(error);
        }
    }
    refuse_newer(session, known)
}

fn run(session: &Session<'_>, known: &Migrations) -> std::result::Result<(), OpeningFailure> {
    session.batch(
        "CREATE TABLE IF NOT EXISTS schema_history (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())",
    )?;
    // Another instance may have done it in between. Whether its table is there, this session may still know from before; what
    // is in it, nobody knows without reading it.
    let made = newest(session)?;
    let connection: &dyn Connection = session;
    let wanted: Vec<&Migration> = known.0.iter().filter(|migration| migration.number > made).collect();
    if made > 0 && !wanted.is_empty() {
        session.batch(NOBODY_ELSE)?;
    }
    for Migration { number, name, sql } in wanted {
        session.batch(sql)?;
        connection.execute("INSERT INTO schema_history (version, name) VALUES (?1, ?2)", params![number, name])?;
        tracing::info!(version = number, name, "the schema of the database is brought up to date");
    }
    Ok(())
}

/// For whoever uses a store as it is, beside the instances that may be running on it.
///
/// # Errors
/// [`StoreError::Refused`] when it was written by a version that is too new, or is not made or brought up to date yet;
/// [`StoreError::Unavailable`] when it cannot be read.
pub fn refuse_other_version(session: &Session<'_>, known: &Migrations) -> std::result::Result<(), OpeningFailure> {
    let refused = |reason: String| Err(OpeningFailure::Never(StoreError::Refused(reason)));
    refuse_other_encoding(session)?;
    let needed = known.newest();
    match version(session)? {
        0 => refused("there is no store in this database yet; start `orderbell serve`, which makes it".to_owned()),
        found if found < needed => refused(format!(
            "this store is that of an older orderbell (schema {found}, this one needs {needed}); `orderbell serve` of this version brings it up to date"
        )),
        _ => refuse_newer(session, known),
    }
}

/// The number of the newest migration that was made; 0 where there is no store.
fn version(connection: &dyn Connection) -> Result<i64> {
    if !is_there(connection, "schema_history")? {
        return Ok(0);
    }
    newest(connection)
}

/// Whether a table of the store is there.
///
/// # Errors
/// As the statement's.
pub fn is_there(connection: &dyn Connection, table: &str) -> Result<bool> {
    connection.one("SELECT to_regclass(?1) IS NOT NULL", params![table], |row| row.get::<bool>(0))
}

fn newest(connection: &dyn Connection) -> Result<i64> {
    connection.one("SELECT coalesce(max(version), 0) FROM schema_history", &[], |row| row.get(0))
}

fn refuse_newer(connection: &dyn Connection, known: &Migrations) -> std::result::Result<(), OpeningFailure> {
    let never = |reason| OpeningFailure::Never(StoreError::Refused(reason));
    too_new(floor(connection)?, known.newest(), START_THAT).map_or(Ok(()), |reason| Err(never(reason)))
}

/// The oldest schema number that a binary must know to run on this store.
///
/// # Errors
/// As the statement's.
pub fn floor(connection: &dyn Connection) -> Result<i64> {
    connection.one(FLOOR, &[], |row| row.get::<Option<i64>>(0)).map(Option::unwrap_or_default)
}

/// Why a store with this floor is none for whoever knows the schema up to `newest`, and what to do; `None` where it is one.
pub fn too_new(floor: i64, newest: i64, cure: &str) -> Option<String> {
    (floor > newest).then(|| {
        format!("this store was written by a newer orderbell (schema {floor}, this one knows {newest}); {cure}")
    })
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
