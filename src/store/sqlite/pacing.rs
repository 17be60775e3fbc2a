//! Pacing across restarts: which slots are taken, and which credentials are rate-limited.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

use crate::store::queue::attempt::{PacingFeedback, PacingState};
use crate::store::sqlite::{clock, rows};

/// Takes a slot for an attempt. It stays until it is said to be free; `until` is for whoever looks at the table.
pub fn take(connection: &Connection, credential: &str, attempt: i64, until: Timestamp) -> rusqlite::Result<()> {
    let sql = "INSERT INTO pacing_slots (credential, attempt, free_at) VALUES (?1, ?2, ?3)";
    connection.prepare_cached(sql)?.execute(params![credential, attempt, rows::to_millisecond(until)]).map(drop)
}

/// The slots of these attempts are free.
pub fn forget(connection: &Connection, attempts: &[i64]) -> rusqlite::Result<()> {
    for attempt in attempts {
        connection.prepare_cached("DELETE FROM pacing_slots WHERE attempt = ?1")?.execute([attempt])?;
    }
    Ok(())
}

/// What an attempt taught about a credential, `now`.
pub fn learn(connection: &Connection, feedback: &PacingFeedback, now: Timestamp) -> rusqlite::Result<()> {
    match feedback {
        PacingFeedback::Closed { credential, until, closings, reason } => {
            let sql = "INSERT INTO credentials (credential, closed_until, reason, closings, wait_ms) VALUES (?1, ?2, ?3, ?4, ?5)
                ON CONFLICT (credential) DO UPDATE SET
                    closed_until = min(max(closed_until, excluded.closed_until), ?6 + max(wait_ms, excluded.wait_ms)),
                    wait_ms = max(wait_ms, excluded.wait_ms), reason = excluded.reason, closings = excluded.closings";
            let (wait_ms, at) = (clock::wait_ms(*until, now), rows::to_millisecond(now));
            let given = params![credential, rows::to_millisecond(*until), reason, closings, wait_ms, at];
            connection.prepare_cached(sql)?.execute(given).map(drop)
        }
        PacingFeedback::Open { credential } => {
            connection.prepare_cached("DELETE FROM credentials WHERE credential = ?1")?.execute([credential]).map(drop)
        }
    }
}

/// At the start: the clock may have been put back since a credential was closed.
pub fn take_up(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "UPDATE credentials SET closed_until = min(closed_until, ?1 + wait_ms)";
    connection.execute(sql, [rows::to_millisecond(now)]).map(drop)
}

/// What a start must take up.
pub fn taken(connection: &Connection) -> rusqlite::Result<PacingState> {
    let mut select = connection.prepare_cached("SELECT credential, attempt FROM pacing_slots")?;
    let slots = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    let mut select = connection.prepare_cached("SELECT credential, closed_until, closings FROM credentials")?;
    let closed = select.query_map([], |row| Ok((row.get(0)?, rows::of_millisecond(1, row.get(1)?)?, row.get(2)?)))?;
    Ok(PacingState { slots, closed: closed.collect::<rusqlite::Result<_>>()? })
}

/// When each slot of a credential is free again that is taken `now`: one window of `per` after its attempt has ended, the
/// first one first. Not known of those whose attempt is under way.
pub fn slots_of(
    connection: &Connection,
    credential: &str,
    per: SignedDuration,
    now: Timestamp,
) -> rusqlite::Result<Vec<Option<Timestamp>>> {
    let ended_after = now.checked_sub(per).unwrap_or(Timestamp::MIN);
    let sql = "SELECT a.ended_at FROM pacing_slots s JOIN attempts a ON a.seq = s.attempt
        WHERE s.credential = ?1 AND (a.ended_at IS NULL OR a.ended_at > ?2) ORDER BY a.ended_at IS NULL, a.ended_at";
    let mut select = connection.prepare_cached(sql)?;
    let slots = select.query_map(params![credential, rows::to_millisecond(ended_after)], |row| {
        let ended_at: Option<i64> = row.get(0)?;
        let ended_at = ended_at.map(|at| rows::of_millisecond(0, at)).transpose()?;
        Ok(ended_at.and_then(|at| at.checked_add(per).ok()))
    })?;
    slots.collect()
}
