//! What a daily report costs: time, memory and query plans, side by side in one run, with ten thousand, a hundred thousand and
//! a million orders in the store and days of the same size, and with days of 250, 1 000 and 10 000 orders in stores of the same
//! size. The first must be even, the second may grow with the day.
//!
//! `cargo bench --bench report [-- ROUNDS]`; the stores are made anew, which takes some minutes and 3 GB below `TMPDIR`.
//!
//! Each report is made by a process of its own, so that its memory is that of one report: from reading the store to the
//! figures and the table of orders.
//!
//! Two cores, medians of 7 rounds. The days before the last have 250 orders each.
//!
//! | orders before | that day | time | memory |
//! |---|---|---|---|
//! | 10 000 | 250 | 5.2 ms | 9.1 MiB |
//! | 100 000 | 250 | 5.4 ms | 9.2 MiB |
//! | 1 000 000 | 250 | 5.3 ms | 9.2 MiB |
//! | 100 000 | 1 000 | 9.3 ms | 16.1 MiB |
//! | 100 000 | 10 000 | 65.0 ms | 34.3 MiB |
//!
//! So a hundred times the history is 1.02 times the time, and ten times the day 7 times. When it is due, made and committed in
//! the store of a million orders, it takes 8 ms.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use orderbell::config::context::LoadContext;
use orderbell::domain::coded::Coded;
use orderbell::domain::event::{DeliveryId, Event, EventId, Kind, SignatureCheck};
use orderbell::domain::figures;
use orderbell::domain::figures::csv;
use orderbell::domain::figures::facts::Scope;
use orderbell::domain::money::Money;
use orderbell::domain::order::{OrderLine, OrderState, OrderUpdate, RefundUpdate};
use orderbell::domain::payload::{Data, OrderProgress, Payload};
use orderbell::domain::route::Target;
use orderbell::domain::route_decision::RouteDecisions;
use orderbell::domain::shop::Shop;
use orderbell::flow::leadership::Leadership;
use orderbell::flow::notifier::Notifier;
use orderbell::flow::reports::ReportMaker;
use orderbell::flow::{Clock, Current};
use orderbell::store::Store;
use orderbell::store::ingest::{Record, Recorded};
use orderbell::store::reports::Reports;
use orderbell::store::sql::report;
use orderbell::store::sqlite::Sqlite;
use orderbell::{app, config};
use rusqlite::Connection;
use rusqlite::types::Null;
use uuid::Uuid;

/// The daemon's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const DAY_MS: i64 = 86_400_000;
/// The day that is reported: the twentieth of November 2026, UTC.
const LAST: i64 = 20_777 * DAY_MS;
/// The orders of all days but the last.
const USUAL: u64 = 250;
/// Records that are under way at once.
const AT_ONCE: usize = 500;
/// So many times one process makes the same report; the median counts.
const TIMES: usize = 5;

/// A store: how many orders it has before the last day, and how many the last day has.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    before: u64,
    last: u64,
}

const CASES: [Case; 5] = [
    Case { name: "ten-thousand", before: 10_000, last: USUAL },
    Case { name: "hundred-thousand", before: 100_000, last: USUAL },
    Case { name: "million", before: 1_000_000, last: USUAL },
    Case { name: "busy-day", before: 100_000, last: 1000 },
    Case { name: "rush-day", before: 100_000, last: 10_000 },
];

/// What one report came to.
#[derive(Clone, Copy)]
struct Cost {
    reading_ms: f64,
    /// With the figures and the table.
    whole_ms: f64,
    /// What the process had at most, less what it had before; absent where the system does not say.
    memory_kib: Option<f64>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    match arguments.iter().position(|argument| argument == "--measure") {
        Some(at) => runtime.block_on(make(Path::new(&arguments[at + 1]))),
        None => {
            let rounds = arguments.iter().filter_map(|argument| argument.parse().ok()).next().unwrap_or(7);
            runtime.block_on(compare(rounds));
        }
    }
}

