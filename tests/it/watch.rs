//! The daemon watches itself: the operator is notified of each incident once when it begins and once when it is over, whatever
//! restarts or crashes in between.

mod company;
mod machine;
mod observing;
mod records;
mod waiting;

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use orderbell::domain::event::{DeliveryId, Event, EventId, Kind, SignatureCheck};
use orderbell::domain::payload::Data;
use orderbell::domain::route_decision::RouteDecisions;
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::Rules;
use orderbell::store::ingest::Record;
use rusqlite::Connection;
use serde_json::Value;
use uuid::Uuid;

use crate::support::keeta::Envelope;
use crate::support::watching::NEVER;
use crate::support::{Daemon, Scene, TOO_LONG, keeta, kept};

const OPERATOR: &str = "[operator]\nto = [\"owner\"]\n";
const ORDERS: &str = "[[route]]\nevents = [\"order.*\"]\nto = [\"erp\"]\n";

/// Kinds that are not about orders, with Keeta's event id and what Keeta says with it.
const SAMPLES: [(&str, (u64, &str)); 7] = [
    ("store.hours", (1101, include_str!("../../src/platform/keeta/samples/1101.json"))),
    ("store.status", (1102, include_str!("../../src/platform/keeta/samples/1102.json"))),
    ("menu.images", (1201, include_str!("../../src/platform/keeta/samples/1201.json"))),
    ("menu.sync", (1202, include_str!("../../src/platform/keeta/samples/1202.json"))),
    ("app.authorised", (1301, include_str!("../../src/platform/keeta/samples/1301.json"))),
    ("app.deauthorised", (1302, include_str!("../../src/platform/keeta/samples/1302.json"))),
    ("unrecognised", (1999, include_str!("../../src/platform/keeta/samples/1999.json"))),
];

/// Such an event of a shop of its own, so that it is no repeat.
fn shop_event((event_id, message): (u64, &str), number: u64, at: Timestamp) -> Vec<u8> {
    Envelope::new(event_id, &format!("m-{number}"), message, at).with("shopId", number.to_string()).body()
}

fn noon() -> Timestamp {
    "2026-11-05T12:00:00Z".parse().expect("a time")
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

/// A daemon, and where its store lies.
struct House<'a> {
    scene: &'a Scene,
    text: String,
    daemon: Daemon,
    /// A folder of its own for each life after a crash.
    lives: Vec<tempfile::TempDir>,
    markers: u64,
}

impl<'a> House<'a> {
    async fn new(scene: &'a Scene, text: String) -> Self {
        let daemon = scene.start(&text).await;
        Self { scene, text, daemon, lives: Vec::new(), markers: 0 }
    }

    /// As SIGKILL does it: the next daemon finds what stands on disk at this moment, and nothing of what was in memory.
    async fn crash(&mut self) {
        let folder = tempfile::tempdir().expect("a folder");
        let from = self.lives.last().unwrap_or(&self.scene.folder).path();
        for name in ["bell.db", "bell.db-wal"] {
            std::fs::copy(from.join(name), folder.path().join(name)).expect("a copy");
        }
        // Replacing it cuts the old one off; that one has its own files.
        self.daemon = self.scene.start_in(folder.path(), &self.text).await;
        self.lives.push(folder);
    }

    /// Waits until the daemon has looked, and has sent what there was to report: what no route matched comes last in a look.
    async fn looked(&mut self) {
        self.markers += 1;
        let connection = self.daemon.connection();
        let known = |kind: &str| {
            let sql = "SELECT EXISTS (SELECT 1 FROM troubles WHERE topic = 'unrouted' AND subject = ?1)";
            connection.query_row(sql, [kind], |row| row.get::<_, bool>(0)).expect("a look")
        };
        let (kind, sample) = SAMPLES.iter().find(|(kind, _)| !known(kind)).expect("not so many looks");
        self.daemon.acknowledged(&shop_event(*sample, self.markers, self.scene.hands.now())).await;
        until(|| known(kind)).await;
    }

