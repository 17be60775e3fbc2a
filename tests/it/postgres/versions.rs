//! An older and a newer version on one database: today's code beside the same code with one migration more. They share the work
//! as long as the newer schema lets them; once it does not, the older one stores nothing more, and says what to do.

use std::process::Command;
use std::sync::LazyLock;

use jiff::Timestamp;
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::store;
use orderbell::store::health::Status;
use orderbell::store::leases::Announcement;
use orderbell::store::postgres::schema::Migrations;

use crate::postgres::cluster::value;
use crate::postgres::house::{HOOKS, House};
use crate::store::conformance::scene;
use crate::support::log::log;
use crate::support::{in_time, keeta, whole};

/// What an older binary can live with, on tables that it reads and writes.
const ADDED: &str =
    "ALTER TABLE orders ADD COLUMN later TEXT; ALTER TABLE deliveries ADD COLUMN later BIGINT DEFAULT 0;
    CREATE TABLE later (number BIGINT NOT NULL)";
/// And what it cannot, with the floor that says so behind it.
const CHANGED: &str =
    "ALTER TABLE deliveries RENAME COLUMN attempts TO tries; ALTER TABLE deliveries RENAME COLUMN tries TO attempts;";

/// The numbers of the schemas that the older and the newer version know.
static OLDER: LazyLock<i64> = LazyLock::new(|| Migrations::built_in().newest());
static NEWER: LazyLock<i64> = LazyLock::new(|| *OLDER + 1);

static RAISED: LazyLock<String> = LazyLock::new(|| format!("{CHANGED} {}", floor(*NEWER)));
static TOO_NEW: LazyLock<String> = LazyLock::new(|| {
    let (newer, older) = (*NEWER, *OLDER);
    format!(
        "this store was written by a newer orderbell (schema {newer}, this one knows {older}); update this instance to that version"
    )
});

fn floor(number: i64) -> String {
    format!("UPDATE schema_floor SET oldest_binary_schema = {number}")
}

