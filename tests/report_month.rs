//! A month of orders at two platforms: every figure of every daily report is counted once more out of the webhooks as they
//! came, by code that shares nothing with the product, both when a report is made and when everything has come.
//!
//! `ORDERBELL_MONTH_ORDERS` sets how many orders there are; 40 000 without it. `ORDERBELL_MONTH_SEED` draws another month.

#[path = "report_month"]
mod month {
    pub mod chance;
    pub mod compare;
    pub mod count;
    pub mod expected;
    #[allow(clippy::module_inception, reason = "it is the month")]
    pub mod month;
}

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use std::time::Instant;

use http::HeaderMap;
use http::HeaderValue;
use jiff::Timestamp;
use jiff::civil::Date;
use orderbell::app;
use orderbell::config::Config;
use orderbell::config::Surroundings;
use orderbell::config::languages;
use orderbell::config::read_text;
use orderbell::domain::report::Report;
use orderbell::domain::report::facts::Scope;
use orderbell::domain::report::figures;
use orderbell::flow::Clock;
use orderbell::flow::Current;
use orderbell::flow::Wake;
use orderbell::flow::intake::Intake;
use orderbell::flow::intake::Verdict;
use orderbell::flow::notice::Notices;
use orderbell::flow::refusals;
use orderbell::flow::reports::Reports;
use orderbell::platform::Method;
use orderbell::platform::Reply;
use orderbell::store::sqlite::Sqlite;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::month::compare;
use crate::month::count::About;
use crate::month::count::Count;
use crate::month::count::Place;
use crate::month::count::date;
use crate::month::expected;
use crate::month::month::APP;
use crate::month::month::APP_SECRET;
use crate::month::month::APSDAI;
use crate::month::month::APSDAI_SECRET;
use crate::month::month::Arrival;
use crate::month::month::BEGIN;
use crate::month::month::DAY;
use crate::month::month::DAYS;
use crate::month::month::HOUR;
use crate::month::month::KEETA;
use crate::month::month::MINUTE;
use crate::month::month::arrivals;

/// So many webhooks are under way at once.
const AT_ONCE: usize = 1024;
/// For so long after the month something of it may come.
const AFTERMATH: i64 = 15;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn configuration(folder: &Path) -> Config {
    let report = |name: &str, more: &str| format!("[report.{name}]\nat = \"00:05\"\nto = [\"owner\"]\n{more}\n");
    let text = format!(
        "timezone = \"Asia/Hong_Kong\"\ncurrency = \"HKD\"\n\
         [server]\npublic_url = \"https://bell.example.com\"\n[store]\nurl = \"sqlite:bell.db\"\n\
         [source.{KEETA}]\nplatform = \"keeta\"\napp_id = {APP}\napp_secret = \"{APP_SECRET}\"\n\
         [source.{APSDAI}]\nplatform = \"apsdai\"\nsecret = \"{APSDAI_SECRET}\"\n\
         [channel.owner]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/owner\"\nallow_private = true\n{}{}{}{}{}",
        report("hong-kong", ""),
        report("london", "timezone = \"Europe/London\""),
        report("cairo", "timezone = \"Africa/Cairo\""),
        report("meals", &format!("sources = [\"{KEETA}\"]")),
        report("congee", "shops = [\"466602\"]"),
    );
    let file = folder.join("orderbell.toml");
    let surroundings = Surroundings { file: &file, env: &|_| None, languages: &languages() };
    match read_text(&text, &surroundings) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{problems:#?}\n{text}"),
    }
}

