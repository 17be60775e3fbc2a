//! What `orderbell why` tells, word for word: each story in `tests/golden/why` is made of a store with fixed ids and times.

use jiff::SignedDuration;
use jiff::Timestamp;
use orderbell::cli::why;
use orderbell::cli::why::chapter;
use orderbell::cli::why::setting::Setting;
use orderbell::config::parts;
use orderbell::config::parts::Parts;
use orderbell::domain::data::Data;
use orderbell::domain::event::DeliveryId;
use orderbell::domain::event::Event;
use orderbell::domain::event::EventId;
use orderbell::domain::event::Kind;
use orderbell::domain::event::OWN_SOURCE;
use orderbell::domain::event::Proof;
use orderbell::domain::event::RepeatKey;
use orderbell::domain::event::Shop;
use orderbell::domain::money::Money;
use orderbell::domain::order::Line;
use orderbell::domain::order::OrderNews;
use orderbell::domain::order::OrderState;
use orderbell::domain::report::Report;
use orderbell::domain::verdict;
use orderbell::store::Record;
use orderbell::store::ReportRun;
use orderbell::store::history::Found;
use orderbell::store::history::History;
use orderbell::store::history::Question;
use orderbell::store::history::Refused;
use orderbell::store::sqlite::Sqlite;
use rusqlite::Connection;
use rusqlite::params;
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::snapshots::Snapshots;
use crate::tidy::rust_files;

const CONFIGURATION: &str = r#"
timezone = "Asia/Hong_Kong"
[store]
url = "sqlite:bell.db"
[operator]
to = ["owner"]
[source.keeta-hk]
platform = "keeta"
app_id = 1
app_secret = { env = "WHY_NO_SUCH_VARIABLE" }
[channel.kitchen]
kind = "dingtalk"
webhook = "https://oapi.dingtalk.com/robot/send?access_token=hush-token"
secret = { file = "no-such-file" }
[channel.owner]
kind = "email"
smtp = "smtps://smtp.example.com"
from = "bell@example.com"
to = ["owner@example.com"]
[channel.office]
kind = "wecom"
webhook = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=hush-key"
[channel.erp]
kind = "webhook"
url = "https://erp.example.com/bell"
[[route]]
events = ["order.*"]
to = ["kitchen"]
[[route]]
events = ["order.*"]
when = "order.total >= 500"
to = ["owner"]
[[route]]
events = ["stock.*", "totals.*"]
to = ["owner"]
[[route]]
events = ["*"]
shops = [145541]
to = ["erp"]
"#;

/// A store, and the configuration beside it.
struct Scene {
    folder: TempDir,
    store: Sqlite,
    /// How many ids were given.
    ids: u16,
}

/// Seconds after 19:54:00 on the 22nd of November 2026 in Hong Kong.
fn at(seconds: i64) -> Timestamp {
    let base: Timestamp = "2026-11-22T11:54:00Z".parse().unwrap();
    base + SignedDuration::from_secs(seconds)
}

