//! Statements on one connection to PostgreSQL, put synchronously by a thread that may wait.
//!
//! All of them are unnamed, and nothing is set for longer than a transaction, so that a pool such as PgBouncer may give each
//! transaction another connection of its own.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tokio::runtime::{Handle, Runtime};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::store::postgres::failure::{Outage, StatementFailure};
use crate::store::postgres::statement;
use crate::store::postgres::value::{Column, Given, PostgresRow, type_of};
use crate::store::sql::value::Value;
use crate::store::sql::{Connection, Error, Result, Row};

/// A statement ends by itself before that, unless the server is frozen or gone.
const SILENCE: Duration = Duration::from_secs(20);
/// One that goes through all of a store takes longer.
const LONG_SILENCE: Duration = Duration::from_secs(3600);
/// So many statements are sent before the first is answered.
const AT_ONCE: usize = 30;

/// Who waits.
#[derive(Clone, Copy)]
pub enum Driver<'a> {
    /// The thread that drives the connection itself.
    Own(&'a Runtime),
    /// A thread beside those that drive it.
    Beside(&'a Handle),
}

impl Driver<'_> {
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        match self {
            Self::Own(runtime) => runtime.block_on(future),
            Self::Beside(handle) => handle.block_on(future),
        }
    }
}

/// A connection within a transaction.
pub struct Session<'a> {
    client: &'a Client,
    driver: Driver<'a>,
    silence: Duration,
    /// A statement has failed, and until the savepoint before it is rolled back to, the server does nothing more.
    is_aborted: Cell<bool>,
    /// It did not answer in time, so what it answers next belongs to something else.
    is_silent: Cell<bool>,
    /// Why nothing can be stored at all, as far as that was found.
    outage: RefCell<Option<Outage>>,
}

impl<'a> Session<'a> {
    pub fn new(client: &'a Client, driver: Driver<'a>) -> Self {
        Self {
            client,
            driver,
            silence: SILENCE,
            is_aborted: Cell::new(false),
            is_silent: Cell::new(false),
            outage: RefCell::default(),
        }
    }

    /// For statements that go through all of a store.
    pub fn patient(self) -> Self {
        Self { silence: LONG_SILENCE, ..self }
    }

    /// A new transaction begins, to which what failed before does not matter.
    pub fn reset(&self) {
        self.is_aborted.set(false);
    }

    /// Why nothing can be stored at all, as far as a statement has found that.
    pub fn outage(&self) -> Option<Outage> {
        self.outage.borrow().clone()
    }

    /// Nothing can be stored for a reason that the database itself does not give.
    pub fn note_outage(&self, reason: &str) {
        *self.outage.borrow_mut() = Some(Outage { reason: reason.to_owned(), is_disk_full: false });
    }

    /// Whether nothing more can be done in this transaction but to roll it back.
    pub fn is_aborted(&self) -> bool {
        self.is_aborted.get()
    }

    /// Whether the connection can be used for something else.
    pub fn is_usable(&self) -> bool {
        !self.is_silent.get() && !self.client.is_closed()
    }

    /// Several statements without values. Answers the first column of each row, as text.
    ///
    /// # Errors
    /// As [`Connection::execute`].
    pub fn batch(&self, sql: &str) -> Result<Vec<Option<String>>> {
        let messages = self.wait(self.client.simple_query(sql))?;
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
            _ => None,
        });
        Ok(rows.collect())
    }

    fn wait<T>(&self, asked: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>) -> Result<T> {
        let answer = self.driver.wait(async { tokio::time::timeout(self.silence, asked).await });
        let failure = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => StatementFailure::Said(error),
            Err(_) => {
                self.is_silent.set(true);
                StatementFailure::Silent
            }
        };
        self.is_aborted.set(true);
        if let Some(outage) = failure.outage() {
            *self.outage.borrow_mut() = Some(outage);
        }
        Err(Error::Failed(Box::new(failure)))
    }

    fn refuse_aborted(&self) -> Result<()> {
        match self.is_aborted.get() || self.is_silent.get() {
            true => Err(Error::Failed(Box::new(StatementFailure::Aborted))),
            false => Ok(()),
        }
    }

    fn rows(&self, sql: &str, given: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<tokio_postgres::Row>> {
        self.wait(self.client.query_typed(sql, given))
    }

    /// The columns of many rows of values, unless they go one by one.
    fn columns<'v>(given: &[Vec<Value<'v>>]) -> Option<Vec<Column<'v>>> {
        let width = given.iter().map(Vec::len).max().unwrap_or_default();
        let columns: Option<Vec<Column<'v>>> = (0..width).map(|place| Column::of(given, place)).collect();
        columns.filter(|columns| columns.iter().any(|column| column.array_type().is_some()))
    }
}

