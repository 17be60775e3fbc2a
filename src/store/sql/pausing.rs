//! Paused channels: a person wants nothing sent to them, until a person resumes them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::store::queue::pending::PausedState;
use crate::store::sql::{Connection, Result, params};

/// How a channel is paused, where it is.
pub fn paused(connection: &dyn Connection, channel: &str) -> Result<Option<PausedState>> {
    let sql = "SELECT since, paused_by FROM paused_channels WHERE channel = ?1";
    connection.optional(sql, params![channel], |row| Ok(PausedState { since: row.get(0)?, by: row.get(1)? }))
}

/// All channels that are paused.
pub fn all(connection: &dyn Connection) -> Result<BTreeMap<String, PausedState>> {
    let sql = "SELECT channel, since, paused_by FROM paused_channels";
    let paused = connection
        .all(sql, &[], |row| Ok((row.get::<String>(0)?, PausedState { since: row.get(1)?, by: row.get(2)? })))?;
    Ok(paused.into_iter().collect())
}

/// Pauses a channel, unless it is. Answers how it was paused before.
pub fn pause(connection: &dyn Connection, channel: &str, by: &str, now: Timestamp) -> Result<Option<PausedState>> {
    let before = paused(connection, channel)?;
    if before.is_none() {
        let sql = "INSERT INTO paused_channels (channel, since, paused_by) VALUES (?1, ?2, ?3)";
        connection.execute(sql, params![channel, now, by])?;
    }
    Ok(before)
}

/// Resumes a channel that is paused. Answers how it was. What waits is due as it was all the time.
pub fn resume(connection: &dyn Connection, channel: &str) -> Result<Option<PausedState>> {
    let before = paused(connection, channel)?;
    connection.execute("DELETE FROM paused_channels WHERE channel = ?1", params![channel])?;
    Ok(before)
}
