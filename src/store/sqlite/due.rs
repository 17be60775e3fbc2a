//! What waits: what could go now, what its messages are made from, and when to look again.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::domain::digest_group::Candidate;
use crate::domain::event::{DeliveryId, Event};
use crate::domain::glob::Glob;
use crate::domain::message::PartForm;
use crate::store::queue::pending::{DueBatch, ParkedState, PendingDelivery, ROW_BYTES, form_of};
use crate::store::sql::parts;
use crate::store::sqlite::{catch_up, report, rows};

const CANDIDATES: &str = "SELECT d.id, e.kind, d.urgent, d.order_key, d.event_seq, d.returned, d.fell_back = 1,
        EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = d.id AND a.outcome = 'unknown')
            OR EXISTS (SELECT 1 FROM parts p WHERE p.delivery = d.id AND p.form = d.form AND p.done = 1)
            OR EXISTS (SELECT 1 FROM deliveries carried WHERE carried.digest = d.id AND carried.state = 'waiting'
                AND (d.order_key IS NULL OR carried.order_key IS NOT d.order_key)),
        d.attempts = 0 AND d.due_at > d.created_at
            AND EXISTS (SELECT 1 FROM steps s WHERE s.delivery = d.id AND s.step = 'held'), d.attempts > 0,
        (d.fell_back = 5 OR EXISTS (SELECT 1 FROM deliveries carried WHERE carried.digest = d.id
                AND carried.state = 'waiting' AND carried.fell_back = 5))
            AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = d.id AND a.outcome = 'unknown')
            AND NOT EXISTS (SELECT 1 FROM parts p WHERE p.delivery = d.id AND p.form = d.form AND p.done = 1)
    FROM deliveries d JOIN events e ON e.id = d.event
    WHERE d.channel = ?1 AND d.urgent = ?2 AND d.state = 'waiting' AND d.digest IS NULL AND d.due_at <= ?3";

/// Of one order, nothing behind an event that is being sent or waits for a later try.
const IN_ORDER: &str = " AND NOT EXISTS (SELECT 1 FROM deliveries earlier
        WHERE earlier.channel = d.channel AND earlier.state = 'waiting' AND earlier.order_key IS NOT NULL
        AND earlier.order_key = d.order_key AND earlier.event_seq < d.event_seq AND earlier.due_at > ?3)";

const NEXT: &str = "SELECT due_at FROM deliveries
    WHERE channel = ?1 AND urgent = ?2 AND state = 'waiting' AND digest IS NULL AND due_at > ?3 ORDER BY due_at LIMIT 1";

pub fn due_batch(
    connection: &Connection,
    channel: &str,
    now: Timestamp,
    limit: usize,
    in_order: bool,
) -> rusqlite::Result<DueBatch> {
    let condition = if in_order { IN_ORDER } else { "" };
    let sql = format!("{CANDIDATES}{condition} ORDER BY d.due_at, d.event_seq LIMIT ?4");
    let mut select = connection.prepare_cached(&sql)?;
    let mut next = connection.prepare_cached(NEXT)?;
    let mut batch = DueBatch { parked: parked(connection, channel)?, ..DueBatch::default() };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    for urgent in [true, false] {
        let mut found = select.query(params![channel, urgent, rows::to_millisecond(now), limit])?;
        while let Some(row) = found.next()? {
            let id = DeliveryId(rows::uuid(0, row.get_ref(0)?.as_blob()?)?);
            match candidate(id, row) {
                Ok(candidate) => batch.candidates.push(candidate),
                Err(rusqlite::Error::FromSqlConversionFailure(..)) => batch.unreadable.push(id),
                Err(error) => return Err(error),
            }
        }
        let next = next.query_row(params![channel, urgent, rows::to_millisecond(now)], |row| row.get::<_, i64>(0));
        let next = next.optional()?.map(|at| rows::of_millisecond(0, at)).transpose()?;
        batch.next_due = batch.next_due.into_iter().chain(next).min();
    }
    Ok(batch)
}

fn candidate(id: DeliveryId, row: &Row<'_>) -> rusqlite::Result<Candidate> {
    Ok(Candidate {
        id,
        kind: rows::parsed(1, row.get_ref(1)?.as_str()?)?,
        urgent: row.get(2)?,
        order_key: row.get(3)?,
        event_seq: row.get(4)?,
        returned: row.get(5)?,
        fell_back: row.get(6)?,
        steady: row.get(7)?,
        held: row.get(8)?,
        tried: row.get(9)?,
        catches_up: row.get(10)?,
    })
}

