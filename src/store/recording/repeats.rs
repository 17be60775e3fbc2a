//! Repeats: which webhooks are known already and which are replays, by the dedupe keys that are known.

use crate::domain::event::{DedupeKey, Event, EventId};
use crate::store::recording::known::{Known, KnownKey, RowKey};

/// Whether a record is known.
pub(super) enum SeenBefore {
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

/// Looks the dedupe keys up. One that is a repeat decides; a replay is one only when no key says that it is a repeat.
pub(super) fn seen_before(event: &Event, keys: &[DedupeKey], known: &Known) -> SeenBefore {
    let row = |key: &str| known.key(&event.source, key);
    let (mut replayed, mut retold) = (false, None);
    for key in keys {
        let found = match key {
            DedupeKey::Once(key) => row(key),
            DedupeKey::Unchanged(key) => row(key).and_then(|latest| {
                retold = Some(latest.event);
                ids(keys).find_map(|id| row(&below(key, id)))
            }),
            DedupeKey::Latest { key, content, window_seconds } => row(key).filter(|row| {
                let age = event.received_at.as_millisecond() - row.at.as_millisecond();
                row.content.as_deref() == Some(content.as_slice()) && age <= window_seconds * 1000
            }),
            DedupeKey::Guarded { key, content, fresh } => {
                let same = row(&key_of_content(key, content));
                replayed |= same.is_none() && !fresh && row(key).is_some();
                same
            }
        };
        if let Some(row) = found {
            return SeenBefore::Repeat { of: row.event };
        }
    }
    match retold {
        Some(of) => SeenBefore::Retold { of },
        None if replayed => SeenBefore::Replay,
        None => SeenBefore::No,
    }
}

/// The rows of a new event's keys.
pub(super) fn keys_of_event(event: &Event, keys: &[DedupeKey]) -> Vec<(RowKey, KnownKey)> {
    let row = |key: String, content: Option<&[u8; 32]>| {
        let content = content.map(|content| content.to_vec());
        ((event.source.clone(), key), KnownKey { event: event.id, content, at: event.received_at })
    };
    let rows = |key: &DedupeKey| match key {
        DedupeKey::Once(key) | DedupeKey::Unchanged(key) => vec![row(key.clone(), None)],
        DedupeKey::Latest { key, content, .. } => vec![row(key.clone(), Some(content))],
        // The row of the key alone belongs to the newest of its events, so retention keeps it as long as any of them.
        DedupeKey::Guarded { key, content, .. } => {
            vec![row(key.clone(), None), row(key_of_content(key, content), None)]
        }
    };
    keys.iter().flat_map(rows).collect()
}

/// The ids of a repeat that had the order again: should one of them come once more after the order has changed, it is no
/// change back.
pub(super) fn ids_of_repeat(event: &Event, keys: &[DedupeKey], known: &Known, of: EventId) -> Vec<(RowKey, KnownKey)> {
    let names = unchanged(keys).flat_map(|key| ids(keys).map(move |id| below(key, id)));
    let new = names.filter(|name| known.key(&event.source, name).is_none());
    new.map(|name| ((event.source.clone(), name), KnownKey { event: of, content: None, at: event.received_at }))
        .collect()
}

/// The keys of the rows of an event.
pub(super) fn names(keys: &[DedupeKey]) -> Vec<String> {
    let names = |key: &DedupeKey| match key {
        DedupeKey::Once(key) | DedupeKey::Unchanged(key) | DedupeKey::Latest { key, .. } => vec![key.clone()],
        DedupeKey::Guarded { key, content, .. } => vec![key.clone(), key_of_content(key, content)],
    };
    keys.iter().flat_map(names).collect()
}

/// What stands below the keys of an order that is known.
pub(super) fn names_besides(source: &str, keys: &[DedupeKey], known: &Known) -> Vec<RowKey> {
    let known_ones = unchanged(keys).filter(|key| known.key(source, key).is_some());
    known_ones.flat_map(|key| ids(keys).map(move |id| (source.to_owned(), below(key, id)))).collect()
}

fn unchanged(keys: &[DedupeKey]) -> impl Iterator<Item = &str> {
    keys.iter().filter_map(|key| match key {
        DedupeKey::Unchanged(key) => Some(key.as_str()),
        _ => None,
    })
}

/// The keys that name the webhook itself.
fn ids(keys: &[DedupeKey]) -> impl Iterator<Item = &str> {
    keys.iter().filter_map(|key| match key {
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

/// Between which keys everything lies that stands below one.
pub fn range_below(key: &str) -> (String, String) {
    (below(key, ""), format!("{key}{AFTER_BELOW}"))
}

/// The key of one content under a guarded key.
fn key_of_content(key: &str, content: &[u8; 32]) -> String {
    format!("{key}:{}", hex::encode(content))
}
