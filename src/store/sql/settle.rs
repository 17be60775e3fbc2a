//! The end of attempts: what becomes of each delivery and of those that it carries, those of one group in one step.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::domain::event::DeliveryId;
use crate::domain::retry::Step;
use crate::store::queue::attempt::Settle;
use crate::store::queue::pending::form_text;
use crate::store::queue::settlement::{ChannelEffect, Settlement, decide};
use crate::store::sql::report::service_health;
use crate::store::sql::{Connection, Result, catch_up, clock, deliver, due, fallback, pacing, params, parking, parts};

/// What the ends of this group have done for the channels so far, so that it is not done for each.
#[derive(Default)]
struct ChannelsDone<'a> {
    resumed: BTreeSet<&'a str>,
    /// When each took a message last.
    accepted: BTreeMap<&'a str, Timestamp>,
}

/// Ends attempts, in their sequence.
pub fn settle(connection: &dyn Connection, settles: &[&Settle]) -> Result<Vec<()>> {
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

fn end_attempt(connection: &dyn Connection, settle: &Settle) -> Result<()> {
    let (outcome, detail) = (settle.answer.outcome.as_str(), &settle.answer.detail);
    let sql = "UPDATE attempts SET ended_at = ?2, outcome = ?3, answer = ?4, far_ahead_s = ?5 WHERE seq = ?1";
    let given = params![settle.attempt, settle.at, outcome, detail, settle.clock_ahead_s];
    connection.execute(sql, given).map(drop)
}

fn judge_channel<'a>(
    connection: &dyn Connection,
    settle: &'a Settle,
    settlement: &Settlement<'_>,
    done: &mut ChannelsDone<'a>,
) -> Result<()> {
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
fn end(connection: &dyn Connection, settle: &Settle, settlement: &Settlement<'_>) -> Result<()> {
    let is_done = *settlement.step == Step::Delivered && !settle.more_parts;
    let written = write(connection, settle, settlement)?;
    // Of a delivered message all parts are done; but another one may still change its state.
    if settlement.part_is_over && !(is_done && written == Some(false)) {
        parts::done(connection, settle.delivery, settle.form, settle.part)?;
    }
    // A person may have cancelled it meanwhile; what depends on it does so all the same.
    let is_linked = written.unwrap_or(true);
    match settlement.step {
        Step::Delivered if is_done && is_linked => accepted(connection, settle.delivery, settle.at),
        Step::Delivered | Step::Recompose(_) => Ok(()),
        Step::Dead => dead(connection, settle),
        Step::Wait { .. } | Step::Park { .. } => fallback::call_off_late(connection, settle.delivery),
    }
}

/// Where the delivery stands after the attempt. Answers whether others depend on it: those that it carries, that it stands in
/// for, or that stand in for it; `None` where it was over already.
fn write(connection: &dyn Connection, settle: &Settle, settlement: &Settlement<'_>) -> Result<Option<bool>> {
    let (answer, status) = (settlement.answer, &settlement.delivery);
    let sql = "UPDATE deliveries SET state = ?2, due_at = ?3, spent = spent + ?4, form = ?5, outcome = ?6, answer = ?7, wait_ms = ?8
        WHERE id = ?1 AND state = 'waiting'
        RETURNING fell_back > 0 OR instead_of IS NOT NULL
            OR EXISTS (SELECT 1 FROM deliveries carried WHERE carried.digest = ?1)
            OR EXISTS (SELECT 1 FROM deliveries instead WHERE instead.instead_of = ?1)";
    let (form, outcome) = (form_text(status.form), answer.outcome.as_str());
    let wait_ms = clock::wait_ms(status.due_at, settle.at);
    let (state, due_at, spends) = (status.state, status.due_at, status.spends);
    let given = params![settle.delivery, state, due_at, spends, form, outcome, answer.detail, wait_ms];
    connection.optional(sql, given, |row| row.get(0))
}

/// It is accepted: so is what it carries, and no fallback is needed. The channel that it stood in for is to catch up with it.
fn accepted(connection: &dyn Connection, delivery: DeliveryId, at: Timestamp) -> Result<()> {
    let sql = "UPDATE deliveries SET state = 'merged' WHERE digest = ?1 AND state = 'waiting'";
    connection.execute(sql, params![delivery])?;
    catch_up::end(connection, delivery, at)?;
    catch_up::begin(connection, delivery, at)?;
    fallback::call_off(connection, delivery)
}

/// It is dead. Had it carried others, each of them, itself included, gets one more chance, by itself.
fn dead(connection: &dyn Connection, settle: &Settle) -> Result<()> {
    let carried = due::carried(connection, settle.delivery)?;
    if carried.is_empty() {
        return fallback_of_dead(connection, settle, settle.delivery);
    }
    for member in [vec![settle.delivery], carried].concat() {
        let sql = "UPDATE deliveries SET digest = NULL, returned = 1, state = 'waiting', due_at = ?2, wait_ms = 0, form = 'full', spent = 0
                   WHERE id = ?1 AND returned = 0 AND state IN ('waiting', 'dead')";
        let returned = connection.execute(sql, params![member, settle.at])?;
        parts::forget(connection, member)?;
        if returned == 1 {
            // Its bytes are others than those that died, so its idempotency keys must be too.
            let sql = "UPDATE deliveries SET round = round + 1 WHERE id = ?1";
            connection.execute(sql, params![member])?;
            deliver::step(connection, member, settle.at, "returned", "")?;
        } else {
            let sql = "UPDATE deliveries SET digest = NULL, state = 'dead', answer = ?2, outcome = ?3 WHERE id = ?1 AND state = 'waiting'";
            let (detail, outcome) = (&settle.answer.detail, settle.answer.outcome.as_str());
            connection.execute(sql, params![member, detail, outcome])?;
        }
        fallback_of_dead(connection, settle, member)?;
    }
    Ok(())
}

fn fallback_of_dead(connection: &dyn Connection, settle: &Settle, delivery: DeliveryId) -> Result<()> {
    // A test is about its channel alone.
    let sql = "SELECT 1 FROM deliveries d JOIN events e ON e.id = d.event
        WHERE d.id = ?1 AND d.state = 'dead' AND d.fell_back = 0 AND e.kind <> 'test'";
    let is_dead = connection.exists(sql, params![delivery])?;
    match &settle.fallback {
        Some(to) if is_dead => fallback::ask(connection, to, delivery, None, settle.at).map(drop),
        _ => Ok(()),
    }
}
