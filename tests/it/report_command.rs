//! `orderbell report`, by the real program: what it shows, what it writes, what it sends, and what it says of mistakes.

use std::path::Path;
use std::process::{Command, Output};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use orderbell::sandbox::rules::Rules;
use orderbell::store::queue::pending::UNREADY;
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::support;
use crate::support::keeta::Envelope;
use crate::support::stores;
use crate::support::{Scene, keeta};

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
    let sent: Value = serde_json::from_str(&scene.until_received("erp", 1).await[0].body).expect("JSON");
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
    let sent: Value = serde_json::from_str(&scene.until_received("erp", 1).await[0].body).expect("JSON");
    assert_eq!(sent["data"]["report"]["bell"]["unproven"], unproven);
    let taken = scene.until_received("owner", 1).await[0].text.clone().expect("a text");
    let (english, chinese) = (report("daily", &[]), report("daily", &["--language", "zh-CN"]));
    for (text, pieces) in [
        (&english, ["watch: 2 webhooks", "calm: no webhook with a signature that does not fit"]),
        (&taken, ["watch:", "no webhook with a signature that does not fit"]),
        (&chinese, ["watch：2 条 Webhook 签名不符", "calm：没有签名不符的推送"]),
    ] {
        assert!(pieces.iter().all(|piece| text.contains(piece)), "{pieces:?}: {text}");
    }
    // A report on some sources says nothing of the others.
    let json: Value = serde_json::from_str(&report("calm", &["--format", "json"])).expect("JSON");
    assert_eq!(json["bell"]["unproven"], json!([{ "source": "calm", "webhooks": 0 }]));
}

#[test]
fn mistakes_are_explained_in_the_users_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |text: &str| {
        let whole = support::whole("", text);
        std::fs::write(folder.path().join("orderbell.toml"), whole).expect("written");
    };
    let taken = |arguments: &[&str]| said(&orderbell(folder.path(), &[&["report"], arguments].concat()));
    write("");
    let (code, _, text) = taken(&["daily"]);
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
        (&["daily", "--date", "tomorrow"], 2, "write the day as today, yesterday, or like 2026-11-21"),
        (&["--send"], 2, "--send needs the name of a report; there are: daily, weekly"),
        (&["--date", "today"], 2, "--date needs the name of a report; there are: daily, weekly"),
        (&["--language", "en"], 2, "--language needs the name of a report; there are: daily, weekly"),
        (&["--png", "day.png"], 2, "--png needs the name of a report; there are: daily, weekly"),
        (&["daily", "--language", "fr"], 2, "there are no templates in \"fr\"; possible here: ar, en, pt-BR"),
    ] {
        let (ended, _, text) = taken(arguments);
        assert!(ended == Some(code) && text.contains(piece), "{arguments:?}: {ended:?} {text}");
    }
    write("[report.daily]\nat = \"8 o'clock\"\nto = [\"erp\"]\n");
    let (code, _, text) = taken(&["daily"]);
    assert!(code == Some(2) && text.contains("orderbell.toml:"), "{text}");
}

