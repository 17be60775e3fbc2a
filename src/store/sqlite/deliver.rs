//! Delivering: the begin and the end of each attempt, and what becomes of the delivery and of those that it carries.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::event::DeliveryId;
use crate::domain::quiet::Quiet;
use crate::domain::retry::{Answer, Outcome, Step};
use crate::store::queue::attempt::{Claim, Claimed, Settle};
use crate::store::queue::pending::form_text;
use crate::store::sqlite::report::service_health;
use crate::store::sqlite::{catch_up, clock, due, fallback, pacing, parking, parts, rows};

/// At the start: what was being sent when a crash came may have arrived, so its attempt is ended as unknown and the delivery
/// is due again; and channels that are parked are probed soon.
pub fn take_up(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute(
        "UPDATE deliveries SET due_at = ?1, wait_ms = 0, outcome = 'unknown', answer = 'orderbell was stopped before the answer came'
         WHERE state = 'waiting' AND id IN (SELECT delivery FROM attempts WHERE ended_at IS NULL)",
        [rows::to_millisecond(now)],
    )?;
    transaction.execute(
        "UPDATE attempts SET ended_at = ?1, outcome = 'unknown', answer = 'orderbell was stopped before the answer came'
         WHERE ended_at IS NULL",
        [rows::to_millisecond(now)],
    )?;
    parking::take_up(&transaction, now)?;
    pacing::take_up(&transaction, now)?;
    transaction.commit()
}

pub fn claim(connection: &Connection, claim: &Claim) -> rusqlite::Result<Claimed> {
    let id = claim.delivery.0.as_bytes();
    pacing::forget(connection, &claim.freed)?;
    for carried in &claim.carries {
        // What it carries may have been carried by another of them, which was tried in vain.
        let sql = "SELECT digest FROM deliveries WHERE id = ?1 AND state = 'waiting'";
        let read = |row: &rusqlite::Row<'_>| row.get_ref(0)?.as_blob_or_null()?.map(|id| rows::uuid(0, id)).transpose();
        let found = connection.prepare_cached(sql)?.query_row([carried.0.as_bytes()], read).optional()?;
        let is_free = |digest: Option<uuid::Uuid>| digest.is_none_or(|id| claim.carries.contains(&DeliveryId(id)));
        if !found.is_some_and(is_free) {
            return Ok(Claimed::No);
        }
    }
    let sql = "UPDATE deliveries SET attempts = attempts + 1, due_at = ?2, wait_ms = ?3
               WHERE id = ?1 AND state = 'waiting' AND digest IS NULL";
    let (lease_until, wait_ms) = (rows::to_millisecond(claim.lease_until), clock::wait_ms(claim.lease_until, claim.at));
    let taken = connection.prepare_cached(sql)?.execute(params![id, lease_until, wait_ms])?;
    if taken == 0 {
        return Ok(Claimed::No);
    }
    parking::tried(connection, claim.delivery, claim.at)?;
    for carried in &claim.carries {
        // Its own words are not needed any more. Should it go by itself after all, they are made anew, and then a key under
        // which others were sent is used up.
        connection.prepare_cached("DELETE FROM parts WHERE delivery = ?1")?.execute([carried.0.as_bytes()])?;
        let sql = "UPDATE deliveries SET digest = ?2, round = round + (id = ?1 AND attempts > 0)
                   WHERE id = ?1 OR digest = ?1 AND state = 'waiting'";
        connection.prepare_cached(sql)?.execute(params![carried.0.as_bytes(), id])?;
    }
    for released in &claim.released {
        let sql = "UPDATE deliveries SET digest = NULL WHERE id = ?1 AND digest = ?2 AND state = 'waiting'";
        if connection.prepare_cached(sql)?.execute(params![released.0.as_bytes(), id])? == 1 {
            step(connection, *released, claim.at, "left_out", "")?;
        }
    }
    parts::keep(connection, claim.delivery, &claim.composed)?;
    let sql = "INSERT INTO attempts (delivery, part, form, started_at) VALUES (?1, ?2, ?3, ?4)";
    let at = rows::to_millisecond(claim.at);
    connection.prepare_cached(sql)?.execute(params![id, claim.part, form_text(claim.form), at])?;
    let attempt = connection.last_insert_rowid();
    if let Some(credential) = &claim.credential {
        pacing::take(connection, credential, attempt, claim.lease_until)?;
    }
    Ok(Claimed::Yes(attempt))
}

