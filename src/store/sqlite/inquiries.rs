//! What a command asks the running daemon about its settings: a row for the question, which the daemon answers in place.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::store::StoreError;
use crate::store::sqlite::change::Changes;
use crate::store::sqlite::read::Reader;
use crate::store::sqlite::{Sqlite, rows};

/// A command that asked so long ago has ended without taking its question back.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// Asks, with half of a key.
///
/// # Errors
/// [`StoreError`]: nothing was asked.
pub fn ask(path: &Path, id: Uuid, public_key: &[u8], now: Timestamp) -> Result<(), StoreError> {
    Changes::open(path)?.transact(|connection| {
        let sql = "INSERT INTO settings_inquiries (id, asked_at, public_key) VALUES (?1, ?2, ?3)";
        connection.execute(sql, params![id.as_bytes(), rows::to_millisecond(now), public_key]).map(drop)
    })
}

/// Takes a question back, answered or not.
///
/// # Errors
/// [`StoreError`].
pub fn end(path: &Path, id: Uuid) -> Result<(), StoreError> {
    Changes::open(path)?.transact(|connection| delete(connection, id))
}

fn delete(connection: &Connection, id: Uuid) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM settings_inquiries WHERE id = ?1", [id.as_bytes()]).map(drop)
}

impl Reader {
    /// What is asked and not answered yet: ids and halves of keys.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn inquiries(&self) -> Result<Vec<(Uuid, Vec<u8>)>, StoreError> {
        self.look(|connection| {
            let sql = "SELECT id, public_key FROM settings_inquiries WHERE answer IS NULL ORDER BY id";
            let mut select = connection.prepare_cached(sql)?;
            let found = select.query_map([], |row| Ok((rows::uuid(0, row.get_ref(0)?.as_blob()?)?, row.get(1)?)))?;
            found.collect()
        })
        .await
    }

    /// The answer to a question, where there is one yet.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn answer(&self, id: Uuid) -> Result<Option<String>, StoreError> {
        self.look(move |connection| {
            let sql = "SELECT answer FROM settings_inquiries WHERE id = ?1";
            connection.prepare_cached(sql)?.query_row([id.as_bytes()], |row| row.get(0)).optional().map(Option::flatten)
        })
        .await
    }
}

impl Sqlite {
    /// Answers a question, and forgets those whose commands are gone.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn answer_inquiry(&self, id: Uuid, answer: String, now: Timestamp) -> Result<(), StoreError> {
        self.change(move |connection| {
            let before = rows::to_millisecond(now.checked_sub(FORGOTTEN_AFTER).unwrap_or(now));
            connection.prepare_cached("DELETE FROM settings_inquiries WHERE asked_at < ?1")?.execute([before])?;
            let sql = "UPDATE settings_inquiries SET answer = ?2 WHERE id = ?1";
            connection.prepare_cached(sql)?.execute(params![id.as_bytes(), answer]).map(drop)
        })
        .await
    }

    /// Forgets a question that cannot be answered.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn drop_inquiry(&self, id: Uuid) -> Result<(), StoreError> {
        self.change(move |connection| delete(connection, id)).await
    }
}