fn arrays<'c>(columns: &'c [Column<'_>]) -> Vec<(&'c (dyn ToSql + Sync), Type)> {
    columns.iter().filter_map(|column| Some((column.to_sql(), column.array_type()?))).collect()
}

fn array_names(columns: &[Column<'_>]) -> Vec<Option<&'static str>> {
    let name = |column: &Column<'_>| match column {
        Column::Integers(_) => Some("bigint[]"),
        Column::Texts(_) => Some("text[]"),
        Column::Blobs(_) => Some("bytea[]"),
        Column::Nulls => None,
    };
    columns.iter().map(name).collect()
}

fn typed<'g>(given: &'g [Given<'_>]) -> Vec<(&'g (dyn ToSql + Sync), Type)> {
    given.iter().map(|value| (value as &(dyn ToSql + Sync), type_of(&value.0))).collect()
}

fn givens<'v>(values: &[Value<'v>]) -> Vec<Given<'v>> {
    values.iter().copied().map(Given).collect()
}

impl Connection for Session<'_> {
    fn execute(&self, sql: &str, given: &[Value<'_>]) -> Result<usize> {
        if sql.starts_with("ROLLBACK TO ") {
            self.batch(sql)?;
            self.is_aborted.set(false);
            return Ok(0);
        }
        self.refuse_aborted()?;
        let (sql, given) = (statement::single(sql), givens(given));
        let changed = self.wait(self.client.execute_typed(&sql, &typed(&given)))?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    fn query(&self, sql: &str, given: &[Value<'_>], each: &mut dyn FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        self.refuse_aborted()?;
        let (sql, given) = (statement::single(sql), givens(given));
        let rows = self.rows(&sql, &typed(&given))?;
        rows.iter().try_for_each(|row| each(&Row(&PostgresRow::new(row, 0))))
    }

    fn execute_many(&self, sql: &str, given: &[Vec<Value<'_>>]) -> Result<()> {
        if let [] | [_] = given {
            return given.iter().try_for_each(|given| self.execute(sql, given).map(drop));
        }
        self.refuse_aborted()?;
        if let Some(columns) = Self::columns(given)
            && let Some(sql) = statement::many_inserted(sql, &array_names(&columns), given)
        {
            return self.wait(self.client.execute_typed(&sql, &arrays(&columns))).map(drop);
        }
        let sql = statement::single(sql);
        for some in given.chunks(AT_ONCE) {
            let some: Vec<Vec<Given<'_>>> = some.iter().map(|given| givens(given)).collect();
            let one = async |given: &Vec<Given<'_>>| self.client.execute_typed(&sql, &typed(given)).await;
            // So few are asked in their sequence, and each is sent when it is asked.
            self.wait(async {
                join_all(some.iter().map(one)).await.into_iter().collect::<std::result::Result<Vec<_>, _>>()
            })?;
        }
        Ok(())
    }

    fn query_many(
        &self,
        sql: &str,
        given: &[Vec<Value<'_>>],
        each: &mut dyn FnMut(usize, &Row<'_>) -> Result<()>,
    ) -> Result<()> {
        if let [] | [_] = given {
            return given.iter().try_for_each(|given| self.query(sql, given, &mut |row| each(0, row)));
        }
        self.refuse_aborted()?;
        if sql.trim_start().starts_with("SELECT")
            && let Some(columns) = Self::columns(given)
        {
            let sql = statement::many_found(sql, &array_names(&columns));
            let rows = self.rows(&sql, &arrays(&columns))?;
            return rows.iter().try_for_each(|row| {
                let place: i64 = Row(&PostgresRow::new(row, 0)).get(0)?;
                let place = usize::try_from(place - 1).map_err(|_| Error::Internal)?;
                each(place, &Row(&PostgresRow::new(row, 1)))
            });
        }
        let sql = statement::single(sql);
        for (part, some) in given.chunks(AT_ONCE).enumerate() {
            let some: Vec<Vec<Given<'_>>> = some.iter().map(|given| givens(given)).collect();
            let one = async |given: &Vec<Given<'_>>| self.client.query_typed(&sql, &typed(given)).await;
            let found = self.wait(async { try_join_all(some.iter().map(one)).await })?;
            for (place, rows) in found.iter().enumerate() {
                let place = part * AT_ONCE + place;
                rows.iter().try_for_each(|row| each(place, &Row(&PostgresRow::new(row, 0))))?;
            }
        }
        Ok(())
    }
}
