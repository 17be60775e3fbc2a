//! The real daemon is killed with SIGKILL while it makes and sends a report: before the figures are committed, after that, and
//! with the receiver's answer on its way. After the restart there is one report, never two, never none. What one receiver was
//! sent comes again only where its answer was lost: with the same key, or, where the receiver knows no keys, with a mark.
//!
//! `ORDERBELL_CRASH_ROUNDS` sets how many rounds of random moments there are; 6 without it. The seed is printed.

mod any_moment;

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::inbox::{MockVerdict, Received};
use orderbell::sandbox::rules::Rules;
use orderbell::sandbox::smtp::MailServer;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support;
use crate::support::address::own_address;
use crate::support::keeta::Envelope;
use crate::support::{A_WHILE, Scene, TOO_LONG, keeta, request, watching};

/// Orders of the day before, enough for the figures to take a moment.
const ORDERS: u64 = 300;
/// What is tried again is tried soon.
const SOON: &str = "retry = [\"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\"]";
/// By channel: the name of its receiver, and how many messages one report is there. WeCom gets the picture behind the text.
const EACH: [(&str, &str, usize); 4] =
    [("erp", "erp", 1), ("kitchen", "kitchen", 1), ("office", "office", 2), ("owner", "owner@example.com", 1)];

/// A store that knows the orders of yesterday and whose next report is to cover them, by the real clock.
struct Yesterday {
    scene: Scene,
    zone: String,
}

fn placed(number: u64, at: Timestamp) -> Vec<u8> {
    let mut message = keeta::order(number);
    for part in ["baseOrder", "merchantOrder"] {
        message["orderInfo"][part]["ctime"] = json!(at.as_millisecond());
    }
    Envelope::new(1001, &format!("m1001-{number}"), &message.to_string(), at).body()
}

impl Yesterday {
    async fn new() -> Self {
        let now = Timestamp::now();
        let scene = Scene::still(now - SignedDuration::from_hours(24), Rules::new().speed(1_000_000)).await;
        let yesterday = Self { scene, zone: support::noon_zone(now) };
        let text = yesterday.scene.hook("erp", "") + &yesterday.report("[\"erp\"]");
        let daemon = yesterday.scene.start(&text).await;
        let bodies: Vec<_> = (1..=ORDERS).map(|number| placed(number, yesterday.scene.hands.now())).collect();
        for some in bodies.chunks(50) {
            futures_util::future::join_all(some.iter().map(|body| daemon.acknowledged(body))).await;
        }
        let begun = async {
            let known =
                || daemon.connection().query_row("SELECT count(*) FROM report_runs", [], |row| row.get::<_, i64>(0));
            while known().expect("a count") == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        support::in_time(begun).await;
        daemon.stop().await;
        assert!(yesterday.scene.sandbox.messages().is_empty(), "yesterday nothing was due");
        yesterday
    }

    fn report(&self, to: &str) -> String {
        format!("[report.daily]\nat = \"00:05\"\ntimezone = \"{}\"\nto = {to}\n", self.zone)
    }

    /// A house of its own, with what the store knew when yesterday ended.
    fn house(&self, text: &str) -> House<'_> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::copy(self.scene.store(), folder.path().join("bell.db")).expect("a copy");
        let house = House { scene: &self.scene, folder, address: own_address() };
        house.write(text);
        house
    }
}

/// Where a daemon lives, dies and lives again.
struct House<'a> {
    scene: &'a Scene,
    folder: tempfile::TempDir,
    address: SocketAddr,
}

/// A process that does not outlive its test.
struct Process(Child);

impl Process {
    fn sigkill(mut self) {
        assert!(self.0.try_wait().expect("a child").is_none(), "it ended by itself");
        self.0.kill().expect("killed");
        self.0.wait().expect("gone");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl House<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, text: &str) {
        let whole = support::whole("", text).replace("[server]", &format!("[server]\nlisten = \"{}\"", self.address));
        watching::replace(&self.path("orderbell.toml"), &whole);
    }

