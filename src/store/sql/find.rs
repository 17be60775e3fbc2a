//! Finding what a person means: an order by its number, an event or a delivery by the beginning of its id, a source, a report.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::domain::event::{DeliveryId, Event, EventId};
use crate::store::history::found::{IdMatch, Question};
use crate::store::sql::{Connection, Result, params};

/// An id may be shortened to so many digits; fewer are too easily another one's.
pub const SHORTEST_ID: usize = 8;
/// How the kinds of reports begin.
const REPORTS: &str = "report.";
/// So many orders of one short number are shown, and so many candidates for an id.
const SHOWN: usize = 5;
const CANDIDATES: u32 = 20;
/// Among so many of what nobody proved is looked for a short number: each has to be unpacked.
const LOOKED_INTO: u32 = 1_000;

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

pub fn meant(connection: &dyn Connection, question: &Question) -> Result<FoundId> {
    let asked = question.asked.trim();
    if question.sources.iter().any(|source| source == asked) || is_source(connection, asked)? {
        return Ok(FoundId::Source(asked.to_owned()));
    }
    if let Some(report) = asked.strip_prefix(REPORTS).filter(|name| !name.is_empty()) {
        return Ok(FoundId::Report(report.to_owned()));
    }
    let number = number(asked);
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
    let (numbers, more) = newest_few(by_short_number(connection, number)?);
    Ok(if numbers.is_empty() { FoundId::Nothing } else { FoundId::Orders { numbers, more } })
}

/// Whether the store knows a source of this name, though the configuration may not.
fn is_source(connection: &dyn Connection, name: &str) -> Result<bool> {
    // In the sequence of an index, which is gone to at once whatever a database believes of how many there are.
    let sql = "SELECT (SELECT number FROM orders WHERE source = ?1 ORDER BY number LIMIT 1) IS NOT NULL
        OR (SELECT at FROM refusals WHERE source = ?1 ORDER BY at LIMIT 1) IS NOT NULL
        OR (SELECT at FROM signs_of_life WHERE source = ?1) IS NOT NULL";
    connection.one(sql, params![name], |row| row.get(0))
}

/// The sources that have an event about an order of this number. `source/number` is that order, whatever else is called so.
pub fn by_number(connection: &dyn Connection, asked: &str) -> Result<Vec<(String, String)>> {
    // There is no index by number alone, and no need of one: sources are few, and each step goes from one to the next.
    let sql = "WITH RECURSIVE known (source) AS (
            SELECT min(source) FROM events WHERE order_number IS NOT NULL
            UNION ALL
            SELECT (SELECT min(source) FROM events WHERE order_number IS NOT NULL AND source > known.source)
            FROM known WHERE known.source IS NOT NULL)
        SELECT source FROM known WHERE source IS NOT NULL";
    let sources: Vec<String> = connection.all(sql, &[], |row| row.get(0))?;
    let sql = "SELECT 1 FROM events WHERE source = ?1 AND order_number = ?2 LIMIT 1";
    let mut numbers = [Vec::new(), Vec::new()];
    for source in sources {
        let of_source = asked.strip_prefix(&source).and_then(|rest| rest.strip_prefix('/'));
        for (found, number) in numbers.iter_mut().zip([of_source, Some(asked)]) {
            let Some(number) = number else { continue };
            if connection.exists(sql, params![source, number])? {
                found.push((source.clone(), number.to_owned()));
            }
        }
    }
    let [of_source, bare] = numbers;
    Ok(if of_source.is_empty() { bare } else { of_source })
}

/// The first few orders, and how many more there are.
pub fn newest_few(mut orders: Vec<(String, String)>) -> (Vec<(String, String)>, u64) {
    let more = orders.len().saturating_sub(SHOWN) as u64;
    orders.truncate(SHOWN);
    (orders, more)
}

