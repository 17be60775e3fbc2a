//! Parked channels: their setting is wrong, so their messages wait, and one of them is tried now and then.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

use crate::store::queue::pending::UNREADY;
use crate::store::sqlite::deliver::PROBE_AFTER_START;
use crate::store::sqlite::{clock, fallback, rows};

/// The longest that any parked channel waits for its next try.
const LONGEST_PROBE: SignedDuration = SignedDuration::from_hours(6);

/// The receiver says that the channel's setting is wrong. Refusals of messages that were under way together count as one
/// probe: only what is said once the next probe was due is said of that.
pub fn park(
    connection: &Connection,
    channel: &str,
    reason: &str,
    probe_at: Timestamp,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO parked_channels (channel, since, reason, probes, next_probe_at, probed_at, wait_ms) VALUES (?1, ?2, ?3, 1, ?4, ?2, ?5)
        ON CONFLICT (channel) DO UPDATE SET reason = excluded.reason, probes = probes + (excluded.since >= next_probe_at),
            next_probe_at = excluded.next_probe_at, probed_at = excluded.probed_at, wait_ms = excluded.wait_ms";
    let wait_ms = clock::wait_ms(probe_at, now);
    let (now, probe_at) = (rows::to_millisecond(now), rows::to_millisecond(probe_at));
    connection.prepare_cached(sql)?.execute(params![channel, now, reason, probe_at, wait_ms]).map(drop)
}

/// A channel cannot be tried at all: it waits for a secret. Since when it does stays, over restarts too.
pub fn park_unready(connection: &Connection, channel: &str, reason: &str, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "INSERT INTO parked_channels (channel, since, reason, probes, next_probe_at, probed_at, wait_ms) VALUES (?1, ?2, ?4 || ?3, 0, ?5, ?2, ?6)
        ON CONFLICT (channel) DO UPDATE SET reason = excluded.reason, next_probe_at = excluded.next_probe_at, wait_ms = excluded.wait_ms,
            since = iif(substr(parked_channels.reason, 1, length(?4)) = ?4, since, excluded.since)";
    let later = now.checked_add(LONGEST_PROBE).unwrap_or(now);
    let wait_ms = clock::wait_ms(later, now);
    let (now, later) = (rows::to_millisecond(now), rows::to_millisecond(later));
    connection.prepare_cached(sql)?.execute(params![channel, now, reason, UNREADY, later, wait_ms]).map(drop)
}

/// A channel has its secrets: if it was parked for the want of one, it is no more.
pub fn ready(connection: &Connection, channel: &str) -> rusqlite::Result<()> {
    let sql = "DELETE FROM parked_channels WHERE channel = ?1 AND substr(reason, 1, length(?2)) = ?2";
    connection.prepare_cached(sql)?.execute(params![channel, UNREADY]).map(drop)
}

/// A message is tried. Should we crash before the receiver answers, it is known that a parked channel was probed;
/// by a test that a person asked for it is not.
pub fn tried(connection: &Connection, channel: &str, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "UPDATE parked_channels SET probed_at = ?2 WHERE channel = ?1";
    connection.prepare_cached(sql)?.execute(params![channel, rows::to_millisecond(now)]).map(drop)
}

/// A probe found out nothing: the next one comes with the next try of its message.
pub fn put_off(connection: &Connection, channel: &str, until: Timestamp, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "UPDATE parked_channels SET next_probe_at = ?2, probed_at = ?3, wait_ms = ?4 WHERE channel = ?1";
    let wait_ms = clock::wait_ms(until, now);
    let (until, now) = (rows::to_millisecond(until), rows::to_millisecond(now));
    connection.prepare_cached(sql)?.execute(params![channel, until, now, wait_ms]).map(drop)
}

/// The receiver took a message, or found fault with this one alone: all that waits is due, but what was sent elsewhere.
pub fn resume(connection: &Connection, channel: &str, now: Timestamp) -> rusqlite::Result<()> {
    let parked = connection.prepare_cached("DELETE FROM parked_channels WHERE channel = ?1")?.execute([channel])?;
    if parked == 0 {
        return Ok(());
    }
    fallback::settle_fallback(connection, channel, now)?;
    due_again(connection, channel, now)
}

/// A person has changed the setting, or asks for a try: the channel is probed at once.
pub fn probe_now(connection: &Connection, channel: &str, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "UPDATE parked_channels SET next_probe_at = ?2, wait_ms = 0 WHERE channel = ?1";
    connection.prepare_cached(sql)?.execute(params![channel, rows::to_millisecond(now)])?;
    due_again(connection, channel, now)
}

/// What waits because the setting was wrong is due.
fn due_again(connection: &Connection, channel: &str, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "UPDATE deliveries SET due_at = ?2, wait_ms = 0
               WHERE channel = ?1 AND state = 'waiting' AND outcome = 'misconfigured' AND due_at > ?2
               AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = deliveries.id AND a.ended_at IS NULL)";
    connection.prepare_cached(sql)?.execute(params![channel, rows::to_millisecond(now)]).map(drop)
}

/// At the start: a restart usually means that a setting was mended, so the channel is probed now, unless it was so a moment
/// ago.
pub fn take_up(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let (now, apart) = (rows::to_millisecond(now), PROBE_AFTER_START.as_millis() as i64);
    let sql = "UPDATE parked_channels SET next_probe_at = max(min(next_probe_at, ?1), min(probed_at, ?1) + ?2)";
    connection.execute(sql, params![now, apart])?;
    let sql = "UPDATE deliveries SET due_at = ?1, wait_ms = 0 WHERE state = 'waiting' AND outcome = 'misconfigured'";
    connection.execute(sql, [now]).map(drop)
}
