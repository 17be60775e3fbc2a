//! A database whose clock is another than this machine's, and one whose clock is set while instances run: leases are on its clock
//! alone, and nothing is lost or repeated by it.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use orderbell::store::leases::WantedLease;
use orderbell::store::postgres::schema::Migrations;

use crate::postgres::cluster::{Cluster, cluster, value};
use crate::postgres::house::House;
use crate::support::{keeta, untested};

const HOUR_S: i64 = 3_600;
const LASTS: SignedDuration = SignedDuration::from_secs(22);

/// What a clock is set by for one program.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().filter_map(Result::ok);
    let found = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1")).find(|path| path.exists());
    if found.is_none() {
        untested::say("a database whose clock is wrong: there is no libfaketime; install Debian's faketime");
    }
    found
}

/// A server whose clock the test sets.
struct SetClock(&'static Cluster);

impl SetClock {
    /// `None` where it cannot be had, which is said.
    async fn start(ahead_s: i64) -> Option<Self> {
        let programs = tokio::task::spawn_blocking(cluster).await.expect("no panic")?.programs.clone();
        let library = library()?;
        let start = move || Cluster::start_by_clock(&programs, &library, &shown(ahead_s));
        let own = tokio::task::spawn_blocking(start).await.expect("a server");
        Some(Self(Box::leak(Box::new(own))))
    }

    fn set(&self, ahead_s: i64) {
        std::fs::write(self.file(), shown(ahead_s)).expect("it is set");
    }

    fn file(&self) -> PathBuf {
        Path::new(&self.0.folder).join("clock")
    }
}

/// As the library reads it.
fn shown(ahead_s: i64) -> String {
    format!("{ahead_s:+}")
}

/// How far ahead the database's clock is.
async fn ahead(house: &House) -> SignedDuration {
    let sql = "SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)";
    let theirs: i64 = value(&house.client, sql).await.parse().expect("a number");
    Timestamp::from_millisecond(theirs).expect("a time").duration_since(Timestamp::now())
}

async fn assert_ahead(house: &House, seconds: i64) {
    let off = ahead(house).await - SignedDuration::from_secs(seconds);
    assert!(off.abs() < SignedDuration::from_secs(30), "it is off by {off}");
}

fn wanted(lease: &str) -> Vec<WantedLease> {
    vec![WantedLease { lease: lease.to_owned(), lasts: LASTS, channels: Vec::new() }]
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_last_as_long_by_a_clock_that_is_wrong_and_an_instance_works_by_it() {
    for ahead_s in [HOUR_S, -24 * HOUR_S] {
        let Some(server) = SetClock::start(ahead_s).await else { return };
        let house = House::new_in(server.0).await;
        assert_ahead(&house, ahead_s).await;
        let instance = house.start(Migrations::built_in()).await;
        let store = instance.store.clone();
        let now = Timestamp::now();
        for order in 1..=5 {
            instance.acknowledged(&keeta::placed(order, now)).await;
            instance.acknowledged(&keeta::stepped(1002, order, now)).await;
        }
        house.until_channels_are_worked_by(1).await;
        house.until_nothing_waits().await;
        house.assert_received(1..=5);
        let acquired = store.acquire(wanted("other"), "one", now).await.expect("asked").remove(0).expect("it is free");
        assert_eq!(acquired.grant.lasts, Some(LASTS));
        let held = store.roster().await.expect("asked").leases;
        let held = held.into_iter().find(|held| held.token.lease == "other").expect("it is held");
        assert!(held.lasts.is_some_and(|lasts| lasts <= LASTS && lasts > LASTS / 2), "{held:?}");
        assert!(store.acquire(wanted("other"), "two", now).await.expect("asked")[0].is_none(), "it is held");
        let theirs = store.database_time().await.expect("asked").expect("it has a clock of its own");
        let off = theirs.duration_since(Timestamp::now()) - SignedDuration::from_secs(ahead_s);
        assert!(off.abs() < SignedDuration::from_secs(30), "{theirs}");
        instance.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_while_instances_run_costs_nothing_but_a_renewal() {
    let Some(server) = SetClock::start(0).await else { return };
    let house = House::new_in(server.0).await;
    let (one, two) = (house.start(Migrations::built_in()).await, house.start(Migrations::built_in()).await);
    let now = Timestamp::now();
    house.until_channels_are_worked_by(2).await;
    let mut order = 0;
    // All leases have ended at once by it; then they end far in the future; then it is as it was.
    for ahead_s in [HOUR_S, -HOUR_S, 0] {
        server.set(ahead_s);
        assert_ahead(&house, ahead_s).await;
        for instance in [&one, &two, &one, &two] {
            order += 1;
            instance.acknowledged(&keeta::placed(order, now)).await;
            instance.acknowledged(&keeta::stepped(1002, order, now)).await;
        }
        house.until_nothing_waits().await;
        house.assert_received(1..=order);
    }
    for instance in [one, two] {
        instance.stop().await;
    }
}