fn id(number: u16) -> Uuid {
    format!("019aab1c-{number:04x}-7000-8000-0123456789ab").parse().unwrap()
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("orderbell.toml"), CONFIGURATION).unwrap();
        let store = Sqlite::open(&folder.path().join("bell.db"), at(0)).unwrap();
        Self { folder, store, ids: 0 }
    }

    fn part(&self) -> Parts {
        parts::read(&self.folder.path().join("orderbell.toml"), orderbell::config::Secrets::Read)
            .unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    fn next_id(&mut self) -> Uuid {
        self.ids += 1;
        id(self.ids)
    }

    fn event(&mut self, kind: Kind, number: &str, state: OrderState, minor: i64, second: i64) -> Event {
        let line = Line { name: "糖醋排骨".to_owned(), note: Some("no onion".to_owned()), ..Line::default() };
        let order = OrderNews {
            number: number.to_owned(),
            short_number: Some(number[number.len() - 4..].to_owned()),
            state: Some(state),
            total: Some(Money::new(minor, "HKD")),
            lines: vec![line],
            ..OrderNews::default()
        };
        Event {
            id: EventId(self.next_id()),
            kind,
            source: "keeta-hk".to_owned(),
            occurred_at: Some(at(second - 2)),
            received_at: at(second),
            shop: Some(Shop { id: "466663".to_owned(), name: Some("Harbour Noodle House".to_owned()) }),
            order: Some(order),
            data: Data::default(),
            proof: Proof::Held("address as registered, with '?'".to_owned()),
        }
    }

    /// Records an event as intake does, and answers its deliveries by their channels.
    async fn record(&mut self, event: Event, key: &str) -> Vec<(String, Uuid)> {
        self.record_under(event, RepeatKey::Once(key.to_owned())).await
    }

    async fn record_under(&mut self, event: Event, key: RepeatKey) -> Vec<(String, Uuid)> {
        let routes = self.part().routes.unwrap();
        let shop = event.shop.as_ref().map(|shop| shop.id.as_str());
        let (hearers, verdicts) = routes.judge(&event.kind, &event.source, shop, &verdict::fingerprint(&routes.routes));
        let hearers: Vec<_> = hearers.into_iter().map(|hearer| (hearer, DeliveryId(self.next_id()))).collect();
        let made = hearers.iter().map(|(hearer, id)| (hearer.channel.clone(), id.0)).collect();
        self.store
            .record(Record {
                event,
                body: b"{}".to_vec(),
                repeat_keys: vec![key],
                hearers,
                urgent: Vec::new(),
                verdicts,
            })
            .await
            .unwrap();
        made
    }

    /// A new order; answers the delivery to the kitchen.
    async fn placed(&mut self, number: &str, second: i64) -> Uuid {
        let event = self.event(Kind::OrderPlaced, number, OrderState::Placed, 4600, second);
        self.record(event, &format!("1001:{number}")).await[0].1
    }

    fn connection(&self) -> Connection {
        Connection::open(self.folder.path().join("bell.db")).unwrap()
    }

    /// An attempt that ended a second later.
    fn tried(&self, delivery: Uuid, second: i64, outcome: &str, answer: &str) {
        self.tried_as(delivery, second, (0, "full"), outcome, answer);
    }

    fn tried_as(&self, delivery: Uuid, second: i64, (part, form): (u16, &str), outcome: &str, answer: &str) {
        let (begun, ended) = (at(second).as_millisecond(), at(second + 1).as_millisecond());
        let sql = "INSERT INTO attempts (delivery, part, form, started_at, ended_at, outcome, answer)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let connection = self.connection();
        connection.execute(sql, params![delivery.as_bytes(), part, form, begun, ended, outcome, answer]).unwrap();
        let sql = "UPDATE deliveries SET attempts = attempts + 1, outcome = ?2, answer = ?3 WHERE id = ?1";
        connection.execute(sql, params![delivery.as_bytes(), outcome, answer]).unwrap();
    }

    fn stands(&self, delivery: Uuid, state: &str, second: i64) {
        let sql = "UPDATE deliveries SET state = ?2, due_at = ?3 WHERE id = ?1";
        let at = at(second).as_millisecond();
        assert_eq!(self.connection().execute(sql, params![delivery.as_bytes(), state, at]).unwrap(), 1);
    }

    fn step(&self, delivery: Uuid, second: i64, step: &str, detail: &str) {
        let sql = "INSERT INTO steps (delivery, at, step, detail) VALUES (?1, ?2, ?3, ?4)";
        let at = at(second).as_millisecond();
        self.connection().execute(sql, params![delivery.as_bytes(), at, step, detail]).unwrap();
    }

    fn inside(&self, delivery: Uuid, leader: Uuid) {
        let sql = "UPDATE deliveries SET digest = ?2 WHERE id = ?1";
        self.connection().execute(sql, params![delivery.as_bytes(), leader.as_bytes()]).unwrap();
    }

    /// A delivery to `channel` that stands in for another one.
    fn falls_back(&mut self, original: Uuid, channel: &str, unreached: &str, second: i64) -> Uuid {
        let id = self.next_id();
        let sql = "INSERT INTO deliveries
                (id, event, event_seq, channel, order_key, state, due_at, created_at, urgent, instead_of, unreached)
            SELECT ?1, event, event_seq, ?2, order_key, 'waiting', ?3, ?3, 1, id, ?4 FROM deliveries WHERE id = ?5";
        let at = at(second).as_millisecond();
        let values = params![id.as_bytes(), channel, at, unreached, original.as_bytes()];
        assert_eq!(self.connection().execute(sql, values).unwrap(), 1);
        id
    }

    fn park(&self, channel: &str, second: i64, reason: &str, next: i64) {
        let sql =
            "INSERT INTO parked_channels (channel, since, reason, probes, next_probe_at) VALUES (?1, ?2, ?3, 1, ?4)";
        let (since, next) = (at(second).as_millisecond(), at(next).as_millisecond());
        self.connection().execute(sql, params![channel, since, reason, next]).unwrap();
    }

    async fn ask(&self, asked: &str) -> History {
        self.ask_around(asked, None, 20).await
    }

    async fn ask_around(&self, asked: &str, around: Option<Timestamp>, limit: u32) -> History {
        let question = Question { asked: asked.to_owned(), sources: self.part().source_names(), around, limit };
        self.store.reader().history(question).await.unwrap()
    }

    /// What is told as text at a moment.
    async fn told(&self, asked: &str, second: i64) -> String {
        let part = self.part();
        let story = why::story(&self.ask(asked).await, &Setting { part: &part, now: at(second) });
        chapter::text(&story, &part.timezone)
    }

    async fn told_as_json(&self, asked: &str, second: i64) -> Value {
        let part = self.part();
        chapter::json(&why::story(&self.ask(asked).await, &Setting { part: &part, now: at(second) }), &part.timezone)
    }
}

