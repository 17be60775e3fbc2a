//! Reports, as `orderbell why` shows them.

use orderbell::cli::config_summary;
use orderbell::domain::event::{DeliveryId, Event, EventId, Kind, OWN_SOURCE, SignatureCheck};
use orderbell::domain::payload::Payload;
use orderbell::domain::report::Report;
use orderbell::domain::route;
use orderbell::flow::why;
use orderbell::flow::why::setting::Setting;
use orderbell::flow::why::timeline;
use orderbell::flow::why::timeline::Verbosity;
use orderbell::store::ingest::Record;
use orderbell::store::reports::ReportRun;
use uuid::Uuid;

use crate::why::{CONFIGURATION, Scene, at, golden};

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
            data: Payload::Report(Box::new(report)).into(),
            proof: SignatureCheck::Own,
        };
        let routes = self.part().routes.unwrap();
        let fingerprint = route::fingerprint(&routes.routes);
        let (targets, decisions) = routes.judge(&event.kind, &event.source, None, &fingerprint);
        let targets: Vec<_> = targets.into_iter().map(|target| (target, DeliveryId(self.next_id()))).collect();
        let made = targets.iter().map(|(target, id)| (target.channel.clone(), id.0)).collect();
        let (body, dedupe_keys, urgent) = (Vec::new(), Vec::new(), Vec::new());
        let record = Record { event, body, dedupe_keys, targets, urgent, decisions };
        let days = days.iter().map(|day| day.parse().unwrap()).collect();
        let run = ReportRun { report: "daily".to_owned(), days, ledger_seq: 0, record, picture: None };
        self.store.record_report(run).await.unwrap().expect("its days are not covered yet");
        made
    }
}

/// So many seconds after 19:54:00 it is 08:57:00 on the next day.
const MORNING: i64 = 46_980;
const A_DAY: i64 = 86_400;

#[tokio::test]
async fn before_its_first_run_a_report_says_when_it_comes_and_why_it_has_not() {
    let scene = Scene::new();
    scene.configure(&with_reports());
    let unknown = scene.shown("report.daily", 0).await;
    scene.store.begin_report("daily", "2026-11-21".parse().unwrap()).await.unwrap();
    let begun = scene.shown("report.daily", 0).await;
    let overdue = scene.shown("report.daily", MORNING + 7200).await;
    let weekly = scene.shown("report.weekly", 0).await;
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
    golden("report", &scene.shown("report.daily", late + 10).await);
    golden("report-as-json", &format!("{:#}\n", scene.shown_as_json("report.daily", late + 10).await));

    // Its time is set to a later one of the same day, then it is taken out, and then its events are too old.
    scene.configure(&with_reports().replace("08:57", "12:30"));
    let later = scene.ask_around("report.daily", None, 1).await;
    let part = scene.part();
    let story = why::story(&later, &Setting { config: &config_summary::of(&part), now: at(late + 10) });
    let mut shown = vec![timeline::text(&story, &part.timezone, Verbosity::Brief)];
    scene.configure(CONFIGURATION);
    scene.connection().execute("DELETE FROM events WHERE received_at < ?1", [at(late).as_millisecond()]).unwrap();
    shown.push(scene.shown("report.daily", late + A_DAY).await);
    golden("report-changed", &shown.join("\n---\n\n"));
}
