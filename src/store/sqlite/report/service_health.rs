//! What the daily report counts of Orderbell itself: webhooks refused and repeated, deliveries, and the channels.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::domain::figures::facts::Scope;
use crate::domain::report::{LastAccepted, ParkedSince, ServiceHealth, Unproven};
use crate::store::sqlite::rows;

pub const REPEATS: &str =
    "SELECT source, sum(count) FROM repeat_tally WHERE quarter >= ?1 AND quarter < ?2 GROUP BY source";
pub const REFUSED: &str =
    "SELECT source, sum(count) FROM refusal_tally WHERE quarter >= ?1 AND quarter < ?2 GROUP BY source";
pub const UNPROVEN: &str = "SELECT source, count(*) FROM events INDEXED BY events_unproven
    WHERE received_at >= ?1 AND received_at < ?2 AND unproven = 1 GROUP BY source";
// Ids begin with the time of their making. What is delivered was due last when it was; what a digest carried, when that was.
pub const DELIVERIES: &str = "SELECT d.state, count(*),
        sum(d.state IN ('delivered', 'merged') AND coalesce(l.due_at, d.due_at) - d.created_at > 60000)
    FROM deliveries d LEFT JOIN deliveries l ON l.id = d.digest
    WHERE d.id >= ?1 AND d.id < ?2 GROUP BY d.state";
// The same, of one event's source and shop at a time.
pub const DELIVERIES_OF_SOURCES: &str = "SELECT d.state, count(*),
        sum(d.state IN ('delivered', 'merged') AND coalesce(l.due_at, d.due_at) - d.created_at > 60000),
        e.source, e.shop
    FROM deliveries d JOIN events e ON e.id = d.event LEFT JOIN deliveries l ON l.id = d.digest
    WHERE d.id >= ?1 AND d.id < ?2 GROUP BY d.state, e.source, e.shop";

/// A repeat came.
pub fn tally_duplicate(connection: &Connection, source: &str, at: Timestamp) -> rusqlite::Result<()> {
    let sql = "INSERT INTO repeat_tally (quarter, source, count) VALUES (?1, ?2, 1)
               ON CONFLICT (quarter, source) DO UPDATE SET count = count + 1";
    connection.prepare_cached(sql)?.execute(params![quarter(at), source]).map(drop)
}

/// Webhooks were refused.
pub fn tally_refusals(connection: &Connection, source: &str, at: Timestamp, count: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO refusal_tally (quarter, source, count) VALUES (?1, ?2, ?3)
               ON CONFLICT (quarter, source) DO UPDATE SET count = count + excluded.count";
    connection.prepare_cached(sql)?.execute(params![quarter(at), source, count]).map(drop)
}

/// A channel took a message.
pub fn accepted(connection: &Connection, channel: &str, at: Timestamp) -> rusqlite::Result<()> {
    let sql = "INSERT INTO last_yes (channel, at) VALUES (?1, ?2)
               ON CONFLICT (channel) DO UPDATE SET at = max(at, excluded.at)";
    connection.prepare_cached(sql)?.execute(params![channel, rows::to_millisecond(at)]).map(drop)
}

/// How Orderbell did between two moments. A report on some sources or shops says nothing of the others' messages, and nothing of
/// the channels, which are everybody's.
pub fn service_health(
    connection: &Connection,
    scope: &Scope,
    from: Timestamp,
    until: Timestamp,
) -> rusqlite::Result<ServiceHealth> {
    let by_source = |sql: &str, from: i64, until: i64| -> rusqlite::Result<Vec<(String, i64)>> {
        let mut select = connection.prepare_cached(sql)?;
        let found = select.query_map([from, until], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
        let counts: Vec<(String, i64)> = found.collect::<rusqlite::Result<_>>()?;
        Ok(counts.into_iter().filter(|(source, _)| scope.has_source(source)).collect())
    };
    let of_sources = |sql: &str| -> rusqlite::Result<i64> {
        Ok(by_source(sql, quarter(from), quarter(until))?.into_iter().map(|(_, count)| count).sum())
    };
    let unproven = by_source(UNPROVEN, rows::to_millisecond(from), rows::to_millisecond(until))?.into_iter();
    let mut health = ServiceHealth {
        repeats: of_sources(REPEATS)?,
        refused: of_sources(REFUSED)?,
        unproven: unproven.map(|(source, webhooks)| Unproven { source, webhooks }).collect(),
        ..ServiceHealth::default()
    };
    let is_of_all = scope.sources.is_none() && scope.shops.is_none();
    let mut select = connection.prepare_cached(if is_of_all { DELIVERIES } else { DELIVERIES_OF_SOURCES })?;
    let mut found = select.query([first_id(from).to_vec(), first_id(until).to_vec()])?;
    while let Some(row) = found.next()? {
        if !is_of_all {
            let (source, shop): (String, Option<String>) = (row.get(3)?, row.get(4)?);
            if !scope.has(&source, shop.as_deref()) {
                continue;
            }
        }
        let (state, count): (String, i64) = (row.get(0)?, row.get(1)?);
        match state.as_str() {
            "delivered" | "merged" => health.delivered += count,
            "waiting" => health.waiting += count,
            "dead" => health.dead += count,
            _ => {}
        }
        health.late += row.get::<_, i64>(2)?;
    }
    if !is_of_all {
        return Ok(health);
    }
    let mut select =
        connection.prepare_cached("SELECT channel, since, reason FROM parked_channels ORDER BY channel")?;
    let parked = select.query_map([], |row| {
        Ok(ParkedSince { channel: row.get(0)?, since: rows::of_millisecond(1, row.get(1)?)?, reason: row.get(2)? })
    })?;
    health.parked = parked.collect::<rusqlite::Result<_>>()?;
    let mut select = connection.prepare_cached("SELECT channel, at FROM last_yes ORDER BY channel")?;
    let channels = select
        .query_map([], |row| Ok(LastAccepted { channel: row.get(0)?, at: rows::of_millisecond(1, row.get(1)?)? }))?;
    health.channels = channels.collect::<rusqlite::Result<_>>()?;
    Ok(health)
}

/// The lowest id that is made at a moment.
fn first_id(at: Timestamp) -> [u8; 16] {
    let mut id = [0; 16];
    id[..6].copy_from_slice(&rows::to_millisecond(at).to_be_bytes()[2..]);
    id
}

/// Local days begin at quarters of an hour, in every zone.
pub fn quarter(at: Timestamp) -> i64 {
    at.as_second().div_euclid(900)
}