pub fn settle(connection: &Connection, settle: &Settle) -> rusqlite::Result<()> {
    let id = settle.delivery.0.as_bytes();
    let at = rows::to_millisecond(settle.at);
    let (outcome, words) = (settle.answer.outcome.as_str(), &settle.answer.detail);
    let sql = "UPDATE attempts SET ended_at = ?2, outcome = ?3, answer = ?4, far_ahead_s = ?5 WHERE seq = ?1";
    connection.prepare_cached(sql)?.execute(params![settle.attempt, at, outcome, words, settle.clock_ahead_s])?;
    if let Some(feedback) = &settle.pacing {
        pacing::learn(connection, feedback, settle.at)?;
    }
    let (whole, is_over) = match &settle.whole {
        Some((answer, step)) => ((answer, step), matches!(settle.step, Step::Delivered | Step::Dead)),
        None => ((&settle.answer, &settle.step), settle.step == Step::Delivered),
    };
    if is_over {
        let sql = "UPDATE parts SET done = 1 WHERE delivery = ?1 AND form = ?2 AND part = ?3";
        connection.prepare_cached(sql)?.execute(params![id, form_text(settle.form), settle.part])?;
    }
    let (answer, step) = whole;
    if let Some((channel, purpose)) = &channel_of(connection, settle.delivery)? {
        judge_channel(connection, channel, *purpose, settle, answer, step)?;
        if matches!(settle.answer.outcome, Outcome::Delivered | Outcome::Partial { .. }) {
            catch_up::works(connection, channel, settle.at)?;
            service_health::accepted(connection, channel, settle.at)?;
        }
    }
    write(connection, settle, answer, step)?;
    match step {
        Step::Delivered if !settle.more_parts => accepted(connection, settle.delivery, settle.at),
        Step::Dead => dead(connection, settle),
        Step::Wait { .. } | Step::Park { .. } => fallback::call_off_late(connection, settle.delivery),
        Step::Delivered | Step::Recompose(_) => Ok(()),
    }
}

/// Where the delivery stands after the attempt.
fn write(connection: &Connection, settle: &Settle, answer: &Answer, step: &Step) -> rusqlite::Result<()> {
    let at = rows::to_millisecond(settle.at);
    let (state, due_at, spends, form) = match step {
        Step::Delivered if settle.more_parts => ("waiting", at, false, settle.form),
        Step::Delivered => ("delivered", at, false, settle.form),
        Step::Wait { until, spends } => ("waiting", rows::to_millisecond(*until), *spends, settle.form),
        Step::Park { probe_at } => ("waiting", rows::to_millisecond(*probe_at), false, settle.form),
        Step::Recompose(form) => ("waiting", at, false, *form),
        Step::Dead => ("dead", at, false, settle.form),
    };
    let sql = "UPDATE deliveries SET state = ?2, due_at = ?3, spent = spent + ?4, form = ?5, outcome = ?6, answer = ?7, wait_ms = ?8
               WHERE id = ?1 AND state = 'waiting'";
    let (id, outcome, form) = (settle.delivery.0.as_bytes(), answer.outcome.as_str(), form_text(form));
    let wait_ms = (due_at - at).max(0);
    connection.prepare_cached(sql)?.execute(params![
        id,
        state,
        due_at,
        spends,
        form,
        outcome,
        answer.detail,
        wait_ms
    ])?;
    Ok(())
}

/// What a delivery is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Notify,
    /// A person tries the channel.
    Test,
}

