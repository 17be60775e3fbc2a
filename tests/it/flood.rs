//! A thousand orders in a minute to a robot that takes twenty: it is never shut, every order can be read, and the last one
//! soon. Time runs fast, the rules are the real ones.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use orderbell::flow::Clock;
use orderbell::sandbox::inbox::{MockVerdict, Received};
use orderbell::sandbox::rules::Rules;
use serde_json::json;

use crate::support::keeta::Envelope;
use crate::support::{Daemon, Scene, TOO_LONG, keeta};

/// How much faster than real time.
const SPEED: u32 = 20;
const ORDERS: u64 = 1000;

fn route(channels: &[&str]) -> String {
    format!("[[route]]\nevents = [\"order.*\"]\nto = {channels:?}\n")
}

/// The vendor's own allowance.
const REAL: &str = "# rate = the vendor's\nlanguage = \"en\"";

fn short(number: u64) -> String {
    format!("{:05}", 10_000 + number)
}

fn placed(number: u64, at: Timestamp) -> Vec<u8> {
    let mut message = keeta::order(number);
    message["orderInfo"]["merchantOrder"]["seqNoStr"] = json!(short(number));
    Envelope::new(1001, &format!("m{number}"), &message.to_string(), at).body()
}

/// Orders spread over a minute of the fast clock; answers when each was acknowledged.
async fn pour(daemon: &Daemon, clock: &Clock, numbers: std::ops::Range<u64>) -> BTreeMap<u64, Timestamp> {
    let (begin, first) = (clock.elapsed(), numbers.start);
    let mut acknowledged = BTreeMap::new();
    for number in numbers {
        let due = begin + SignedDuration::from_mins(1) * i32::try_from(number - first).expect("few") / 1000;
        let wait = clock.real(due - clock.elapsed());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        daemon.acknowledged(&placed(number, clock.now())).await;
        acknowledged.insert(number, clock.now());
    }
    acknowledged
}

/// When each order could first be read in the group, by the fast clock, and how many messages there were. The robot must
/// never have been shut.
fn read(clock: &Clock, came: &[Received]) -> (BTreeMap<u64, Timestamp>, usize) {
    let shut = came.iter().find(|one| one.verdict != MockVerdict::Accepted);
    assert!(shut.is_none(), "a message was refused: {shut:?}");
    let (now, real_now) = (clock.now(), Timestamp::now());
    let mut seen = BTreeMap::new();
    for message in came {
        let passed = real_now.duration_since(message.at) * i32::try_from(SPEED).expect("small");
        let text = message.text.as_deref().unwrap_or_default();
        for number in (1..=ORDERS).filter(|number| text.contains(&format!("#{}", short(*number)))) {
            seen.entry(number).or_insert(now - passed);
        }
    }
    (seen, came.len())
}

/// The longest time from the acknowledgement of an order to its first message, and of the last one.
fn latencies(
    acknowledged: &BTreeMap<u64, Timestamp>,
    seen: &BTreeMap<u64, Timestamp>,
) -> (SignedDuration, SignedDuration) {
    let late = |number: &u64| seen[number].duration_since(acknowledged[number]);
    let longest = acknowledged.keys().map(late).max().expect("there are orders");
    (longest, late(acknowledged.keys().last().expect("there are orders")))
}

fn judge(name: &str, clock: &Clock, came: &[Received], acknowledged: &BTreeMap<u64, Timestamp>) {
    let (seen, messages) = read(clock, came);
    let unread: Vec<_> = acknowledged.keys().filter(|number| !seen.contains_key(number)).collect();
    assert!(unread.is_empty(), "{name}: nobody can read of {unread:?}");
    let (longest, last) = latencies(acknowledged, &seen);
    println!(
        "{name}: {ORDERS} orders in a minute, {messages} messages, longest wait {longest:.0}, the last one {last:.0}"
    );
    let most = SignedDuration::from_mins(3);
    assert!(last <= most && longest <= most, "{name}: longest {longest:#}, last {last:#}");
}

async fn scene() -> (Scene, Clock) {
    (Scene::new(Rules::new().speed(SPEED)).await, Clock::fast(SPEED))
}

async fn until_received(daemon: &Daemon) {
    let received = daemon.until(|all| all.iter().all(|row| matches!(row.state.as_str(), "delivered" | "merged")));
    tokio::time::timeout(TOO_LONG, received).await.expect("everything is sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_orders_in_a_minute_go_through_each_robot_without_exceeding_its_limit() {
    let (scene, clock) = scene().await;
    let channels = [scene.robot("kitchen", REAL), scene.wecom("office", REAL)].concat();
    let daemon = scene.start_by(&clock, &format!("{channels}{}", route(&["kitchen", "office"]))).await;
    let acknowledged = pour(&daemon, &clock, 1..ORDERS + 1).await;
    until_received(&daemon).await;
    for name in ["kitchen", "office"] {
        judge(name, &clock, &scene.came_to(name), &acknowledged);
    }
    let rows = daemon.deliveries().await;
    let merged = rows.iter().filter(|row| row.state == "merged");
    assert!(merged.clone().count() > 1000 && merged.clone().all(|row| row.digest.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_midst_of_the_flood_does_not_make_the_robot_be_shut() {
    let (scene, clock) = scene().await;
    let text = format!("{}{}", scene.robot("kitchen", REAL), route(&["kitchen"]));
    let daemon = scene.start_by(&clock, &text).await;
    let mut acknowledged = pour(&daemon, &clock, 1..ORDERS / 2).await;
    daemon.stop().await;
    let daemon = scene.start_by(&clock, &text).await;
    acknowledged.extend(pour(&daemon, &clock, ORDERS / 2..ORDERS + 1).await);
    until_received(&daemon).await;
    judge("kitchen, restarted", &clock, &scene.came_to("kitchen"), &acknowledged);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_channels_on_one_robot_share_its_allowance() {
    let (scene, clock) = scene().await;
    let robot = scene.robot("kitchen", REAL);
    let twin = robot.replace("[channel.kitchen]", "[channel.bar]");
    let daemon = scene.start_by(&clock, &format!("{robot}{twin}{}", route(&["kitchen", "bar"]))).await;
    let acknowledged = pour(&daemon, &clock, 1..ORDERS + 1).await;
    until_received(&daemon).await;
    judge("kitchen and bar on one robot", &clock, &scene.came_to("kitchen"), &acknowledged);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_every_event_by_itself_within_the_rate_that_it_sets() {
    let (scene, clock) = scene().await;
    let hook = scene.hook("erp", "rate = { per = \"10s\", count = 10 }");
    let daemon = scene.start_by(&clock, &format!("{hook}{}", route(&["erp"]))).await;
    for number in 1..=30 {
        daemon.acknowledged(&placed(number, clock.now())).await;
    }
    until_received(&daemon).await;
    let came = scene.came_to("erp");
    assert_eq!(came.len(), 30, "never a digest");
    let real = Duration::from_secs(10) / SPEED;
    for pair in came.windows(11) {
        let apart = pair[10].at.duration_since(pair[0].at).unsigned_abs();
        assert!(apart >= real, "eleven within {apart:?}");
    }
}