    fn run(&self, sql: &str) {
        let changed = self.daemon.connection().execute(sql, []).expect("the store takes it");
        assert!(changed > 0, "{sql} changes nothing");
    }

    /// The notices of a topic, the oldest first: `subject`, `subject over`, with the number of messages where there is one.
    fn notices(&self, topic: &str) -> Vec<String> {
        notices(&self.daemon.connection(), topic)
    }

    async fn until_received(&self, topic: &str, expected: &[&str]) {
        until(|| self.notices(topic).len() >= expected.len()).await;
        assert_eq!(self.notices(topic), expected);
    }

    /// What the operator has read of a title.
    async fn read_by_the_owner(&self, title: &str) -> String {
        let text = || {
            let received = self.scene.received("owner").into_iter().filter_map(|one| one.text);
            received.map(|text| text.replace('\\', "")).find(|text| text.contains(title))
        };
        until(|| text().is_some()).await;
        text().expect("it is there")
    }
}

fn notices(connection: &Connection, topic: &str) -> Vec<String> {
    let all = kept::json(connection, "SELECT packed FROM events WHERE kind = 'operator.notice' ORDER BY seq", []);
    let notices = all.iter().map(|event| &event["data"]["notice"]).filter(|notice| notice["topic"] == topic);
    let said = |notice: &Value| {
        let over = if notice["until"].is_null() { "" } else { " over" };
        let count = notice["count"].as_u64().map(|count| format!(" {count}")).unwrap_or_default();
        format!("{}{over}{count}", notice["subject"].as_str().unwrap_or("it"))
    };
    notices.map(said).collect()
}