/// The configuration with two reports.
fn with_reports() -> String {
    let weekly = "[report.weekly]\nat = \"09:07\"\nto = [\"erp\"]\ndays = [\"mon\"]\ntimezone = \"Europe/London\"\n";
    format!("{CONFIGURATION}[report.daily]\nat = \"08:57\"\nto = [\"owner\", \"erp\"]\n{weekly}")
}

impl Scene {
    fn configure(&self, text: &str) {
        std::fs::write(self.folder.path().join("orderbell.toml"), text).unwrap();
    }

    /// Records the report of these days, or one that a person sent where they are none; answers its deliveries.
    async fn reported(&mut self, (from, to): (&str, &str), days: &[&str], second: i64) -> Vec<(String, Uuid)> {
        let report = Report { from: from.parse().unwrap(), to: to.parse().unwrap(), ..Report::default() };
        let event = Event {
            id: EventId(self.next_id()),
            kind: Kind::Report("daily".to_owned()),
            source: OWN_SOURCE.to_owned(),
            occurred_at: Some(at(second)),
            received_at: at(second),
            shop: None,
            order: None,
            data: Data { report: Some(Box::new(report)), ..Data::default() },
            proof: Proof::Own,
        };
        let routes = self.part().routes.unwrap();
        let fingerprint = verdict::fingerprint(&routes.routes);
        let (hearers, verdicts) = routes.judge(&event.kind, &event.source, None, &fingerprint);
        let hearers: Vec<_> = hearers.into_iter().map(|hearer| (hearer, DeliveryId(self.next_id()))).collect();
        let made = hearers.iter().map(|(hearer, id)| (hearer.channel.clone(), id.0)).collect();
        let (body, repeat_keys, urgent) = (Vec::new(), Vec::new(), Vec::new());
        let record = Record { event, body, repeat_keys, hearers, urgent, verdicts };
        let days = days.iter().map(|day| day.parse().unwrap()).collect();
        let run = ReportRun { report: "daily".to_owned(), days, ledger_seq: 0, record, picture: None };
        self.store.record_report(run).await.unwrap().expect("its days are not covered yet");
        made
    }
}

/// Compares with the snapshot of this name.
fn golden(name: &str, told: &str) {
    for hidden in ["hush", "糖醋排骨", "onion"] {
        assert!(!told.contains(hidden), "{name} tells {hidden}:\n{told}");
    }
    let mut snapshots = Snapshots::of("why");
    snapshots.assert(name, told);
    snapshots.end_of_some();
}

#[test]
fn every_snapshot_has_its_story() {
    let texts: String = rust_files("tests/it").iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    for file in Snapshots::of("why").stale() {
        let name = file.trim_end_matches(".snap");
        assert!(texts.contains(&format!("golden(\"{name}\"")), "no test asserts {file} any more");
    }
}

const ORDER: &str = "756823020265859";

