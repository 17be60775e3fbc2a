//! `orderbell test` beside a daemon and without one: with whose values it was sent, which of them differ from those here, and
//! that a failed one leaves a parked channel as it was.

mod values;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use orderbell::config;
use orderbell::config::configured::Config;
use orderbell::config::context::{LoadContext, languages};
use orderbell::domain::secret::Secret;
use orderbell::in_force;
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::{RobotRules, Rules};
use rusqlite::{Connection, OptionalExtension};
use serde_json::Value;
use tokio::process::Command;

use crate::support::{Daemon, Scene, TOO_LONG, keeta, whole};

/// In every secret of these tests, and in nothing that a command prints or the store holds.
const HUSH: &str = "hush";
const KEY: &str = "ORDERBELL_TEST_SEND_KEY";

/// A configuration file with its environment and its files of secrets: as the daemon read it, or as it is now.
#[derive(Clone)]
struct Side {
    text: String,
    key: Option<&'static str>,
    secret: Option<&'static str>,
}

/// What a test found, as a program and as a person reads it.
struct Found {
    code: Option<i32>,
    json: Value,
    text: String,
}

impl Found {
    fn differs(&self) -> Vec<&str> {
        self.keys("differs")
    }

    fn keys(&self, of: &str) -> Vec<&str> {
        let list = self.json[0][of].as_array().unwrap_or_else(|| panic!("no {of}: {}", self.json));
        list.iter().map(|one| one["key"].as_str().expect("a key")).collect()
    }
}

struct Place {
    scene: Scene,
    file: PathBuf,
}

impl Place {
    async fn new() -> Self {
        let scene = Scene::new(Rules::new().robot("kitchen", RobotRules::default())).await;
        let file = scene.folder.path().join("orderbell.toml");
        Self { scene, file }
    }

    /// A channel with a secret in the environment and one in a file.
    fn side(&self) -> Side {
        let signing = "signing = { scheme = \"standard-webhooks\", secret = { file = \"signing\" } }";
        let headers = format!("headers = {{ X-Key = {{ env = \"{KEY}\" }}, X-Plain = \"hush-plain\" }}");
        let erp = self.scene.hook("erp", &format!("timeout = \"5s\"\n{signing}\n{headers}"));
        let text = whole("", &format!("{erp}{}", self.scene.robot("kitchen", "")));
        Side { text, key: Some("hush-key"), secret: Some("hush-signing") }
    }

    fn lay(&self, side: &Side) {
        std::fs::write(&self.file, &side.text).expect("written");
        let secret = self.file.with_file_name("signing");
        match side.secret {
            Some(text) => std::fs::write(secret, text).expect("written"),
            None => {
                let _ = std::fs::remove_file(secret);
            }
        }
    }

    fn config(&self, side: &Side) -> Config {
        self.lay(side);
        let env = |name: &str| side.key.filter(|_| name == KEY).map(str::to_owned);
        let context = LoadContext {
            file: &self.file,
            env: &env,
            languages: languages(),
            secrets: orderbell::config::context::SecretReading::Read,
        };
        match config::read_text(&side.text, &context) {
            Ok(loaded) => loaded.config,
            // What waits for its secret; nothing of that name is set in this process.
            Err(_) => config::read_text_anew(&self.file, &side.text).expect("usable").config,
        }
    }

    /// A daemon that reads nothing again.
    async fn daemon(&self, side: &Side) -> Daemon {
        self.scene.start_with(self.config(side), self.scene.folder.path()).await
    }

    async fn run(&self, side: &Side, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
        command.args(arguments).arg("--config").arg(&self.file).env_remove(KEY).env_remove("STATE_DIRECTORY");
        command.envs(side.key.map(|key| (KEY, key)));
        let output = command.output().await.expect("it runs");
        let printed = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let [stdout, stderr] = printed;
        for text in [&stdout, &stderr] {
            assert!(!text.contains(HUSH), "it gives a secret away: {text}");
        }
        (output.status.code(), stdout, stderr)
    }

    /// Runs the test of a channel once for people and once for programs.
    async fn test_of(&self, side: &Side, channel: &str) -> Found {
        self.lay(side);
        let (code, stdout, stderr) = self.run(side, &["test", channel]).await;
        let (again, json, _) = self.run(side, &["test", channel, "--format", "json"]).await;
        let text = format!("{stdout}{stderr}");
        assert_eq!(code, again, "{text}{json}");
        let json = serde_json::from_str(&json).unwrap_or_else(|_| panic!("no JSON ({code:?}): {json}{text}"));
        Found { code, json, text }
    }

    async fn test(&self, side: &Side) -> Found {
        self.test_of(side, "erp").await
    }
}

/// Reason, begin, probes, next probe, last probe, wait.
type ParkedRow = (String, i64, i64, i64, i64, i64);

