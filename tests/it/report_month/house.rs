//! The receiving side and the maker of reports, on a store of their own and by a clock that goes with the webhooks.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use orderbell::app;
use orderbell::config::configured::Config;
use orderbell::config::context::{LoadContext, languages};
use orderbell::config::read_text;
use orderbell::domain::figures;
use orderbell::domain::figures::facts::Scope;
use orderbell::domain::report::Report;
use orderbell::flow::intake::{Intake, IntakeOutcome};
use orderbell::flow::leadership::Leadership;
use orderbell::flow::notice::Notices;
use orderbell::flow::notifier::Notifier;
use orderbell::flow::reports::ReportMaker;
use orderbell::flow::{Clock, Current, refusals};
use orderbell::platform::{Method, PlatformReply};
use orderbell::store::Store;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::report_month::month::{APP, APP_SECRET, APSDAI, APSDAI_SECRET, Arrival, BEGIN, KEETA};
use crate::report_month::place::{About, Place, date, number_of};
use crate::support::kept;
use crate::support::stores;

/// So many webhooks are under way at once; fewer than may wait for the store, so that their sequence stays.
const AT_ONCE: usize = 1000;

/// The configuration; five minutes after midnight a report of the days before is due, one of them on two days a week only.
fn text() -> String {
    let report = |name: &str, more: &str| format!("[report.{name}]\nat = \"00:05\"\nto = [\"owner\"]\n{more}\n");
    format!(
        "timezone = \"Asia/Hong_Kong\"\ncurrency = \"HKD\"\n\
         [server]\npublic_url = \"https://bell.example.com\"\n[store]\nurl = \"sqlite:bell.db\"\n\
         [source.{KEETA}]\nplatform = \"keeta\"\napp_id = {APP}\napp_secret = \"{APP_SECRET}\"\n\
         [source.{APSDAI}]\nplatform = \"apsdai\"\nsecret = \"{APSDAI_SECRET}\"\n\
         [channel.owner]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/owner\"\nallow_private = true\n{}{}{}{}{}",
        report("hong-kong", ""),
        report("london", "timezone = \"Europe/London\""),
        report("cairo", "timezone = \"Africa/Cairo\""),
        report("meals", &format!("sources = [\"{KEETA}\"]\ndays = [\"mon\", \"thu\"]")),
        report("congee", "shops = [\"466602\"]"),
    )
}

