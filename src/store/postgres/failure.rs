//! What went wrong at PostgreSQL, in the words of whoever must mend it: never the values of a statement, never a password.

use std::error::Error as StdError;
use std::fmt;

use tokio_postgres::error::{DbError, Severity, SqlState};

/// Why a statement came to nothing.
#[derive(Debug)]
pub enum StatementFailure {
    Said(tokio_postgres::Error),
    /// The database takes what it is sent and says nothing.
    Silent,
    /// It was not sent, because an earlier one of its transaction had failed.
    Aborted,
}

impl fmt::Display for StatementFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(error) => formatter.write_str(&reason(error)),
            Self::Silent => formatter.write_str("the database does not answer"),
            Self::Aborted => formatter.write_str("an earlier step of the same transaction failed"),
        }
    }
}

impl StdError for StatementFailure {}

/// The database cannot be used for anything, as long as that lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    pub reason: String,
    /// Room is what is missing: that is seen only by whoever writes a lot.
    pub is_disk_full: bool,
}

impl StatementFailure {
    /// `None` where it is about one statement alone.
    pub fn outage(&self) -> Option<Outage> {
        let is_general = match self {
            Self::Said(error) => error.as_db_error().is_none_or(is_general),
            Self::Silent => true,
            Self::Aborted => false,
        };
        let is_disk_full = matches!(self, Self::Said(error) if error.code() == Some(&SqlState::DISK_FULL));
        is_general.then(|| Outage { reason: self.to_string(), is_disk_full })
    }

    /// Whether the server has said that a commit was not made. Where it ends the session it may have been, in the same breath.
    pub fn is_denied(&self) -> bool {
        match self {
            Self::Said(error) => {
                error.as_db_error().is_some_and(|said| said.parsed_severity() == Some(Severity::Error))
            }
            Self::Silent => false,
            Self::Aborted => true,
        }
    }
}

/// Whether what the database says is about more than one statement: of resources that are used up, of an operator's
/// intervention, of the system below, of who may do what.
fn is_general(said: &DbError) -> bool {
    let (code, message) = (said.code(), said.message());
    let is_of_class = ["53", "57P", "58", "28", "3D", "08", "XX"].iter().any(|class| code.code().starts_with(class));
    let general = [
        SqlState::INSUFFICIENT_PRIVILEGE,
        SqlState::INVALID_SCHEMA_NAME,
        SqlState::UNDEFINED_TABLE,
        SqlState::LOCK_NOT_AVAILABLE,
    ];
    is_of_class || general.contains(code) || is_read_only(code, message)
}

/// Why the database did not do it, and what to do about it.
pub fn reason(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => said_by_database(said),
        None => {
            let cause = error.source().map(innermost).unwrap_or_default();
            match (error.to_string().as_str(), cause.as_str()) {
                ("error connecting to server", cause) => format!("the database cannot be reached: {cause}"),
                ("error performing TLS handshake", cause) => {
                    format!("the connection to the database cannot be encrypted as sslmode asks for it: {cause}")
                }
                ("authentication error", cause) => format!("the log-in at the database cannot be made: {cause}"),
                ("connection closed", _) | ("error communicating with the server", "") => {
                    "the connection to the database was closed".to_owned()
                }
                ("error communicating with the server", cause) => {
                    format!("the connection to the database was lost: {cause}")
                }
                (error, "") => error.to_owned(),
                (error, cause) => format!("{error}: {cause}"),
            }
        }
    }
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

fn said_by_database(said: &DbError) -> String {
    let message = said.message();
    let code = said.code();
    let what = if *code == SqlState::INVALID_PASSWORD {
        "the database does not take the password of store.url"
    } else if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
        "the database does not let this user in (see its pg_hba.conf and the user of store.url)"
    } else if *code == SqlState::INVALID_CATALOG_NAME {
        "there is no such database; make it with CREATE DATABASE, ENCODING 'UTF8'"
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        "the user of store.url lacks rights; it needs CONNECT on the database, and USAGE and CREATE on the schema"
    } else if *code == SqlState::INVALID_SCHEMA_NAME {
        "no schema is there in which this user may make tables; see its search_path, and GRANT USAGE, CREATE ON SCHEMA"
    } else if is_read_only(code, message) {
        "the database can only be read (it is a replica, or set read-only); store.url must name the one that is written to"
    } else if *code == SqlState::DISK_FULL {
        "the disk of the database is full; make room there"
    } else if *code == SqlState::TOO_MANY_CONNECTIONS || *code == SqlState::CONFIGURATION_LIMIT_EXCEEDED {
        "the database has too many connections; raise max_connections, or use a pool such as PgBouncer"
    } else if *code == SqlState::CANNOT_CONNECT_NOW {
        "the database is starting or shutting down"
    } else if [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::DATABASE_DROPPED].contains(code) {
        "the database is shutting down"
    } else if *code == SqlState::OUT_OF_MEMORY {
        "the database has no memory left"
    } else if *code == SqlState::IO_ERROR {
        "the database cannot read or write its files"
    } else if *code == SqlState::UNDEFINED_TABLE {
        "a table of the store is not there; see the search_path of the user of store.url, or restore a backup"
    } else if *code == SqlState::LOCK_NOT_AVAILABLE {
        "another session holds the store's lock for too long"
    } else if *code == SqlState::QUERY_CANCELED {
        "the database took too long"
    } else {
        return format!("{message} (SQLSTATE {})", code.code());
    };
    format!("{what}: {message}")
}

/// A replica says it in several ways.
fn is_read_only(code: &SqlState, message: &str) -> bool {
    *code == SqlState::READ_ONLY_SQL_TRANSACTION
        || *code == SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE && message.contains("recovery")
        || *code == SqlState::FEATURE_NOT_SUPPORTED && message.contains("recovery")
}
