//! Repeats: which webhooks are known already and which are replays, decided in the transaction of the event.

use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::params;

use crate::domain::event::EventId;
use crate::domain::event::RepeatKey;
use crate::store::Record;
use crate::store::sqlite::rows;

/// Whether a record was told before.
pub enum Known {
    No,
    Repeat { of: EventId },
    Replay,
}

/// One row of `repeat_keys`.
struct Row {
    event: EventId,
    content: Option<Vec<u8>>,
    at: i64,
}

/// Looks the repeat keys up. One that is a repeat decides; a replay is one only when no key says that it is a repeat.
pub fn known(connection: &Connection, record: &Record) -> rusqlite::Result<Known> {
    let row = |key: &str| row(connection, &record.event.source, key);
    let mut replayed = false;
    for key in &record.repeat_keys {
        let found = match key {
            RepeatKey::Once(key) => row(key)?,
            RepeatKey::Latest { key, content, window_seconds } => row(key)?.filter(|row| {
                let age = rows::to_millisecond(record.event.received_at) - row.at;
                row.content.as_deref() == Some(content.as_slice()) && age <= window_seconds * 1000
            }),
            RepeatKey::Guarded { key, content, fresh } => {
                let same = row(&told(key, content))?;
                replayed |= same.is_none() && !fresh && row(key)?.is_some();
                same
            }
        };
        if let Some(row) = found {
            return Ok(Known::Repeat { of: row.event });
        }
    }
    Ok(if replayed { Known::Replay } else { Known::No })
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
    for key in &record.repeat_keys {
        match key {
            RepeatKey::Once(key) => write(key, None)?,
            RepeatKey::Latest { key, content, .. } => write(key, Some(content))?,
            RepeatKey::Guarded { key, content, .. } => {
                // The row of the key alone belongs to the newest of its events, so retention keeps it as long as any of them.
                write(key, None)?;
                write(&told(key, content), None)?
            }
        };
    }
    Ok(())
}

/// The keys of the rows that [`insert`] writes.
pub fn names(record: &Record) -> Vec<String> {
    let names = |key: &RepeatKey| match key {
        RepeatKey::Once(key) | RepeatKey::Latest { key, .. } => vec![key.clone()],
        RepeatKey::Guarded { key, content, .. } => vec![key.clone(), told(key, content)],
    };
    record.repeat_keys.iter().flat_map(names).collect()
}

/// The key of one content under a guarded key.
fn told(key: &str, content: &[u8; 32]) -> String {
    format!("{key}:{}", hex::encode(content))
}

fn row(connection: &Connection, source: &str, key: &str) -> rusqlite::Result<Option<Row>> {
    let sql = "SELECT event, content, at FROM repeat_keys WHERE source = ?1 AND key = ?2";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Row { event: EventId(rows::uuid(0, row.get_ref(0)?.as_blob()?)?), content: row.get(1)?, at: row.get(2)? })
    };
    connection.prepare_cached(sql)?.query_row(params![source, key], read).optional()
}
