//! The table of dedupe keys: by them a webhook is known that comes again.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::event::EventId;
use crate::store::recording::known::{KnownKey, RowKey};
use crate::store::recording::repeats;
use crate::store::sqlite::rows;

pub fn row(connection: &Connection, (source, key): &RowKey) -> rusqlite::Result<Option<KnownKey>> {
    let sql = "SELECT event, content, at FROM repeat_keys WHERE source = ?1 AND key = ?2";
    let read = |row: &rusqlite::Row<'_>| {
        let event = EventId(rows::uuid(0, row.get_ref(0)?.as_blob()?)?);
        Ok(KnownKey { event, content: row.get(1)?, at: rows::of_millisecond(2, row.get(2)?)? })
    };
    connection.prepare_cached(sql)?.query_row(params![source, key], read).optional()
}

/// Writes keys, be they new or another event's so far.
pub fn put(connection: &Connection, keys: &BTreeMap<RowKey, KnownKey>) -> rusqlite::Result<()> {
    let sql = "INSERT INTO repeat_keys (source, key, event, content, at) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (source, key) DO UPDATE SET event = excluded.event, content = excluded.content, at = excluded.at";
    let mut insert = connection.prepare_cached(sql)?;
    for ((source, key), KnownKey { event, content, at }) in keys {
        insert.execute(params![source, key, event.0.as_bytes(), content, rows::to_millisecond(*at)])?;
    }
    Ok(())
}

/// Forgets the key of an event that is removed, and what stands below it, unless the key is a newer event's by now.
pub fn forget(connection: &Connection, source: &str, key: &str, event: &[u8]) -> rusqlite::Result<()> {
    let sql = "DELETE FROM repeat_keys WHERE source = ?1 AND key = ?2 AND event = ?3";
    if connection.prepare_cached(sql)?.execute(params![source, key, event])? == 1 {
        let sql = "DELETE FROM repeat_keys WHERE source = ?1 AND key > ?2 AND key < ?3";
        let (from, until) = repeats::range_below(key);
        connection.prepare_cached(sql)?.execute(params![source, from, until])?;
    }
    Ok(())
}
