//! What a command asks the running daemon about its settings: a row for the question, which the daemon answers in place.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::store::sql::{Connection, Result, params};

/// A command that asked so long ago has ended without taking its question back.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// Asks, with half of a key.
pub fn ask(connection: &dyn Connection, id: Uuid, public_key: &[u8], now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO settings_inquiries (id, asked_at, public_key) VALUES (?1, ?2, ?3)";
    connection.execute(sql, params![id, now, public_key]).map(drop)
}

/// What is asked and not answered yet.
pub fn unanswered(connection: &dyn Connection) -> Result<Vec<(Uuid, Vec<u8>)>> {
    let sql = "SELECT id, public_key FROM settings_inquiries WHERE answer IS NULL ORDER BY id";
    connection.all(sql, &[], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Answers a question, and forgets those whose commands are gone.
pub fn answer(connection: &dyn Connection, id: Uuid, answer: &str, now: Timestamp) -> Result<()> {
    let before = now.checked_sub(FORGOTTEN_AFTER).unwrap_or(now);
    connection.execute("DELETE FROM settings_inquiries WHERE asked_at < ?1", params![before])?;
    let sql = "UPDATE settings_inquiries SET answer = ?2 WHERE id = ?1";
    connection.execute(sql, params![id, answer]).map(drop)
}

/// The answer to a question, where there is one yet.
pub fn answered(connection: &dyn Connection, id: Uuid) -> Result<Option<String>> {
    let sql = "SELECT answer FROM settings_inquiries WHERE id = ?1";
    connection.optional(sql, params![id], |row| row.get(0)).map(Option::flatten)
}

/// Forgets a question, answered or not.
pub fn forget(connection: &dyn Connection, id: Uuid) -> Result<()> {
    connection.execute("DELETE FROM settings_inquiries WHERE id = ?1", params![id]).map(drop)
}
