//! Fallbacks: another channel is notified in the place of one that refuses its messages, or of which no answer comes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::event::DeliveryId;
use crate::domain::quiet::Quiet;
use crate::store::queue::attempt::Fallback;
use crate::store::queue::pending::UnreachedChannel;
use crate::store::sqlite::{catch_up, deliver, due, rows};

/// So many deliveries a step; each step is a short part of one commit.
const STEP: usize = 100;

/// Of a channel (`?1`), what waits for it in earnest since `?2`. What was held in quiet hours waited by intention, and does so
/// in earnest from their end on; where the clock was put back, from then on. The index is named, because another one would lead through all that waits.
macro_rules! waits {
    ($index:literal, $which:literal, $since:literal) => {
        concat!(
            "SELECT id, since, kind FROM (SELECT d.id, e.kind, d.created_at,
                max(d.created_at, ", $since, ", coalesce((SELECT iif(s.step = 'held', unixepoch(s.detail) * 1000, s.at)
                    FROM steps s WHERE s.delivery = d.id AND s.step IN ('held', 'let_go', 'clock_set') ORDER BY s.seq DESC LIMIT 1), 0)) AS since
            FROM deliveries d INDEXED BY ", $index, " JOIN events e ON e.id = d.event
            WHERE d.channel = ?1 AND d.state = 'waiting' AND d.urgent = 1 AND d.fell_back = 0 AND e.kind <> 'test'
            AND d.created_at <= ?2 AND ", $which, ")
            WHERE since <= ?2 ORDER BY created_at"
        )
    };
}

/// While the channel is parked, everything.
const ALL: &str = waits!("deliveries_to_fall_back", "?3 IS NULL", "0");
/// What was refused, or whose answer was lost, since it was made or asked for once more: it waits for that, and not for our own
/// allowance. So does what its message carries.
const REFUSED: &str = waits!(
    "deliveries_tried",
    "d.attempts > 0 AND ?3 IS NULL",
    "(SELECT min(a.ended_at) FROM attempts a WHERE a.delivery = d.id AND a.outcome IN ('retry', 'unknown', 'throttled', 'misconfigured')
        AND a.ended_at >= coalesce((SELECT max(r.at) FROM steps r WHERE r.delivery = d.id AND r.step = 'redelivered'), 0))"
);
/// What was not tried, while others are refused since `?3`.
const BEHIND: &str = waits!("deliveries_to_fall_back", "d.attempts = 0", "?3");
const CARRIED: &str = "SELECT d.id FROM deliveries d JOIN events e ON e.id = d.event
    WHERE d.digest = ?1 AND d.state = 'waiting' AND d.urgent = 1 AND d.fell_back = 0 AND e.kind <> 'test' ORDER BY d.event_seq";

/// Since when a channel refuses whatever it is sent, or no answer comes. `None`: it has taken a message since, or was sent none.
fn refuses_since(connection: &Connection, channel: &str) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT min(a.ended_at) FROM (SELECT id FROM deliveries INDEXED BY deliveries_tried
            WHERE channel = ?1 AND state = 'waiting' AND urgent = 1 AND attempts > 0 LIMIT ?2) d
        JOIN attempts a ON a.delivery = d.id
        WHERE a.outcome IN ('retry', 'unknown', 'throttled', 'misconfigured')
        AND a.ended_at > coalesce((SELECT at FROM last_yes WHERE channel = ?1), 0)";
    let most = i64::try_from(2 * STEP).unwrap_or(i64::MAX);
    connection.prepare_cached(sql)?.query_row(params![channel, most], |row| row.get(0))
}

/// Which of them the fallback is to be asked for, at most so many, and since when each waits. In `quiet` hours only the
/// kinds that pass them.
fn wanted(
    connection: &Connection,
    channel: &str,
    is_parked: bool,
    (before, now): (Timestamp, Timestamp),
    quiet: Option<&Quiet>,
    most: usize,
) -> rusqlite::Result<Vec<(DeliveryId, Timestamp)>> {
    let mut wanted = Vec::new();
    let mut look = |sql: &str, before: i64, since: Option<i64>| -> rusqlite::Result<()> {
        let mut select = connection.prepare_cached(sql)?;
        let mut found = select.query(params![channel, before, since])?;
        while wanted.len() < most
            && let Some(row) = found.next()?
        {
            let kind = row.get_ref(2)?.as_str()?;
            if quiet.is_none_or(|quiet| quiet.passes(kind)) {
                let (id, since) = (DeliveryId(rows::uuid(0, row.get_ref(0)?.as_blob()?)?), row.get(1)?);
                let since = rows::of_millisecond(1, since)?;
                let mut carried = connection.prepare_cached(CARRIED)?;
                let carried = carried.query_map([id.0.as_bytes()], |row| rows::uuid(0, row.get_ref(0)?.as_blob()?))?;
                for id in carried.map(|id| id.map(DeliveryId)).chain([Ok(id)]) {
                    let id = id?;
                    if !wanted.iter().any(|(known, _)| *known == id) {
                        wanted.push((id, since));
                    }
                }
            }
        }
        Ok(())
    };
    let before = rows::to_millisecond(before);
    if is_parked {
        look(ALL, rows::to_millisecond(now), None)?;
        return Ok(wanted);
    }
    look(REFUSED, before, None)?;
    if let Some(since) = refuses_since(connection, channel)?.filter(|since| *since <= before) {
        look(BEHIND, before, Some(since))?;
    }
    Ok(wanted)
}

