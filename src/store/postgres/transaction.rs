//! Transactions that change the store: one at a time, of whichever instance; and whether one was kept, also where the answer to
//! its commit was lost.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use tokio_postgres::SimpleQueryMessage;

use crate::store::StoreError;
use crate::store::fencing::{Fenced, FencingToken};
use crate::store::postgres::connect::{Connector, spawn};
use crate::store::postgres::failure::StatementFailure;
use crate::store::postgres::opening::Opener;
use crate::store::postgres::session::{Driver, Session};
use crate::store::postgres::{leases, listen, schema};
use crate::store::sql::commit::{Ended, NotBegun, Transactions, Woken};
use crate::store::sql::value::Value;
use crate::store::sql::{Connection, Error, Result, Row};

/// Whoever changes something waits here for whoever is changing something: so the sequence of numbers is that of the commits,
/// and what one group decides by, another does not change meanwhile. An instance that is frozen here is cut off by the server
/// before the others give up. Each group is a change, by which others see that there is something new. Whether the store is one
/// for this binary yet is looked at by a statement of its own, which sees what was committed while the one before it waited.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED;
    SET LOCAL lock_timeout = 12000; SET LOCAL statement_timeout = 15000;
    SET LOCAL idle_in_transaction_session_timeout = 8000;
    SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';
    UPDATE store_version SET number = number + 1 RETURNING number;
    SELECT coalesce(max(oldest_binary_schema), 0) FROM schema_floor";

/// So long it is asked what became of a commit whose answer was lost.
const ASK_FOR: Duration = Duration::from_secs(10);
const ASK_EVERY: Duration = Duration::from_millis(100);

/// The transactions of one connection.
pub struct PostgresTransactions<'a> {
    session: Session<'a>,
    driver: Driver<'a>,
    opener: &'a Opener,
    /// The number of the one that is under way.
    begun: RefCell<Option<String>>,
    woken: RefCell<Woken>,
}

impl<'a> PostgresTransactions<'a> {
    pub fn new(session: Session<'a>, driver: Driver<'a>, opener: &'a Opener) -> Self {
        Self { session, driver, opener, begun: RefCell::default(), woken: RefCell::new(Woken::Any) }
    }

    pub fn session(&self) -> &Session<'a> {
        &self.session
    }

    /// What a commit came to that was not answered.
    fn was_kept(&self, number: &str, error: &Error) -> std::result::Result<(), StoreError> {
        tracing::warn!("the answer to a commit was lost ({error}); the database is asked whether it was kept");
        match self.driver.wait(ask(&self.opener.connector, &self.opener.waker, number)) {
            Some(true) => Ok(()),
            Some(false) => Err(StoreError::Unavailable(error.to_string())),
            None => Err(StoreError::Unavailable(
                "the answer to a commit was lost, and the database does not say whether it was kept".to_owned(),
            )),
        }
    }
}

