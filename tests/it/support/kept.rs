//! What the store keeps of events and orders, unpacked, and everything in its files that somebody could read.

use std::path::Path;

use orderbell::store::recording::packed;
use rusqlite::{Connection, OpenFlags, Params};
use serde_json::Value;

/// The first part of each frame that a statement finds: events or orders, as JSON.
pub fn json(connection: &Connection, sql: &str, given: impl Params) -> Vec<Value> {
    let parts = frames(connection, sql, given);
    parts.iter().map(|frame| serde_json::from_slice(frame.part(0)).expect("JSON")).collect()
}

/// The bodies of the events that a statement finds the frames of.
pub fn bodies(connection: &Connection, sql: &str, given: impl Params) -> Vec<Vec<u8>> {
    frames(connection, sql, given).iter().map(|frame| frame.part(2).to_vec()).collect()
}

fn frames(connection: &Connection, sql: &str, given: impl Params) -> Vec<packed::Unpacked> {
    let mut select = connection.prepare(sql).expect("a statement");
    let frames = select.query_map(given, |row| row.get::<_, Vec<u8>>(0)).expect("rows");
    frames.map(|frame| packed::unpack(&frame.expect("a frame")).expect("it can be unpacked")).collect()
}

/// All that stands in the files of a store, also where it is packed.
pub fn readable(store: &Path) -> Vec<u8> {
    let files = [store.to_owned(), store.with_extension("db-wal")];
    let mut bytes: Vec<u8> = files.iter().filter_map(|path| std::fs::read(path).ok()).flatten().collect();
    let connection = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_WRITE).expect("the store opens");
    let all = frames(&connection, "SELECT packed FROM events UNION ALL SELECT packed FROM orders", []);
    assert!(!all.is_empty(), "nothing is kept");
    for frame in all {
        (0..3).for_each(|part| bytes.extend_from_slice(frame.part(part)));
    }
    bytes
}