fn parked(store: &Path) -> Option<ParkedRow> {
    let connection = Connection::open(store).expect("the store opens");
    let sql =
        "SELECT reason, since, probes, next_probe_at, probed_at, wait_ms FROM parked_channels WHERE channel = 'erp'";
    let row =
        |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?));
    connection.query_row(sql, [], row).optional().expect("readable")
}

/// Waits until the channel is parked, and answers how.
async fn until_parked(store: &Path) -> ParkedRow {
    let deadline = Instant::now() + TOO_LONG;
    loop {
        if let Some(row) = parked(store) {
            return row;
        }
        assert!(Instant::now() < deadline, "it is never parked");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn refused(status: u16) -> Fault {
    Fault::Status { status, body: String::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_test_leaves_a_parked_channel_as_it_was_and_an_accepted_one_reopens_it() {
    let place = Place::new().await;
    let route = "[[route]]\nevents = [\"order.*\"]\nto = [\"erp\"]\n";
    let side = Side { text: format!("{}{route}", place.side().text), ..place.side() };
    let sandbox = &place.scene.sandbox;
    sandbox.order("erp", refused(401), Times::Always);
    let daemon = place.daemon(&side).await;
    daemon.acknowledged(&keeta::placed(1, place.scene.hands.now())).await;
    let store = place.scene.store();
    let before = until_parked(&store).await;
    let faults = [refused(403), refused(503), Fault::Cut, Fault::LostAnswer, refused(401)];
    for fault in &faults {
        sandbox.clear_faults("erp");
        sandbox.order("erp", fault.clone(), Times::Always);
        let (code, stdout, _) = place.run(&side, &["test", "erp"]).await;
        assert!(code == Some(1) && stdout.starts_with("erp (webhook): no\n"), "{fault:?}: {stdout}");
        assert_eq!(parked(&store).as_ref(), Some(&before), "{fault:?}, beside the daemon");
    }
    let orders = |all: &[orderbell::store::history::list::DeliveryRow]| {
        all.iter()
            .filter(|one| one.kind == "order.placed")
            .map(|one| (one.state.clone(), one.attempts))
            .collect::<Vec<_>>()
    };
    assert_eq!(orders(&daemon.deliveries().await), [("waiting".to_owned(), 1)], "no test was its probe");
    daemon.stop().await;
    for fault in &faults {
        sandbox.clear_faults("erp");
        sandbox.order("erp", fault.clone(), Times::Always);
        let (code, stdout, _) = place.run(&side, &["test", "erp"]).await;
        assert!(code == Some(1) && stdout.starts_with("erp (webhook): no\n"), "{fault:?}: {stdout}");
        assert_eq!(parked(&store).as_ref(), Some(&before), "{fault:?}, without a daemon");
    }
    sandbox.clear_faults("erp");
    let (code, stdout, _) = place.run(&side, &["test", "erp"]).await;
    assert!(code == Some(0) && stdout.starts_with("erp (webhook): yes\n"), "{stdout}");
    assert_eq!(parked(&store), None, "without a daemon");
    let daemon = place.daemon(&side).await;
    daemon.until(|all| orders(all) == [("delivered".to_owned(), 2)]).await;
    // And beside one.
    sandbox.order("erp", refused(401), Times::Always);
    daemon.acknowledged(&keeta::placed(2, place.scene.hands.now())).await;
    until_parked(&store).await;
    sandbox.clear_faults("erp");
    let (code, stdout, _) = place.run(&side, &["test", "erp"]).await;
    assert!(code == Some(0) && stdout.starts_with("erp (webhook): yes\n"), "{stdout}");
    assert_eq!(parked(&store), None, "beside the daemon");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_of_a_parked_channel_that_is_throttled_is_no_probe_either() {
    let place = Place::new().await;
    let route = "[[route]]\nevents = [\"order.*\"]\nto = [\"erp\"]\n";
    let text = whole("", &format!("{}{route}", place.scene.robot("erp", "")));
    let side = Side { text, key: None, secret: None };
    let errcode = |errcode, errmsg: &str| {
        place.scene.sandbox.order("erp", Fault::Errcode { errcode, errmsg: errmsg.to_owned() }, Times::Always);
    };
    errcode(310000, "keywords not in content");
    let daemon = place.daemon(&side).await;
    daemon.acknowledged(&keeta::placed(1, place.scene.hands.now())).await;
    let store = place.scene.store();
    let before = until_parked(&store).await;
    place.scene.sandbox.clear_faults("erp");
    errcode(130101, "send too fast, exceed 20 times per minute");
    let (code, json, _) = place.run(&side, &["test", "erp", "--format", "json"]).await;
    assert!(code == Some(1) && json.contains("\"throttled\""), "{json}");
    assert_eq!(parked(&store), Some(before));
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_without_a_daemon_does_not_park_a_channel() {
    let place = Place::new().await;
    let side = place.side();
    place.lay(&side);
    place.scene.sandbox.order("erp", refused(401), Times::Always);
    let (code, stdout, _) = place.run(&side, &["test", "erp"]).await;
    assert!(code == Some(1) && stdout.starts_with("erp (webhook): no\n"), "{stdout}");
    assert_eq!(parked(&place.scene.store()), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_says_with_whose_values_it_was_sent() {
    let place = Place::new().await;
    let side = place.side();
    let alone = place.test(&side).await;
    let sent = "erp (webhook): yes\n    sent:   by this command, with the values here; no daemon runs\n";
    assert!(alone.code == Some(0) && alone.text.starts_with(sent), "{}", alone.text);
    assert_eq!((&alone.json[0]["sent_by"], alone.differs().len()), (&"command".into(), 0));
    let daemon = place.daemon(&side).await;
    let beside = place.test(&side).await;
    let sent = "erp (webhook): yes\n    sent:   by the running daemon, with its values, which are those here\n";
    assert!(beside.code == Some(0) && beside.text.starts_with(sent), "{}", beside.text);
    assert_eq!((&beside.json[0]["sent_by"], beside.differs().len()), (&"daemon".into(), 0));
    assert_eq!(beside.keys("not_compared").len(), 0);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_the_daemon_does_not_have_is_said_to_be_missing_at_once() {
    let place = Place::new().await;
    let running = place.daemon(&place.side()).await;
    let here = Side { text: format!("{}{}", place.side().text, place.scene.hook("new", "")), ..place.side() };
    let found = place.test_of(&here, "new").await;
    assert_eq!((found.code, found.differs()), (Some(1), vec!["channel.new"]), "{}", found.text);
    assert!(found.text.starts_with("new (webhook): no\n"), "{}", found.text);
    assert!(found.text.contains("no channel of this name runs"), "{}", found.text);
    assert!(found.text.contains("reads changed files again by itself"), "{}", found.text);
    assert!(running.deliveries().await.is_empty(), "nothing waits for it");
    running.stop().await;
}

/// How a file cannot be used; the keys that differ then, or the channel as a whole, where that cannot be said.
type Broken = (&'static str, fn(&str) -> String, &'static [&'static str]);

const BROKEN: [Broken; 4] = [
    ("elsewhere", |text| format!("nonsense = 1\n{text}"), &[]),
    (
        "elsewhere, and mended here",
        |text| format!("nonsense = 1\n{}", text.replace("timeout = \"5s\"", "timeout = \"6s\"")),
        &["channel.erp.timeout"],
    ),
    ("no TOML", |text| format!("[[route\n{text}"), &["channel.erp"]),
    ("empty", |_| String::new(), &["channel.erp"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_a_file_that_cannot_be_used_is_not_taken_for_tested() {
    for (kind, breaks, keys) in BROKEN {
        let place = Place::new().await;
        let good = place.side();
        let config = place.config(&good);
        let kept = in_force::keep(&place.file, &Secret::new(good.text.clone()), &config.store, Timestamp::now());
        assert_eq!(kept, (Vec::new(), false));
        let broken = Side { text: breaks(&good.text), ..good.clone() };
        let code = if keys.is_empty() { Some(0) } else { Some(1) };
        let alone = place.test(&broken).await;
        assert_eq!((alone.code, alone.differs()), (code, keys.to_vec()), "{kind}, without a daemon: {}", alone.text);
        assert_eq!(alone.json[0]["sent_by"], "command");
        let running = place.daemon(&good).await;
        let beside = place.test(&broken).await;
        assert_eq!((beside.code, beside.differs()), (code, keys.to_vec()), "{kind}, beside a daemon: {}", beside.text);
        assert_eq!(beside.json[0]["sent_by"], "daemon");
        let said = beside.text.contains("`orderbell check`");
        assert_eq!(said, !keys.is_empty(), "{kind}: {}", beside.text);
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_does_not_say_with_which_values_is_no_plain_yes() {
    let place = Place::new().await;
    let side = place.side();
    let running = place.daemon(&side).await;
    // What the command asks is gone before anybody reads it.
    let connection = running.connection();
    let sql = "CREATE TRIGGER deaf AFTER INSERT ON settings_inquiries BEGIN DELETE FROM settings_inquiries; END";
    connection.execute(sql, []).expect("made");
    let found = place.test(&side).await;
    assert_eq!(found.code, Some(1), "{}", found.text);
    assert!(found.text.starts_with("erp (webhook): yes, but it is not known with which values\n"), "{}", found.text);
    assert_eq!(found.json[0]["differs"], Value::Null);
    running.stop().await;
}
