//! The conversion of a store that an older version wrote: its events and orders move to the tables of today in many steps, each
//! of them a commit, so that it takes little memory and goes on after a crash where it was.

use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};
use serde_json::Value;

use crate::store::recording::packed;

/// So many rows move in one step, unless they are large.
const ROWS: u32 = 2_000;
/// So much of what is moved is enough for one step, in bytes.
const BYTES: usize = 16 << 20;

/// How far the conversion has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The number of the last event that was converted.
    pub done: i64,
    /// The number of the last event.
    pub all: i64,
}

/// How far it has come; `None` when there is nothing to convert.
///
/// # Errors
/// As SQLite says it.
pub fn progress(connection: &Connection) -> rusqlite::Result<Option<Progress>> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'events_of_schema_7')";
    if !connection.query_row(sql, [], |row| row.get(0))? {
        return Ok(None);
    }
    // The first of what is left, and the last of all, which may be converted already.
    let left = "SELECT min(seq), coalesce(max(seq), (SELECT max(seq) FROM events), 0) FROM events_of_schema_7";
    let (first, all): (Option<i64>, i64) = connection.query_row(left, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Some(Progress { done: first.map_or(all, |first| first - 1), all }))
}

/// Converts some more. Answers how far it has come; `None` when all is done.
///
/// # Errors
/// As SQLite says it: nothing of this step was done.
pub fn step(connection: &mut Connection) -> rusqlite::Result<Option<Progress>> {
    if progress(connection)?.is_none() {
        return Ok(None);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !events(&transaction)? && !orders(&transaction)? {
        transaction.execute_batch("DROP TABLE events_of_schema_7; DROP TABLE orders_of_schema_7")?;
    }
    transaction.commit()?;
    progress(connection)
}

/// Answers whether there were any.
fn events(transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
    let select = "SELECT seq, event, repeat_keys, body FROM events_of_schema_7 ORDER BY seq LIMIT ?1";
    let insert = "INSERT INTO events
            (seq, id, received_at, kind, source, order_number, repeats, last_repeat_at, routes, shop, unproven, packed)
        SELECT seq, id, received_at, kind, source, order_number, repeats, last_repeat_at, routes, ?2, ?3, ?4
        FROM events_of_schema_7 WHERE seq = ?1";
    let mut insert = transaction.prepare_cached(insert)?;
    let moved = through(transaction, select, |seq, row| {
        let (event, keys, body) = (row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?, row.get_ref(3)?.as_blob()?);
        let packed = packed::pack(&[event.as_bytes(), keys.as_bytes(), body]);
        // What only another version can read has neither.
        let value: Value = serde_json::from_str(event).unwrap_or_default();
        insert.execute(params![seq, value["shop"]["id"].as_str(), value["proof"] == "unproven", packed])?;
        Ok(event.len() + body.len())
    })?;
    forget(transaction, "DELETE FROM events_of_schema_7 WHERE seq <= ?1", moved)
}

/// Answers whether there were any.
fn orders(transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
    let select = "SELECT seq, body FROM orders_of_schema_7 ORDER BY seq LIMIT ?1";
    let insert = "INSERT INTO orders (seq, source, number, day_at, short_number, packed)
        SELECT seq, source, number, day_at, ?2, ?3 FROM orders_of_schema_7 WHERE seq = ?1";
    let mut insert = transaction.prepare_cached(insert)?;
    let moved = through(transaction, select, |seq, row| {
        let body = row.get_ref(1)?.as_str()?;
        let value: Value = serde_json::from_str(body).unwrap_or_default();
        insert.execute(params![seq, value["short_number"].as_str(), packed::pack(&[body.as_bytes()])])?;
        Ok(body.len())
    })?;
    forget(transaction, "DELETE FROM orders_of_schema_7 WHERE seq <= ?1", moved)
}

/// Removes what was moved, up to the last of it. Answers whether there was anything.
fn forget(transaction: &Transaction<'_>, delete: &str, last: Option<i64>) -> rusqlite::Result<bool> {
    match last {
        Some(last) => transaction.prepare_cached(delete)?.execute([last]).map(|_| true),
        None => Ok(false),
    }
}

/// Takes the rows of one step, the first column of which is their number; `take` answers how large each is. Answers the last
/// number.
fn through(
    transaction: &Transaction<'_>,
    select: &str,
    mut take: impl FnMut(i64, &Row<'_>) -> rusqlite::Result<usize>,
) -> rusqlite::Result<Option<i64>> {
    let mut select = transaction.prepare_cached(select)?;
    let mut found = select.query([ROWS])?;
    let (mut last, mut bytes) = (None, 0);
    while bytes < BYTES
        && let Some(row) = found.next()?
    {
        let seq = row.get(0)?;
        bytes += take(seq, row)?;
        last = Some(seq);
    }
    Ok(last)
}
