//! Webhooks that were refused: the newest of each source, for whoever misses one.

use jiff::Timestamp;

use crate::store::ingest::RefusedWebhook;
use crate::store::sql::report::service_health;
use crate::store::sql::{Connection, Result, params};

/// So many of a source are kept, the newest.
const KEPT: u32 = 5000;

pub fn note(connection: &dyn Connection, refused: &[RefusedWebhook]) -> Result<()> {
    let sql = "INSERT INTO refusals (source, at, reason, bytes, count) VALUES (?1, ?2, ?3, ?4, ?5)";
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let rows = refused.iter().map(|RefusedWebhook { source, at, reason, bytes, count }| {
        params![source, at, reason, number(*bytes), number(*count)].to_vec()
    });
    connection.execute_many(sql, &rows.collect::<Vec<_>>())?;
    for RefusedWebhook { source, at, count, .. } in refused {
        service_health::tally_refusals(connection, source, *at, number(*count))?;
    }
    let mut sources: Vec<&str> = refused.iter().map(|refused| refused.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    let sql = "DELETE FROM refusals WHERE source = ?1 AND (at, seq) <= (SELECT newer.at, newer.seq FROM refusals newer
        WHERE newer.source = ?1 ORDER BY newer.at DESC, newer.seq DESC LIMIT 1 OFFSET ?2)";
    let sources: Vec<_> = sources.iter().map(|source| params![source, KEPT].to_vec()).collect();
    connection.execute_many(sql, &sources)
}

/// Removes what is older than `before`, also of sources that there are no more.
pub fn prune(connection: &dyn Connection, before: Timestamp) -> Result<()> {
    let sql = "DELETE FROM refusals WHERE at < ?1";
    connection.execute(sql, params![before]).map(drop)
}
