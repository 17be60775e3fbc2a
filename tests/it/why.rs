//! What `orderbell why` says, word for word: each story in `tests/golden/why` is made of a store with fixed ids and times.

mod brief;
mod proof;
mod reports;
mod waiting;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use orderbell::cli::config_summary;
use orderbell::config::parts::Parts;
use orderbell::domain::event::{DedupeKey, DeliveryId, Event, EventId, Kind, SignatureCheck};
use orderbell::domain::money::Money;
use orderbell::domain::order::{OrderLine, OrderState, OrderUpdate};
use orderbell::domain::payload::Data;
use orderbell::domain::route;
use orderbell::domain::route_decision::RouteDecisions;
use orderbell::domain::shop::Shop;
use orderbell::flow::why;
use orderbell::flow::why::setting::Setting;
use orderbell::flow::why::timeline;
use orderbell::flow::why::timeline::Verbosity;
use orderbell::in_force;
use orderbell::store::Store;
use orderbell::store::history::found::{FoundHistory, HistoryAnswer, Question};
use orderbell::store::ingest::Record;
use rusqlite::{Connection, params};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::snapshots::Snapshots;
use crate::support::stores;
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
    store: Arc<dyn Store>,
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
        let store = stores::open(&folder.path().join("bell.db"), at(0)).unwrap();
        Self { folder, store, ids: 0 }
    }

    fn part(&self) -> Parts {
        in_force::parts(&self.folder.path().join("orderbell.toml"), orderbell::config::context::SecretReading::Read)
            .unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    fn next_id(&mut self) -> Uuid {
        self.ids += 1;
        id(self.ids)
    }

    fn event(&mut self, kind: Kind, number: &str, state: OrderState, minor: i64, second: i64) -> Event {
        let line =
            OrderLine { name: "糖醋排骨".to_owned(), note: Some("no onion".to_owned()), ..OrderLine::default() };
        let order = OrderUpdate {
            number: number.to_owned(),
            short_number: Some(number[number.len() - 4..].to_owned()),
            state: Some(state),
            total: Some(Money::new(minor, "HKD")),
            lines: vec![line],
            ..OrderUpdate::default()
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
            proof: SignatureCheck::Valid("address as registered, with '?'".to_owned()),
        }
    }

    /// Records an event as intake does, and answers its deliveries by their channels.
    async fn record(&mut self, event: Event, key: &str) -> Vec<(String, Uuid)> {
        self.record_under(event, DedupeKey::Once(key.to_owned())).await
    }

    async fn record_under(&mut self, event: Event, key: DedupeKey) -> Vec<(String, Uuid)> {
        let routes = self.part().routes.unwrap();
        let shop = event.shop.as_ref().map(|shop| shop.id.as_str());
        let (targets, decisions) = routes.judge(&event.kind, &event.source, shop, &route::fingerprint(&routes.routes));
        let targets: Vec<_> = targets.into_iter().map(|target| (target, DeliveryId(self.next_id()))).collect();
        let made = targets.iter().map(|(target, id)| (target.channel.clone(), id.0)).collect();
        self.store
            .record(Record {
                event,
                body: b"{}".to_vec(),
                dedupe_keys: vec![key],
                targets,
                urgent: Vec::new(),
                decisions,
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

    async fn ask(&self, asked: &str) -> FoundHistory {
        self.ask_around(asked, None, 20).await
    }

    async fn ask_around(&self, asked: &str, around: Option<Timestamp>, limit: u32) -> FoundHistory {
        let question = Question { asked: asked.to_owned(), sources: self.part().source_names(), around, limit };
        self.store.history(question).await.unwrap()
    }

    /// What is shown as text at a moment.
    async fn shown(&self, asked: &str, second: i64) -> String {
        self.shown_to(Verbosity::Brief, asked, second).await
    }

    async fn shown_to(&self, extent: Verbosity, asked: &str, second: i64) -> String {
        let part = self.part();
        let story =
            why::story(&self.ask(asked).await, &Setting { config: &config_summary::of(&part), now: at(second) });
        timeline::text(&story, &part.timezone, extent)
    }

    async fn shown_as_json(&self, asked: &str, second: i64) -> Value {
        let part = self.part();
        timeline::json(
            &why::story(&self.ask(asked).await, &Setting { config: &config_summary::of(&part), now: at(second) }),
            &part.timezone,
        )
    }
}

/// Compares with the snapshot of this name.
fn golden(name: &str, shown: &str) {
    for hidden in ["hush", "糖醋排骨", "onion"] {
        assert!(!shown.contains(hidden), "{name} tells {hidden}:\n{shown}");
    }
    let mut snapshots = Snapshots::of("why");
    snapshots.assert(name, shown);
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
async fn a_repeat_is_shown_with_its_number_and_makes_no_message() {
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
    golden("repeat", &scene.shown(ORDER, 400).await);
    golden("repeat-as-json", &format!("{:#}\n", scene.shown_as_json(ORDER, 400).await));
    // By its short number, with the sign that people write before it, and with its source.
    for asked in ["5859", "#5859", "keeta-hk/756823020265859"] {
        assert_eq!(scene.shown(asked, 400).await, scene.shown(ORDER, 400).await, "{asked}");
    }
}

#[tokio::test]
async fn a_change_is_shown_in_figures_and_without_the_words_of_the_buyer() {
    let mut scene = Scene::new();
    for (second, minor, note) in [(2, 4600, "no onion"), (62, 51_000, "hush, an onion")] {
        let mut event = scene.event(Kind::OrderPlaced, ORDER, OrderState::Placed, minor, second);
        let order = event.order.as_mut().unwrap();
        order.as_of = Some(at(second - 1));
        order.lines[0].note = Some(note.to_owned());
        if minor > 4600 {
            order.lines.push(OrderLine { name: "onion cake".to_owned(), ..OrderLine::default() });
        }
        scene.record_under(event, DedupeKey::Unchanged(format!("1001:{ORDER}"))).await;
    }
    golden("changed", &scene.shown(ORDER, 400).await);
    let facts = scene.shown_as_json(ORDER, 400).await["orders"][0]["events"][1]["changed"].clone();
    assert_eq!(
        (&facts["lines"]["new"], &facts["lines"]["other"], &facts["note"]),
        (&1.into(), &1.into(), &true.into())
    );
    assert_eq!(facts["total"]["is"]["text"], "HKD 510.00", "{facts}");
}

#[tokio::test]
async fn what_each_route_made_of_an_event_is_shown_by_the_routes_of_that_time() {
    let mut scene = Scene::new();
    // No condition can be judged without a total, a notice reaches no route, and another shop's event none but the first.
    let mut unknown = scene.event(Kind::OrderPlaced, "756823020260001", OrderState::Placed, 0, 2);
    unknown.order.as_mut().unwrap().total = None;
    scene.record(unknown, "a").await;
    let mut notice = scene.event(Kind::OperatorNotice, "756823020260002", OrderState::Unknown, 0, 3);
    (notice.order, notice.shop, notice.proof) = (None, None, SignatureCheck::Own);
    notice.source = "orderbell".to_owned();
    let notice_id = notice.id.to_string();
    scene.record(notice, "b").await;
    let mut hours = scene.event(Kind::StoreHours, "756823020260003", OrderState::Unknown, 0, 4);
    hours.order = None;
    let hours_id = hours.id.to_string();
    scene.record(hours, "c").await;
    let mut forged = scene.event(Kind::OrderPlaced, "756823020260004", OrderState::Placed, 1, 5);
    forged.proof = SignatureCheck::Invalid;
    let Event { id, .. } = forged;
    let record = Record {
        event: forged,
        body: Vec::new(),
        dedupe_keys: Vec::new(),
        targets: Vec::new(),
        decisions: RouteDecisions::default(),
        urgent: Vec::new(),
    };
    scene.store.record(record).await.unwrap();
    let mut shown = Vec::new();
    for asked in ["756823020260001", &notice_id, &hours_id, &id.to_string()] {
        shown.push(scene.shown_to(Verbosity::All, asked, 10).await);
    }
    let other = CONFIGURATION.replace("shops = [145541]", "shops = [466663]");
    std::fs::write(scene.folder.path().join("orderbell.toml"), other).unwrap();
    shown.push(scene.shown(&hours_id, 10).await);
    let broken = CONFIGURATION.replace("to = [\"kitchen\"]", "to = 7");
    std::fs::write(scene.folder.path().join("orderbell.toml"), broken).unwrap();
    let unread = scene.shown(&hours_id, 10).await;
    assert!(unread.contains("The routes cannot be read now; `orderbell check` says why"), "{unread}");
    golden("routes", &shown.join("\n---\n\n"));
}

#[tokio::test]
async fn a_shortened_id_finds_an_event_with_its_deliveries_and_is_refused_where_it_fits_several() {
    let mut scene = Scene::new();
    let kitchen = scene.placed(ORDER, 2).await;
    let event = id(1).to_string();
    // So far there is one event, and all deliveries that begin like this are its own.
    assert!(
        matches!(scene.ask("019aab1c").await.found, HistoryAnswer::Event(found) if found.event.id.to_string() == event)
    );
    let HistoryAnswer::Delivery(found) = scene.ask(&kitchen.to_string()).await.found else {
        panic!("it is a delivery")
    };
    assert_eq!(found.deliveries.iter().map(|delivery| delivery.id.0).collect::<Vec<_>>(), [kitchen]);
    scene.placed("756823020260001", 3).await;
    let HistoryAnswer::Several(candidates) = scene.ask("019aab1c").await.found else { panic!("there are several") };
    assert_eq!(candidates.iter().filter(|candidate| candidate.channel.is_some()).count(), 2);
    assert_eq!(candidates.len(), 4);
    for nothing in ["019aab1", "019aab1d", "zzzzzzzzz", "", "42"] {
        assert_eq!(scene.ask(nothing).await.found, HistoryAnswer::Nothing, "{nothing}");
    }
}
