//! A daemon on a very large store beside one on an empty store, in turn: how soon it answers, its memory, how much it receives.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::daemon::{Daemon, Erp};
use crate::options::Options;
use crate::receiver::Reaction;
use crate::rounds::fitting;
use crate::rows::Row;
use crate::scene::{Load, Receiver, folder};
use crate::seed::{History, Seeded};
use crate::table::Spread;
use crate::{seed, table};

/// What belongs to the start is over by then.
const SETTLED: Duration = Duration::from_secs(3);
const WARM: usize = 2000;
/// Seeds of one start; each has others, because the large store stays.
const SEEDS: u64 = 1_000_000;

/// One start on a store.
#[derive(Clone, Debug, Serialize)]
pub struct Start {
    pub started_in_ms: f64,
    /// Some seconds after the start, and at the most until the end.
    pub resident_mib: f64,
    pub most_mib: f64,
    pub per_second: f64,
    pub p99_ms: f64,
}

#[derive(Debug, Serialize)]
pub struct Large {
    pub row: &'static str,
    pub store: Seeded,
    pub large: Vec<Start>,
    pub empty: Vec<Start>,
}

/// Measures these rows, each beside an empty store.
pub fn measure(options: &Options, rows: &[Row]) -> Vec<Large> {
    let measured: Vec<Large> = rows.iter().map(|row| one_row(options, *row)).collect();
    if !measured.is_empty() {
        print(&measured);
    }
    measured
}

fn one_row(options: &Options, row: Row) -> Large {
    let (history, events) = match row {
        Row::Waiting => (History::Waiting, options.waiting),
        _ => (History::Old, options.old),
    };
    let own = folder();
    let place: PathBuf = match &options.stores {
        Some(stores) => stores.join(format!("{}-{events}", row.name())),
        None => own.path().join(row.name()),
    };
    let store = seed::ensure(&place, history, events);
    // The first start parks the channel, and does what an update of the store may need.
    one_start(options, row, &place, 0);
    let mut measured = Large { row: row.name(), store, large: Vec::new(), empty: Vec::new() };
    for round in 1..=options.rounds as u64 {
        let empty = folder();
        one_start(options, row, empty.path(), 0);
        measured.empty.push(one_start(options, row, empty.path(), 1));
        measured.large.push(one_start(options, row, &place, round + first_unused()));
    }
    measured
}

/// A store that is kept has webhooks of earlier runs, whose seeds must not come again.
fn first_unused() -> u64 {
    let hours = jiff::Timestamp::now().as_second() / 60 % 1_000_000;
    1000 + hours.unsigned_abs() * 100
}

fn one_start(options: &Options, row: Row, place: &Path, number: u64) -> Start {
    let receiver = (row == Row::Waiting).then(|| Receiver::start(place, Reaction::Refuse));
    let channels = receiver.iter().map(|receiver| Erp { name: "erp", receiver: receiver.address, at_once: None });
    let daemon = Daemon::start(&options.daemon, place, &channels.collect::<Vec<_>>());
    std::thread::sleep(SETTLED);
    let resident_mib = daemon.running.memory_mib("VmRSS");
    let mut load = Load::start(place, &[daemon.address], row.content(), options.connections[0]);
    let first = number * SEEDS;
    let warm = load.send(first, WARM);
    let answers = load.send(first + WARM as u64, fitting(warm.count as f64 / warm.seconds, options.time));
    Start {
        started_in_ms: daemon.started_in.as_secs_f64() * 1e3,
        resident_mib,
        most_mib: daemon.running.memory_mib("VmHWM"),
        per_second: answers.count as f64 / answers.seconds,
        p99_ms: answers.p99_ms,
    }
}

fn print(measured: &[Large]) {
    let head = ["store", "first answer ms", "resident MiB", "most MiB", "a second", "p99 ms", "ratio to empty"];
    let row = |name: String, starts: &[Start], ratio: String| {
        vec![
            name,
            Spread::of(starts, |start| start.started_in_ms).whole(),
            Spread::of(starts, |start| start.resident_mib).tenths(),
            Spread::of(starts, |start| start.most_mib).tenths(),
            Spread::of(starts, |start| start.per_second).whole(),
            Spread::of(starts, |start| start.p99_ms).tenths(),
            ratio,
        ]
    };
    let rows = measured.iter().flat_map(|Large { row: name, store, large, empty }| {
        let pairs: Vec<(&Start, &Start)> = large.iter().zip(empty).collect();
        let ratio = Spread::of(&pairs, |(large, empty)| large.per_second / empty.per_second).ratio();
        let full = format!("{name}: {} events, {} MB", store.events, store.bytes / 1_000_000);
        [row(full, large, ratio), row("empty".to_owned(), empty, String::new())]
    });
    table::print(&head, &rows.collect::<Vec<_>>());
}