/// The store has no signal for its changes, so it is asked again and again.
async fn until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + TOO_LONG;
    while !is_so() {
        assert!(Instant::now() < deadline, "it did not come to that");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_falls_silent_is_reported_once_and_no_restart_sets_its_time_back() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let sources = keeta::source("quiet", "silent_after = \"26h\"") + &keeta::source("any", "");
    let mut house = House::new(&scene, format!("{sources}{}{OPERATOR}", scene.robot("owner", ""))).await;
    house.looked().await;
    scene.hands.forward(minutes(25 * 60));
    house.crash().await;
    house.looked().await;
    assert!(house.notices("silent").is_empty(), "not yet");
    scene.hands.forward(minutes(61));
    house.until_received("silent", &["quiet"]).await;
    let text = house.read_by_the_owner("Nothing comes any more").await;
    assert!(text.contains("· quiet") && text.contains("5 Nov 15:00"), "the time is the reader's: {text}");
    house.crash().await;
    scene.hands.forward(minutes(60));
    house.looked().await;
    assert_eq!(house.notices("silent"), ["quiet"], "once");

    // A heartbeat is a sign of life.
    assert_eq!(house.daemon.post_to("quiet", b"{}").await.status, 200);
    scene.hands.forward(minutes(1));
    house.until_received("silent", &["quiet", "quiet over"]).await;
    house.read_by_the_owner("Webhooks come again · quiet").await;
    house.crash().await;
    house.looked().await;
    assert_eq!(house.notices("silent"), ["quiet", "quiet over"]);

    // And so is a webhook, a repeat included; what nobody believes is none.
    let webhook = Envelope { source: "quiet", ..Envelope::new(1002, "m-1", "{\"orderViewId\":1}", scene.hands.now()) };
    for hours in [20, 20, 20] {
        scene.hands.forward(minutes(hours * 60));
        let now = scene.hands.now().as_second().to_string();
        assert_eq!(house.daemon.post_to("quiet", &webhook.clone().with("timestamp", now).body()).await.status, 200);
    }
    assert_eq!(house.notices("silent"), ["quiet", "quiet over"]);
    scene.hands.forward(minutes(25 * 60));
    assert_eq!(house.daemon.post_to("quiet", &webhook.body_signed("no")).await.status, 401);
    scene.hands.forward(minutes(61));
    house.until_received("silent", &["quiet", "quiet over", "quiet"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_of_life_outlives_a_crash() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let sources = keeta::source("quiet", "silent_after = \"26h\"");
    let mut house = House::new(&scene, format!("{sources}{}{OPERATOR}", scene.robot("owner", ""))).await;
    house.looked().await;
    scene.hands.forward(minutes(25 * 60));
    assert_eq!(house.daemon.post_to("quiet", b"{}").await.status, 200);
    let sql = "SELECT count(*) FROM signs_of_life WHERE source = 'quiet' AND at > ?1";
    let connection = house.daemon.connection();
    let day_later = (noon() + minutes(24 * 60)).as_millisecond();
    until(|| connection.query_row(sql, [day_later], |row| row.get::<_, i64>(0)).expect("a count") == 1).await;
    house.crash().await;
    scene.hands.forward(minutes(120));
    house.looked().await;
    assert!(house.notices("silent").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_channel_is_reported_with_its_cause_and_when_it_works_again() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let channels = format!("{}{}", scene.hook("erp", ""), scene.robot("owner", ""));
    let mut house = House::new(&scene, format!("{channels}{ORDERS}{OPERATOR}")).await;
    let (since, next) = ((noon() - minutes(5)).as_millisecond(), (noon() + minutes(300)).as_millisecond());
    house.run(&format!(
        "INSERT INTO parked_channels (channel, since, reason, next_probe_at) VALUES ('erp', {since}, 'HTTP 401', {next})"
    ));
    house.looked().await;
    assert_eq!(house.notices("parked"), ["erp 0"]);
    let text = house.read_by_the_owner("A channel refuses our messages · erp").await;
    for words in ["HTTP 401", "14:55", "20:00", "orderbell test erp"] {
        assert!(text.contains(words), "{words} in {text}");
    }
    house.crash().await;
    scene.hands.forward(minutes(30));
    house.looked().await;
    assert_eq!(house.notices("parked"), ["erp 0"], "once");
    house.run("DELETE FROM parked_channels");
    house.looked().await;
    assert_eq!(house.notices("parked"), ["erp 0"], "the next message may meet the same answer");
    scene.hands.forward(minutes(2));
    house.until_received("parked", &["erp 0", "erp over"]).await;
    let text = house.read_by_the_owner("A channel works again · erp").await;
    assert!(text.contains("35 minutes"), "{text}");
    house.crash().await;
    house.looked().await;
    assert_eq!(house.notices("parked"), ["erp 0", "erp over"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_refuses_our_setting_parks_its_channel_and_an_acceptance_ends_it() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let channels = format!("{}{}", scene.hook("erp", ""), scene.robot("owner", ""));
    scene.sandbox.order("erp", Fault::Status { status: 401, body: "Ali Baba".to_owned() }, Times::Always);
    let mut house = House::new(&scene, format!("{channels}{ORDERS}{OPERATOR}")).await;
    for number in 1..=3 {
        house.daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
    }
    scene.until_came("erp", 1).await;
    scene.hands.forward(minutes(1));
    house.until_received("parked", &["erp 3"]).await;
    let text = house.read_by_the_owner("A channel refuses our messages · erp").await;
    assert!(text.contains("HTTP 401") && text.contains("3 messages") && !text.contains("Ali Baba"), "{text}");
    scene.sandbox.clear_faults("erp");
    scene.hands.forward(minutes(12));
    scene.until_received("erp", 3).await;
    house.looked().await;
    assert!(house.notices("waiting").is_empty(), "of their cause the operator knows");
    scene.hands.forward(minutes(2));
    house.until_received("parked", &["erp 3", "erp over"]).await;
}

fn hex(id: DeliveryId) -> String {
    format!("x'{}'", id.0.simple())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_no_route_matches_is_reported_once_until_a_route_does() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let channels = format!("{}{}", scene.hook("erp", ""), scene.robot("owner", ""));
    let orders = format!("{channels}{ORDERS}{OPERATOR}");
    let [hours, status, images] = [0, 1, 2].map(|kind| {
        let hands = scene.hands.clone();
        move |number| shop_event(SAMPLES[kind].1, number, hands.now())
    });
    let daemon = scene.start_watching(NEVER, "", &orders).await;
    daemon.acknowledged(&hours(1)).await;
    until(|| notices(&daemon.connection(), "unrouted") == ["store.hours"]).await;
    daemon.acknowledged(&hours(2)).await;
    // Another configuration that has no route for it either.
    daemon.reload("v2", "", &orders).await;
    daemon.acknowledged(&hours(3)).await;
    daemon.daemon.stop().await;

    let daemon = scene.start_watching(NEVER, "", &orders).await;
    daemon.acknowledged(&hours(4)).await;
    daemon.acknowledged(&status(5)).await;
    until(|| notices(&daemon.connection(), "unrouted").len() > 1).await;
    assert_eq!(notices(&daemon.connection(), "unrouted"), ["store.hours", "store.status"], "once each");
    let routed = format!("{orders}[[route]]\nevents = [\"store.hours\"]\nto = [\"erp\"]\n");
    daemon.reload("v3", "", &routed).await;
    scene.hands.forward(minutes(1));
    until(|| notices(&daemon.connection(), "unrouted").len() > 2).await;
    let expected = ["store.hours", "store.status", "store.hours over"];
    assert_eq!(notices(&daemon.connection(), "unrouted"), expected);
    daemon.acknowledged(&hours(6)).await;
    scene.until_received("erp", 1).await;
    // Taken out once more, it begins once more, and not before such an event comes.
    daemon.reload("v4", "", &orders).await;
    daemon.acknowledged(&images(7)).await;
    until(|| notices(&daemon.connection(), "unrouted").len() > 3).await;
    daemon.acknowledged(&hours(8)).await;
    until(|| notices(&daemon.connection(), "unrouted").len() > 4).await;
    assert_eq!(notices(&daemon.connection(), "unrouted")[3..], ["menu.images", "store.hours"]);
}

fn event(kind: Kind, source: &str) -> Event {
    Event {
        id: EventId(Uuid::now_v7()),
        kind,
        source: source.to_owned(),
        occurred_at: None,
        received_at: noon(),
        shop: None,
        order: None,
        data: Data::default(),
        proof: SignatureCheck::Valid("a recipe".to_owned()),
    }
}

fn recorded(event: Event) -> Record {
    Record {
        event,
        body: Vec::new(),
        dedupe_keys: Vec::new(),
        targets: Vec::new(),
        urgent: Vec::new(),
        decisions: RouteDecisions::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_is_taken_away_ends_its_incident_without_a_word() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let robots = format!("{}{}{OPERATOR}", scene.robot("owner", ""), scene.robot("kitchen", ""));
    let sources = keeta::source("gone", "silent_after = \"1h\"") + &keeta::source("changed", "silent_after = \"1h\"");
    let daemon = scene.start_watching(NEVER, "", &format!("{sources}{robots}")).await;
    let connection = daemon.connection();
    let incidents = || {
        let sql = "SELECT coalesce(group_concat(topic || ' ' || subject ORDER BY topic, subject), '') FROM troubles";
        connection.query_row(sql, [], |row| row.get::<_, String>(0)).expect("a list")
    };
    let sql = "INSERT INTO parked_channels (channel, since, reason, next_probe_at) VALUES ('kitchen', ?1, '', ?1)";
    connection.execute(sql, [noon().as_millisecond()]).expect("parked");
    until(|| {
        let sql = "SELECT count(*) FROM signs_of_life";
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a count") == 3
    })
    .await;
    scene.hands.forward(minutes(90));
    until(|| incidents() == "parked kitchen,silent changed,silent gone").await;
    let events = || {
        let sql = "SELECT count(*) FROM events";
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a count")
    };
    assert_eq!(events(), 3);
    let changed = keeta::source("changed", "silent_after = \"2h\"");
    daemon.reload("v2", "", &format!("{changed}{}{OPERATOR}", scene.robot("owner", ""))).await;
    scene.hands.forward(minutes(1));
    until(|| incidents().is_empty()).await;
    assert_eq!(events(), 3, "nobody is notified that it works again: nobody knows");
    // It still counts from when it was received last, or first configured.
    scene.hands.forward(minutes(30));
    until(|| incidents() == "silent changed").await;
}
