//! Opening the store: for the daemon, which makes it and takes up what a crash left under way, or for a command, which finds it
//! as it is; and whether it can still be used.

use jiff::Timestamp;
use tokio::runtime::Runtime;
use tokio_postgres::Client;

use crate::store::StoreError;
use crate::store::postgres::connect::{Connector, spawn};
use crate::store::postgres::failure::reason;
use crate::store::postgres::schema::Migrations;
use crate::store::postgres::session::{Driver, Session};
use crate::store::postgres::transaction::PostgresTransactions;
use crate::store::postgres::{leases, schema};
use crate::store::sql::commit::Transactions;
use crate::store::sql::{Connection, Error, deliver};

/// Why a store cannot be used.
#[derive(Debug)]
pub enum OpeningFailure {
    /// It passes by itself, or when somebody mends the database.
    Later(String),
    /// As long as this binary and this database are as they are.
    Never(StoreError),
}

impl From<Error> for OpeningFailure {
    fn from(error: Error) -> Self {
        Self::Later(error.to_string())
    }
}

impl OpeningFailure {
    /// What is to be said of it.
    pub fn reason(self) -> String {
        match self {
            Self::Later(reason) => reason,
            Self::Never(error) => error.to_string(),
        }
    }

    pub fn into_error(self) -> StoreError {
        match self {
            Self::Later(reason) => StoreError::Unavailable(reason),
            Self::Never(error) => error,
        }
    }
}

/// Who opens the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenedBy {
    Daemon,
    Command,
}

/// What it takes to open the store, also a second time.
pub struct Opener {
    pub connector: Connector,
    pub opened_by: OpenedBy,
    pub migrations: Migrations,
    /// By which whoever listens knows its own commits.
    pub waker: String,
    /// What a crash left under way was taken up.
    pub has_taken_up: bool,
}

impl Opener {
    /// Makes a connection, and sees to it that there is a store that can be used.
    ///
    /// # Errors
    /// [`OpeningFailure`].
    pub fn open(&mut self, runtime: &Runtime, now: Timestamp) -> Result<Client, OpeningFailure> {
        let client = Self::connect(&self.connector, runtime)?;
        let driver = Driver::Own(runtime);
        let session = Session::new(&client, driver);
        match self.opened_by {
            OpenedBy::Daemon => {
                refuse_read_only(&session)?;
                if self.has_taken_up {
                    self.refuse_too_new(&session)?;
                }
                schema::migrate(&Session::new(&client, driver).patient(), &self.migrations)?;
                if !self.has_taken_up {
                    self.take_up(Session::new(&client, driver), driver, now)?;
                    self.has_taken_up = true;
                }
            }
            OpenedBy::Command => schema::refuse_other_version(&session, &self.migrations)?,
        }
        Ok(client)
    }

    /// Makes a connection, whatever is in the database.
    ///
    /// # Errors
    /// [`OpeningFailure::Later`].
    pub fn connect(connector: &Connector, runtime: &Runtime) -> Result<Client, OpeningFailure> {
        runtime.block_on(async {
            let connected = tokio::time::timeout(connector.patience(), connector.connect()).await;
            let (client, connection) = match connected {
                Ok(connected) => connected.map_err(|error| OpeningFailure::Later(reason(&error)))?,
                Err(_) => return Err(OpeningFailure::Later("the database does not answer".to_owned())),
            };
            spawn(connection);
            Ok(client)
        })
    }

    /// What was under way ends as unknown, unless another instance runs, which may have begun it.
    fn take_up(&self, session: Session<'_>, driver: Driver<'_>, now: Timestamp) -> Result<(), OpeningFailure> {
        let transactions = PostgresTransactions::new(session, driver, self);
        let connection: &dyn Connection = &transactions;
        let later = |error: StoreError| OpeningFailure::Later(error.to_string());
        transactions.begin().map_err(|not_begun| later(not_begun.error))?;
        // Those of writers that are long gone.
        let forget = "DELETE FROM store_commits WHERE number < (SELECT number FROM store_version) - 1000000";
        let forgotten = connection.execute(forget, &[]);
        let taken_up =
            forgotten.and_then(|_| leases::is_any_listed(connection)).and_then(|is_shared| match is_shared {
                true => Ok(()),
                false => deliver::take_up(connection, now),
            });
        match taken_up {
            Ok(()) => transactions.commit().map_err(later),
            Err(error) => {
                let _ = transactions.roll_back();
                Err(error.into())
            }
        }
    }

    /// A newer version may have brought the store up to date while this one was running on it.
    fn refuse_too_new(&self, session: &Session<'_>) -> Result<(), OpeningFailure> {
        let reason = schema::too_new(schema::floor(session)?, self.migrations.newest(), schema::UPDATE);
        reason.map_or(Ok(()), |reason| Err(OpeningFailure::Later(reason)))
    }

    /// Whether the database can still be used; after its disk was full, whether there is room again.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn look(&self, session: &Session<'_>, was_full: bool) -> Result<(), OpeningFailure> {
        match self.opened_by {
            OpenedBy::Daemon => refuse_read_only(session)?,
            OpenedBy::Command => {}
        }
        self.refuse_too_new(session)?;
        if was_full {
            session.batch(ROOM)?;
        }
        Ok(())
    }
}

/// Writes something that takes room of its own, and takes it back.
const ROOM: &str = "BEGIN; SET LOCAL statement_timeout = 15000;
    INSERT INTO parts (delivery, form, part, body)
        SELECT '\\x00', 'room', 0, string_agg(md5(random()::text), '') FROM generate_series(1, 8000);
    ROLLBACK";

/// A server that is only read from is none for a store, whoever made it so.
fn refuse_read_only(connection: &dyn Connection) -> Result<(), OpeningFailure> {
    let sql = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')";
    let (is_replica, read_only) = connection.one(sql, &[], |row| Ok((row.get::<bool>(0)?, row.get::<String>(1)?)))?;
    match (is_replica, read_only.as_str()) {
        (true, _) => Err(OpeningFailure::Later(
            "this database is a replica, which can only be read; store.url must name the primary".to_owned(),
        )),
        (false, "off") => Ok(()),
        (false, _) => Err(OpeningFailure::Later(
            "this database can only be read: default_transaction_read_only is on, for this user, this database or all of the server"
                .to_owned(),
        )),
    }
}
