//! `orderbell test` beside a daemon and without one: with whose values it was sent, which of them differ from those here, and
//! that a failed one leaves a parked channel as it was.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use orderbell::config::{self, Config, LoadContext, in_force, languages};
use orderbell::domain::secret::Secret;
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::{Robot, Rules};
use rusqlite::{Connection, OptionalExtension};
use serde_json::Value;
use tokio::process::Command;
use tokio::task::JoinSet;

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
        let scene = Scene::new(Rules::new().robot("kitchen", Robot::default())).await;
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
            languages: &languages(),
            secrets: orderbell::config::Secrets::Read,
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
    let far = &place.scene.far;
    far.order("erp", refused(401), Times::Always);
    let daemon = place.daemon(&side).await;
    daemon.acknowledged(&keeta::placed(1, place.scene.hands.now())).await;
    let store = place.scene.store();
    let before = until_parked(&store).await;
    let faults = [refused(403), refused(503), Fault::Cut, Fault::LostAnswer, refused(401)];
    for fault in &faults {
        far.heal("erp");
        far.order("erp", fault.clone(), Times::Always);
        let (code, stdout, _) = place.run(&side, &["test", "erp"]).await;
        assert!(code == Some(1) && stdout.starts_with("erp (webhook): no\n"), "{fault:?}: {stdout}");
        assert_eq!(parked(&store).as_ref(), Some(&before), "{fault:?}, beside the daemon");
    }
    let orders = |all: &[orderbell::store::Standing]| {
        all.iter()
            .filter(|one| one.kind == "order.placed")
            .map(|one| (one.state.clone(), one.attempts))
            .collect::<Vec<_>>()
    };
    assert_eq!(orders(&daemon.deliveries().await), [("waiting".to_owned(), 1)], "no test was its probe");
    daemon.stop().await;
    for fault in &faults {
        far.heal("erp");
        far.order("erp", fault.clone(), Times::Always);
        let (code, stdout, _) = place.run(&side, &["test", "erp"]).await;
        assert!(code == Some(1) && stdout.starts_with("erp (webhook): no\n"), "{fault:?}: {stdout}");
        assert_eq!(parked(&store).as_ref(), Some(&before), "{fault:?}, without a daemon");
    }
    far.heal("erp");
    let (code, stdout, _) = place.run(&side, &["test", "erp"]).await;
    assert!(code == Some(0) && stdout.starts_with("erp (webhook): yes\n"), "{stdout}");
    assert_eq!(parked(&store), None, "without a daemon");
    let daemon = place.daemon(&side).await;
    daemon.until(|all| orders(all) == [("delivered".to_owned(), 2)]).await;
    // And beside one.
    far.order("erp", refused(401), Times::Always);
    daemon.acknowledged(&keeta::placed(2, place.scene.hands.now())).await;
    until_parked(&store).await;
    far.heal("erp");
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
        place.scene.far.order("erp", Fault::Errcode { errcode, errmsg: errmsg.to_owned() }, Times::Always);
    };
    errcode(310000, "keywords not in content");
    let daemon = place.daemon(&side).await;
    daemon.acknowledged(&keeta::placed(1, place.scene.hands.now())).await;
    let store = place.scene.store();
    let before = until_parked(&store).await;
    place.scene.far.heal("erp");
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
    place.scene.far.order("erp", refused(401), Times::Always);
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

