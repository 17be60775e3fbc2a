//! What waits: what could go now, what its messages are made from, and when to look again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::domain::digest_group::Candidate;
use crate::domain::event::{DeliveryId, Event};
use crate::domain::glob::Glob;
use crate::domain::message::PartForm;
use crate::store::queue::pending::{DueBatch, ParkedState, PendingDelivery, ROW_BYTES, form_of};
use crate::store::sql::{Connection, Error, Result, Row, catch_up, params, parts, pausing, report, rows};

const CANDIDATES: &str = "SELECT d.id, e.kind, d.urgent, d.order_key, d.event_seq, d.returned, d.fell_back = 1,
        EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = d.id AND a.outcome = 'unknown')
            OR EXISTS (SELECT 1 FROM parts p WHERE p.delivery = d.id AND p.form = d.form AND p.done = 1)
            OR EXISTS (SELECT 1 FROM deliveries carried WHERE carried.digest = d.id AND carried.state = 'waiting'
                AND (d.order_key IS NULL OR carried.order_key IS DISTINCT FROM d.order_key)),
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

/// Whoever tries a channel waits for it, so a test is among what fell due last. However much waits, so many are looked at.
const LATEST: &str = "SELECT d.id, e.kind = 'test' FROM deliveries d JOIN events e ON e.id = d.event
    WHERE d.channel = ?1 AND d.urgent = ?2 AND d.state = 'waiting' AND d.digest IS NULL AND d.due_at <= ?3
    ORDER BY d.due_at DESC LIMIT 100";

