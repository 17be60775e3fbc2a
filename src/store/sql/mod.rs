//! What the statements of a store need of a database: values, rows, and the connection of one transaction.
//!
//! A statement is written once for every database, in the SQL that all of them read: parameters are `?1`, `?2` and so on; a
//! truth that is compared or counted with is spelt out as `CASE`; a sum is cast to `BIGINT`; `IS DISTINCT FROM` compares what
//! may be null. An `INDEXED BY` is a hint that a database without it leaves out. `unixepoch(text)` are the seconds from 1970
//! until a time that is written out, null where it is none; a database without it gets it by its schema.

mod catch_up;
mod change;
pub mod claim;
mod clock;
pub mod commit;
mod contract;
pub mod database;
mod dedupe;
pub mod deliver;
mod due;
mod fallback;
mod find;
mod history;
mod incidents;
mod inquiries;
pub mod jobs;
mod list;
mod named;
mod pacing;
mod pages;
mod parking;
mod parts;
mod pausing;
mod prune;
mod queue_depth;
pub mod record;
mod refusals;
pub mod report;
pub mod restored;
mod rows;
mod sessions;
pub mod settle;
mod states;
pub mod take_over;
mod test_send;
pub mod transfer;
pub mod value;

use crate::store::StoreError;
use crate::store::sql::value::{FromValue, Value};

/// What a statement comes to.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a statement came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database did not do it.
    #[error("{0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A column holds what this version cannot read.
    #[error("column {column} cannot be read: {reason}")]
    Unreadable { column: usize, reason: String },
    /// There is no row where one must be.
    #[error("a row is missing")]
    NoRow,
    /// A value cannot be written down.
    #[error("a value cannot be written: {0}")]
    Unwritable(#[from] serde_json::Error),
    #[error("an internal error")]
    Internal,
}

/// What happened, in the words of the contract.
impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        StoreError::Unavailable(error.to_string())
    }
}

/// A connection: within a transaction, or to look as of one moment.
pub trait Connection {
    /// Changes something. Answers how many rows.
    ///
    /// # Errors
    /// [`Error::Failed`].
    fn execute(&self, sql: &str, given: &[Value<'_>]) -> Result<usize>;

    /// Looks something up, row by row. `each` asks nothing of the connection.
    ///
    /// # Errors
    /// [`Error::Failed`], and what `each` answers: then no further row is read.
    fn query(&self, sql: &str, given: &[Value<'_>], each: &mut dyn FnMut(&Row<'_>) -> Result<()>) -> Result<()>;

    /// Inserts one row. Answers its `seq`, which the database gives it.
    ///
    /// # Errors
    /// As [`Connection::execute`].
    fn insert(&self, sql: &str, given: &[Value<'_>]) -> Result<i64> {
        let mut seq = None;
        self.query(&format!("{sql} RETURNING seq"), given, &mut |row| row.get(0).map(|given| seq = Some(given)))?;
        seq.ok_or(Error::NoRow)
    }

    /// As [`Connection::execute`], once for each of `given`; where the database is far, in one round trip.
    ///
    /// # Errors
    /// As [`Connection::execute`]; then some of it may have been done.
    fn execute_many(&self, sql: &str, given: &[Vec<Value<'_>>]) -> Result<()> {
        given.iter().try_for_each(|given| self.execute(sql, given).map(drop))
    }

    /// As [`Connection::query`], once for each of `given`, with its place there; where the database is far, in one round trip.
    ///
    /// # Errors
    /// As [`Connection::query`].
    fn query_many(
        &self,
        sql: &str,
        given: &[Vec<Value<'_>>],
        each: &mut dyn FnMut(usize, &Row<'_>) -> Result<()>,
    ) -> Result<()> {
        given.iter().enumerate().try_for_each(|(place, given)| self.query(sql, given, &mut |row| each(place, row)))
    }
}

impl dyn Connection + '_ {
    /// The first row, if there is any.
    ///
    /// # Errors
    /// As [`Connection::query`].
    pub fn optional<T>(
        &self,
        sql: &str,
        given: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut found = None;
        self.query(sql, given, &mut |row| {
            if found.is_none() {
                found = Some(read(row)?);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The row that must be there.
    ///
    /// # Errors
    /// As [`Connection::query`]; [`Error::NoRow`].
    pub fn one<T>(&self, sql: &str, given: &[Value<'_>], read: impl FnMut(&Row<'_>) -> Result<T>) -> Result<T> {
        self.optional(sql, given, read)?.ok_or(Error::NoRow)
    }

    /// Whether there is any row.
    ///
    /// # Errors
    /// As [`Connection::query`].
    pub fn exists(&self, sql: &str, given: &[Value<'_>]) -> Result<bool> {
        self.optional(sql, given, |_| Ok(())).map(|found| found.is_some())
    }

    /// All rows.
    ///
    /// # Errors
    /// As [`Connection::query`].
    pub fn all<T>(
        &self,
        sql: &str,
        given: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut found = Vec::new();
        self.query(sql, given, &mut |row| {
            found.push(read(row)?);
            Ok(())
        })?;
        Ok(found)
    }
}

/// The columns of a row, as a database has them.
pub trait Columns {
    /// What stands in a column; a truth, which only a statement can make, as 0 or 1.
    ///
    /// # Errors
    /// [`Error::Unreadable`]: the column is none that a store has, or is not there.
    fn column(&self, index: usize) -> Result<Value<'_>>;
}

/// A row that was found.
pub struct Row<'r>(pub &'r dyn Columns);

impl<'r> Row<'r> {
    /// What stands in a column.
    ///
    /// # Errors
    /// [`Error::Unreadable`]: it is of another sort.
    pub fn get<T: FromValue<'r>>(&self, column: usize) -> Result<T> {
        let value = self.0.column(column)?;
        T::from_value(value).map_err(|reason| Error::Unreadable { column, reason })
    }
}

/// The values that a statement is given, in their sequence.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::store::sql::value::IntoValue::into_value(&$value)),*]
    };
}

pub(crate) use params;
