//! The daemon watches itself: the operator hears of each trouble once when it begins and once when it is over, whatever
//! restarts or crashes in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use jiff::SignedDuration;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use orderbell::domain::data::Data;
use orderbell::domain::event::DeliveryId;
use orderbell::domain::event::Event;
use orderbell::domain::event::EventId;
use orderbell::domain::event::Kind;
use orderbell::domain::event::Proof;
use orderbell::domain::route::Hearer;
use orderbell::domain::verdict::Verdicts;
use orderbell::flow::Clock;
use orderbell::flow::Current;
use orderbell::flow::Wake;
use orderbell::flow::far_clocks::FarClocks;
use orderbell::flow::intake::Reception;
use orderbell::flow::notice::Notices;
use orderbell::flow::reports::Failures;
use orderbell::flow::signs::Signs;
use orderbell::flow::watch;
use orderbell::flow::watch::Instruments;
use orderbell::flow::watch::SelfWatch;
use orderbell::flow::watch::conditions::Space;
use orderbell::flow::watch::mistakes::Mistakes;
use orderbell::sandbox::fault::Fault;
use orderbell::sandbox::fault::Times;
use orderbell::sandbox::rules::Rules;
use orderbell::store::Deaths;
use orderbell::store::Look;
use orderbell::store::Record;
use orderbell::store::Recorded;
use orderbell::store::Telling;
use orderbell::store::Trouble;
use orderbell::store::sqlite::Sqlite;
use rusqlite::Connection;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::support::Daemon;
use crate::support::Scene;
use crate::support::TOO_LONG;
use crate::support::keeta;
use crate::support::keeta::Envelope;
use crate::support::watching::NEVER;

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

    /// Waits until the daemon has looked, and has told what there was to tell: what no route matched comes last in a look.
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

    async fn until_told(&self, topic: &str, expected: &[&str]) {
        until(|| self.notices(topic).len() >= expected.len()).await;
        assert_eq!(self.notices(topic), expected);
    }

    /// What the operator has read of a title.
    async fn read_by_the_owner(&self, title: &str) -> String {
        let text = || {
            let told = self.scene.told("owner").into_iter().filter_map(|one| one.text);
            told.map(|text| text.replace('\\', "")).find(|text| text.contains(title))
        };
        until(|| text().is_some()).await;
        text().expect("it is there")
    }
}

fn notices(connection: &Connection, topic: &str) -> Vec<String> {
    let sql = "SELECT coalesce(n ->> 'subject', 'it') || iif(n ->> 'until' IS NULL, '', ' over')
            || coalesce(' ' || (n ->> 'count'), '')
        FROM (SELECT seq, event -> '$.data.notice' AS n FROM events WHERE kind = 'operator.notice')
        WHERE n ->> 'topic' = ?1 ORDER BY seq";
    let mut select = connection.prepare(sql).expect("a statement");
    select.query_map([topic], |row| row.get(0)).expect("rows").map(|row| row.expect("a row")).collect()
}