pub fn due_batch(
    connection: &dyn Connection,
    channel: &str,
    now: Timestamp,
    limit: usize,
    in_order: bool,
) -> Result<DueBatch> {
    let condition = if in_order { IN_ORDER } else { "" };
    let sql = format!("{CANDIDATES}{condition} ORDER BY d.due_at, d.event_seq LIMIT ?4");
    let (parked, paused) = (parked(connection, channel)?, pausing::paused(connection, channel)?);
    let mut batch = DueBatch { parked, paused, ..DueBatch::default() };
    if batch.paused.is_some() {
        batch.candidates = tests(connection, channel, now)?;
        return Ok(batch);
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    for urgent in [true, false] {
        connection.query(&sql, params![channel, urgent, now, limit], &mut |row| {
            let id = row.get(0)?;
            match candidate(id, row) {
                Ok(candidate) => batch.candidates.push(candidate),
                Err(Error::Unreadable { .. }) => batch.unreadable.push(id),
                Err(error) => return Err(error),
            }
            Ok(())
        })?;
        let next = connection.optional(NEXT, params![channel, urgent, now], |row| row.get(0))?;
        batch.next_due = batch.next_due.into_iter().chain(next).min();
    }
    Ok(batch)
}

/// The tests that are due.
fn tests(connection: &dyn Connection, channel: &str, now: Timestamp) -> Result<Vec<Candidate>> {
    let sql = format!("{CANDIDATES} AND d.id = ?4");
    let mut tests = Vec::new();
    let latest = connection.all(LATEST, params![channel, true, now], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for id in latest.into_iter().filter_map(|(id, is_test): (DeliveryId, bool)| is_test.then_some(id)) {
        tests.extend(connection.optional(&sql, params![channel, true, now, id], |row| candidate(id, row))?);
    }
    Ok(tests)
}

fn candidate(id: DeliveryId, row: &Row<'_>) -> Result<Candidate> {
    Ok(Candidate {
        id,
        kind: row.parsed(1)?,
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

pub fn parked(connection: &dyn Connection, channel: &str) -> Result<Option<ParkedState>> {
    let sql = "SELECT since, reason, probes, next_probe_at FROM parked_channels WHERE channel = ?1";
    connection.optional(sql, params![channel], |row| {
        Ok(ParkedState { since: row.get(0)?, reason: row.get(1)?, probes: row.get(2)?, next_probe_at: row.get(3)? })
    })
}

/// What waits of these orders for a channel, due or not, the earliest first: what is not under way and may not have arrived.
/// A message about an order that was tried in vain does not keep what it carries of the same order.
pub fn of_orders(
    connection: &dyn Connection,
    channel: &str,
    order_keys: &[String],
) -> Result<BTreeMap<String, Vec<DeliveryId>>> {
    let sql = "SELECT d.id FROM deliveries d LEFT JOIN deliveries l ON l.id = d.digest
        WHERE d.channel = ?1 AND d.order_key = ?2 AND d.state = 'waiting' AND d.order_key IS NOT NULL
        AND (d.digest IS NULL OR l.order_key = d.order_key)
        AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = coalesce(d.digest, d.id)
            AND (a.ended_at IS NULL OR a.outcome = 'unknown'))
        AND NOT EXISTS (SELECT 1 FROM parts p WHERE p.delivery = coalesce(d.digest, d.id)
            AND p.form = coalesce(l.form, d.form) AND p.done = 1)
        AND NOT EXISTS (SELECT 1 FROM deliveries carried WHERE carried.digest = coalesce(d.digest, d.id)
            AND carried.state = 'waiting' AND carried.order_key IS DISTINCT FROM d.order_key)
        AND d.returned = 0 AND d.fell_back <> 5
        ORDER BY d.event_seq";
    let mut found: BTreeMap<String, Vec<DeliveryId>> = order_keys.iter().map(|key| (key.clone(), Vec::new())).collect();
    let given: Vec<_> = found.keys().map(|key| params![channel, key].to_vec()).collect();
    let mut all = vec![Vec::new(); given.len()];
    connection.query_many(sql, &given, &mut |place, row| {
        all[place].push(row.get(0)?);
        Ok(())
    })?;
    found.values_mut().zip(all).for_each(|(of_order, all)| *of_order = all);
    Ok(found)
}

/// What a delivery carries, the earliest first.
pub fn carried(connection: &dyn Connection, leader: DeliveryId) -> Result<Vec<DeliveryId>> {
    let sql = "SELECT id FROM deliveries WHERE digest = ?1 AND state = 'waiting' ORDER BY event_seq";
    connection.all(sql, params![leader], |row| row.get(0))
}

// Who has got it, and who found a mailbox full, before a person asked for it once more says nothing of the new round.
const DUE: &str = "SELECT d.order_key, d.attempts, d.spent, d.form, e.packed, o.packed,
        EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = d.id AND a.outcome = 'unknown'),
        EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = d.id AND a.outcome = 'delivered' AND a.ended_at >= d.asked_at),
        d.round, d.unreached, d.event_seq, d.urgent, d.fell_back = 5
    FROM (SELECT *, coalesce((SELECT max(s.at) FROM steps s WHERE s.delivery = deliveries.id AND s.step = 'redelivered'), 0) AS asked_at
        FROM deliveries WHERE id = ?1) d
    JOIN events e ON e.id = d.event
    LEFT JOIN orders o ON o.source = e.source AND o.number = e.order_number";

const FULL: &str = "SELECT DISTINCT part FROM attempts WHERE delivery = ?1 AND outcome = 'full' AND ended_at <= ?2
    AND ended_at >= coalesce((SELECT max(s.at) FROM steps s WHERE s.delivery = ?1 AND s.step = 'redelivered'), 0) ORDER BY part";

/// A full mailbox is tried again after six hours, less a tenth. One that was found full a moment ago is met again because
/// another recipient of the same mail is tried again; that is not the late retry yet, so only so long ago counts.
const LATE_AFTER: SignedDuration = SignedDuration::from_hours(5);

// What is dead or was cancelled reached nobody; what this delivery itself carries was not sent before.
const PLACED_BEFORE: &str = "SELECT b.id FROM deliveries d JOIN events e ON e.id = d.event
    JOIN events p ON p.source = e.source AND p.order_number = e.order_number AND p.kind = e.kind AND p.seq < e.seq
    JOIN deliveries b ON b.event = p.id AND b.channel = d.channel
    WHERE d.id = ?1 AND b.state IN ('waiting', 'delivered', 'merged') AND b.digest IS DISTINCT FROM d.id
    ORDER BY b.event_seq";

/// What is known of these deliveries, and which of them only a newer version can read.
pub fn load(
    connection: &dyn Connection,
    deliveries: &[DeliveryId],
    now: Timestamp,
) -> Result<(Vec<PendingDelivery>, Vec<DeliveryId>)> {
    let (mut known, mut unreadable, mut behind) = (Vec::with_capacity(deliveries.len()), Vec::new(), BTreeSet::new());
    let given: Vec<_> = deliveries.iter().map(|id| params![id].to_vec()).collect();
    connection.query_many(DUE, &given, &mut |place, row| {
        let id = deliveries[place];
        match due(id, row) {
            Ok(due) => known.push(due),
            Err(Error::Unreadable { .. }) => unreadable.push(id),
            Err(error) => return Err(error),
        }
        if row.get(12)? {
            behind.insert(id);
        }
        Ok(())
    })?;
    for due in known.iter_mut().filter(|due| behind.contains(&due.id)) {
        due.meanwhile = catch_up::stand_ins(connection, due.id)?.into_iter().map(|(_, channel)| channel).collect();
    }
    for due in known.iter_mut().filter(|due| due.attempts > 0) {
        due.parts = parts::undone(connection, due.id, due.form)?;
        due.next_part = parts::next(connection, due.id, due.form)?;
        if due.parts.is_empty() && matches!(due.form, PartForm::Halved(_)) {
            due.refused = parts::too_long(connection, due.id)?;
        }
        let before = now.checked_sub(LATE_AFTER).unwrap_or(Timestamp::MIN);
        due.late = connection.all(FULL, params![due.id, before], |row| row.get(0))?;
    }
    for due in known.iter_mut().filter(|due| due.event.data.changed.is_some()) {
        due.placed_before = connection.all(PLACED_BEFORE, params![due.id], |row| row.get(0))?;
    }
    Ok((known, unreadable))
}

fn due(id: DeliveryId, row: &Row<'_>) -> Result<PendingDelivery> {
    let stored = row.unpacked(4)?;
    let event: Event = rows::part(4, &stored, 0)?;
    let table = report::table_of(&event, &stored);
    let order = row.get::<Option<&[u8]>>(5)?.map(|_| row.unpacked(5)).transpose()?;
    let bytes = ROW_BYTES + stored.part(0).len() + order.as_ref().map_or(0, |order| order.part(0).len());
    Ok(PendingDelivery {
        id,
        event_seq: row.get(10)?,
        urgent: row.get(11)?,
        order_key: row.get(0)?,
        attempts: row.get(1)?,
        spent: row.get(2)?,
        form: form_of(row.get(3)?),
        event: Arc::new(event),
        order: order.map(|order| rows::part(5, &order, 0)).transpose()?.map(Arc::new),
        maybe_accepted: row.get(6)?,
        accepted: row.get(7)?,
        late: Vec::new(),
        round: row.get(8)?,
        unreached: row.json_or_default(9)?,
        table,
        parts: Vec::new(),
        next_part: 0,
        placed_before: Vec::new(),
        refused: None,
        meanwhile: Vec::new(),
        bytes,
        is_for_several: true,
    })
}

/// When the next delivery of a channel falls due.
pub fn next_due(connection: &dyn Connection, channel: &str) -> Result<Option<Timestamp>> {
    let sql =
        "SELECT due_at FROM deliveries WHERE channel = ?1 AND urgent = ?2 AND state = 'waiting' AND digest IS NULL
               ORDER BY due_at LIMIT 1";
    let earliest = |urgent: bool| connection.optional(sql, params![channel, urgent], |row| row.get(0));
    Ok(earliest(true)?.into_iter().chain(earliest(false)?).min())
}

/// The channels for which deliveries wait, and how many.
pub fn waiting(connection: &dyn Connection) -> Result<Vec<(String, u64)>> {
    let sql = "SELECT channel, count(*) FROM deliveries WHERE state = 'waiting' GROUP BY channel ORDER BY channel";
    connection.all(sql, &[], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Whether there was ever a delivery to a channel of this name.
pub fn knows(connection: &dyn Connection, channel: &str) -> Result<bool> {
    connection.one("SELECT EXISTS (SELECT 1 FROM deliveries WHERE channel = ?1)", params![channel], |row| row.get(0))
}

/// Says of what waits for a channel whether it is urgent.
///
/// Whatever is recorded is ranked by the channel's kinds of that moment, so only when these change all of it is looked at.
pub fn rank(connection: &dyn Connection, channel: &str, urgent: &[Glob]) -> Result<()> {
    let kinds = serde_json::to_string(&urgent.iter().map(Glob::to_string).collect::<Vec<_>>())?;
    let sql = "SELECT 1 FROM ranked_channels WHERE channel = ?1 AND urgent = ?2";
    if connection.exists(sql, params![channel, kinds])? {
        return Ok(());
    }
    let sql = "SELECT d.id, e.kind, d.urgent FROM deliveries d JOIN events e ON e.id = d.event
               WHERE d.channel = ?1 AND d.state = 'waiting'";
    let mut wrong: Vec<(DeliveryId, bool)> = Vec::new();
    connection.query(sql, params![channel], &mut |row| {
        let kind = row.get(1)?;
        let is_urgent = kind == "test" || urgent.iter().any(|glob| glob.matches(kind));
        if is_urgent != row.get::<bool>(2)? {
            wrong.push((row.get(0)?, is_urgent));
        }
        Ok(())
    })?;
    let wrong: Vec<_> = wrong.iter().map(|(id, is_urgent)| params![id, is_urgent].to_vec()).collect();
    connection.execute_many("UPDATE deliveries SET urgent = ?2 WHERE id = ?1", &wrong)?;
    let sql = "INSERT INTO ranked_channels (channel, urgent) VALUES (?1, ?2)
               ON CONFLICT (channel) DO UPDATE SET urgent = excluded.urgent";
    connection.execute(sql, params![channel, kinds]).map(drop)
}
