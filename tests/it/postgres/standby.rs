//! A replica: one that is only read from is no store, and says so; and where both are named, the one that is written to is found,
//! also when the other one takes its place.

use std::net::TcpListener;
use std::path::PathBuf;

use jiff::Timestamp;
use orderbell::store::health::Status;
use orderbell::store::postgres::schema::Migrations;

use crate::postgres::cluster::{Cluster, cluster, value};
use crate::postgres::house::{House, Instance};
use crate::support::{in_time, keeta};

const REPLICA: &str = "this database is a replica, which can only be read; store.url must name the primary";

/// A primary, and a hot standby that has what the primary has acknowledged.
struct Pair {
    primary: &'static Cluster,
    standby_port: u16,
    standby: PathBuf,
}

impl Pair {
    /// `None` where PostgreSQL is not installed.
    async fn start() -> Option<Self> {
        let programs = tokio::task::spawn_blocking(cluster).await.expect("no panic")?.programs.clone();
        tokio::task::spawn_blocking(move || {
            let primary: &'static Cluster = Box::leak(Box::new(Cluster::start(&programs)));
            let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
            let standby_port = listener.expect("a free port").port();
            let standby = primary.folder.join("standby");
            let pair = Self { primary, standby_port, standby };
            pair.copy();
            pair
        })
        .await
        .ok()
    }

    fn copy(&self) {
        let (folder, port) = (self.primary.folder.display().to_string(), self.primary.port.to_string());
        let data = self.standby.display().to_string();
        let copy = ["-h", &folder, "-p", &port, "-U", "postgres", "-D", &data, "-R", "-X", "stream", "-c", "fast"];
        self.primary.run("pg_basebackup", &copy);
        let (options, log) = (format!("-p {}", self.standby_port), format!("{folder}/standby.log"));
        self.primary.run("pg_ctl", &["-D", &data, "-w", "-o", &options, "-l", &log, "start"]);
    }

    fn promote(&self) {
        self.primary.run("pg_ctl", &["-D", &self.standby.display().to_string(), "-w", "promote"]);
    }
}

async fn said_by(instance: &Instance) -> String {
    let mut status = instance.store.status();
    let found = in_time(status.wait_for(|status| matches!(status, Status::Wrong(_)))).await;
    let Status::Wrong(reason) = found.expect("the writer runs").clone() else { panic!("it is wrong") };
    reason
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_no_store_until_it_is_promoted_and_has_what_was_acknowledged() {
    let Some(pair) = Pair::start().await else { return };
    let house = House::new_in(pair.primary).await;
    let now = Timestamp::now();
    // Each commit waits for the replica from now on, as docs/postgresql.md has it.
    let wait = "ALTER SYSTEM SET synchronous_standby_names = '*'; SELECT pg_reload_conf()";
    for sql in wait.split("; ") {
        house.client.batch_execute(sql).await.expect("set");
    }
    let primary = house.start(Migrations::built_in()).await;
    for order in 1..=5 {
        primary.acknowledged(&keeta::placed(order, now)).await;
        primary.acknowledged(&keeta::stepped(1002, order, now)).await;
    }
    house.until_nothing_waits().await;
    let url = house.database.store_url_at(&format!("127.0.0.1:{}", pair.standby_port), "");
    let on_replica = house.start_at(&url, Migrations::built_in(), "").await;
    assert_eq!(said_by(&on_replica).await, REPLICA);
    let refused = on_replica.post(&keeta::placed(6, now)).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_ne!(refused.code(), 0);
    primary.acknowledged(&keeta::placed(6, now)).await;
    primary.stop().await;
    let pair = tokio::task::spawn_blocking(move || {
        pair.primary.stop();
        pair.promote();
        pair
    });
    let pair = pair.await.expect("promoted");
    in_time(on_replica.store.opened()).await;
    on_replica.acknowledged(&keeta::placed(6, now)).await;
    on_replica.acknowledged(&keeta::stepped(1002, 6, now)).await;
    in_time(async {
        while !on_replica.store.waiting().await.expect("reading").is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    house.assert_received(1..=6);
    on_replica.stop().await;
    drop(pair);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_hosts_the_one_that_is_written_to_is_found_also_when_another_takes_its_place() {
    let Some(pair) = Pair::start().await else { return };
    let house = House::new_in(pair.primary).await;
    let now = Timestamp::now();
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", pair.standby_port, pair.primary.port);
    let instance = house.start_at(&house.database.store_url_at(&hosts, ""), Migrations::built_in(), "").await;
    for order in 1..=3 {
        instance.acknowledged(&keeta::placed(order, now)).await;
        instance.acknowledged(&keeta::stepped(1002, order, now)).await;
    }
    house.until_nothing_waits().await;
    let sent = value(&house.client, "SELECT pg_current_wal_flush_lsn()").await;
    let applied = format!("SELECT replay_lsn >= '{sent}' FROM pg_stat_replication");
    house.until(&applied, "t").await;
    let promoted = tokio::task::spawn_blocking(move || {
        pair.primary.stop();
        pair.promote();
        pair
    });
    let pair = promoted.await.expect("promoted");
    in_time(async {
        while instance.post(&keeta::placed(4, now)).await.status != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    instance.acknowledged(&keeta::stepped(1002, 4, now)).await;
    in_time(async {
        while !instance.store.waiting().await.expect("reading").is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    house.assert_received(1..=4);
    instance.stop().await;
    drop(pair);
}
