//! A store that an earlier version wrote: opened, it says the same as before, whatever its schema was.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use futures_util::FutureExt;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use orderbell::domain::event::Kind;
use orderbell::domain::figures::facts::{Scope, Sum};
use orderbell::domain::order::OrderState;
use orderbell::flow::Clock;
use orderbell::store::Store;
use orderbell::store::health::Status;
use rusqlite::Connection;

use crate::store::conformance::scene;
use crate::support::binary::Program;
use crate::support::snapshots::Snapshots;
use crate::support::stores;
use crate::support::{TOO_LONG, keeta};

/// Written by the last version of schema 7: every kind of both platforms, repeats, a changed order, one that nobody proved,
/// deliveries in every state, and a report.
const SCHEMA_7: &[u8] = include_bytes!("../../stored/schema7.db.gz");

/// A store as it was written, in a file of its own.
pub fn stored(folder: &Path) -> PathBuf {
    let path = folder.join("bell.db");
    let mut bytes = Vec::new();
    GzDecoder::new(SCHEMA_7).read_to_end(&mut bytes).expect("the stored database");
    std::fs::write(&path, bytes).expect("a file");
    path
}

/// A moment after everything that the stored database has.
pub fn after() -> Timestamp {
    "2026-11-29T15:00:00Z".parse().expect("a time")
}

/// Everything that a store says of its past, as text that only its content changes.
pub async fn everything_known(store: &dyn Store) -> String {
    let mut text = String::new();
    let (mut events, mut orders) = (BTreeSet::new(), BTreeSet::new());
    for row in store.deliveries(None).await.expect("deliveries") {
        events.insert(row.event);
        orders.extend(row.order.clone().map(|number| (row.source.clone(), number)));
        writeln!(
            text,
            "{} of {} ({} {} {}) to {}: {} {} {} {} {} {}",
            row.id,
            row.event,
            row.source,
            row.kind,
            row.order.unwrap_or_default(),
            row.channel,
            row.state,
            row.attempts,
            row.created_at,
            row.due_at,
            row.answer.unwrap_or_default(),
            row.digest.map(|digest| digest.to_string()).unwrap_or_default(),
        )
        .expect("text");
    }
    let facts = store.report_facts(scope()).await.expect("facts");
    orders.extend(facts.orders.iter().map(|(source, order)| (source.clone(), order.number.clone())));
    for event in events {
        let repeats = store.duplicates(event).await.expect("repeats").expect("the event");
        let event = store.event(event).await.expect("an event").expect("the event");
        writeln!(text, "{} {repeats}", serde_json::to_string(&event).expect("JSON")).expect("text");
    }
    for (source, number) in orders {
        let order = store.order(&source, &number).await.expect("an order");
        writeln!(text, "{source} {}", serde_json::to_string(&order).expect("JSON")).expect("text");
    }
    let line = |text: &mut String, sum: &Sum| {
        let Sum { day, source, shop, figure, currency, count, minor } = sum;
        let (shop, currency) = (shop.as_deref().unwrap_or("-"), currency.as_deref().unwrap_or("-"));
        writeln!(text, "{day} {source} {shop} {} {count} {minor} {currency}", figure.as_str()).expect("text");
    };
    facts.sums.iter().for_each(|sum| line(&mut text, sum));
    for (source, at) in &facts.arrivals {
        writeln!(text, "{source} {at}").expect("text");
    }
    for (source, order) in &facts.orders {
        writeln!(text, "{source} {}", order.number).expect("text");
    }
    writeln!(text, "first {:?}, ledger {}", facts.begun_at, facts.ledger_seq).expect("text");
    text
}

fn scope() -> Scope {
    let day = "2026-11-29".parse().expect("a day");
    let zone = TimeZone::get("Asia/Hong_Kong").expect("a zone");
    Scope { name: "daily".to_owned(), from: day, to: day, zone, sources: None, shops: None, late: false }
}

#[tokio::test]
async fn a_store_of_the_version_before_says_the_same_as_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = stored(folder.path());
    let store = stores::open(&path, after()).expect("the store opens");
    let mut snapshots = Snapshots::of("stored");
    snapshots.assert("schema7", &everything_known(&*store).await);
    snapshots.end();
}

/// A stored database in which every event stands many times, under other ids and numbers.
fn many_times(folder: &Path, times: i64) -> (PathBuf, i64) {
    let path = stored(folder);
    let connection = Connection::open(&path).expect("the store opens");
    connection
        .execute_batch(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {times})
             INSERT INTO events (id, kind, source, order_number, received_at, event, body, repeat_keys, repeats, routes)
             SELECT randomblob(16), kind, source, order_number || '-' || i, received_at + i, event, body, '[]', i, routes
             FROM events, n WHERE seq <= 36"
        ))
        .expect("written");
    (path, count(&connection, "events"))
}

fn count(connection: &Connection, table: &str) -> i64 {
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("a count")
}

