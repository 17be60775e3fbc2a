//! What an earlier holder of a credential's lease left under way, taken up by the next one.

use jiff::Timestamp;

use crate::store::queue::attempt::PacingState;
use crate::store::sql::{Connection, Result, params};

/// In place of the answer to an attempt whose instance lost the lease.
const UNANSWERED: &str = "the instance that sent it was gone before the answer came";
/// Between the last probe of a channel and one because of a take-over, in milliseconds: instances that come and go must not
/// make us hammer an account.
const PROBE_APART_MS: i64 = 60_000;

/// What was being sent to these channels may have arrived: its attempt ends as unknown, and its delivery is due. Channels that
/// are parked are probed soon. Answers the pacing of their credential.
///
/// # Errors
/// As the statements'.
pub fn take_over(
    connection: &dyn Connection,
    credential: &str,
    channels: &[String],
    now: Timestamp,
) -> Result<PacingState> {
    for channel in channels {
        end_attempts(connection, channel, now)?;
        probe_soon(connection, channel, now)?;
    }
    // The clock of whoever wrote it may have been ahead of this one.
    let sql = "UPDATE credentials SET closed_until = CASE WHEN closed_until < ?2 + wait_ms THEN closed_until ELSE ?2 + wait_ms END
        WHERE credential = ?1";
    connection.execute(sql, params![credential, now])?;
    pacing(connection, credential)
}

fn end_attempts(connection: &dyn Connection, channel: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE deliveries SET due_at = ?2, wait_ms = 0, outcome = 'unknown', answer = ?3
        WHERE channel = ?1 AND state = 'waiting' AND id IN (SELECT delivery FROM attempts WHERE ended_at IS NULL)";
    connection.execute(sql, params![channel, now, UNANSWERED])?;
    let sql = "UPDATE attempts SET ended_at = ?2, outcome = 'unknown', answer = ?3 WHERE ended_at IS NULL
        AND EXISTS (SELECT 1 FROM deliveries d WHERE d.id = attempts.delivery AND d.channel = ?1)";
    connection.execute(sql, params![channel, now, UNANSWERED]).map(drop)
}

fn probe_soon(connection: &dyn Connection, channel: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE parked_channels SET next_probe_at =
            CASE WHEN CASE WHEN next_probe_at < ?2 THEN next_probe_at ELSE ?2 END > CASE WHEN probed_at < ?2 THEN probed_at ELSE ?2 END + ?3
            THEN CASE WHEN next_probe_at < ?2 THEN next_probe_at ELSE ?2 END
            ELSE CASE WHEN probed_at < ?2 THEN probed_at ELSE ?2 END + ?3 END
        WHERE channel = ?1";
    connection.execute(sql, params![channel, now, PROBE_APART_MS])?;
    let sql = "UPDATE deliveries SET due_at = ?2, wait_ms = 0
        WHERE channel = ?1 AND state = 'waiting' AND outcome = 'misconfigured'";
    connection.execute(sql, params![channel, now]).map(drop)
}

/// The pacing of one credential.
///
/// # Errors
/// As the statements'.
pub fn pacing(connection: &dyn Connection, credential: &str) -> Result<PacingState> {
    let sql = "SELECT credential, attempt FROM pacing_slots WHERE credential = ?1";
    let slots = connection.all(sql, params![credential], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let sql = "SELECT credential, closed_until, closings FROM credentials WHERE credential = ?1";
    let closed = connection.all(sql, params![credential], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(PacingState { slots, closed })
}