/// A report whose day has just begun by its clock, so that none is due while a test runs, and what comes next is tomorrow's.
fn midnight(name: &str, to: &str, now: Timestamp) -> String {
    format!("[report.{name}]\nat = \"00:00\"\nto = {to}\ntimezone = \"{}\"\n", support::noon_zone(now))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_reports_are_listed_with_the_last_one_and_the_next() {
    let scene = Scene::new(Rules::new()).await;
    let now = Timestamp::now();
    let zone = support::noon_zone(now);
    let today = now.to_zoned(TimeZone::get(&zone).expect("a zone")).date();
    let [before, yesterday, tomorrow] = [-2, -1, 1].map(|days| today + days.days());
    let config = scene.hook("erp", "") + &midnight("daily", "[\"erp\"]", now) + &midnight("new", "[\"erp\"]", now);
    let folder = scene.folder.path();
    std::fs::write(folder.join("orderbell.toml"), support::whole("", "")).expect("written");
    let (code, text, _) = said(&orderbell(folder, &["report"]));
    assert_eq!(
        (code, text.as_str()),
        (Some(0), "There is no report in the configuration; one begins with [report.daily].\n")
    );
    assert_eq!(said(&orderbell(folder, &["report", "--format", "json"])).1, "[]\n");

    std::fs::write(folder.join("orderbell.toml"), support::whole("", &config)).expect("written");
    let (code, text, _) = said(&orderbell(folder, &["report"]));
    for piece in [
        format!("daily: every day at 00:00 ({zone}), to erp\n    last: none yet; no daemon has taken it up\n"),
        format!("\n    next: {tomorrow} 00:00 "),
        format!(
            " ({zone}), about {today}\n          None comes at 00:00 today: the report is new, and a new report begins with"
        ),
        "The daemon does not run: no report is made before `orderbell serve` does.\n".to_owned(),
    ] {
        assert!(code == Some(0) && text.contains(&piece), "{piece}\n{text}");
    }

    // As if it had begun three days ago, and the daemon had been off since.
    let store = stores::open(&scene.store(), now).expect("a store");
    store.begin_report("daily", today - 3.days()).await.expect("begun");
    drop(store);
    let (_, text, _) = said(&orderbell(folder, &["report"]));
    let due = format!("about {before} to {yesterday}; it is made as soon as `orderbell serve` runs\n");
    assert!(text.contains(&format!("next: due since {today} 00:00 ")) && text.contains(&due), "{text}");
    let daemon = scene.start(&config).await;
    scene.until_received("erp", 1).await;
    daemon.until_done().await;
    let (code, text, complaints) = said(&orderbell(folder, &["report"]));
    for piece in [
        format!("    last: about {before} to {yesterday}, made on {today} "),
        format!(" ({zone}); delivered to erp\n    next: {tomorrow} 00:00 "),
        format!("new: every day at 00:00 ({zone}), to erp\n    last: none yet; it begins with {today}\n"),
        "`orderbell why report.NAME` says more of one.\n".to_owned(),
    ] {
        assert!(code == Some(0) && text.contains(&piece), "{piece}\n{text}{complaints}");
    }
    assert!(!text.contains("The daemon does not run"), "{text}");
    let (_, text, _) = said(&orderbell(folder, &["report", "--format", "json"]));
    let shown: Value = serde_json::from_str(&text).expect("JSON");
    let daily = &shown[0];
    assert_eq!(
        [&daily["name"], &daily["at"], &daily["timezone"], &daily["to"], &daily["daemon_runs"]],
        [&json!("daily"), &json!("00:00"), &json!(zone), &json!(["erp"]), &json!(true)]
    );
    assert_eq!(
        [&daily["last"]["from"], &daily["last"]["to"], &daily["last"]["deliveries"][0]["state"]],
        [&json!(before), &json!(yesterday), &json!("delivered")]
    );
    assert_eq!([&daily["next"]["from"], &daily["next"]["to"]], [&json!(today); 2]);
    assert!(daily["next"].get("note").is_some_and(Value::is_null) && shown[1].get("last").is_none(), "{shown}");

    // What there was says `why`.
    let (code, text, _) = said(&orderbell(folder, &["why", "report.daily"]));
    assert!(code == Some(0) && text.contains("To erp (webhook): delivered on "), "{text}");
    let (code, _, complaints) = said(&orderbell(folder, &["why", "daily"]));
    assert!(code == Some(1) && complaints.contains("`orderbell why report.daily`"), "{complaints}");
    let (code, _, complaints) = said(&orderbell(folder, &["why", "report.dayly"]));
    let unknown = "there is no report \"report.dayly\", nor was there one; there are: report.daily, report.new";
    assert!(code == Some(1) && complaints.contains(unknown), "{complaints}");
    let (code, _, complaints) = said(&orderbell(folder, &["why", "report.daily", "--at", "12:00"]));
    assert!(code == Some(2) && complaints.contains("--at goes with a source"), "{complaints}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_first_start_with_a_clock_that_was_behind_no_report_of_that_time_is_said_to_be_due() {
    let scene = Scene::new(Rules::new()).await;
    let now = Timestamp::now();
    let today = now.to_zoned(TimeZone::get(&support::noon_zone(now)).expect("a zone")).date();
    let config = scene.hook("erp", "") + &midnight("daily", "[\"erp\"]", now);
    let folder = scene.folder.path();
    std::fs::write(folder.join("orderbell.toml"), support::whole("", &config)).expect("written");
    let daemon = scene.start(&config).await;
    daemon.acknowledged(&placed(1, now)).await;
    daemon.stop().await;
    let connection = Connection::open(scene.store()).expect("the store opens");
    let behind = "INSERT OR REPLACE INTO report_runs (report, day, ledger_seq) VALUES ('daily', '1969-12-31', 0)";
    connection.execute_batch(&format!("DELETE FROM report_runs; {behind}")).expect("begun in 1970");
    for asked in ["report", "why report.daily"] {
        let arguments: Vec<&str> = asked.split(' ').collect();
        let (code, text, _) = said(&orderbell(folder, &arguments));
        assert!(code == Some(0) && text.contains(&format!("about {today}")) && !text.contains("1970"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_named_by_a_word_too() {
    let scene = Scene::new(Rules::new()).await;
    let now = Timestamp::now();
    let config = scene.hook("erp", "") + &midnight("daily", "[\"erp\"]", now);
    let folder = scene.folder.path();
    std::fs::write(folder.join("orderbell.toml"), support::whole("", &config)).expect("written");
    drop(stores::open(&scene.store(), now).expect("a store"));
    let today = now.to_zoned(TimeZone::get(&support::noon_zone(now)).expect("a zone")).date();
    let yesterday = today - 1.days();
    for (arguments, day) in [(&["--date", "today"][..], today), (&["--date", "yesterday"], yesterday), (&[], yesterday)]
    {
        let (code, text, _) = said(&orderbell(folder, &[&["report", "daily", "--format", "json"], arguments].concat()));
        assert_eq!(code, Some(0), "{arguments:?}");
        let shown: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!([&shown["from"], &shown["to"]], [&json!(day); 2], "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_is_sent_says_what_will_hold_it() {
    let scene = Scene::new(Rules::new()).await;
    let now = Timestamp::now();
    let zone = support::noon_zone(now);
    let hold = format!("quiet = {{ from = \"10:00\", to = \"15:00\" }}\ntimezone = \"{zone}\"");
    let channels = [
        scene.hook("erp", ""),
        scene.robot("kitchen", ""),
        scene.wecom("office", &hold),
        scene.hook("slow", "rate = { per = \"1h\", count = 1 }"),
        scene.hook("shut", ""),
        scene.hook("mute", ""),
    ];
    let to = "[\"erp\", \"kitchen\", \"office\", \"slow\", \"shut\", \"mute\"]";
    let config = channels.concat() + &midnight("daily", to, now);
    let folder = scene.folder.path();
    std::fs::write(folder.join("orderbell.toml"), support::whole("", &config)).expect("written");
    let credential = |name: &str| scene.config(&config).channels[name].way.channel().credential();
    drop(stores::open(&scene.store(), now).expect("a store"));
    let connection = Connection::open(scene.store()).expect("the store opens");
    let ms = now.as_millisecond();
    let sql = "INSERT INTO parked_channels (channel, since, reason, probes, next_probe_at)
        VALUES ('kitchen', ?1, 'errcode 310000: “keywords not in content”', 1, ?1)";
    connection.execute(sql, [ms]).expect("parked");
    let sql = "INSERT INTO paused_channels (channel, since, paused_by) VALUES ('mute', ?1, 'ann')";
    connection.execute(sql, [ms]).expect("paused");
    let sql =
        "INSERT INTO parked_channels (channel, since, reason, probes, next_probe_at) VALUES ('mute', ?1, ?2, 0, ?1)";
    let reason = format!("{UNREADY}the environment variable MUTE is not set");
    connection.execute(sql, params![ms, reason]).expect("parked");
    let sql = "INSERT INTO credentials (credential, closed_until, reason) VALUES (?1, ?2, 'HTTP 429')";
    connection.execute(sql, params![credential("shut"), ms + 3_600_000]).expect("shut");
    let sql =
        "INSERT INTO attempts (seq, delivery, part, form, started_at, ended_at) VALUES (7, x'07', 0, 'full', ?1, ?1)";
    connection.execute(sql, [ms - 1000]).expect("an attempt");
    let sql = "INSERT INTO pacing_slots (credential, attempt, free_at) VALUES (?1, 7, 0)";
    connection.execute(sql, params![credential("slow")]).expect("a slot");

    let (code, _, complaints) = said(&orderbell(folder, &["report", "daily", "--send"]));
    let until = |at: Timestamp, zone: &str| {
        let local = at.to_zoned(TimeZone::get(zone).expect("a zone"));
        format!("until {} ({zone})", local.strftime("%Y-%m-%d %H:%M"))
    };
    let today = now.to_zoned(TimeZone::get(&zone).expect("a zone")).date();
    let second = SignedDuration::from_secs(1);
    let hour = SignedDuration::from_hours(1);
    for line in [
        "to erp: it goes out as soon as `orderbell serve` runs; `orderbell deliveries` says what becomes of it\n".to_owned(),
        " by ann: it waits until it is resumed; and the channel waits for its secret: the environment variable MUTE is not set\n".to_owned(),
        "to kitchen: it is held: the channel is parked, because the robot demands a keyword: set `keyword` to one of those in its security settings, then `orderbell test kitchen` resumes it\n".to_owned(),
        format!("to office: it is held: the channel has quiet hours until {today} 15:00 ({zone})\n"),
        format!(
            "to slow: it is held: the channel may be sent 1 message in 1h, 1 of them are used up: it waits {}\n",
            until(now - second + hour, "Asia/Riyadh")
        ),
        format!("to shut: it is held: the provider takes no messages of this channel {}\n", until(now + hour, "Asia/Riyadh")),
    ] {
        assert!(code == Some(0) && complaints.contains(&line), "{line}\n{complaints}");
    }
    // Where all of them hold it, that no daemon runs is said by itself.
    let config = config.replace(to, "[\"office\"]");
    std::fs::write(folder.join("orderbell.toml"), support::whole("", &config)).expect("written");
    let (_, _, complaints) = said(&orderbell(folder, &["report", "daily", "--send"]));
    assert!(
        complaints.contains("the daemon does not run: nothing goes out before `orderbell serve` does"),
        "{complaints}"
    );
}
