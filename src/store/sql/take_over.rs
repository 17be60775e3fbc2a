//! What an earlier holder of a credential's lease left under way, taken up by the next one.

use jiff::Timestamp;

use crate::store::queue::attempt::PacingState;
use crate::store::sql::{Connection, Result, params};

/// In place of the answer to an attempt whose instance lost the lease.
const UNANSWERED: &str = "the instance that sent it was gone before the answer came";
/// Between the last probe of a channel and one because of a take-over, in milliseconds: instances that come and go must not
/// make us hammer an account.
const PROBE_APART_MS: i64 = 60_000;

/// A credential, and the channels of it at which something may be under way.
pub type TakenCredential<'a> = (&'a str, &'a [String]);

/// What was being sent to these channels may have arrived: its attempt ends as unknown, and its delivery is due. Channels that
/// are parked are probed soon. Answers the pacing of each credential, in their sequence.
///
/// # Errors
/// As the statements'.
pub fn take_over(
    connection: &dyn Connection,
    taken: &[TakenCredential<'_>],
    now: Timestamp,
) -> Result<Vec<PacingState>> {
    let channels: Vec<&String> = taken.iter().flat_map(|(_, channels)| *channels).collect();
    end_attempts(connection, &channels, now)?;
    probe_soon(connection, &channels, now)?;
    // The clock of whoever wrote it may have been ahead of this one.
    let sql = "UPDATE credentials SET closed_until = CASE WHEN closed_until < ?2 + wait_ms THEN closed_until ELSE ?2 + wait_ms END
        WHERE credential = ?1";
    let credentials: Vec<_> = taken.iter().map(|(credential, _)| params![credential, now].to_vec()).collect();
    connection.execute_many(sql, &credentials)?;
    pacing(connection, taken)
}

fn end_attempts(connection: &dyn Connection, channels: &[&String], now: Timestamp) -> Result<()> {
    let channels: Vec<_> = channels.iter().map(|channel| params![channel, now, UNANSWERED].to_vec()).collect();
    let sql = "UPDATE deliveries SET due_at = ?2, wait_ms = 0, outcome = 'unknown', answer = ?3
        WHERE channel = ?1 AND state = 'waiting' AND id IN (SELECT delivery FROM attempts WHERE ended_at IS NULL)";
    connection.execute_many(sql, &channels)?;
    let sql = "UPDATE attempts SET ended_at = ?2, outcome = 'unknown', answer = ?3 WHERE ended_at IS NULL
        AND EXISTS (SELECT 1 FROM deliveries d WHERE d.id = attempts.delivery AND d.channel = ?1)";
    connection.execute_many(sql, &channels)
}

fn probe_soon(connection: &dyn Connection, channels: &[&String], now: Timestamp) -> Result<()> {
    let sql = "UPDATE parked_channels SET next_probe_at =
            CASE WHEN CASE WHEN next_probe_at < ?2 THEN next_probe_at ELSE ?2 END > CASE WHEN probed_at < ?2 THEN probed_at ELSE ?2 END + ?3
            THEN CASE WHEN next_probe_at < ?2 THEN next_probe_at ELSE ?2 END
            ELSE CASE WHEN probed_at < ?2 THEN probed_at ELSE ?2 END + ?3 END
        WHERE channel = ?1";
    let parked: Vec<_> = channels.iter().map(|channel| params![channel, now, PROBE_APART_MS].to_vec()).collect();
    connection.execute_many(sql, &parked)?;
    let sql = "UPDATE deliveries SET due_at = ?2, wait_ms = 0
        WHERE channel = ?1 AND state = 'waiting' AND outcome = 'misconfigured'";
    let waiting: Vec<_> = channels.iter().map(|channel| params![channel, now].to_vec()).collect();
    connection.execute_many(sql, &waiting)
}

fn pacing(connection: &dyn Connection, taken: &[TakenCredential<'_>]) -> Result<Vec<PacingState>> {
    let credentials: Vec<_> = taken.iter().map(|(credential, _)| params![credential].to_vec()).collect();
    let mut states = vec![PacingState::default(); taken.len()];
    let sql = "SELECT credential, attempt FROM pacing_slots WHERE credential = ?1";
    connection.query_many(sql, &credentials, &mut |place, row| {
        states[place].slots.push((row.get(0)?, row.get(1)?));
        Ok(())
    })?;
    let sql = "SELECT credential, closed_until, closings FROM credentials WHERE credential = ?1";
    connection.query_many(sql, &credentials, &mut |place, row| {
        states[place].closed.push((row.get(0)?, row.get(1)?, row.get(2)?));
        Ok(())
    })?;
    Ok(states)
}
