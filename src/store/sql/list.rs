//! Lists of deliveries, page by page, so that a store of any size can be printed.

use uuid::Uuid;

use crate::domain::event::DeliveryId;
use crate::store::history::list::{DeliveryFilter, DeliveryRow, ShortName, Start};
use crate::store::sql::value::{IntoValue, Value};
use crate::store::sql::{Connection, Result, Row, find, params, record};

/// What must hold of a delivery `d`, and the values that stand for it, from the first place on.
struct Conditions<'a> {
    sql: String,
    given: Vec<Value<'a>>,
}

impl<'a> Conditions<'a> {
    /// `kinds`: what [`kinds`] makes of the filter. The orders are left out.
    fn of(wanted: &'a DeliveryFilter, kinds: &'a [String]) -> Self {
        let DeliveryFilter { state, channel, kind, source, since, until, .. } = wanted;
        let mut all = Self { sql: "1 = 1".to_owned(), given: Vec::new() };
        state.iter().for_each(|state| all.add(" AND d.state = ?", state.into_value()));
        channel.iter().for_each(|channel| all.add(" AND d.channel = ?", channel.into_value()));
        since.iter().for_each(|since| all.add(" AND d.created_at >= ?", since.into_value()));
        until.iter().for_each(|until| all.add(" AND d.created_at < ?", until.into_value()));
        if let Some(source) = source {
            all.add(" AND EXISTS (SELECT 1 FROM events s WHERE s.id = d.event AND s.source = ?", source.into_value());
            all.sql += ")";
        }
        if let (Some(_), [pattern, pieces @ ..]) = (kind, kinds) {
            all.add(" AND EXISTS (SELECT 1 FROM events k WHERE k.id = d.event AND k.kind LIKE ?", pattern.into_value());
            // Where that makes no difference between capital and small letters, this does.
            all.sql += " ESCAPE '!'";
            for piece in pieces {
                all.add(" AND k.kind <> replace(k.kind, ?", piece.into_value());
                all.sql += ", '')";
            }
            all.sql += ")";
        }
        all
    }

    fn add(&mut self, condition: &str, value: Value<'a>) {
        self.given.push(value);
        self.sql += condition;
        self.sql += &self.given.len().to_string();
    }
}

/// The pattern of the kinds that are wanted, and the pieces that each of them has.
fn kinds(wanted: &DeliveryFilter) -> Vec<String> {
    let Some(glob) = wanted.kind.as_ref().map(ToString::to_string) else { return Vec::new() };
    let pattern = glob.replace('!', "!!").replace('%', "!%").replace('_', "!_").replace('*', "%");
    let pieces = glob.split('*').filter(|piece| !piece.is_empty()).map(str::to_owned);
    [pattern].into_iter().chain(pieces).collect()
}

/// Where only some orders are wanted: all of their deliveries that are, in the sequence of their ids. They are few enough to
/// be known at once, and more than a statement takes values.
pub fn of_orders(connection: &dyn Connection, wanted: &DeliveryFilter) -> Result<Option<Vec<DeliveryId>>> {
    let Some(orders) = &wanted.orders else { return Ok(None) };
    let kinds = kinds(wanted);
    let Conditions { sql, given } = Conditions::of(wanted, &kinds);
    let (source, number) = (given.len() + 1, given.len() + 2);
    let sql = format!(
        "SELECT d.id FROM events e CROSS JOIN deliveries d
         WHERE {sql} AND e.source = ?{source} AND e.order_number = ?{number} AND d.event = e.id"
    );
    let all = orders.iter().map(|(source, number)| [&given, &params![source, number][..]].concat());
    let mut found = Vec::new();
    connection.query_many(&sql, &all.collect::<Vec<_>>(), &mut |_, row| {
        found.push(row.get(0)?);
        Ok(())
    })?;
    found.sort_unstable();
    found.dedup();
    Ok(Some(found))
}

pub fn count(connection: &dyn Connection, wanted: &DeliveryFilter) -> Result<u64> {
    if let Some(found) = of_orders(connection, wanted)? {
        return Ok(found.len() as u64);
    }
    let kinds = kinds(wanted);
    let Conditions { sql, given } = Conditions::of(wanted, &kinds);
    connection.one(&format!("SELECT count(*) FROM deliveries d WHERE {sql}"), &given, |row| row.get(0))
}

pub fn first_of_newest(
    connection: &dyn Connection,
    wanted: &DeliveryFilter,
    newest: u64,
) -> Result<Option<DeliveryId>> {
    let skipped = newest.saturating_sub(1).min(i64::MAX.unsigned_abs());
    if let Some(found) = of_orders(connection, wanted)? {
        return Ok(found.iter().rev().nth(usize::try_from(skipped).unwrap_or(usize::MAX)).copied());
    }
    let kinds = kinds(wanted);
    let Conditions { sql, given } = Conditions::of(wanted, &kinds);
    let sql = format!("SELECT d.id FROM deliveries d WHERE {sql} ORDER BY d.id DESC LIMIT 1 OFFSET {skipped}");
    connection.optional(&sql, &given, |row| row.get(0))
}