    fn start(&self) -> Process {
        let child = Command::new(env!("CARGO_BIN_EXE_orderbell"))
            .args(["--config", "orderbell.toml", "serve"])
            .current_dir(self.folder.path())
            .env("ORDERBELL_LOG", "error")
            .stdout(Stdio::null())
            .stderr(File::create(self.path("log")).expect("a log"))
            .spawn();
        Process(child.expect("the daemon starts"))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).expect("a log")
    }

    async fn until_up(&self) {
        let up = async {
            while tokio::net::TcpStream::connect(self.address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert_eq!(request(self.address, "GET", "/healthz", b"").await.status, 200);
        };
        support::in_time(up).await;
    }

    fn connection(&self) -> Connection {
        let connection = Connection::open(self.path("bell.db")).expect("the store opens");
        connection.busy_timeout(Duration::from_secs(5)).expect("a setting");
        connection
    }

    fn number(&self, sql: &str) -> i64 {
        self.connection().query_row(sql, [], |row| row.get(0)).expect("a number")
    }

    fn reports(&self) -> i64 {
        self.number("SELECT count(*) FROM events WHERE kind = 'report.daily'")
    }

    fn attempts(&self) -> i64 {
        self.number(
            "SELECT count(*) FROM attempts a JOIN deliveries d ON d.id = a.delivery JOIN events e ON e.id = d.event
             WHERE e.kind = 'report.daily'",
        )
    }

    async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + TOO_LONG;
        while !is_so() {
            assert!(Instant::now() < deadline, "{what}: it did not come to that; {}", self.log());
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    async fn until_delivered(&self, channels: i64) {
        let sql = "SELECT count(*) FROM deliveries d JOIN events e ON e.id = d.event
            WHERE e.kind = 'report.daily' AND d.state = 'delivered'";
        self.until("delivered", || self.number(sql) >= channels).await;
    }

    /// How many attempts of a channel ended without an answer: what went out may have been taken.
    fn lost_answers(&self, channel: &str) -> usize {
        let sql = "SELECT count(*) FROM attempts a JOIN deliveries d ON d.id = a.delivery
            WHERE a.outcome = 'unknown' AND d.channel = ?1";
        let count = self.connection().query_row(sql, [channel], |row| row.get::<_, i64>(0)).expect("a number");
        usize::try_from(count).expect("few")
    }

    /// The store has one report of one day, delivered once to each channel that it is for.
    fn assert_one_report(&self, channels: &[&str]) {
        assert_eq!(self.reports(), 1, "one report");
        assert_eq!(self.number("SELECT count(*) FROM report_runs WHERE event IS NOT NULL"), 1, "of one day");
        let connection = self.connection();
        let sql = "SELECT d.channel, d.state FROM deliveries d JOIN events e ON e.id = d.event
            WHERE e.kind = 'report.daily' ORDER BY d.channel";
        let mut select = connection.prepare(sql).expect("a statement");
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        let found: Vec<(String, String)> = rows.collect::<Result<_, _>>().expect("rows");
        let wanted = channels.iter().map(|channel| ((*channel).to_owned(), "delivered".to_owned()));
        assert_eq!(found, wanted.collect::<Vec<_>>());
    }

    /// What a receiver took, and that it took the report once, but for repeats of which the answer was lost.
    fn assert_received_once(&self, channel: &str, receiver: &str, messages: usize) -> Vec<Received> {
        let came = self.scene.came_to(receiver);
        assert!(came.iter().all(|one| one.verdict == MockVerdict::Accepted), "{came:?}");
        let lost = self.lost_answers(channel);
        assert!(
            (messages..=messages + lost).contains(&came.len()),
            "{channel}: a report of {messages} messages, {lost} answers lost, and {} messages came",
            came.len()
        );
        if let Some(key) = came[0].key.as_deref() {
            assert!(came.iter().all(|one| one.key.as_deref() == Some(key)), "{channel}: one report, one key");
            assert!(came.iter().all(|one| one.body == came[0].body || channel == "owner"), "{channel}: the same bytes");
            assert_eq!(came.iter().filter(|one| one.is_message()).count(), 1, "{channel}: the receiver knows repeats");
        }
        came
    }

    /// The figures are those of yesterday's orders.
    fn assert_figures(&self, received: &Received) {
        let json: Value = serde_json::from_str(&received.body).expect("JSON");
        assert_eq!(json["data"]["report"]["total"]["orders"], json!(ORDERS), "{json}");
    }
}

fn sighup(process: &Process) {
    let sent = Command::new("sh").args(["-c", &format!("kill -HUP {}", process.0.id())]).status().expect("a shell");
    assert!(sent.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_the_figures_and_their_commit_the_daemon_makes_the_report_after_the_restart() {
    let yesterday = Yesterday::new().await;
    let erp = yesterday.scene.hook("erp", SOON);
    let house = yesterday.house(&erp);
    let daemon = house.start();
    house.until_up().await;
    // While somebody else writes, the figures can be made, and not committed.
    let other = house.connection();
    other.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    house.write(&(erp + &yesterday.report("[\"erp\"]")));
    sighup(&daemon);
    house.until("the figures are made", || house.log().contains("a report that is due cannot be made")).await;
    daemon.sigkill();
    other.execute_batch("ROLLBACK").expect("no lock");
    assert_eq!(house.reports(), 0, "nothing was committed");
    assert!(yesterday.scene.sandbox.messages().is_empty(), "what is not committed is sent to nobody");

    let daemon = house.start();
    house.until_delivered(1).await;
    yesterday.scene.nothing_more(A_WHILE).await;
    daemon.sigkill();
    house.assert_one_report(&["erp"]);
    let came = house.assert_received_once("erp", "erp", 1);
    assert_eq!(came.len(), 1, "nothing had been sent before");
    house.assert_figures(&came[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_the_commit_and_the_first_attempt_the_daemon_sends_that_very_report() {
    let yesterday = Yesterday::new().await;
    // One message in ten seconds, and an order takes that place.
    let kitchen = yesterday.scene.robot("kitchen", &format!("rate = {{ per = \"10s\", count = 1 }}\n{SOON}"))
        + "[[route]]\nevents = [\"order.*\"]\nto = [\"kitchen\"]\n";
    let house = yesterday.house(&kitchen);
    let daemon = house.start();
    house.until_up().await;
    let answer = request(house.address, "POST", "/hooks/keeta", &placed(ORDERS + 1, Timestamp::now())).await;
    assert_eq!(answer.status, 200);
    yesterday.scene.until_received("kitchen", 1).await;
    house.write(&(kitchen + &yesterday.report("[\"kitchen\"]")));
    sighup(&daemon);
    house.until("a report is committed", || house.reports() == 1).await;
    daemon.sigkill();
    assert_eq!(house.attempts(), 0, "it was not tried yet");
    assert_eq!(yesterday.scene.came_to("kitchen").len(), 1, "and not sent");
    let sql = "SELECT hex(id) FROM events WHERE kind = 'report.daily'";
    let report = || house.connection().query_row(sql, [], |row| row.get::<_, String>(0)).expect("one report");
    let committed = report();

    let daemon = house.start();
    house.until_delivered(1).await;
    yesterday.scene.nothing_more(A_WHILE).await;
    daemon.sigkill();
    house.assert_one_report(&["kitchen"]);
    assert_eq!(report(), committed, "it is the one that was committed");
    let received = yesterday.scene.came_to("kitchen");
    assert_eq!(received.len(), 2, "the order, and the report once: {received:?}");
    let words = format!("{ORDERS} orders");
    assert!(received[1].text.as_ref().is_some_and(|text| text.contains(&words)), "{:?}", received[1].text);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_the_receivers_answers_are_on_their_way_the_daemon_repeats_under_the_same_key_or_says_so() {
    let yesterday = Yesterday::new().await;
    let text = everyone(&yesterday).await;
    let house = yesterday.house(&text);
    let three = &EACH[..3];
    for (name, ..) in three {
        // Taken at once, and answered when nobody is there any more.
        yesterday.scene.sandbox.order(name, Fault::Delay { delay_ms: 3_600_000 }, Times::Always);
    }
    let daemon = house.start();
    for (name, ..) in three {
        yesterday.scene.until_came(name, 1).await;
    }
    daemon.sigkill();
    three.iter().for_each(|(name, ..)| yesterday.scene.sandbox.clear_faults(name));
    assert_eq!(house.reports(), 1);

    let daemon = house.start();
    house.until_delivered(4).await;
    daemon.sigkill();
    house.assert_one_report(&["erp", "kitchen", "office", "owner"]);
    for (channel, receiver, messages) in EACH {
        let came = house.assert_received_once(channel, receiver, messages);
        if channel != "owner" {
            assert_eq!(came.len(), messages + 1, "{channel}: the one whose answer was lost comes again");
        }
    }
    house.assert_figures(&yesterday.scene.came_to("erp")[0]);
    let office = yesterday.scene.came_to("office");
    let is_marked = |one: &Received| one.body.contains("possibly a repeat");
    assert_eq!(office.iter().map(is_marked).collect::<Vec<_>>(), [false, true, false], "{office:?}");

    // Killed when all was done: there is nothing more to say.
    let before = yesterday.scene.sandbox.messages().len();
    let daemon = house.start();
    house.until_up().await;
    yesterday.scene.nothing_more(A_WHILE).await;
    daemon.sigkill();
    house.assert_one_report(&["erp", "kitchen", "office", "owner"]);
    assert_eq!(yesterday.scene.sandbox.messages().len(), before);
}

/// A report for a channel of each kind.
async fn everyone(yesterday: &Yesterday) -> String {
    let scene = &yesterday.scene;
    let mail = scene.mailbox("owner", MailServer::default(), "[\"owner@example.com\"]", SOON).await;
    let channels = [scene.hook("erp", SOON), scene.robot("kitchen", SOON), scene.wecom("office", SOON), mail].concat();
    channels + &yesterday.report("[\"erp\", \"kitchen\", \"office\", \"owner\"]")
}
