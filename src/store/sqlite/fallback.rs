//! Fallbacks: another channel hears in the place of one that cannot be reached, and what it has told is told.

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::params;

use crate::domain::event::DeliveryId;
use crate::store::Fallback;
use crate::store::Unreached;
use crate::store::sqlite::deliver;
use crate::store::sqlite::due;
use crate::store::sqlite::rows;

/// So many deliveries a step; each step is a short part of one commit.
const STEP: u32 = 100;

/// Of a channel (`?1`), what waits for it in earnest since `?3`, or at all while it is parked (`?2`). What is held in quiet
/// hours waits by intention, and from their end on in earnest.
const WAITS_TOO_LONG: &str = "FROM deliveries d JOIN events e ON e.id = d.event
    WHERE d.channel = ?1 AND d.state = 'waiting' AND d.urgent = 1 AND d.fell_back = 0 AND e.kind <> 'test'
    AND NOT (d.attempts = 0 AND d.due_at > ?4)
    AND (?2 OR (CASE WHEN d.attempts = 0 THEN max(d.due_at, d.created_at) ELSE d.created_at END) <= ?3)";

/// Whether the fallback is to be asked for something.
pub fn is_wanted(connection: &Connection, channel: &str, before: Timestamp, now: Timestamp) -> rusqlite::Result<bool> {
    let parked = due::parked(connection, channel)?.is_some();
    let sql = format!("SELECT EXISTS (SELECT 1 {WAITS_TOO_LONG})");
    let given = params![channel, parked, rows::to_millisecond(before), rows::to_millisecond(now)];
    connection.prepare_cached(&sql)?.query_row(given, |row| row.get(0))
}

/// Asks the fallback for the urgent deliveries that have waited since `before`, or for all urgent ones while the channel is
/// parked. Answers how many it asks for now.
pub fn ask_for_waiting(
    connection: &Connection,
    to: &Fallback,
    before: Timestamp,
    now: Timestamp,
) -> rusqlite::Result<u64> {
    let parked = due::parked(connection, &to.channel)?;
    let sql = format!("SELECT d.id, d.created_at {WAITS_TOO_LONG} ORDER BY d.created_at LIMIT ?5");
    let given = params![to.channel, parked.is_some(), rows::to_millisecond(before), rows::to_millisecond(now), STEP];
    let mut select = connection.prepare_cached(&sql)?;
    let found = select.query_map(given, |row| {
        Ok((DeliveryId(rows::uuid(0, row.get_ref(0)?.as_blob()?)?), rows::of_millisecond(1, row.get(1)?)?))
    })?;
    let mut asked = 0;
    for (delivery, created_at) in found.collect::<rusqlite::Result<Vec<_>>>()? {
        let since = parked.as_ref().map_or(created_at, |parked| parked.since);
        asked += u64::from(ask(connection, to, delivery, Some(since), now)?);
    }
    Ok(asked)
}

/// Asks the fallback for one delivery, unless its channel hears of the event anyway. `since`: from when on the first channel
/// could not be reached; since the delivery was made where that is not known.
pub fn ask(
    connection: &Connection,
    to: &Fallback,
    delivery: DeliveryId,
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
    let id = delivery.standing_in(&to.to, now);
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