async fn compare(rounds: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    for case in CASES {
        let begin = Instant::now();
        fill(folder.path(), case).await;
        let bytes = std::fs::metadata(store(folder.path(), case)).expect("a store").len();
        println!("{:<17} {} MB, made in {:.0?}", case.name, bytes / 1_000_000, begin.elapsed());
    }
    plans(&store(folder.path(), CASES[2]));
    let mut costs: [Vec<Cost>; CASES.len()] = Default::default();
    for _ in 0..rounds {
        for (case, costs) in CASES.iter().zip(&mut costs) {
            costs.push(measured(&store(folder.path(), *case)));
        }
    }
    println!("\nmedians of {rounds} rounds, each case in turn");
    let costs = costs.map(|costs| median_of(&costs));
    for (case, cost) in CASES.iter().zip(&costs) {
        println!(
            "{:>9} orders before, {:>6} that day: read in {:>6.1} ms, made in {:>6.1} ms, {} of memory",
            case.before,
            case.last,
            cost.reading_ms,
            cost.whole_ms,
            cost.memory_kib.map_or("?".to_owned(), |kib| format!("{:>5.1} MiB", kib / 1024.0)),
        );
    }
    let ratio = |one: usize, other: usize| {
        let (one, other) = (costs[one], costs[other]);
        let memory = one.memory_kib.zip(other.memory_kib).map_or("?".to_owned(), |(a, b)| format!("{:.2}", a / b));
        println!("    time {:.2}, memory {memory}", one.whole_ms / other.whole_ms);
        one.whole_ms / other.whole_ms
    };
    println!("ten times the history, the same day:");
    let tenfold = ratio(1, 0);
    println!("a hundred times the history, the same day:");
    let hundredfold = ratio(2, 0);
    println!("four times the day, the same history:");
    ratio(3, 1);
    println!("forty times the day, the same history:");
    ratio(4, 1);
    println!("ten times the day, the same history:");
    ratio(4, 3);
    committed(folder.path()).await;
    assert!(tenfold < 2.0 && hundredfold < 2.0, "a report costs more where the history is longer");
}

