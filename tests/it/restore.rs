//! A backup put back: what is said before, what becomes of what waited, and that nothing is lost where it is refused.

mod terminal;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::SignedDuration;
use orderbell::sandbox::fault::Times;
use orderbell::sandbox::rules::Rules;
use rusqlite::Connection;

use crate::commands_store::{Done, refusing, to};
use crate::store::conversion::stored;
use crate::support::binary::orders;
use crate::support::untested::Tmpfs;
use crate::support::watching::{NEVER, Watching};
use crate::support::{Scene, keeta};

/// A command beside the configuration of a scene, without a terminal.
fn orderbell(scene: &Scene, arguments: &[&str]) -> Done {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
    command.args(arguments).arg("--config").arg(scene.folder.path().join("orderbell.toml")).stdin(Stdio::null());
    let output = command.output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn path(scene: &Scene, name: &str) -> PathBuf {
    scene.folder.path().join(name)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// The files beside the store that begin like this.
fn beside(scene: &Scene, beginning: &str) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(scene.folder.path()).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| text(path).rsplit('/').next().is_some_and(|name| name.starts_with(beginning))).collect()
}

const RETRY: &str = "retry = [\"1h\", \"1h\"]";

/// A configuration in which a WeCom robot, which knows no keys, gets the orders.
fn staff(scene: &Scene) -> String {
    scene.wecom("staff", RETRY) + &to("staff")
}

