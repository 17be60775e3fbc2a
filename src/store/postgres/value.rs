//! How our values go to PostgreSQL and come back, in its binary format: numbers as INT8, text as TEXT, bytes as BYTEA.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::error::Error as StdError;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type};

use crate::store::sql::value::Value;
use crate::store::sql::{Columns, Error, Result};

type Failed = Box<dyn StdError + Send + Sync>;

/// A value that is given to a statement.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a>(pub Value<'a>);

/// As what a value is announced. Of nothing, the statement says what it should be.
pub fn type_of(value: &Value<'_>) -> Type {
    match value {
        Value::Null => Type::UNKNOWN,
        Value::Integer(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Blob(_) => Type::BYTEA,
    }
}

/// PostgreSQL's text holds any character but U+0000, which stands there as this character, that nobody writes, and a letter;
/// so does this one, should somebody write it after all.
const ESCAPE: char = '\u{10ffff}';

/// A text as it is kept.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(ESCAPE, "\u{10ffff}e").replace('\0', "\u{10ffff}0"))
}

/// And as it was given; `None` where it is just as it is kept.
fn unescaped(kept: &str) -> Option<String> {
    let mut pieces = kept.split(ESCAPE);
    let mut text = pieces.next().unwrap_or_default().to_owned();
    let mut is_escaped = false;
    for piece in pieces {
        is_escaped = true;
        let (letter, rest) = piece.split_at_checked(1).unwrap_or(("", piece));
        text.push(if letter == "0" { '\0' } else { ESCAPE });
        text.push_str(rest);
    }
    is_escaped.then_some(text)
}

impl ToSql for Given<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> std::result::Result<IsNull, Failed> {
        match self.0 {
            Value::Null => return Ok(IsNull::Yes),
            Value::Integer(integer) => out.put_i64(integer),
            Value::Text(text) => out.put_slice(escaped(text).as_bytes()),
            Value::Blob(bytes) => out.put_slice(bytes),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}

/// One column of what is given to a statement many times.
pub enum Column<'a> {
    Integers(Vec<Option<i64>>),
    Texts(Vec<Option<Cow<'a, str>>>),
    Blobs(Vec<Option<&'a [u8]>>),
    /// There is nothing in it.
    Nulls,
}

impl<'a> Column<'a> {
    /// The column at a place; `None` when its values are of more than one sort.
    pub fn of(given: &[Vec<Value<'a>>], place: usize) -> Option<Self> {
        let values = || given.iter().map(|row| row.get(place).copied().unwrap_or(Value::Null));
        let sort = values().find(|value| *value != Value::Null);
        match sort {
            None => Some(Self::Nulls),
            Some(Value::Integer(_)) => column(values(), |value| match value {
                Value::Integer(integer) => Some(integer),
                _ => None,
            })
            .map(Self::Integers),
            Some(Value::Text(_)) => column(values(), |value| match value {
                Value::Text(text) => Some(escaped(text)),
                _ => None,
            })
            .map(Self::Texts),
            Some(_) => column(values(), |value| match value {
                Value::Blob(bytes) => Some(bytes),
                _ => None,
            })
            .map(Self::Blobs),
        }
    }

    /// As what it is announced; `None` of one in which nothing is.
    pub fn array_type(&self) -> Option<Type> {
        match self {
            Self::Integers(_) => Some(Type::INT8_ARRAY),
            Self::Texts(_) => Some(Type::TEXT_ARRAY),
            Self::Blobs(_) => Some(Type::BYTEA_ARRAY),
            Self::Nulls => None,
        }
    }

    pub fn to_sql(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Integers(column) => column,
            Self::Texts(column) => column,
            Self::Blobs(column) => column,
            Self::Nulls => &None::<i64>,
        }
    }
}

fn column<'a, T>(
    values: impl Iterator<Item = Value<'a>>,
    read: impl Fn(Value<'a>) -> Option<T>,
) -> Option<Vec<Option<T>>> {
    values
        .map(|value| match value {
            Value::Null => Some(None),
            value => read(value).map(Some),
        })
        .collect()
}

/// What came in a column, as it came.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> std::result::Result<Self, Failed> {
        Ok(Raw(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A row of PostgreSQL, the first so many columns of which are not the statement's.
pub struct PostgresRow<'r> {
    row: &'r tokio_postgres::Row,
    skipped: usize,
    /// By column, what is not as it is kept.
    unescaped: OnceCell<Box<[OnceCell<Option<String>>]>>,
}

impl<'r> PostgresRow<'r> {
    pub fn new(row: &'r tokio_postgres::Row, skipped: usize) -> Self {
        Self { row, skipped, unescaped: OnceCell::new() }
    }

    fn text<'t>(&'t self, place: usize, kept: &'t str) -> &'t str {
        if !kept.contains(ESCAPE) {
            return kept;
        }
        let columns = self.unescaped.get_or_init(|| self.row.columns().iter().map(|_| OnceCell::new()).collect());
        columns[place].get_or_init(|| unescaped(kept)).as_deref().unwrap_or(kept)
    }
}

impl Columns for PostgresRow<'_> {
    fn column(&self, index: usize) -> Result<Value<'_>> {
        let unreadable = |reason: String| Error::Unreadable { column: index, reason };
        let place = index + self.skipped;
        let found = self.row.columns().get(place).ok_or_else(|| unreadable("there is no such column".to_owned()))?;
        let raw = self.row.try_get::<_, Option<Raw<'_>>>(place).map_err(|error| unreadable(error.to_string()))?;
        let Some(Raw(raw)) = raw else { return Ok(Value::Null) };
        let integer =
            |read: Option<i64>| read.map(Value::Integer).ok_or_else(|| unreadable("a number is cut".to_owned()));
        match *found.type_() {
            Type::INT8 => integer(raw.try_into().ok().map(i64::from_be_bytes)),
            Type::INT4 => integer(raw.try_into().ok().map(|raw| i32::from_be_bytes(raw).into())),
            Type::INT2 => integer(raw.try_into().ok().map(|raw| i16::from_be_bytes(raw).into())),
            Type::BOOL => integer(raw.first().map(|truth| (*truth).into())),
            Type::BYTEA => Ok(Value::Blob(raw)),
            Type::TEXT | Type::VARCHAR | Type::NAME | Type::UNKNOWN => {
                let kept = std::str::from_utf8(raw).map_err(|error| unreadable(error.to_string()))?;
                Ok(Value::Text(self.text(place, kept)))
            }
            ref other => Err(unreadable(format!("a value of type {other} is none that a store has"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_kept_without_its_nul_and_comes_back_with_it() {
        for text in ["", "plain", "\0", "a\0b\0", "\u{10ffff}", "\u{10ffff}0\0\u{10ffff}e", "\u{10ffff}\0e"] {
            let kept = escaped(text);
            assert!(!kept.contains('\0'), "{text:?}");
            assert_eq!(unescaped(&kept).as_deref().unwrap_or(&kept), text);
        }
        // What somebody else wrote there is shown as far as it can be.
        assert_eq!(unescaped("a\u{10ffff}").as_deref(), Some("a\u{10ffff}"));
    }
}