/// How the values here became others than the daemon's; the key of which that is said, and in which words.
type Change = (&'static str, fn(&mut Side), fn(&mut Side), &'static str, &'static str);

/// The first function changes what the daemon reads, the second what the command reads.
const CHANGES: [Change; 9] = [
    (
        "another value in the environment",
        |_| {},
        |here| here.key = Some("hush-other"),
        "channel.erp.headers.X-Key",
        "the environment variable ORDERBELL_TEST_SEND_KEY has another value here than in the daemon",
    ),
    (
        "another length in the environment",
        |daemon| daemon.key = Some("hush"),
        |_| {},
        "channel.erp.headers.X-Key",
        "restart it with this environment",
    ),
    (
        "another content of a file",
        |_| {},
        |here| here.secret = Some("hush-mended"),
        "channel.erp.signing.secret",
        "the file signing has another content than the daemon read",
    ),
    (
        "another setting",
        |_| {},
        |here| here.text = here.text.replace("timeout = \"5s\"", "timeout = \"6s\""),
        "channel.erp.timeout",
        "orderbell.toml says something else than the configuration that the daemon goes by",
    ),
    (
        "a plain secret",
        |_| {},
        |here| here.text = here.text.replace("hush-plain", "hush-mended"),
        "channel.erp.headers.X-Plain",
        "orderbell.toml says something else than the configuration that the daemon goes by",
    ),
    (
        "a key that the daemon does not know",
        |_| {},
        |here| here.text = here.text.replace("timeout = \"5s\"", "timeout = \"5s\"\nurgent = [\"stock.*\"]"),
        "channel.erp.urgent",
        "it is set here, and not in the configuration that the daemon goes by",
    ),
    (
        "a key that is here no more",
        |_| {},
        |here| here.text = here.text.replace("timeout = \"5s\"\n", ""),
        "channel.erp.timeout",
        "it is set in the configuration that the daemon goes by, and not here",
    ),
    (
        "the language of all channels",
        |_| {},
        |here| here.text = format!("language = \"zh-CN\"\n{}", here.text),
        "language",
        "orderbell.toml says something else than the configuration that the daemon goes by",
    ),
    (
        "another variable",
        |daemon| {
            daemon.text = daemon.text.replace("X-Key = { env = \"ORDERBELL_TEST_SEND_KEY\" }", "X-Key = \"hush-x\"")
        },
        |_| {},
        "channel.erp.headers.X-Key",
        "orderbell.toml says something else than the configuration that the daemon goes by",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_test_names_each_value_that_differs_from_the_daemons_and_is_no_plain_yes() {
    // Each has a daemon of its own.
    let cases: JoinSet<()> = CHANGES.into_iter().map(differs).collect();
    cases.join_all().await;
}

async fn differs((kind, changes_daemon, changes_here, key, words): Change) {
    let place = Place::new().await;
    let (mut daemon, mut here) = (place.side(), place.side());
    changes_daemon(&mut daemon);
    changes_here(&mut here);
    let running = place.daemon(&daemon).await;
    let found = place.test(&here).await;
    let Found { code, json, text } = &found;
    assert_eq!((found.differs(), *code), (vec![key], Some(1)), "{kind}: {text}");
    assert!(text.starts_with("erp (webhook): yes, but not with the values here\n"), "{kind}: {text}");
    assert!(text.contains("    sent:   by the running daemon, with its values\n"), "{kind}: {text}");
    assert!(text.contains(&format!("    differs: {key}: ")) && text.contains(words), "{kind}: {text}");
    assert!(text.ends_with("error: 1 of 1 channels was tested with other values than those here\n"), "{text}");
    assert_eq!((&json[0]["yes"], &json[0]["sent_by"]), (&true.into(), &"daemon".into()), "{kind}");
    // A refusal says it as well: the receiver has not seen the values here.
    place.scene.far.order("erp", refused(401), Times::Always);
    let refusal = place.test(&here).await;
    assert_eq!((refusal.differs(), refusal.code), (vec![key], Some(1)), "{kind}: {}", refusal.text);
    assert!(refusal.text.starts_with("erp (webhook): no\n"), "{kind}: {}", refusal.text);
    running.stop().await;
    nothing_is_kept(&place, &[&daemon, &here]);
}

/// Of what was compared nothing is left in the store, and never was a value in it.
fn nothing_is_kept(place: &Place, sides: &[&Side]) {
    let connection = Connection::open(place.scene.store()).expect("the store opens");
    let left: i64 =
        connection.query_row("SELECT count(*) FROM settings_inquiries", [], |row| row.get(0)).expect("readable");
    assert_eq!(left, 0);
    drop(connection);
    let files = ["db", "db-wal"].map(|ending| place.scene.store().with_extension(ending));
    let bytes: Vec<u8> = files.iter().filter_map(|path| std::fs::read(path).ok()).flatten().collect();
    for value in sides.iter().flat_map(|side| [side.key, side.secret]).flatten() {
        let is_there = bytes.windows(value.len()).any(|window| window == value.as_bytes());
        assert!(!is_there, "{value} is in the store");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_values_that_differ_are_each_named() {
    let place = Place::new().await;
    let running = place.daemon(&place.side()).await;
    let here = Side { key: Some("hush-other"), secret: Some("hush-mended"), ..place.side() };
    let found = place.test(&here).await;
    assert_eq!(found.differs(), ["channel.erp.headers.X-Key", "channel.erp.signing.secret"], "{}", found.text);
    let kitchen = place.test_of(&here, "kitchen").await;
    assert!(kitchen.code == Some(0) && kitchen.differs().is_empty(), "another channel: {}", kitchen.text);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unset_here_is_sent_with_the_daemons_value_and_said_to_be_not_compared() {
    for change in [(|side| side.key = None) as fn(&mut Side), |side| side.secret = None] {
        let place = Place::new().await;
        let mut here = place.side();
        change(&mut here);
        place.lay(&here);
        let (code, stdout, stderr) = place.run(&here, &["test", "erp"]).await;
        assert_eq!(code, Some(2), "without a daemon it is needed: {stdout}{stderr}");
        let running = place.daemon(&place.side()).await;
        let found = place.test(&here).await;
        let key = if here.key.is_none() { "channel.erp.headers.X-Key" } else { "channel.erp.signing.secret" };
        assert_eq!((found.code, found.differs(), found.keys("not_compared")), (Some(0), vec![], vec![key]));
        assert!(found.text.starts_with("erp (webhook): yes\n"), "{}", found.text);
        assert!(found.text.contains(&format!("    not compared: {key}: ")), "{}", found.text);
        place.scene.far.order("erp", refused(401), Times::Always);
        let found = place.test(&here).await;
        assert!(
            found.code == Some(1) && found.text.contains("cause:  the receiver does not believe"),
            "{}",
            found.text
        );
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unset_in_the_daemon_and_set_here_is_named_and_nothing_is_sent() {
    let by_env = |side: &mut Side| side.key = None;
    let by_file = |side: &mut Side| side.secret = None;
    for (key, change, reference, cure) in [
        ("channel.erp.headers.X-Key", by_env as fn(&mut Side), "", "restart it with this environment"),
        ("channel.erp.signing.secret", by_file, KEY, "reads changed files again by itself"),
    ] {
        let place = Place::new().await;
        // Where it is about the file, nothing refers to the environment.
        let text = place.side().text.replace(&format!("{{ env = \"{reference}\" }}"), "\"hush-key\"");
        let here = Side { text, ..place.side() };
        let mut daemon = here.clone();
        change(&mut daemon);
        let running = place.daemon(&daemon).await;
        until_parked(&place.scene.store()).await;
        let found = place.test(&here).await;
        assert_eq!((found.code, found.differs()), (Some(1), vec![key]), "{}", found.text);
        assert!(found.text.starts_with("erp (webhook): no\n"), "{}", found.text);
        assert!(found.text.contains(cure), "{}", found.text);
        assert_eq!((&found.json[0]["sent_by"], &found.json[0]["outcome"]), (&Value::Null, &"not_sent".into()));
        assert!(place.scene.came_to("erp").is_empty());
        // Another channel is tested all the same.
        let (code, stdout, _) = place.run(&here, &["test", "--all"]).await;
        assert!(code == Some(1) && stdout.contains("kitchen (dingtalk): yes\n"), "{stdout}");
        running.stop().await;
    }
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

/// However the file is written anew: another value, and the same value in other words.
#[tokio::test(flavor = "multi_thread")]
async fn once_the_daemon_has_read_a_changed_file_a_test_is_of_that() {
    let place = Place::new().await;
    let text = place.scene.hook("erp", "timeout = \"5s\"");
    let daemon = place.scene.start_probed(std::sync::Arc::new(|_: &str| {}), &text).await;
    for timeout in ["60s", "1m"] {
        let text = whole("", &text.replace("5s", timeout));
        std::fs::write(&place.file, &text).expect("written");
        let side = Side { text, key: None, secret: None };
        let deadline = Instant::now() + TOO_LONG;
        loop {
            let (code, stdout, stderr) = place.run(&side, &["test", "erp"]).await;
            if code == Some(0) {
                break;
            }
            assert!(stdout.contains("differs: channel.erp.timeout: "), "{stdout}{stderr}");
            assert!(Instant::now() < deadline, "{timeout} is never in force: {stdout}{stderr}");
        }
    }
    daemon.stop().await;
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
