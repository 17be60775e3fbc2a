//! Recording: what a group of webhooks needs to know is loaded, decided about elsewhere, and written table by table.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::event::{Event, EventId};
use crate::domain::order::Order;
use crate::store::ingest::{Record, Recorded};
use crate::store::recording::known::{Known, KnownOrder, OrderRow};
use crate::store::recording::rows::{EventRow, LedgerRow, NewDeliveryRow, Repeat, Rows, pack_order};
use crate::store::recording::{InternalError, Prepared, decide, prepare, wanted, wanted_besides};
use crate::store::sql::dedupe;
use crate::store::sqlite::report::service_health;
use crate::store::sqlite::rows;

/// Records a group. An error takes all of it along, and nothing is to be kept of what was written.
pub fn record_all(
    connection: &Connection,
    group: &[Prepared],
) -> rusqlite::Result<Vec<Result<Recorded, InternalError>>> {
    let (answers, rows) = decide(group, load(connection, group)?);
    write(connection, &rows)?;
    Ok(answers)
}

/// Records one, among other changes.
pub fn record(connection: &Connection, record: &Record) -> rusqlite::Result<Recorded> {
    let internal = |_| rusqlite::Error::UnwindingPanic;
    let prepared = prepare(record.clone()).map_err(internal)?;
    let mut answers = record_all(connection, &[prepared])?;
    answers.pop().unwrap_or(Err(InternalError)).map_err(internal)
}

fn load(connection: &Connection, group: &[Prepared]) -> rusqlite::Result<Known> {
    let sql = "SELECT coalesce(max(seq), 0) + 1 FROM events";
    let next_seq = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    let mut known = Known::new(next_seq);
    // In the sequence of the tables, so that neighbours are found on one page.
    let (mut keys, mut orders) = (BTreeSet::new(), BTreeSet::new());
    for prepared in group {
        let (of_keys, of_order) = wanted(prepared);
        keys.extend(of_keys);
        orders.extend(of_order);
    }
    dedupe::load(connection, &keys, &mut known)?;
    let besides = group.iter().flat_map(|prepared| wanted_besides(prepared, &known)).collect();
    dedupe::load(connection, &besides, &mut known)?;
    for name in orders {
        if let Some((seq, order)) = load_order(connection, &name.0, &name.1)? {
            known.add_order(name, KnownOrder::stored(seq, order));
        }
    }
    Ok(known)
}

fn write(connection: &Connection, rows: &Rows) -> rusqlite::Result<()> {
    insert_events(connection, &rows.events)?;
    dedupe::put(connection, &rows.keys)?;
    for ((source, number), order) in &rows.orders {
        put_order(connection, source, number, order)?;
    }
    insert_entries(connection, &rows.ledger)?;
    insert_deliveries(connection, &rows.deliveries)?;
    rows.repeats.iter().try_for_each(|repeat| count_repeat(connection, repeat))
}

fn insert_events(connection: &Connection, events: &[EventRow]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO events (seq, id, received_at, kind, source, shop, order_number, unproven, routes, packed)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let mut insert = connection.prepare_cached(sql)?;
    for event in events {
        insert.execute(params![
            event.seq,
            event.id.0.as_bytes(),
            rows::to_millisecond(event.received_at),
            event.kind,
            event.source,
            event.shop,
            event.order_number,
            event.unproven,
            event.routes,
            event.packed,
        ])?;
    }
    Ok(())
}

fn put_order(connection: &Connection, source: &str, number: &str, row: &OrderRow) -> rusqlite::Result<()> {
    let OrderRow { seq, order, packed } = row;
    let now_packed = match packed {
        Some(_) => None,
        None => Some(pack_order(order).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?),
    };
    let packed = packed.as_ref().or(now_packed.as_ref());
    let day_at = order.day_at().map(rows::to_millisecond);
    match seq {
        Some(seq) => {
            let sql = "UPDATE orders SET short_number = ?2, day_at = ?3, packed = ?4 WHERE seq = ?1";
            connection.prepare_cached(sql)?.execute(params![seq, order.short_number, day_at, packed])?;
        }
        None => {
            let sql = "INSERT INTO orders (source, number, short_number, day_at, packed) VALUES (?1, ?2, ?3, ?4, ?5)";
            connection.prepare_cached(sql)?.execute(params![source, number, order.short_number, day_at, packed])?;
        }
    }
    Ok(())
}

fn insert_entries(connection: &Connection, entries: &[LedgerRow]) -> rusqlite::Result<()> {
    let sql =
        "INSERT INTO ledger (event, source, shop, order_number, figure, count, minor, currency, effect_at, recorded_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let mut insert = connection.prepare_cached(sql)?;
    for LedgerRow { event, source, order_number, recorded_at, entry } in entries {
        insert.execute(params![
            event.0.as_bytes(),
            source,
            entry.shop,
            order_number,
            entry.figure.as_str(),
            entry.count,
            entry.amount.as_ref().map(|money| money.minor),
            entry.amount.as_ref().map(|money| &money.currency),
            rows::to_millisecond(entry.effect_at),
            rows::to_millisecond(*recorded_at),
        ])?;
    }
    Ok(())
}

fn insert_deliveries(connection: &Connection, deliveries: &[NewDeliveryRow]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO deliveries (id, event, event_seq, channel, order_key, state, due_at, created_at, urgent)
               VALUES (?1, ?2, ?3, ?4, ?5, 'waiting', ?6, ?6, ?7)";
    let mut insert = connection.prepare_cached(sql)?;
    for delivery in deliveries {
        insert.execute(params![
            delivery.id.0.as_bytes(),
            delivery.event.0.as_bytes(),
            delivery.event_seq,
            delivery.channel,
            delivery.order_key,
            rows::to_millisecond(delivery.at),
            delivery.urgent,
        ])?;
    }
    Ok(())
}

fn count_repeat(connection: &Connection, repeat: &Repeat) -> rusqlite::Result<()> {
    let sql = "UPDATE events SET repeats = repeats + 1, last_repeat_at = ?2 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![repeat.of.0.as_bytes(), rows::to_millisecond(repeat.at)])?;
    match &repeat.counted_for {
        Some(source) => service_health::tally_duplicate(connection, source, repeat.at),
        None => Ok(()),
    }
}

pub fn load_order(connection: &Connection, source: &str, number: &str) -> rusqlite::Result<Option<(i64, Order)>> {
    let sql = "SELECT seq, packed FROM orders WHERE source = ?1 AND number = ?2";
    connection
        .prepare_cached(sql)?
        .query_row(params![source, number], |row| Ok((row.get(0)?, rows::packed(1, row.get_ref(1)?.as_blob()?)?)))
        .optional()
}

pub fn load_event(connection: &Connection, id: EventId) -> rusqlite::Result<Option<Event>> {
    let sql = "SELECT packed FROM events WHERE id = ?1";
    connection
        .prepare_cached(sql)?
        .query_row(params![id.0.as_bytes()], |row| rows::packed(0, row.get_ref(0)?.as_blob()?))
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
