//! The daily report from end to end: made when it is due, sent as each channel can, once and never twice, and missed aloud.

mod service_health;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use md5::{Digest, Md5};

use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::inbox::Received;
use orderbell::sandbox::rules::Rules;
use orderbell::sandbox::smtp::MailServer;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::support;
use crate::support::keeta::Envelope;
use crate::support::{A_WHILE, Daemon, Scene, keeta};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Tuesday, a quarter to nine in Riyadh.
fn morning() -> Timestamp {
    "2026-11-24T05:45:00Z".parse().expect("a time")
}

/// An order of SAR 46.00 that is placed now.
fn placed(number: u64, at: Timestamp) -> Vec<u8> {
    let mut message = keeta::order(number);
    for part in ["baseOrder", "merchantOrder"] {
        message["orderInfo"][part]["ctime"] = json!(at.as_millisecond());
    }
    Envelope::new(1001, &format!("m1001-{number}"), &message.to_string(), at).body()
}

fn daily(to: &str, more: &str) -> String {
    format!("[report.daily]\nat = \"08:57\"\nto = {to}\n{more}\n")
}

/// The days that the reports in the store cover, and the events that report them.
fn covered(daemon: &Daemon) -> Vec<(String, bool)> {
    let connection = daemon.connection();
    let sql = "SELECT day, event IS NOT NULL FROM report_runs ORDER BY day";
    let mut select = connection.prepare(sql).expect("a statement");
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    rows.collect::<Result<_, _>>().expect("rows")
}

fn events(daemon: &Daemon) -> i64 {
    let sql = "SELECT count(*) FROM events WHERE kind = 'report.daily'";
    daemon.connection().query_row(sql, [], |row| row.get(0)).expect("a count")
}

