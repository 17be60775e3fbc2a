//! The real daemon is killed with SIGKILL at random moments under load, and in some rounds its database is moved away or
//! replaced before, or the write-ahead log removed: what it acknowledged is delivered after the restart, and arrives twice only
//! where the answer was lost.
//!
//! `ORDERBELL_CRASH_ROUNDS` sets how many rounds there are; 10 without it. The seed of the moments is printed.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use orderbell::domain::event::Kind;
use orderbell::platform::Platform;
use orderbell::platform::keeta::settings::Keeta;
use orderbell::sandbox::Sandbox;
use orderbell::sandbox::inbox::{MockVerdict, Received};
use orderbell::sandbox::rules::{RobotRules, Rules};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::address::own_address;
use crate::support::stores;

const SENDERS: u64 = 4;
const ADDRESS: &str = "https://bell.example.com/hooks/keeta-hk";
/// After the last kill everything must have arrived within this time.
const PATIENCE: Duration = Duration::from_secs(120);

fn keeta() -> Keeta {
    serde_json::from_str(r#"{"app_id":1,"app_secret":"s"}"#).expect("a source")
}

fn configuration(address: SocketAddr, receivers: &Sandbox) -> String {
    format!(
        r#"
        [server]
        listen = "{address}"
        public_url = "https://bell.example.com"
        [source.keeta-hk]
        platform = "keeta"
        app_id = 1
        app_secret = "s"
        [channel.kitchen]
        kind = "dingtalk"
        webhook = "{}"
        secret = "SECcrash"
        rate = {{ per = "1s", count = 100000 }}
        retry = ["1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s"]
        allow_private = true
        [channel.erp]
        kind = "webhook"
        url = "{}"
        retry = ["1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s"]
        allow_private = true
        [[route]]
        events = ["order.placed"]
        to = ["kitchen", "erp"]
        "#,
        receivers.robot_url("kitchen"),
        receivers.hook_url("erp"),
    )
}

fn start(folder: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_orderbell"))
        .args(["--config", "orderbell.toml", "serve"])
        .current_dir(folder)
        .env("ORDERBELL_LOG", "error")
        .stdout(Stdio::null())
        .spawn()
        .expect("the daemon starts")
}

/// Waits until the daemon listens.
async fn connected(address: SocketAddr, daemon: &mut Child) -> TcpStream {
    let begin = Instant::now();
    loop {
        if let Ok(stream) = TcpStream::connect(address).await {
            return stream;
        }
        assert!(daemon.try_wait().expect("a child").is_none(), "the daemon ended by itself");
        assert!(begin.elapsed() < Duration::from_secs(30), "the daemon does not listen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Sends webhooks one after another until the daemon dies; answers the seeds whose acknowledgement was read.
async fn send(address: SocketAddr, seeds: Arc<Mutex<u64>>, acknowledged: Arc<Mutex<BTreeSet<u64>>>) {
    let keeta = keeta();
    let Ok(mut stream) = TcpStream::connect(address).await else { return };
    let mut answer = vec![0; 4096];
    loop {
        let seed = {
            let mut next = seeds.lock().expect("no panic elsewhere");
            *next += 1;
            *next
        };
        let sample = keeta.samples(&Kind::OrderPlaced, ADDRESS, seed, Timestamp::now()).remove(0);
        let head =
            format!("POST /hooks/keeta-hk HTTP/1.1\r\nhost: bell\r\ncontent-length: {}\r\n\r\n", sample.body.len());
        if stream.write_all(&[head.into_bytes(), sample.body].concat()).await.is_err() {
            return;
        }
        match stream.read(&mut answer).await {
            Ok(read) if answer[..read].starts_with(b"HTTP/1.1 200") => {
                acknowledged.lock().expect("no panic elsewhere").insert(seed);
            }
            // While the database is away; the next one is another order.
            Ok(read) if answer[..read].starts_with(b"HTTP/1.1 503") => {}
            Ok(read) if read > 0 => panic!("{}", String::from_utf8_lossy(&answer[..read])),
            _ => return,
        }
    }
}

/// What befalls the database in a round, by its number.
async fn mishap(round: u32, store: &Path, chance: &mut u64) {
    let beside = |ending: &str| PathBuf::from(format!("{}{ending}", store.display()));
    let a_moment = Duration::from_millis(20 + draw(chance) % 100);
    match round % 5 {
        1 => {
            std::fs::rename(store, beside(".away")).expect("moved away");
            tokio::time::sleep(a_moment).await;
            std::fs::rename(beside(".away"), store).expect("moved back");
            tokio::time::sleep(a_moment).await;
        }
        2 => {
            std::fs::rename(store, beside(".away")).expect("moved away");
            std::fs::write(store, "another file").expect("written");
            tokio::time::sleep(a_moment).await;
            std::fs::rename(beside(".away"), store).expect("moved back");
            tokio::time::sleep(a_moment).await;
        }
        // It is killed while the database is away; only then is it moved back.
        3 => std::fs::rename(store, beside(".away")).expect("moved away"),
        4 => {
            std::fs::remove_file(beside("-wal")).expect("removed");
            if draw(chance).is_multiple_of(2) {
                std::fs::remove_file(beside("-shm")).expect("removed");
            }
            let begin = Instant::now();
            while !beside("-wal").exists() || !beside("-shm").exists() {
                assert!(begin.elapsed() < Duration::from_secs(30), "the log is not made anew");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(a_moment).await;
        }
        _ => {}
    }
}

/// A small generator of moments, so that a failure can be repeated.
fn draw(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// The order number of a message, as the sample of a seed has it.
fn seed_of(received: &Received) -> u64 {
    let digits = match received.address.kind {
        "webhook" => {
            let json: serde_json::Value = serde_json::from_str(&received.body).expect("JSON");
            json["order"]["number"].as_str().expect("a number").to_owned()
        }
        _ => {
            let text = received.text.as_deref().expect("a text");
            let at = text.find("756823").unwrap_or_else(|| panic!("no order number in: {text}"));
            text[at..].chars().take_while(char::is_ascii_digit).collect()
        }
    };
    digits.parse::<u64>().expect("digits") - 756_823_000_000_000
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_webhook_survives_sigkill() {
    let rounds: u32 = std::env::var("ORDERBELL_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let seed = Timestamp::now().as_millisecond().unsigned_abs() | 1;
    println!("{rounds} rounds, seed {seed}");
    let mut chance = seed;

    let folder = tempfile::tempdir().expect("a folder");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let robot = RobotRules { secret: Some(orderbell::domain::secret::Secret::new("SECcrash")), keyword: None };
    // A robot that takes as much as comes: its allowance is not what is tried here.
    let receivers = Sandbox::start(listener, Rules::new().robot("kitchen", robot).speed(1_000_000));
    let mut arrivals = receivers.subscribe();
    let arrived: Arc<Mutex<Vec<Received>>> = Arc::default();
    let seen = arrived.clone();
    tokio::spawn(async move {
        loop {
            match arrivals.recv().await {
                Ok(received) => seen.lock().expect("no panic elsewhere").push(received),
                Err(tokio::sync::broadcast::error::RecvError::Lagged(missed)) => {
                    panic!("{missed} messages were not counted")
                }
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
            }
        }
    });

    let address = own_address();
    std::fs::write(folder.path().join("orderbell.toml"), configuration(address, &receivers)).expect("written");
    let seeds = Arc::new(Mutex::new(0));
    let acknowledged: Arc<Mutex<BTreeSet<u64>>> = Arc::default();
    let store = folder.path().join("orderbell.db");
    for round in 0..rounds {
        let mut daemon = start(folder.path());
        drop(connected(address, &mut daemon).await);
        let senders: Vec<_> =
            (0..SENDERS).map(|_| tokio::spawn(send(address, seeds.clone(), acknowledged.clone()))).collect();
        tokio::time::sleep(Duration::from_millis(20 + draw(&mut chance) % 300)).await;
        if round % 5 != 0 {
            // Before, it might not have opened its database.
            let taken = || acknowledged.lock().expect("no panic elsewhere").len();
            let (before, begin) = (taken(), Instant::now());
            while taken() == before {
                assert!(begin.elapsed() < Duration::from_secs(30), "nothing is acknowledged");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            mishap(round, &store, &mut chance).await;
        }
        daemon.kill().expect("killed");
        daemon.wait().expect("gone");
        if round % 5 == 3 {
            std::fs::rename(folder.path().join("orderbell.db.away"), &store).expect("moved back");
        }
        for sender in senders {
            sender.await.expect("a sender met something else than a dead daemon");
        }
    }

    let acknowledged = acknowledged.lock().expect("no panic elsewhere").clone();
    let mut daemon = start(folder.path());
    drop(connected(address, &mut daemon).await);
    let reader = stores::open_beside(&folder.path().join("orderbell.db")).expect("the store");
    let begin = Instant::now();
    while !reader.deliveries(Some("waiting")).await.expect("reading").is_empty() {
        assert!(begin.elapsed() < PATIENCE, "deliveries are still waiting");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    daemon.kill().expect("killed");
    daemon.wait().expect("gone");

    let lost_answers: BTreeSet<String> = lost_answers(&folder.path().join("orderbell.db"));
    // By receiver and order: the key of the first message. The sandbox itself forgets keys after some thousands.
    let mut taken: BTreeMap<(&str, u64), String> = BTreeMap::new();
    let mut unexplained = Vec::new();
    let (mut messages, mut repeats) = (0, 0);
    for received in arrived.lock().expect("no panic elsewhere").iter() {
        assert_eq!(received.verdict, MockVerdict::Accepted, "{received:?}");
        messages += 1;
        let key = received.key.clone().expect("a key");
        match taken.entry((received.address.kind, seed_of(received))) {
            Entry::Vacant(first) => drop(first.insert(key)),
            Entry::Occupied(first) => {
                repeats += 1;
                assert_eq!(*first.get(), key, "a repeat came with another key: {received:?}");
                if !lost_answers.contains(&key) {
                    unexplained.push(key);
                }
            }
        }
    }
    println!(
        "acknowledged {}, deliveries owed {}, messages {messages}, repeats {repeats}",
        acknowledged.len(),
        2 * acknowledged.len()
    );
    assert!(acknowledged.len() > rounds as usize, "hardly anything was acknowledged");
    for side in ["dingtalk", "webhook"] {
        let missing: Vec<u64> =
            acknowledged.iter().copied().filter(|seed| !taken.contains_key(&(side, *seed))).collect();
        assert!(missing.is_empty(), "acknowledged and never sent to {side:?}: {missing:?}");
    }
    assert!(unexplained.is_empty(), "sent twice although the answer was not lost: {unexplained:?}");
}

/// The deliveries of which an attempt ended without an answer.
fn lost_answers(store: &Path) -> BTreeSet<String> {
    let connection = rusqlite::Connection::open(store).expect("the store");
    let sql = "SELECT DISTINCT delivery FROM attempts WHERE outcome = 'unknown'";
    let mut select = connection.prepare(sql).expect("a statement");
    let ids = select.query_map([], |row| row.get::<_, Vec<u8>>(0)).expect("rows");
    ids.map(|id| uuid::Uuid::from_slice(&id.expect("an id")).expect("sixteen bytes").to_string()).collect()
}
