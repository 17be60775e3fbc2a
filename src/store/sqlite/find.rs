//! Finding what a person means: an order by its number, an event or a delivery by the beginning of its id, a source, a report.

use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::event::{DeliveryId, EventId};
use crate::domain::order::Order;
use crate::store::history::{IdMatch, Question};
use crate::store::sqlite::rows;

/// An id may be shortened to so many digits; fewer are too easily another one's.
pub const SHORTEST_ID: usize = 8;
/// How the kinds of reports begin.
const REPORTS: &str = "report.";
/// So many orders of one short number are shown, and so many candidates for an id.
const SHOWN: usize = 5;
const CANDIDATES: u32 = 20;

/// What was meant.
pub enum FoundId {
    Nothing,
    Several(Vec<IdMatch>),
    /// Source and number of each, and how many more there are.
    Orders {
        numbers: Vec<(String, String)>,
        more: u64,
    },
    Event(EventId),
    Delivery(DeliveryId, EventId),
    Source(String),
    /// By its name.
    Report(String),
}

pub fn meant(connection: &Connection, question: &Question) -> rusqlite::Result<FoundId> {
    let asked = question.asked.trim();
    if question.sources.iter().any(|source| source == asked) || is_source(connection, asked)? {
        return Ok(FoundId::Source(asked.to_owned()));
    }
    if let Some(report) = asked.strip_prefix(REPORTS).filter(|name| !name.is_empty()) {
        return Ok(FoundId::Report(report.to_owned()));
    }
    let number = asked.strip_prefix('#').unwrap_or(asked);
    let numbers = by_number(connection, number)?;
    if !numbers.is_empty() {
        return Ok(FoundId::Orders { numbers, more: 0 });
    }
    if let Some(range) = range(asked) {
        match of_ids(connection, &range)? {
            FoundId::Nothing => {}
            found => return Ok(found),
        }
    }
    let (numbers, more) = by_short_number(connection, number)?;
    Ok(if numbers.is_empty() { FoundId::Nothing } else { FoundId::Orders { numbers, more } })
}

/// Whether the store knows a source of this name, though the configuration may not.
fn is_source(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM orders WHERE source = ?1)
        OR EXISTS (SELECT 1 FROM refusals WHERE source = ?1) OR EXISTS (SELECT 1 FROM signs_of_life WHERE source = ?1)";
    connection.prepare_cached(sql)?.query_row([name], |row| row.get(0))
}

/// The sources that have an event about an order of this number; `source/number` names one of them.
fn by_number(connection: &Connection, asked: &str) -> rusqlite::Result<Vec<(String, String)>> {
    // There is no index by number alone, and no need of one: sources are few, and each step goes from one to the next.
    let sql = "WITH RECURSIVE known (source) AS (
            SELECT min(source) FROM events WHERE order_number IS NOT NULL
            UNION ALL
            SELECT (SELECT min(source) FROM events WHERE order_number IS NOT NULL AND source > known.source)
            FROM known WHERE known.source IS NOT NULL)
        SELECT source FROM known WHERE source IS NOT NULL";
    let mut select = connection.prepare_cached(sql)?;
    let sources: Vec<String> = select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let sql = "SELECT EXISTS (SELECT 1 FROM events WHERE source = ?1 AND order_number = ?2)";
    let mut look = connection.prepare_cached(sql)?;
    let mut numbers = Vec::new();
    for source in sources {
        let of_source = asked.strip_prefix(&source).and_then(|rest| rest.strip_prefix('/'));
        let number = of_source.unwrap_or(asked).to_owned();
        if look.query_row(params![source, number], |row| row.get(0))? {
            numbers.push((source, number));
        }
    }
    Ok(numbers)
}

