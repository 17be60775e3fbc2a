//! What the daily report counts of Orderbell itself: webhooks refused and repeated, deliveries, and the channels.

use jiff::Timestamp;

use crate::domain::figures::facts::Scope;
use crate::domain::report::{LastAccepted, ParkedSince, ServiceHealth, Unproven};
use crate::store::sql::{Connection, Result, params};

pub const REPEATS: &str = "SELECT source, CAST(sum(count) AS BIGINT) FROM repeat_tally WHERE quarter >= ?1 AND quarter < ?2 GROUP BY source ORDER BY source";
pub const REFUSED: &str = "SELECT source, CAST(sum(count) AS BIGINT) FROM refusal_tally WHERE quarter >= ?1 AND quarter < ?2 GROUP BY source ORDER BY source";
pub const UNPROVEN: &str = "SELECT source, count(*) FROM events INDEXED BY events_unproven
    WHERE received_at >= ?1 AND received_at < ?2 AND unproven = 1 GROUP BY source ORDER BY source";
// Ids begin with the time of their making. What is delivered was due last when it was; what a digest carried, when that was.
pub const DELIVERIES: &str = "SELECT d.state, count(*),
        count(CASE WHEN d.state IN ('delivered', 'merged') AND coalesce(l.due_at, d.due_at) - d.created_at > 60000 THEN 1 END)
    FROM deliveries d LEFT JOIN deliveries l ON l.id = d.digest
    WHERE d.id >= ?1 AND d.id < ?2 GROUP BY d.state ORDER BY d.state";
// The same, of one event's source and shop at a time.
pub const DELIVERIES_OF_SOURCES: &str = "SELECT d.state, count(*),
        count(CASE WHEN d.state IN ('delivered', 'merged') AND coalesce(l.due_at, d.due_at) - d.created_at > 60000 THEN 1 END),
        e.source, e.shop
    FROM deliveries d JOIN events e ON e.id = d.event LEFT JOIN deliveries l ON l.id = d.digest
    WHERE d.id >= ?1 AND d.id < ?2 GROUP BY d.state, e.source, e.shop ORDER BY d.state, e.source, e.shop NULLS FIRST";

/// A repeat came.
pub fn tally_duplicate(connection: &dyn Connection, source: &str, at: Timestamp) -> Result<()> {
    let sql = "INSERT INTO repeat_tally (quarter, source, count) VALUES (?1, ?2, 1)
               ON CONFLICT (quarter, source) DO UPDATE SET count = repeat_tally.count + 1";
    connection.execute(sql, params![quarter(at), source]).map(drop)
}

/// Webhooks were refused.
pub fn tally_refusals(connection: &dyn Connection, source: &str, at: Timestamp, count: i64) -> Result<()> {
    let sql = "INSERT INTO refusal_tally (quarter, source, count) VALUES (?1, ?2, ?3)
               ON CONFLICT (quarter, source) DO UPDATE SET count = refusal_tally.count + excluded.count";
    connection.execute(sql, params![quarter(at), source, count]).map(drop)
}

/// A channel took a message.
pub fn accepted(connection: &dyn Connection, channel: &str, at: Timestamp) -> Result<()> {
    let sql = "INSERT INTO last_yes (channel, at) VALUES (?1, ?2)
               ON CONFLICT (channel) DO UPDATE SET at = excluded.at WHERE last_yes.at < excluded.at";
    connection.execute(sql, params![channel, at]).map(drop)
}

/// How Orderbell did between two moments. A report on some sources or shops says nothing of the others' messages, and nothing of
/// the channels, which are everybody's.
pub fn service_health(
    connection: &dyn Connection,
    scope: &Scope,
    from: Timestamp,
    until: Timestamp,
) -> Result<ServiceHealth> {
    let by_source = |sql: &str, from: i64, until: i64| -> Result<Vec<(String, i64)>> {
        let counts = connection.all(sql, params![from, until], |row| Ok((row.get::<String>(0)?, row.get(1)?)))?;
        Ok(counts.into_iter().filter(|(source, _)| scope.has_source(source)).collect())
    };
    let of_sources = |sql: &str| -> Result<i64> {
        Ok(by_source(sql, quarter(from), quarter(until))?.into_iter().map(|(_, count)| count).sum())
    };
    let unproven = by_source(UNPROVEN, from.as_millisecond(), until.as_millisecond())?.into_iter();
    let mut health = ServiceHealth {
        repeats: of_sources(REPEATS)?,
        refused: of_sources(REFUSED)?,
        unproven: unproven.map(|(source, webhooks)| Unproven { source, webhooks }).collect(),
        ..ServiceHealth::default()
    };
    let is_of_all = scope.sources.is_none() && scope.shops.is_none();
    let deliveries = if is_of_all { DELIVERIES } else { DELIVERIES_OF_SOURCES };
    connection.query(deliveries, params![first_id(from), first_id(until)], &mut |row| {
        if !is_of_all && !scope.has(row.get(3)?, row.get(4)?) {
            return Ok(());
        }
        let count: i64 = row.get(1)?;
        match row.get(0)? {
            "delivered" | "merged" => health.delivered += count,
            "waiting" => health.waiting += count,
            "dead" => health.dead += count,
            _ => {}
        }
        health.late += row.get::<i64>(2)?;
        Ok(())
    })?;
    if !is_of_all {
        return Ok(health);
    }
    let sql = "SELECT channel, since, reason FROM parked_channels ORDER BY channel";
    health.parked = connection
        .all(sql, &[], |row| Ok(ParkedSince { channel: row.get(0)?, since: row.get(1)?, reason: row.get(2)? }))?;
    let sql = "SELECT channel, at FROM last_yes ORDER BY channel";
    health.channels = connection.all(sql, &[], |row| Ok(LastAccepted { channel: row.get(0)?, at: row.get(1)? }))?;
    Ok(health)
}

/// The lowest id that is made at a moment.
fn first_id(at: Timestamp) -> [u8; 16] {
    let mut id = [0; 16];
    id[..6].copy_from_slice(&at.as_millisecond().to_be_bytes()[2..]);
    id
}

/// Local days begin at quarters of an hour, in every zone.
pub fn quarter(at: Timestamp) -> i64 {
    at.as_second().div_euclid(900)
}
