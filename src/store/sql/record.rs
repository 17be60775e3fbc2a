//! Recording: what a group of webhooks needs to know is loaded, decided about elsewhere, and written table by table.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::domain::event::{Event, EventId};
use crate::domain::order::Order;
use crate::store::ingest::{Record, Recorded};
use crate::store::recording::known::{Known, KnownOrder, OrderRow, RowKey};
use crate::store::recording::rows::{EventRow, LedgerRow, NewDeliveryRow, Repeat, Rows, pack_order};
use crate::store::recording::{InternalError, Prepared, decide, prepare, wanted, wanted_besides};
use crate::store::sql::report::service_health;
use crate::store::sql::value::Value;
use crate::store::sql::{Connection, Error, Result, dedupe, params};

/// What one of a group came to.
type Recording = std::result::Result<Recorded, InternalError>;

/// Records a group. An error takes all of it along, and nothing is to be kept of what was written.
pub fn record_all(connection: &dyn Connection, group: &[Prepared]) -> Result<Vec<Recording>> {
    let (answers, rows) = decide(group, load(connection, group)?);
    write(connection, &rows)?;
    Ok(answers)
}

/// Records one, among other changes.
pub fn record(connection: &dyn Connection, record: &Record) -> Result<Recorded> {
    let internal = |_| Error::Internal;
    let prepared = prepare(record.clone()).map_err(internal)?;
    let mut answers = record_all(connection, &[prepared])?;
    answers.pop().unwrap_or(Err(InternalError)).map_err(internal)
}

fn load(connection: &dyn Connection, group: &[Prepared]) -> Result<Known> {
    let next_seq = connection.one("SELECT coalesce(max(seq), 0) + 1 FROM events", &[], |row| row.get(0))?;
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
    load_orders(connection, &orders, &mut known)?;
    Ok(known)
}

const ORDER: &str = "SELECT seq, packed FROM orders WHERE source = ?1 AND number = ?2";

fn load_orders(connection: &dyn Connection, names: &BTreeSet<RowKey>, known: &mut Known) -> Result<()> {
    let given: Vec<_> = names.iter().map(|(source, number)| params![source, number].to_vec()).collect();
    let names: Vec<&RowKey> = names.iter().collect();
    connection.query_many(ORDER, &given, &mut |place, row| {
        known.add_order(names[place].clone(), KnownOrder::stored(row.get(0)?, row.packed(1)?));
        Ok(())
    })
}

fn write(connection: &dyn Connection, rows: &Rows) -> Result<()> {
    insert_events(connection, &rows.events)?;
    dedupe::put(connection, &rows.keys)?;
    put_orders(connection, &rows.orders)?;
    insert_entries(connection, &rows.ledger)?;
    insert_deliveries(connection, &rows.deliveries)?;
    rows.repeats.iter().try_for_each(|repeat| count_repeat(connection, repeat))
}

fn insert_events(connection: &dyn Connection, events: &[EventRow]) -> Result<()> {
    let sql = "INSERT INTO events (seq, id, received_at, kind, source, shop, order_number, unproven, routes, packed)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let rows = events.iter().map(|event| {
        let EventRow { seq, id, kind, source, shop, order_number, unproven, received_at, routes, packed } = event;
        params![seq, id, received_at, kind, source, shop, order_number, unproven, routes, packed].to_vec()
    });
    connection.execute_many(sql, &rows.collect::<Vec<_>>())
}

/// As it is kept; most were packed before the writer had them.
fn packed(row: &OrderRow) -> serde_json::Result<Cow<'_, [u8]>> {
    match &row.packed {
        Some(packed) => Ok(Cow::Borrowed(packed)),
        None => pack_order(&row.order).map(Cow::Owned),
    }
}

fn put_orders(connection: &dyn Connection, orders: &BTreeMap<RowKey, OrderRow>) -> Result<()> {
    let insert = "INSERT INTO orders (source, number, short_number, day_at, packed) VALUES (?1, ?2, ?3, ?4, ?5)";
    let update = "UPDATE orders SET short_number = ?2, day_at = ?3, packed = ?4 WHERE seq = ?1";
    let packed = orders.values().map(packed).collect::<serde_json::Result<Vec<_>>>()?;
    let (mut new, mut known): (Vec<Vec<Value<'_>>>, Vec<Vec<Value<'_>>>) = (Vec::new(), Vec::new());
    for (((source, number), OrderRow { seq, order, .. }), packed) in orders.iter().zip(&packed) {
        let packed: &[u8] = packed;
        let (short_number, day_at) = (&order.short_number, order.day_at());
        match seq {
            Some(seq) => known.push(params![seq, short_number, day_at, packed].to_vec()),
            None => new.push(params![source, number, short_number, day_at, packed].to_vec()),
        }
    }
    connection.execute_many(insert, &new)?;
    connection.execute_many(update, &known)
}

fn insert_entries(connection: &dyn Connection, entries: &[LedgerRow]) -> Result<()> {
    let sql =
        "INSERT INTO ledger (event, source, shop, order_number, figure, count, minor, currency, effect_at, recorded_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let rows = entries.iter().map(|LedgerRow { event, source, order_number, recorded_at, entry }| {
        let (shop, figure, count, effect_at) = (&entry.shop, entry.figure.as_str(), entry.count, entry.effect_at);
        let minor = entry.amount.as_ref().map(|money| money.minor);
        let currency = entry.amount.as_ref().map(|money| &money.currency);
        params![event, source, shop, order_number, figure, count, minor, currency, effect_at, recorded_at].to_vec()
    });
    connection.execute_many(sql, &rows.collect::<Vec<_>>())
}

fn insert_deliveries(connection: &dyn Connection, deliveries: &[NewDeliveryRow]) -> Result<()> {
    let sql = "INSERT INTO deliveries (id, event, event_seq, channel, order_key, state, due_at, created_at, urgent)
               VALUES (?1, ?2, ?3, ?4, ?5, 'waiting', ?6, ?6, ?7)";
    let rows = deliveries.iter().map(|NewDeliveryRow { id, event, event_seq, channel, order_key, urgent, at }| {
        params![id, event, event_seq, channel, order_key, at, urgent].to_vec()
    });
    connection.execute_many(sql, &rows.collect::<Vec<_>>())
}

fn count_repeat(connection: &dyn Connection, repeat: &Repeat) -> Result<()> {
    let sql = "UPDATE events SET repeats = repeats + 1, last_repeat_at = ?2 WHERE id = ?1";
    connection.execute(sql, params![repeat.of, repeat.at])?;
    match &repeat.counted_for {
        Some(source) => service_health::tally_duplicate(connection, source, repeat.at),
        None => Ok(()),
    }
}

pub fn load_order(connection: &dyn Connection, source: &str, number: &str) -> Result<Option<Order>> {
    connection.optional(ORDER, params![source, number], |row| row.packed(1))
}

pub fn load_event(connection: &dyn Connection, id: EventId) -> Result<Option<Event>> {
    let sql = "SELECT packed FROM events WHERE id = ?1";
    connection.optional(sql, params![id], |row| row.packed(0))
}

pub fn duplicates(connection: &dyn Connection, event: EventId) -> Result<Option<u64>> {
    let sql = "SELECT repeats FROM events WHERE id = ?1";
    connection.optional(sql, params![event], |row| row.get(0))
}
