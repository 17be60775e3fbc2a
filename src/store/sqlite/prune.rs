//! Retention: old events go in small steps, and never one that is still to be delivered.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::event::EventId;
use crate::store::sql::dedupe;
use crate::store::sqlite::{refusals, report, rows};

/// What one step did.
pub struct Pruned {
    pub removed: u64,
    /// The number of the last event that was looked at; `None` when no older one is left.
    pub next: Option<i64>,
}

struct Old {
    seq: i64,
    id: Vec<u8>,
    source: String,
    order_number: Option<String>,
    dedupe_keys: Vec<String>,
}

pub fn prune(connection: &Connection, before: Timestamp, after_seq: i64, steps: u32) -> rusqlite::Result<Pruned> {
    if after_seq == 0 {
        refusals::prune(connection, before)?;
        report::prune(connection, before)?;
    }
    let sql =
        "SELECT seq, id, source, order_number, packed, received_at FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_map(params![after_seq, steps], |row| {
        let old = Old {
            seq: row.get(0)?,
            id: row.get(1)?,
            source: row.get(2)?,
            order_number: row.get(3)?,
            dedupe_keys: rows::dedupe_keys(4, row.get_ref(4)?.as_blob()?)?,
        };
        Ok((old, row.get::<_, i64>(5)?))
    })?;
    let mut pruned = Pruned { removed: 0, next: None };
    for row in found {
        let (old, received_at) = row?;
        if received_at >= rows::to_millisecond(before) {
            pruned.next = None;
            break;
        }
        pruned.next = Some(old.seq);
        if !is_awaited(connection, &old)? {
            remove(connection, &old)?;
            pruned.removed += 1;
        }
    }
    Ok(pruned)
}

fn is_awaited(connection: &Connection, old: &Old) -> rusqlite::Result<bool> {
    // A dead one is undelivered too: it stays until a person has dealt with it.
    let sql = "SELECT 1 FROM deliveries WHERE event = ?1 AND state IN ('waiting', 'dead')";
    connection.prepare_cached(sql)?.exists(params![old.id])
}

fn remove(connection: &Connection, old: &Old) -> rusqlite::Result<()> {
    let run = |sql: &str| connection.prepare_cached(sql)?.execute(params![old.id]);
    run("DELETE FROM parts WHERE delivery IN (SELECT id FROM deliveries WHERE event = ?1)")?;
    run("DELETE FROM attempts WHERE delivery IN (SELECT id FROM deliveries WHERE event = ?1)")?;
    run("DELETE FROM steps WHERE delivery IN (SELECT id FROM deliveries WHERE event = ?1)")?;
    run("DELETE FROM deliveries WHERE event = ?1")?;
    for key in &old.dedupe_keys {
        dedupe::forget(connection, &old.source, key, EventId(rows::uuid(1, &old.id)?))?;
    }
    run("DELETE FROM events WHERE id = ?1")?;
    if let Some(number) = &old.order_number {
        let sql = "SELECT 1 FROM events WHERE source = ?1 AND order_number = ?2 LIMIT 1";
        let another = connection.prepare_cached(sql)?.query_row(params![old.source, number], |_| Ok(())).optional()?;
        if another.is_none() {
            let sql = "DELETE FROM orders WHERE source = ?1 AND number = ?2";
            connection.prepare_cached(sql)?.execute(params![old.source, number])?;
        }
    }
    Ok(())
}
