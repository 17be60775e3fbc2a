//! Gathering what the store remembers of one order, event, delivery, source or report.

use jiff::Timestamp;

use crate::domain::event::{DeliveryId, EventId};
use crate::store::history::found::{
    AttemptHistory, DeliveryHistory, EventHistory, FoundHistory, HistoryAnswer, OrderHistory, Other, ParkedHistory,
    Question, RateLimitHistory, ReceivedWebhook, SlotHistory, SourceHistory, StepTaken,
};
use crate::store::ingest::RefusedWebhook;
use crate::store::sql::find::FoundId;
use crate::store::sql::{Connection, Result, Row, find, params, pausing, record, report, states};

/// What is remembered of what a person asks for.
pub fn history(connection: &dyn Connection, question: &Question) -> Result<FoundHistory> {
    let found = match find::meant(connection, question)? {
        FoundId::Nothing => HistoryAnswer::Nothing,
        FoundId::Several(candidates) => HistoryAnswer::Several(candidates),
        FoundId::Source(source) => HistoryAnswer::Source(of_source(connection, &source, question)?),
        FoundId::Report(name) => HistoryAnswer::Report(report::history::of_report(connection, &name, question.limit)?),
        FoundId::Orders { numbers, more } => {
            let orders = numbers.iter().map(|(source, number)| of_order(connection, source, number));
            HistoryAnswer::Orders { orders: orders.collect::<Result<_>>()?, more }
        }
        FoundId::Event(id) => event(connection, id)?.map_or(HistoryAnswer::Nothing, HistoryAnswer::Event),
        FoundId::Delivery(id, of) => {
            of_event(connection, id, of)?.map_or(HistoryAnswer::Nothing, HistoryAnswer::Delivery)
        }
    };
    with_holds(connection, found)
}

/// With what holds deliveries back.
pub fn with_holds(connection: &dyn Connection, found: HistoryAnswer) -> Result<FoundHistory> {
    Ok(FoundHistory {
        found,
        parked: parked(connection)?,
        paused: pausing::all(connection)?,
        rate_limited: rate_limited(connection)?,
        slots: slots(connection)?,
    })
}

fn of_order(connection: &dyn Connection, source: &str, number: &str) -> Result<OrderHistory> {
    let order = record::load_order(connection, source, number)?;
    let sql = "SELECT id, packed, repeats, last_repeat_at, routes FROM events
        WHERE source = ?1 AND order_number = ?2 ORDER BY seq";
    let events = connection.all(sql, params![source, number], event_of)?;
    let events = events.into_iter().map(|event| with_deliveries(connection, event)).collect::<Result<_>>()?;
    Ok(OrderHistory { source: source.to_owned(), number: number.to_owned(), order, events })
}

/// One order by its key, where there are events about it.
pub fn order(connection: &dyn Connection, source: &str, number: &str) -> Result<Option<OrderHistory>> {
    let history = of_order(connection, source, number)?;
    Ok(Some(history).filter(|history| !history.events.is_empty()))
}

/// One delivery by its key: its event with that one alone.
pub fn delivery(connection: &dyn Connection, id: DeliveryId) -> Result<Option<EventHistory>> {
    let sql = "SELECT event FROM deliveries WHERE id = ?1";
    let of: Option<EventId> = connection.optional(sql, params![id], |row| row.get(0))?;
    of.map_or(Ok(None), |of| of_event(connection, id, of))
}

fn of_event(connection: &dyn Connection, id: DeliveryId, of: EventId) -> Result<Option<EventHistory>> {
    let mut found = event(connection, of)?;
    if let Some(history) = &mut found {
        history.deliveries.retain(|delivery| delivery.id == id);
    }
    Ok(found)
}

/// One event with its deliveries.
pub fn event(connection: &dyn Connection, id: EventId) -> Result<Option<EventHistory>> {
    let sql = "SELECT id, packed, repeats, last_repeat_at, routes FROM events WHERE id = ?1";
    let found = connection.optional(sql, params![id], event_of)?;
    found.map(|event| with_deliveries(connection, event)).transpose()
}

fn event_of(row: &Row<'_>) -> Result<EventHistory> {
    Ok(EventHistory {
        event: row.packed(1)?,
        repeats: row.get(2)?,
        last_repeat_at: row.get(3)?,
        routes: row.get(4)?,
        deliveries: Vec::new(),
    })
}