#[tokio::test]
async fn a_repeat_is_told_with_its_number_and_makes_no_message() {
    let mut scene = Scene::new();
    let kitchen = scene.placed(ORDER, 2).await;
    scene.tried(kitchen, 2, "delivered", "errcode 0");
    scene.stands(kitchen, "delivered", 3);
    for second in [62, 122] {
        let again = scene.event(Kind::OrderPlaced, ORDER, OrderState::Placed, 4600, second);
        scene.record(again, &format!("1001:{ORDER}")).await;
    }
    let accepted = scene.event(Kind::OrderAccepted, ORDER, OrderState::Accepted, 4600, 300);
    let made = scene.record(accepted, "1002").await;
    scene.tried(made[0].1, 301, "delivered", "errcode 0");
    scene.stands(made[0].1, "delivered", 302);
    golden("repeat", &scene.told(ORDER, 400).await);
    golden("repeat-as-json", &format!("{:#}\n", scene.told_as_json(ORDER, 400).await));
    // By its short number, with the sign that people write before it, and with its source.
    for asked in ["5859", "#5859", "keeta-hk/756823020265859"] {
        assert_eq!(scene.told(asked, 400).await, scene.told(ORDER, 400).await, "{asked}");
    }
}

#[tokio::test]
async fn a_change_is_told_in_figures_and_without_the_words_of_the_buyer() {
    let mut scene = Scene::new();
    for (second, minor, note) in [(2, 4600, "no onion"), (62, 51_000, "hush, an onion")] {
        let mut event = scene.event(Kind::OrderPlaced, ORDER, OrderState::Placed, minor, second);
        let order = event.order.as_mut().unwrap();
        order.as_of = Some(at(second - 1));
        order.lines[0].note = Some(note.to_owned());
        if minor > 4600 {
            order.lines.push(Line { name: "onion cake".to_owned(), ..Line::default() });
        }
        scene.record_under(event, RepeatKey::Unchanged(format!("1001:{ORDER}"))).await;
    }
    golden("changed", &scene.told(ORDER, 400).await);
    let facts = scene.told_as_json(ORDER, 400).await["orders"][0]["events"][1]["changed"].clone();
    assert_eq!(
        (&facts["lines"]["new"], &facts["lines"]["other"], &facts["note"]),
        (&1.into(), &1.into(), &true.into())
    );
    assert_eq!(facts["total"]["is"]["text"], "HKD 510.00", "{facts}");
}

#[tokio::test]
async fn a_refused_signature_is_found_by_source_and_time() {
    let mut scene = Scene::new();
    scene.placed(ORDER, 2).await;
    let refused = |second: i64, reason: &str| Refused {
        source: "keeta-hk".to_owned(),
        at: at(second),
        reason: reason.to_owned(),
        bytes: 3742,
        count: 1,
    };
    let signature = "its signature does not fit the address https://bell.example.com/hooks/keeta-hk";
    let late = "its proof is right, but its time is 93600 s (26 h) behind this machine's clock";
    let mut all = vec![refused(-90_000, late)];
    all.extend((0..4).map(|minute| refused(600 + 60 * minute, signature)));
    all.push(refused(7200, "and 12 more in that minute"));
    all.push(Refused { source: "licences".to_owned(), ..refused(7200, "another source's") });
    scene.store.note_refusals(all).await.unwrap();
    let part = scene.part();
    let setting = Setting { part: &part, now: at(9000) };
    let text = |history: &History| chapter::text(&why::story(history, &setting), &part.timezone);
    let around = scene.ask_around("keeta-hk", Some(at(650)), 3).await;
    golden("refused", &text(&around));
    golden("refused-newest", &text(&scene.ask("keeta-hk").await));
    // A source that only the store knows.
    assert!(text(&scene.ask("licences").await).contains("no source licences in the configuration any more"));
}

#[tokio::test]
async fn what_nobody_proved_is_shown_of_its_source_whatever_was_believed_since() {
    let mut scene = Scene::new();
    for number in 0..7 {
        let number = format!("22051780000000000{number}");
        let order = scene.event(Kind::OrderPlaced, &number, OrderState::Placed, 4600, 2 + 60 * i64::from(scene.ids));
        scene.record(Event { proof: Proof::Unproven, ..order }, &number).await;
    }
    let part = scene.part();
    let setting = Setting { part: &part, now: at(9000) };
    let text = |history: &History| chapter::text(&why::story(history, &setting), &part.timezone);
    let alone = text(&scene.ask("keeta-hk").await);
    assert!(alone.contains("Some came whose signature fits none"), "{alone}");
    scene.placed(ORDER, 8000).await;
    let told = text(&scene.ask("keeta-hk").await);
    assert!(told.contains("Before it came some whose signature fits none"), "{told}");
    assert_eq!(told.matches("Another of them came").count(), 4, "the newest few: {told}");
}

