//! Pacing across restarts: which slots are taken, and which credentials are rate-limited.

use jiff::{SignedDuration, Timestamp};

use crate::store::queue::attempt::{PacingFeedback, PacingState};
use crate::store::sql::{Connection, Result, Row, clock, params};

/// Takes a slot for an attempt. It stays until it is said to be free; `until` is for whoever looks at the table.
pub fn take(connection: &dyn Connection, credential: &str, attempt: i64, until: Timestamp) -> Result<()> {
    let sql = "INSERT INTO pacing_slots (credential, attempt, free_at) VALUES (?1, ?2, ?3)";
    connection.execute(sql, params![credential, attempt, until]).map(drop)
}

/// The slots of these attempts are free.
pub fn forget(connection: &dyn Connection, attempts: &[i64]) -> Result<()> {
    let attempts: Vec<_> = attempts.iter().map(|attempt| params![attempt].to_vec()).collect();
    connection.execute_many("DELETE FROM pacing_slots WHERE attempt = ?1", &attempts)
}

/// What an attempt taught about a credential, `now`.
pub fn learn(connection: &dyn Connection, feedback: &PacingFeedback, now: Timestamp) -> Result<()> {
    match feedback {
        PacingFeedback::Closed { credential, until, closings, reason } => {
            let (mut until, mut wait_ms) = (until.as_millisecond(), clock::wait_ms(*until, now));
            let sql = "SELECT closed_until, wait_ms FROM credentials WHERE credential = ?1";
            let read = |row: &Row<'_>| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?));
            if let Some((known_until, known_wait_ms)) = connection.optional(sql, params![credential], read)? {
                wait_ms = wait_ms.max(known_wait_ms);
                until = until.max(known_until).min(now.as_millisecond().saturating_add(wait_ms));
            }
            let sql = "INSERT INTO credentials (credential, closed_until, reason, closings, wait_ms) VALUES (?1, ?2, ?3, ?4, ?5)
                ON CONFLICT (credential) DO UPDATE SET closed_until = excluded.closed_until, wait_ms = excluded.wait_ms,
                    reason = excluded.reason, closings = excluded.closings";
            connection.execute(sql, params![credential, until, reason, closings, wait_ms]).map(drop)
        }
        PacingFeedback::Open { credential } => {
            connection.execute("DELETE FROM credentials WHERE credential = ?1", params![credential]).map(drop)
        }
    }
}

/// At the start: the clock may have been put back since a credential was closed.
pub fn take_up(connection: &dyn Connection, now: Timestamp) -> Result<()> {
    let sql = "UPDATE credentials SET closed_until = ?1 + wait_ms WHERE closed_until > ?1 + wait_ms";
    connection.execute(sql, params![now]).map(drop)
}

/// What a start must take up.
pub fn taken(connection: &dyn Connection) -> Result<PacingState> {
    let sql = "SELECT credential, attempt FROM pacing_slots";
    let slots = connection.all(sql, &[], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let sql = "SELECT credential, closed_until, closings FROM credentials";
    let closed = connection.all(sql, &[], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(PacingState { slots, closed })
}

/// When each slot of a credential is free again that is taken `now`: one window of `per` after its attempt has ended, the
/// first one first. Not known of those whose attempt is under way.
pub fn slots_of(
    connection: &dyn Connection,
    credential: &str,
    per: SignedDuration,
    now: Timestamp,
) -> Result<Vec<Option<Timestamp>>> {
    let ended_after = now.checked_sub(per).unwrap_or(Timestamp::MIN);
    let sql = "SELECT a.ended_at FROM pacing_slots s JOIN attempts a ON a.seq = s.attempt
        WHERE s.credential = ?1 AND (a.ended_at IS NULL OR a.ended_at > ?2) ORDER BY a.ended_at IS NULL, a.ended_at";
    connection.all(sql, params![credential, ended_after], |row| {
        Ok(row.get::<Option<Timestamp>>(0)?.and_then(|at| at.checked_add(per).ok()))
    })
}
