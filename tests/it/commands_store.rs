//! Commands on the store beside a running daemon: what a person cancels, sends once more and asks about.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::Rules;
use serde_json::Value;

use crate::support::stores;
use crate::support::watching::{NEVER, Watching};
use crate::support::{A_WHILE, Daemon, Scene, TOO_LONG, keeta, of, request};

/// What a command printed, and how it ended.
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Done {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

pub fn orderbell(watching: &Watching, arguments: &[&str]) -> Done {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
    command.args(arguments).arg("--config").arg(&watching.file).stdin(Stdio::null());
    let output = command.output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

pub fn to(channel: &str) -> String {
    format!("[[route]]\nevents = [\"order.*\"]\nto = [\"{channel}\"]\n")
}

pub fn refusing(status: u16) -> Fault {
    Fault::Status { status, body: String::new() }
}

/// The one delivery to a channel.
async fn only(daemon: &Daemon, channel: &str) -> String {
    let rows = daemon.deliveries().await;
    let [one] = of(&rows, channel)[..] else { panic!("one delivery to {channel}: {rows:#?}") };
    one.id.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_delivery_is_tried_no_more() {
    let scene = Scene::new(Rules::new()).await;
    let retry = "retry = [\"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\"]";
    let daemon = scene.start_watching(NEVER, "", &(scene.hook("erp", retry) + &to("erp"))).await;
    scene.sandbox.order("erp", refusing(500), Times::Always);
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    scene.until_came("erp", 2).await;
    let id = only(&daemon, "erp").await;

    let cancelled = orderbell(&daemon, &["cancel", &id]);
    assert_eq!((cancelled.code, cancelled.err.as_str()), (Some(0), ""), "{}", cancelled.out);
    assert!(cancelled.out.starts_with(&format!("{id} (order.placed 1 to erp): cancelled")), "{}", cancelled.out);
    // One may have been under way.
    daemon.until(|all| all[0].state == "cancelled").await;
    let deadline = Instant::now() + TOO_LONG;
    while daemon.connection().query_row("SELECT count(*) FROM attempts WHERE ended_at IS NULL", [], |row| row.get(0))
        != Ok(0)
    {
        assert!(Instant::now() < deadline, "it is under way for ever");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Were it not cancelled, it would be due now, and taken.
    scene.sandbox.clear_faults("erp");
    scene.hands.forward(SignedDuration::from_mins(1));
    scene.nothing_more(A_WHILE).await;

    let again = orderbell(&daemon, &["cancel", &id, "--format", "json"]);
    assert_eq!((again.code, &again.json()[0]["says"]), (Some(0), &Value::from("was cancelled already")));
    let why = orderbell(&daemon, &["why", "1"]);
    assert!(why.code == Some(0) && why.out.contains("A person cancelled it."), "{}{}", why.out, why.err);
    assert!(why.out.contains("cause:  the receiver has trouble of its own"), "{}", why.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_delivery_that_is_sent_once_more_arrives() {
    let scene = Scene::new(Rules::new()).await;
    let text = scene.hook("erp", "") + &scene.hook("other", "") + &to("erp");
    let daemon = scene.start_watching(NEVER, "", &text).await;
    scene.sandbox.order("erp", refusing(422), Times::Next(2));
    for number in [1, 2] {
        daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
    }
    let dead = daemon.until(|all| all.len() == 2 && all.iter().all(|one| one.state == "dead")).await;
    let none = orderbell(&daemon, &["redeliver", "--dead", "--channel", "other"]);
    assert_eq!((none.code, none.out.as_str()), (Some(0), "nothing is dead\n"));
    let nobody = orderbell(&daemon, &["redeliver", "--dead", "--channel", "epr"]);
    assert!(nobody.code == Some(2) && nobody.err.contains("no channel \"epr\""), "{}", nobody.err);

    // By its id alone, although they begin alike.
    let first = dead[0].id.to_string();
    let one = orderbell(&daemon, &["redeliver", &first]);
    assert!(one.code == Some(0) && one.out.contains("to erp): goes out once more"), "{}{}", one.out, one.err);
    assert_eq!(scene.until_received("erp", 1).await.len(), 1, "within the worker's look");
    daemon.until(|all| all.iter().any(|one| one.state == "delivered")).await;
    let rest = orderbell(&daemon, &["redeliver", "--dead", "--format", "json"]);
    assert_eq!((rest.code, rest.json()["redelivered"].as_u64()), (Some(0), Some(1)), "{}", rest.err);
    scene.until_received("erp", 2).await;
    let rows = daemon.until_done().await;
    assert!(rows.iter().all(|one| (one.state.as_str(), one.attempts) == ("delivered", 2)), "{rows:#?}");

    let why = orderbell(&daemon, &["why", &first]);
    for said in ["refused for good", "A person asked for it once more", ": accepted.", "To erp (webhook): delivered on"]
    {
        assert!(why.out.contains(said), "{said}: {}", why.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_said_with_its_reason_and_hinders_nothing_else() {
    let scene = Scene::new(Rules::new()).await;
    let text = scene.hook("erp", "") + &scene.hook("slow", "") + &to("erp") + &to("slow");
    let daemon = scene.start_watching(NEVER, "", &text).await;
    scene.sandbox.order("slow", Fault::Delay { delay_ms: 20_000 }, Times::Always);
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    scene.until_came("slow", 1).await;
    let rows = daemon.until(|all| of(all, "erp")[0].state == "delivered").await;
    let (accepted, slow) = (of(&rows, "erp")[0].id.to_string(), of(&rows, "slow")[0].id.to_string());
    let event = rows[0].event.to_string();

    let wrong = ["42", "01234567", &event, &accepted[..8], &accepted, "order"];
    let refused = orderbell(&daemon, &[&["cancel"][..], &wrong, &[&slow]].concat());
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("6 of 7 could not be cancelled"), "{}", refused.err);
    let lines: Vec<&str> = refused.out.lines().filter(|line| !line.starts_with(' ')).collect();
    assert!(refused.out.contains(&format!("\n    {slow}  delivery of order.placed 1 to slow\n")), "{}", refused.out);
    for (line, says) in lines.iter().zip([
        "that is neither an order's number nor a delivery's id, of which the first 8 digits or more are needed",
        "there is no such delivery or order; `orderbell deliveries` shows those that there are",
        "that is an event, not a delivery",
        "several deliveries begin like that; write more of the id:",
        "not cancelled: it arrived on ",
        "that is neither an order's number nor a delivery's id",
        "cancelled; it is being sent just now, so it may still arrive",
    ]) {
        assert!(line.contains(says), "{says}: {line}");
    }
    assert_eq!(lines.len(), 7);
    daemon.until(|all| of(all, "slow")[0].state == "cancelled").await;

    daemon.acknowledged(&keeta::placed(2, scene.hands.now())).await;
    scene.until_came("slow", 2).await;
    let rows = daemon.until(|all| all.len() == 4).await;
    let under_way = of(&rows, "slow")[1].id.to_string();
    let refused = orderbell(&daemon, &["redeliver", &under_way]);
    assert!(
        refused.code == Some(1) && refused.out.contains("not sent once more: it is being sent just now"),
        "{}",
        refused.out
    );
    // What has arrived is sent once more all the same, when a person asks for it.
    let once_more = orderbell(&daemon, &["redeliver", &accepted]);
    assert_eq!(once_more.code, Some(0), "{}", once_more.out);
    scene.until_came("erp", 3).await;

    for nothing in [
        &["cancel"][..],
        &["redeliver"],
        &["redeliver", "--dead", &accepted],
        &["redeliver", &accepted, "--channel", "erp"],
    ] {
        assert_eq!(orderbell(&daemon, nothing).code, Some(2), "{nothing:?}");
    }
    let unknown = orderbell(&daemon, &["why", "nobody-knows"]);
    assert!(
        unknown.code == Some(1) && unknown.err.contains("no order, event, delivery, source or report"),
        "{}",
        unknown.err
    );
    let at = orderbell(&daemon, &["why", "1", "--at", "12:00"]);
    assert!(at.code == Some(2) && at.err.contains("--at goes with a source, and \"1\" is none"), "{}", at.err);
    let several = orderbell(&daemon, &["why", &accepted[..8]]);
    assert!(
        several.code == Some(1) && several.err.contains(&format!("{accepted}  delivery of order.placed 1 to erp")),
        "{}",
        several.err
    );
}

/// On the minute, so that no test sees one go by.
fn on_the_minute() -> Timestamp {
    "2026-11-22T11:54:00Z".parse().expect("a time")
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_webhooks_are_kept_with_their_reason_and_a_flood_of_them_is_one_row() {
    let scene = Scene::at(on_the_minute(), Rules::new()).await;
    let text = scene.hook("erp", "") + &to("erp");
    let daemon = scene.start_watching(NEVER, "", &text).await;
    let forged =
        keeta::Envelope::new(1001, "m1", &keeta::order(1).to_string(), scene.hands.now()).body_signed(&"0".repeat(64));
    let begun = Instant::now();
    for _ in 0..100 {
        assert_eq!(request(daemon.address, "POST", "/hooks/keeta", &forged).await.status, 401);
    }
    assert!(
        begun.elapsed() < Duration::from_secs(50),
        "the minute has gone by; this machine is too slow for this test"
    );
    until_refusals(&daemon, 60).await;
    scene.hands.forward(SignedDuration::from_secs(60));
    until_refusals(&daemon, 61).await;
    let last: (String, i64) = daemon
        .connection()
        .query_row("SELECT reason, bytes FROM refusals ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .expect("a row");
    assert_eq!(last, ("and 40 more in that minute".to_owned(), 40 * forged.len() as i64));

    // Each with its reason: another application, the time, the shape.
    let late = scene.hands.now() - SignedDuration::from_hours(26);
    let app = keeta::Envelope::new(1001, "m2", "{}", scene.hands.now()).with("appId", "7");
    for body in [app.body(), keeta::placed(2, late), b"[1]".to_vec()] {
        assert_eq!(daemon.post(&body).await.status, 401);
    }
    assert_eq!(daemon.post_to("nobody", b"{}").await.status, 404, "no such source, no row");
    daemon.acknowledged(&keeta::placed(3, scene.hands.now())).await;
    until_refusals(&daemon, 64).await;
    let why = orderbell(&daemon, &["why", "keeta", "--limit", "4"]);
    for said in [
        "Webhooks of keeta that were refused, 4 of 64",
        "And 40 more in that minute",
        "It is of application 7, not of the configured app_id",
        "its time is 93600 s (26 h) behind this machine's clock",
        "Its shape is not this platform's: the body is no flat JSON object",
        "change: set `app_id` and `app_secret` to that application's",
        "The last one that was believed came on 2026-11-22 14:55:",
    ] {
        assert!(why.out.contains(said), "{said}: {}{}", why.out, why.err);
    }
    let around = orderbell(&daemon, &["why", "keeta", "--at", "2026-11-22 14:54", "--limit", "2", "--format", "json"]);
    let around = around.json();
    let reasons: Vec<_> =
        around["sources"][0]["refused"].as_array().expect("a list").iter().map(|row| &row["reason"]).collect();
    assert_eq!(reasons, ["its signature does not fit the address https://bell.example.com/hooks/keeta"; 2]);
}

async fn until_refusals(daemon: &Daemon, count: i64) {
    let deadline = Instant::now() + TOO_LONG;
    let connection = daemon.connection();
    loop {
        let kept: i64 = connection.query_row("SELECT count(*) FROM refusals", [], |row| row.get(0)).expect("a number");
        if kept == count {
            return;
        }
        assert!(kept < count && Instant::now() < deadline, "{kept} instead of {count}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_daemon_has_recorded_is_explained_by_its_configuration() {
    let scene = Scene::new(Rules::new()).await;
    let routes = "[[route]]\nevents = [\"order.*\"]\nwhen = \"order.total > 100000\"\nto = [\"erp\"]\n[[route]]\nevents = [\"stock.*\"]\nto = [\"erp\"]\n";
    let text = scene.hook("erp", "") + routes + &to("erp");
    let daemon = scene.start_watching(NEVER, "", &text).await;
    let body = keeta::placed(1, scene.hands.now());
    daemon.acknowledged(&body).await;
    daemon.acknowledged(&body).await;
    scene.until_received("erp", 1).await;
    daemon.until_done().await;
    let why = orderbell(&daemon, &["why", "1", "--all"]);
    for said in [
        "was proved genuine: address as registered, with '?'.",
        "The platform sent it again, 1 time so far",
        // Its only channel is notified of it by the third route anyway; its condition is judged all the same.
        "Route 1 (order.* when order.total > 100000 to erp) did not apply: its condition did not hold.",
        "Route 2 (stock.* to erp) did not apply: it is not for order.placed.",
        "Route 3 (order.* to erp) applied.",
        "Try 1: accepted.",
    ] {
        assert!(why.out.contains(said), "{said}: {}{}", why.out, why.err);
    }
    let why = orderbell(&daemon, &["why", "1"]);
    let (first, rest) = why.out.split_once('\n').expect("lines");
    assert!(first.starts_with("Order 1 (#29332222) of keeta, ") && first.contains(": delivered to erp at "), "{first}");
    assert!(rest.contains("Route 3 (order.* to erp) applied.") && !rest.contains("Route 2"), "{rest}");
    assert!(rest.contains("2 other routes did not apply; --all says why."), "{rest}");
    daemon.write("", &(scene.hook("erp", "") + &to("erp")));
    let why = orderbell(&daemon, &["why", "1"]);
    assert!(why.out.contains("The routes have changed since") && why.out.contains("Route 3 applied."), "{}", why.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_made_beside_the_daemon_holds_all_that_was_acknowledged_and_can_take_its_place() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = scene.start_watching(NEVER, "", &(scene.hook("erp", "") + &to("erp"))).await;
    scene.sandbox.order("erp", refusing(500), Times::Always);
    for number in 1..=20 {
        daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy.db");
    let name = copy.to_str().expect("a path");
    let done = orderbell(&daemon, &["backup", name]);
    assert!(done.code == Some(0) && done.out.starts_with(&format!("{name} is written: ")), "{}{}", done.out, done.err);
    let mode = std::fs::metadata(&copy).expect("a copy").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "buyers' data is in it");

    let bytes = std::fs::read(&copy).expect("a copy");
    let again = orderbell(&daemon, &["backup", name]);
    assert!(again.code == Some(1) && again.err.contains("is there already and stays as it is"), "{}", again.err);
    assert_eq!(std::fs::read(&copy).expect("a copy"), bytes);
    let nowhere = orderbell(&daemon, &["backup", &format!("{name}.d/copy.db")]);
    assert!(nowhere.code == Some(1) && nowhere.err.contains("cannot be written"), "{}", nowhere.err);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing half is left");

    let store = stores::open(&copy, scene.hands.now()).expect("a daemon can start on it");
    let rows = store.deliveries(None).await.expect("reading");
    let mut orders: Vec<u32> = rows.iter().map(|one| one.order.as_ref().unwrap().parse().unwrap()).collect();
    orders.sort_unstable();
    assert_eq!(orders, (1..=20).collect::<Vec<_>>());
    assert!(rows.iter().all(|one| one.state == "waiting"), "{rows:#?}");
    store.close().await;
}
