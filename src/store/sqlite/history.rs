//! Gathering what the store remembers of one order, event, delivery, source or report.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::domain::event::{DeliveryId, EventId};
use crate::store::history::found::{
    AttemptHistory, DeliveryHistory, EventHistory, FoundHistory, HistoryAnswer, OrderHistory, Other, ParkedHistory,
    Question, RateLimitHistory, ReceivedWebhook, SlotHistory, SourceHistory, StepTaken,
};
use crate::store::ingest::RefusedWebhook;
use crate::store::sqlite::find::FoundId;
use crate::store::sqlite::{find, record, report, rows};

/// What is remembered of what a person asks for.
pub fn history(connection: &Connection, question: &Question) -> rusqlite::Result<FoundHistory> {
    let found = match find::meant(connection, question)? {
        FoundId::Nothing => HistoryAnswer::Nothing,
        FoundId::Several(candidates) => HistoryAnswer::Several(candidates),
        FoundId::Source(source) => HistoryAnswer::Source(of_source(connection, &source, question)?),
        FoundId::Report(name) => HistoryAnswer::Report(report::history::of_report(connection, &name, question.limit)?),
        FoundId::Orders { numbers, more } => {
            let orders = numbers.iter().map(|(source, number)| of_order(connection, source, number));
            HistoryAnswer::Orders { orders: orders.collect::<rusqlite::Result<_>>()?, more }
        }
        FoundId::Event(id) => event(connection, id)?.map_or(HistoryAnswer::Nothing, HistoryAnswer::Event),
        FoundId::Delivery(id, of) => match event(connection, of)? {
            Some(mut history) => {
                history.deliveries.retain(|delivery| delivery.id == id);
                HistoryAnswer::Delivery(history)
            }
            None => HistoryAnswer::Nothing,
        },
    };
    with_holds(connection, found)
}

/// With what holds deliveries back.
pub fn with_holds(connection: &Connection, found: HistoryAnswer) -> rusqlite::Result<FoundHistory> {
    Ok(FoundHistory {
        found,
        parked: parked(connection)?,
        rate_limited: rate_limited(connection)?,
        slots: slots(connection)?,
    })
}

fn of_order(connection: &Connection, source: &str, number: &str) -> rusqlite::Result<OrderHistory> {
    let order = record::load_order(connection, source, number)?.map(|(_, order)| order);
    let sql = "SELECT id, packed, repeats, last_repeat_at, routes FROM events
        WHERE source = ?1 AND order_number = ?2 ORDER BY seq";
    let mut select = connection.prepare_cached(sql)?;
    let events = select.query_map(params![source, number], event_of)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let events = events.into_iter().map(|event| with_deliveries(connection, event)).collect::<rusqlite::Result<_>>()?;
    Ok(OrderHistory { source: source.to_owned(), number: number.to_owned(), order, events })
}

/// One event with its deliveries.
pub fn event(connection: &Connection, id: EventId) -> rusqlite::Result<Option<EventHistory>> {
    let sql = "SELECT id, packed, repeats, last_repeat_at, routes FROM events WHERE id = ?1";
    let found = connection.prepare_cached(sql)?.query_row(params![id.0.as_bytes()], event_of).optional()?;
    found.map(|event| with_deliveries(connection, event)).transpose()
}

fn event_of(row: &Row<'_>) -> rusqlite::Result<EventHistory> {
    Ok(EventHistory {
        event: rows::packed(1, row.get_ref(1)?.as_blob()?)?,
        repeats: row.get::<_, i64>(2)?.unsigned_abs(),
        last_repeat_at: moment_or_none(row, 3)?,
        routes: row.get(4)?,
        deliveries: Vec::new(),
    })
}

fn with_deliveries(connection: &Connection, mut history: EventHistory) -> rusqlite::Result<EventHistory> {
    let sql = "SELECT id, channel, state, due_at, created_at, attempts, outcome, answer, digest, instead_of, unreached,
            urgent
        FROM deliveries WHERE event = ?1 ORDER BY id";
    let mut select = connection.prepare_cached(sql)?;
    let mut found = select.query(params![history.event.id.0.as_bytes()])?;
    while let Some(row) = found.next()? {
        history.deliveries.push(delivery(connection, row)?);
    }
    Ok(history)
}

