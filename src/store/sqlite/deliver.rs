//! Delivering: what is due, and the begin and the end of each attempt.

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::params;

use crate::domain::event::DeliveryId;
use crate::domain::event::EventId;
use crate::domain::message::Form;
use crate::domain::message::Part;
use crate::domain::retry::Step;
use crate::store::Claim;
use crate::store::Claimed;
use crate::store::Due;
use crate::store::Settle;
use crate::store::Standing;
use crate::store::WhatIsDue;
use crate::store::form_of;
use crate::store::form_text;
use crate::store::sqlite::rows;

/// At the start: what was being sent when a crash came may have arrived, so its attempt is ended as unknown and the delivery
/// is due again; and so is what waits for a setting to be mended.
pub fn take_up(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute(
        "UPDATE deliveries SET due_at = ?1, outcome = 'unknown', answer = 'orderbell was stopped before the answer came'
         WHERE state = 'waiting' AND id IN (SELECT delivery FROM attempts WHERE ended_at IS NULL)",
        [rows::to_millisecond(now)],
    )?;
    // A restart usually means that the setting was mended.
    transaction.execute(
        "UPDATE deliveries SET due_at = ?1 WHERE state = 'waiting' AND outcome = 'misconfigured'",
        [rows::to_millisecond(now)],
    )?;
    transaction.execute(
        "UPDATE attempts SET ended_at = ?1, outcome = 'unknown', answer = 'orderbell was stopped before the answer came'
         WHERE ended_at IS NULL",
        [rows::to_millisecond(now)],
    )?;
    transaction.commit()
}

/// What waits for the setting of a channel to be mended is due now.
pub fn reopen(connection: &Connection, channel: &str, now: Timestamp) -> rusqlite::Result<()> {
    let sql =
        "UPDATE deliveries SET due_at = ?2 WHERE channel = ?1 AND state = 'waiting' AND outcome = 'misconfigured'";
    connection.prepare_cached(sql)?.execute(params![channel, rows::to_millisecond(now)]).map(drop)
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

// A full mailbox is tried again after six hours, less a tenth. One that was found full a moment ago is met again because
// another recipient of the same mail is tried again; that is not the late retry yet, so only five hours and more count.
const DUE: &str = "SELECT d.id, d.order_key, d.attempts, d.spent, d.form, e.event, o.body,
        EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = d.id AND a.outcome = 'unknown'),
        EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = d.id AND a.outcome = 'delivered'),
        EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = d.id AND a.outcome = 'full' AND a.ended_at <= ?2 - 18000000)
    FROM deliveries d
    JOIN events e ON e.id = d.event
    LEFT JOIN orders o ON o.source = e.source AND o.number = e.order_number
    WHERE d.channel = ?1 AND d.state = 'waiting' AND d.due_at <= ?2";

const NOT_BEFORE_EARLIER: &str = " AND NOT EXISTS (SELECT 1 FROM deliveries earlier
        WHERE earlier.channel = d.channel AND earlier.state = 'waiting' AND earlier.order_key IS NOT NULL
        AND earlier.order_key = d.order_key AND earlier.event_seq < d.event_seq)";

pub fn due(
    connection: &Connection,
    channel: &str,
    now: Timestamp,
    limit: usize,
    in_order: bool,
) -> rusqlite::Result<WhatIsDue> {
    let condition = if in_order { NOT_BEFORE_EARLIER } else { "" };
    let sql = format!("{DUE}{condition} ORDER BY d.due_at, d.event_seq");
    let mut select = connection.prepare_cached(&sql)?;
    let mut found = select.query(params![channel, rows::to_millisecond(now)])?;
    let mut due = WhatIsDue::default();
    while due.deliveries.len() < limit
        && let Some(row) = found.next()?
    {
        let id = DeliveryId(rows::uuid(0, row.get_ref(0)?.as_blob()?)?);
        match due_of(id, row) {
            Ok(delivery) => due.deliveries.push(delivery),
            Err(rusqlite::Error::FromSqlConversionFailure(..)) => due.unreadable.push(id),
            Err(error) => return Err(error),
        }
    }
    for delivery in due.deliveries.iter_mut().filter(|delivery| delivery.attempts > 0) {
        delivery.parts = parts(connection, delivery.id, delivery.form)?;
    }
    Ok(due)
}

fn due_of(id: DeliveryId, row: &Row<'_>) -> rusqlite::Result<Due> {
    Ok(Due {
        id,
        order_key: row.get(1)?,
        attempts: row.get(2)?,
        spent: row.get(3)?,
        form: form_of(row.get_ref(4)?.as_str()?),
        event: rows::of_json(5, row.get_ref(5)?.as_str()?)?,
        order: row.get_ref(6)?.as_str_or_null()?.map(|body| rows::of_json(6, body)).transpose()?,
        maybe_told: row.get(7)?,
        told: row.get(8)?,
        late: row.get(9)?,
        parts: Vec::new(),
    })
}

