//! Recording: event, repeat keys, order, ledger entries and deliveries of one webhook.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::event::{Event, EventId, OWN_SOURCE};
use crate::domain::ledger::LedgerEntry;
use crate::domain::order::Order;
use crate::domain::route_decision::{RouteCondition, RouteDecision};
use crate::domain::{changed, fold, ledger, route};
use crate::store::ingest::{Committed, NewDelivery, Record, Recorded};
use crate::store::sqlite::commit::Orders;
use crate::store::sqlite::dedupe::SeenBefore;
use crate::store::sqlite::report::service_health;
use crate::store::sqlite::{dedupe, rows};

pub fn record(connection: &Connection, orders: &mut Orders, record: &Record) -> rusqlite::Result<Recorded> {
    let mut event = record.event.clone();
    match dedupe::known(connection, record)? {
        SeenBefore::No => {}
        SeenBefore::Replay => return Ok(Recorded::Replay),
        SeenBefore::Repeat { of } => return repeated(connection, orders, record, of),
        SeenBefore::Retold { of } => {
            let before = load(connection, orders, &event)?;
            match before.and_then(|(_, before)| changed::by(&before, &event)) {
                Some(changed) => {
                    // It did not happen when the order was placed.
                    event.occurred_at = event.order.as_ref().and_then(|order| order.as_of).or(event.occurred_at);
                    event.data.changed = Some(Box::new(changed));
                }
                None => {
                    dedupe::remember_ids(connection, record, of)?;
                    return repeated(connection, orders, record, of);
                }
            }
        }
    }
    let before = load(connection, orders, &event)?;
    let decision = fold::decide(before.as_ref().map(|(_, order)| order), &event);
    event.data.late = decision.late;
    let matched = route::choose(&event, decision.order.as_ref(), record.targets.iter().map(|(target, _)| target));
    let judge = |rule: &RouteCondition| match matched.judged.get(&rule.route) {
        Some(decision) => *decision,
        // Its channels get the event anyway.
        None => route::judge(rule, &event, decision.order.as_ref()).unwrap_or(RouteDecision::Unjudged),
    };
    let routes = record.decisions.settled(judge);

    let event_seq = insert_event(connection, record, &event, &routes)?;
    dedupe::insert(connection, record)?;
    let order = decision.order.as_ref().filter(|_| !matched.channels.is_empty()).cloned().map(Arc::new);
    if let Some(order) = decision.order {
        save(connection, orders, &event, before.map(|(seq, _)| seq), order)?;
    }
    for entry in &decision.ledger {
        insert_entry(connection, event.id, &event, entry)?;
    }
    let chosen = record.targets.iter().filter(|(target, _)| matched.channels.contains(&target.channel));
    let mut deliveries = Vec::with_capacity(matched.channels.len());
    for (target, id) in chosen {
        let urgent = record.urgent.contains(&target.channel);
        let sql = "INSERT INTO deliveries (id, event, event_seq, channel, order_key, state, due_at, created_at, urgent)
                   VALUES (?1, ?2, ?3, ?4, ?5, 'waiting', ?6, ?6, ?7)";
        connection.prepare_cached(sql)?.execute(params![
            id.0.as_bytes(),
            event.id.0.as_bytes(),
            event_seq,
            target.channel,
            event.order.as_ref().map(|order| format!("{}/{}", event.source, order.number)),
            rows::to_millisecond(event.received_at),
            urgent,
        ])?;
        deliveries.push(NewDelivery { id: *id, channel: target.channel.clone(), urgent });
    }
    let committed = Committed { seq: event_seq, event: Arc::new(event), order, deliveries, bytes: record.body.len() };
    Ok(Recorded::New { channels: matched.channels, unjudged: matched.unjudged, committed: Some(Box::new(committed)) })
}

fn repeated(connection: &Connection, orders: &mut Orders, record: &Record, of: EventId) -> rusqlite::Result<Recorded> {
    count_duplicate(connection, record, of)?;
    complete_order(connection, orders, record, of)?;
    Ok(Recorded::Repeat { of })
}

fn count_duplicate(connection: &Connection, record: &Record, of: EventId) -> rusqlite::Result<()> {
    let sql = "UPDATE events SET repeats = repeats + 1, last_repeat_at = ?2 WHERE id = ?1";
    connection
        .prepare_cached(sql)?
        .execute(params![of.0.as_bytes(), rows::to_millisecond(record.event.received_at)])?;
    // A notice of ours that is made twice is no webhook.
    match record.event.source.as_str() {
        OWN_SOURCE => Ok(()),
        source => service_health::tally_duplicate(connection, source, record.event.received_at),
    }
}

