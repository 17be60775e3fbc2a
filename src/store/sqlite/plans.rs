//! For tests of how SQLite searches: an empty store, and the steps of a statement.

use std::path::Path;

use rusqlite::types::Null;
use rusqlite::{Connection, params_from_iter};

use crate::store::sqlite::schema;

/// An empty store in memory.
pub fn in_memory() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    schema::migrate(&mut connection, Path::new("bell.db")).unwrap();
    connection
}

/// The steps by which a statement is run.
pub fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let given = vec![Null; explain.parameter_count()];
    let steps = explain.query_map(params_from_iter(given), |row| row.get(3)).unwrap();
    steps.map(Result::unwrap).collect()
}