fn median_of(costs: &[Cost]) -> Cost {
    let of = |of: &dyn Fn(&Cost) -> f64| median(costs.iter().map(of).collect());
    Cost {
        reading_ms: of(&|cost| cost.reading_ms),
        whole_ms: of(&|cost| cost.whole_ms),
        memory_kib: costs[0].memory_kib.map(|_| of(&|cost| cost.memory_kib.unwrap_or_default())),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn store(folder: &Path, case: Case) -> PathBuf {
    folder.join(format!("{}.db", case.name))
}

/// Makes a store: many days as the receiving side records them, a report of the day before the last, then the last day.
async fn fill(folder: &Path, case: Case) {
    let path = store(folder, case);
    let first = LAST - i64::try_from(case.before / USUAL).expect("some thousand days") * DAY_MS;
    let now = Arc::new(AtomicI64::new(first));
    let hands = now.clone();
    let clock = Clock::new(move || at(hands.load(Ordering::Acquire)));
    let kept: Arc<dyn Store> = Arc::new(Sqlite::open(&path, at(first)).expect("a store"));
    let mut reports = reports(folder, &kept, &clock);
    let mut number = 0;
    for day in (first..LAST).step_by(usize::try_from(DAY_MS).expect("64 bits")) {
        if day == LAST - DAY_MS {
            // It begins with the day for which the next one is due.
            now.store(day + DAY_MS / 2, Ordering::Release);
            reports.look().await;
        }
        record_day(&*kept, day, number, USUAL).await;
        number += USUAL;
    }
    now.store(LAST + DAY_MS / 2, Ordering::Release);
    reports.look().await;
    record_day(&*kept, LAST, number, case.last).await;
    drop(reports);
    kept.close().await;
}

fn reports(folder: &Path, store: &Arc<dyn Store>, clock: &Clock) -> ReportMaker {
    let text = "timezone = \"UTC\"\n[server]\npublic_url = \"https://bell.example.com\"\n\
        [source.shop]\nplatform = \"keeta\"\napp_id = 1\napp_secret = \"s\"\n\
        [channel.owner]\nkind = \"webhook\"\nurl = \"https://erp.example.com/owner\"\n\
        [report.daily]\nat = \"08:57\"\nto = [\"owner\"]\nattach_csv = true\n";
    let (file, languages) = (folder.join("bench.toml"), config::context::languages());
    let context = LoadContext { file: &file, env: &|_| None, languages, secrets: config::context::SecretReading::Read };
    let config = config::read_text(text, &context).expect("a valid configuration").config;
    ReportMaker::new(
        store.clone(),
        Current::new(app::setup::routing(config)),
        Notifier::default(),
        Leadership::alone(),
        clock.clone(),
    )
}

async fn record_day(store: &dyn Store, day: i64, first: u64, orders: u64) {
    let moment = |index: u64| day + DAY_MS * i64::try_from(index).expect("few") / i64::try_from(orders).expect("few");
    let mut records: Vec<Record> = Vec::new();
    for index in 0..orders {
        let (number, at) = (first + index, moment(index));
        records.push(placed(number, at));
        if !index.is_multiple_of(20) {
            records.push(record(number, Kind::OrderAccepted, at + 45_000, OrderUpdate::default()));
        } else {
            records.push(record(number, Kind::OrderCancelled, at + 60_000, OrderUpdate::default()));
        }
        if index.is_multiple_of(25) {
            let refund = RefundUpdate {
                id: format!("r{number}"),
                amount: Some(Money::new(350, "HKD")),
                assumes_currency: false,
                pending: false,
            };
            let update = OrderUpdate { refund: Some(refund), ..OrderUpdate::default() };
            records.push(record(number, Kind::OrderPartialRefund, at + 600_000, update));
        }
    }
    while !records.is_empty() {
        let some = records.drain(..records.len().min(AT_ONCE)).map(|record| store.record(record));
        for recorded in futures_util::future::join_all(some).await {
            assert!(matches!(recorded, Ok(Recorded::New { .. })), "{recorded:?}");
        }
    }
}

fn placed(number: u64, at: i64) -> Record {
    let line = |name: u64, quantity: u64| OrderLine {
        name: format!("Dish {name}"),
        quantity: Some(quantity),
        unit_price: Some(Money::new(1200, "HKD")),
        ..OrderLine::default()
    };
    let update = OrderUpdate {
        state: Some(OrderState::Placed),
        placed_at: Some(self::at(at)),
        total: Some(Money::new(4600 + i64::try_from(number % 900).expect("few"), "HKD")),
        lines: vec![line(number % 40, 1 + number % 3), line(number % 7, 1)],
        ..OrderUpdate::default()
    };
    Record {
        targets: vec![(Target::always("kitchen"), DeliveryId(id(at)))],
        ..record(number, Kind::OrderPlaced, at, update)
    }
}

fn record(number: u64, kind: Kind, at: i64, update: OrderUpdate) -> Record {
    let data = match kind {
        Kind::OrderCancelled => Payload::Progress(OrderProgress {
            by: Some(Coded { code: 20, word: Some("merchant".to_owned()) }),
            reason: Some("sold out".to_owned()),
            ..OrderProgress::default()
        })
        .into(),
        _ => Data::default(),
    };
    let shop = Shop { id: (1 + number % 3).to_string(), name: None };
    Record {
        event: Event {
            id: EventId(id(at)),
            kind,
            source: "shop".to_owned(),
            occurred_at: Some(self::at(at)),
            received_at: self::at(at + 300),
            shop: Some(shop),
            order: Some(OrderUpdate { number: number.to_string(), ..update }),
            data,
            proof: SignatureCheck::Valid("bench".to_owned()),
        },
        body: Vec::new(),
        dedupe_keys: Vec::new(),
        targets: Vec::new(),
        urgent: Vec::new(),
        decisions: RouteDecisions::default(),
    }
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).expect("a time")
}

/// As one made at that moment.
fn id(at: i64) -> Uuid {
    let mut random = [0; 10];
    getrandom::fill(&mut random).expect("chance");
    uuid::Builder::from_unix_timestamp_millis(at.unsigned_abs(), &random).into_uuid()
}

fn scope() -> Scope {
    let day: Date = at(LAST).to_zoned(TimeZone::UTC).date();
    Scope { name: "daily".to_owned(), from: day, to: day, zone: TimeZone::UTC, sources: None, shops: None, late: false }
}

/// Has another process make the report.
fn measured(store: &Path) -> Cost {
    let this = std::env::current_exe().expect("this program");
    let done = Command::new(this).arg("--measure").arg(store).output().expect("it runs");
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{text}{}", String::from_utf8_lossy(&done.stderr));
    let numbers: Vec<f64> = text.split_whitespace().map(|number| number.parse().expect("a number")).collect();
    Cost { reading_ms: numbers[0], whole_ms: numbers[1], memory_kib: numbers.get(2).copied() }
}

/// Makes the report of the last day, and prints what it cost.
async fn make(store: &Path) {
    let reader = Sqlite::open_beside(store).expect("the store opens");
    let before = memory_kib("VmRSS");
    let (mut reading, mut whole) = (Vec::new(), Vec::new());
    let mut most = None;
    for _ in 0..TIMES {
        let begin = Instant::now();
        let facts = reader.report_facts(scope()).await.expect("readable");
        reading.push(milliseconds(begin.elapsed()));
        let report = figures::report(&scope(), &facts, at(LAST + DAY_MS));
        let table = csv::orders(&scope(), &facts);
        whole.push(milliseconds(begin.elapsed()));
        assert!(report.total.orders > 0 && report.days[0].same_weekdays.is_some() && table.len() > 1000);
        // That of the first one: what follows finds memory that was let go.
        most = most.or_else(|| memory_kib("VmHWM"));
    }
    let memory = before.zip(most).map_or(String::new(), |(before, most)| (most - before).to_string());
    println!("{} {} {memory}", median(reading), median(whole));
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// What the system says of this process, where it is a Linux.
fn memory_kib(name: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// How the store goes about each of the report's questions; none goes through a whole table.
fn plans(store: &Path) {
    println!("\nquery plans, with a million orders in the store");
    let connection = Connection::open(store).expect("the store opens");
    for sql in report::STATEMENTS {
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("a statement");
        let nothing = vec![Null; explain.parameter_count()];
        let steps = explain.query_map(rusqlite::params_from_iter(nothing), |row| row.get::<_, String>(3));
        let steps: Vec<String> = steps.expect("a plan").map(|step| step.expect("a step")).collect();
        println!("  {}\n      {}", sql.split_whitespace().collect::<Vec<_>>().join(" "), steps.join("; "));
        assert!(steps.iter().all(|step| !step.starts_with("SCAN")), "{steps:?}");
    }
}

/// The same as the daemon does it when the report is due, with its commit; once in each store.
async fn committed(folder: &Path) {
    println!("due, made and committed:");
    for case in CASES {
        let due = at(LAST + DAY_MS + DAY_MS / 2);
        let kept: Arc<dyn Store> = Arc::new(Sqlite::open(&store(folder, case), due).expect("a store"));
        let mut reports = reports(folder, &kept, &Clock::new(move || due));
        let begin = Instant::now();
        reports.look().await;
        let taken = begin.elapsed();
        let covered = kept.report_past("daily").await.expect("readable").covered;
        assert_eq!(covered, Some(scope().to), "the report was made");
        println!("{:>9} orders before, {:>6} that day: {:>6.1} ms", case.before, case.last, milliseconds(taken));
    }
}