pub fn parked(connection: &Connection, channel: &str) -> rusqlite::Result<Option<ParkedState>> {
    let sql = "SELECT since, reason, probes, next_probe_at FROM parked_channels WHERE channel = ?1";
    let read = |row: &Row<'_>| {
        Ok(ParkedState {
            since: rows::of_millisecond(0, row.get(0)?)?,
            reason: row.get(1)?,
            probes: row.get(2)?,
            next_probe_at: rows::of_millisecond(3, row.get(3)?)?,
        })
    };
    connection.prepare_cached(sql)?.query_row([channel], read).optional()
}

/// What waits of these orders for a channel, due or not, the earliest first: what is not under way and may not have arrived.
/// A message about an order that was tried in vain does not keep what it carries of the same order.
pub fn of_orders(
    connection: &Connection,
    channel: &str,
    order_keys: &[String],
) -> rusqlite::Result<BTreeMap<String, Vec<DeliveryId>>> {
    let sql = "SELECT d.id FROM deliveries d LEFT JOIN deliveries l ON l.id = d.digest
        WHERE d.channel = ?1 AND d.order_key = ?2 AND d.state = 'waiting' AND d.order_key IS NOT NULL
        AND (d.digest IS NULL OR l.order_key = d.order_key)
        AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = coalesce(d.digest, d.id)
            AND (a.ended_at IS NULL OR a.outcome = 'unknown'))
        AND NOT EXISTS (SELECT 1 FROM parts p WHERE p.delivery = coalesce(d.digest, d.id)
            AND p.form = coalesce(l.form, d.form) AND p.done = 1)
        AND NOT EXISTS (SELECT 1 FROM deliveries carried WHERE carried.digest = coalesce(d.digest, d.id)
            AND carried.state = 'waiting' AND carried.order_key IS NOT d.order_key)
        AND d.returned = 0 AND d.fell_back <> 5
        ORDER BY d.event_seq";
    order_keys.iter().map(|key| Ok((key.clone(), ids(connection, sql, params![channel, key])?))).collect()
}

/// What a delivery carries, the earliest first.
pub fn carried(connection: &Connection, leader: DeliveryId) -> rusqlite::Result<Vec<DeliveryId>> {
    let sql = "SELECT id FROM deliveries WHERE digest = ?1 AND state = 'waiting' ORDER BY event_seq";
    ids(connection, sql, params![leader.0.as_bytes()])
}

fn ids(connection: &Connection, sql: &str, given: impl rusqlite::Params) -> rusqlite::Result<Vec<DeliveryId>> {
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_map(given, |row| Ok(DeliveryId(rows::uuid(0, row.get_ref(0)?.as_blob()?)?)))?;
    found.collect()
}

// Who has got it, and who found a mailbox full, before a person asked for it once more says nothing of the new round.
//
// A full mailbox is tried again after six hours, less a tenth. One that was found full a moment ago is met again because
// another recipient of the same mail is tried again; that is not the late retry yet, so only five hours and more count.
const DUE: &str = "SELECT d.order_key, d.attempts, d.spent, d.form, e.packed, o.packed,
        EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = d.id AND a.outcome = 'unknown'),
        EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = d.id AND a.outcome = 'delivered' AND a.ended_at >= asked_at),
        (SELECT json_group_array(DISTINCT a.part) FROM attempts a WHERE a.delivery = d.id AND a.outcome = 'full'
            AND a.ended_at >= asked_at AND a.ended_at <= ?2 - 18000000),
        d.round, d.unreached, d.event_seq, d.urgent
    FROM (SELECT *, coalesce((SELECT max(at) FROM steps WHERE delivery = id AND step = 'redelivered'), 0) AS asked_at
        FROM deliveries WHERE id = ?1) d
    JOIN events e ON e.id = d.event
    LEFT JOIN orders o ON o.source = e.source AND o.number = e.order_number";

// What is dead or was cancelled reached nobody; what this delivery itself carries was not sent before.
const PLACED_BEFORE: &str = "SELECT b.id FROM deliveries d JOIN events e ON e.id = d.event
    JOIN events p ON p.source = e.source AND p.order_number = e.order_number AND p.kind = e.kind AND p.seq < e.seq
    JOIN deliveries b ON b.event = p.id AND b.channel = d.channel
    WHERE d.id = ?1 AND b.state IN ('waiting', 'delivered', 'merged') AND b.digest IS NOT d.id
    ORDER BY b.event_seq";

