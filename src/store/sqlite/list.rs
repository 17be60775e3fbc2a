//! Lists of deliveries, page by page, so that a store of any size can be printed.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use crate::domain::event::{DeliveryId, EventId};
use crate::store::history::list::{DeliveryFilter, DeliveryRow, ShortName, Start};
use crate::store::sqlite::{find, record, rows};

/// What must hold of a delivery `d`, and the values that are bound in it, from the first place on.
fn conditions(wanted: &DeliveryFilter) -> (String, Vec<Value>) {
    let (mut conditions, mut values) = (vec!["1".to_owned()], Vec::new());
    let mut bind = |value: Value| {
        values.push(value);
        format!("?{}", values.len())
    };
    let DeliveryFilter { state, channel, orders, kind, since } = wanted;
    conditions.extend(state.clone().map(|state| format!("d.state = {}", bind(state.into()))));
    conditions.extend(channel.clone().map(|channel| format!("d.channel = {}", bind(channel.into()))));
    conditions.extend(since.map(|since| format!("d.created_at >= {}", bind(rows::to_millisecond(since).into()))));
    conditions.extend(kind.as_ref().map(|kind| {
        // A star means the same in SQLite; these do not.
        let glob = kind.to_string().replace('[', "[[]").replace('?', "[?]");
        let glob = bind(glob.into());
        format!("EXISTS (SELECT 1 FROM events e WHERE e.id = d.event AND e.kind GLOB {glob})")
    }));
    conditions.extend(orders.as_ref().map(|orders| {
        // As one value, because there may be more orders than a statement takes values.
        let orders: serde_json::Value = orders.iter().map(|(source, number)| [source.as_str(), number]).collect();
        let orders = bind(orders.to_string().into());
        format!(
            "d.event IN (SELECT e.id FROM json_each({orders}) o
                CROSS JOIN events e ON e.source = o.value ->> 0 AND e.order_number = o.value ->> 1)"
        )
    }));
    (conditions.join(" AND "), values)
}

pub fn count(connection: &Connection, wanted: &DeliveryFilter) -> rusqlite::Result<u64> {
    let (conditions, values) = conditions(wanted);
    let sql = format!("SELECT count(*) FROM deliveries d WHERE {conditions}");
    let count = |row: &Row<'_>| row.get::<_, i64>(0);
    connection.prepare_cached(&sql)?.query_row(params_from_iter(values), count).map(i64::unsigned_abs)
}

pub fn first_of_newest(
    connection: &Connection,
    wanted: &DeliveryFilter,
    newest: u64,
) -> rusqlite::Result<Option<DeliveryId>> {
    let (conditions, values) = conditions(wanted);
    let skipped = newest.saturating_sub(1).min(i64::MAX.unsigned_abs());
    let sql = format!("SELECT d.id FROM deliveries d WHERE {conditions} ORDER BY d.id DESC LIMIT 1 OFFSET {skipped}");
    let id = |row: &Row<'_>| rows::uuid(0, row.get_ref(0)?.as_blob()?).map(DeliveryId);
    connection.prepare_cached(&sql)?.query_row(params_from_iter(values), id).optional()
}

pub fn page(
    connection: &Connection,
    wanted: &DeliveryFilter,
    start: Start,
    rows: u32,
) -> rusqlite::Result<Vec<DeliveryRow>> {
    let (comparison, id) = match &start {
        Start::Beginning => (">=", [0; 16]),
        Start::At(id) => (">=", id.0.into_bytes()),
        Start::After(id) => (">", id.0.into_bytes()),
    };
    let (conditions, mut values) = conditions(wanted);
    values.push(id.to_vec().into());
    let sql = format!(
        "{ROWS}
         WHERE {conditions} AND d.id {comparison} ?{} ORDER BY d.id LIMIT {rows}",
        values.len()
    );
    let mut select = connection.prepare_cached(&sql)?;
    let found = select.query_map(params_from_iter(values), delivery_row)?;
    found.collect()
}

/// All deliveries in this state, or in any, in the sequence of their events.
pub fn in_state(connection: &Connection, state: Option<&str>) -> rusqlite::Result<Vec<DeliveryRow>> {
    let sql = format!("{ROWS} WHERE ?1 IS NULL OR d.state = ?1 ORDER BY d.event_seq, d.id");
    connection.prepare_cached(&sql)?.query_map([state], delivery_row)?.collect()
}

/// What [`delivery_row`] reads.
const ROWS: &str =
    "SELECT d.id, d.event, e.kind, e.source, e.order_number, d.channel, d.state, d.attempts, d.created_at,
        d.due_at, d.answer, d.digest
    FROM deliveries d JOIN events e ON e.id = d.event";

fn delivery_row(row: &Row<'_>) -> rusqlite::Result<DeliveryRow> {
    Ok(DeliveryRow {
        id: DeliveryId(rows::uuid(0, row.get_ref(0)?.as_blob()?)?),
        event: EventId(rows::uuid(1, row.get_ref(1)?.as_blob()?)?),
        kind: row.get(2)?,
        source: row.get(3)?,
        order: row.get(4)?,
        channel: row.get(5)?,
        state: row.get(6)?,
        attempts: row.get(7)?,
        created_at: rows::of_millisecond(8, row.get(8)?)?,
        due_at: rows::of_millisecond(9, row.get(9)?)?,
        answer: row.get(10)?,
        digest: row.get_ref(11)?.as_blob_or_null()?.map(|id| rows::uuid(11, id).map(DeliveryId)).transpose()?,
    })
}

/// What a delivery is called in a list for people, of its id, its source and the number of its order.
pub fn short_name(
    connection: &Connection,
    (id, source, number): &(DeliveryId, String, Option<String>),
) -> rusqlite::Result<ShortName> {
    let id = find::short(connection, id.0)?;
    let Some(number) = number else { return Ok(ShortName { id, order: None }) };
    let order = record::load_order(connection, source, number)?.map(|(_, order)| order);
    let short = order.and_then(|order| order.short_number).map(|short| format!("#{short}"));
    Ok(ShortName { id, order: short.or_else(|| Some(number.clone())) })
}
