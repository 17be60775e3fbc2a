//! The configuration and the templates change while the daemon runs: nothing is lost, nothing is sent twice, and what is
//! wrong changes nothing.

mod templates;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::Rules;
use tokio::task::JoinSet;

use crate::support;
use crate::support::address::own_address;
use crate::support::log::log;
use crate::support::watching::{NEVER, OFTEN, marked};
use crate::support::{A_WHILE, Scene, TOO_LONG, keeta, of, request};

const SENDERS: usize = 4;
const RELOADS: usize = 24;
/// So many webhooks come in between two reloads, at least.
const EACH: u64 = 40;
const OWNER: &str = "[operator]\nto = [\"owner\"]\n";

/// Early in an hour, so that no test sees the hour in which a notice is said once go by.
fn ten_past() -> Timestamp {
    "2026-11-05T10:10:00Z".parse().expect("a time")
}

fn to(channels: &[&str]) -> String {
    format!("[[route]]\nevents = [\"order.*\"]\nto = {channels:?}\n")
}

/// Posts signed orders without a pause until it is to stop. `number` counts them.
async fn post_orders(address: std::net::SocketAddr, number: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Acquire) {
        let number = number.fetch_add(1, Ordering::AcqRel);
        let answer = request(address, "POST", "/hooks/keeta", &keeta::placed(number, Timestamp::now())).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, keeta::RECEIVED), "order {number}");
    }
}

