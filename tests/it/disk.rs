//! When the store cannot take anything: the platform is asked to send again, nothing is half kept, and the daemon recovers
//! by itself.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orderbell::domain::event::{DedupeKey, DeliveryId, Event, EventId, Kind, SignatureCheck};
use orderbell::domain::order::OrderUpdate;
use orderbell::domain::payload::Data;
use orderbell::domain::route::Target;
use orderbell::domain::route_decision::RouteDecisions;
use orderbell::domain::template::Templates;
use orderbell::sandbox::rules::Rules;
use orderbell::store::StoreError;
use orderbell::store::ingest::{Record, Recorded};
use orderbell::store::sqlite::Sqlite;
use rusqlite::Connection;
use uuid::Uuid;

use crate::support::stores;
use crate::support::untested::Tmpfs;
use crate::support::{Daemon, Scene, get, keeta};

/// Orders that are sent to a full store; the first few may still find a place.
const TRIES: u64 = 200;

/// A store that lies on a disk which the test can fill and clear.
trait Disk {
    fn fill(&mut self);
    fn clear(&mut self);
}

fn channels(scene: &Scene) -> String {
    let route = "[[route]]\nevents = [\"order.*\"]\nto = [\"erp\"]\n[operator]\nto = [\"erp\"]\n";
    format!("{}{route}", scene.hook("erp", ""))
}

fn events(store: &Path) -> i64 {
    let connection = Connection::open(store).expect("the store opens");
    connection.query_row("SELECT count(*) FROM events", [], |row| row.get(0)).expect("a count")
}

/// The promise, on whichever disk.
async fn a_full_disk_is_survived(scene: &Scene, daemon: Daemon, store: &Path, mut disk: impl Disk) {
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    scene.until_received("erp", 1).await;
    disk.fill();

    let (mut acknowledged, mut refused) = (1, None);
    for number in 2..=TRIES {
        let body = keeta::placed(number, scene.hands.now());
        let answer = daemon.post(&body).await;
        if answer.status != 200 {
            assert_eq!(answer.status, 503, "{answer:?}");
            assert_ne!(answer.code(), 0);
            // And again, unless what was delivered meanwhile has left room for one more.
            if daemon.post(&body).await.status == 503 {
                refused = Some(body);
                break;
            }
        }
        acknowledged += 1;
    }
    let refused = refused.unwrap_or_else(|| panic!("{TRIES} orders fit on a full disk"));
    assert_eq!(daemon.post(b"{}").await.status, 200, "heartbeats need no disk");
    assert_eq!(get(daemon.address, "/healthz").await.status, 200, "nobody need restart what recovers by itself");
    assert_eq!(events(store), acknowledged, "what was refused is not in the store");
    assert_eq!(daemon.deliveries().await.len(), usize::try_from(acknowledged).expect("few"));

    disk.clear();
    daemon.acknowledged(&refused).await;
    acknowledged += 1;
    let delivery_rows = daemon.until_done().await;
    assert!(delivery_rows.iter().all(|delivery_row| delivery_row.state == "delivered"), "{delivery_rows:#?}");
    let received = scene.until_received("erp", usize::try_from(acknowledged).expect("few")).await;
    assert_eq!(received.len() as i64, acknowledged, "each acknowledged webhook is sent, and nothing else");
    assert_eq!(events(store), acknowledged);
    daemon.stop().await;
}

/// The file may not grow; a table of the test's own takes all that is free in it.
struct Filler(PathBuf);

impl Filler {
    fn run(&self, sql: &str) {
        Connection::open(&self.0).and_then(|connection| connection.execute_batch(sql)).expect("the filler is written");
    }
}

impl Disk for Filler {
    fn fill(&mut self) {
        let connection = Connection::open(&self.0).expect("the store opens");
        let free: i64 = connection.query_row("PRAGMA freelist_count", [], |row| row.get(0)).expect("a count");
        // A row for each page, and none on the pages that its own table begins with.
        let bytes = (free + 8) * 4096;
        connection.execute("INSERT INTO filler VALUES (zeroblob(?1))", [bytes]).expect("the filler is written");
        let free: i64 = connection.query_row("PRAGMA freelist_count", [], |row| row.get(0)).expect("a count");
        assert_eq!(free, 0);
    }

    fn clear(&mut self) {
        self.run("DROP TABLE filler");
    }
}

impl Disk for &Tmpfs {
    fn fill(&mut self) {
        Tmpfs::fill(self);
    }