fn with_deliveries(connection: &dyn Connection, mut history: EventHistory) -> Result<EventHistory> {
    let sql = "SELECT id, channel, state, due_at, created_at, attempts, outcome, answer, digest, instead_of, unreached,
            urgent
        FROM deliveries WHERE event = ?1 ORDER BY id";
    let found = connection.all(sql, params![history.event.id], |row| {
        Ok((delivery_of(row)?, row.get::<Option<DeliveryId>>(8)?, row.get::<Option<DeliveryId>>(9)?))
    })?;
    for (mut delivery, digest, instead_of) in found {
        let one = |id: Option<DeliveryId>| match id {
            Some(id) => others(connection, "d.id = ?1", id).map(|mut found| found.pop()),
            None => Ok(None),
        };
        delivery.tries = tries(connection, delivery.id)?;
        delivery.steps = steps(connection, delivery.id)?;
        delivery.carrier = one(digest)?;
        delivery.carried = others(connection, "d.digest = ?1", delivery.id)?;
        delivery.instead_of = one(instead_of)?;
        delivery.stand_ins = others(connection, "d.instead_of = ?1", delivery.id)?;
        history.deliveries.push(delivery);
    }
    Ok(history)
}

/// A delivery without what stands in other rows.
fn delivery_of(row: &Row<'_>) -> Result<DeliveryHistory> {
    Ok(DeliveryHistory {
        id: row.get(0)?,
        channel: row.get(1)?,
        state: row.get(2)?,
        due_at: row.get(3)?,
        created_at: row.get(4)?,
        attempts: row.get(5)?,
        is_urgent: row.get(11)?,
        outcome: row.get(6)?,
        answer: row.get(7)?,
        tries: Vec::new(),
        steps: Vec::new(),
        carrier: None,
        carried: Vec::new(),
        instead_of: None,
        unreached: row.json_or_default(10)?,
        stand_ins: Vec::new(),
    })
}

/// The deliveries of which `condition` holds; each one is answered by an index.
fn others(connection: &dyn Connection, condition: &'static str, id: DeliveryId) -> Result<Vec<Other>> {
    let sql = format!(
        "SELECT d.id, d.event, e.kind, e.order_number, d.channel, d.state, d.due_at, d.instead_of
         FROM deliveries d JOIN events e ON e.id = d.event WHERE {condition} ORDER BY d.event_seq, d.id"
    );
    connection.all(&sql, params![id], |row| {
        Ok(Other {
            id: row.get(0)?,
            event: row.get(1)?,
            kind: row.get(2)?,
            order: row.get(3)?,
            channel: row.get(4)?,
            state: row.get(5)?,
            due_at: row.get(6)?,
            instead_of: row.get(7)?,
        })
    })
}

fn tries(connection: &dyn Connection, delivery: DeliveryId) -> Result<Vec<AttemptHistory>> {
    let sql = "SELECT started_at, ended_at, part, form, outcome, answer FROM attempts WHERE delivery = ?1 ORDER BY seq";
    connection.all(sql, params![delivery], |row| {
        Ok(AttemptHistory {
            at: row.get(0)?,
            ended_at: row.get(1)?,
            part: row.get(2)?,
            form: row.get(3)?,
            outcome: row.get(4)?,
            answer: row.get(5)?,
        })
    })
}

fn steps(connection: &dyn Connection, delivery: DeliveryId) -> Result<Vec<StepTaken>> {
    let sql = "SELECT at, step, detail FROM steps WHERE delivery = ?1 ORDER BY seq";
    connection
        .all(sql, params![delivery], |row| Ok(StepTaken { at: row.get(0)?, step: row.get(1)?, detail: row.get(2)? }))
}

fn parked(connection: &dyn Connection) -> Result<Vec<ParkedHistory>> {
    let sql = "SELECT channel, since, reason, probes, next_probe_at FROM parked_channels ORDER BY channel";
    connection.all(sql, &[], |row| {
        Ok(ParkedHistory {
            channel: row.get(0)?,
            since: row.get(1)?,
            reason: row.get(2)?,
            probes: row.get(3)?,
            next_probe_at: row.get(4)?,
        })
    })
}

fn rate_limited(connection: &dyn Connection) -> Result<Vec<RateLimitHistory>> {
    connection.all("SELECT credential, closed_until, reason FROM credentials", &[], |row| {
        Ok(RateLimitHistory { credential: row.get(0)?, until: row.get(1)?, reason: row.get(2)? })
    })
}