/// Waits until the daemon has noted where the report begins.
async fn until_begun(daemon: &Daemon) {
    let begun = async {
        while covered(daemon).is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    support::in_time(begun).await;
}

/// Waits until so many attempts have ended.
async fn until_tried(daemon: &Daemon, count: i64) {
    let connection = daemon.connection();
    let tried = || {
        let sql = "SELECT count(*) FROM attempts WHERE ended_at IS NOT NULL";
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a count")
    };
    let done = async {
        while tried() < count {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    support::in_time(done).await;
}

/// Waits until so many messages have come, while the clock goes on: the watch waits a minute after it has seen what is due, and
/// when it looks is chance.
async fn received_in_minutes(scene: &Scene, name: &str, count: usize) -> Vec<Received> {
    for _ in 0..20 {
        if let Ok(received) = tokio::time::timeout(A_WHILE * 3, scene.until_received(name, count)).await {
            return received;
        }
        scene.forward(MINUTE);
    }
    panic!("{name} was sent {:?}", scene.received(name));
}

/// What the daemon answers at an address of its own: its status, and its body as bytes.
async fn fetch(daemon: &Daemon, path: &str) -> (u16, Vec<u8>) {
    let mut stream = support::begin(daemon.address, "GET", path, 0).await;
    let mut bytes = Vec::new();
    support::in_time(stream.read_to_end(&mut bytes)).await.expect("an answer");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, bytes[end + 4..].to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_channel_gets_the_report_when_it_is_due_and_once() {
    let scene = Scene::still(morning(), Rules::new()).await;
    let mail = scene
        .mailbox(
            "owner",
            MailServer::default(),
            "[\"owner@example.com\"]",
            "unsubscribe = \"https://bell.example.com/no\"",
        )
        .await;
    let channels =
        [scene.robot("kitchen", ""), scene.wecom("office", "language = \"zh-CN\""), scene.hook("erp", ""), mail]
            .concat();
    let to = "[\"kitchen\", \"office\", \"erp\", \"owner\"]";
    let config = channels + &daily(to, "attach_csv = true");
    let daemon = scene.start(&config).await;
    until_begun(&daemon).await;
    assert_eq!(covered(&daemon), [("2026-11-22".to_owned(), false)], "it begins with the day before");

    scene.forward(MINUTE * 20);
    for number in 1..=3 {
        daemon.acknowledged(&placed(number, scene.hands.now())).await;
    }
    // The first one is due at 8:57, which has gone by: it covers Monday, of which nothing is known.
    let monday = scene.until_received("erp", 1).await;
    let monday: Value = serde_json::from_str(&monday[0].body).expect("JSON");
    assert_eq!(
        (&monday["data"]["report"]["to"], &monday["data"]["report"]["total"]["orders"]),
        (&json!("2026-11-23"), &json!(0))
    );

    daemon.until_done().await;
    scene.forward(DAY - MINUTE * 10);
    scene.nothing_more(A_WHILE).await;
    scene.forward(MINUTE * 3);
    let tuesday = scene.until_received("erp", 2).await;
    let tuesday: Value = serde_json::from_str(&tuesday[1].body).expect("JSON");
    assert_eq!(tuesday["kind"], "report.daily");
    let received = &tuesday["data"]["report"];
    assert_eq!(
        (&received["from"], &received["to"], &received["late"]),
        (&json!("2026-11-24"), &json!("2026-11-24"), &json!(false))
    );
    assert_eq!(
        (&received["total"]["orders"], &received["total"]["amounts"][0]["gross"]["text"]),
        (&json!(3), &json!("SAR 138.00"))
    );

    // DingTalk fetches the picture; in the group's language.
    let kitchen = scene.until_received("kitchen", 2).await;
    let text = kitchen[1].text.clone().expect("a text");
    assert!(text.contains("3 orders") && text.contains("SAR 138.00"), "{text}");
    let address = received["picture"].as_str().expect("an address").to_owned();
    let path = address.strip_prefix(keeta::PUBLIC).expect("an address of ours");
    assert!(text.contains(&format!("]({address})")), "{text}");
    for path in [path.to_owned(), path.replace("-en.png", "-zh-CN.png"), path.replace("-en.png", ".png")] {
        let (status, picture) = fetch(&daemon, &path).await;
        assert!(status == 200 && picture.starts_with(PNG), "{path}: {status}");
    }
    let guessed = path.replace(&path[8..12], if path[8..12] == *"0000" { "1111" } else { "0000" });
    for other in [guessed.as_str(), "/charts/.png", "/charts/%2e%2e%2fbell.db", "/charts/-en.png"] {
        assert_eq!(fetch(&daemon, other).await.0, 404, "{other}");
    }

    // WeCom gets it behind the text.
    let office = scene.until_received("office", 4).await;
    let [text, image] = [&office[2], &office[3]].map(|one| serde_json::from_str::<Value>(&one.body).expect("JSON"));
    assert!(text["markdown"]["content"].as_str().is_some_and(|text| text.contains("3 单")), "{text}");
    let picture = BASE64_STANDARD.decode(image["image"]["base64"].as_str().expect("a picture")).expect("base64");
    assert!(picture.starts_with(PNG));
    assert_eq!(image["image"]["md5"], hex::encode(Md5::digest(&picture)));

    // The mail holds it, and the orders as a table.
    let mail = scene.until_received("owner@example.com", 2).await[1].body.clone();
    for piece in [
        "multipart/mixed",
        "multipart/alternative",
        "multipart/related",
        "Content-ID: <report>",
        "image/png",
        "filename=\"daily-2026-11-24.csv\"",
        "List-Unsubscribe: <https://bell.example.com/no>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
    ] {
        assert!(mail.contains(piece), "{piece}: {}", &mail[..mail.len().min(3000)]);
    }
    daemon.until_done().await;

    // Neither a restart nor a clock that is set back makes another one.
    daemon.stop().await;
    scene.forward(-MINUTE * 30);
    let daemon = scene.start(&config).await;
    scene.forward(MINUTE * 60);
    scene.nothing_more(A_WHILE).await;
    assert_eq!(events(&daemon), 2);

    // Its picture lasts for a month.
    scene.forward(DAY * 31);
    assert_eq!(fetch(&daemon, path).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_three_days_off_one_report_covers_them_and_says_that_it_is_late() {
    let scene = Scene::still(morning(), Rules::new()).await;
    let config = scene.hook("erp", "") + &scene.robot("kitchen", "") + &daily("[\"erp\", \"kitchen\"]", "");
    let daemon = scene.start(&config).await;
    until_begun(&daemon).await;
    daemon.acknowledged(&placed(1, scene.hands.now())).await;
    daemon.stop().await;
    scene.forward(DAY * 3 + MINUTE * 15);
    let daemon = scene.start(&config).await;
    let received: Value = serde_json::from_str(&scene.until_received("erp", 1).await[0].body).expect("JSON");
    let received = &received["data"]["report"];
    assert_eq!(
        (&received["from"], &received["to"], &received["late"]),
        (&json!("2026-11-23"), &json!("2026-11-26"), &json!(true))
    );
    let days: Vec<_> = received["days"].as_array().expect("days").iter().map(|day| day["orders"].as_i64()).collect();
    assert_eq!(days, [Some(0), Some(1), Some(0), Some(0)]);
    let text = scene.until_received("kitchen", 1).await[0].text.clone().expect("a text");
    assert!(text.contains("late") && text.contains("4 days"), "{text}");
    scene.nothing_more(A_WHILE).await;
    assert_eq!(events(&daemon), 1);
    let days: Vec<String> = covered(&daemon).into_iter().filter(|(_, made)| *made).map(|(day, _)| day).collect();
    assert_eq!(days, ["2026-11-23", "2026-11-24", "2026-11-25", "2026-11-26"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_on_a_reported_day_is_in_the_next_report_with_both_figures() {
    let scene = Scene::still(morning(), Rules::new()).await;
    let config = scene.hook("erp", "") + &daily("[\"erp\"]", "");
    let daemon = scene.start(&config).await;
    until_begun(&daemon).await;
    daemon.acknowledged(&placed(1, scene.hands.now())).await;
    daemon.acknowledged(&placed(2, scene.hands.now())).await;
    scene.forward(DAY + MINUTE * 13);
    scene.until_received("erp", 1).await;
    daemon.acknowledged(&keeta::stepped(1004, 2, scene.hands.now())).await;
    scene.forward(DAY);
    let received: Value = serde_json::from_str(&scene.until_received("erp", 2).await[1].body).expect("JSON");
    let changed = &received["data"]["report"]["restated"];
    let money = |minor: i64, text: &str| json!({ "minor": minor, "currency": "SAR", "text": text });
    let gross = json!([{ "before": money(9200, "SAR 92.00"), "after": money(4600, "SAR 46.00") }]);
    assert_eq!(
        *changed,
        json!([{ "day": "2026-11-24", "cancelled": { "before": 0, "after": 1 }, "gross": gross, "net": gross }])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_has_not_arrived_in_time_is_missed_aloud_and_its_arrival_reported() {
    let scene = Scene::still(morning(), Rules::new()).await;
    let channels = scene.hook("erp", "retry = [\"9m\", \"9m\", \"9m\", \"9m\"]") + &scene.robot("operator", "");
    let config = channels + &daily("[\"erp\"]", "") + "[operator]\nto = [\"operator\"]\n";
    let daemon = scene.start(&config).await;
    until_begun(&daemon).await;
    scene.sandbox.order("erp", Fault::Status { status: 503, body: String::new() }, Times::Next(3));
    scene.forward(MINUTE * 13);
    until_tried(&daemon, 1).await;
    scene.forward(MINUTE * 11);
    until_tried(&daemon, 2).await;
    assert!(scene.received("operator").is_empty(), "there is still time");
    scene.forward(MINUTE * 5);
    let missed = received_in_minutes(&scene, "operator", 1).await[0].text.clone().expect("a text");
    assert!(missed.contains("daily") && missed.contains("erp: HTTP 503"), "{missed}");
    until_tried(&daemon, 3).await;
    scene.forward(MINUTE * 6);
    until_tried(&daemon, 4).await;
    scene.forward(MINUTE * 11);
    scene.until_received("erp", 1).await;
    until_tried(&daemon, 5).await;
    scene.forward(MINUTE);
    let arrived = scene.until_received("operator", 2).await[1].text.clone().expect("a text");
    assert!(arrived.contains("arrived") && arrived.contains("daily"), "{arrived}");
    assert_eq!(events(&daemon), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_cannot_be_made_is_missed_aloud_with_the_cause() {
    let scene = Scene::still(morning(), Rules::new()).await;
    let config = scene.robot("operator", "") + &daily("[\"operator\"]", "") + "[operator]\nto = [\"operator\"]\n";
    let daemon = scene.start(&config).await;
    until_begun(&daemon).await;
    daemon.connection().execute_batch("ALTER TABLE repeat_tally RENAME TO taken_away").expect("renamed");
    scene.forward(MINUTE * 13);
    scene.forward(MINUTE * 14);
    let missed = received_in_minutes(&scene, "operator", 1).await[0].text.clone().expect("a text");
    assert!(missed.contains("daily") && missed.contains("no such table"), "{missed}");
    daemon.connection().execute_batch("ALTER TABLE taken_away RENAME TO repeat_tally").expect("renamed");
    scene.forward(MINUTE);
    let received = scene.until_received("operator", 2).await;
    assert!(
        received.iter().any(|one| one.text.as_ref().is_some_and(|text| text.contains("23 Nov 2026"))),
        "{received:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_years_ahead_or_behind_makes_neither_silence_nor_years_of_reports() {
    let scene = Scene::still(morning(), Rules::new()).await;
    let daemon = scene.start(&(scene.hook("erp", "") + &daily("[\"erp\"]", ""))).await;
    until_begun(&daemon).await;
    daemon.acknowledged(&placed(1, scene.hands.now())).await;
    // As if one had been sent in 2036, and the clock put right since.
    let ahead = "INSERT INTO report_runs (report, day, event, ledger_seq) VALUES ('daily', '2036-01-01', x'00', 0)";
    daemon.connection().execute_batch(ahead).expect("inserted");
    daemon.stop().await;
    let daemon = scene.start(&(scene.hook("erp", "") + &daily("[\"erp\"]", ""))).await;
    scene.forward(MINUTE * 13);
    scene.until_received("erp", 1).await;
    assert_eq!(covered(&daemon), [("2026-11-22".to_owned(), false), ("2026-11-23".to_owned(), true)]);
    daemon.stop().await;
    // As if the first start had been in 1970: the first webhook came on the 24th.
    let daemon = scene.start(&(scene.hook("erp", "") + &daily("[\"erp\"]", ""))).await;
    let behind = "DELETE FROM report_runs;
        INSERT INTO report_runs (report, day, ledger_seq) VALUES ('daily', '1969-12-31', 0)";
    daemon.connection().execute_batch(behind).expect("begun in 1970");
    daemon.stop().await;
    scene.forward(DAY * 2);
    let daemon = scene.start(&(scene.hook("erp", "") + &daily("[\"erp\"]", ""))).await;
    let received: Value = serde_json::from_str(&scene.until_received("erp", 2).await[1].body).expect("JSON");
    let received = &received["data"]["report"];
    assert_eq!((&received["from"], &received["to"]), (&json!("2026-11-24"), &json!("2026-11-25")));
    scene.nothing_more(A_WHILE).await;
    assert_eq!(events(&daemon), 2);
}
