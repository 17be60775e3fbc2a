//! The machine that the daemon runs on: its clock and its disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use orderbell::flow::backups::BackupStatus;
use orderbell::flow::clock_skew::ClockSkews;
use orderbell::flow::leadership::Leadership;
use orderbell::flow::notice::Notices;
use orderbell::flow::notifier::Notifier;
use orderbell::flow::reports::ReportFailures;
use orderbell::flow::routing::RoutingSnapshot;
use orderbell::flow::source_activity::SourceActivity;
use orderbell::flow::watch::conditions::Space;
use orderbell::flow::watch::mistakes::Mistakes;
use orderbell::flow::watch::{Instruments, SelfWatch};
use orderbell::flow::{Clock, Current, watch};
use orderbell::sandbox::rules::Rules;
use rusqlite::Connection;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::support::stores;
use crate::support::{Scene, keeta};
use crate::watch::{House, OPERATOR, ORDERS, minutes, noon, notices};

/// A receiver that accepts, and whose clock is ahead by so many seconds.
async fn clocked(ahead: Arc<AtomicI64>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let (mut line, mut length) = (String::new(), 0);
            while stream.read_line(&mut line).await.is_ok_and(|read| read > 2) {
                if let Some((_, value)) = line.to_lowercase().split_once("content-length:") {
                    length = value.trim().parse().expect("a number");
                }
                line.clear();
            }
            stream.read_exact(&mut vec![0; length]).await.expect("the body");
            let now = Timestamp::now() + SignedDuration::from_secs(ahead.load(Ordering::Acquire));
            let date = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now).expect("a date");
            let answer = format!("HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.expect("the answer is taken");
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_not_the_receivers_is_reported_until_it_is_right() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let ahead = Arc::new(AtomicI64::new(300));
    let port = clocked(ahead.clone()).await;
    // Not an address of the loopback network, whose clock would be this machine's.
    let erp = format!("[channel.erp]\nkind = \"webhook\"\nurl = \"http://0.0.0.0:{port}/\"\nallow_private = true\n");
    let mut house = House::new(&scene, format!("{erp}{}{ORDERS}{OPERATOR}", scene.robot("owner", ""))).await;
    let place = async |house: &House<'_>, number: u64| {
        house.daemon.acknowledged(&keeta::placed(number, house.scene.hands.now())).await;
        house
            .daemon
            .until(|all| all.iter().filter(|one| one.channel == "erp").all(|one| one.state == "delivered"))
            .await;
    };
    place(&house, 1).await;
    house.looked().await;
    assert!(house.notices("machine_clock").is_empty(), "one receiver, once, may be wrong itself");
    place(&house, 2).await;
    house.looked().await;
    assert_eq!(house.notices("machine_clock"), ["it"]);
    let text = house.read_by_the_owner("This machine's clock is wrong").await;
    assert!(text.contains("5 minutes behind"), "{text}");
    place(&house, 3).await;
    house.crash().await;
    place(&house, 4).await;
    house.looked().await;
    assert_eq!(house.notices("machine_clock"), ["it"], "once");
    ahead.store(0, Ordering::Release);
    place(&house, 5).await;
    scene.hands.forward(minutes(1));
    house.until_received("machine_clock", &["it", "it over"]).await;
    house.crash().await;
    place(&house, 6).await;
    house.looked().await;
    assert_eq!(house.notices("machine_clock"), ["it", "it over"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_is_reported_once_and_when_it_has_room_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bell.db");
    let free = Arc::new(AtomicU64::new(5 << 30));
    let clock = Arc::new(AtomicI64::new(0));
    let minute = |minute: i64| clock.store(minute, Ordering::Release);
    let open = || {
        let store = stores::open(&path, noon()).expect("the store opens");
        let (routing, notifier, gauge) = (Current::new(RoutingSnapshot::default()), Notifier::default(), free.clone());
        let clock = clock.clone();
        let watch = SelfWatch::new(Instruments {
            failures: ReportFailures::default(),
            backups: BackupStatus::default(),
            mistakes: Mistakes::default(),
            store: store.clone(),
            notices: Notices::new(store.clone(), routing.clone(), notifier.clone()),
            routing,
            notifier,
            source_activity: SourceActivity::default(),
            clock_skews: ClockSkews::default(),
            leadership: Leadership::alone(),
            company: None,
            clock: Clock::new(move || noon() + minutes(clock.load(Ordering::Acquire))),
            disk: (
                "/var/lib/orderbell".to_owned(),
                Arc::new(move || Some(Space { free: gauge.load(Ordering::Acquire), total: 40 << 30 })),
            ),
        });
        (store, watch)
    };
    let received = || notices(&Connection::open(&path).expect("the store opens"), "disk");
    let (mut store, mut watch) = open();
    watch.look().await;
    free.store(812 << 20, Ordering::Release);
    watch.look().await;
    watch.look().await;
    assert_eq!(received(), ["/var/lib/orderbell"]);
    for (at, room, expected) in [
        (10, 1_100, &["/var/lib/orderbell"][..]),
        (20, 2_000, &["/var/lib/orderbell"]),
        (22, 800, &["/var/lib/orderbell"]),
        (30, 2_000, &["/var/lib/orderbell"]),
        (36, 2_000, &["/var/lib/orderbell", "/var/lib/orderbell over"]),
        (37, 2_000, &["/var/lib/orderbell", "/var/lib/orderbell over"]),
    ] {
        minute(at);
        free.store(room << 20, Ordering::Release);
        watch.look().await;
        assert_eq!(received(), expected, "minute {at}");
        if at != 30 {
            // Also when it starts anew in between. At minute 30 that would begin the calm anew.
            drop(watch);
            store.close().await;
            (store, watch) = open();
            watch.look().await;
            assert_eq!(received(), expected, "minute {at}");
        }
    }
}

#[test]
fn the_gauge_shows_the_disk_of_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let space = watch::gauge(folder.path())().expect("there is a disk");
    assert!(space.total > 0 && space.free <= space.total, "{space:?}");
    assert_eq!(watch::gauge(&folder.path().join("nowhere"))(), None);
}
