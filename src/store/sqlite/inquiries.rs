//! What a command asks the running daemon about its settings: a row for the question, which the daemon answers in place.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::store::sqlite::rows;

/// A command that asked so long ago has ended without taking its question back.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// Asks, with half of a key.
pub fn ask(connection: &Connection, id: Uuid, public_key: &[u8], now: Timestamp) -> rusqlite::Result<()> {
    let sql = "INSERT INTO settings_inquiries (id, asked_at, public_key) VALUES (?1, ?2, ?3)";
    connection.execute(sql, params![id.as_bytes(), rows::to_millisecond(now), public_key]).map(drop)
}

/// What is asked and not answered yet.
pub fn unanswered(connection: &Connection) -> rusqlite::Result<Vec<(Uuid, Vec<u8>)>> {
    let sql = "SELECT id, public_key FROM settings_inquiries WHERE answer IS NULL ORDER BY id";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_map([], |row| Ok((rows::uuid(0, row.get_ref(0)?.as_blob()?)?, row.get(1)?)))?;
    found.collect()
}

/// Answers a question, and forgets those whose commands are gone.
pub fn answer(connection: &Connection, id: Uuid, answer: &str, now: Timestamp) -> rusqlite::Result<()> {
    let before = rows::to_millisecond(now.checked_sub(FORGOTTEN_AFTER).unwrap_or(now));
    connection.prepare_cached("DELETE FROM settings_inquiries WHERE asked_at < ?1")?.execute([before])?;
    let sql = "UPDATE settings_inquiries SET answer = ?2 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![id.as_bytes(), answer]).map(drop)
}

/// The answer to a question, where there is one yet.
pub fn answered(connection: &Connection, id: Uuid) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT answer FROM settings_inquiries WHERE id = ?1";
    connection.prepare_cached(sql)?.query_row([id.as_bytes()], |row| row.get(0)).optional().map(Option::flatten)
}

/// Forgets a question, answered or not.
pub fn forget(connection: &Connection, id: Uuid) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM settings_inquiries WHERE id = ?1", [id.as_bytes()]).map(drop)
}
