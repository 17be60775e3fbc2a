//! Fallbacks: another channel is notified in the place of one that refuses its messages, or of which no answer comes.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::event::DeliveryId;
use crate::domain::quiet::Quiet;
use crate::store::queue::attempt::Fallback;
use crate::store::queue::pending::UnreachedChannel;
use crate::store::sql::value::IntoValue;
use crate::store::sql::{Connection, Result, catch_up, deliver, due, params, pausing};

/// So many deliveries a step; each step is a short part of one commit.
const STEP: usize = 100;

/// Of a channel (`?1`), what waits for it in earnest since `?2`, at most `?5`, beginning behind the one that was made at `?3`
/// and has the id `?4`. What was held in quiet hours waited by intention, and does so in earnest from their end on; where the
/// clock was put back, from then on. The index is named, because another one would lead through all that waits.
macro_rules! waits {
    ($index:literal, $which:literal, $since:literal) => {
        concat!(
            "SELECT id, kind, created_at, since, resumed FROM (SELECT d.id, e.kind, d.created_at, ", $since, " AS since,
                coalesce((SELECT CASE s.step WHEN 'held' THEN unixepoch(s.detail) * 1000 ELSE s.at END
                    FROM steps s WHERE s.delivery = d.id AND s.step IN ('held', 'let_go', 'clock_set') ORDER BY s.seq DESC LIMIT 1), 0) AS resumed
            FROM deliveries d INDEXED BY ", $index, " JOIN events e ON e.id = d.event
            WHERE d.channel = ?1 AND d.state = 'waiting' AND d.urgent = 1 AND d.fell_back = 0 AND e.kind <> 'test'
            AND d.created_at <= ?2 AND (d.created_at, d.id) > (?3, ?4) AND ", $which, ") w
            WHERE since <= ?2 AND resumed <= ?2 ORDER BY created_at, id LIMIT ?5"
        )
    };
}

/// While the channel is parked, everything.
const ALL: &str = waits!("deliveries_to_fall_back", "d.fell_back = 0", "0");
/// What was refused, or whose answer was lost, since it was made or asked for once more: it waits for that, and not for our own
/// allowance. So does what its message carries.
const REFUSED: &str = waits!(
    "deliveries_tried",
    "d.attempts > 0",
    "(SELECT min(a.ended_at) FROM attempts a WHERE a.delivery = d.id AND a.outcome IN ('retry', 'unknown', 'throttled', 'misconfigured')
        AND a.ended_at >= coalesce((SELECT max(r.at) FROM steps r WHERE r.delivery = d.id AND r.step = 'redelivered'), 0))"
);
/// What was not tried, while others are refused since `?6`.
const BEHIND: &str = waits!("deliveries_to_fall_back", "d.attempts = 0", "CAST(?6 AS BIGINT)");
/// While the channel is paused since `?6`, everything since it was asked for once more.
const PAUSED: &str = waits!(
    "deliveries_to_fall_back",
    "d.fell_back = 0",
    "coalesce((SELECT max(r.at) FROM steps r WHERE r.delivery = d.id AND r.step = 'redelivered'
        AND r.at > CAST(?6 AS BIGINT)), CAST(?6 AS BIGINT))"
);
const CARRIED: &str = "SELECT d.id FROM deliveries d JOIN events e ON e.id = d.event
    WHERE d.digest = ?1 AND d.state = 'waiting' AND d.urgent = 1 AND d.fell_back = 0 AND e.kind <> 'test' ORDER BY d.event_seq";

/// Since when a channel refuses whatever it is sent, or no answer comes. `None`: it has taken a message since, or was sent none.
fn refuses_since(connection: &dyn Connection, channel: &str) -> Result<Option<Timestamp>> {
    let sql = "SELECT min(a.ended_at) FROM (SELECT id FROM deliveries INDEXED BY deliveries_tried
            WHERE channel = ?1 AND state = 'waiting' AND urgent = 1 AND attempts > 0 LIMIT ?2) d
        JOIN attempts a ON a.delivery = d.id
        WHERE a.outcome IN ('retry', 'unknown', 'throttled', 'misconfigured')
        AND a.ended_at > coalesce((SELECT at FROM last_yes WHERE channel = ?1), 0)";
    connection.one(sql, params![channel, 2 * STEP as u32], |row| row.get(0))
}

/// What is looked for.
struct Wanted<'a> {
    connection: &'a dyn Connection,
    channel: &'a str,
    quiet: Option<&'a Quiet>,
    most: usize,
    /// Each, and since when it waits.
    found: Vec<(DeliveryId, Timestamp)>,
}