/// The store tells nobody of its changes, so it is asked again and again.
async fn until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + TOO_LONG;
    while !is_so() {
        assert!(Instant::now() < deadline, "it did not come to that");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_falls_silent_is_told_once_and_no_restart_sets_its_time_back() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let sources = keeta::source("quiet", "silent_after = \"26h\"") + &keeta::source("any", "");
    let mut house = House::new(&scene, format!("{sources}{}{OPERATOR}", scene.robot("owner", ""))).await;
    house.looked().await;
    scene.hands.forward(minutes(25 * 60));
    house.crash().await;
    house.looked().await;
    assert!(house.notices("silent").is_empty(), "not yet");
    scene.hands.forward(minutes(61));
    house.until_told("silent", &["quiet"]).await;
    let text = house.read_by_the_owner("Nothing comes any more").await;
    assert!(text.contains("· quiet") && text.contains("5 Nov 15:00"), "the time is the reader's: {text}");
    house.crash().await;
    scene.hands.forward(minutes(60));
    house.looked().await;
    assert_eq!(house.notices("silent"), ["quiet"], "once");

    // A heartbeat is a sign of life.
    assert_eq!(house.daemon.post_to("quiet", b"{}").await.status, 200);
    scene.hands.forward(minutes(1));
    house.until_told("silent", &["quiet", "quiet over"]).await;
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
    house.until_told("silent", &["quiet", "quiet over", "quiet"]).await;
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
async fn dead_messages_are_told_by_channel_again_when_there_are_more_and_not_when_they_are_notices() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let channels = format!("{}{}", scene.hook("erp", ""), scene.robot("owner", ""));
    let text = format!("{channels}{}{ORDERS}[operator]\nto = [\"owner\", \"deaf\"]\n", scene.hook("deaf", ""));
    for name in ["erp", "deaf"] {
        scene.far.order(name, Fault::Status { status: 422, body: "Ali Baba".to_owned() }, Times::Always);
    }
    let mut house = House::new(&scene, text).await;
    house.daemon.acknowledged(&keeta::placed(41, scene.hands.now())).await;
    house.until_told("dead", &["erp 1"]).await;
    let text = house.read_by_the_owner("Messages were given up · erp").await;
    assert!(text.contains("order.placed 41: HTTP 422") && text.contains("1 message"), "{text}");
    assert!(!text.contains("Ali Baba"), "the far side's free text is nobody's business: {text}");

    for number in [42, 43] {
        house.daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
    }
    house.daemon.until(|all| all.iter().filter(|one| one.channel == "erp" && one.state == "dead").count() == 3).await;
    house.looked().await;
    house.crash().await;
    house.looked().await;
    assert_eq!(house.notices("dead"), ["erp 1"], "at most once an hour");
    scene.hands.forward(minutes(61));
    house.until_told("dead", &["erp 1", "erp 3"]).await;
    scene.hands.forward(minutes(61));
    house.looked().await;
    assert_eq!(house.notices("dead"), ["erp 1", "erp 3"], "of these the operator knows");

    // A person deals with them; the notices that the deaf channel did not take are still dead, and nobody is told of those.
    house.run("UPDATE deliveries SET state = 'cancelled' WHERE channel = 'erp'");
    scene.hands.forward(minutes(1));
    house.until_told("dead", &["erp 1", "erp 3", "erp over"]).await;
    let deaf =
        house.daemon.deliveries().await.iter().filter(|one| one.channel == "deaf" && one.state == "dead").count();
    assert!(deaf > 1, "{deaf}");
    house.crash().await;
    house.looked().await;
    assert_eq!(house.notices("dead"), ["erp 1", "erp 3", "erp over"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn urgent_messages_that_wait_are_told_but_not_those_that_are_held() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let channels =
        [scene.hook("erp", "retry = [\"2h\"]"), scene.hook("held", "retry = [\"5h\"]"), scene.robot("owner", "")];
    let route = "[[route]]\nevents = [\"order.*\"]\nto = [\"erp\", \"held\"]\n";
    for name in ["erp", "held"] {
        scene.far.order(name, Fault::Status { status: 503, body: "no".to_owned() }, Times::Next(1));
    }
    let mut house = House::new(&scene, format!("{}{route}{OPERATOR}", channels.concat())).await;
    house.daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    house.daemon.until(|all| all.len() == 2 && all.iter().all(|one| one.answer.is_some())).await;
    house.run("UPDATE deliveries SET urgent = 1");
    let until = noon() + minutes(180);
    house.run(&format!(
        "INSERT INTO steps (delivery, at, step, detail) SELECT id, 0, 'held', '{until}' FROM deliveries WHERE channel = 'held'"
    ));
    house.looked().await;
    assert!(house.notices("waiting").is_empty(), "not yet");
    scene.hands.forward(minutes(6));
    house.until_told("waiting", &["erp 1"]).await;
    let text = house.read_by_the_owner("Urgent messages do not get through · erp").await;
    assert!(text.contains("HTTP 503") && text.contains("15:00"), "{text}");
    house.crash().await;
    scene.hands.forward(minutes(10));
    house.looked().await;
    assert_eq!(house.notices("waiting"), ["erp 1"], "once");
    scene.hands.forward(minutes(120));
    scene.until_told("erp", 1).await;
    house.looked().await;
    scene.hands.forward(minutes(2));
    house.until_told("waiting", &["erp 1", "erp over"]).await;
    house.crash().await;
    scene.hands.forward(minutes(10));
    house.looked().await;
    assert_eq!(house.notices("waiting"), ["erp 1", "erp over"]);
    // What was held waits in earnest from the end of the quiet hours on.
    scene.hands.forward(minutes(34));
    house.looked().await;
    assert_eq!(house.notices("waiting"), ["erp 1", "erp over"]);
    scene.hands.forward(minutes(4));
    house.until_told("waiting", &["erp 1", "erp over", "held 1"]).await;
    assert!(scene.told("held").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_channel_is_told_with_its_cause_and_when_it_works_again() {
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
    house.until_told("parked", &["erp 0", "erp over"]).await;
    let text = house.read_by_the_owner("A channel works again · erp").await;
    assert!(text.contains("35 minutes"), "{text}");
    house.crash().await;
    house.looked().await;
    assert_eq!(house.notices("parked"), ["erp 0", "erp over"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_side_that_refuses_our_setting_parks_its_channel_and_a_yes_ends_it() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let channels = format!("{}{}", scene.hook("erp", ""), scene.robot("owner", ""));
    scene.far.order("erp", Fault::Status { status: 401, body: "Ali Baba".to_owned() }, Times::Always);
    let mut house = House::new(&scene, format!("{channels}{ORDERS}{OPERATOR}")).await;
    for number in 1..=3 {
        house.daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
    }
    scene.until_came("erp", 1).await;
    scene.hands.forward(minutes(1));
    house.until_told("parked", &["erp 3"]).await;
    let text = house.read_by_the_owner("A channel refuses our messages · erp").await;
    assert!(text.contains("HTTP 401") && text.contains("3 messages") && !text.contains("Ali Baba"), "{text}");
    scene.far.heal("erp");
    scene.hands.forward(minutes(12));
    scene.until_told("erp", 3).await;
    house.looked().await;
    assert!(house.notices("waiting").is_empty(), "of their cause the operator knows");
    scene.hands.forward(minutes(2));
    house.until_told("parked", &["erp 3", "erp over"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_urgent_message_waits_in_earnest_since_it_came_or_was_held_or_was_asked_for_once_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bell.db");
    let store = Sqlite::open(&path, noon()).expect("the store opens");
    let hearers = ["kitchen", "office"].map(|name| (Hearer::always(name), DeliveryId(Uuid::now_v7())));
    let [kitchen, office] = hearers.clone().map(|(_, id)| hex(id));
    let record = recorded(event(Kind::OrderPlaced, "keeta"));
    let urgent = vec!["kitchen".to_owned()];
    store.record(Record { hearers: hearers.into(), urgent, ..record }).await.expect("recorded");
    let run = |sql: &str| {
        let sql = sql.replace("KITCHEN", &kitchen).replace("OFFICE", &office);
        Connection::open(&path).and_then(|connection| connection.execute_batch(&sql)).expect("the store takes it");
    };
    let look = async |minute: i64| {
        let channels = ["kitchen", "office"].map(str::to_owned).into();
        let waits_since = noon() + minutes(minute - 5);
        let look = Look { channels, waits_since, dead: BTreeMap::new(), newest: false };
        let sight = store.reader().look_around(look).await.expect("it sees");
        let seen = sight.waiting.into_iter().map(|waiting| (waiting.channel, waiting.oldest, waiting.count));
        seen.collect::<Vec<_>>()
    };
    let late = |minute: i64| vec![("kitchen".to_owned(), noon() + minutes(minute), 1)];
    assert_eq!(look(4).await, []);
    assert_eq!(look(5).await, late(0), "what is not urgent is not late");
    let step = |step: &str, minute: i64, detail: &str| {
        let at = (noon() + minutes(minute)).as_millisecond();
        run(&format!("INSERT INTO steps (delivery, at, step, detail) VALUES (KITCHEN, {at}, '{step}', '{detail}')"));
    };
    step("held", 3, &(noon() + minutes(60)).to_string());
    assert_eq!(look(50).await, []);
    assert_eq!(look(64).await, []);
    assert_eq!(look(65).await, late(60));
    step("fell_back", 70, "office");
    assert_eq!(look(71).await, late(60));
    step("redelivered", 100, "");
    assert_eq!(look(104).await, []);
    assert_eq!(look(105).await, late(100));
    // Whoever was to be told was told by the fallback.
    run("UPDATE deliveries SET instead_of = KITCHEN WHERE id = OFFICE");
    assert_eq!(look(106).await, late(100));
    run("UPDATE deliveries SET state = 'delivered' WHERE id = OFFICE");
    assert_eq!(look(107).await, []);
}

#[tokio::test]
async fn a_test_or_a_notice_that_dies_is_counted_and_told_to_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bell.db");
    let store = Sqlite::open(&path, noon()).expect("the store opens");
    let connection = Connection::open(&path).expect("the store opens");
    let look = async |dead| {
        let look = Look { channels: Vec::new(), waits_since: noon(), dead, newest: false };
        store.reader().look_around(look).await.expect("it sees").dead
    };
    let mut seen = BTreeMap::new();
    for (kind, all, told) in [(Kind::Test, 1, None), (Kind::OperatorNotice, 2, None), (Kind::OrderPlaced, 3, Some(1))] {
        let hearers = vec![(Hearer::always("kitchen"), DeliveryId(Uuid::now_v7()))];
        store.record(Record { hearers, ..recorded(event(kind, "orderbell")) }).await.expect("recorded");
        connection.execute("UPDATE deliveries SET state = 'dead'", []).expect("they die");
        seen = look(seen).await;
        let kitchen = &seen["kitchen"];
        assert_eq!((kitchen.all, kitchen.dead.as_ref().map(|dead| dead.count)), (all, told));
    }
    // What is known is not looked at anew while the number stays.
    connection.execute("UPDATE deliveries SET answer = 'HTTP 422'", []).expect("the store takes it");
    let words = |seen: &BTreeMap<String, Deaths>| seen["kitchen"].dead.as_ref().map(|dead| dead.words.clone());
    seen = look(seen).await;
    assert_eq!(words(&seen).as_deref(), Some("order.placed"));
    assert_eq!(words(&look(BTreeMap::new()).await).as_deref(), Some("order.placed: HTTP 422"));
    connection.execute("UPDATE deliveries SET state = 'cancelled'", []).expect("the store takes it");
    assert!(look(seen).await.is_empty());
}

fn hex(id: DeliveryId) -> String {
    format!("x'{}'", id.0.simple())
}

/// A receiver that says yes, and whose clock is ahead by so many seconds.
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
async fn a_clock_that_is_not_the_far_sides_is_told_until_it_is_right() {
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
    assert!(house.notices("machine_clock").is_empty(), "one far side, once, may be wrong itself");
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
    house.until_told("machine_clock", &["it", "it over"]).await;
    house.crash().await;
    place(&house, 6).await;
    house.looked().await;
    assert_eq!(house.notices("machine_clock"), ["it", "it over"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_no_route_matches_is_told_once_until_a_route_does() {
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
    scene.until_told("erp", 1).await;
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
        proof: Proof::Held("a recipe".to_owned()),
    }
}

fn recorded(event: Event) -> Record {
    Record {
        event,
        body: Vec::new(),
        repeat_keys: Vec::new(),
        hearers: Vec::new(),
        urgent: Vec::new(),
        verdicts: Verdicts::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_heard_of_before_a_crash_is_told_after_it() {
    let scene = Scene::at(noon(), Rules::new()).await;
    // As a crash leaves it between the webhook's commit and the look.
    let store = Sqlite::open(&scene.store(), noon()).expect("the store opens");
    for (kind, proof) in [
        (Kind::StoreHours, Proof::Held("a recipe".to_owned())),
        (Kind::MenuSync, Proof::Unproven),
        (Kind::OrderPlaced, Proof::Held("a recipe".to_owned())),
    ] {
        store.record(recorded(Event { proof, ..event(kind, "keeta") })).await.expect("recorded");
    }
    store.close().await;
    let channels = format!("{}{}", scene.hook("erp", ""), scene.robot("owner", ""));
    let mut house = House::new(&scene, format!("{channels}{ORDERS}{OPERATOR}")).await;
    house.until_told("unrouted", &["store.hours"]).await;
    house.crash().await;
    house.looked().await;
    assert_eq!(house.notices("unrouted"), ["store.hours", "store.status"], "the marker's, and no other");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_is_told_once_and_when_it_has_room_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bell.db");
    let free = Arc::new(AtomicU64::new(5 << 30));
    let clock = Arc::new(AtomicI64::new(0));
    let minute = |minute: i64| clock.store(minute, Ordering::Release);
    let open = || {
        let store = Arc::new(Sqlite::open(&path, noon()).expect("the store opens"));
        let (reception, wake, gauge) = (Current::new(Reception::default()), Wake::default(), free.clone());
        let clock = clock.clone();
        let watch = SelfWatch::new(Instruments {
            failures: Failures::default(),
            mistakes: Mistakes::default(),
            store: store.clone(),
            notices: Notices::new(store.clone(), reception.clone(), wake.clone()),
            reception,
            wake,
            signs: Signs::default(),
            far_clocks: FarClocks::default(),
            clock: Clock::new(move || noon() + minutes(clock.load(Ordering::Acquire))),
            disk: (
                "/var/lib/orderbell".to_owned(),
                Arc::new(move || Some(Space { free: gauge.load(Ordering::Acquire), total: 40 << 30 })),
            ),
        });
        (store, watch)
    };
    let told = || notices(&Connection::open(&path).expect("the store opens"), "disk");
    let (mut store, mut watch) = open();
    watch.look().await;
    free.store(812 << 20, Ordering::Release);
    watch.look().await;
    watch.look().await;
    assert_eq!(told(), ["/var/lib/orderbell"]);
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
        assert_eq!(told(), expected, "minute {at}");
        if at != 30 {
            // Also when it starts anew in between. At minute 30 that would begin the calm anew.
            drop(watch);
            Arc::into_inner(store).expect("nobody else has it").close().await;
            (store, watch) = open();
            watch.look().await;
            assert_eq!(told(), expected, "minute {at}");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_is_taken_away_ends_its_trouble_without_a_word() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let robots = format!("{}{}{OPERATOR}", scene.robot("owner", ""), scene.robot("kitchen", ""));
    let sources = keeta::source("gone", "silent_after = \"1h\"") + &keeta::source("changed", "silent_after = \"1h\"");
    let daemon = scene.start_watching(NEVER, "", &format!("{sources}{robots}")).await;
    let connection = daemon.connection();
    let troubles = || {
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
    until(|| troubles() == "parked kitchen,silent changed,silent gone").await;
    let events = || {
        let sql = "SELECT count(*) FROM events";
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a count")
    };
    assert_eq!(events(), 3);
    let changed = keeta::source("changed", "silent_after = \"2h\"");
    daemon.reload("v2", "", &format!("{changed}{}{OPERATOR}", scene.robot("owner", ""))).await;
    scene.hands.forward(minutes(1));
    until(|| troubles().is_empty()).await;
    assert_eq!(events(), 3, "nobody is told that it works again: nobody knows");
    // It still counts from when it was heard of last, or first configured.
    scene.hands.forward(minutes(30));
    until(|| troubles() == "silent changed").await;
}

#[tokio::test]
async fn a_trouble_and_its_notice_are_kept_together_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bell.db");
    let store = Sqlite::open(&path, noon()).expect("the store opens");
    let trouble = |detail: &str| Trouble {
        topic: "disk".to_owned(),
        subject: "/var".to_owned(),
        since: noon(),
        detail: detail.to_owned(),
    };
    let telling = |before: Option<Trouble>, after: Option<Trouble>, event: Event| Telling {
        before,
        after,
        notice: Some(recorded(event)),
    };
    let counts = || {
        let connection = Connection::open(&path).expect("the store opens");
        let count = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).expect("a count")
        };
        (count("troubles"), count("events"))
    };
    let known = event(Kind::OperatorNotice, "orderbell");
    store.record(recorded(known.clone())).await.expect("recorded");
    // The notice cannot be recorded: there is an event of this name.
    assert!(store.tell(telling(None, Some(trouble("a")), known.clone())).await.is_err());
    assert_eq!(counts(), (0, 1));
    let fresh = || event(Kind::OperatorNotice, "orderbell");
    let new = store.tell(telling(None, Some(trouble("a")), fresh())).await.expect("told");
    assert!(matches!(new, Some(Recorded::New { .. })));
    assert_eq!(counts(), (1, 2));
    assert!(store.tell(telling(Some(trouble("a")), None, known)).await.is_err());
    assert_eq!(counts(), (1, 2), "its end was not told, so it has not ended");
    // Whoever goes by what is not so any more does nothing.
    for before in [None, Some(trouble("b"))] {
        assert_eq!(store.tell(telling(before, Some(trouble("c")), fresh())).await.expect("asked"), None);
    }
    assert_eq!(counts(), (1, 2));
    assert!(store.tell(telling(Some(trouble("a")), None, fresh())).await.expect("told").is_some());
    assert_eq!(counts(), (0, 3));
}

/// A new order that is signed with another secret.
fn unproven(source: &'static str, number: u64, at: Timestamp) -> Vec<u8> {
    let order = keeta::order(number).to_string();
    Envelope { source, ..Envelope::new(1001, &format!("m1001-{number}"), &order, at) }.body_signed(&"0".repeat(64))
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_that_do_not_fit_a_source_that_observes_are_told_once_an_hour_over_restarts_too() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let registered = "verify = \"observe\"\nregistered_url = \"https://shop.example.com/keeta?a=1\"";
    let sources = keeta::source("watch", registered) + &keeta::source("other", "verify = \"observe\"");
    let channels = format!("{}{}", scene.hook("erp", ""), scene.robot("owner", ""));
    let mut house = House::new(&scene, format!("{sources}{channels}{ORDERS}{OPERATOR}")).await;
    assert_eq!(house.daemon.post_to("watch", &unproven("watch", 1, noon())).await.status, 200);
    house.until_told("unproven", &["watch 1"]).await;
    let text = house.read_by_the_owner("Signatures do not fit: nobody is notified · watch").await;
    for piece in ["app_secret", "registered_url", "app_id = 3762772727", "//shop.example.com/keeta?a=1", "1 webhook"] {
        assert!(text.contains(piece), "{piece}: {text}");
    }
    assert!(!text.contains(keeta::SECRET), "{text}");

    // However many come.
    for number in 2..=40 {
        assert_eq!(house.daemon.post_to("watch", &unproven("watch", number, noon())).await.status, 200);
    }
    house.looked().await;
    house.crash().await;
    assert_eq!(house.daemon.post_to("watch", &unproven("watch", 41, noon())).await.status, 200);
    house.looked().await;
    assert_eq!(house.notices("unproven"), ["watch 1"]);
    scene.hands.forward(minutes(61));
    house.until_told("unproven", &["watch 1", "watch 41"]).await;
    house.read_by_the_owner("41 webhooks").await;
    assert!(scene.told("erp").is_empty(), "nobody was notified of the orders");

    // One fits, and for an hour none that does not comes.
    let order = keeta::order(42).to_string();
    let genuine = Envelope { source: "watch", ..Envelope::new(1001, "m1001-42", &order, scene.hands.now()) };
    let genuine = genuine.body_for("https://shop.example.com/keeta?a=1");
    assert_eq!(house.daemon.post_to("watch", &genuine).await.status, 200);
    house.looked().await;
    assert_eq!(house.notices("unproven"), ["watch 1", "watch 41"]);
    scene.hands.forward(minutes(61));
    house.until_told("unproven", &["watch 1", "watch 41", "watch over"]).await;
    house.read_by_the_owner("Signatures fit again · watch").await;
    assert_eq!(scene.told("erp").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_that_did_not_fit_before_a_crash_are_told_and_counted_though_no_more_come() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let source = keeta::source("watch", "verify = \"observe\"");
    let mut house = House::new(&scene, format!("{source}{}{OPERATOR}", scene.robot("owner", ""))).await;
    assert_eq!(house.daemon.post_to("watch", &unproven("watch", 1, noon())).await.status, 200);
    house.until_told("unproven", &["watch 1"]).await;
    scene.hands.forward(minutes(30));
    assert_eq!(house.daemon.post_to("watch", &unproven("watch", 2, noon())).await.status, 200);
    house.crash().await;
    scene.hands.forward(minutes(31));
    house.until_told("unproven", &["watch 1", "watch 2"]).await;
    // Over another start that is no news.
    house.crash().await;
    house.looked().await;
    assert_eq!(house.notices("unproven"), ["watch 1", "watch 2"]);

    // A crash before anybody was notified.
    assert_eq!(house.daemon.post_to("watch", &unproven("watch", 3, scene.hands.now())).await.status, 200);
    house.looked().await;
    assert_eq!(house.notices("unproven"), ["watch 1", "watch 2"]);
    house.run("DELETE FROM troubles WHERE topic = 'unproven'");
    house.crash().await;
    house.until_told("unproven", &["watch 1", "watch 2", "watch 1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_source_observes_is_told_once_a_day_and_not_on_its_first() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let sources = keeta::source("watch", "verify = \"observe\"");
    let mut house = House::new(&scene, format!("{sources}{}{OPERATOR}", scene.robot("owner", ""))).await;
    house.looked().await;
    scene.hands.forward(minutes(23 * 60));
    house.crash().await;
    house.looked().await;
    assert!(house.notices("observing").is_empty(), "not yet");
    scene.hands.forward(minutes(61));
    house.until_told("observing", &["watch"]).await;
    let text = house.read_by_the_owner("Signatures are not enforced · watch").await;
    assert!(text.contains("orderbell why watch") && text.contains("enforce"), "{text}");
    house.crash().await;
    scene.hands.forward(minutes(23 * 60));
    house.looked().await;
    assert_eq!(house.notices("observing"), ["watch"], "once a day");
    scene.hands.forward(minutes(61));
    house.until_told("observing", &["watch", "watch"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_set_to_enforce_ends_what_was_told_of_it_without_a_word() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let owner = scene.robot("owner", "");
    let text = |verify: &str| format!("{}{owner}{OPERATOR}", keeta::source("watch", verify));
    let daemon = scene.start_watching(NEVER, "", &text("verify = \"observe\"")).await;
    let incidents = || {
        let count = "SELECT count(*) FROM troubles WHERE subject = 'watch'";
        daemon.connection().query_row(count, [], |row| row.get::<_, i64>(0)).expect("a count")
    };
    assert_eq!(daemon.post_to("watch", &unproven("watch", 1, noon())).await.status, 200);
    until(|| incidents() == 2).await;
    daemon.reload("v2", "", &text("verify = \"enforce\"")).await;
    scene.hands.forward(minutes(1));
    until(|| incidents() == 0).await;
    assert_eq!(daemon.post_to("watch", &unproven("watch", 2, noon())).await.status, 401);
    assert_eq!(notices(&daemon.connection(), "unproven"), ["watch 1"]);
    assert!(notices(&daemon.connection(), "observing").is_empty());
}