/// What the answer says of the channel as a whole.
fn judge_channel(
    connection: &Connection,
    channel: &str,
    purpose: Purpose,
    settle: &Settle,
    answer: &Answer,
    step: &Step,
) -> rusqlite::Result<()> {
    // It comes when a person wants it, so it is no probe: whoever mends a setting step by step and tries each must not have
    // the messages wait longer for it.
    let is_no_probe = purpose == Purpose::Test && due::parked(connection, channel)?.is_some();
    match (step, &answer.outcome) {
        (Step::Park { .. }, _) if is_no_probe => Ok(()),
        (Step::Wait { .. }, Outcome::Retry { .. } | Outcome::Unknown | Outcome::Throttled { .. }) if is_no_probe => {
            Ok(())
        }
        (Step::Park { probe_at }, _) => {
            parking::park(connection, channel, answer.redacted_detail(), *probe_at, settle.at)
        }
        // These say nothing of the setting.
        (Step::Wait { until, .. }, Outcome::Retry { .. } | Outcome::Unknown | Outcome::Throttled { .. }) => {
            parking::put_off(connection, channel, *until, settle.at)
        }
        (_, Outcome::Retry { .. } | Outcome::Unknown | Outcome::Throttled { .. }) => Ok(()),
        _ => parking::resume(connection, channel, settle.at),
    }
}

/// It is accepted: so is what it carries, and no fallback is needed. The channel that it stood in for is to catch up with it.
fn accepted(connection: &Connection, delivery: DeliveryId, at: Timestamp) -> rusqlite::Result<()> {
    let sql = "UPDATE deliveries SET state = 'merged' WHERE digest = ?1 AND state = 'waiting'";
    connection.prepare_cached(sql)?.execute([delivery.0.as_bytes()])?;
    catch_up::end(connection, delivery, at)?;
    catch_up::begin(connection, delivery, at)?;
    fallback::call_off(connection, delivery)
}

/// It is dead. Had it carried others, each of them, itself included, gets one more chance, by itself.
fn dead(connection: &Connection, settle: &Settle) -> rusqlite::Result<()> {
    let id = settle.delivery.0.as_bytes();
    let sql = "SELECT id FROM deliveries WHERE digest = ?1 AND state = 'waiting' ORDER BY event_seq";
    let carried: Vec<Vec<u8>> =
        connection.prepare_cached(sql)?.query_map([id], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let all = if carried.is_empty() { Vec::new() } else { [vec![id.to_vec()], carried].concat() };
    for member in &all {
        let sql = "UPDATE deliveries SET digest = NULL, returned = 1, state = 'waiting', due_at = ?2, wait_ms = 0, form = 'full', spent = 0
                   WHERE id = ?1 AND returned = 0 AND state IN ('waiting', 'dead')";
        let at = rows::to_millisecond(settle.at);
        let returned = connection.prepare_cached(sql)?.execute(params![member, at])?;
        connection.prepare_cached("DELETE FROM parts WHERE delivery = ?1")?.execute([member])?;
        let delivery = DeliveryId(rows::uuid(0, member)?);
        if returned == 1 {
            // Its bytes are others than those that died, so its idempotency keys must be too.
            let sql = "UPDATE deliveries SET round = round + 1 WHERE id = ?1";
            connection.prepare_cached(sql)?.execute([member])?;
            step(connection, delivery, settle.at, "returned", "")?;
        } else {
            let sql = "UPDATE deliveries SET digest = NULL, state = 'dead', answer = ?2, outcome = ?3 WHERE id = ?1 AND state = 'waiting'";
            let (words, outcome) = (&settle.answer.detail, settle.answer.outcome.as_str());
            connection.prepare_cached(sql)?.execute(params![member, words, outcome])?;
        }
        fallback_of_dead(connection, settle, delivery)?;
    }
    if all.is_empty() { fallback_of_dead(connection, settle, settle.delivery) } else { Ok(()) }
}

fn fallback_of_dead(connection: &Connection, settle: &Settle, delivery: DeliveryId) -> rusqlite::Result<()> {
    // A test is about its channel alone.
    let is_dead = "SELECT EXISTS (SELECT 1 FROM deliveries d JOIN events e ON e.id = d.event
        WHERE d.id = ?1 AND d.state = 'dead' AND d.fell_back = 0 AND e.kind <> 'test')";
    let is_dead =
        connection.prepare_cached(is_dead)?.query_row([delivery.0.as_bytes()], |row| row.get::<_, bool>(0))?;
    match &settle.fallback {
        Some(to) if is_dead => fallback::ask(connection, to, delivery, None, settle.at).map(drop),
        _ => Ok(()),
    }
}

