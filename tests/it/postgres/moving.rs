//! A store goes from a file into a database and back, with all that waits, also when a first try is killed in the middle.
//!
//! `ORDERBELL_MOVED_DELIVERIES` sets how many deliveries wait; 2 000 without it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use orderbell::store;
use orderbell::store::StoreError;
use orderbell::store::address::StoreUrl;
use orderbell::store::moving::{MoveProgress, move_store};

use crate::postgres::cluster::{Database, value};
use crate::store::conformance::scene::placed;
use crate::store::conversion::{after, everything_known, stored};
use crate::support::TOO_LONG;

fn begin(from: &str, to: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
    command.args(["move-store", "--from", from, "--to", to]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("it runs")
}

fn moved(from: &str, to: &str) -> String {
    let begun = Instant::now();
    let output = begin(from, to).wait_with_output().expect("it ends");
    println!("moved in {:.1} s", begun.elapsed().as_secs_f64());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("postgres:postgres"), "a password is shown: {said}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

async fn filled(folder: &Path, waiting: usize) -> String {
    let path = stored(folder);
    let store = store::open(&StoreUrl::Sqlite(path.clone()), after()).await.expect("converted");
    for many in (0..waiting).collect::<Vec<_>>().chunks(500) {
        let records = many.iter().map(|number| store.record(placed(&format!("moved-{number}"), &["kitchen"])));
        for recorded in futures_util::future::join_all(records).await {
            recorded.expect("recorded");
        }
    }
    store.close().await;
    format!("sqlite:{}", path.display())
}

async fn known(url: &StoreUrl) -> String {
    let store = store::open(url, after()).await.expect("the store opens");
    let known = everything_known(&*store).await;
    store.close().await;
    known
}

/// The first line in which two differ.
fn difference(one: &str, other: &str) -> String {
    let pair = one.lines().zip(other.lines()).find(|(one, other)| one != other);
    pair.map_or_else(|| "one is longer".to_owned(), |(one, other)| format!("\n{one}\n{other}"))
}

/// A move that is killed when it has begun to write, of which nothing is left.
async fn killed_in_the_middle(database: &Database, from: &str) {
    let client = database.connect().await;
    let writes = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE 'INSERT INTO%UNNEST%' AND pid <> pg_backend_pid()";
    let mut child = begin(from, &database.url());
    let deadline = Instant::now() + TOO_LONG;
    while value(&client, writes).await == "0" {
        assert!(Instant::now() < deadline && child.try_wait().is_ok_and(|ended| ended.is_none()), "it has not begun");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    child.kill().expect("it still runs");
    child.wait().expect("it has ended");
    assert_eq!(value(&client, "SELECT count(*) FROM events").await, "0", "half a store is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_goes_into_a_database_and_back_and_says_the_same() {
    let Some(database) = Database::make().await else { return };
    let waiting = std::env::var("ORDERBELL_MOVED_DELIVERIES").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000);
    let folder = tempfile::tempdir().expect("a folder");
    let (old, new) = (filled(folder.path(), waiting).await, folder.path().join("back.db"));
    let before = known(&StoreUrl::Sqlite(folder.path().join("bell.db"))).await;
    assert!(before.lines().count() > waiting, "{} lines", before.lines().count());

    killed_in_the_middle(&database, &old).await;
    let printed = moved(&old, &database.url());
    assert!(printed.contains(" deliveries wait there"), "{printed}");
    assert!(!printed.contains(&database.url()), "a password is shown: {printed}");
    let there = known(&database.store_url()).await;
    assert!(there == before, "the database says something else than the file: {}", difference(&before, &there));

    let back = format!("sqlite:{}", new.display());
    moved(&database.url(), &back);
    assert!(known(&StoreUrl::Sqlite(new)).await == before, "the file says something else than before");
    let again = begin(&old, &database.url()).wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(again.status.code() == Some(1) && said.contains("already"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_runs_in_an_empty_database_and_leaves_it_empty() {
    let Some(database) = Database::make().await else { return };
    for _ in 0..2 {
        let mut demo = Command::new(env!("CARGO_BIN_EXE_orderbell"));
        let done = demo.args(["demo", "--once", "--store", &database.url()]).output().expect("it runs");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{}{said}", String::from_utf8_lossy(&done.stdout));
        let client = database.connect().await;
        assert_eq!(value(&client, "SELECT count(*) FROM events").await, "0");
    }
}

#[tokio::test]
async fn a_place_where_a_log_was_left_behind_is_none_for_a_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let (from, to) = (folder.path().join("old.db"), folder.path().join("new.db"));
    store::open(&StoreUrl::Sqlite(from.clone()), after()).await.expect("made").close().await;
    for ending in ["-wal", "-shm"] {
        let left = folder.path().join(format!("new.db{ending}"));
        std::fs::write(&left, "a log").expect("written");
        let (from, to) = (StoreUrl::Sqlite(from.clone()), StoreUrl::Sqlite(to.clone()));
        let moved = move_store(&from, &to, MoveProgress::default()).await;
        assert!(matches!(&moved, Err(StoreError::Refused(why)) if why.contains("is there already")), "{moved:?}");
        std::fs::remove_file(left).expect("removed");
    }
    assert!(!to.exists());
}
