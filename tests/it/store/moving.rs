//! A store that is moved says the same in its new place, and nothing of it is there before all of it is.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use orderbell::store::sql::transfer::{OF_THE_DATABASE, TABLES};
use rusqlite::Connection;

use crate::store::conversion::{after, everything_known, stored};
use crate::support::stores;

fn move_store(from: &Path, to: &Path) -> Output {
    let address = |path: &Path| format!("sqlite:{}", path.display());
    let arguments = ["move-store", "--from", &address(from), "--to", &address(to)];
    Command::new(env!("CARGO_BIN_EXE_orderbell")).args(arguments).output().expect("it runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn every_table_is_moved_with_all_its_columns_or_is_of_the_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bell.db");
    stores::open(&path, after()).expect("the store").close().await;
    let connection = Connection::open(path).expect("the store");
    let sql =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'refinery%' AND name NOT LIKE 'sqlite%'";
    let mut select = connection.prepare(sql).expect("a statement");
    let names: BTreeSet<String> =
        select.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("names");
    for name in &names {
        let Some(table) = TABLES.iter().find(|table| table.name == name) else {
            assert!(OF_THE_DATABASE.contains(&name.as_str()), "{name} is not moved");
            continue;
        };
        let mut select = connection.prepare("SELECT name FROM pragma_table_info(?1)").expect("a statement");
        let columns: BTreeSet<String> =
            select.query_map([name], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("columns");
        let moved: BTreeSet<String> = table.columns.iter().map(|column| (*column).to_owned()).collect();
        assert_eq!(columns, moved, "the columns of {name}");
    }
    assert!(TABLES.iter().all(|table| names.contains(table.name)), "a table that is moved is none");
}

#[tokio::test]
async fn a_moved_store_says_what_the_old_one_said_and_that_one_is_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let (old, new) = (stored(folder.path()), folder.path().join("new.db"));
    stores::open(&old, after()).expect("converted").close().await;
    let moved = move_store(&old, &new);
    assert_eq!(moved.status.code(), Some(0), "{}", said(&moved));
    assert!(String::from_utf8_lossy(&moved.stdout).contains("deliveries wait there"), "{moved:?}");
    let mut known = Vec::new();
    for path in [&old, &new] {
        let store = stores::open(path, after()).expect("the store");
        known.push(everything_known(&*store).await);
        store.close().await;
    }
    assert!(known[0].lines().count() > 30, "{}", known[0]);
    assert_eq!(known[0], known[1]);
}

#[tokio::test]
async fn a_store_in_use_and_a_place_that_is_taken_are_refused_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let (old, new) = (folder.path().join("bell.db"), folder.path().join("new.db"));
    let store = stores::open(&old, after()).expect("the store");
    let refused = move_store(&old, &new);
    assert!(refused.status.code() == Some(1) && said(&refused).contains("in use by another"), "{refused:?}");
    store.close().await;
    drop(store);
    std::fs::write(&new, "something").expect("a file");
    let refused = move_store(&old, &new);
    assert!(refused.status.code() == Some(1) && said(&refused).contains("is there already"), "{refused:?}");
    assert_eq!(std::fs::read(&new).expect("the file"), b"something");
    let missing = move_store(&folder.path().join("none.db"), &folder.path().join("newer.db"));
    assert!(missing.status.code() == Some(1) && said(&missing).contains("there is no store at"), "{missing:?}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("the folder").filter_map(Result::ok).collect();
    let halves = left.iter().filter(|file| file.file_name().to_string_lossy().starts_with(".orderbell-move"));
    assert_eq!(halves.count(), 0, "{left:?}");
}