/// Whether the fallback is to be asked for something.
pub fn is_wanted(
    connection: &Connection,
    channel: &str,
    before: Timestamp,
    now: Timestamp,
    quiet: Option<&Quiet>,
) -> rusqlite::Result<bool> {
    let is_parked = due::parked(connection, channel)?.is_some();
    wanted(connection, channel, is_parked, (before, now), quiet, 1).map(|wanted| !wanted.is_empty())
}

/// Asks the fallback for the urgent deliveries that have waited since `before`, or for all urgent ones while the channel is
/// parked. Answers how many it asks for now.
pub fn ask_for_waiting(
    connection: &Connection,
    to: &Fallback,
    before: Timestamp,
    now: Timestamp,
    quiet: Option<&Quiet>,
) -> rusqlite::Result<u64> {
    let parked = due::parked(connection, &to.channel)?;
    let mut asked = 0;
    for (delivery, since) in wanted(connection, &to.channel, parked.is_some(), (before, now), quiet, STEP)? {
        let since = parked.as_ref().map_or(since, |parked| parked.since);
        asked += u64::from(ask(connection, to, delivery, Some(since), now)?);
    }
    Ok(asked)
}

/// Asks the fallback for one delivery, unless its channel is notified of the event anyway. `since`: from when on the first channel
/// could not be reached; since the delivery was made where that is not known.
pub fn ask(
    connection: &Connection,
    to: &Fallback,
    delivery: DeliveryId,
    since: Option<Timestamp>,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let sql = "SELECT unreached, created_at FROM deliveries WHERE id = ?1 AND fell_back = 0";
    let read = |row: &rusqlite::Row<'_>| {
        let before = row.get_ref(0)?.as_str_or_null()?.map_or(Ok(Vec::new()), |text| rows::of_json(0, text))?;
        Ok((before, rows::of_millisecond(1, row.get(1)?)?))
    };
    let known: Option<(Vec<UnreachedChannel>, Timestamp)> =
        connection.prepare_cached(sql)?.query_row([delivery.0.as_bytes()], read).optional()?;
    let Some((mut unreached, created_at)) = known else { return Ok(false) };
    let id = delivery.standing_in(&to.to, now);
    unreached.push(UnreachedChannel { channel: to.channel.clone(), since: since.unwrap_or(created_at) });
    let sql = "INSERT INTO deliveries (id, event, event_seq, channel, order_key, state, due_at, created_at, urgent, instead_of, unreached)
        SELECT ?2, event, event_seq, ?3, order_key, 'waiting', ?4, ?4, urgent, id, ?5 FROM deliveries d
        WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM deliveries o WHERE o.event = d.event AND o.channel = ?3)";
    let given =
        params![delivery.0.as_bytes(), id.0.as_bytes(), to.to, rows::to_millisecond(now), rows::to_json(&unreached)?];
    let asked = connection.prepare_cached(sql)?.execute(given)? == 1;
    let sql = "UPDATE deliveries SET fell_back = ?2 WHERE id = ?1";
    connection
        .prepare_cached(sql)?
        .execute(params![delivery.0.as_bytes(), if asked { catch_up::asked(to.catch_up) } else { 2 }])?;
    if asked {
        deliver::step(connection, delivery, now, "fell_back", &to.to)?;
    }
    Ok(asked)
}

