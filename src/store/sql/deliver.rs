//! Delivering: what a start takes up, the steps of a delivery besides its attempts, and what quiet hours hold.

use jiff::{SignedDuration, Timestamp};

use crate::domain::event::DeliveryId;
use crate::domain::quiet::Quiet;
use crate::store::sql::{Connection, Result, clock, pacing, params, parking};

/// At the start, in one transaction: what was being sent when a crash came may have arrived, so its attempt is ended as unknown
/// and the delivery is due again; and channels that are parked are probed soon.
pub fn take_up(connection: &dyn Connection, now: Timestamp) -> Result<()> {
    let sql = "UPDATE deliveries SET due_at = ?1, wait_ms = 0, outcome = 'unknown', answer = 'orderbell was stopped before the answer came'
         WHERE state = 'waiting' AND id IN (SELECT delivery FROM attempts WHERE ended_at IS NULL)";
    connection.execute(sql, params![now])?;
    let sql = "UPDATE attempts SET ended_at = ?1, outcome = 'unknown', answer = 'orderbell was stopped before the answer came'
         WHERE ended_at IS NULL";
    connection.execute(sql, params![now])?;
    parking::take_up(connection, now)?;
    pacing::take_up(connection, now)
}

/// Remembers what happened to a delivery besides its attempts.
pub fn step(connection: &dyn Connection, delivery: DeliveryId, at: Timestamp, step: &str, detail: &str) -> Result<()> {
    let sql = "INSERT INTO steps (delivery, at, step, detail) VALUES (?1, ?2, ?3, ?4)";
    connection.execute(sql, params![delivery, at, step, detail]).map(drop)
}

/// Holds deliveries until the quiet hours of their channel end, but no message that carries something that passes them.
/// Answers which those are.
pub fn hold(
    connection: &dyn Connection,
    ids: &[DeliveryId],
    (quiet, until): (&Quiet, Timestamp),
    now: Timestamp,
) -> Result<Vec<DeliveryId>> {
    let mut going = Vec::new();
    for id in ids {
        if passes(connection, *id, quiet)? {
            going.push(*id);
            continue;
        }
        let sql =
            "UPDATE deliveries SET due_at = ?2, wait_ms = ?3 WHERE id = ?1 AND state = 'waiting' AND digest IS NULL";
        let given = params![id, until, clock::wait_ms(until, now)];
        let held = connection.execute(sql, given)?;
        if held == 1 {
            step(connection, *id, now, "held", &until.to_string())?;
        }
    }
    Ok(going)
}

/// Whether a message goes out in quiet hours: it does when anything that it carries passes them.
fn passes(connection: &dyn Connection, message: DeliveryId, quiet: &Quiet) -> Result<bool> {
    let sql = "SELECT e.kind FROM deliveries d JOIN events e ON e.id = d.event
        WHERE d.id = ?1 OR d.digest = ?1 AND d.state = 'waiting'";
    let mut passes = false;
    connection.query(sql, params![message], &mut |row| {
        passes |= quiet.passes(row.get(0)?);
        Ok(())
    })?;
    Ok(passes)
}

/// The quiet hours of a channel may have changed, and what passes them: what is held to another moment than the end of those
/// in which `now` is, and what passes these, is due.
pub fn release_held(
    connection: &dyn Connection,
    channel: &str,
    quiet: Option<(&Quiet, Timestamp)>,
    now: Timestamp,
) -> Result<()> {
    let sql = "SELECT id, due_at FROM deliveries
        WHERE channel = ?1 AND state = 'waiting' AND digest IS NULL AND due_at > ?2
        AND EXISTS (SELECT 1 FROM steps s WHERE s.delivery = deliveries.id AND s.step = 'held'
            AND unixepoch(s.detail) * 1000 = deliveries.due_at)";
    let held = connection.all(sql, params![channel, now], |row| Ok((row.get(0)?, row.get::<i64>(1)?)))?;
    for (id, due_at) in held {
        if let Some((quiet, until)) = quiet
            && due_at == until.as_millisecond()
            && !passes(connection, id, quiet)?
        {
            continue;
        }
        connection.execute("UPDATE deliveries SET due_at = ?2, wait_ms = 0 WHERE id = ?1", params![id, now])?;
        step(connection, id, now, "let_go", "")?;
    }
    Ok(())
}

/// Between the last probe of a channel and a restart that probes it again: a supervisor that restarts us in a loop must not
/// make us hammer an account.
pub const PROBE_AFTER_START: SignedDuration = SignedDuration::from_mins(1);