impl Connection for PostgresTransactions<'_> {
    fn execute(&self, sql: &str, given: &[Value<'_>]) -> Result<usize> {
        self.session.execute(sql, given)
    }

    fn query(&self, sql: &str, given: &[Value<'_>], each: &mut dyn FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        self.session.query(sql, given, each)
    }

    fn execute_many(&self, sql: &str, given: &[Vec<Value<'_>>]) -> Result<()> {
        self.session.execute_many(sql, given)
    }

    fn query_many(
        &self,
        sql: &str,
        given: &[Vec<Value<'_>>],
        each: &mut dyn FnMut(usize, &Row<'_>) -> Result<()>,
    ) -> Result<()> {
        self.session.query_many(sql, given, each)
    }
}

impl Transactions for PostgresTransactions<'_> {
    fn begin(&self) -> std::result::Result<(), NotBegun> {
        let refused = |error| NotBegun { error, outcome: Ended::Failed };
        self.session.reset();
        let begun = self.session.batch(BEGIN).map_err(|error| {
            // What was begun of it ends with it.
            let _ = self.roll_back();
            refused(error.into())
        })?;
        let mut numbers = begun.into_iter().rev().map(|number| number.filter(|number| number.parse::<i64>().is_ok()));
        let (Some(floor), Some(Some(number))) = (numbers.next(), numbers.next()) else {
            let _ = self.roll_back();
            return Err(refused(StoreError::Unavailable(
                "the table store_version has no row; restore a backup".to_owned(),
            )));
        };
        let floor = floor.and_then(|floor| floor.parse().ok()).unwrap_or_default();
        if let Some(reason) = schema::too_new(floor, self.opener.migrations.newest(), schema::UPDATE) {
            let _ = self.roll_back();
            self.session.note_outage(&reason);
            return Err(refused(StoreError::Unavailable(reason)));
        }
        *self.begun.borrow_mut() = Some(number);
        Ok(())
    }

    fn is_begun(&self) -> bool {
        self.begun.borrow().is_some() && self.session.is_usable()
    }

    fn wakes(&self, woken: Woken) {
        *self.woken.borrow_mut() = woken;
    }

    fn commit(&self) -> std::result::Result<(), StoreError> {
        let Some(number) = self.begun.borrow_mut().take() else {
            return Err(StoreError::Unavailable("no transaction is under way".to_owned()));
        };
        // A statement that failed outside of a savepoint makes the first of these fail, and the second is not done.
        let writer = &self.opener.waker;
        let woken = self.woken.replace(Woken::Any);
        let notify = listen::payload(writer, &woken).map(|payload| {
            let payload = payload.replace('\'', "''");
            format!("SELECT pg_notify('orderbell_' || CAST(CAST('store_version' AS regclass) AS oid), '{payload}');")
        });
        let commit = format!(
            "INSERT INTO store_commits (writer, number) VALUES ('{writer}', {number})
                ON CONFLICT (writer) DO UPDATE SET number = excluded.number; {} COMMIT",
            notify.unwrap_or_default()
        );
        let Err(error) = self.session.batch(&commit) else { return Ok(()) };
        match &error {
            Error::Failed(failure) if failure.downcast_ref().is_some_and(StatementFailure::is_denied) => {
                let _ = self.roll_back();
                Err(error.into())
            }
            _ => self.was_kept(&number, &error),
        }
    }

    fn taken_back(&self) -> StoreError {
        let reason = self.session.outage().map(|outage| outage.reason);
        StoreError::Unavailable(reason.unwrap_or_else(|| "the connection to the database was closed".to_owned()))
    }

    fn good(&self, tokens: &BTreeSet<FencingToken>, fenced: Fenced) -> Result<BTreeSet<FencingToken>> {
        leases::good(self, tokens, fenced)
    }

    fn roll_back(&self) -> std::result::Result<(), StoreError> {
        self.begun.borrow_mut().take();
        if self.session.is_usable() {
            self.session.batch("ROLLBACK")?;
        }
        Ok(())
    }
}

/// Whether a transaction was kept; `None` when that cannot be known in time.
async fn ask(connector: &Connector, writer: &str, number: &str) -> Option<bool> {
    let again_and_again = async {
        loop {
            match last_kept(connector, writer).await {
                Ok(kept) => return kept.as_deref() == Some(number),
                // It is still under way, or nobody answers.
                Err(_) => tokio::time::sleep(ASK_EVERY).await,
            }
        }
    };
    tokio::time::timeout(ASK_FOR, again_and_again).await.ok()
}

/// The number of a writer's last commit, as it stands when nobody changes the store: whatever was under way has ended. What a
/// crash of the server took back is not there, which its own numbers of transactions would not tell.
async fn last_kept(connector: &Connector, writer: &str) -> std::result::Result<Option<String>, tokio_postgres::Error> {
    let (client, connection) = connector.connect().await?;
    let running = spawn(connection);
    // The name is of letters and digits.
    let found = client
        .simple_query(&format!(
            "BEGIN; SET LOCAL lock_timeout = 5000; SELECT FROM store_version FOR UPDATE;
            SELECT number FROM store_commits WHERE writer = '{writer}'; ROLLBACK"
        ))
        .await;
    running.abort();
    let number = found?.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) if !row.is_empty() => Some(row.get(0).map(str::to_owned)),
        _ => None,
    });
    Ok(number.flatten())
}