/// A repeat that says more than the first webhook completes the order, and corrects the figures.
fn complete_order(connection: &Connection, orders: &mut Orders, record: &Record, of: EventId) -> rusqlite::Result<()> {
    let Some((seq, before)) = load(connection, orders, &record.event)? else { return Ok(()) };
    let after = fold::merge(Some(&before), &record.event);
    if after == before {
        return Ok(());
    }
    for entry in ledger::entries(Some(&before), &after) {
        insert_entry(connection, of, &record.event, &entry)?;
    }
    save(connection, orders, &record.event, Some(seq), after)
}

/// Answers the event's place in the sequence of arrival.
fn insert_event(connection: &Connection, record: &Record, event: &Event, routes: &str) -> rusqlite::Result<i64> {
    let sql = "INSERT INTO events (id, kind, source, order_number, received_at, event, body, repeat_keys, routes)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    connection.prepare_cached(sql)?.execute(params![
        event.id.0.as_bytes(),
        event.kind.to_string(),
        event.source,
        event.order.as_ref().map(|order| &order.number),
        rows::to_millisecond(event.received_at),
        rows::to_json(event)?,
        record.body,
        rows::to_json(&dedupe::names(record))?,
        routes,
    ])?;
    Ok(connection.last_insert_rowid())
}

/// `of` is the recorded event, which a repeat is not.
fn insert_entry(connection: &Connection, of: EventId, event: &Event, entry: &LedgerEntry) -> rusqlite::Result<()> {
    let sql =
        "INSERT INTO ledger (event, source, shop, order_number, figure, count, minor, currency, effect_at, recorded_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    connection.prepare_cached(sql)?.execute(params![
        of.0.as_bytes(),
        event.source,
        entry.shop,
        event.order.as_ref().map_or("", |order| &order.number),
        entry.figure.as_str(),
        entry.count,
        entry.amount.as_ref().map(|money| money.minor),
        entry.amount.as_ref().map(|money| &money.currency),
        rows::to_millisecond(entry.effect_at),
        rows::to_millisecond(event.received_at),
    ])?;
    Ok(())
}

/// The event's order, from the group's memory or from the table.
fn load(connection: &Connection, orders: &mut Orders, event: &Event) -> rusqlite::Result<Option<(i64, Order)>> {
    let Some(update) = &event.order else { return Ok(None) };
    let key = (event.source.clone(), update.number.clone());
    if let Some(known) = orders.get(&key) {
        return Ok(known.clone());
    }
    let loaded = load_order(connection, &event.source, &update.number)?;
    orders.insert(key, loaded.clone());
    Ok(loaded)
}

pub fn load_order(connection: &Connection, source: &str, number: &str) -> rusqlite::Result<Option<(i64, Order)>> {
    let sql = "SELECT seq, body FROM orders WHERE source = ?1 AND number = ?2";
    connection
        .prepare_cached(sql)?
        .query_row(params![source, number], |row| Ok((row.get(0)?, rows::of_json(1, row.get_ref(1)?.as_str()?)?)))
        .optional()
}

fn save(
    connection: &Connection,
    orders: &mut Orders,
    event: &Event,
    seq: Option<i64>,
    order: Order,
) -> rusqlite::Result<()> {
    let (body, day_at) = (rows::to_json(&order)?, order.day_at().map(rows::to_millisecond));
    let seq = match seq {
        Some(seq) => {
            let sql = "UPDATE orders SET body = ?2, day_at = ?3 WHERE seq = ?1";
            connection.prepare_cached(sql)?.execute(params![seq, body, day_at])?;
            seq
        }
        None => {
            let sql = "INSERT INTO orders (source, number, body, day_at) VALUES (?1, ?2, ?3, ?4)";
            connection.prepare_cached(sql)?.execute(params![event.source, order.number, body, day_at])?;
            connection.last_insert_rowid()
        }
    };
    orders.insert((event.source.clone(), order.number.clone()), Some((seq, order)));
    Ok(())
}

pub fn load_event(connection: &Connection, id: EventId) -> rusqlite::Result<Option<Event>> {
    let sql = "SELECT event FROM events WHERE id = ?1";
    connection
        .prepare_cached(sql)?
        .query_row(params![id.0.as_bytes()], |row| rows::of_json(0, row.get_ref(0)?.as_str()?))
        .optional()
}

pub fn duplicates(connection: &Connection, event: EventId) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT repeats FROM events WHERE id = ?1";
    connection
        .prepare_cached(sql)?
        .query_row(params![event.0.as_bytes()], |row| row.get::<_, i64>(0))
        .optional()
        .map(|count| count.map(i64::unsigned_abs))
}
