//! Webhooks that were refused: the newest of each source, for whoever misses one.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::store::ingest::RefusedWebhook;
use crate::store::sqlite::report::service_health;
use crate::store::sqlite::rows;

/// So many of a source are kept, the newest.
const KEPT: u32 = 5000;

pub fn note(connection: &Connection, refused: &[RefusedWebhook]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO refusals (source, at, reason, bytes, count) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut insert = connection.prepare_cached(sql)?;
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    for RefusedWebhook { source, at, reason, bytes, count } in refused {
        insert.execute(params![source, rows::to_millisecond(*at), reason, number(*bytes), number(*count)])?;
        service_health::tally_refusals(connection, source, *at, number(*count))?;
    }
    let mut sources: Vec<&str> = refused.iter().map(|refused| refused.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    let sql = "DELETE FROM refusals WHERE source = ?1 AND seq IN
        (SELECT seq FROM refusals WHERE source = ?1 ORDER BY at DESC, seq DESC LIMIT -1 OFFSET ?2)";
    let mut forget = connection.prepare_cached(sql)?;
    for source in sources {
        forget.execute(params![source, KEPT])?;
    }
    Ok(())
}

/// Removes what is older than `before`, also of sources that there are no more.
pub fn prune(connection: &Connection, before: Timestamp) -> rusqlite::Result<()> {
    let sql = "DELETE FROM refusals WHERE at < ?1";
    connection.prepare_cached(sql)?.execute([rows::to_millisecond(before)]).map(drop)
}
