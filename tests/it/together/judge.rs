//! What the receivers got, compared with what was acknowledged and with what the database knows.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use orderbell::sandbox::inbox::{MockVerdict, Received};
use serde_json::Value;
use tokio_postgres::Client;

use crate::postgres::cluster::value;
use crate::together::house::{HOOKS, House, ROBOTS};
use crate::together::load::{Acknowledged, KINDS};
use crate::together::mishaps::Mishaps;

/// The order of the sample with seed 0.
const FIRST_ORDER: u64 = 756_823_000_000_000;
/// How many messages a robot takes in a minute, less what is left as a margin.
const ROBOT_TAKES: usize = 18;

/// An event at a WebHook: which one, and of which order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    hook: String,
    order: u64,
    place: usize,
}

/// What came to the WebHooks.
#[derive(Default)]
struct Counted {
    /// Each event, by the key that it came with first.
    first: BTreeMap<Arrival, String>,
    repeats: u32,
    /// Repeats of messages whose answer was not lost.
    unexplained: Vec<String>,
    out_of_order: Vec<Arrival>,
    reports: u32,
    notices: BTreeMap<String, u32>,
}

/// Prints the figures, and fails where one of them is not what was promised.
pub async fn judge(house: &House, acknowledged: &Acknowledged, mishaps: &Mishaps) {
    let (client, received) = (house.connect().await, house.received());
    let refused: Vec<&Received> = received.iter().filter(|one| one.verdict != MockVerdict::Accepted).collect();
    let counted = count(&received, &lost_answers(&client).await);
    let most: BTreeMap<&str, usize> =
        ROBOTS.into_iter().map(|robot| (robot, most_in_a_minute(&received, robot))).collect();
    let number = async |sql: &str| value(&client, sql).await.parse::<u64>().expect("a number");
    let reports = number("SELECT count(*) FROM events WHERE kind = 'report.daily'").await;
    let undelivered = number("SELECT count(*) FROM deliveries WHERE state NOT IN ('delivered', 'merged')").await;
    let acquired = number("SELECT CAST(sum(fence) AS BIGINT) FROM leases").await;
    let expected = acknowledged.iter().flat_map(|(order, place)| {
        (0..HOOKS).map(|hook| Arrival { hook: format!("erp{hook}"), order: *order, place: *place })
    });
    let lost: Vec<Arrival> = expected.filter(|arrival| !counted.first.contains_key(arrival)).collect();
    println!(
        "{mishaps:?}, leases acquired {acquired}\nacknowledged {}, lost {}, repeats {} (without a lost answer {}), most messages to one robot in a minute {most:?}, reports {reports} (received {}), events of an order out of order {}, undelivered {undelivered}, refused by a receiver {}\nnotices {:?}",
        acknowledged.len(),
        lost.len(),
        counted.repeats,
        counted.unexplained.len(),
        counted.reports,
        counted.out_of_order.len(),
        refused.len(),
        counted.notices,
    );
    assert!(acknowledged.len() > 20, "hardly anything was acknowledged");
    assert!(lost.is_empty(), "acknowledged and never received: {lost:?}");
    assert!(counted.unexplained.is_empty(), "sent twice although the answer was not lost: {:?}", counted.unexplained);
    assert!(counted.out_of_order.is_empty(), "out of order: {:?}", counted.out_of_order);
    assert!(most.values().all(|most| *most <= ROBOT_TAKES), "more than a robot takes: {most:?}");
    assert!(refused.is_empty(), "refused: {refused:?}");
    assert_eq!(reports, 1, "reports");
    assert_eq!(undelivered, 0, "undelivered");
    assert!(mishaps.kills > 0 && mishaps.long_freezes > 0 && mishaps.database_restarts > 0, "{mishaps:?}");
}

fn count(received: &[Received], lost_answers: &BTreeSet<String>) -> Counted {
    let mut counted = Counted::default();
    let mut farthest: BTreeMap<(String, u64), usize> = BTreeMap::new();
    for one in received.iter().filter(|one| one.address.kind == "webhook") {
        let body: Value = serde_json::from_str(&one.body).expect("JSON");
        let kind = body["kind"].as_str().expect("a kind");
        let key = one.key.clone().expect("a key");
        match kind {
            "report.daily" => counted.reports += 1,
            "operator.notice" => {
                let topic = body["data"]["notice"]["topic"].as_str().unwrap_or_default();
                *counted.notices.entry(topic.to_owned()).or_default() += 1;
            }
            _ => {}
        }
        let Some(place) = KINDS.iter().position(|one| one.to_string() == kind) else { continue };
        let order = body["order"]["number"].as_str().expect("a number").parse::<u64>().expect("digits") - FIRST_ORDER;
        let arrival = Arrival { hook: one.address.name.clone(), order, place };
        match counted.first.entry(arrival.clone()) {
            Entry::Occupied(first) => {
                counted.repeats += 1;
                if *first.get() != key || !lost_answers.contains(&key) {
                    counted.unexplained.push(format!("{arrival:?} {key}"));
                }
            }
            Entry::Vacant(first) => {
                first.insert(key);
                let farthest = farthest.entry((arrival.hook.clone(), order)).or_insert(place);
                if place < *farthest {
                    counted.out_of_order.push(arrival);
                }
                *farthest = place.max(*farthest);
            }
        }
    }
    counted
}

/// The most requests to a robot within any minute.
fn most_in_a_minute(received: &[Received], robot: &str) -> usize {
    let times: Vec<_> = received.iter().filter(|one| one.address.name == robot).map(|one| one.at).collect();
    let within = |begin: usize| {
        times[begin..].iter().filter(|at| at.duration_since(times[begin]) < SignedDuration::from_mins(1)).count()
    };
    (0..times.len()).map(within).max().unwrap_or(0)
}

/// The deliveries of which an attempt ended without an answer.
async fn lost_answers(client: &Client) -> BTreeSet<String> {
    let sql = "SELECT DISTINCT delivery FROM attempts WHERE outcome = 'unknown'";
    let rows = client.query(sql, &[]).await.expect("rows");
    let id = |row: &tokio_postgres::Row| uuid::Uuid::from_slice(row.get::<_, &[u8]>(0)).expect("sixteen bytes");
    rows.iter().map(|row| id(row).to_string()).collect()
}
