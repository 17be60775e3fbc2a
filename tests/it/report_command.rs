//! `orderbell report`, by the real program: what it shows, what it writes, what it sends, and what it says of mistakes.

use std::path::Path;
use std::process::Command;
use std::process::Output;

use jiff::Timestamp;
use orderbell::sandbox::rules::Rules;
use serde_json::Value;
use serde_json::json;

use crate::support;
use crate::support::Scene;
use crate::support::keeta;
use crate::support::keeta::Envelope;

fn orderbell(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
    command.current_dir(folder).env_clear().args(arguments).output().expect("the program runs")
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// An order of SAR 46.00 that is placed now.
fn placed(number: u64, at: Timestamp) -> Vec<u8> {
    let mut message = keeta::order(number);
    for part in ["baseOrder", "merchantOrder"] {
        message["orderInfo"][part]["ctime"] = json!(at.as_millisecond());
    }
    Envelope::new(1001, &format!("m1001-{number}"), &message.to_string(), at).body()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_shown_in_either_language_as_json_and_as_a_picture_and_sent_besides() {
    let scene = Scene::new(Rules::new()).await;
    let config = scene.hook("erp", "") + "[report.daily]\nat = \"08:57\"\nto = [\"erp\"]\n";
    let folder = scene.folder.path();
    std::fs::write(folder.join("orderbell.toml"), support::whole("", &config)).expect("written");
    let daemon = scene.start(&config).await;
    let now = Timestamp::now();
    for number in 1..=2 {
        daemon.acknowledged(&placed(number, now)).await;
    }
    let zone = jiff::tz::TimeZone::get("Asia/Riyadh").expect("a zone");
    let today = now.to_zoned(zone).date().to_string();

    let (code, text, _) = said(&orderbell(folder, &["report", "daily", "--date", &today]));
    assert_eq!(code, Some(0));
    for piece in ["so far: 2 orders, SAR 92.00", "By hour: 0 ", "█", "Lemon tea"] {
        assert!(text.contains(piece), "{piece}\n{text}");
    }
    let png = folder.join("day.png");
    let arguments = ["report", "daily", "--date", &today, "--language", "zh-CN", "--png", "day.png"];
    let (code, text, _) = said(&orderbell(folder, &arguments));
    assert!(code == Some(0) && text.contains("（截至目前）：2 单"), "{text}");
    let (code, _, complaints) = said(&orderbell(folder, &["report", "daily", "--date", "2026-01-01"]));
    let unknown = "nothing is known of 2026-01-01: the first webhook came on ";
    assert!(code == Some(0) && complaints.contains(unknown), "{complaints}");
    assert!(std::fs::read(png).expect("a picture").starts_with(b"\x89PNG"));

    let (code, text, complaints) =
        said(&orderbell(folder, &["report", "daily", "--date", &today, "--format", "json", "--send"]));
    assert_eq!(code, Some(0), "{complaints}");
    let shown: Value = serde_json::from_str(&text).expect("JSON alone on standard output");
    assert_eq!(shown["total"]["amounts"][0]["net"]["text"], "SAR 92.00");
    assert!(complaints.contains("to erp: it is on its way"), "{complaints}");
    let sent: Value = serde_json::from_str(&scene.until_told("erp", 1).await[0].body).expect("JSON");
    assert_eq!((&sent["kind"], &sent["data"]["report"]["total"]), (&json!("report.daily"), &shown["total"]));
    // It stands beside those that are sent by themselves, and takes no day from them.
    let sql = "SELECT count(*) FROM report_runs WHERE event IS NOT NULL";
    assert_eq!(daemon.connection().query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a count"), 0);

    daemon.stop().await;
    let (code, _, complaints) = said(&orderbell(folder, &["report", "daily", "--date", &today, "--send"]));
    assert!(code == Some(0) && complaints.contains("as soon as `orderbell serve` runs"), "{complaints}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_observes_stands_in_the_report_with_what_was_delivered_to_nobody() {
    let scene = Scene::new(Rules::new()).await;
    let observing = |name: &str| keeta::source(name, "verify = \"observe\"");
    let sources = observing("watch") + &observing("calm");
    let channels = scene.hook("erp", "") + &scene.robot("owner", "");
    let reports = "[report.daily]\nat = \"08:57\"\nto = [\"erp\", \"owner\"]\n
        [report.calm]\nat = \"08:58\"\nto = [\"erp\"]\nsources = [\"calm\"]\n";
    let config = format!("{sources}{channels}{reports}");
    let folder = scene.folder.path();
    std::fs::write(folder.join("orderbell.toml"), support::whole("", &config)).expect("written");
    let daemon = scene.start(&config).await;
    let order = keeta::order(7).to_string();
    for number in 1..=2 {
        let webhook =
            Envelope { source: "watch", ..Envelope::new(1001, &format!("m-{number}"), &order, Timestamp::now()) };
        assert_eq!(daemon.post_to("watch", &webhook.body_signed(&"0".repeat(64))).await.status, 200);
    }
    daemon.acknowledged(&placed(8, Timestamp::now())).await;
    let zone = jiff::tz::TimeZone::get("Asia/Riyadh").expect("a zone");
    let today = Timestamp::now().to_zoned(zone).date().to_string();
    let report = |name: &str, more: &[&str]| {
        let (code, text, complaints) = said(&orderbell(folder, &[&["report", name, "--date", &today], more].concat()));
        assert_eq!(code, Some(0), "{complaints}");
        text
    };
    let json: Value = serde_json::from_str(&report("daily", &["--format", "json", "--send"])).expect("JSON");
    let unproven = json!([{ "source": "calm", "webhooks": 0 }, { "source": "watch", "webhooks": 2 }]);
    assert_eq!((&json["bell"]["unproven"], &json["bell"]["received"]), (&unproven, &json!(3)));
    let sent: Value = serde_json::from_str(&scene.until_told("erp", 1).await[0].body).expect("JSON");
    assert_eq!(sent["data"]["report"]["bell"]["unproven"], unproven);
    let told = scene.until_told("owner", 1).await[0].text.clone().expect("a text");
    let (english, chinese) = (report("daily", &[]), report("daily", &["--language", "zh-CN"]));
    for (text, pieces) in [
        (&english, ["watch: 2 webhooks", "calm only observes"]),
        (&told, ["watch:", "calm only observes"]),
        (&chinese, ["watch: 2 条 Webhook 签名不符", "calm 只做观察"]),
    ] {
        assert!(pieces.iter().all(|piece| text.contains(piece)), "{pieces:?}: {text}");
    }
    // A report on some sources says nothing of the others.
    let json: Value = serde_json::from_str(&report("calm", &["--format", "json"])).expect("JSON");
    assert_eq!(json["bell"]["unproven"], json!([{ "source": "calm", "webhooks": 0 }]));
}

#[test]
fn mistakes_are_told_in_the_users_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |text: &str| {
        let whole = support::whole("", text);
        std::fs::write(folder.path().join("orderbell.toml"), whole).expect("written");
    };
    let told = |arguments: &[&str]| said(&orderbell(folder.path(), &[&["report"], arguments].concat()));
    write("");
    let (code, _, text) = told(&["daily"]);
    assert_eq!(
        (code, text.as_str()),
        (
            Some(2),
            "error: there is no report \"daily\"; there is none in the configuration; one begins with [report.daily]\n"
        )
    );
    write("[report.daily]\nat = \"08:57\"\nto = [\"erp\"]\n[report.weekly]\nat = \"09:07\"\nto = [\"erp\"]\n");
    for (arguments, code, piece) in [
        (&["dayly"][..], 2, "there is no report \"dayly\"; there are: daily, weekly"),
        (&["daily"], 1, "there is no store at"),
        (&["daily", "--date", "2099-01-01"], 2, "2099-01-01 has not come yet"),
        (&["daily", "--date", "yesterday"], 2, "write the day like 2026-11-21"),
        (&["daily", "--language", "fr"], 2, "there are no templates in \"fr\"; there are: en, zh-CN"),
    ] {
        let (ended, _, text) = told(arguments);
        assert!(ended == Some(code) && text.contains(piece), "{arguments:?}: {ended:?} {text}");
    }
    write("[report.daily]\nat = \"8 o'clock\"\nto = [\"erp\"]\n");
    let (code, _, text) = told(&["daily"]);
    assert!(code == Some(2) && text.contains("orderbell.toml:"), "{text}");
}
