//! The table of dedupe keys: by them a webhook is known that comes again.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::event::EventId;
use crate::store::recording::known::{Known, KnownKey, RowKey};
use crate::store::recording::repeats;
use crate::store::sql::{Connection, Result, params};

/// Looks keys up, and adds those that are there to what is known.
pub fn load(connection: &dyn Connection, names: &BTreeSet<RowKey>, known: &mut Known) -> Result<()> {
    let sql = "SELECT event, content, at FROM repeat_keys WHERE source = ?1 AND key = ?2";
    // In the sequence of the table, so that neighbours are found on one page.
    let given: Vec<_> = names.iter().map(|(source, key)| params![source, key].to_vec()).collect();
    let names: Vec<&RowKey> = names.iter().collect();
    connection.query_many(sql, &given, &mut |place, row| {
        let key = KnownKey { event: row.get(0)?, content: row.get(1)?, at: row.get(2)? };
        known.add_key(names[place].clone(), key);
        Ok(())
    })
}

/// Writes keys, be they new or another event's so far.
pub fn put(connection: &dyn Connection, keys: &BTreeMap<RowKey, KnownKey>) -> Result<()> {
    let sql = "INSERT INTO repeat_keys (source, key, event, content, at) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (source, key) DO UPDATE SET event = excluded.event, content = excluded.content, at = excluded.at";
    let rows = keys
        .iter()
        .map(|((source, key), KnownKey { event, content, at })| params![source, key, event, content, at].to_vec());
    connection.execute_many(sql, &rows.collect::<Vec<_>>())
}

/// Forgets the key of an event that is removed, and what stands below it, unless the key is a newer event's by now.
pub fn forget(connection: &dyn Connection, source: &str, key: &str, event: EventId) -> Result<()> {
    let sql = "DELETE FROM repeat_keys WHERE source = ?1 AND key = ?2 AND event = ?3";
    if connection.execute(sql, params![source, key, event])? == 1 {
        let sql = "DELETE FROM repeat_keys WHERE source = ?1 AND key > ?2 AND key < ?3";
        let (from, until) = repeats::range_below(key);
        connection.execute(sql, params![source, from, until])?;
    }
    Ok(())
}