#[tokio::test]
async fn a_digest_is_told_by_those_inside_and_by_the_one_that_carries_them() {
    let mut scene = Scene::new();
    let leader = scene.placed(ORDER, 2).await;
    let members = [scene.placed("756823020260001", 3).await, scene.placed("756823020260002", 4).await];
    scene.step(leader, 5, "held", &at(60).to_string());
    for member in members {
        scene.step(member, 60, "gathered", &leader.to_string());
        scene.inside(member, leader);
    }
    let waiting = scene.told(&members[0].to_string(), 30).await;
    scene.tried(leader, 60, "retry", "not connected: connection refused");
    scene.tried(leader, 65, "delivered", "errcode 0");
    scene.stands(leader, "delivered", 66);
    members.iter().for_each(|member| scene.stands(*member, "merged", 66));
    let (inside, carrying) = (scene.told("756823020260001", 400).await, scene.told(&leader.to_string(), 400).await);
    golden("digest", &format!("{waiting}\n---\n\n{inside}\n---\n\n{carrying}"));
}

#[tokio::test]
async fn a_parked_channel_is_told_with_its_cause_and_the_next_try() {
    let mut scene = Scene::new();
    let kitchen = scene.placed(ORDER, 2).await;
    let answer = "errcode 310000: “keywords not in content”";
    scene.tried(kitchen, 2, "misconfigured", answer);
    scene.tried(kitchen, 602, "misconfigured", answer);
    scene.stands(kitchen, "waiting", 1802);
    scene.park("kitchen", 3, answer, 1802);
    let waiting_behind = scene.placed("756823020260001", 700).await;
    scene.stands(waiting_behind, "waiting", 700);
    let (first, second) = (scene.told(ORDER, 900).await, scene.told("756823020260001", 900).await);
    golden("parked", &format!("{first}\n---\n\n{second}"));
}

#[tokio::test]
async fn a_fallback_is_told_on_both_sides_before_and_after_the_channel_is_open_again() {
    let mut scene = Scene::new();
    let kitchen = scene.placed(ORDER, 2).await;
    scene.tried(kitchen, 2, "misconfigured", "errcode 300005: “token is not exist”");
    scene.stands(kitchen, "waiting", 602);
    scene.park("kitchen", 3, "errcode 300005", 602);
    scene.step(kitchen, 3, "fell_back", "owner");
    let unreached = format!("[{{\"channel\":\"kitchen\",\"since\":\"{}\"}}]", at(3));
    let owner = scene.falls_back(kitchen, "owner", &unreached, 3);
    scene.tried(owner, 4, "delivered", "250 2.0.0 Ok: queued");
    scene.stands(owner, "delivered", 5);
    let before = scene.told(ORDER, 100).await;
    scene.connection().execute("DELETE FROM parked_channels", []).unwrap();
    scene.inside(kitchen, owner);
    scene.stands(kitchen, "merged", 700);
    let after = scene.told(ORDER, 800).await;
    golden("fallback", &format!("{before}\n---\n\n{after}"));
}

#[tokio::test]
async fn a_dead_delivery_is_told_with_every_try_and_what_to_do() {
    let mut scene = Scene::new();
    let kitchen = scene.placed(ORDER, 2).await;
    for second in [2, 7, 37] {
        scene.tried(kitchen, second, "retry", "not connected: connection refused");
    }
    scene.tried(kitchen, 160, "unknown", "timed out");
    scene.tried_as(kitchen, 760, (0, "full"), "content_refused", "errcode 430104: “unsuitable content”");
    scene.tried_as(kitchen, 761, (0, "reduced"), "content_refused", "errcode 430104: “unsuitable content”");
    scene.stands(kitchen, "dead", 762);
    golden("dead", &scene.told(ORDER, 900).await);
}

