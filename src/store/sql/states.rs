//! How channels and sources stand: how much waits for a channel, and what came of a source's webhooks. Counts stop somewhere, so
//! that none takes long.

use jiff::Timestamp;

use crate::domain::event::{Event, SignatureCheck};
use crate::store::history::pages::{BelievedWebhook, COUNTED, ChannelLoad, SourceCounts, SourceState};
use crate::store::sql::report::service_health::quarter;
use crate::store::sql::{Connection, Result, due, params};

/// Of the newest events of all sources, so many are counted.
const COUNTED_EVENTS: u32 = 100_000;
/// And among so many is looked for the newest one of a source.
pub const LOOKED_AT: u32 = 10_000;

pub fn of_channel(connection: &dyn Connection, channel: &str) -> Result<ChannelLoad> {
    let sql = "SELECT count(*) FROM (
        SELECT 1 FROM deliveries WHERE channel = ?1 AND state = 'waiting' AND digest IS NULL LIMIT ?2) counted";
    let waiting = connection.one(sql, params![channel, COUNTED], |row| row.get(0))?;
    let sql = "SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE channel = ?1 AND state = 'dead' LIMIT ?2) counted";
    let dead = connection.one(sql, params![channel, COUNTED], |row| row.get(0))?;
    let sql = "SELECT at FROM last_yes WHERE channel = ?1";
    let accepted_at = connection.optional(sql, params![channel], |row| row.get(0))?;
    Ok(ChannelLoad { waiting, due_at: due::next_due(connection, channel)?, dead, accepted_at })
}

pub fn of_source(connection: &dyn Connection, source: &str, since: Timestamp) -> Result<SourceState> {
    let sql = "SELECT at FROM signs_of_life WHERE source = ?1";
    let active_at = connection.optional(sql, params![source], |row| row.get(0))?;
    let sql = "SELECT at, reason FROM refusals WHERE source = ?1 ORDER BY at DESC LIMIT 1";
    let refused = connection.optional(sql, params![source], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let believed = newest_believed(connection, source)?;
    let noted = believed.as_ref().map(|webhook| webhook.at);
    Ok(SourceState { counts: counts(connection, source, since)?, believed, active_at: active_at.max(noted), refused })
}

fn counts(connection: &dyn Connection, source: &str, since: Timestamp) -> Result<SourceCounts> {
    let sql = "SELECT count(*) FROM (
        SELECT source FROM events INDEXED BY events_by_arrival
        WHERE received_at >= ?1 ORDER BY received_at DESC LIMIT ?3) counted WHERE counted.source = ?2";
    let all: u64 = connection.one(sql, params![since, source, COUNTED_EVENTS], |row| row.get(0))?;
    let sql = "SELECT count(*) FROM (
        SELECT source FROM events INDEXED BY events_unproven
        WHERE received_at >= ?1 AND unproven = 1 ORDER BY received_at DESC LIMIT ?3) counted WHERE counted.source = ?2";
    let unproven: u64 = connection.one(sql, params![since, source, COUNTED_EVENTS], |row| row.get(0))?;
    let sum = |sql: &str| connection.one(sql, params![quarter(since), source], |row| row.get(0));
    Ok(SourceCounts {
        believed: all.saturating_sub(unproven),
        unproven,
        refused: sum(
            "SELECT CAST(coalesce(sum(count), 0) AS BIGINT) FROM refusal_tally WHERE quarter >= ?1 AND source = ?2",
        )?,
        duplicates: sum(
            "SELECT CAST(coalesce(sum(count), 0) AS BIGINT) FROM repeat_tally WHERE quarter >= ?1 AND source = ?2",
        )?,
    })
}

fn newest_believed(connection: &dyn Connection, source: &str) -> Result<Option<BelievedWebhook>> {
    let sql = "SELECT newest.seq FROM (
        SELECT seq, source, unproven FROM events WHERE seq < ?2 ORDER BY seq DESC LIMIT ?3) newest
        WHERE newest.source = ?1 AND newest.unproven = 0 ORDER BY newest.seq DESC LIMIT 1";
    let newest: Option<i64> = connection.optional(sql, params![source, i64::MAX, LOOKED_AT], |row| row.get(0))?;
    let Some(seq) = newest else { return Ok(None) };
    connection.optional("SELECT packed FROM events WHERE seq = ?1", params![seq], |row| {
        let event: Event = row.packed(0)?;
        let recipe = match event.proof {
            SignatureCheck::Valid(recipe) => Some(recipe),
            SignatureCheck::Invalid | SignatureCheck::Own => None,
        };
        Ok(BelievedWebhook { event: event.id, kind: event.kind.to_string(), at: event.received_at, recipe })
    })
}
