//! What a command asks of the daemon that holds the store: each a short transaction on a connection of its own, which the
//! daemon notices within a second.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::domain::event::DeliveryId;
use crate::store::sqlite::change::Changes;
use crate::store::sqlite::commit::Orders;
use crate::store::sqlite::{deliver, record, report, rows};
use crate::store::{Record, ReportRun, StoreError, TestAttempt, TestSend};

/// Records an event of our own, with its deliveries.
///
/// # Errors
/// [`StoreError::Unavailable`]: nothing of it was kept.
pub fn record(path: &Path, record: &Record) -> Result<(), StoreError> {
    change(path, |connection| record::record(connection, &mut Orders::new(), record).map(drop))
}

/// Records a report of any days, with its deliveries.
///
/// # Errors
/// [`StoreError::Unavailable`]: nothing of it was kept.
pub fn report(path: &Path, run: &ReportRun) -> Result<(), StoreError> {
    change(path, |connection| report::record_run(connection, run).map(drop))
}

/// Takes back a delivery that was made to try a channel.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub fn take_back(path: &Path, delivery: DeliveryId, now: Timestamp) -> Result<(), StoreError> {
    change(path, |connection| {
        let sql = "UPDATE deliveries SET state = 'cancelled' WHERE id = ?1 AND state IN ('waiting', 'dead')";
        if connection.execute(sql, [delivery.0.as_bytes()])? == 1 {
            deliver::step(connection, delivery, now, "cancelled", "it was made to try the channel")?;
        }
        Ok(())
    })
}

/// A parked channel as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedRow {
    since: i64,
    reason: String,
    probes: i64,
    next_probe_at: i64,
    probed_at: i64,
    wait_ms: i64,
}

/// How a channel is parked, before a command opens the store as the daemon does: that would have it probed soon.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub fn parking(path: &Path, channel: &str) -> Result<Option<ParkedRow>, StoreError> {
    let sql = "SELECT since, reason, probes, next_probe_at, probed_at, wait_ms FROM parked_channels WHERE channel = ?1";
    let read = |row: &Row<'_>| {
        Ok(ParkedRow {
            since: row.get(0)?,
            reason: row.get(1)?,
            probes: row.get(2)?,
            next_probe_at: row.get(3)?,
            probed_at: row.get(4)?,
            wait_ms: row.get(5)?,
        })
    };
    change(path, |connection| connection.query_row(sql, [channel], read).optional())
}

/// A test before the daemon runs neither parks a channel, whose setting is about to be mended, nor moves the next probe of a
/// parked one. Where the test reopened it, it stays open.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub fn leave_parking(path: &Path, channel: &str, before: Option<&ParkedRow>) -> Result<(), StoreError> {
    change(path, |connection| {
        let Some(ParkedRow { since, reason, probes, next_probe_at, probed_at, wait_ms }) = before else {
            return connection.execute("DELETE FROM parked_channels WHERE channel = ?1", [channel]).map(drop);
        };
        let sql = "UPDATE parked_channels SET since = ?2, reason = ?3, probes = ?4, next_probe_at = ?5, probed_at = ?6,
            wait_ms = ?7 WHERE channel = ?1";
        let given = params![channel, since, reason, probes, next_probe_at, probed_at, wait_ms];
        connection.execute(sql, given).map(drop)
    })
}

fn change<T>(path: &Path, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
    Changes::open(path)?.transact(work)
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
