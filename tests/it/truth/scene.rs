//! What the tests of delivery share: routes, faults, orders, and looks into the store.

use jiff::{SignedDuration, Timestamp};
use orderbell::sandbox::fault::Fault;
use orderbell::sandbox::inbox::Received;
use orderbell::store::history::list::DeliveryRow;

use crate::support::{Daemon, Scene, keeta, of};

/// Event ids of Keeta: what happens to an order. Placed and cancelled are urgent.
pub const ACCEPTED: u64 = 1002;
pub const CANCELLED: u64 = 1004;

/// Early in an hour, so that no test sees the hour in which a notice is said once go by. In Hong Kong it is four minutes past
/// noon.
pub fn noon() -> Timestamp {
    "2026-11-05T04:04:00Z".parse().expect("a time")
}

pub fn to(channels: &[&str]) -> String {
    format!("[[route]]\nevents = [\"order.*\"]\nto = {channels:?}\n")
}

pub fn errcode(errcode: i64) -> Fault {
    Fault::Errcode { errcode, errmsg: "no".to_owned() }
}

pub fn status(status: u16) -> Fault {
    Fault::Status { status, body: "no".to_owned() }
}

pub fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

pub fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

pub async fn place(scene: &Scene, daemon: &Daemon, number: u64) {
    daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
}

pub async fn step(scene: &Scene, daemon: &Daemon, event_id: u64, number: u64) {
    daemon.acknowledged(&keeta::stepped(event_id, number, scene.hands.now())).await;
}

/// What each attempt for a channel came to, oldest first, and when it began.
pub fn attempts(daemon: &Daemon, channel: &str) -> Vec<(String, Timestamp)> {
    let connection = daemon.connection();
    let sql =
        "SELECT coalesce(a.outcome, 'under way'), a.started_at FROM attempts a JOIN deliveries d ON d.id = a.delivery
        WHERE d.channel = ?1 ORDER BY a.seq";
    let mut select = connection.prepare(sql).expect("a statement");
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, Timestamp::from_millisecond(row.get(1)?).expect("a time")));
    let found = select.query_map([channel], read).expect("rows");
    found.collect::<Result<_, _>>().expect("rows")
}

pub fn outcomes(daemon: &Daemon, channel: &str) -> Vec<String> {
    attempts(daemon, channel).into_iter().map(|(outcome, _)| outcome).collect()
}

/// The channels that are parked.
pub fn parked(daemon: &Daemon) -> Vec<String> {
    let connection = daemon.connection();
    let mut select = connection.prepare("SELECT channel FROM parked_channels ORDER BY channel").expect("a statement");
    select.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("rows")
}

/// Waits until so many attempts for a channel have ended.
pub async fn until_tried(daemon: &Daemon, channel: &str, count: usize) -> Vec<String> {
    daemon
        .until(|_| {
            let tried = outcomes(daemon, channel);
            tried.len() >= count && tried.iter().all(|outcome| outcome != "under way")
        })
        .await;
    outcomes(daemon, channel)
}

/// The states of a channel's deliveries, in the sequence of their events.
pub fn states(delivery_rows: &[DeliveryRow], channel: &str) -> Vec<String> {
    of(delivery_rows, channel).into_iter().map(|delivery_row| delivery_row.state.clone()).collect()
}

/// Waits until a channel's deliveries stand so.
pub async fn until_states(daemon: &Daemon, channel: &str, wanted: &[&str]) -> Vec<DeliveryRow> {
    daemon.until(|all| states(all, channel) == wanted).await
}

/// The only delivery of an order's kind to a channel.
pub fn one<'a>(delivery_rows: &'a [DeliveryRow], channel: &str, order: u64, kind: &str) -> &'a DeliveryRow {
    let order = order.to_string();
    let is_it = |one: &&DeliveryRow| one.channel == channel && one.kind == kind && one.order.as_ref() == Some(&order);
    let found: Vec<_> = delivery_rows.iter().filter(is_it).collect();
    assert_eq!(found.len(), 1, "{channel}: {kind} of order {order}: {found:?}");
    found[0]
}

/// What a person reads, without the marks that keep values from being markup.
pub fn text(received: &Received) -> String {
    let parts = [received.title.as_deref(), received.text.as_deref()];
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n").replace('\\', "")
}

pub fn texts(received: &[Received]) -> Vec<String> {
    received.iter().map(text).collect()
}

/// Waits longer than a worker needs to see that there is something to do.
pub async fn a_while() {
    tokio::time::sleep(crate::support::A_WHILE).await;
}