/// What is known of these deliveries, and which of them only a newer version can read.
pub fn load(
    connection: &Connection,
    deliveries: &[DeliveryId],
    now: Timestamp,
) -> rusqlite::Result<(Vec<PendingDelivery>, Vec<DeliveryId>)> {
    let mut select = connection.prepare_cached(DUE)?;
    let (mut known, mut unreadable) = (Vec::with_capacity(deliveries.len()), Vec::new());
    for id in deliveries {
        let found = select.query_row(params![id.0.as_bytes(), rows::to_millisecond(now)], |row| due(*id, row));
        match found.optional() {
            Ok(Some(due)) => known.push(due),
            Ok(None) => {}
            Err(rusqlite::Error::FromSqlConversionFailure(..)) => unreadable.push(*id),
            Err(error) => return Err(error),
        }
    }
    for due in &mut known {
        due.meanwhile = catch_up::meanwhile(connection, due.id)?;
    }
    for due in known.iter_mut().filter(|due| due.attempts > 0) {
        due.parts = parts::undone(connection, due.id, due.form)?;
        due.next_part = parts::next(connection, due.id, due.form)?;
        if due.parts.is_empty() && matches!(due.form, PartForm::Halved(_)) {
            due.refused = parts::too_long(connection, due.id)?;
        }
    }
    for due in known.iter_mut().filter(|due| due.event.data.changed.is_some()) {
        due.placed_before = ids(connection, PLACED_BEFORE, params![due.id.0.as_bytes()])?;
    }
    Ok((known, unreadable))
}

fn due(id: DeliveryId, row: &Row<'_>) -> rusqlite::Result<PendingDelivery> {
    let stored = rows::unpack(4, row.get_ref(4)?.as_blob()?)?;
    let event: Event = rows::json_part(4, &stored)?;
    let table = report::table_of(&event, &stored);
    let order = row.get_ref(5)?.as_blob_or_null()?.map(|order| rows::unpack(5, order)).transpose()?;
    let bytes = ROW_BYTES + stored.part(0).len() + order.as_ref().map_or(0, |order| order.part(0).len());
    Ok(PendingDelivery {
        id,
        event_seq: row.get(11)?,
        urgent: row.get(12)?,
        order_key: row.get(0)?,
        attempts: row.get(1)?,
        spent: row.get(2)?,
        form: form_of(row.get_ref(3)?.as_str()?),
        event: Arc::new(event),
        order: order.map(|order| rows::json_part(5, &order)).transpose()?.map(Arc::new),
        maybe_accepted: row.get(6)?,
        accepted: row.get(7)?,
        late: rows::of_json(8, row.get_ref(8)?.as_str()?)?,
        round: row.get(9)?,
        unreached: row.get_ref(10)?.as_str_or_null()?.map_or(Ok(Vec::new()), |text| rows::of_json(10, text))?,
        table,
        parts: Vec::new(),
        next_part: 0,
        placed_before: Vec::new(),
        refused: None,
        meanwhile: Vec::new(),
        bytes,
    })
}

/// When the next delivery of a channel falls due.
pub fn next_due(connection: &Connection, channel: &str) -> rusqlite::Result<Option<Timestamp>> {
    let sql =
        "SELECT due_at FROM deliveries WHERE channel = ?1 AND urgent = ?2 AND state = 'waiting' AND digest IS NULL
               ORDER BY due_at LIMIT 1";
    let mut select = connection.prepare_cached(sql)?;
    let mut earliest = |urgent: bool| select.query_row(params![channel, urgent], |row| row.get(0)).optional();
    let times: [Option<i64>; 2] = [earliest(true)?, earliest(false)?];
    times.into_iter().flatten().min().map(|at| rows::of_millisecond(0, at)).transpose()
}

/// The channels for which deliveries wait, and how many.
pub fn waiting(connection: &Connection) -> rusqlite::Result<Vec<(String, u64)>> {
    let sql = "SELECT channel, count(*) FROM deliveries WHERE state = 'waiting' GROUP BY channel";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
    found.collect()
}

/// Whether there was ever a delivery to a channel of this name.
pub fn knows(connection: &Connection, channel: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM deliveries WHERE channel = ?1)";
    connection.prepare_cached(sql)?.query_row([channel], |row| row.get(0))
}
/// Says of what waits for a channel whether it is urgent.
pub fn rank(connection: &Connection, channel: &str, urgent: &[Glob]) -> rusqlite::Result<()> {
    let sql = "SELECT d.id, e.kind, d.urgent FROM deliveries d JOIN events e ON e.id = d.event
               WHERE d.channel = ?1 AND d.state = 'waiting'";
    let mut select = connection.prepare_cached(sql)?;
    let mut found = select.query([channel])?;
    let mut wrong: Vec<(Vec<u8>, bool)> = Vec::new();
    while let Some(row) = found.next()? {
        let kind = row.get_ref(1)?.as_str()?;
        let is_urgent = kind == "test" || urgent.iter().any(|glob| glob.matches(kind));
        if is_urgent != row.get::<_, bool>(2)? {
            wrong.push((row.get(0)?, is_urgent));
        }
    }
    for (id, is_urgent) in wrong {
        let sql = "UPDATE deliveries SET urgent = ?2 WHERE id = ?1";
        connection.prepare_cached(sql)?.execute(params![id, is_urgent])?;
    }
    Ok(())
}

/// Changes when another connection has changed the store.
pub fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}