fn parts(connection: &Connection, delivery: DeliveryId, form: Form) -> rusqlite::Result<Vec<Part>> {
    let sql = "SELECT part, body FROM parts WHERE delivery = ?1 AND form = ?2 AND done = 0 ORDER BY part";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_map(params![delivery.0.as_bytes(), form_text(form)], |row| {
        Ok(Part { index: row.get(0)?, form, body: row.get(1)? })
    })?;
    found.collect()
}

pub fn next_due(connection: &Connection, channel: &str) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "SELECT due_at FROM deliveries WHERE channel = ?1 AND state = 'waiting' ORDER BY due_at LIMIT 1";
    let earliest: Option<i64> = connection.prepare_cached(sql)?.query_row([channel], |row| row.get(0)).optional()?;
    earliest.map(|at| rows::of_millisecond(0, at)).transpose()
}

pub fn claim(connection: &Connection, claim: &Claim) -> rusqlite::Result<Claimed> {
    let id = claim.delivery.0.as_bytes();
    let sql = "UPDATE deliveries SET attempts = attempts + 1, due_at = ?2 WHERE id = ?1 AND state = 'waiting'";
    let taken = connection.prepare_cached(sql)?.execute(params![id, rows::to_millisecond(claim.lease_until)])?;
    if taken == 0 {
        return Ok(Claimed::No);
    }
    for part in &claim.composed {
        let sql = "INSERT INTO parts (delivery, form, part, body) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (delivery, form, part) DO UPDATE SET body = excluded.body";
        connection.prepare_cached(sql)?.execute(params![id, form_text(part.form), part.index, part.body])?;
    }
    let sql = "INSERT INTO attempts (delivery, part, form, started_at) VALUES (?1, ?2, ?3, ?4)";
    let at = rows::to_millisecond(claim.at);
    connection.prepare_cached(sql)?.execute(params![id, claim.part, form_text(claim.form), at])?;
    Ok(Claimed::Yes(connection.last_insert_rowid()))
}

pub fn settle(connection: &Connection, settle: &Settle) -> rusqlite::Result<()> {
    let id = settle.delivery.0.as_bytes();
    let at = rows::to_millisecond(settle.at);
    let (outcome, words) = (settle.answer.outcome.as_str(), &settle.answer.words);
    let sql = "UPDATE attempts SET ended_at = ?2, outcome = ?3, answer = ?4 WHERE seq = ?1";
    connection.prepare_cached(sql)?.execute(params![settle.attempt, at, outcome, words])?;
    let (whole, is_over) = match &settle.whole {
        Some((answer, step)) => ((answer, step), matches!(settle.step, Step::Delivered | Step::Dead)),
        None => ((&settle.answer, &settle.step), settle.step == Step::Delivered),
    };
    if is_over {
        let sql = "UPDATE parts SET done = 1 WHERE delivery = ?1 AND form = ?2 AND part = ?3";
        connection.prepare_cached(sql)?.execute(params![id, form_text(settle.form), settle.part])?;
    }
    let (answer, step) = whole;
    let (outcome, words) = (answer.outcome.as_str(), &answer.words);
    let (state, due_at, spends, form) = match step {
        Step::Delivered if settle.more_parts => ("waiting", at, false, settle.form),
        Step::Delivered => ("delivered", at, false, settle.form),
        Step::Wait { until, spends } => ("waiting", rows::to_millisecond(*until), *spends, settle.form),
        Step::Recompose(form) => ("waiting", at, false, *form),
        Step::Dead => ("dead", at, false, settle.form),
    };
    let sql = "UPDATE deliveries SET state = ?2, due_at = ?3, spent = spent + ?4, form = ?5, outcome = ?6, answer = ?7
               WHERE id = ?1 AND state = 'waiting'";
    connection.prepare_cached(sql)?.execute(params![id, state, due_at, spends, form_text(form), outcome, words])?;
    Ok(())
}

pub fn standings(connection: &Connection, state: Option<&str>) -> rusqlite::Result<Vec<Standing>> {
    let sql = "SELECT d.id, d.event, e.kind, e.source, e.order_number, d.channel, d.state, d.attempts, d.due_at, d.answer, d.digest, d.created_at
        FROM deliveries d JOIN events e ON e.id = d.event
        WHERE ?1 IS NULL OR d.state = ?1 ORDER BY d.event_seq, d.id";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_map(params![state], |row| {
        Ok(Standing {
            id: DeliveryId(rows::uuid(0, row.get_ref(0)?.as_blob()?)?),
            event: EventId(rows::uuid(1, row.get_ref(1)?.as_blob()?)?),
            kind: row.get(2)?,
            source: row.get(3)?,
            order: row.get(4)?,
            channel: row.get(5)?,
            state: row.get(6)?,
            attempts: row.get(7)?,
            created_at: rows::of_millisecond(11, row.get(11)?)?,
            due_at: rows::of_millisecond(8, row.get(8)?)?,
            answer: row.get(9)?,
            digest: row.get_ref(10)?.as_blob_or_null()?.map(|id| rows::uuid(10, id).map(DeliveryId)).transpose()?,
        })
    })?;
    found.collect()
}
