//! What an earlier holder of a credential's lease left under way, taken up by the next one.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::event::DeliveryId;
use crate::store::queue::attempt::PacingState;
use crate::store::sql::{Connection, Result, params};

/// In place of the answer to an attempt whose instance lost the lease.
const UNANSWERED: &str = "the instance that sent it was gone before the answer came";
/// Between the last probe of a channel and one because of a take-over, in milliseconds: instances that come and go must not
/// make us hammer an account.
const PROBE_APART_MS: i64 = 60_000;

/// A credential, and the channels of it at which something may be under way.
pub type TakenCredential<'a> = (&'a str, &'a [String]);

/// An attempt that has no end yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAttempt {
    pub attempt: i64,
    pub delivery: DeliveryId,
    pub channel: String,
    /// Under which lease it was begun; `None`: under none, as one daemon alone does it.
    pub lease: Option<String>,
}

impl OpenAttempt {
    /// Whether whoever holds one of the `running` leases is making it still.
    fn is_made(&self, running: &BTreeSet<String>) -> bool {
        self.lease.as_ref().is_some_and(|lease| running.contains(lease))
    }
}

fn open_attempts(connection: &dyn Connection) -> Result<Vec<OpenAttempt>> {
    let sql = "SELECT attempts.seq, attempts.delivery, d.channel, attempts.lease FROM attempts
        JOIN deliveries d ON d.id = attempts.delivery WHERE attempts.ended_at IS NULL";
    connection.all(sql, &[], |row| {
        Ok(OpenAttempt { attempt: row.get(0)?, delivery: row.get(1)?, channel: row.get(2)?, lease: row.get(3)? })
    })
}

/// The channels at which an attempt was begun under a lease that is none of those that are `running`.
///
/// # Errors
/// As the statements'.
pub fn left_at(connection: &dyn Connection, running: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    let open = open_attempts(connection)?.into_iter();
    let left = open.filter(|attempt| attempt.lease.is_some() && !attempt.is_made(running));
    Ok(left.map(|attempt| attempt.channel).collect())
}

/// What nobody is making any more of the attempts at the channels of these credentials, and of those that were begun under their
/// leases at whatever channel. A channel that has another credential by another configuration is worked under that one's lease,
/// too: what was begun under a lease that is among the `running` is being made. A lease that was acquired just now is not among
/// them, because what was begun under it is of an earlier holder.
///
/// # Errors
/// As the statements'.
pub fn left_under_way(
    connection: &dyn Connection,
    taken: &[TakenCredential<'_>],
    running: &BTreeSet<String>,
) -> Result<Vec<OpenAttempt>> {
    let mut left = open_attempts(connection)?;
    left.retain(|attempt| {
        let is_of = |(lease, channels): &TakenCredential<'_>| {
            channels.contains(&attempt.channel) || attempt.lease.as_deref() == Some(*lease)
        };
        !attempt.is_made(running) && taken.iter().any(is_of)
    });
    Ok(left)
}

/// What was `left` under way may have arrived: its attempt ends as unknown, and its delivery is due. Channels that are parked
/// are probed soon. Answers the pacing of each credential, in their sequence.
///
/// # Errors
/// As the statements'.
pub fn take_over(
    connection: &dyn Connection,
    taken: &[TakenCredential<'_>],
    left: &[OpenAttempt],
    now: Timestamp,
) -> Result<Vec<PacingState>> {
    let channels: Vec<&String> = taken.iter().flat_map(|(_, channels)| *channels).collect();
    end_attempts(connection, left, now)?;
    probe_soon(connection, &channels, now)?;
    // The clock of whoever wrote it may have been ahead of this one.
    let sql = "UPDATE credentials SET closed_until = CASE WHEN closed_until < ?2 + wait_ms THEN closed_until ELSE ?2 + wait_ms END
        WHERE credential = ?1";
    let credentials: Vec<_> = taken.iter().map(|(credential, _)| params![credential, now].to_vec()).collect();
    connection.execute_many(sql, &credentials)?;
    pacing(connection, taken)
}

fn end_attempts(connection: &dyn Connection, left: &[OpenAttempt], now: Timestamp) -> Result<()> {
    let attempts: Vec<_> = left.iter().map(|one| params![one.attempt, now, UNANSWERED].to_vec()).collect();
    let sql = "UPDATE attempts SET ended_at = ?2, outcome = 'unknown', answer = ?3 WHERE seq = ?1";
    connection.execute_many(sql, &attempts)?;
    let deliveries: Vec<_> = left.iter().map(|one| params![one.delivery, now, UNANSWERED].to_vec()).collect();
    let sql = "UPDATE deliveries SET due_at = ?2, wait_ms = 0, outcome = 'unknown', answer = ?3
        WHERE id = ?1 AND state = 'waiting'
        AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = deliveries.id AND a.ended_at IS NULL)";
    connection.execute_many(sql, &deliveries)
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
