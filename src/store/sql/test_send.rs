//! What a person sends to try a channel: how it fares, and that it leaves nothing behind.

use jiff::{SignedDuration, Timestamp};

use crate::domain::event::DeliveryId;
use crate::store::queue::attempt::{TestAttempt, TestSend};
use crate::store::queue::pending::{ParkedRow, ParkedState};
use crate::store::sql::{Connection, Result, deliver, params};

/// Takes back a delivery that was made to try a channel.
pub fn take_back(connection: &dyn Connection, delivery: DeliveryId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE deliveries SET state = 'cancelled' WHERE id = ?1 AND state IN ('waiting', 'dead')";
    if connection.execute(sql, params![delivery])? == 1 {
        deliver::step(connection, delivery, now, "cancelled", "it was made to try the channel")?;
    }
    Ok(())
}

/// How a channel is parked, before a command opens the store as the daemon does: that would have it probed soon.
pub fn parking(connection: &dyn Connection, channel: &str) -> Result<Option<ParkedRow>> {
    let sql = "SELECT since, reason, probes, next_probe_at, probed_at, wait_ms FROM parked_channels WHERE channel = ?1";
    connection.optional(sql, params![channel], |row| {
        let (since, next_probe_at) = (row.get(0)?, row.get(3)?);
        let state = ParkedState { since, reason: row.get(1)?, probes: row.get(2)?, next_probe_at };
        Ok(ParkedRow { state, probed_at: row.get(4)?, wait: SignedDuration::from_millis(row.get(5)?) })
    })
}

/// Puts a channel back as it was parked before a test, unless that reopened it.
pub fn leave_parking(connection: &dyn Connection, channel: &str, before: Option<&ParkedRow>) -> Result<()> {
    let Some(ParkedRow { state, probed_at, wait }) = before else {
        return connection.execute("DELETE FROM parked_channels WHERE channel = ?1", params![channel]).map(drop);
    };
    let sql = "UPDATE parked_channels SET since = ?2, reason = ?3, probes = ?4, next_probe_at = ?5, probed_at = ?6,
        wait_ms = ?7 WHERE channel = ?1";
    let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    let ParkedState { since, reason, probes, next_probe_at } = state;
    let given = params![channel, since, reason, probes, next_probe_at, probed_at, wait_ms];
    connection.execute(sql, given).map(drop)
}

/// How a delivery that was made to try a channel fares.
pub fn test_send(connection: &dyn Connection, delivery: DeliveryId, credential: &str) -> Result<Option<TestSend>> {
    let sql = "SELECT state FROM deliveries WHERE id = ?1";
    let Some(state) = connection.optional(sql, params![delivery], |row| row.get(0))? else {
        return Ok(None);
    };
    let sql =
        "SELECT outcome, answer, far_ahead_s FROM attempts WHERE delivery = ?1 AND ended_at IS NOT NULL ORDER BY seq";
    let attempts = connection.all(sql, params![delivery], |row| {
        Ok(TestAttempt { outcome: row.get(0)?, answer: row.get(1)?, clock_ahead_s: row.get(2)? })
    })?;
    let sql = "SELECT closed_until FROM credentials WHERE credential = ?1";
    let rate_limited_until = connection.optional(sql, params![credential], |row| row.get(0))?;
    Ok(Some(TestSend { state, attempts, rate_limited_until }))
}