impl Wanted<'_> {
    /// Looks for more by one of the statements, a page at a time.
    fn look(&mut self, sql: &str, before: Timestamp, refused_since: Option<Timestamp>) -> Result<()> {
        let (mut made_at, mut id, mut limit) = (Timestamp::MIN, None, self.most as u32);
        while self.found.len() < self.most {
            let behind = id.map_or([0; 16], |id: DeliveryId| id.0.into_bytes());
            let mut given = params![self.channel, before, made_at, behind, limit].to_vec();
            given.extend(refused_since.iter().map(|since| since.into_value()));
            let page = self.connection.all(sql, &given, |row| {
                let since = [2, 3, 4].map(|column| row.get::<i64>(column));
                let [created, since, resumed] = since;
                let since = Timestamp::from_millisecond(created?.max(since?).max(resumed?)).unwrap_or(before);
                Ok((row.get::<DeliveryId>(0)?, row.get::<String>(1)?, row.get(2)?, since))
            })?;
            for (id, kind, _, since) in &page {
                if self.found.len() < self.most && self.quiet.is_none_or(|quiet| quiet.passes(kind)) {
                    self.add(*id, *since)?;
                }
            }
            match page.last() {
                Some(last) if page.len() == limit as usize => (id, made_at) = (Some(last.0), last.2),
                _ => break,
            }
            limit = (4 * limit).min(4 * STEP as u32);
        }
        Ok(())
    }

    /// Takes one, and what its message carries.
    fn add(&mut self, id: DeliveryId, since: Timestamp) -> Result<()> {
        let carried = self.connection.all(CARRIED, params![id], |row| row.get(0))?;
        for id in carried.into_iter().chain([id]) {
            if !self.found.iter().any(|(known, _)| *known == id) {
                self.found.push((id, since));
            }
        }
        Ok(())
    }
}

/// Which of them the fallback is to be asked for, at most so many, and since when each waits. In `quiet` hours only the
/// kinds that pass them.
fn wanted(
    connection: &dyn Connection,
    channel: &str,
    is_parked: bool,
    (before, now): (Timestamp, Timestamp),
    quiet: Option<&Quiet>,
    most: usize,
) -> Result<Vec<(DeliveryId, Timestamp)>> {
    let mut wanted = Wanted { connection, channel, quiet, most, found: Vec::new() };
    if is_parked {
        wanted.look(ALL, now, None)?;
        return Ok(wanted.found);
    }
    if let Some(paused) = pausing::paused(connection, channel)?.filter(|paused| paused.since <= before) {
        wanted.look(PAUSED, before, Some(paused.since))?;
        return Ok(wanted.found);
    }
    wanted.look(REFUSED, before, None)?;
    if let Some(since) = refuses_since(connection, channel)?.filter(|since| *since <= before) {
        wanted.look(BEHIND, before, Some(since))?;
    }
    Ok(wanted.found)
}

/// Whether the fallback is to be asked for something.
pub fn is_wanted(
    connection: &dyn Connection,
    channel: &str,
    before: Timestamp,
    now: Timestamp,
    quiet: Option<&Quiet>,
) -> Result<bool> {
    let is_parked = due::parked(connection, channel)?.is_some();
    wanted(connection, channel, is_parked, (before, now), quiet, 1).map(|wanted| !wanted.is_empty())
}

/// Asks the fallback for the urgent deliveries that have waited since `before`, or for all urgent ones while the channel is
/// parked. Answers how many it asks for now.
pub fn ask_for_waiting(
    connection: &dyn Connection,
    to: &Fallback,
    before: Timestamp,
    now: Timestamp,
    quiet: Option<&Quiet>,
) -> Result<u64> {
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
    connection: &dyn Connection,
    to: &Fallback,
    delivery: DeliveryId,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool> {
    let sql = "SELECT unreached, created_at FROM deliveries WHERE id = ?1 AND fell_back = 0";
    let known: Option<(Vec<UnreachedChannel>, Timestamp)> =
        connection.optional(sql, params![delivery], |row| Ok((row.json_or_default(0)?, row.get(1)?)))?;
    let Some((mut unreached, created_at)) = known else { return Ok(false) };
    let id = delivery.standing_in(&to.to, now);
    unreached.push(UnreachedChannel { channel: to.channel.clone(), since: since.unwrap_or(created_at) });
    let sql = "INSERT INTO deliveries (id, event, event_seq, channel, order_key, state, due_at, created_at, urgent, instead_of, unreached)
        SELECT ?2, event, event_seq, ?3, order_key, 'waiting', ?4, ?4, urgent, id, ?5 FROM deliveries d
        WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM deliveries o WHERE o.event = d.event AND o.channel = ?3)";
    let unreached = serde_json::to_string(&unreached)?;
    let asked = connection.execute(sql, params![delivery, id, to.to, now, unreached])? == 1;
    let fell_back = if asked { catch_up::asked(to.catch_up) } else { 2 };
    connection.execute("UPDATE deliveries SET fell_back = ?2 WHERE id = ?1", params![delivery, fell_back])?;
    if asked {
        deliver::step(connection, delivery, now, "fell_back", &to.to)?;
    }
    Ok(asked)
}

