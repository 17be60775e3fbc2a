//! Fallbacks: another channel hears in the place of one that cannot be reached, and what it has told is told.

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::params;

use crate::domain::event::DeliveryId;
use crate::domain::route::Glob;
use crate::store::Fallback;
use crate::store::Unreached;
use crate::store::sqlite::deliver;
use crate::store::sqlite::due;
use crate::store::sqlite::rows;

/// So many deliveries a step; each step is a short part of one commit.
const STEP: usize = 100;

/// Of a channel (`?1`), what waits for it in earnest since `?3`, or at all while it is parked (`?2`). What was held in quiet
/// hours waited by intention, and does so in earnest from their end on.
const WAITS_TOO_LONG: &str = "SELECT id, since, kind FROM (SELECT d.id, e.kind, d.created_at,
        max(d.created_at, coalesce((SELECT max(unixepoch(s.detail)) * 1000 FROM steps s
            WHERE s.delivery = d.id AND s.step = 'held'), 0)) AS since
    FROM deliveries d JOIN events e ON e.id = d.event
    WHERE d.channel = ?1 AND d.state = 'waiting' AND d.urgent = 1 AND d.fell_back = 0 AND e.kind <> 'test'
    AND d.created_at <= iif(?2, ?4, ?3))
    WHERE since <= iif(?2, ?4, ?3) ORDER BY created_at";

/// Which of them the fallback is to be asked for, at most so many, and since when each waits. In quiet hours only the kinds
/// that come `through` them.
fn wanted(
    connection: &Connection,
    channel: &str,
    is_parked: bool,
    (before, now): (Timestamp, Timestamp),
    through: Option<&[Glob]>,
    most: usize,
) -> rusqlite::Result<Vec<(DeliveryId, Timestamp)>> {
    let mut select = connection.prepare_cached(WAITS_TOO_LONG)?;
    let given = params![channel, is_parked, rows::to_millisecond(before), rows::to_millisecond(now)];
    let (mut found, mut wanted) = (select.query(given)?, Vec::new());
    while wanted.len() < most
        && let Some(row) = found.next()?
    {
        let kind = row.get_ref(2)?.as_str()?;
        if through.is_none_or(|globs| globs.iter().any(|glob| glob.matches(kind))) {
            let id = DeliveryId(rows::uuid(0, row.get_ref(0)?.as_blob()?)?);
            wanted.push((id, rows::of_millisecond(1, row.get(1)?)?));
        }
    }
    Ok(wanted)
}

/// Whether the fallback is to be asked for something.
pub fn is_wanted(
    connection: &Connection,
    channel: &str,
    before: Timestamp,
    now: Timestamp,
    through: Option<&[Glob]>,
) -> rusqlite::Result<bool> {
    let is_parked = due::parked(connection, channel)?.is_some();
    wanted(connection, channel, is_parked, (before, now), through, 1).map(|wanted| !wanted.is_empty())
}

/// Asks the fallback for the urgent deliveries that have waited since `before`, or for all urgent ones while the channel is
/// parked. Answers how many it asks for now.
pub fn ask_for_waiting(
    connection: &Connection,
    to: &Fallback,
    before: Timestamp,
    now: Timestamp,
    through: Option<&[Glob]>,
) -> rusqlite::Result<u64> {
    let parked = due::parked(connection, &to.channel)?;
    let mut asked = 0;
    for (delivery, since) in wanted(connection, &to.channel, parked.is_some(), (before, now), through, STEP)? {
        let since = parked.as_ref().map_or(since, |parked| parked.since);
        let id = DeliveryId(uuid::Uuid::now_v7());
        asked += u64::from(ask(connection, to, delivery, id, Some(since), now)?);
    }
    Ok(asked)
}

/// Asks the fallback for one delivery, unless its channel hears of the event anyway. `since`: from when on the first channel
/// could not be reached; since the delivery was made where that is not known.
pub fn ask(
    connection: &Connection,
    to: &Fallback,
    delivery: DeliveryId,
    id: DeliveryId,
    since: Option<Timestamp>,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let sql = "SELECT unreached, created_at FROM deliveries WHERE id = ?1";
    let read = |row: &rusqlite::Row<'_>| {
        let before = row.get_ref(0)?.as_str_or_null()?.map_or(Ok(Vec::new()), |text| rows::of_json(0, text))?;
        Ok((before, rows::of_millisecond(1, row.get(1)?)?))
    };
    let known: Option<(Vec<Unreached>, Timestamp)> =
        connection.prepare_cached(sql)?.query_row([delivery.0.as_bytes()], read).optional()?;
    let Some((mut unreached, created_at)) = known else { return Ok(false) };
    unreached.push(Unreached { channel: to.channel.clone(), since: since.unwrap_or(created_at) });
    let sql = "INSERT INTO deliveries (id, event, event_seq, channel, order_key, state, due_at, created_at, urgent, instead_of, unreached)
        SELECT ?2, event, event_seq, ?3, order_key, 'waiting', ?4, ?4, urgent, id, ?5 FROM deliveries d
        WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM deliveries o WHERE o.event = d.event AND o.channel = ?3)";
    let given =
        params![delivery.0.as_bytes(), id.0.as_bytes(), to.to, rows::to_millisecond(now), rows::to_json(&unreached)?];
    let asked = connection.prepare_cached(sql)?.execute(given)? == 1;
    let sql = "UPDATE deliveries SET fell_back = ?2 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![delivery.0.as_bytes(), if asked { 1 } else { 2 }])?;
    if asked {
        deliver::step(connection, delivery, now, "fell_back", &to.to)?;
    }
    Ok(asked)
}

/// What the fallback has told need not be told once more.
pub fn absorb(connection: &Connection, channel: &str, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "SELECT d.id, f.id FROM deliveries d JOIN deliveries f ON f.instead_of = d.id
        WHERE d.channel = ?1 AND d.state = 'waiting' AND d.digest IS NULL AND d.fell_back = 1
        AND f.state IN ('delivered', 'merged')
        AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = d.id AND a.ended_at IS NULL)
        AND NOT EXISTS (SELECT 1 FROM deliveries carried WHERE carried.digest = d.id AND carried.state = 'waiting')";
    let mut select = connection.prepare_cached(sql)?;
    let read = |row: &rusqlite::Row<'_>| {
        let id = |column| rows::uuid(column, row.get_ref(column)?.as_blob()?).map(DeliveryId);
        Ok((id(0)?, id(1)?))
    };
    for (delivery, told) in select.query_map([channel], read)?.collect::<rusqlite::Result<Vec<_>>>()? {
        let sql = "UPDATE deliveries SET state = 'merged', digest = ?2 WHERE id = ?1";
        connection.prepare_cached(sql)?.execute(params![delivery.0.as_bytes(), told.0.as_bytes()])?;
        deliver::step(connection, delivery, now, "told_elsewhere", &told.to_string())?;
    }
    Ok(())
}