/// The newest orders of a short number, which platforms use again and again.
fn by_short_number(connection: &Connection, number: &str) -> rusqlite::Result<(Vec<(String, String)>, u64)> {
    let written = format!("\"short_number\":{}", rows::to_json(&number)?);
    let sql = "SELECT source, number, body FROM orders WHERE instr(body, ?1) > 0 ORDER BY seq DESC";
    let mut select = connection.prepare_cached(sql)?;
    let mut found = select.query([written])?;
    let (mut numbers, mut more) = (Vec::new(), 0);
    while let Some(row) = found.next()? {
        // A buyer's words could hold it as well.
        let order: Order = rows::of_json(2, row.get_ref(2)?.as_str()?)?;
        if order.short_number.as_deref() != Some(number) {
            continue;
        }
        match numbers.len() < SHOWN {
            true => numbers.push((row.get(0)?, row.get(1)?)),
            false => more += 1,
        }
    }
    Ok((numbers, more))
}

/// The first and the last id that begin like this; `None` for what is no beginning of an id.
pub fn range(text: &str) -> Option<[[u8; 16]; 2]> {
    let digits: String = text.chars().filter(|letter| *letter != '-').collect();
    let is_id = (SHORTEST_ID..=32).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let end = |fill: char| {
        let mut bytes = [0; 16];
        let filled: String = digits.chars().chain(std::iter::repeat(fill)).take(32).collect();
        hex::decode_to_slice(filled, &mut bytes).ok().map(|()| bytes)
    };
    Some([end('0').filter(|_| is_id)?, end('f')?])
}

fn of_ids(connection: &Connection, [first, last]: &[[u8; 16]; 2]) -> rusqlite::Result<FoundId> {
    let sql = "SELECT id, kind, order_number FROM events WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3";
    let mut select = connection.prepare_cached(sql)?;
    let events = select.query_map(params![first, last, CANDIDATES], |row| {
        let id = rows::uuid(0, row.get_ref(0)?.as_blob()?)?;
        Ok((id, IdMatch { id: id.to_string(), kind: row.get(1)?, order: row.get(2)?, channel: None }))
    })?;
    let events: Vec<_> = events.collect::<rusqlite::Result<_>>()?;
    let sql =
        "SELECT d.id, d.event, e.kind, e.order_number, d.channel FROM deliveries d JOIN events e ON e.id = d.event
        WHERE d.id BETWEEN ?1 AND ?2 ORDER BY d.id LIMIT ?3";
    let mut select = connection.prepare_cached(sql)?;
    let deliveries = select.query_map(params![first, last, CANDIDATES], |row| {
        let (id, event) = (rows::uuid(0, row.get_ref(0)?.as_blob()?)?, rows::uuid(1, row.get_ref(1)?.as_blob()?)?);
        let channel = row.get(4)?;
        Ok((id, event, IdMatch { id: id.to_string(), kind: row.get(2)?, order: row.get(3)?, channel }))
    })?;
    let deliveries: Vec<_> = deliveries.collect::<rusqlite::Result<_>>()?;
    Ok(match (events.as_slice(), deliveries.as_slice()) {
        ([], []) => FoundId::Nothing,
        ([], [(id, event, _)]) => FoundId::Delivery(DeliveryId(*id), EventId(*event)),
        // An event and its deliveries are made in one moment, so their ids begin alike.
        ([(id, _)], all) if all.iter().all(|(_, event, _)| event == id) => FoundId::Event(EventId(*id)),
        _ => {
            let events = events.into_iter().map(|(_, candidate)| candidate);
            FoundId::Several(events.chain(deliveries.into_iter().map(|(_, _, candidate)| candidate)).collect())
        }
    })
}

/// What a text is that a person took for the id of a delivery: an event, or an order of this number.
pub fn mistaken(connection: &Connection, text: &str) -> rusqlite::Result<Option<&'static str>> {
    if let Some([first, last]) = range(text) {
        let sql = "SELECT 1 FROM events WHERE id BETWEEN ?1 AND ?2";
        if connection.prepare_cached(sql)?.query_row(params![first, last], |_| Ok(())).optional()?.is_some() {
            return Ok(Some("an event"));
        }
    }
    let (short, _) = by_short_number(connection, text.trim_start_matches('#'))?;
    let known = !short.is_empty() || !by_number(connection, text)?.is_empty();
    Ok(known.then_some("an order"))
}
