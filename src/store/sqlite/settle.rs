//! The end of attempts: what becomes of each delivery and of those that it carries, those of one group in one step.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::domain::event::DeliveryId;
use crate::domain::retry::Step;
use crate::store::queue::attempt::Settle;
use crate::store::queue::pending::form_text;
use crate::store::queue::settlement::{ChannelEffect, Settlement, decide};
use crate::store::sql::parts;
use crate::store::sqlite::report::service_health;
use crate::store::sqlite::{catch_up, clock, deliver, due, fallback, pacing, parking, rows};

/// What the ends of this group have done for the channels so far, so that it is not done for each.
#[derive(Default)]
struct ChannelsDone<'a> {
    resumed: BTreeSet<&'a str>,
    /// When each took a message last.
    accepted: BTreeMap<&'a str, Timestamp>,
}

/// Ends attempts, in their sequence.
pub fn settle(connection: &Connection, settles: &[&Settle]) -> rusqlite::Result<Vec<()>> {
    let mut channels = ChannelsDone::default();
    for settle in settles {
        let settlement = decide(settle);
        end_attempt(connection, settle)?;
        if let Some(feedback) = &settle.pacing {
            pacing::learn(connection, feedback, settle.at)?;
        }
        judge_channel(connection, settle, &settlement, &mut channels)?;
        end(connection, settle, &settlement)?;
    }
    for (channel, at) in channels.accepted {
        service_health::accepted(connection, channel, at)?;
    }
    Ok(vec![(); settles.len()])
}

fn end_attempt(connection: &Connection, settle: &Settle) -> rusqlite::Result<()> {
    let (outcome, words) = (settle.answer.outcome.as_str(), &settle.answer.detail);
    let sql = "UPDATE attempts SET ended_at = ?2, outcome = ?3, answer = ?4, far_ahead_s = ?5 WHERE seq = ?1";
    let given = params![settle.attempt, rows::to_millisecond(settle.at), outcome, words, settle.clock_ahead_s];
    connection.prepare_cached(sql)?.execute(given).map(drop)
}

fn judge_channel<'a>(
    connection: &Connection,
    settle: &'a Settle,
    settlement: &Settlement<'_>,
    done: &mut ChannelsDone<'a>,
) -> rusqlite::Result<()> {
    let (channel, at) = (settle.channel.as_str(), settle.at);
    match settlement.channel {
        ChannelEffect::Resume if done.resumed.insert(channel) => parking::resume(connection, channel, at)?,
        ChannelEffect::Resume | ChannelEffect::Nothing => {}
        ChannelEffect::PutOff { until } => parking::put_off(connection, channel, until, at)?,
        ChannelEffect::Park { probe_at } => {
            done.resumed.remove(channel);
            parking::park(connection, channel, settlement.answer.redacted_detail(), probe_at, at)?;
        }
        ChannelEffect::ParkUnlessParked { probe_at } => {
            if due::parked(connection, channel)?.is_none() {
                done.resumed.remove(channel);
                parking::park(connection, channel, settlement.answer.redacted_detail(), probe_at, at)?;
            }
        }
    }
    if settlement.is_accepted {
        if !done.accepted.contains_key(channel) {
            catch_up::works(connection, channel, at)?;
        }
        let latest = done.accepted.entry(channel).or_insert(at);
        *latest = at.max(*latest);
    }
    Ok(())
}

/// Writes down where the delivery stands, and what that means for others.
fn end(connection: &Connection, settle: &Settle, settlement: &Settlement<'_>) -> rusqlite::Result<()> {
    let is_done = *settlement.step == Step::Delivered && !settle.more_parts;
    if settlement.part_is_over {
        parts::done(connection, settle.delivery, settle.form, settle.part)?;
    }
    let is_linked = write(connection, settle, settlement)?;
    match settlement.step {
        Step::Delivered if is_done && is_linked => accepted(connection, settle.delivery, settle.at),
        Step::Delivered | Step::Recompose(_) => Ok(()),
        Step::Dead => dead(connection, settle),
        Step::Wait { .. } | Step::Park { .. } => fallback::call_off_late(connection, settle.delivery),
    }
}

/// Where the delivery stands after the attempt. Answers whether others depend on it: those that it carries, that it stands in
/// for, or that stand in for it.
fn write(connection: &Connection, settle: &Settle, settlement: &Settlement<'_>) -> rusqlite::Result<bool> {
    let (answer, status) = (settlement.answer, &settlement.delivery);
    let sql = "UPDATE deliveries SET state = ?2, due_at = ?3, spent = spent + ?4, form = ?5, outcome = ?6, answer = ?7, wait_ms = ?8
        WHERE id = ?1 AND state = 'waiting'
        RETURNING fell_back > 0 OR instead_of IS NOT NULL
            OR EXISTS (SELECT 1 FROM deliveries carried WHERE carried.digest = ?1)
            OR EXISTS (SELECT 1 FROM deliveries instead WHERE instead.instead_of = ?1)";
    let given = params![
        settle.delivery.0.as_bytes(),
        status.state,
        rows::to_millisecond(status.due_at),
        status.spends,
        form_text(status.form),
        answer.outcome.as_str(),
        answer.detail,
        clock::wait_ms(status.due_at, settle.at),
    ];
    let is_linked = connection.prepare_cached(sql)?.query_row(given, |row| row.get(0)).optional()?;
    // A person may have cancelled it meanwhile; what depends on it does so all the same.
    Ok(is_linked.unwrap_or(true))
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
        let delivery = DeliveryId(rows::uuid(0, member)?);
        parts::forget(connection, delivery)?;
        if returned == 1 {
            // Its bytes are others than those that died, so its idempotency keys must be too.
            let sql = "UPDATE deliveries SET round = round + 1 WHERE id = ?1";
            connection.prepare_cached(sql)?.execute([member])?;
            deliver::step(connection, delivery, settle.at, "returned", "")?;
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
    let read = |row: &Row<'_>| row.get::<_, bool>(0);
    let is_dead = connection.prepare_cached(is_dead)?.query_row([delivery.0.as_bytes()], read)?;
    match &settle.fallback {
        Some(to) if is_dead => fallback::ask(connection, to, delivery, None, settle.at).map(drop),
        _ => Ok(()),
    }
}
