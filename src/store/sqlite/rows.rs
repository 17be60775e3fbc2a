//! How our words stand in SQLite's columns.

use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::types::Type;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::store::recording::packed::{self, Unpacked};

pub fn to_millisecond(at: Timestamp) -> i64 {
    at.as_millisecond()
}

pub fn of_millisecond(column: usize, value: i64) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(value).map_err(|error| unreadable(column, Type::Integer, error))
}

pub fn uuid(column: usize, bytes: &[u8]) -> rusqlite::Result<Uuid> {
    Uuid::from_slice(bytes).map_err(|error| unreadable(column, Type::Blob, error))
}

pub fn to_json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

pub fn of_json<T: DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| unreadable(column, Type::Text, error))
}

/// What is packed as the first part of a frame, JSON.
pub fn packed<T: DeserializeOwned>(column: usize, frame: &[u8]) -> rusqlite::Result<T> {
    json_part(column, &unpack(column, frame)?)
}

/// The first part of a frame, JSON.
pub fn json_part<T: DeserializeOwned>(column: usize, unpacked: &Unpacked) -> rusqlite::Result<T> {
    serde_json::from_slice(unpacked.part(0)).map_err(|error| unreadable(column, Type::Blob, error))
}

/// The keys of an event's rows in the table of dedupe keys.
pub fn dedupe_keys(column: usize, frame: &[u8]) -> rusqlite::Result<Vec<String>> {
    serde_json::from_slice(unpack(column, frame)?.part(1)).map_err(|error| unreadable(column, Type::Blob, error))
}

pub fn unpack(column: usize, frame: &[u8]) -> rusqlite::Result<Unpacked> {
    packed::unpack(frame).map_err(|error| unreadable(column, Type::Blob, error))
}

pub fn parsed<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    column: usize,
    text: &str,
) -> rusqlite::Result<T> {
    text.parse().map_err(|error| unreadable(column, Type::Text, error))
}

fn unreadable(column: usize, kind: Type, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))
}
