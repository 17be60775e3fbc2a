//! Backups as a habit: a copy a day beside the running daemon, looked through, and the oldest ones removed.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use orderbell::sandbox::rules::Rules;
use rusqlite::Connection;

use crate::support::watching::NEVER;
use crate::support::{Scene, TOO_LONG, keeta};

const OPERATOR: &str = "[operator]\nto = [\"owner\"]\n";
const BACKUP: &str = "[backup]\nto = \"copies/daily\"\nkeep = 2\n";

/// In Riyadh it is 04:05, five minutes before the copy is due.
fn before() -> Timestamp {
    "2026-11-29T01:05:00Z".parse().expect("a time")
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

async fn until(folder: &Path, expected: &[&str]) {
    until_so(folder, |names| names == expected).await;
}

async fn until_so(folder: &Path, is_so: impl Fn(&[String]) -> bool) {
    let deadline = Instant::now() + TOO_LONG;
    while !is_so(&names(folder)) {
        assert!(Instant::now() < deadline, "{:?}", names(folder));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().expect("it is there").permissions().mode() & 0o777
}

fn count(store: &Path, table: &str) -> i64 {
    let connection = Connection::open(store).expect("it opens");
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_a_day_is_made_beside_the_daemon_and_the_newest_stay() {
    let scene = Scene::still(before(), Rules::new()).await;
    let folder = scene.folder.path().join("copies/daily");
    let text = scene.hook("owner", "") + OPERATOR + BACKUP;
    let daemon = scene.start(&text).await;
    // There is none of yesterday.
    until(&folder, &["orderbell-20261129-0405.db"]).await;
    assert_eq!((mode(&folder), mode(&folder.join("orderbell-20261129-0405.db"))), (0o700, 0o600));
    for name in ["before-the-update.db", "orderbell-notes.db"] {
        std::fs::write(folder.join(name), "somebody's own").expect("written");
    }
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    scene.hands.forward(SignedDuration::from_mins(5));
    let others = ["before-the-update.db", "orderbell-notes.db"];
    until(&folder, &[others[0], "orderbell-20261129-0405.db", "orderbell-20261129-0410.db", others[1]]).await;
    assert_eq!(count(&folder.join("orderbell-20261129-0410.db"), "events WHERE kind = 'order.placed'"), 1);
    scene.hands.forward(SignedDuration::from_hours(24));
    until(&folder, &[others[0], "orderbell-20261129-0410.db", "orderbell-20261130-0410.db", others[1]]).await;
    daemon.stop().await;
    // It was off at the time, and is late.
    scene.hands.forward(SignedDuration::from_hours(30));
    let daemon = scene.start(&text).await;
    until(&folder, &[others[0], "orderbell-20261130-0410.db", "orderbell-20261201-1010.db", others[1]]).await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_cannot_be_made_is_notified_and_so_is_that_they_are_made_again() {
    let scene = Scene::still(before(), Rules::new()).await;
    let (text, blocked) = (scene.hook("owner", "") + OPERATOR + BACKUP, scene.folder.path().join("copies"));
    std::fs::write(&blocked, "a file").expect("written");
    let daemon = scene.start(&text).await;
    let notices = scene.until_received("owner", 1).await;
    assert!(notices[0].body.contains("No backup could be made"), "{}", notices[0].body);
    assert!(notices[0].body.contains("copies/daily cannot be made"), "{}", notices[0].body);
    std::fs::remove_file(&blocked).expect("removed");
    // A restart says neither that it began nor that it is over.
    daemon.stop().await;
    std::fs::write(&blocked, "a file").expect("written");
    let daemon = scene.start(&text).await;
    scene.hands.forward(SignedDuration::from_mins(1));
    scene.nothing_more(Duration::from_millis(1_500)).await;
    std::fs::remove_file(&blocked).expect("removed");
    scene.hands.forward(SignedDuration::from_mins(16));
    until(&blocked.join("daily"), &["orderbell-20261129-0422.db"]).await;
    let notices = scene.until_received("owner", 2).await;
    assert!(notices[1].body.contains("Backups are made again"), "{}", notices[1].body);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_begins_and_ends_backups_and_what_a_kill_left_behind_goes() {
    let scene = Scene::new(Rules::new()).await;
    let folder = scene.folder.path().join("copies/daily");
    let daemon = scene.start_watching(NEVER, "", "").await;
    std::fs::create_dir_all(&folder).expect("made");
    for (name, age) in [(".orderbell-backup-a1", Duration::from_secs(90_000)), (".orderbell-backup-b2", Duration::ZERO)]
    {
        let half = std::fs::File::create(folder.join(name)).expect("made");
        half.set_modified(std::time::SystemTime::now() - age).expect("dated");
    }
    daemon.reload("with", "", BACKUP).await;
    let half = ".orderbell-backup-b2";
    until_so(&folder, |names| matches!(names, [first, copy] if first == half && copy.starts_with("orderbell-20")))
        .await;
    daemon.daemon.stop().await;
}