/// What a fallback was sent, or the fallback of that one, need not be sent once more where the channel does not catch up.
pub fn settle_fallback(connection: &Connection, channel: &str, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "WITH RECURSIVE instead (first, id) AS (
            SELECT d.id, f.id FROM deliveries d JOIN deliveries f ON f.instead_of = d.id
                WHERE d.channel = ?1 AND d.state = 'waiting' AND d.fell_back = 1
            UNION SELECT instead.first, f.id FROM instead JOIN deliveries f ON f.instead_of = instead.id)
        SELECT instead.first, f.id FROM instead JOIN deliveries f ON f.id = instead.id
        WHERE f.state IN ('delivered', 'merged') ORDER BY f.state = 'delivered'";
    let accepted = pairs(connection, sql, params![channel])?;
    for (delivery, by) in merge(connection, &accepted)? {
        deliver::step(connection, delivery, now, "told_elsewhere", &by.to_string())?;
    }
    Ok(())
}

/// A delivery and what it carried are accepted, so no fallback is needed for them any more.
pub fn call_off(connection: &Connection, accepted: DeliveryId) -> rusqlite::Result<()> {
    let sql = "WITH RECURSIVE instead (id) AS (
            SELECT f.id FROM deliveries d JOIN deliveries f ON f.instead_of = d.id WHERE d.id = ?1 OR d.digest = ?1
            UNION SELECT f.id FROM instead JOIN deliveries f ON f.instead_of = instead.id)
        SELECT id, ?1 FROM instead";
    merge(connection, &pairs(connection, sql, params![accepted.0.as_bytes()])?).map(drop)
}

/// A fallback did not accept this attempt: should the first channel have been faster meanwhile, it is not needed at all.
pub fn call_off_late(connection: &Connection, stand_in: DeliveryId) -> rusqlite::Result<()> {
    let sql = "WITH RECURSIVE first (id) AS (
            SELECT instead_of FROM deliveries WHERE id = ?1 AND instead_of IS NOT NULL
            UNION SELECT d.instead_of FROM first JOIN deliveries d ON d.id = first.id WHERE d.instead_of IS NOT NULL)
        SELECT d.id FROM first JOIN deliveries d ON d.id = first.id WHERE d.state IN ('delivered', 'merged')";
    let read = |row: &rusqlite::Row<'_>| rows::uuid(0, row.get_ref(0)?.as_blob()?).map(DeliveryId);
    let accepted = connection.prepare_cached(sql)?.query_row([stand_in.0.as_bytes()], read).optional()?;
    accepted.map_or(Ok(()), |accepted| call_off(connection, accepted))
}

/// Deliveries, each with the one by which it was accepted.
type Accepted = BTreeMap<DeliveryId, DeliveryId>;

fn pairs(connection: &Connection, sql: &str, given: impl rusqlite::Params) -> rusqlite::Result<Accepted> {
    let read = |row: &rusqlite::Row<'_>| {
        let id = |column| rows::uuid(column, row.get_ref(column)?.as_blob()?).map(DeliveryId);
        Ok((id(0)?, id(1)?))
    };
    connection.prepare_cached(sql)?.query_map(given, read)?.collect()
}

/// Merges those that still wait, and are not just being sent. A message that carries others is one with them: it is merged
/// when all of them are accepted. What a person asked for once more is sent once more, whatever was accepted before. Answers
/// which were merged.
fn merge(connection: &Connection, accepted: &Accepted) -> rusqlite::Result<Vec<(DeliveryId, DeliveryId)>> {
    let asked = "SELECT 1 FROM steps WHERE delivery = ?1 AND step = 'redelivered'";
    let mut asked = connection.prepare_cached(asked)?;
    let mut left = Accepted::new();
    for (delivery, by) in accepted {
        if !asked.exists([delivery.0.as_bytes()])? {
            left.insert(*delivery, *by);
        }
    }
    let accepted = left;
    let sql = "SELECT EXISTS (SELECT 1 FROM deliveries d WHERE d.id = ?1 AND d.state = 'waiting' AND d.digest IS NULL
        AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = d.id AND a.ended_at IS NULL))";
    let mut merged = Vec::new();
    for leader in accepted.keys() {
        let is_waiting: bool = connection.prepare_cached(sql)?.query_row([leader.0.as_bytes()], |row| row.get(0))?;
        let carried = due::carried(connection, *leader)?;
        if is_waiting && carried.iter().all(|id| accepted.contains_key(id)) {
            merged.extend(carried.iter().chain([leader]).map(|id| (*id, accepted[id])));
        }
    }
    for (delivery, by) in &merged {
        let sql = "UPDATE deliveries SET state = 'merged', digest = ?2 WHERE id = ?1";
        connection.prepare_cached(sql)?.execute(params![delivery.0.as_bytes(), by.0.as_bytes()])?;
    }
    Ok(merged)
}
