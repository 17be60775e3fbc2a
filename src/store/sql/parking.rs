//! Parked channels: their setting is wrong, so their messages wait, and one of them is tried now and then.

use jiff::{SignedDuration, Timestamp};

use crate::store::queue::pending::UNREADY;
use crate::store::sql::deliver::PROBE_AFTER_START;
use crate::store::sql::{Connection, Result, clock, fallback, params};

/// The longest that any parked channel waits for its next try.
const LONGEST_PROBE: SignedDuration = SignedDuration::from_hours(6);

/// The receiver says that the channel's setting is wrong. Refusals of messages that were under way together count as one
/// probe: only what is said once the next probe was due is said of that.
pub fn park(
    connection: &dyn Connection,
    channel: &str,
    reason: &str,
    probe_at: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO parked_channels (channel, since, reason, probes, next_probe_at, probed_at, wait_ms) VALUES (?1, ?2, ?3, 1, ?4, ?2, ?5)
        ON CONFLICT (channel) DO UPDATE SET reason = excluded.reason,
            probes = parked_channels.probes + CASE WHEN excluded.since >= parked_channels.next_probe_at THEN 1 ELSE 0 END,
            next_probe_at = excluded.next_probe_at, probed_at = excluded.probed_at, wait_ms = excluded.wait_ms";
    let wait_ms = clock::wait_ms(probe_at, now);
    connection.execute(sql, params![channel, now, reason, probe_at, wait_ms]).map(drop)
}

/// A channel cannot be tried at all: it waits for a secret. Since when it does stays, over restarts too.
pub fn park_unready(connection: &dyn Connection, channel: &str, reason: &str, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO parked_channels (channel, since, reason, probes, next_probe_at, probed_at, wait_ms) VALUES (?1, ?2, ?3, 0, ?4, ?2, ?5)
        ON CONFLICT (channel) DO UPDATE SET reason = excluded.reason, next_probe_at = excluded.next_probe_at, wait_ms = excluded.wait_ms,
            since = CASE WHEN substr(parked_channels.reason, 1, length(?6)) = ?6 THEN parked_channels.since ELSE excluded.since END";
    let later = now.checked_add(LONGEST_PROBE).unwrap_or(now);
    let wait_ms = clock::wait_ms(later, now);
    let reason = format!("{UNREADY}{reason}");
    connection.execute(sql, params![channel, now, reason, later, wait_ms, UNREADY]).map(drop)
}

/// A channel has its secrets: if it was parked for the want of one, it is no more.
pub fn ready(connection: &dyn Connection, channel: &str) -> Result<()> {
    let sql = "DELETE FROM parked_channels WHERE channel = ?1 AND substr(reason, 1, length(?2)) = ?2";
    connection.execute(sql, params![channel, UNREADY]).map(drop)
}

/// A message is tried. Should we crash before the receiver answers, it is known that a parked channel was probed;
/// by a test that a person asked for it is not.
pub fn tried(connection: &dyn Connection, channel: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE parked_channels SET probed_at = ?2 WHERE channel = ?1";
    connection.execute(sql, params![channel, now]).map(drop)
}

/// A probe found out nothing: the next one comes with the next try of its message.
pub fn put_off(connection: &dyn Connection, channel: &str, until: Timestamp, now: Timestamp) -> Result<()> {
    let sql = "UPDATE parked_channels SET next_probe_at = ?2, probed_at = ?3, wait_ms = ?4 WHERE channel = ?1";
    let wait_ms = clock::wait_ms(until, now);
    connection.execute(sql, params![channel, until, now, wait_ms]).map(drop)
}

/// The receiver took a message, or found fault with this one alone: all that waits is due, but what was sent elsewhere.
pub fn resume(connection: &dyn Connection, channel: &str, now: Timestamp) -> Result<()> {
    let parked = connection.execute("DELETE FROM parked_channels WHERE channel = ?1", params![channel])?;
    if parked == 0 {
        return Ok(());
    }
    fallback::settle_fallback(connection, channel, now)?;
    due_again(connection, channel, now)
}

/// A person has changed the setting, or asks for a try: the channel is probed at once.
pub fn probe_now(connection: &dyn Connection, channel: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE parked_channels SET next_probe_at = ?2, wait_ms = 0 WHERE channel = ?1";
    connection.execute(sql, params![channel, now])?;
    due_again(connection, channel, now)
}

/// What waits because the setting was wrong is due.
fn due_again(connection: &dyn Connection, channel: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE deliveries SET due_at = ?2, wait_ms = 0
               WHERE channel = ?1 AND state = 'waiting' AND outcome = 'misconfigured' AND due_at > ?2
               AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = deliveries.id AND a.ended_at IS NULL)";
    connection.execute(sql, params![channel, now]).map(drop)
}

/// At the start: a restart usually means that a setting was mended, so the channel is probed now, unless it was so a moment
/// ago.
pub fn take_up(connection: &dyn Connection, now: Timestamp) -> Result<()> {
    let sql = "UPDATE parked_channels SET next_probe_at = ?1 WHERE next_probe_at > ?1";
    connection.execute(sql, params![now])?;
    let sql = "UPDATE parked_channels SET next_probe_at = ?2 + CASE WHEN probed_at > ?1 THEN ?1 ELSE probed_at END
        WHERE next_probe_at < ?2 + CASE WHEN probed_at > ?1 THEN ?1 ELSE probed_at END";
    let apart = i64::try_from(PROBE_AFTER_START.as_millis()).unwrap_or(i64::MAX);
    connection.execute(sql, params![now, apart])?;
    let sql = "UPDATE deliveries SET due_at = ?1, wait_ms = 0 WHERE state = 'waiting' AND outcome = 'misconfigured'";
    connection.execute(sql, params![now]).map(drop)
}