fn newer(sql: &str) -> Migrations {
    Migrations::built_in().and("later", sql)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_and_a_newer_version_share_the_work_where_the_schema_lets_them() {
    let Some(house) = House::new().await else { return };
    let older = house.start(Migrations::built_in()).await;
    let now = Timestamp::now();
    older.acknowledged(&keeta::placed(1, now)).await;
    house.until_channels_are_worked_by(1).await;
    let newer = house.start(newer(ADDED)).await;
    newer.acknowledged(&keeta::stepped(1002, 1, now)).await;
    for order in 2..=20 {
        let (one, other) = if order % 2 == 0 { (&older, &newer) } else { (&newer, &older) };
        one.acknowledged(&keeta::placed(order, now)).await;
        // Sent again, it goes to the other one by chance, which knows it.
        other.acknowledged(&keeta::placed(order, now)).await;
        other.acknowledged(&keeta::stepped(1002, order, now)).await;
    }
    house.until_channels_are_worked_by(2).await;
    for order in 21..=40 {
        let one = if order % 2 == 0 { &older } else { &newer };
        one.acknowledged(&keeta::placed(order, now)).await;
        one.acknowledged(&keeta::stepped(1002, order, now)).await;
    }
    house.until_nothing_waits().await;
    house.assert_received(1..=40);
    assert_eq!(value(&house.client, "SELECT count(*) FROM schema_history").await, NEWER.to_string());
    let roster = newer.store.roster().await.expect("asked");
    let mut schemas: Vec<i64> = roster.instances.iter().map(|listed| listed.schema).collect();
    schemas.sort_unstable();
    assert_eq!(schemas, [*OLDER, *NEWER]);
    // The older one starts on the newer schema, too, and works all of it alone.
    older.stop().await;
    newer.stop().await;
    let again = house.start(Migrations::built_in()).await;
    again.acknowledged(&keeta::placed(41, now)).await;
    again.acknowledged(&keeta::stepped(1002, 41, now)).await;
    house.until_nothing_waits().await;
    house.assert_received(1..=41);
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_version_stores_nothing_more_once_the_schema_is_none_for_it_and_the_newer_one_goes_on() {
    let Some(house) = House::new().await else { return };
    let older = house.start(Migrations::built_in()).await;
    let now = Timestamp::now();
    older.acknowledged(&keeta::placed(1, now)).await;
    house.until_channels_are_worked_by(1).await;
    house.until_nothing_waits().await;
    for name in HOOKS {
        house.scene.sandbox.order(name, Fault::Status { status: 503, body: String::new() }, Times::Next(1));
    }
    older.acknowledged(&keeta::stepped(1002, 1, now)).await;
    house.until("SELECT count(*) FROM attempts WHERE outcome = 'retry'", "2").await;
    let newer = house.start(newer(&RAISED)).await;
    // Nothing was asked of the older one's connection since; it refuses at the first commit.
    let refused = older.post(&keeta::placed(2, now)).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_ne!(refused.code(), 0);
    let status = older.store.status().borrow().clone();
    assert!(matches!(&status, Status::Wrong(reason) if *reason == *TOO_NEW), "{status:?}");
    assert!(log().contains(&*TOO_NEW));
    newer.acknowledged(&keeta::placed(2, now)).await;
    newer.acknowledged(&keeta::stepped(1002, 2, now)).await;
    // Its leases end, because it cannot renew them.
    house.client.batch_execute("UPDATE leases SET until = until - 60000").await.expect("time goes by");
    house.until_nothing_waits().await;
    house.assert_received(1..=2);
    let refused = older.post(&keeta::placed(3, now)).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(value(&house.client, "SELECT count(*) FROM events WHERE kind LIKE 'order.%'").await, "4");
    newer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_version_that_is_at_rest_finds_out_by_itself() {
    let Some(house) = House::new().await else { return };
    let older = house.open(Migrations::built_in()).await;
    in_time(older.opened()).await;
    let newer = house.open(newer(&RAISED)).await;
    let is_refused = |status: &Status| matches!(status, Status::Wrong(reason) if *reason == *TOO_NEW);
    in_time(older.status().wait_for(is_refused)).await.expect("the writer runs");
    // It stays so, also by another connection.
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    house.client.batch_execute(cut).await.expect("cut");
    house.client.batch_execute(&floor(*OLDER)).await.expect("lowered");
    in_time(older.opened()).await;
    house.client.batch_execute(&floor(*NEWER)).await.expect("raised");
    in_time(older.status().wait_for(is_refused)).await.expect("the writer runs");
    for store in [older, newer] {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_waits_for_what_is_under_way_and_whoever_comes_meanwhile_is_refused_after_it() {
    let Some(house) = House::new().await else { return };
    let older = house.open(Migrations::built_in()).await;
    in_time(older.opened()).await;
    // As a group of an older instance that is being committed.
    let under_way = house.database.connect().await;
    under_way.batch_execute("BEGIN; UPDATE store_version SET number = number + 1").await.expect("begun");
    let migrating = house.open(newer(&RAISED));
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let meanwhile = async {
        house.until(waiting, "1").await;
        assert_eq!(value(&house.client, "SELECT max(version) FROM schema_history").await, OLDER.to_string());
        let recorded = older.record(scene::placed("1", &["erp"]));
        let let_go = async {
            house.until(waiting, "2").await;
            under_way.batch_execute("COMMIT").await.expect("let go");
        };
        tokio::join!(recorded, let_go).0
    };
    let (newer, refused) = in_time(async { tokio::join!(migrating, meanwhile) }).await;
    let refused = refused.map(drop).expect_err("the schema is none for it").to_string();
    assert!(refused.contains(&*TOO_NEW), "{refused}");
    for store in [older, newer] {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_takes_long_is_waited_for() {
    let Some(house) = House::new().await else { return };
    // A statement otherwise ends after 20 seconds.
    let newer = house.open(newer("SELECT pg_sleep(21)")).await;
    assert!(newer.is_ready(), "{:?}", newer.status().borrow());
    assert_eq!(value(&house.client, "SELECT max(version) FROM schema_history").await, NEWER.to_string());
    newer.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_of_another_version_finds_the_instances_that_run_and_changes_nothing() {
    let Some(house) = House::new().await else { return };
    let older = house.open(Migrations::built_in()).await;
    let announcement = Announcement {
        id: "one".to_owned(),
        name: "bell-1:8787".to_owned(),
        version: "0.0.1".to_owned(),
        fingerprint: "0123abcd".to_owned(),
        credentials: Vec::new(),
    };
    older.announce(announcement).await.expect("announced");
    // To this binary its schema is an older one.
    house.client.batch_execute("UPDATE schema_history SET version = -version").await.expect("changed");
    assert!(store::is_held_by_daemon(&house.database.store_url()).await.expect("asked"));
    let (status, said) = test_send(&house).await;
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains(&format!("that of an older orderbell (schema -1, this one needs {})", *OLDER)), "{said}");
    let to = house.database.url();
    let moved = orderbell(&house, &["move-store", "--from", "sqlite:none.db", "--to", &to]);
    assert_ne!(moved.0, Some(0), "{}", moved.1);
    assert_eq!(value(&house.client, "SELECT max(version) FROM schema_history").await, "-1");
    older.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_cannot_see_whether_an_instance_runs_says_so_and_changes_nothing() {
    let Some(house) = House::new().await else { return };
    let older = house.open(Migrations::built_in()).await;
    in_time(older.opened()).await;
    // The look fails, and what a daemon asks at its start does not.
    house.client.batch_execute("ALTER TABLE leases RENAME TO leases_of_others").await.expect("renamed");
    let refused = store::is_held_by_daemon(&house.database.store_url()).await;
    assert!(refused.is_err(), "{refused:?}");
    let (status, said) = test_send(&house).await;
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("a table of the store is not there"), "{said}");
    assert_eq!(value(&house.client, "SELECT count(*) FROM events").await, "0", "nothing was sent");
    older.close().await;
}

/// `orderbell test erp`.
async fn test_send(house: &House) -> (Option<i32>, String) {
    orderbell(house, &["test", "erp"])
}

fn orderbell(house: &House, arguments: &[&str]) -> (Option<i32>, String) {
    let text = whole("", &house.scene.hook("erp", "timeout = \"2s\""));
    let text = text.replace("sqlite:bell.db", &house.database.url());
    std::fs::write(house.scene.folder.path().join("orderbell.toml"), text).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
    let output = command.args(arguments).current_dir(house.scene.folder.path()).output().expect("it runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}