/// The reports that are configured: their names, and what they are about.
fn reports() -> [(&'static str, About); 5] {
    let about = |place, sources, shops| About { place, from: 0, to: 0, sources, shops };
    [
        ("hong-kong", about(Place::HongKong, None, None)),
        ("london", about(Place::London, None, None)),
        ("cairo", about(Place::Cairo, None, None)),
        ("meals", about(Place::HongKong, Some(KEETA), None)),
        ("congee", about(Place::HongKong, None, Some("466602"))),
    ]
}

/// The receiving side and the maker of reports, on a store of their own and by a clock that goes with the webhooks.
struct House {
    store: Arc<Sqlite>,
    intake: Intake,
    reports: Reports,
    clock: Clock,
    now: Arc<AtomicI64>,
    /// The first event of the store that was not looked at.
    next: i64,
    folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let now = Arc::new(AtomicI64::new(BEGIN));
        let hands = now.clone();
        let clock = Clock::new(move || at(hands.load(Ordering::Acquire)));
        let store = Arc::new(Sqlite::open(&folder.path().join("bell.db"), clock.now()).expect("a store"));
        let reception = Current::new(app::reception(configuration(folder.path())));
        let wake = Wake::default();
        let notices = Notices::new(store.clone(), reception.clone(), wake.clone());
        let intake = Intake::new(reception.clone(), notices, store.clone(), wake.clone(), clock.clone());
        let reports = Reports::new(store.clone(), reception, wake, clock.clone());
        Self { store, intake, reports, clock, now, next: 0, folder }
    }

    /// Has webhooks come, in their sequence, many of them at once.
    async fn receive(&self, arrivals: &[Arrival]) {
        for together in arrivals.chunks(AT_ONCE) {
            let one = async |arrival: &Arrival| {
                self.now.store(arrival.at, Ordering::Release);
                let mut headers = HeaderMap::new();
                for (name, value) in &arrival.headers {
                    headers.insert(*name, HeaderValue::from_str(value).expect("a header"));
                }
                let verdict =
                    self.intake.receive(arrival.source, Method::Post, None, &headers, &arrival.body).await;
                let expected = if arrival.is_genuine { Reply::Received } else { Reply::Refused };
                match verdict {
                    Verdict::Answer(reply, _) if reply == expected => {}
                    other => panic!("{other:?} for {}", String::from_utf8_lossy(&arrival.body)),
                }
            };
            futures_util::future::join_all(together.iter().map(one)).await;
        }
    }

    /// Lets the daemon look which reports are due, and answers those that it has made.
    async fn look(&mut self, now: i64) -> Vec<Report> {
        self.now.store(now, Ordering::Release);
        self.note_refusals().await;
        self.reports.look().await;
        let connection = self.connection();
        let sql = "SELECT seq, event ->> '$.data.report' FROM events WHERE seq > ?1 AND kind LIKE 'report.%' ORDER BY seq";
        let mut select = connection.prepare(sql).expect("a statement");
        let rows = select.query_map([self.next], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).expect("rows");
        let mut made = Vec::new();
        for row in rows {
            let (seq, report) = row.expect("a row");
            self.next = seq;
            made.push(serde_json::from_str(&report).expect("a report"));
        }
        made
    }

    /// As at the end of a daemon: what is still to be noted is.
    async fn note_refusals(&self) {
        let ended = CancellationToken::new();
        ended.cancel();
        refusals::keep(self.intake.refusals.clone(), self.store.clone(), self.clock.clone(), ended).await;
    }

    fn connection(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.path().join("bell.db")).expect("the store opens")
    }

    /// The report of some days, as `orderbell report` makes it.
    async fn report(&self, name: &str, about: &About) -> Report {
        let now = self.clock.now();
        let scope = Scope {
            name: name.to_owned(),
            from: civil(about.from),
            to: civil(about.to),
            zone: jiff::tz::TimeZone::get(about.place.name()).expect("a zone"),
            sources: about.sources.map(|source| vec![source.to_owned()]),
            shops: about.shops.map(|shop| vec![shop.to_owned()]),
            late: false,
        };
        let facts = self.store.reader().report_facts(scope.clone()).await.expect("readable");
        figures::report(&scope, &facts, now)
    }
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).expect("a time")
}

fn civil(day: i64) -> Date {
    date(day).parse().expect("a date")
}

/// The number of a day.
fn day_of(date: Date) -> i64 {
    month::count::number_of(i64::from(date.year()), i64::from(date.month()), i64::from(date.day()))
}

/// What is compared, and how often it agreed.
#[derive(Default)]
struct Judge {
    reports: usize,
    figures: usize,
    differences: Vec<String>,
    /// How often each reason for a difference from the platform's totals was given.
    reasons: BTreeMap<String, usize>,
}

impl Judge {
    fn compare(&mut self, report: &Report, count: &Count, about: &About, as_of: i64, when: &str) {
        let (mut ours, mut counted) = (compare::of(report), expected::report(count, about, as_of));
        if about.place != Place::HongKong {
            // The platform's days are those of Hong Kong.
            ours["reconciled"] = Value::Null;
            counted["reconciled"] = Value::Null;
        }
        self.reports += 1;
        self.figures += compare::figures(&counted);
        for reconciled in counted["reconciled"].as_array().into_iter().flatten() {
            *self.reasons.entry(reconciled["difference"].to_string()).or_default() += 1;
        }
        let found = compare::differences(&ours, &counted);
        let say = |difference: String| format!("{} of {} {when}: {difference}", report.name, report.from);
        self.differences.extend(found.into_iter().map(say));
    }
}

/// The figures that a correction may be told of, by day: orders, cancelled, and gross, refunded and net by currency.
type Told = BTreeMap<(Date, String), i64>;

/// What a report says at first of its own days.
fn tell(told: &mut Told, report: &Report) {
    for day in &report.days {
        let mut set = |name: String, value: i64| {
            assert_eq!(told.insert((day.day, name), value), None, "{} is reported twice", day.day);
        };
        set("orders".to_owned(), day.figures.orders);
        set("cancelled".to_owned(), day.figures.cancelled);
        for amounts in &day.figures.amounts {
            set(format!("gross {}", amounts.currency), amounts.gross.minor);
            set(format!("refunded {}", amounts.currency), amounts.refunded.minor);
            set(format!("net {}", amounts.currency), amounts.net.minor);
        }
    }
}