fn delivery(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<DeliveryHistory> {
    let id = DeliveryId(rows::uuid(0, row.get_ref(0)?.as_blob()?)?);
    let (digest, instead_of): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get(8)?, row.get(9)?);
    let one = |id: Option<Vec<u8>>| match id {
        Some(id) => others(connection, "d.id = ?1", &id).map(|mut found| found.pop()),
        None => Ok(None),
    };
    let unreached = row.get_ref(10)?.as_str_or_null()?.map(|text| rows::of_json(10, text)).transpose()?;
    Ok(DeliveryHistory {
        id,
        channel: row.get(1)?,
        state: row.get(2)?,
        due_at: moment(row, 3)?,
        created_at: moment(row, 4)?,
        attempts: row.get(5)?,
        is_urgent: row.get(11)?,
        outcome: row.get(6)?,
        answer: row.get(7)?,
        tries: tries(connection, id)?,
        steps: steps(connection, id)?,
        carrier: one(digest)?,
        carried: others(connection, "d.digest = ?1", id.0.as_bytes())?,
        instead_of: one(instead_of)?,
        unreached: unreached.unwrap_or_default(),
        stand_ins: others(connection, "d.instead_of = ?1", id.0.as_bytes())?,
    })
}

/// The deliveries of which `condition` holds; each one is answered by an index.
fn others(connection: &Connection, condition: &'static str, id: &[u8]) -> rusqlite::Result<Vec<Other>> {
    let sql = format!(
        "SELECT d.id, d.event, e.kind, e.order_number, d.channel, d.state, d.due_at, d.instead_of
         FROM deliveries d JOIN events e ON e.id = d.event WHERE {condition} ORDER BY d.event_seq, d.id"
    );
    let mut select = connection.prepare_cached(&sql)?;
    let found = select.query_map([id], |row| {
        Ok(Other {
            id: DeliveryId(rows::uuid(0, row.get_ref(0)?.as_blob()?)?),
            event: EventId(rows::uuid(1, row.get_ref(1)?.as_blob()?)?),
            kind: row.get(2)?,
            order: row.get(3)?,
            channel: row.get(4)?,
            state: row.get(5)?,
            due_at: moment(row, 6)?,
            instead_of: row.get_ref(7)?.as_blob_or_null()?.map(|id| rows::uuid(7, id).map(DeliveryId)).transpose()?,
        })
    })?;
    found.collect()
}

fn tries(connection: &Connection, delivery: DeliveryId) -> rusqlite::Result<Vec<AttemptHistory>> {
    let sql = "SELECT started_at, ended_at, part, form, outcome, answer FROM attempts WHERE delivery = ?1 ORDER BY seq";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_map(params![delivery.0.as_bytes()], |row| {
        Ok(AttemptHistory {
            at: moment(row, 0)?,
            ended_at: moment_or_none(row, 1)?,
            part: row.get(2)?,
            form: row.get(3)?,
            outcome: row.get(4)?,
            answer: row.get(5)?,
        })
    })?;
    found.collect()
}

fn steps(connection: &Connection, delivery: DeliveryId) -> rusqlite::Result<Vec<StepTaken>> {
    let sql = "SELECT at, step, detail FROM steps WHERE delivery = ?1 ORDER BY seq";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_map(params![delivery.0.as_bytes()], |row| {
        Ok(StepTaken { at: moment(row, 0)?, step: row.get(1)?, detail: row.get(2)? })
    })?;
    found.collect()
}

fn parked(connection: &Connection) -> rusqlite::Result<Vec<ParkedHistory>> {
    let sql = "SELECT channel, since, reason, probes, next_probe_at FROM parked_channels ORDER BY channel";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_map([], |row| {
        Ok(ParkedHistory {
            channel: row.get(0)?,
            since: moment(row, 1)?,
            reason: row.get(2)?,
            probes: row.get(3)?,
            next_probe_at: moment(row, 4)?,
        })
    })?;
    found.collect()
}

fn rate_limited(connection: &Connection) -> rusqlite::Result<Vec<RateLimitHistory>> {
    let mut select = connection.prepare_cached("SELECT credential, closed_until, reason FROM credentials")?;
    let found = select.query_map([], |row| {
        Ok(RateLimitHistory { credential: row.get(0)?, until: moment(row, 1)?, reason: row.get(2)? })
    })?;
    found.collect()
}

