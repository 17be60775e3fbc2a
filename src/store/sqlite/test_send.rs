//! What a person sends to try a channel: how it fares, and that it leaves nothing behind.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::domain::event::DeliveryId;
use crate::store::queue::attempt::{TestAttempt, TestSend};
use crate::store::queue::pending::{ParkedRow, ParkedState};
use crate::store::sqlite::{deliver, rows};

/// Takes back a delivery that was made to try a channel.
pub fn take_back(connection: &Connection, delivery: DeliveryId, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "UPDATE deliveries SET state = 'cancelled' WHERE id = ?1 AND state IN ('waiting', 'dead')";
    if connection.execute(sql, [delivery.0.as_bytes()])? == 1 {
        deliver::step(connection, delivery, now, "cancelled", "it was made to try the channel")?;
    }
    Ok(())
}

/// How a channel is parked, before a command opens the store as the daemon does: that would have it probed soon.
pub fn parking(connection: &Connection, channel: &str) -> rusqlite::Result<Option<ParkedRow>> {
    let sql = "SELECT since, reason, probes, next_probe_at, probed_at, wait_ms FROM parked_channels WHERE channel = ?1";
    let read = |row: &Row<'_>| {
        let moment = |column| rows::of_millisecond(column, row.get(column)?);
        let state =
            ParkedState { since: moment(0)?, reason: row.get(1)?, probes: row.get(2)?, next_probe_at: moment(3)? };
        Ok(ParkedRow { state, probed_at: moment(4)?, wait: SignedDuration::from_millis(row.get(5)?) })
    };
    connection.query_row(sql, [channel], read).optional()
}

/// Puts a channel back as it was parked before a test, unless that reopened it.
pub fn leave_parking(connection: &Connection, channel: &str, before: Option<&ParkedRow>) -> rusqlite::Result<()> {
    let Some(ParkedRow { state, probed_at, wait }) = before else {
        return connection.execute("DELETE FROM parked_channels WHERE channel = ?1", [channel]).map(drop);
    };
    let sql = "UPDATE parked_channels SET since = ?2, reason = ?3, probes = ?4, next_probe_at = ?5, probed_at = ?6,
        wait_ms = ?7 WHERE channel = ?1";
    let [since, next_probe_at, probed_at] = [state.since, state.next_probe_at, *probed_at].map(rows::to_millisecond);
    let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    let given = params![channel, since, state.reason, state.probes, next_probe_at, probed_at, wait_ms];
    connection.execute(sql, given).map(drop)
}

/// How a delivery that was made to try a channel fares.
pub fn test_send(
    connection: &Connection,
    delivery: DeliveryId,
    credential: &str,
) -> rusqlite::Result<Option<TestSend>> {
    let id = delivery.0.as_bytes();
    let sql = "SELECT state FROM deliveries WHERE id = ?1";
    let Some(state) = connection.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()? else {
        return Ok(None);
    };
    let sql =
        "SELECT outcome, answer, far_ahead_s FROM attempts WHERE delivery = ?1 AND ended_at IS NOT NULL ORDER BY seq";
    let mut select = connection.prepare_cached(sql)?;
    let attempts = select.query_map([id], |row| {
        Ok(TestAttempt { outcome: row.get(0)?, answer: row.get(1)?, clock_ahead_s: row.get(2)? })
    })?;
    let attempts = attempts.collect::<rusqlite::Result<_>>()?;
    let sql = "SELECT closed_until FROM credentials WHERE credential = ?1";
    let until: Option<i64> =
        connection.prepare_cached(sql)?.query_row(params![credential], |row| row.get(0)).optional()?;
    let shut_until = until.map(|until| rows::of_millisecond(0, until)).transpose()?;
    Ok(Some(TestSend { state, attempts, rate_limited_until: shut_until }))
}