#[tokio::test]
async fn holds_changes_by_people_and_what_comes_next_are_told() {
    let mut scene = Scene::new();
    let kitchen = scene.placed(ORDER, 2).await;
    let leader = Uuid::from_u128(7);
    scene.step(kitchen, 3, "held", &at(3600).to_string());
    scene.step(kitchen, 3600, "gathered", &leader.to_string());
    scene.step(kitchen, 3610, "returned", "");
    scene.tried_as(kitchen, 3620, (0, "halved1"), "delivered", "errcode 0");
    scene.tried_as(kitchen, 3621, (1, "halved1"), "throttled", "errcode 130101: “send too fast”");
    scene.stands(kitchen, "waiting", 4221);
    let waiting = scene.told(ORDER, 3630).await;
    scene.step(kitchen, 3640, "cancelled", "");
    scene.step(kitchen, 3650, "redelivered", "");
    scene.step(kitchen, 3660, "told_elsewhere", "the page");
    scene.step(kitchen, 3670, "frozen", "of a later version");
    scene.stands(kitchen, "waiting", 3650);
    let due = scene.told(ORDER, 3700).await;
    golden("holds", &format!("{waiting}\n---\n\n{due}"));
}

#[tokio::test]
async fn what_each_route_made_of_an_event_is_told_by_the_routes_of_that_time() {
    let mut scene = Scene::new();
    // No condition can be judged without a total, a notice reaches no route, and another shop's event none but the first.
    let mut unknown = scene.event(Kind::OrderPlaced, "756823020260001", OrderState::Placed, 0, 2);
    unknown.order.as_mut().unwrap().total = None;
    scene.record(unknown, "a").await;
    let mut notice = scene.event(Kind::OperatorNotice, "756823020260002", OrderState::Unknown, 0, 3);
    (notice.order, notice.shop, notice.proof) = (None, None, Proof::Own);
    notice.source = "orderbell".to_owned();
    let notice_id = notice.id.to_string();
    scene.record(notice, "b").await;
    let mut hours = scene.event(Kind::StoreHours, "756823020260003", OrderState::Unknown, 0, 4);
    hours.order = None;
    let hours_id = hours.id.to_string();
    scene.record(hours, "c").await;
    let mut forged = scene.event(Kind::OrderPlaced, "756823020260004", OrderState::Placed, 1, 5);
    forged.proof = Proof::Unproven;
    let Event { id, .. } = forged;
    let record = Record {
        event: forged,
        body: Vec::new(),
        repeat_keys: Vec::new(),
        hearers: Vec::new(),
        verdicts: verdict::Verdicts::default(),
        urgent: Vec::new(),
    };
    scene.store.record(record).await.unwrap();
    let mut told = vec![scene.told("756823020260001", 10).await, scene.told(&notice_id, 10).await];
    told.extend([scene.told(&hours_id, 10).await, scene.told(&id.to_string(), 10).await]);
    let other = CONFIGURATION.replace("shops = [145541]", "shops = [466663]");
    std::fs::write(scene.folder.path().join("orderbell.toml"), other).unwrap();
    told.push(scene.told(&hours_id, 10).await);
    let broken = CONFIGURATION.replace("to = [\"kitchen\"]", "to = 7");
    std::fs::write(scene.folder.path().join("orderbell.toml"), broken).unwrap();
    let unread = scene.told(&hours_id, 10).await;
    assert!(unread.contains("The routes cannot be read now; `orderbell check` says why"), "{unread}");
    golden("routes", &told.join("\n---\n\n"));
}

#[tokio::test]
async fn a_shut_credential_is_told_where_the_channel_can_be_read() {
    let mut scene = Scene::new();
    let routed = CONFIGURATION.replace("to = [\"kitchen\"]", "to = [\"office\"]");
    std::fs::write(scene.folder.path().join("orderbell.toml"), routed).unwrap();
    scene.placed(ORDER, 2).await;
    let part = scene.part();
    let credential = part.channels["office"].channel.as_ref().unwrap().way.channel().credential();
    let sql = "INSERT INTO credentials (credential, closed_until, reason) VALUES (?1, ?2, 'errcode 45009')";
    scene.connection().execute(sql, params![credential, at(60).as_millisecond()]).unwrap();
    let shut = scene.told(ORDER, 10).await;
    assert!(
        shut.contains("  2026-11-22 19:55:00  Next: the far side of office takes nothing until 2026-11-22 19:55:00."),
        "{shut}"
    );
    assert!(shut.contains("cause:  errcode 45009"), "{shut}");
    let open = scene.told(ORDER, 61).await;
    assert!(open.contains("Next: it is due; it goes out as soon as the daemon runs"), "{open}");
    // Another configuration has no such channel.
    std::fs::write(scene.folder.path().join("orderbell.toml"), CONFIGURATION.replace("office", "bureau")).unwrap();
    let gone = scene.told(ORDER, 61).await;
    assert!(gone.contains("there is no channel \"office\" in the configuration"), "{gone}");
}