pub fn page(connection: &dyn Connection, wanted: &DeliveryFilter, start: Start, rows: u32) -> Result<Vec<DeliveryRow>> {
    let (comparison, id) = match &start {
        Start::Beginning => (">=", DeliveryId(Uuid::nil())),
        Start::At(id) => (">=", *id),
        Start::After(id) => (">", *id),
    };
    if let Some(found) = of_orders(connection, wanted)? {
        let is_before = |other: &DeliveryId| *other < id || comparison == ">" && *other == id;
        let wanted = found.iter().skip_while(|other| is_before(other)).take(rows as usize);
        let given: Vec<_> = wanted.map(|id| params![id].to_vec()).collect();
        let mut page = Vec::with_capacity(given.len());
        connection.query_many(&format!("{ROWS} WHERE d.id = ?1"), &given, &mut |_, row| {
            page.push(delivery_row(row)?);
            Ok(())
        })?;
        return Ok(page);
    }
    let kinds = kinds(wanted);
    let mut all = Conditions::of(wanted, &kinds);
    all.add(&format!(" AND d.id {comparison} ?"), id.into_value());
    connection.all(&format!("{ROWS} WHERE {} ORDER BY d.id LIMIT {rows}", all.sql), &all.given, delivery_row)
}

/// Where the dead and those that wait are found by indexes that hold no others, by themselves and in the message of one; and the
/// sequence of that index, in which the first are found without a look at the others, however many there are.
const DEAD: [&str; 2] = ["deliveries d INDEXED BY deliveries_dead WHERE d.state = 'dead'", "d.channel, d.id"];
const WAITING: [&str; 2] = [
    "deliveries d INDEXED BY deliveries_due WHERE d.state = 'waiting' AND d.digest IS NULL",
    "d.channel, d.urgent, d.due_at, d.event_seq",
];
const CARRIED: [&str; 2] = [
    "deliveries l INDEXED BY deliveries_due CROSS JOIN deliveries d INDEXED BY deliveries_of_digest
    WHERE l.state = 'waiting' AND l.digest IS NULL AND d.digest = l.id AND d.state = 'waiting'",
    "l.channel, l.urgent, l.due_at, l.event_seq",
];

/// So many of those that are dead or wait, channel by channel, those first that are due first; `None` where others are wanted.
pub fn first_held(connection: &dyn Connection, wanted: &DeliveryFilter, most: u32) -> Result<Option<Vec<DeliveryId>>> {
    let places = match wanted.state.as_deref() {
        Some("dead") => &[DEAD][..],
        Some("waiting") => &[WAITING, CARRIED],
        _ => return Ok(None),
    };
    let mut found = Vec::new();
    if let Some(of_orders) = of_orders(connection, wanted)? {
        found = of_orders;
    } else {
        let kinds = kinds(wanted);
        let Conditions { sql, given } = Conditions::of(wanted, &kinds);
        for [place, sequence] in places {
            if found.len() >= most as usize {
                break;
            }
            let sql = format!("SELECT d.id FROM {place} AND {sql} ORDER BY {sequence} LIMIT {most}");
            found.extend(connection.all(&sql, &given, |row| row.get::<DeliveryId>(0))?);
        }
    }
    found.truncate(most as usize);
    found.sort_unstable();
    Ok(Some(found))
}

/// All deliveries in this state, or in any, in the sequence of their events.
pub fn in_state(connection: &dyn Connection, state: Option<&str>) -> Result<Vec<DeliveryRow>> {
    let (condition, given) = state.map_or(("", Vec::new()), |state| ("WHERE d.state = ?1", params![state].to_vec()));
    connection.all(&format!("{ROWS} {condition} ORDER BY d.event_seq, d.id"), &given, delivery_row)
}

/// What [`delivery_row`] reads.
pub const ROWS: &str =
    "SELECT d.id, d.event, e.kind, e.source, e.order_number, d.channel, d.state, d.attempts, d.created_at,
        d.due_at, d.answer, d.digest
    FROM deliveries d JOIN events e ON e.id = d.event";

pub fn delivery_row(row: &Row<'_>) -> Result<DeliveryRow> {
    Ok(DeliveryRow {
        id: row.get(0)?,
        event: row.get(1)?,
        kind: row.get(2)?,
        source: row.get(3)?,
        order: row.get(4)?,
        channel: row.get(5)?,
        state: row.get(6)?,
        attempts: row.get(7)?,
        created_at: row.get(8)?,
        due_at: row.get(9)?,
        answer: row.get(10)?,
        digest: row.get(11)?,
    })
}

/// What a delivery is called in a list for people, of its id, its source and the number of its order.
pub fn short_name(
    connection: &dyn Connection,
    (id, source, number): &(DeliveryId, String, Option<String>),
) -> Result<ShortName> {
    let id = find::short(connection, id.0)?;
    let Some(number) = number else { return Ok(ShortName { id, order: None }) };
    let order = record::load_order(connection, source, number)?;
    let short = order.and_then(|order| order.short_number).map(|short| format!("#{short}"));
    Ok(ShortName { id, order: short.or_else(|| Some(number.clone())) })
}
