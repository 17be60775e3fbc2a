//! Retention: old events go in small steps, and never one that is still to be delivered.

use jiff::Timestamp;

use crate::domain::event::EventId;
use crate::store::sql::{Connection, Result, dedupe, params, refusals, report, rows};

/// What one step did.
pub struct Pruned {
    pub removed: u64,
    /// The number of the last event that was looked at; `None` when no older one is left.
    pub next: Option<i64>,
}

struct Old {
    seq: i64,
    id: EventId,
    source: String,
    order_number: Option<String>,
    received_at: Timestamp,
    /// The keys of its rows in the table of dedupe keys.
    dedupe_keys: Vec<String>,
}

pub fn prune(connection: &dyn Connection, before: Timestamp, after_seq: i64, steps: u32) -> Result<Pruned> {
    if after_seq == 0 {
        refusals::prune(connection, before)?;
        report::prune(connection, before)?;
    }
    let sql =
        "SELECT seq, id, source, order_number, packed, received_at FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let found = connection.all(sql, params![after_seq, steps], |row| {
        Ok(Old {
            seq: row.get(0)?,
            id: row.get(1)?,
            source: row.get(2)?,
            order_number: row.get(3)?,
            received_at: row.get(5)?,
            dedupe_keys: rows::part(4, &row.unpacked(4)?, 1)?,
        })
    })?;
    let mut pruned = Pruned { removed: 0, next: None };
    for old in found {
        if old.received_at.as_millisecond() >= before.as_millisecond() {
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

fn is_awaited(connection: &dyn Connection, old: &Old) -> Result<bool> {
    // A dead one is undelivered too: it stays until a person has dealt with it.
    let sql = "SELECT 1 FROM deliveries WHERE event = ?1 AND state IN ('waiting', 'dead')";
    connection.exists(sql, params![old.id])
}

fn remove(connection: &dyn Connection, old: &Old) -> Result<()> {
    let run = |sql: &str| connection.execute(sql, params![old.id]);
    run("DELETE FROM parts WHERE delivery IN (SELECT id FROM deliveries WHERE event = ?1)")?;
    run("DELETE FROM attempts WHERE delivery IN (SELECT id FROM deliveries WHERE event = ?1)")?;
    run("DELETE FROM steps WHERE delivery IN (SELECT id FROM deliveries WHERE event = ?1)")?;
    run("DELETE FROM deliveries WHERE event = ?1")?;
    for key in &old.dedupe_keys {
        dedupe::forget(connection, &old.source, key, old.id)?;
    }
    run("DELETE FROM events WHERE id = ?1")?;
    if let Some(number) = &old.order_number {
        let sql = "SELECT 1 FROM events WHERE source = ?1 AND order_number = ?2 LIMIT 1";
        if !connection.exists(sql, params![old.source, number])? {
            let sql = "DELETE FROM orders WHERE source = ?1 AND number = ?2";
            connection.execute(sql, params![old.source, number])?;
        }
    }
    Ok(())
}