/// Order 1 was tried once and waits when the backup is made; then it arrives, and order 2 comes.
async fn backed_up(scene: &Scene) -> Watching {
    let daemon = scene.start_watching(NEVER, "", &staff(scene)).await;
    scene.sandbox.order("staff", refusing(500), Times::Next(1));
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    daemon.until(|rows| rows.iter().any(|row| row.attempts == 1 && row.answer.is_some())).await;
    let done = orderbell(scene, &["backup", text(&path(scene, "copy.db"))]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    scene.forward(SignedDuration::from_mins(70));
    scene.until_received("staff", 1).await;
    daemon.acknowledged(&keeta::placed(2, scene.hands.now())).await;
    scene.until_received("staff", 2).await;
    daemon.until_done().await;
    daemon
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_is_cancelled_and_the_store_that_was_there_is_kept() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = backed_up(&scene).await;
    let copy = path(&scene, "copy.db");
    let restore = ["restore", text(&copy), "--waiting", "cancel", "--yes"];
    let refused = orderbell(&scene, &restore);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("is in use by another orderbell daemon"), "{}", refused.err);
    daemon.daemon.stop().await;

    let unasked = orderbell(&scene, &restore[..4]);
    assert_eq!((unasked.code, unasked.out.as_str()), (Some(2), ""));
    assert!(unasked.err.contains("add --yes"), "{}", unasked.err);
    let unsaid = orderbell(&scene, &["restore", text(&copy), "--yes"]);
    assert_eq!(unsaid.code, Some(2));
    assert!(unsaid.err.contains("1 delivery waits in the backup; say --waiting"), "{}", unsaid.err);
    assert_eq!(orders(&scene.store()), [1, 2], "nothing was changed");

    let done = orderbell(&scene, &restore);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{}", done.out);
    for said in [
        "copy.db is whole: 1 event, the newest of ",
        "; 1 delivery waits; schema ",
        " came since, which the backup does not know",
        "  of the 1 delivery that waits in the backup, 1 has arrived or was ended since",
        "1 delivery was cancelled",
        "next: start orderbell",
    ] {
        assert!(done.out.contains(said), "{said}: {}", done.out);
    }
    assert_eq!(orders(&scene.store()), [1]);
    assert_eq!(scene.store().metadata().expect("it is there").permissions().mode() & 0o777, 0o600);
    let aside = beside(&scene, "bell.db.before-");
    let [aside] = &aside[..] else { panic!("{aside:?}") };
    assert!(done.out.contains(text(aside)), "{}", done.out);
    assert_eq!(orders(aside), [1, 2]);
    assert_eq!((orders(&copy), beside(&scene, ".orderbell-")), (vec![1], vec![]));

    let why = orderbell(&scene, &["why", "1"]);
    assert!(why.out.contains("It was cancelled: it waited in a backup that was put back"), "{}{}", why.out, why.err);
    let daemon = scene.start(&(staff(&scene) + "[operator]\nto = [\"staff\"]\n")).await;
    let received = scene.until_received("staff", 3).await;
    assert!(received[2].body.contains("Events may be missing"), "{}", received[2].body);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_and_was_tried_goes_out_as_a_possible_repeat() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = backed_up(&scene).await;
    daemon.daemon.stop().await;
    let done = orderbell(&scene, &["restore", text(&path(&scene, "copy.db")), "--waiting", "send", "--yes"]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{}", done.out);
    assert!(done.out.contains("1 delivery waits, and goes out when orderbell runs"), "{}", done.out);
    let daemon = scene.start(&staff(&scene)).await;
    let received = scene.until_received("staff", 3).await;
    assert!(!received[0].body.contains("possibly a repeat"), "{}", received[0].body);
    assert!(received[2].body.contains("possibly a repeat"), "{}", received[2].body);
    daemon.until_done().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_store_the_backup_becomes_one_and_nobody_knows_what_was_sent_since() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = scene.start_watching(NEVER, "", &(scene.wecom("staff", RETRY) + &to("staff"))).await;
    // Held, so that nothing was tried.
    scene.sandbox.order("staff", refusing(500), Times::Next(1));
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    daemon.until(|rows| rows.iter().any(|row| row.attempts == 1 && row.answer.is_some())).await;
    let copy = path(&scene, "copy.db");
    assert_eq!(orderbell(&scene, &["backup", text(&copy)]).code, Some(0));
    daemon.daemon.stop().await;
    beside(&scene, "bell.db").iter().for_each(|file| std::fs::remove_file(file).expect("removed"));
    let unsaid = orderbell(&scene, &["restore", text(&copy), "--yes"]);
    assert!(unsaid.out.contains("there is no store at"), "{}", unsaid.out);
    assert_eq!((unsaid.code, scene.store().exists()), (Some(2), false), "none is made either");
    let done = orderbell(&scene, &["restore", text(&copy), "--yes", "--waiting", "send"]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{}", done.out);
    assert!(!done.out.contains("is kept as"), "{}", done.out);
    assert_eq!(orders(&scene.store()), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_left_behind_is_not_taken_for_that_of_the_backup() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = backed_up(&scene).await;
    daemon.daemon.stop().await;
    // Of a store that is gone but for it.
    let gone = Connection::open(scene.store()).expect("it opens");
    gone.execute_batch("PRAGMA wal_autocheckpoint = 0; UPDATE events SET order_number = '7'").expect("changed");
    let log = std::fs::read(path(&scene, "bell.db-wal")).expect("it is there");
    assert!(!log.is_empty());
    drop(gone);
    beside(&scene, "bell.db").iter().for_each(|file| std::fs::remove_file(file).expect("removed"));
    std::fs::write(path(&scene, "bell.db-wal"), &log).expect("written");
    let done = orderbell(&scene, &["restore", text(&path(&scene, "copy.db")), "--yes", "--waiting", "send"]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{}", done.out);
    assert_eq!(orders(&scene.store()), [1]);
    assert_eq!(std::fs::read(path(&scene, "bell.db-wal.aside")).expect("it is kept"), log);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_backup_is_refused_and_the_store_stays_as_it_is() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = backed_up(&scene).await;
    daemon.daemon.stop().await;
    let write = |name: &str, bytes: &[u8]| std::fs::write(path(&scene, name), bytes).expect("written");
    let copy = std::fs::read(path(&scene, "copy.db")).expect("it is there");
    write("text.db", b"no database at all, but a text of some length");
    write("cut.db", &copy[..copy.len() / 2]);
    let mut flipped = copy.clone();
    let last = flipped.len() - 4096;
    flipped[last..last + 64].fill(0xff);
    write("flipped.db", &flipped);
    Connection::open(path(&scene, "other.db"))
        .and_then(|other| other.execute_batch("CREATE TABLE a (b)"))
        .expect("made");
    write("newer.db", &copy);
    let newer = Connection::open(path(&scene, "newer.db")).expect("it opens");
    newer.execute("UPDATE schema_floor SET oldest_binary_schema = 99", []).expect("changed");
    drop(newer);
    for (name, said) in [
        ("text.db", "is damaged, or no database"),
        ("cut.db", "is damaged, or no database"),
        ("flipped.db", "is damaged, or no database"),
        ("other.db", "no store of Orderbell"),
        ("newer.db", "newer orderbell (schema 99"),
        ("bell.db", "is the store itself"),
        ("missing.db", "cannot be read"),
    ] {
        let refused = orderbell(&scene, &["restore", text(&path(&scene, name)), "--yes", "--waiting", "send"]);
        assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""), "{name}: {}", refused.err);
        assert!(refused.err.contains(said), "{name}: {}", refused.err);
        assert_eq!(orders(&scene.store()), [1, 2], "{name}");
    }
    assert_eq!((beside(&scene, ".orderbell-"), beside(&scene, "bell.db.before-")), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_replaced_and_kept_with_its_log() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = backed_up(&scene).await;
    daemon.daemon.stop().await;
    std::fs::write(scene.store(), "overwritten by something else, and long enough for that").expect("written");
    std::fs::write(path(&scene, "bell.db-wal"), "a log").expect("written");
    let done = orderbell(&scene, &["restore", text(&path(&scene, "copy.db")), "--yes", "--waiting", "send"]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{}", done.out);
    assert!(done.out.contains("cannot be compared with it"), "{}", done.out);
    assert_eq!(orders(&scene.store()), [1]);
    let kept: Vec<_> = beside(&scene, "bell.db.before-").iter().map(std::fs::read_to_string).collect();
    assert!(kept.iter().any(|kept| kept.as_ref().is_ok_and(|kept| kept.starts_with("overwritten"))), "{kept:?}");
    assert!(kept.iter().any(|kept| kept.as_ref().is_ok_and(|kept| kept == "a log")), "{kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_on_a_server_is_put_back_by_its_own_tool() {
    let scene = Scene::new(Rules::new()).await;
    let configuration = "[store]\nurl = \"postgres://bell:hush@127.0.0.1:1/bell\"\n";
    std::fs::write(path(&scene, "orderbell.toml"), configuration).expect("written");
    let refused = orderbell(&scene, &["restore", "copy.db", "--yes"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("pg_restore") && !refused.err.contains("hush"), "{}", refused.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_an_older_version_is_converted_and_put_in_place() {
    let older = tempfile::tempdir().expect("a folder");
    let backup = stored(older.path());
    let bytes = std::fs::read(&backup).expect("it is there");
    let scene = Scene::new(Rules::new()).await;
    scene.start_watching(NEVER, "", &staff(&scene)).await.daemon.stop().await;
    let done = orderbell(&scene, &["restore", text(&backup), "--yes", "--waiting", "cancel"]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{}", done.out);
    assert!(done.out.contains("schema 7, "), "{}", done.out);
    assert_eq!(std::fs::read(&backup).expect("it is there"), bytes, "the backup stays as it is");
    let count = |table: &str| -> i64 {
        let connection = Connection::open(scene.store()).expect("it opens");
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("a count")
    };
    let said = |count: i64| done.out.contains(&format!("is whole: {count} events"));
    assert!(count("events") > 10 && said(count("events")), "{}", done.out);
    let daemon = scene.start(&staff(&scene)).await;
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_room_for_the_copy_nothing_is_begun() {
    let Some(disk) = Tmpfs::mount() else { return };
    let scene = Scene::new(Rules::new()).await;
    let daemon = backed_up(&scene).await;
    daemon.daemon.stop().await;
    let copy = path(&scene, "copy.db");
    let grown = Connection::open(&copy).expect("it opens");
    grown.execute_batch("CREATE TABLE filler (bytes); INSERT INTO filler VALUES (zeroblob(5000000))").expect("written");
    drop(grown);
    let configuration = format!("[store]\nurl = \"sqlite:{}\"\n", text(&disk.path().join("bell.db")));
    std::fs::write(path(&scene, "small.toml"), configuration).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
    command.args(["restore", text(&copy), "--yes", "--waiting", "send", "--config", text(&path(&scene, "small.toml"))]);
    let refused = command.stdin(Stdio::null()).output().expect("it runs");
    let said = String::from_utf8(refused.stderr).expect("UTF-8");
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("there is no room beside") && said.contains("MiB are free"), "{said}");
    let entries = std::fs::read_dir(disk.path()).expect("a folder");
    let left: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
    assert!(left.iter().all(|name| name == "bell.db.lock"), "{left:?}");
}
