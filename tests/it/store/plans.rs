//! How SQLite searches for every statement that receiving and sending need: by a key or an index, never through a whole table.

use std::path::Path;

use rusqlite::types::Null;
use rusqlite::{Connection, params_from_iter};

use crate::store::conformance::scene::at;
use crate::support::stores;

/// Below `src/store/sql`.
pub const FILES: [&str; 18] = [
    "record",
    "dedupe",
    "due",
    "deliver",
    "claim",
    "settle",
    "parts",
    "pacing",
    "parking",
    "pausing",
    "catch_up",
    "fallback",
    "queue_depth",
    "pages",
    "states",
    "take_over",
    "find",
    "history",
];

/// What may be gone through: a table of a row for each channel, credential or slot; what was found before; an index that
/// holds nothing but what is wanted.
const SMALL: [&str; 13] = [
    "SCAN parked_channels",
    "SCAN paused_channels",
    "SCAN credentials",
    "SCAN pacing_slots",
    "SCAN s USING COVERING INDEX pacing_slots_of_attempt",
    "SCAN CONSTANT ROW",
    // What a LIMIT has cut.
    "SCAN counted",
    "SCAN newest",
    // The sources, of which there are few.
    "SCAN known",
    "SCAN first",
    "SCAN instead",
    "SCAN attempts USING INDEX attempts_open",
    "SCAN f USING COVERING INDEX deliveries_standing_in",
];

/// What a start, a reload or a person's change of a setting asks once; each begins so.
pub const ONCE: [&str; 5] = [
    "SELECT channel, count(*) FROM deliveries WHERE state = 'waiting' GROUP BY channel",
    "SELECT EXISTS (SELECT 1 FROM deliveries WHERE channel = ?1)",
    "SELECT d.id, e.kind, d.urgent FROM deliveries d",
    "UPDATE deliveries SET due_at = ?2, wait_ms = 0 WHERE channel = ?1 AND state = 'waiting' AND outcome = 'misconfigured'",
    "UPDATE deliveries SET due_at = ?1, wait_ms = 0 WHERE state = 'waiting' AND outcome = 'misconfigured'",
];

/// The statements that stand in a source file as one text each.
pub fn statements(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let texts = code.split('"').skip(1).step_by(2);
    let words = texts.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let begins = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "];
    words.filter(|text| begins.iter().any(|begin| text.starts_with(begin))).collect()
}

/// The steps by which SQLite would run a statement; `None` of one that is a part of another.
fn plan(connection: &Connection, sql: &str) -> Option<Vec<String>> {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).ok()?;
    let given = vec![Null; explain.parameter_count()];
    let steps = explain.query_map(params_from_iter(given), |row| row.get(3)).expect("a plan");
    Some(steps.map(|step| step.expect("a step")).collect())
}

fn goes_through(plan: &[String]) -> bool {
    let scans = plan.iter().filter(|step| step.starts_with("SCAN"));
    scans.filter(|step| !SMALL.iter().any(|small| step.starts_with(small))).count() > 0
}

#[tokio::test]
async fn no_statement_of_the_way_in_or_out_goes_through_a_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bell.db");
    stores::open(&path, at(0)).expect("the store opens").close().await;
    let connection = Connection::open(&path).expect("the store opens");
    assert!(goes_through(&plan(&connection, "SELECT 1 FROM deliveries WHERE answer = ?1").expect("a plan")));
    let (mut explained, mut faults) = (0, Vec::new());
    for file in FILES {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/sql").join(file).with_extension("rs");
        let source = std::fs::read_to_string(&source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
        for sql in statements(&source) {
            let Some(plan) = plan(&connection, &sql) else { continue };
            explained += 1;
            if goes_through(&plan) && !ONCE.iter().any(|once| sql.starts_with(once)) {
                faults.push(format!("{file}: {sql}\n  {}", plan.join("\n  ")));
            }
        }
    }
    assert!(explained > 80, "{explained} statements are known");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