/// What a fallback was sent, or the fallback of that one, need not be sent once more where the channel does not catch up.
pub fn settle_fallback(connection: &dyn Connection, channel: &str, now: Timestamp) -> Result<()> {
    let sql = "WITH RECURSIVE instead (first, id) AS (
            SELECT d.id, f.id FROM deliveries d JOIN deliveries f ON f.instead_of = d.id
                WHERE d.channel = ?1 AND d.state = 'waiting' AND d.fell_back = 1
            UNION SELECT instead.first, f.id FROM instead JOIN deliveries f ON f.instead_of = instead.id)
        SELECT instead.first, f.id FROM instead JOIN deliveries f ON f.id = instead.id
        WHERE f.state IN ('delivered', 'merged') ORDER BY f.state = 'delivered'";
    let accepted = connection.all(sql, params![channel], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let accepted = Accepted::from_iter(accepted);
    for (delivery, by) in merge(connection, &accepted)? {
        deliver::step(connection, delivery, now, "told_elsewhere", &by.to_string())?;
    }
    Ok(())
}

/// A delivery and what it carried are accepted, so no fallback is needed for them any more.
pub fn call_off(connection: &dyn Connection, accepted: DeliveryId) -> Result<()> {
    let sql = "WITH RECURSIVE instead (id) AS (
            SELECT f.id FROM deliveries d JOIN deliveries f ON f.instead_of = d.id WHERE d.id = ?1 OR d.digest = ?1
            UNION SELECT f.id FROM instead JOIN deliveries f ON f.instead_of = instead.id)
        SELECT id FROM instead";
    let instead = connection.all(sql, params![accepted], |row| row.get(0))?;
    merge(connection, &instead.into_iter().map(|id| (id, accepted)).collect()).map(drop)
}

/// A fallback did not accept this attempt: should the first channel have been faster meanwhile, it is not needed at all.
pub fn call_off_late(connection: &dyn Connection, stand_in: DeliveryId) -> Result<()> {
    let sql = "WITH RECURSIVE first (id) AS (
            SELECT instead_of FROM deliveries WHERE id = ?1 AND instead_of IS NOT NULL
            UNION SELECT d.instead_of FROM first JOIN deliveries d ON d.id = first.id WHERE d.instead_of IS NOT NULL)
        SELECT d.id FROM first JOIN deliveries d ON d.id = first.id WHERE d.state IN ('delivered', 'merged')";
    let accepted = connection.optional(sql, params![stand_in], |row| row.get(0))?;
    accepted.map_or(Ok(()), |accepted| call_off(connection, accepted))
}

/// Deliveries, each with the one by which it was accepted.
type Accepted = BTreeMap<DeliveryId, DeliveryId>;

/// Merges those that still wait, and are not just being sent. A message that carries others is one with them: it is merged
/// when all of them are accepted. What a person asked for once more is sent once more, whatever was accepted before. Answers
/// which were merged.
fn merge(connection: &dyn Connection, accepted: &Accepted) -> Result<Vec<(DeliveryId, DeliveryId)>> {
    let asked = "SELECT 1 FROM steps WHERE delivery = ?1 AND step = 'redelivered'";
    let mut left = Accepted::new();
    for (delivery, by) in accepted {
        if !connection.exists(asked, params![delivery])? {
            left.insert(*delivery, *by);
        }
    }
    let accepted = left;
    let waits = "SELECT 1 FROM deliveries d WHERE d.id = ?1 AND d.state = 'waiting' AND d.digest IS NULL
        AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = d.id AND a.ended_at IS NULL)";
    let mut merged = Vec::new();
    for leader in accepted.keys() {
        let is_waiting = connection.exists(waits, params![leader])?;
        let carried = due::carried(connection, *leader)?;
        if is_waiting && carried.iter().all(|id| accepted.contains_key(id)) {
            merged.extend(carried.iter().chain([leader]).map(|id| (*id, accepted[id])));
        }
    }
    for (delivery, by) in &merged {
        let sql = "UPDATE deliveries SET state = 'merged', digest = ?2 WHERE id = ?1";
        connection.execute(sql, params![delivery, by])?;
    }
    Ok(merged)
}
