//! What befalls the database: each has a clear reason, nothing that was promised is lost, and it goes on by itself.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use orderbell::store;
use orderbell::store::address::StoreUrl;
use orderbell::store::health::Status;
use orderbell::store::leases::WantedLease;
use orderbell::store::{Store, StoreError};

use crate::postgres::cluster::{Cluster, Database, cluster, value};
use crate::postgres::relay::{Cut, Relay};
use crate::store::conformance::scene::{at, is_new_for, placed};
use crate::support::untested::Tmpfs;
use crate::support::{TOO_LONG, in_time};

async fn open(url: &StoreUrl) -> Arc<dyn Store> {
    store::open(url, at(0)).await.expect("a store that may come later")
}

fn parse(url: &str) -> StoreUrl {
    StoreUrl::parse(url).unwrap_or_else(|invalid| panic!("{url}: {}", invalid.message))
}

/// Why nothing can be stored.
async fn wrong(store: &dyn Store) -> String {
    let mut status = store.status();
    let found = in_time(status.wait_for(|status| matches!(status, Status::Wrong(_)))).await;
    let Status::Wrong(reason) = found.expect("the writer runs").clone() else { panic!("it is wrong") };
    reason
}

async fn ready(store: &dyn Store) {
    in_time(store.opened()).await;
    assert!(store.is_ready());
}

