//! A store's statements on SQLite: values are bound and columns read as they are, without a copy of ours.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, ToSql};

use crate::store::StoreError;
use crate::store::sql::commit::{Ended, NotBegun, Transactions};
use crate::store::sql::value::Value;
use crate::store::sql::{self, Columns, Error, Result, Row};
use crate::store::sqlite::unavailable;

impl sql::Connection for Connection {
    fn execute(&self, sql: &str, given: &[Value<'_>]) -> Result<usize> {
        run(&mut self.prepare_cached(sql)?, given)
    }

    // With RETURNING, SQLite copies every page before it changes it, so as to be able to take the statement back.
    fn insert(&self, sql: &str, given: &[Value<'_>]) -> Result<i64> {
        run(&mut self.prepare_cached(sql)?, given)?;
        Ok(self.last_insert_rowid())
    }

    fn query(&self, sql: &str, given: &[Value<'_>], each: &mut dyn FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        look(&mut self.prepare_cached(sql)?, given, each)
    }

    fn execute_many(&self, sql: &str, given: &[Vec<Value<'_>>]) -> Result<()> {
        if given.is_empty() {
            return Ok(());
        }
        let mut statement = self.prepare_cached(sql)?;
        given.iter().try_for_each(|given| run(&mut statement, given).map(drop))
    }

    fn query_many(
        &self,
        sql: &str,
        given: &[Vec<Value<'_>>],
        each: &mut dyn FnMut(usize, &Row<'_>) -> Result<()>,
    ) -> Result<()> {
        if given.is_empty() {
            return Ok(());
        }
        let mut statement = self.prepare_cached(sql)?;
        let one = |(place, given): (usize, &Vec<Value<'_>>)| look(&mut statement, given, &mut |row| each(place, row));
        given.iter().enumerate().try_for_each(one)
    }
}

fn run(statement: &mut CachedStatement<'_>, given: &[Value<'_>]) -> Result<usize> {
    Ok(statement.execute(rusqlite::params_from_iter(given.iter().map(|value| Bound(*value))))?)
}

fn look(
    statement: &mut CachedStatement<'_>,
    given: &[Value<'_>],
    each: &mut dyn FnMut(&Row<'_>) -> Result<()>,
) -> Result<()> {
    let mut rows = statement.query(rusqlite::params_from_iter(given.iter().map(|value| Bound(*value))))?;
    while let Some(row) = rows.next()? {
        each(&Row(row))?;
    }
    Ok(())
}

struct Bound<'a>(Value<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(integer) => ValueRef::Integer(integer),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl Columns for rusqlite::Row<'_> {
    fn column(&self, index: usize) -> Result<Value<'_>> {
        let unreadable = |reason: String| Error::Unreadable { column: index, reason };
        match self.get_ref(index).map_err(|error| unreadable(error.to_string()))? {
            ValueRef::Null => Ok(Value::Null),
            ValueRef::Integer(integer) => Ok(Value::Integer(integer)),
            ValueRef::Text(text) => {
                str::from_utf8(text).map(Value::Text).map_err(|error| unreadable(error.to_string()))
            }
            ValueRef::Blob(bytes) => Ok(Value::Blob(bytes)),
            ValueRef::Real(_) => Err(unreadable("a number with a fraction".to_owned())),
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Error::Failed(Box::new(error))
    }
}

impl Transactions for Connection {
    fn begin(&self) -> std::result::Result<(), NotBegun> {
        let begun = self.prepare_cached("BEGIN IMMEDIATE").and_then(|mut begin| begin.execute([]));
        begun.map(drop).map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy) => {
                let error = StoreError::Unavailable("another program has locked the database".to_owned());
                NotBegun { error, outcome: Ended::Locked }
            }
            _ => NotBegun { error: unavailable(&error), outcome: Ended::Failed },
        })
    }

    fn taken_back(&self) -> StoreError {
        StoreError::Unavailable("the disk is full or cannot be written".to_owned())
    }

    fn is_begun(&self) -> bool {
        !self.is_autocommit()
    }

    fn commit(&self) -> std::result::Result<(), StoreError> {
        let committed = self.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]));
        committed.map(drop).map_err(|error| {
            let _ = self.execute_batch("ROLLBACK");
            unavailable(&error)
        })
    }

    fn roll_back(&self) -> std::result::Result<(), StoreError> {
        self.execute_batch("ROLLBACK").map_err(|error| unavailable(&error))
    }
}