/// The orders of a short number, which platforms use again and again; the newest first.
pub fn by_short_number(connection: &dyn Connection, number: &str) -> Result<Vec<(String, String)>> {
    let sql = "SELECT source, number FROM orders WHERE short_number = ?1 ORDER BY seq DESC";
    let known = connection.all(sql, params![number], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if known.is_empty() { unproven_by_short_number(connection, number) } else { Ok(known) }
}

/// What nobody proved makes no order; of that, the newest.
fn unproven_by_short_number(connection: &dyn Connection, number: &str) -> Result<Vec<(String, String)>> {
    let sql = "SELECT newest.source, newest.order_number, newest.packed FROM (
        SELECT received_at, seq, source, order_number, packed FROM events INDEXED BY events_unproven
        WHERE received_at >= ?1 AND unproven = 1 ORDER BY received_at DESC LIMIT ?2) newest
        WHERE newest.order_number IS NOT NULL ORDER BY newest.received_at DESC, newest.seq DESC";
    let (mut all, mut known) = (Vec::new(), BTreeSet::new());
    connection.query(sql, params![i64::MIN, LOOKED_INTO], &mut |row| {
        let order: (String, String) = (row.get(0)?, row.get(1)?);
        let event: Event = row.packed(2)?;
        let is_it = event.order.is_some_and(|order| order.short_number.as_deref() == Some(number));
        if is_it && known.insert(order.clone()) {
            all.push(order);
        }
        Ok(())
    })?;
    Ok(all)
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

/// The events whose ids are within a range, the first few.
pub fn events(connection: &dyn Connection, [first, last]: &[[u8; 16]; 2]) -> Result<Vec<(Uuid, IdMatch)>> {
    let sql = "SELECT id, kind, order_number FROM events WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3";
    connection.all(sql, params![first, last, CANDIDATES], |row| {
        let id: Uuid = row.get(0)?;
        Ok((id, IdMatch { id: id.to_string(), kind: row.get(1)?, order: row.get(2)?, channel: None }))
    })
}

/// The deliveries whose ids are within a range, the first few, each with its event.
pub fn candidates(connection: &dyn Connection, [first, last]: &[[u8; 16]; 2]) -> Result<Vec<(Uuid, Uuid, IdMatch)>> {
    let sql =
        "SELECT d.id, d.event, e.kind, e.order_number, d.channel FROM deliveries d JOIN events e ON e.id = d.event
        WHERE d.id BETWEEN ?1 AND ?2 ORDER BY d.id LIMIT ?3";
    connection.all(sql, params![first, last, CANDIDATES], |row| {
        let (id, event): (Uuid, Uuid) = (row.get(0)?, row.get(1)?);
        let channel = row.get(4)?;
        Ok((id, event, IdMatch { id: id.to_string(), kind: row.get(2)?, order: row.get(3)?, channel }))
    })
}

fn of_ids(connection: &dyn Connection, range: &[[u8; 16]; 2]) -> Result<FoundId> {
    let (events, deliveries) = (events(connection, range)?, candidates(connection, range)?);
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

/// The orders of this number or short number, source and number of each.
pub fn orders(connection: &dyn Connection, asked: &str) -> Result<Vec<(String, String)>> {
    let number = number(asked);
    let numbers = by_number(connection, number)?;
    if numbers.is_empty() { by_short_number(connection, number) } else { Ok(numbers) }
}

/// What may be the number of an order, without the sign of a short one.
pub fn number(asked: &str) -> &str {
    let asked = asked.trim();
    asked.strip_prefix('#').unwrap_or(asked)
}

/// An id as far as it has to be written to be no other event's or delivery's.
pub fn short(connection: &dyn Connection, id: Uuid) -> Result<String> {
    let sql = "SELECT (SELECT id FROM events WHERE id < ?1 ORDER BY id DESC LIMIT 1),
        (SELECT id FROM events WHERE id > ?1 ORDER BY id LIMIT 1),
        (SELECT id FROM deliveries WHERE id < ?1 ORDER BY id DESC LIMIT 1),
        (SELECT id FROM deliveries WHERE id > ?1 ORDER BY id LIMIT 1)";
    let neighbours: [Option<Uuid>; 4] =
        connection.one(sql, params![id], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?;
    let mut digits = SHORTEST_ID;
    for neighbour in neighbours.into_iter().flatten() {
        let alike = neighbour.as_u128() ^ id.as_u128();
        digits = digits.max(alike.leading_zeros() as usize / 4 + 1);
    }
    let mut left = digits;
    let written = id.to_string();
    let end = written.find(|letter: char| {
        let is_beyond = left == 0;
        left -= usize::from(letter != '-' && !is_beyond);
        is_beyond
    });
    Ok(written[..end.unwrap_or(written.len())].trim_end_matches('-').to_owned())
}