/// Everything that stands in the tables that were converted.
fn converted(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).expect("the store opens");
    let sql = "SELECT seq || ' ' || hex(id) || received_at || kind || source || coalesce(shop, '') || coalesce(order_number, '')
            || unproven || repeats || coalesce(last_repeat_at, '') || routes || hex(packed) FROM events
        UNION ALL
        SELECT seq || ' ' || source || number || coalesce(short_number, '') || coalesce(day_at, '') || hex(packed) FROM orders";
    let mut select = connection.prepare(sql).expect("a statement");
    select.query_map([], |row| row.get(0)).expect("rows").map(|row| row.expect("a row")).collect()
}

/// Waits until fewer events are left than before. Answers how many.
async fn until_fewer(path: &Path, before: i64) -> i64 {
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < TOO_LONG, "the conversion does not go on");
        let connection = Connection::open(path).expect("the store opens");
        let sql = "SELECT count(*) FROM events_of_schema_7";
        // Before the first step there is no such table.
        let left = connection.query_row(sql, [], |row| row.get(0)).unwrap_or(before);
        if left < before {
            return left;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_conversion_that_is_killed_ten_times_ends_as_one_that_was_not() {
    let (home, killed) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (path, all) = many_times(home.path(), 1200);
    let other = killed.path().join("bell.db");
    std::fs::copy(&path, &other).expect("a copy");
    let store = stores::open(&path, after()).expect("the store opens");
    store.opened().await;
    store.close().await;
    let mut left = all;
    for _ in 0..10 {
        let program = Program::spawn(killed.path(), "bell.db", "");
        let before = left;
        left = until_fewer(&other, before).await;
        program.kill();
        let connection = Connection::open(&other).expect("the store opens");
        left = left.min(count(&connection, "events_of_schema_7"));
        assert!(left > 0, "it is killed in the midst");
        assert_eq!(count(&connection, "events") + left, all, "nothing is lost, and nothing is there twice");
    }
    let store = stores::open(&other, after()).expect("the store opens");
    store.opened().await;
    store.close().await;
    assert!(converted(&path) == converted(&other), "they differ");
    assert_eq!(count(&Connection::open(&other).expect("the store opens"), "events"), all);
}

#[tokio::test]
async fn webhooks_are_answered_503_while_the_store_is_converted_and_commands_say_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, all) = many_times(folder.path(), 1200);
    let program = Program::spawn(folder.path(), "bell.db", "");
    until_fewer(&path, all).await;
    // It waits for this lock with its next step.
    let lock = Connection::open(&path).expect("the store opens");
    lock.busy_timeout(TOO_LONG).expect("a time");
    lock.execute_batch("BEGIN IMMEDIATE").expect("locked");
    assert!(count(&lock, "events_of_schema_7") > 0, "it is in the midst");
    let program = program.answering().await.unwrap_or_else(|(status, log)| panic!("it ended: {status}\n{log}"));
    let body = keeta::placed(1, Clock::system().now());
    let answer = program.post(&body).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(!answer.body.contains("\"code\":0"), "{answer:?}");
    let refused = stores::open_beside(&path).err().expect("refused").to_string();
    assert!(refused.contains("being converted") && refused.contains("of 43236"), "{refused}");
    lock.execute_batch("COMMIT").expect("let go");
    program.until_acknowledged(&body).await;
    program.stop().await;
}

#[tokio::test]
async fn a_webhook_waits_for_no_step_of_the_conversion() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, _) = many_times(folder.path(), 1200);
    let store = stores::open(&path, after()).expect("the store opens");
    let (kind, state) = (Kind::OrderPlaced, OrderState::Placed);
    let mut recording = store.record(scene::event(kind, "7", state, 1, "key-7", &[]));
    // The thread that writes is in the midst of it, and is not asked.
    let answer = (&mut recording).now_or_never().expect("it is answered at once");
    assert!(answer.is_err_and(|error| error.to_string().contains("being converted")));
    store.close().await;
}

#[tokio::test]
async fn a_large_store_is_open_before_its_schema_is_up_to_date() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, all) = many_times(folder.path(), 1200);
    let before = Connection::open(&path).expect("the store opens");
    // So that nothing of it can be done yet.
    before.execute_batch("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE").expect("locked");
    let store = stores::open(&path, after()).expect("the store opens");
    let status = store.status().borrow().clone();
    assert!(matches!(&status, Status::Wrong(reason) if reason.contains("being converted")), "{status:?}");
    before.execute_batch("COMMIT").expect("let go");
    store.opened().await;
    store.close().await;
    assert_eq!(count(&before, "events"), all);
}

#[tokio::test]
async fn a_conversion_that_ends_at_the_start_is_logged_and_a_new_store_has_none() {
    for (is_stored, logged) in [(true, true), (false, false)] {
        let folder = tempfile::tempdir().expect("a folder");
        if is_stored {
            stored(folder.path());
        }
        let program = Program::start(folder.path(), "bell.db", "").await;
        let log = program.stop().await;
        assert_eq!(log.contains("the store is converted"), logged, "{log}");
    }
}
