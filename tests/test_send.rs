//! `orderbell test` beside a daemon and without one: a failed one leaves a parked channel as it was.

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use orderbell::config::{self, Config, Surroundings, languages};
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::{Robot, Rules};
use rusqlite::{Connection, OptionalExtension};
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
        let surroundings = Surroundings { file: &self.file, env: &env, languages: &languages() };
        match config::read_text(&side.text, &surroundings) {
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