/// Remembers what happened to a delivery besides its attempts.
pub fn step(
    connection: &Connection,
    delivery: DeliveryId,
    at: Timestamp,
    step: &str,
    detail: &str,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO steps (delivery, at, step, detail) VALUES (?1, ?2, ?3, ?4)";
    let at = rows::to_millisecond(at);
    connection.prepare_cached(sql)?.execute(params![delivery.0.as_bytes(), at, step, detail]).map(drop)
}

/// Holds deliveries until the quiet hours of their channel end, but no message that carries something that passes them.
/// Answers which those are.
pub fn hold(
    connection: &Connection,
    ids: &[DeliveryId],
    (quiet, until): (&Quiet, Timestamp),
    now: Timestamp,
) -> rusqlite::Result<Vec<DeliveryId>> {
    let mut going = Vec::new();
    for id in ids {
        if passes(connection, *id, quiet)? {
            going.push(*id);
            continue;
        }
        let sql =
            "UPDATE deliveries SET due_at = ?2, wait_ms = ?3 WHERE id = ?1 AND state = 'waiting' AND digest IS NULL";
        let given = params![id.0.as_bytes(), rows::to_millisecond(until), clock::wait_ms(until, now)];
        let held = connection.prepare_cached(sql)?.execute(given)?;
        if held == 1 {
            step(connection, *id, now, "held", &until.to_string())?;
        }
    }
    Ok(going)
}

/// Whether a message goes out in quiet hours: it does when anything that it carries passes them.
fn passes(connection: &Connection, message: DeliveryId, quiet: &Quiet) -> rusqlite::Result<bool> {
    let sql = "SELECT e.kind FROM deliveries d JOIN events e ON e.id = d.event
        WHERE d.id = ?1 OR d.digest = ?1 AND d.state = 'waiting'";
    let mut select = connection.prepare_cached(sql)?;
    let mut kinds = select.query([message.0.as_bytes()])?;
    while let Some(row) = kinds.next()? {
        if quiet.passes(row.get_ref(0)?.as_str()?) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The quiet hours of a channel may have changed, and what passes them: what is held to another moment than the end of those
/// in which `now` is, and what passes these, is due.
pub fn release_held(
    connection: &Connection,
    channel: &str,
    quiet: Option<(&Quiet, Timestamp)>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "SELECT id, due_at FROM deliveries
        WHERE channel = ?1 AND state = 'waiting' AND digest IS NULL AND due_at > ?2
        AND EXISTS (SELECT 1 FROM steps s WHERE s.delivery = deliveries.id AND s.step = 'held'
            AND unixepoch(s.detail) * 1000 = deliveries.due_at)";
    let at = rows::to_millisecond(now);
    let mut select = connection.prepare_cached(sql)?;
    let read = |row: &rusqlite::Row<'_>| Ok((DeliveryId(rows::uuid(0, row.get_ref(0)?.as_blob()?)?), row.get(1)?));
    let held: Vec<(DeliveryId, i64)> =
        select.query_map(params![channel, at], read)?.collect::<rusqlite::Result<_>>()?;
    for (id, due_at) in held {
        if let Some((quiet, until)) = quiet
            && due_at == rows::to_millisecond(until)
            && !passes(connection, id, quiet)?
        {
            continue;
        }
        let sql = "UPDATE deliveries SET due_at = ?2, wait_ms = 0 WHERE id = ?1";
        connection.prepare_cached(sql)?.execute(params![id.0.as_bytes(), at])?;
        step(connection, id, now, "let_go", "")?;
    }
    Ok(())
}

fn channel_of(connection: &Connection, delivery: DeliveryId) -> rusqlite::Result<Option<(String, Purpose)>> {
    let sql = "SELECT d.channel, e.kind = 'test' FROM deliveries d JOIN events e ON e.id = d.event WHERE d.id = ?1";
    let read = |row: &rusqlite::Row<'_>| {
        let purpose = if row.get(1)? { Purpose::Test } else { Purpose::Notify };
        Ok((row.get(0)?, purpose))
    };
    connection.prepare_cached(sql)?.query_row([delivery.0.as_bytes()], read).optional()
}

/// Between the last probe of a channel and a restart that probes it again: a supervisor that restarts us in a loop must not
/// make us hammer an account.
pub const PROBE_AFTER_START: SignedDuration = SignedDuration::from_mins(1);
