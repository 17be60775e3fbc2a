//! What is of SQLite alone: one daemon for one file, whose it is, what reaches the disk, and what the parts of a message
//! share. What every store does is held by the suite in [`conformance`].

pub mod conformance;
pub mod conversion;
mod groups;
mod look_ups;
mod moving;
pub mod plans;

use std::path::Path;
use std::sync::Arc;

use orderbell::domain::message::{Part, PartForm};
use orderbell::store::Store;
use orderbell::store::ingest::Ingest;
use orderbell::store::queue::attempt::{Claim, Claimed};
use orderbell::store::recording::packed;
use orderbell::store::sqlite::Sqlite;

use crate::store::conformance::scene::{again, at, due, due_in, placed};
use crate::support::stores;

fn open(folder: &Path) -> Arc<dyn Store> {
    stores::open(&folder.join("bell.db"), at(0)).expect("the store opens")
}

#[tokio::test]
async fn a_second_daemon_on_the_same_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let _first = open(folder.path());
    let refused = stores::open(&folder.path().join("bell.db"), at(0)).err().expect("refused").to_string();
    assert!(refused.contains("in use by another orderbell daemon"), "{refused}");
}

/// How many bytes of messages a store holds.
fn bytes_kept(folder: &Path) -> usize {
    let connection = rusqlite::Connection::open(folder.join("bell.db")).expect("the store");
    let sql = "SELECT sum(length(CAST(body AS BLOB))) FROM parts";
    connection.query_row(sql, [], |row| row.get::<_, isize>(0)).expect("a sum").unsigned_abs()
}

#[tokio::test]
async fn what_the_parts_of_a_message_share_is_kept_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    store.record(placed("1", &["mail"])).await.expect("recorded");
    let id = due(&*store, "mail", 0).await[0].id;
    // Two pieces for ten recipients each. The last bytes of the envelopes are alike in the midst of a character.
    let pieces = ["\0一 picture 图".repeat(4_000), "the rest 尾\r\n".repeat(3_000)];
    let envelope = |recipient: u32| char::from_u32(0x4e00 + 64 * recipient).expect("a character");
    let bodies = pieces.iter().flat_map(|piece| (0..10).map(move |to| format!("to {}{piece}", envelope(to))));
    let composed: Vec<Part> = bodies.zip(0..).map(|(body, index)| Part { index, form: PartForm::Full, body }).collect();
    let claimed =
        store.claim(Claim { composed: composed.clone(), ..again(&*store, id, 1).await }).await.expect("claiming");
    let Claimed::Yes(_) = claimed else { panic!("it may be made") };
    let kept = bytes_kept(folder.path());
    let once: usize = pieces.iter().map(String::len).sum();
    assert!((once..once + 200).contains(&kept), "{kept} bytes for {once}");
}

#[tokio::test]
async fn what_a_newer_version_wrote_holds_up_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let (odd, plain) = (placed("odd", &["kitchen"]), placed("plain", &["kitchen"]));
    let (odd_id, plain_id) = (odd.targets[0].1, plain.targets[0].1);
    for record in [odd, plain] {
        store.record(record).await.expect("recorded");
    }
    let connection = rusqlite::Connection::open(folder.path().join("bell.db")).expect("beside the store");
    let sql = "UPDATE events SET packed = ?1 WHERE order_number = 'odd'";
    let written = connection.execute(sql, [packed::pack(&[b"{\"kind\":7}"])]);
    assert_eq!(written, Ok(1));
    let (known, unreadable) = due_in(&*store, "kitchen", 0, true).await;
    assert_eq!(known.iter().map(|due| due.id).collect::<Vec<_>>(), [plain_id]);
    assert_eq!(unreadable, [odd_id]);
}

#[tokio::test]
async fn the_file_is_its_owners_alone_and_every_commit_reaches_the_disk() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open(&folder.path().join("bell.db"), at(0)).expect("the store opens");
    Ingest::record(&store, placed("1", &["kitchen"])).await.expect("recorded");
    for name in ["bell.db", "bell.db-wal"] {
        let mode = std::fs::metadata(folder.path().join(name)).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    // FULL, in the write-ahead log: only so is what was committed on disk when the commit returns.
    assert_eq!(store.durability().await.expect("asked"), ("wal".to_owned(), 2));
}