fn slots(connection: &dyn Connection) -> Result<Vec<SlotHistory>> {
    let sql = "SELECT s.credential, a.ended_at FROM pacing_slots s JOIN attempts a ON a.seq = s.attempt
        ORDER BY a.ended_at IS NULL, a.ended_at";
    connection.all(sql, &[], |row| Ok(SlotHistory { credential: row.get(0)?, ended_at: row.get(1)? }))
}

fn of_source(connection: &dyn Connection, source: &str, question: &Question) -> Result<SourceHistory> {
    // Without a moment, the end of all time is the one that the newest are nearest to.
    let around = question.around.map_or(i64::MAX / 2, Timestamp::as_millisecond);
    let sql =
        "SELECT at, reason, bytes, count FROM refusals WHERE source = ?1 ORDER BY abs(at - ?2), seq DESC LIMIT ?3";
    let mut refused = connection.all(sql, params![source, around, question.limit], |row| {
        let (at, reason, bytes, count) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(RefusedWebhook { source: source.to_owned(), at, reason, bytes, count })
    })?;
    // Those of one moment came in the sequence opposite to the one in which they were taken.
    refused.reverse();
    refused.sort_by_key(|refused| refused.at);
    let sql = "SELECT count(*) FROM refusals WHERE source = ?1";
    let refusals = connection.one(sql, params![source], |row| row.get(0))?;
    let sql = "SELECT at FROM signs_of_life WHERE source = ?1";
    let sign_of_life = connection.optional(sql, params![source], |row| row.get(0))?;
    let (believed, newer) = newest(connection, source)?;
    let unproven = unproven(connection, source)?;
    let unproven = if unproven.is_empty() { newer.into_iter().collect() } else { unproven };
    let looked_at = if believed.is_none() { looked_at(connection)? } else { None };
    Ok(SourceHistory { source: source.to_owned(), refused, refusals, believed, looked_at, unproven, sign_of_life })
}

/// Among so many of the newest events of all sources is looked for the newest of one; `None` where these are all.
fn looked_at(connection: &dyn Connection) -> Result<Option<u32>> {
    let sql = "SELECT count(*) FROM (SELECT 1 FROM events WHERE seq < ?1 LIMIT ?2) counted";
    let counted: u32 = connection.one(sql, params![i64::MAX, states::LOOKED_AT + 1], |row| row.get(0))?;
    Ok(Some(states::LOOKED_AT).filter(|most| counted > *most))
}

/// The newest webhook of a source that was believed, and a newer one that was not, as far as it was kept, among the newest.
fn newest(connection: &dyn Connection, source: &str) -> Result<(Option<ReceivedWebhook>, Option<ReceivedWebhook>)> {
    let sql = "SELECT newest.id, newest.kind, newest.received_at, newest.seq FROM (
        SELECT id, kind, received_at, seq, source, unproven FROM events WHERE seq < ?2 ORDER BY seq DESC LIMIT ?3) newest
        WHERE newest.source = ?1 AND newest.unproven = 0 ORDER BY newest.seq DESC LIMIT 1";
    let believed = connection
        .optional(sql, params![source, i64::MAX, states::LOOKED_AT], |row| Ok((webhook(row)?, row.get::<i64>(3)?)))?;
    let seq = believed.as_ref().map_or(0, |(_, seq)| *seq);
    let sql = "SELECT newest.id, newest.kind, newest.received_at FROM (
        SELECT id, kind, received_at, seq, source, unproven FROM events WHERE seq > ?2 ORDER BY seq DESC LIMIT ?3) newest
        WHERE newest.source = ?1 AND newest.unproven = 1 ORDER BY newest.seq DESC LIMIT 1";
    let unproven = connection.optional(sql, params![source, seq, states::LOOKED_AT], webhook)?;
    Ok((believed.map(|(webhook, _)| webhook), unproven))
}

fn webhook(row: &Row<'_>) -> Result<ReceivedWebhook> {
    Ok(ReceivedWebhook { event: row.get(0)?, kind: row.get(1)?, at: row.get(2)? })
}

/// The newest few webhooks of a source that were not proven, of the last seven days before the newest event.
fn unproven(connection: &dyn Connection, source: &str) -> Result<Vec<ReceivedWebhook>> {
    let sql = "SELECT id, kind, received_at FROM events INDEXED BY events_unproven
        WHERE received_at >= (SELECT max(received_at) FROM events INDEXED BY events_by_arrival) - 604800000
        AND source = ?1 AND unproven = 1 ORDER BY received_at DESC LIMIT 5";
    connection.all(sql, params![source], webhook)
}