    fn clear(&mut self) {
        Tmpfs::clear(self);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_answered_503_and_the_daemon_recovers_by_itself() {
    {
        eprintln!("a store that may not grow");
        let scene = Scene::new(Rules::new().speed(1000)).await;
        stores::open(&scene.store(), scene.hands.now()).expect("the store opens").close().await;
        let filler = Filler(scene.store());
        filler.run("CREATE TABLE filler (bytes BLOB)");
        let pages: u32 = Connection::open(scene.store())
            .and_then(|connection| connection.query_row("PRAGMA page_count", [], |row| row.get(0)))
            .expect("a count");
        let store = Sqlite::open_within(&scene.store(), scene.hands.now(), pages + 20);
        let store = Arc::new(store.expect("the store opens"));
        let templates = Templates::built_in().expect("they parse");
        let daemon = scene.start_on(store, templates, &channels(&scene)).await;
        a_full_disk_is_survived(&scene, daemon, &scene.store(), filler).await;
    }
    // In addition, where this process may mount: a file system that is really full.
    if let Some(tmpfs) = Tmpfs::mount() {
        eprintln!("a file system without room");
        let scene = Scene::new(Rules::new().speed(1000)).await;
        let daemon = scene.start_in(tmpfs.path(), &channels(&scene)).await;
        a_full_disk_is_survived(&scene, daemon, &tmpfs.path().join("bell.db"), &tmpfs).await;
    }
}

/// What a second connection can do to the store, so that every write of the daemon fails.
async fn a_store_that_refuses_is_survived(refuse: &str, allow: &str) {
    let scene = Scene::new(Rules::new()).await;
    let daemon = scene.start(&channels(&scene)).await;
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    scene.until_received("erp", 1).await;
    daemon.until_done().await;
    let other = daemon.connection();
    other.execute_batch(refuse).expect("the store is made to refuse");
    let body = keeta::placed(2, scene.hands.now());
    for _ in 0..2 {
        let answer = daemon.post(&body).await;
        assert_eq!(answer.status, 503, "{refuse}: {answer:?}");
        assert_ne!(answer.code(), 0);
    }
    assert_eq!(events(&scene.store()), 1, "{refuse}");
    other.execute_batch(allow).expect("the store is made to take things again");
    daemon.acknowledged(&body).await;
    daemon.until_done().await;
    assert_eq!(scene.until_received("erp", 2).await.len(), 2, "{refuse}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_no_writes_is_answered_503_until_it_does() {
    let refusing = |how: &str| {
        format!(
            "CREATE TRIGGER refusing BEFORE INSERT ON events BEGIN SELECT RAISE({how}, 'attempt to write a readonly database'); END"
        )
    };
    let cases = [
        (refusing("ABORT"), "DROP TRIGGER refusing"),
        // As a full disk does: SQLite takes back the whole transaction.
        (refusing("ROLLBACK"), "DROP TRIGGER refusing"),
        // Another program holds the store for longer than the daemon waits.
        ("BEGIN IMMEDIATE".to_owned(), "ROLLBACK"),
    ];
    for (refuse, allow) in cases {
        a_store_that_refuses_is_survived(&refuse, allow).await;
    }
}

fn record(number: u64) -> Record {
    let now = jiff::Timestamp::now();
    Record {
        event: Event {
            id: EventId(Uuid::now_v7()),
            kind: Kind::OrderPlaced,
            source: "s".to_owned(),
            occurred_at: Some(now),
            received_at: now,
            shop: None,
            order: Some(OrderUpdate { number: number.to_string(), ..OrderUpdate::default() }),
            data: Data::default(),
            proof: SignatureCheck::Valid("test".to_owned()),
        },
        body: b"{}".to_vec(),
        dedupe_keys: vec![DedupeKey::Once(number.to_string())],
        targets: vec![(Target::always("erp"), DeliveryId(Uuid::now_v7()))],
        urgent: Vec::new(),
        decisions: RouteDecisions::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_shares_a_transaction_that_was_taken_back_is_refused_and_not_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bell.db");
    let store = stores::open(&path, jiff::Timestamp::now()).expect("the store opens");
    let other = Connection::open(&path).expect("the store opens");
    let refusing = "CREATE TRIGGER refusing BEFORE INSERT ON events WHEN new.order_number = '5'
        BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END";
    other.execute_batch(refusing).expect("a trigger");
    // While the test holds the lock, the writer waits with the first one, and the others gather into one group behind it.
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock is free");
    let mut asked = Vec::new();
    for number in 0..10 {
        let store = store.clone();
        let mut recording = Box::pin(async move { store.record(record(number)).await });
        // Polled once, it stands in the queue, in this sequence.
        let waiting = at_once(&mut recording).await;
        assert!(waiting.is_none(), "the lock is held");
        asked.push(recording);
    }
    other.execute_batch("COMMIT").expect("the lock is given back");
    let mut kept = 0;
    for recording in asked {
        match recording.await {
            Ok(Recorded::New { .. }) => kept += 1,
            Ok(known) => panic!("{known:?}"),
            Err(StoreError::Unavailable(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert!(kept < 9, "they did not share a transaction, so this test shows nothing");
    assert_eq!(events(&path), kept, "what was answered 'not now' is not there, and the rest is");
    other.execute_batch("DROP TRIGGER refusing").expect("it goes");
    assert!(matches!(store.record(record(5)).await, Ok(Recorded::New { .. })), "and the store goes on");
}

/// The value of a future that is ready at its first poll.
async fn at_once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
        std::task::Poll::Ready(value) => std::task::Poll::Ready(Some(value)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn a_folder_that_may_not_be_written_stops_the_start_with_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    // A file in the place of the folder: root may write anywhere else.
    let place = folder.path().join("taken");
    File::create(&place).expect("a file");
    let refused = stores::open(&place.join("bell.db"), jiff::Timestamp::now()).err().expect("it cannot be");
    assert!(refused.to_string().contains("bell.db"), "{refused}");
}
