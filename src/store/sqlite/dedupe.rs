//! Repeats: which webhooks are known already and which are replays, decided in the transaction of the event.

use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::event::{DedupeKey, EventId};
use crate::store::ingest::Record;
use crate::store::sqlite::rows;

/// Whether a record is known.
pub enum SeenBefore {
    No,
    Repeat {
        of: EventId,
    },
    /// One that has the order again, under a message id that is new: a repeat of the latest that did, unless it changes the
    /// order.
    Retold {
        of: EventId,
    },
    Replay,
}

/// One row of the table of keys.
struct Row {
    event: EventId,
    content: Option<Vec<u8>>,
    at: i64,
}

/// Looks the repeat keys up. One that is a repeat decides; a replay is one only when no key says that it is a repeat.
pub fn known(connection: &Connection, record: &Record) -> rusqlite::Result<SeenBefore> {
    let row = |key: &str| row(connection, &record.event.source, key);
    let (mut replayed, mut retold) = (false, None);
    for key in &record.dedupe_keys {
        let found = match key {
            DedupeKey::Once(key) => row(key)?,
            DedupeKey::Unchanged(key) => match row(key)? {
                Some(latest) => {
                    retold = Some(latest.event);
                    ids(record).map(|id| row(&below(key, id))).find_map(Result::transpose).transpose()?
                }
                None => None,
            },
            DedupeKey::Latest { key, content, window_seconds } => row(key)?.filter(|row| {
                let age = rows::to_millisecond(record.event.received_at) - row.at;
                row.content.as_deref() == Some(content.as_slice()) && age <= window_seconds * 1000
            }),
            DedupeKey::Guarded { key, content, fresh } => {
                let same = row(&key_of_content(key, content))?;
                replayed |= same.is_none() && !fresh && row(key)?.is_some();
                same
            }
        };
        if let Some(row) = found {
            return Ok(SeenBefore::Repeat { of: row.event });
        }
    }
    Ok(match retold {
        Some(of) => SeenBefore::Retold { of },
        None if replayed => SeenBefore::Replay,
        None => SeenBefore::No,
    })
}

/// Writes the repeat keys of a new event.
pub fn insert(connection: &Connection, record: &Record) -> rusqlite::Result<()> {
    let write = |key: &str, content: Option<&[u8; 32]>| {
        let sql = "INSERT INTO repeat_keys (source, key, event, content, at) VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT (source, key) DO UPDATE SET event = excluded.event, content = excluded.content, at = excluded.at";
        let event = &record.event;
        let at = rows::to_millisecond(event.received_at);
        let content = content.map(<[u8; 32]>::as_slice);
        connection.prepare_cached(sql)?.execute(params![event.source, key, event.id.0.as_bytes(), content, at])
    };
    for key in &record.dedupe_keys {
        match key {
            DedupeKey::Once(key) | DedupeKey::Unchanged(key) => write(key, None)?,
            DedupeKey::Latest { key, content, .. } => write(key, Some(content))?,
            DedupeKey::Guarded { key, content, .. } => {
                // The row of the key alone belongs to the newest of its events, so retention keeps it as long as any of them.
                write(key, None)?;
                write(&key_of_content(key, content), None)?
            }
        };
    }
    Ok(())
}

/// Remembers the ids of a repeat that had the order again: should one of them come once more after the order has changed, it
/// is no change back.
pub fn remember_ids(connection: &Connection, record: &Record, of: EventId) -> rusqlite::Result<()> {
    let sql = "INSERT INTO repeat_keys (source, key, event, at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    let at = rows::to_millisecond(record.event.received_at);
    let unchanged = record.dedupe_keys.iter().filter_map(|key| match key {
        DedupeKey::Unchanged(key) => Some(key),
        _ => None,
    });
    for key in unchanged.flat_map(|key| ids(record).map(move |id| below(key, id))) {
        connection.prepare_cached(sql)?.execute(params![record.event.source, key, of.0.as_bytes(), at])?;
    }
    Ok(())
}

/// Forgets the key of an event that is removed, and what stands below it, unless the key is a newer event's by now.
pub fn forget(connection: &Connection, source: &str, key: &str, event: &[u8]) -> rusqlite::Result<()> {
    let sql = "DELETE FROM repeat_keys WHERE source = ?1 AND key = ?2 AND event = ?3";
    if connection.prepare_cached(sql)?.execute(params![source, key, event])? == 1 {
        let sql = "DELETE FROM repeat_keys WHERE source = ?1 AND key > ?2 AND key < ?3";
        connection.prepare_cached(sql)?.execute(params![source, below(key, ""), format!("{key}{AFTER_BELOW}")])?;
    }
    Ok(())
}

/// The keys that name the webhook itself.
fn ids(record: &Record) -> impl Iterator<Item = &str> {
    record.dedupe_keys.iter().filter_map(|key| match key {
        DedupeKey::Once(key) => Some(key.as_str()),
        _ => None,
    })
}

/// Stands in no key of a platform that sends orders again.
const BELOW: char = '|';
/// The next sign, so that everything below a key is a range.
const AFTER_BELOW: char = '}';

/// The key of an id that was a repeat under `key`.
fn below(key: &str, id: &str) -> String {
    format!("{key}{BELOW}{id}")
}

/// The keys of the rows that [`insert`] writes.
pub fn names(record: &Record) -> Vec<String> {
    let names = |key: &DedupeKey| match key {
        DedupeKey::Once(key) | DedupeKey::Unchanged(key) | DedupeKey::Latest { key, .. } => vec![key.clone()],
        DedupeKey::Guarded { key, content, .. } => vec![key.clone(), key_of_content(key, content)],
    };
    record.dedupe_keys.iter().flat_map(names).collect()
}

/// The key of one content under a guarded key.
fn key_of_content(key: &str, content: &[u8; 32]) -> String {
    format!("{key}:{}", hex::encode(content))
}

fn row(connection: &Connection, source: &str, key: &str) -> rusqlite::Result<Option<Row>> {
    let sql = "SELECT event, content, at FROM repeat_keys WHERE source = ?1 AND key = ?2";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Row { event: EventId(rows::uuid(0, row.get_ref(0)?.as_blob()?)?), content: row.get(1)?, at: row.get(2)? })
    };
    connection.prepare_cached(sql)?.query_row(params![source, key], read).optional()
}