/// The reports that are configured: their names, and what they are about.
pub fn reports() -> [(&'static str, About); 5] {
    let about = |place, sources, shops| About { place, from: 0, to: 0, sources, shops };
    [
        ("hong-kong", about(Place::HongKong, None, None)),
        ("london", about(Place::London, None, None)),
        ("cairo", about(Place::Cairo, None, None)),
        ("meals", about(Place::HongKong, Some(KEETA), None)),
        ("congee", about(Place::HongKong, None, Some("466602"))),
    ]
}

fn configuration(folder: &Path) -> Config {
    let (text, file) = (text(), folder.join("orderbell.toml"));
    std::fs::write(&file, &text).expect("written");
    let context = LoadContext {
        file: &file,
        env: &|_| None,
        languages: languages(),
        secrets: orderbell::config::context::SecretReading::Read,
    };
    match read_text(&text, &context) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{problems:#?}\n{text}"),
    }
}

pub struct House {
    store: Arc<dyn Store>,
    intake: Intake,
    reports: ReportMaker,
    clock: Clock,
    now: Arc<AtomicI64>,
    /// The last event of the store that was looked at.
    seen: i64,
    folder: TempDir,
}

impl House {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let now = Arc::new(AtomicI64::new(BEGIN));
        let hands = now.clone();
        let clock = Clock::new(move || at(hands.load(Ordering::Acquire)));
        let store = stores::open(&folder.path().join("bell.db"), clock.now()).expect("a store");
        let routing = Current::new(app::setup::routing(configuration(folder.path())));
        let notifier = Notifier::default();
        let notices = Notices::new(store.clone(), routing.clone(), notifier.clone());
        let intake = Intake::new(routing.clone(), notices, store.clone(), notifier.clone(), clock.clone());
        let reports = ReportMaker::new(store.clone(), routing, notifier, Leadership::alone(), clock.clone());
        Self { store, intake, reports, clock, now, seen: 0, folder }
    }

    /// Has webhooks come, in their sequence, many of them at once.
    pub async fn receive(&self, arrivals: &[Arrival]) {
        let all = futures_util::stream::iter(arrivals).map(|arrival| self.receive_one(arrival)).buffered(AT_ONCE);
        // Where tokio would have one of them wait for its turn, a later one could come before it.
        tokio::task::unconstrained(all.collect::<()>()).await;
    }

    async fn receive_one(&self, arrival: &Arrival) {
        self.now.store(arrival.at, Ordering::Release);
        let mut headers = HeaderMap::new();
        for (name, value) in &arrival.headers {
            headers.insert(*name, HeaderValue::from_str(value).expect("a header"));
        }
        let outcome =
            self.intake.receive(arrival.source, Method::Post, None, &headers, arrival.body.clone().into()).await;
        let expected = if arrival.is_genuine { PlatformReply::Received } else { PlatformReply::Refused };
        match outcome {
            IntakeOutcome::Answer(reply, _) if reply == expected => {}
            other => panic!("{other:?} for {}", String::from_utf8_lossy(&arrival.body)),
        }
    }

    /// Lets the daemon look which reports are due, and answers those that it has made.
    pub async fn look(&mut self, now: i64) -> Vec<Report> {
        self.now.store(now, Ordering::Release);
        // As at the end of a daemon: what is still to be noted is.
        let ended = CancellationToken::new();
        ended.cancel();
        refusals::keep(self.intake.refusals.clone(), self.store.clone(), self.clock.clone(), ended).await;
        self.reports.look().await;
        let connection = Connection::open(self.path()).expect("the store opens");
        let sql = "SELECT packed FROM events WHERE seq > ?1 AND kind LIKE 'report.%' ORDER BY seq";
        let events = kept::json(&connection, sql, [self.seen]);
        let newest = "SELECT coalesce(max(seq), ?1) FROM events WHERE kind LIKE 'report.%'";
        self.seen = connection.query_row(newest, [self.seen], |row| row.get(0)).expect("a number");
        let report = |event: &Value| serde_json::from_value(event["data"]["report"].clone()).expect("a report");
        events.iter().map(report).collect()
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("bell.db")
    }

    /// A reader beside those of the daemon.
    pub fn reader(&self) -> Arc<dyn Store> {
        stores::open_beside(&self.path()).expect("the store opens")
    }

    /// The report of some days, as it would be made again now.
    pub async fn report(&self, reader: &dyn Store, name: &str, about: &About) -> Report {
        let scope = Scope {
            name: name.to_owned(),
            from: civil(about.from),
            to: civil(about.to),
            zone: TimeZone::get(about.place.name()).expect("a zone"),
            sources: about.sources.map(|source| vec![source.to_owned()]),
            shops: about.shops.map(|shop| vec![shop.to_owned()]),
            late: false,
        };
        let facts = reader.report_facts(scope.clone()).await.expect("readable");
        figures::report(&scope, &facts, self.clock.now())
    }

    /// What `orderbell report` prints of a day.
    pub fn printed(&self, name: &str, day: i64) -> Report {
        let done = Command::new(env!("CARGO_BIN_EXE_orderbell"))
            .args(["--config", "orderbell.toml", "report", name, "--date", &date(day), "--format", "json"])
            .current_dir(self.folder.path())
            .output()
            .expect("it runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).expect("a report")
    }
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).expect("a time")
}

pub fn civil(day: i64) -> Date {
    date(day).parse().expect("a date")
}

/// The number of a day.
pub fn day_of(date: Date) -> i64 {
    number_of(i64::from(date.year()), i64::from(date.month()), i64::from(date.day()))
}