/// The channels of each version of the configuration, and those that its route names.
fn version(scene: &Scene, number: usize) -> (String, BTreeSet<&'static str>) {
    let mut text = scene.robot("owner", "") + OWNER;
    let mut routed: Vec<&str> = Vec::new();
    // Stays as it is, but is not always named.
    text += &scene.hook("steady", "");
    if number % 3 != 1 {
        routed.push("steady");
    }
    // Changes each time.
    text += &scene.hook("changing", &format!("headers = {{ \"X-Version\" = \"{number}\" }}"));
    routed.push("changing");
    // Come and go.
    for (name, every) in [("second", 2), ("third", 3)] {
        if number.is_multiple_of(every) {
            text += &scene.robot(name, "");
            routed.push(name);
        }
    }
    (format!("{text}{}", to(&routed)), routed.into_iter().collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_nor_sent_twice_while_the_configuration_changes_under_load() {
    let scene = Scene::new(Rules::new().speed(1_000_000)).await;
    let (text, _) = version(&scene, 0);
    let daemon = scene.start_watching(OFTEN, "", &text).await;
    let (number, stop) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicBool::new(false)));
    // What is certainly in force, and what may be.
    let (certain, possible) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        let (address, number, stop) = (daemon.address, number.clone(), stop.clone());
        let (certain, possible) = (certain.clone(), possible.clone());
        senders.spawn(async move {
            let mut sent = Vec::new();
            while !stop.load(Ordering::Acquire) {
                let number = number.fetch_add(1, Ordering::AcqRel);
                let earliest = certain.load(Ordering::Acquire);
                let body = keeta::placed(number, Timestamp::now());
                let answer = request(address, "POST", "/hooks/keeta", &body).await;
                assert_eq!((answer.status, answer.body.as_str()), (200, keeta::RECEIVED), "order {number}");
                sent.push((number, earliest, possible.load(Ordering::Acquire)));
            }
            sent
        });
    }
    for reload in 1..=RELOADS {
        let (text, _) = version(&scene, reload);
        let marker = format!("v{reload}");
        let before = number.load(Ordering::Acquire);
        possible.store(reload, Ordering::Release);
        daemon.write("", &marked(&marker, &text));
        if reload % 2 == 0 {
            daemon.ask();
        }
        daemon.until_takes(&marker).await;
        certain.store(reload, Ordering::Release);
        // So that each one sees webhooks enough.
        let deadline = Instant::now() + TOO_LONG;
        while number.load(Ordering::Acquire) < before + EACH {
            assert!(Instant::now() < deadline && !senders.is_empty());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    stop.store(true, Ordering::Release);
    let sent: Vec<_> = senders.join_all().await.into_iter().flatten().collect();
    // The last one has all channels: what waited for one that was gone goes out.
    let (text, _) = version(&scene, 0);
    daemon.reload("last", "", &text).await;
    let delivery_rows = daemon.until_done().await;
    scene.nothing_more(A_WHILE).await;

    let mut owed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for delivery_row in delivery_rows.iter().filter(|delivery_row| delivery_row.kind == "order.placed") {
        assert_eq!((delivery_row.state.as_str(), delivery_row.attempts), ("delivered", 1), "{delivery_row:?}");
        let order = delivery_row.order.clone().expect("an order");
        assert!(
            owed.entry(order).or_default().insert(delivery_row.channel.clone()),
            "twice in the store: {delivery_row:?}"
        );
    }
    assert_eq!(owed.len(), sent.len(), "each acknowledged webhook, and no other");
    for (number, earliest, latest) in &sent {
        let channels: BTreeSet<&str> = owed[&number.to_string()].iter().map(String::as_str).collect();
        let in_force = (*earliest..=*latest).any(|reload| version(&scene, reload).1 == channels);
        assert!(in_force, "order {number}: {channels:?} is what none of {earliest} to {latest} says");
    }
    let counts = scene.sandbox.counts();
    assert_eq!((counts.repeats, counts.refused, counts.faults), (0, 0, 0), "{counts:?}");
    assert_eq!(counts.accepted, delivery_rows.len() as u64, "the receivers' count is the store's");
    for channel in ["steady", "changing", "second", "third"] {
        let keys: BTreeSet<_> = scene.received(channel).into_iter().filter_map(|received| received.key).collect();
        let stored: BTreeSet<_> = of(&delivery_rows, channel).iter().map(|one| one.id.to_string()).collect();
        assert_eq!(keys, stored, "{channel}");
        assert!(stored.len() > RELOADS / 2, "{channel} had something to do: {}", stored.len());
    }
    println!("{} webhooks, {} deliveries, {RELOADS} reloads", sent.len(), delivery_rows.len());
    daemon.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_under_way_ends_before_its_channels_next_worker_begins() {
    const SLOW: Duration = Duration::from_millis(700);
    let scene = Scene::new(Rules::new()).await;
    let text = |version: &str| {
        let hook = scene.hook("slow", &format!("headers = {{ \"X-Version\" = \"{version}\" }}"));
        let (steady, owner) = (scene.hook("steady", ""), scene.robot("owner", ""));
        format!("{hook}{steady}{owner}{OWNER}{}", to(&["slow", "steady"]))
    };
    let daemon = scene.start_watching(NEVER, "", &text("1")).await;
    let delay_ms = u64::try_from(SLOW.as_millis()).expect("short");
    scene.sandbox.order("slow", Fault::Delay { delay_ms }, Times::Next(1));
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    scene.until_came("slow", 1).await;
    daemon.reload("v2", "", &text("2")).await;
    daemon.acknowledged(&keeta::placed(2, scene.hands.now())).await;
    assert_eq!(scene.until_received("steady", 2).await.len(), 2, "a channel that did not change goes on meanwhile");
    assert_eq!(scene.received("slow").len(), 1, "the next worker waits for the send under way");
    let received = scene.until_received("slow", 2).await;
    let versions: Vec<_> = received.iter().map(|one| one.header("x-version").unwrap_or_default()).collect();
    assert_eq!(versions, ["1", "2"]);
    let apart = received[1].at.duration_since(received[0].at).unsigned_abs();
    assert!(apart >= SLOW, "one after the other, not {apart:?} apart");
    let delivery_rows = daemon.until_done().await;
    assert!(
        delivery_rows.iter().all(|one| (one.state.as_str(), one.attempts) == ("delivered", 1)),
        "{delivery_rows:#?}"
    );
    assert_eq!(scene.sandbox.counts().repeats, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_with_a_mistake_changes_nothing_and_the_operator_is_notified_once() {
    let scene = Scene::at(ten_past(), Rules::new()).await;
    let text = |routed: &str| format!("{}{}{OWNER}{}", scene.hook("erp", ""), scene.robot("owner", ""), to(&[routed]));
    let daemon = scene.start_watching(OFTEN, "", &text("erp")).await;
    daemon.write("", &marked("v2", &text("epr")));
    let received = scene.until_received("owner", 1).await;
    let line = std::fs::read_to_string(&daemon.file).expect("a file").lines().position(|line| line.contains("\"epr\""));
    let place = format!("orderbell.toml:{}:7", line.expect("it is there") + 1);
    let body = received[0].body.replace('\\', "");
    for words in [place.as_str(), "there is no channel \"epr\"", "did you mean \"erp\"?"] {
        assert!(body.contains(words), "{words} in {body}");
    }
    // Neither asking again nor time makes it reported again.
    daemon.ask();
    assert_eq!(daemon.post_to("v2", b"{}").await.status, 404, "nothing of it is in force");
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    scene.until_received("erp", 1).await;
    scene.nothing_more(A_WHILE).await;
    assert_eq!(scene.received("owner").len(), 1);
    // Another mistake is reported, and so is a file that is gone.
    daemon.write("", "[channel.erp]\n");
    assert!(scene.until_received("owner", 2).await[1].body.contains("orderbell.toml"));
    std::fs::remove_file(&daemon.file).expect("removed");
    assert!(scene.until_received("owner", 3).await[2].body.contains("there is no such file"));
    daemon.acknowledged(&keeta::placed(2, scene.hands.now())).await;
    scene.until_received("erp", 2).await;
    // Mended, it is in force without a restart.
    daemon.write("", &marked("v3", &text("erp")));
    daemon.until_takes("v3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_said_and_keeps_its_old_value() {
    let scene = Scene::new(Rules::new()).await;
    let text = |routed: &str| {
        let channels = [scene.hook("erp", ""), scene.hook("other", ""), scene.robot("owner", "")].concat();
        format!("{channels}{OWNER}{}", to(&[routed]))
    };
    let daemon = scene.start_watching(NEVER, "", &text("erp")).await;
    let whole = std::fs::read_to_string(&daemon.file).expect("a file");
    let changed = whole
        .replace("[server]", "[server]\nlisten = \"127.0.0.1:17\"\nmax_body = \"2KiB\"")
        .replace("sqlite:bell.db", "sqlite:another.db\"\nkeep = \"17d")
        .replace("to = [\"erp\"]", "to = [\"other\"]");
    support::watching::replace(&daemon.file, &(changed + &keeta::source("v2", "")));
    daemon.ask();
    daemon.until_takes("v2").await;
    let mut large = keeta::placed(1, scene.hands.now());
    assert!(large.len() > 2048, "max_body stays");
    large.extend_from_slice(b"  ");
    daemon.acknowledged(&large).await;
    assert_eq!(scene.until_received("other", 1).await.len(), 1, "the routes are new");
    assert!(!scene.folder.path().join("another.db").exists());
    let log = log();
    for (key, new) in [
        ("server.listen", "127.0.0.1:17"),
        ("server.max_body", "2048"),
        ("store.url", "another.db"),
        ("store.keep", "408 h"),
    ] {
        let said = |line: &str| line.contains(&format!("key=\"{key}\"")) && line.contains(new);
        let line = log.lines().find(|line| said(line)).unwrap_or_else(|| panic!("nothing is said of {key}"));
        assert!(line.contains("WARN") && line.contains("needs a restart"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_to_a_channel_that_is_gone_are_reported_and_go_out_when_it_is_back() {
    let scene = Scene::at(ten_past(), Rules::new()).await;
    let with = format!(
        "{}{}{}{OWNER}{}",
        scene.hook("erp", "retry = [\"5m\"]"),
        scene.hook("other", ""),
        scene.robot("owner", ""),
        to(&["erp"])
    );
    let without = format!("{}{}{OWNER}{}", scene.hook("other", ""), scene.robot("owner", ""), to(&["other"]));
    let daemon = scene.start_watching(OFTEN, "", &with).await;
    scene.sandbox.order("erp", Fault::Status { status: 503, body: String::new() }, Times::Always);
    for number in 1..=3 {
        daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
    }
    daemon.daemon.until_tried("erp", 3).await;
    daemon.reload("v2", "", &without).await;
    let received = scene.until_received("owner", 1).await;
    let words = received[0].text.clone().expect("a text");
    assert!(words.contains("a channel that is gone · erp") && words.contains("**Waiting:** 3"), "{words}");
    let log = log();
    let line = log.lines().find(|line| line.contains("channel=\"erp\" deliveries=3")).expect("the log says it, too");
    assert!(line.contains("ERROR"), "{line}");
    // A restart does not hide it; it is reported once in an hour.
    scene.hands.forward(SignedDuration::from_hours(1));
    daemon.daemon.stop().await;
    scene.sandbox.clear_faults("erp");
    let daemon = scene.start_watching(OFTEN, "", &without).await;
    assert!(scene.until_received("owner", 2).await[1].text.as_ref().is_some_and(|text| text.contains("erp")));
    scene.nothing_more(A_WHILE).await;
    let delivery_rows = daemon.deliveries().await;
    assert!(of(&delivery_rows, "erp").iter().all(|one| one.state == "waiting"), "{delivery_rows:#?}");
    assert_eq!(listed(&daemon.file, "erp"), (Some(0), 3), "the command still knows the name");
    assert_eq!(listed(&daemon.file, "epr"), (Some(2), 0));
    // Back again.
    daemon.write("", &marked("v3", &with));
    daemon.until_takes("v3").await;
    daemon.until_done().await;
    assert_eq!(scene.received("erp").len(), 3);
    assert_eq!(scene.sandbox.counts().repeats, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mended_setting_sends_what_waits_for_it_at_once() {
    let scene = Scene::at(ten_past(), Rules::new()).await;
    let secret = scene.folder.path().join("address");
    std::fs::write(&secret, scene.sandbox.hook_url("wrong")).expect("written");
    let erp = "[channel.erp]\nkind = \"webhook\"\nurl = { file = \"address\" }\nallow_private = true\n";
    let text = format!("{erp}{}{OWNER}{}", scene.robot("owner", ""), to(&["erp"]));
    let daemon = scene.start_watching(OFTEN, "", &text).await;
    scene.sandbox.order("wrong", Fault::Status { status: 401, body: String::new() }, Times::Always);
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    scene.until_received("owner", 1).await;
    // Only the file that the secret is in changes.
    support::watching::replace(&secret, &scene.sandbox.hook_url("right"));
    assert_eq!(scene.until_received("right", 1).await.len(), 1, "without waiting for the next probe");
    let delivery_rows = daemon.until_done().await;
    assert_eq!(of(&delivery_rows, "erp")[0].attempts, 2);
}

/// How `orderbell deliveries` ends, and how many deliveries to a channel it lists.
fn listed(file: &std::path::Path, channel: &str) -> (Option<i32>, usize) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_orderbell"));
    let command = command.args(["deliveries", "--format", "json", "--channel", channel, "--config"]).arg(file);
    let output = command.output().expect("it runs");
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), rows.len())
}

/// Templates of the merchant's own, in the folder `mine`.
fn template(scene: &Scene, file: &str, text: &str) {
    let path = scene.folder.path().join("mine/en").join(file);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    support::watching::replace(&path, text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_daemon_reads_its_configuration_again_at_sighup() {
    let scene = Scene::new(Rules::new()).await;
    let address = own_address();
    let file = scene.folder.path().join("orderbell.toml");
    let text = |routed: &str, marker: &str| {
        let channels = [scene.hook("erp", ""), scene.hook("other", ""), scene.robot("owner", "")].concat();
        let whole = support::whole("", &format!("{channels}{OWNER}{}{}", to(&[routed]), keeta::source(marker, "")));
        whole.replace("[server]", &format!("[server]\nlisten = \"{address}\""))
    };
    support::watching::replace(&file, &text("erp", "v1"));
    let child = std::process::Command::new(env!("CARGO_BIN_EXE_orderbell"))
        .args(["serve", "--config"])
        .arg(&file)
        .env("ORDERBELL_LOG", "error")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the daemon starts");
    let mut daemon = Killed(child);
    let deadline = Instant::now() + TOO_LONG;
    let takes = async |marker: &str| {
        let path = format!("/hooks/{marker}");
        loop {
            assert!(Instant::now() < deadline, "it does not take webhooks for {marker}");
            let up = tokio::net::TcpStream::connect(address).await.is_ok();
            if up && request(address, "POST", &path, b"{}").await.status == 200 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    takes("v1").await;
    let post = async |number| request(address, "POST", "/hooks/keeta", &keeta::placed(number, Timestamp::now())).await;
    assert_eq!(post(1).await.status, 200);
    scene.until_received("erp", 1).await;
    support::watching::replace(&file, &text("other", "v2"));
    let written = Instant::now();
    let pid = daemon.0.id();
    let sent = std::process::Command::new("sh").args(["-c", &format!("kill -HUP {pid}")]).status().expect("a shell");
    assert!(sent.success());
    takes("v2").await;
    let took = written.elapsed();
    assert_eq!(post(2).await.status, 200);
    assert_eq!(scene.until_received("other", 1).await.len(), 1);
    assert!(daemon.0.try_wait().expect("a child").is_none(), "it is the same process");
    // Without the signal a change takes two looks of two seconds each.
    println!("in force {took:?} after it was written");
    support::watching::replace(&file, &text("erp", "v3"));
    takes("v3").await;
}

/// A process that does not outlive its test.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