/// What it says of days that were reported before. Answers how many figures.
fn correct(told: &mut Told, report: &Report) -> usize {
    let mut corrections = 0;
    for restated in &report.restated {
        let mut change = |name: String, before: i64, after: i64| {
            corrections += 1;
            let known = told.entry((restated.day, name.clone())).or_default();
            assert_eq!(*known, before, "{name} of {} in the report of {}: what it was", restated.day, report.to);
            assert_ne!(before, after, "{name} of {}: no correction", restated.day);
            *known = after;
        };
        if let Some(orders) = &restated.orders {
            change("orders".to_owned(), orders.before, orders.after);
        }
        if let Some(cancelled) = &restated.cancelled {
            change("cancelled".to_owned(), cancelled.before, cancelled.after);
        }
        for (name, changes) in [("gross", &restated.gross), ("refunded", &restated.refunded), ("net", &restated.net)] {
            for money in changes {
                change(format!("{name} {}", money.before.currency), money.before.minor, money.after.minor);
            }
        }
    }
    corrections
}

#[tokio::test]
async fn every_figure_of_a_month_is_that_of_an_independent_count_and_nothing_changes_silently() {
    let (orders, seed) = (number("ORDERBELL_MONTH_ORDERS", 40_000), number("ORDERBELL_MONTH_SEED", 20_251_001));
    let begin = Instant::now();
    let arrivals = arrivals(seed, orders);
    println!("seed {seed}: {} webhooks of {orders} orders, drawn in {:.1?}", arrivals.len(), begin.elapsed());

    let (mut house, mut count, mut judge) = (House::new(), Count::default(), Judge::default());
    let mut told: BTreeMap<&str, Told> = BTreeMap::new();
    let (mut made, mut corrections, mut rest) = (0, 0, arrivals.as_slice());
    let [mut receiving, mut counting, mut looking] = [std::time::Duration::ZERO; 3];
    for hour in 0..(DAYS + AFTERMATH) * 24 {
        let now = BEGIN + hour * HOUR + 6 * MINUTE;
        let come = rest.partition_point(|arrival| arrival.at < now);
        let (batch, later) = rest.split_at(come);
        rest = later;
        let begin = Instant::now();
        house.receive(batch).await;
        receiving += begin.elapsed();
        let begin = Instant::now();
        batch.iter().for_each(|arrival| count.hear(arrival));
        counting += begin.elapsed();
        let begin = Instant::now();
        let new = house.look(now).await;
        looking += begin.elapsed();
        for report in new {
            let begin = Instant::now();
            let (name, about) = reports().into_iter().find(|(name, _)| *name == report.name).expect("configured");
            let about = About { from: day_of(report.from), to: day_of(report.to), ..about };
            judge.compare(&report, &count, &about, now, "when it is made");
            let told = told.entry(name).or_default();
            tell(told, &report);
            corrections += correct(told, &report);
            made += 1;
            counting += begin.elapsed();
        }
    }
    assert!(rest.is_empty(), "{} webhooks have not come", rest.len());
    println!("received in {receiving:.1?}, {made} reports made in {looking:.1?}, counted in {counting:.1?}");
    let (firsts, begin) = (judge.differences.len(), Instant::now());
    let now = BEGIN + (DAYS + AFTERMATH) * DAY;
    house.now.store(now, Ordering::Release);
    for (name, about) in reports() {
        for day in about.place.day(BEGIN)..=about.place.day(BEGIN + DAYS * DAY) {
            let about = About { from: day, to: day, ..about.clone() };
            let report = house.report(name, &about).await;
            judge.compare(&report, &count, &about, now, "in the end");
            // What was said at first and corrected since is what stands in the end.
            let known = told.get(name).expect("it was made");
            let stands = &mut Told::new();
            tell(stands, &report);
            let said: Told = known.range((civil(day), String::new())..(civil(day + 1), String::new())).map(|(key, value)| (key.clone(), *value)).collect();
            if said.is_empty() {
                // Before the first report began.
                assert_eq!(day, about.place.day(BEGIN), "{name} has none of {}", date(day));
                continue;
            }
            for key in said.keys().chain(stands.keys()) {
                let (said, is) = (said.get(key).copied().unwrap_or_default(), stands.get(key).copied().unwrap_or_default());
                if said != is {
                    judge.differences.push(format!("{name}: of {key:?} was told {said}, and it is {is}"));
                }
            }
        }
    }
    for from in [3, 24] {
        let (name, about) = reports()[usize::from(from == 24)].clone();
        let first = about.place.day(BEGIN) + from;
        let about = About { from: first, to: first + 2, ..about };
        let report = house.report(name, &about).await;
        judge.compare(&report, &count, &about, now, "three days");
    }
    println!(
        "{} reports compared, {} figures, {corrections} corrections told; the last in {:.1?}; totals {:?}",
        judge.reports,
        judge.figures,
        begin.elapsed(),
        judge.reasons
    );
    let shown: Vec<&String> = judge.differences.iter().take(60).collect();
    assert!(judge.differences.is_empty(), "{} differences, {firsts} at first: {shown:#?}", judge.differences.len());
}