fn slots(connection: &Connection) -> rusqlite::Result<Vec<SlotHistory>> {
    let sql = "SELECT s.credential, a.ended_at FROM pacing_slots s JOIN attempts a ON a.seq = s.attempt
        ORDER BY a.ended_at IS NULL, a.ended_at";
    let mut select = connection.prepare_cached(sql)?;
    let found =
        select.query_map([], |row| Ok(SlotHistory { credential: row.get(0)?, ended_at: moment_or_none(row, 1)? }))?;
    found.collect()
}

fn of_source(connection: &Connection, source: &str, question: &Question) -> rusqlite::Result<SourceHistory> {
    // Without a moment, the end of all time is the one that the newest are nearest to.
    let around = question.around.map_or(i64::MAX / 2, rows::to_millisecond);
    let sql =
        "SELECT at, reason, bytes, count FROM refusals WHERE source = ?1 ORDER BY abs(at - ?2), seq DESC LIMIT ?3";
    let mut select = connection.prepare_cached(sql)?;
    let refused = select.query_map(params![source, around, question.limit], |row| {
        let number = |column: usize| row.get::<_, i64>(column).map(i64::unsigned_abs);
        let (at, reason, bytes, count) = (moment(row, 0)?, row.get(1)?, number(2)?, number(3)?);
        Ok(RefusedWebhook { source: source.to_owned(), at, reason, bytes, count })
    })?;
    let mut refused: Vec<RefusedWebhook> = refused.collect::<rusqlite::Result<_>>()?;
    // Those of one moment came in the sequence opposite to the one in which they were taken.
    refused.reverse();
    refused.sort_by_key(|refused| refused.at);
    let one = |sql: &str| connection.prepare_cached(sql)?.query_row([source], |row| row.get::<_, i64>(0)).optional();
    let refusals = one("SELECT count(*) FROM refusals WHERE source = ?1")?.unwrap_or(0).unsigned_abs();
    let sign_of_life = one("SELECT at FROM signs_of_life WHERE source = ?1")?;
    let (believed, newer) = newest(connection, source)?;
    let unproven = unproven(connection, source)?;
    let unproven = if unproven.is_empty() { newer.into_iter().collect() } else { unproven };
    Ok(SourceHistory {
        source: source.to_owned(),
        refused,
        refusals,
        believed,
        unproven,
        sign_of_life: sign_of_life.map(|at| rows::of_millisecond(0, at)).transpose()?,
    })
}

/// The newest webhook of a source that was believed, and a newer one that was not, as far as it was kept.
fn newest(
    connection: &Connection,
    source: &str,
) -> rusqlite::Result<(Option<ReceivedWebhook>, Option<ReceivedWebhook>)> {
    let sql = "SELECT id, kind, received_at, unproven FROM events WHERE source = ?1 ORDER BY seq DESC";
    let mut select = connection.prepare_cached(sql)?;
    let mut found = select.query([source])?;
    let mut unproven = None;
    while let Some(row) = found.next()? {
        let event = EventId(rows::uuid(0, row.get_ref(0)?.as_blob()?)?);
        let webhook = ReceivedWebhook { event, kind: row.get(1)?, at: moment(row, 2)? };
        match row.get(3)? {
            true => unproven = unproven.or(Some(webhook)),
            false => return Ok((Some(webhook), unproven)),
        }
    }
    Ok((None, unproven))
}

/// The newest few webhooks of a source that were not proven, of the last seven days before the newest event.
fn unproven(connection: &Connection, source: &str) -> rusqlite::Result<Vec<ReceivedWebhook>> {
    let sql = "SELECT id, kind, received_at FROM events INDEXED BY events_unproven
        WHERE received_at >= (SELECT max(received_at) FROM events INDEXED BY events_by_arrival) - 604800000
        AND source = ?1 AND unproven = 1 ORDER BY received_at DESC LIMIT 5";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_map([source], |row| {
        let event = EventId(rows::uuid(0, row.get_ref(0)?.as_blob()?)?);
        Ok(ReceivedWebhook { event, kind: row.get(1)?, at: moment(row, 2)? })
    })?;
    found.collect()
}

fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    rows::of_millisecond(column, row.get(column)?)
}

fn moment_or_none(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column)?.map(|at| rows::of_millisecond(column, at)).transpose()
}