#[tokio::test]
async fn a_shortened_id_finds_an_event_with_its_deliveries_and_is_refused_where_it_fits_several() {
    let mut scene = Scene::new();
    let kitchen = scene.placed(ORDER, 2).await;
    let event = id(1).to_string();
    // So far there is one event, and all deliveries that begin like this are its own.
    assert!(matches!(scene.ask("019aab1c").await.found, Found::Event(found) if found.event.id.to_string() == event));
    let Found::Delivery(found) = scene.ask(&kitchen.to_string()).await.found else { panic!("it is a delivery") };
    assert_eq!(found.deliveries.iter().map(|delivery| delivery.id.0).collect::<Vec<_>>(), [kitchen]);
    scene.placed("756823020260001", 3).await;
    let Found::Several(candidates) = scene.ask("019aab1c").await.found else { panic!("there are several") };
    assert_eq!(candidates.iter().filter(|candidate| candidate.channel.is_some()).count(), 2);
    assert_eq!(candidates.len(), 4);
    for nothing in ["019aab1", "019aab1d", "zzzzzzzzz", "", "42"] {
        assert_eq!(scene.ask(nothing).await.found, Found::Nothing, "{nothing}");
    }
}

/// So many seconds after 19:54:00 it is 08:57:00 on the next day.
const MORNING: i64 = 46_980;
const A_DAY: i64 = 86_400;

#[tokio::test]
async fn before_its_first_run_a_report_says_when_it_comes_and_why_it_has_not() {
    let scene = Scene::new();
    scene.configure(&with_reports());
    let unknown = scene.told("report.daily", 0).await;
    scene.store.begin_report("daily", "2026-11-21".parse().unwrap()).await.unwrap();
    let begun = scene.told("report.daily", 0).await;
    let overdue = scene.told("report.daily", MORNING + 7200).await;
    let weekly = scene.told("report.weekly", 0).await;
    golden("report-new", &[unknown, begun, overdue, weekly].join("\n---\n\n"));
}

#[tokio::test]
async fn a_report_says_when_it_was_due_made_and_delivered_and_is_due_next() {
    let mut scene = Scene::new();
    scene.configure(&with_reports());
    scene.store.begin_report("daily", "2026-11-21".parse().unwrap()).await.unwrap();
    let sunday = scene.reported(("2026-11-22", "2026-11-22"), &["2026-11-22"], MORNING + 1).await;
    for (channel, delivery) in &sunday {
        scene.tried(*delivery, MORNING + 2, "delivered", if channel == "erp" { "HTTP 200" } else { "250 queued" });
        scene.stands(*delivery, "delivered", MORNING + 3);
    }
    let by_hand = scene.reported(("2026-11-23", "2026-11-23"), &[], MORNING + 600).await;
    by_hand.iter().for_each(|(_, delivery)| scene.stands(*delivery, "cancelled", MORNING + 700));
    // Three hours late, and one channel refuses it.
    let late = MORNING + A_DAY + 3 * 3600;
    let monday = scene.reported(("2026-11-23", "2026-11-23"), &["2026-11-23"], late).await;
    scene.tried(monday[0].1, late + 1, "delivered", "250 queued");
    scene.stands(monday[0].1, "delivered", late + 2);
    for second in [1, 6] {
        scene.tried(monday[1].1, late + second, "retry", "not connected: connection refused");
    }
    scene.stands(monday[1].1, "waiting", late + 36);
    assert_eq!((monday[0].0.as_str(), monday[1].0.as_str()), ("owner", "erp"));
    golden("report", &scene.told("report.daily", late + 10).await);
    golden("report-as-json", &format!("{:#}\n", scene.told_as_json("report.daily", late + 10).await));

    // Its time is set to a later one of the same day, then it is taken out, and then its events are too old.
    scene.configure(&with_reports().replace("08:57", "12:30"));
    let later = scene.ask_around("report.daily", None, 1).await;
    let part = scene.part();
    let story = why::story(&later, &Setting { part: &part, now: at(late + 10) });
    let mut told = vec![chapter::text(&story, &part.timezone)];
    scene.configure(CONFIGURATION);
    scene.connection().execute("DELETE FROM events WHERE received_at < ?1", [at(late).as_millisecond()]).unwrap();
    told.push(scene.told("report.daily", late + A_DAY).await);
    golden("report-changed", &told.join("\n---\n\n"));
}
