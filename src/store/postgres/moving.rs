//! The two ends of a move of a whole store, where they are PostgreSQL databases: one that stands still meanwhile, and one that
//! is there only when all of it is.

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::Client;

use crate::store::StoreError;
use crate::store::postgres::address::PostgresUrl;
use crate::store::postgres::connect::Connector;
use crate::store::postgres::opening::{Opener, OpeningFailure};
use crate::store::postgres::schema::Migrations;
use crate::store::postgres::session::{Driver, Session};
use crate::store::postgres::{leases, schema};
use crate::store::sql::value::Value;
use crate::store::sql::{Connection, Result, Row, transfer};

/// Nobody changes the store until this transaction ends: whoever wants to waits here for a moment, and is then refused.
const STILL: &str =
    "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL lock_timeout = 12000; SET LOCAL statement_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 0; SELECT number FROM store_version FOR UPDATE";

/// Numbers that the database gives go on behind those that were moved.
const NUMBERED: [&str; 5] = ["orders", "ledger", "attempts", "steps", "refusals"];

/// A database within one transaction of a move.
pub struct MovingStore {
    client: Client,
    runtime: Runtime,
    name: String,
}

impl MovingStore {
    /// An existing store, which nobody changes meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when an instance runs on it, when there is none, or when it is another version's;
    /// [`StoreError::Unavailable`] when it cannot be read.
    pub fn still(url: &PostgresUrl) -> std::result::Result<Self, StoreError> {
        let store = Self::connect(url)?;
        schema::refuse_other_version(&store.session(), &Migrations::built_in()).map_err(OpeningFailure::into_error)?;
        store.begin()?;
        Ok(store)
    }

    /// A store that is being made.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when something is in it already; [`StoreError::Unavailable`] when it cannot be written.
    pub fn begun(url: &PostgresUrl) -> std::result::Result<Self, StoreError> {
        let store = Self::connect(url)?;
        // An instance of an older version would meet another schema.
        if schema::is_there(&store.session(), "instances")? {
            store.refuse_used()?;
        }
        schema::migrate(&store.session(), &Migrations::built_in()).map_err(OpeningFailure::into_error)?;
        store.begin()?;
        match transfer::is_empty(&store)? {
            true => Ok(store),
            false => Err(StoreError::Refused(format!(
                "there is a store in {} already; name a database that is empty",
                store.name
            ))),
        }
    }

    fn connect(url: &PostgresUrl) -> std::result::Result<Self, StoreError> {
        let connector = Connector::new(url)?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::Unavailable(format!("no timer for the store: {error}")))?;
        let client = Opener::connect(&connector, &runtime).map_err(OpeningFailure::into_error)?;
        Ok(Self { client, runtime, name: url.to_string() })
    }

    fn begin(&self) -> std::result::Result<(), StoreError> {
        self.session().batch(STILL)?;
        self.refuse_used()
    }

    fn refuse_used(&self) -> std::result::Result<(), StoreError> {
        match leases::is_any_listed(&self.session())? {
            true => Err(StoreError::Refused(format!(
                "{} is in use by an orderbell daemon; stop it first, on each machine",
                self.name
            ))),
            false => Ok(()),
        }
    }

    /// Has all of it be there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: then nothing is.
    pub fn finish(self) -> std::result::Result<(), StoreError> {
        let session = self.session();
        for table in NUMBERED {
            session.batch(&format!(
                "SELECT setval(pg_get_serial_sequence('{table}', 'seq'), greatest((SELECT max(seq) FROM {table}), 1))"
            ))?;
        }
        session.batch("COMMIT")?;
        // For the first searches; it does so by itself a little later.
        let _ = session.batch("ANALYZE");
        Ok(())
    }

    fn session(&self) -> Session<'_> {
        Session::new(&self.client, Driver::Own(&self.runtime)).patient()
    }
}

impl Connection for MovingStore {
    fn execute(&self, sql: &str, given: &[Value<'_>]) -> Result<usize> {
        self.session().execute(sql, given)
    }

    fn query(&self, sql: &str, given: &[Value<'_>], each: &mut dyn FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        self.session().query(sql, given, each)
    }

    fn execute_many(&self, sql: &str, given: &[Vec<Value<'_>>]) -> Result<()> {
        self.session().execute_many(sql, given)
    }
}