#[tokio::test]
async fn what_keeps_a_store_from_opening_is_said_in_words_and_it_opens_by_itself_when_that_is_mended() {
    let Some(database) = Database::make().await else { return };
    let port = database.cluster.port;
    let admin = database.connect().await;
    let user = format!("{}_bell", database.name);
    let url = |password: &str, name: &str| parse(&format!("postgres://{user}:{password}@127.0.0.1:{port}/{name}"));
    let make = format!("CREATE ROLE {user} LOGIN PASSWORD 'other'; REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    admin.batch_execute(&make).await.expect("a user");
    let store = open(&url("hunter2", &database.name)).await;
    let reason = wrong(&*store).await;
    assert!(reason.contains("does not take the password") && !reason.contains("hunter2"), "{reason}");
    let refused = store.record(placed("1", &["kitchen"])).await;
    assert!(matches!(&refused, Err(StoreError::Unavailable(said)) if *said == reason), "{refused:?}");
    let beside = store::open_beside(&url("hunter2", &database.name)).await.map(drop);
    assert!(matches!(&beside, Err(StoreError::Unavailable(said)) if said.contains("password")), "{beside:?}");
    let none = open(&url("other", "bell_of_nobody")).await;
    let reason = wrong(&*none).await;
    assert!(reason.contains("no such database") && reason.contains("CREATE DATABASE"), "{reason}");
    // Now the password is right, and the rights are missing.
    admin.batch_execute(&format!("ALTER ROLE {user} PASSWORD 'hunter2'")).await.expect("another password");
    let lacks_rights = |status: &Status| matches!(status, Status::Wrong(reason) if reason.contains("lacks rights"));
    in_time(store.status().wait_for(lacks_rights)).await.expect("the writer runs");
    admin.batch_execute(&format!("GRANT CREATE ON SCHEMA public TO {user}")).await.expect("a right");
    ready(&*store).await;
    assert!(is_new_for(&store.record(placed("1", &["kitchen"])).await.expect("recorded"), "kitchen"));
    for store in [store, none] {
        store.close().await;
    }
    admin.batch_execute(&format!("DROP OWNED BY {user} CASCADE; DROP ROLE {user}")).await.expect("the user goes");
}

#[tokio::test]
async fn a_database_that_is_only_read_from_is_none_until_it_is_written_to_again() {
    let Some(database) = Database::make().await else { return };
    let admin = database.connect().await;
    let set = |what: &str| format!("ALTER DATABASE {} SET default_transaction_read_only = {what}", database.name);
    admin.batch_execute(&set("on")).await.expect("set");
    let store = open(&database.store_url()).await;
    let reason = wrong(&*store).await;
    assert!(reason.contains("can only be read"), "{reason}");
    admin.batch_execute(&format!("BEGIN READ WRITE; {}; COMMIT", set("off"))).await.expect("set");
    ready(&*store).await;
    store.record(placed("1", &["kitchen"])).await.expect("recorded");
    store.close().await;
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_asked_for_and_never_guessed() {
    let Some(database) = Database::make().await else { return };
    let relay = Relay::start(database.cluster.port).await;
    // Encrypted, nobody in between could see a commit.
    let store = open(&database.store_url_at(&format!("127.0.0.1:{}", relay.port), "sslmode=disable")).await;
    ready(&*store).await;
    let client = database.connect().await;
    let events = async || value(&client, "SELECT count(*) FROM events").await;
    for (number, cut, is_kept) in
        [("1", Cut::BeforeAnswer, true), ("2", Cut::BeforeCommit, false), ("3", Cut::BeforeAnswer, true)]
    {
        let before: i64 = events().await.parse().expect("a number");
        relay.cut(cut);
        let recorded = in_time(store.record(placed(number, &["kitchen"]))).await;
        assert!(relay.has_cut(), "{cut:?}");
        assert_eq!(recorded.is_ok(), is_kept, "{cut:?}: {recorded:?}");
        let after: i64 = events().await.parse().expect("a number");
        assert_eq!(after - before, i64::from(is_kept), "{cut:?}");
        // What the platform sends again is known, or new now.
        let again = async {
            loop {
                match store.record(placed(number, &["kitchen"])).await {
                    Ok(again) => return again,
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        assert_eq!(is_new_for(&in_time(again).await, "kitchen"), !is_kept, "{cut:?}");
    }
    store.close().await;
}

#[tokio::test]
async fn a_number_that_another_instance_has_taken_is_not_that_of_a_commit_that_was_not_kept() {
    let Some(database) = Database::make().await else { return };
    let relay = Relay::start(database.cluster.port).await;
    let one = open(&database.store_url_at(&format!("127.0.0.1:{}", relay.port), "sslmode=disable")).await;
    let other = open(&database.store_url()).await;
    for store in [&one, &other] {
        ready(&**store).await;
    }
    for round in 0..10 {
        ready(&*one).await;
        relay.cut(Cut::BeforeCommit);
        // The other one waits for the first one's transaction, and has its number when that is taken back.
        let (mine, theirs) = (format!("mine {round}"), format!("theirs {round}"));
        let channels = ["kitchen"];
        let recorded =
            async { tokio::join!(one.record(placed(&mine, &channels)), other.record(placed(&theirs, &channels))) };
        let (lost, kept) = in_time(recorded).await;
        assert!(relay.has_cut());
        assert!(lost.is_err(), "{round}: {lost:?}");
        kept.expect("recorded");
        assert!(other.order("s", &mine).await.expect("reading").is_none(), "{round}");
    }
    for store in [one, other] {
        store.close().await;
    }
}

#[tokio::test]
async fn a_look_that_nobody_answers_ends() {
    let Some(database) = Database::make().await else { return };
    let relay = Relay::start(database.cluster.port).await;
    let store = open(&database.store_url_at(&format!("127.0.0.1:{}", relay.port), "sslmode=disable")).await;
    ready(&*store).await;
    store.version().await.expect("reading");
    relay.cut(Cut::Silence);
    // From here on the clock jumps to whatever is waited for next.
    tokio::time::pause();
    let looked = in_time(store.version()).await;
    assert!(
        matches!(&looked, Err(StoreError::Unavailable(reason)) if reason.contains("does not answer")),
        "{looked:?}"
    );
}

#[tokio::test]
async fn a_server_that_is_started_anew_in_the_midst_loses_nothing_and_is_found_again() {
    // A server of its own: it is restarted.
    let Some(programs) = tokio::task::spawn_blocking(cluster).await.expect("no panic").map(|other| &other.programs)
    else {
        return;
    };
    let own = tokio::task::spawn_blocking(|| &*Box::leak(Box::new(Cluster::start(programs))));
    let own: &'static Cluster = own.await.expect("a server");
    let database = Database::make_in(own, "").await;
    let store = open(&database.store_url()).await;
    ready(&*store).await;
    let (mut kept, mut refused, mut restarts) = (Vec::new(), 0, Vec::new());
    for number in 0.. {
        let number = number.to_string();
        match in_time(store.record(placed(&number, &["kitchen"]))).await {
            Ok(_) => kept.push(number),
            Err(StoreError::Unavailable(_)) => {
                refused += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error}"),
        }
        let are_done = restarts.iter().all(tokio::task::JoinHandle::is_finished);
        if kept.len() >= 100 * (restarts.len() + 1) && are_done {
            if restarts.len() == 2 {
                break;
            }
            restarts.push(tokio::task::spawn_blocking(move || {
                own.stop();
                own.start_again();
            }));
        }
    }
    for restart in restarts {
        restart.await.expect("restarted");
    }
    assert!(refused > 0, "the server was away");
    ready(&*store).await;
    // Of what was acknowledged, each is there once; what was refused may be there, had its commit been kept.
    for number in &kept {
        let order = in_time(store.order("s", number)).await.expect("reading");
        assert!(order.is_some(), "order {number} was acknowledged");
    }
    store.close().await;
}

#[tokio::test]
async fn a_full_disk_of_the_database_is_said_and_it_goes_on_when_there_is_room() {
    let Some(cluster) = tokio::task::spawn_blocking(cluster).await.expect("no panic") else { return };
    let Some(disk) = Tmpfs::mount_of("40m") else { return };
    let admin = cluster.connect("postgres").await;
    let space = disk.path().join("space").display().to_string();
    admin
        .batch_execute(&format!("COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; mkdir {space}'"))
        .await
        .expect("a folder of the server's");
    admin.batch_execute(&format!("CREATE TABLESPACE small LOCATION '{space}'")).await.expect("a small disk");
    let database = Database::make_in(cluster, "TABLESPACE small").await;
    let store = open(&database.store_url()).await;
    ready(&*store).await;
    disk.fill();
    let mut kept = 0;
    let refused = loop {
        match in_time(store.record(placed(&kept.to_string(), &["kitchen"]))).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(refused.to_string().contains("disk of the database is full"), "{refused}");
    assert!(wrong(&*store).await.contains("make room there"));
    disk.clear();
    ready(&*store).await;
    store.record(placed(&kept.to_string(), &["kitchen"])).await.expect("there is room");
    assert_eq!(value(&database.connect().await, "SELECT count(*) FROM events").await, (kept + 1).to_string());
    store.close().await;
}

#[tokio::test]
async fn an_instance_that_freezes_in_the_midst_of_a_change_keeps_nobody_for_long() {
    let Some(database) = Database::make().await else { return };
    let store = open(&database.store_url()).await;
    ready(&*store).await;
    // As the transaction of an instance that is frozen then, with the limits that each of them sets.
    let frozen = database.connect().await;
    let begin =
        "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 8000; UPDATE store_version SET number = number + 1";
    frozen.batch_execute(begin).await.expect("begun");
    let begun = std::time::Instant::now();
    tokio::time::timeout(TOO_LONG, store.record(placed("1", &["kitchen"]))).await.expect("in time").expect("recorded");
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    store.close().await;
}

#[tokio::test]
async fn another_instance_and_a_command_are_heard_of_by_a_change_of_the_version() {
    let Some(database) = Database::make().await else { return };
    let (one, other) = (open(&database.store_url()).await, open(&database.store_url()).await);
    for store in [&one, &other] {
        ready(&**store).await;
    }
    // That it listens by now is not to be seen; it says so once by itself.
    in_time(one.woken()).await;
    let before = one.version().await.expect("reading");
    let woken = async {
        // The other one's opening may have been heard of, too.
        while one.version().await.expect("reading") == before {
            in_time(one.woken()).await;
        }
    };
    let (recorded, ()) = tokio::join!(other.record(placed("1", &["kitchen"])), woken);
    recorded.expect("recorded");
    // The one server's clock is this machine's, and is asked for all the same.
    let theirs = one.database_time().await.expect("reading").expect("it has a clock of its own");
    assert!(Timestamp::now().duration_since(theirs).abs() < SignedDuration::from_secs(60), "{theirs}");
    for store in [one, other] {
        store.close().await;
    }
}

#[tokio::test]
async fn an_instance_is_woken_for_the_channels_that_have_something_to_do_and_for_no_others() {
    let Some(database) = Database::make().await else { return };
    let (one, other) = (open(&database.store_url()).await, open(&database.store_url()).await);
    for store in [&one, &other] {
        ready(&**store).await;
    }
    let mut tries = 0;
    loop {
        // What was said of the opening comes first.
        other.record(placed(&format!("kitchen {tries}"), &["kitchen"])).await.expect("recorded");
        if in_time(one.woken()).await == ["kitchen"] {
            break;
        }
        tries += 1;
        assert!(tries < 20, "no channel is named");
    }
    // Who holds a lease gives no channel anything to do.
    let wanted = WantedLease { lease: "robot".to_owned(), lasts: SignedDuration::from_secs(30), channels: Vec::new() };
    other.acquire(vec![wanted], "two", at(0)).await.expect("asked");
    other.record(placed("both", &["it's", "office"])).await.expect("recorded");
    let woken = loop {
        let woken = in_time(one.woken()).await;
        if woken != ["kitchen"] {
            break woken;
        }
    };
    assert_eq!(woken.iter().filter(|channel| *channel != "kitchen").collect::<Vec<_>>(), ["it's", "office"]);
    for store in [one, other] {
        store.close().await;
    }
}
