//! The rounds of what is compared with a constant: bare poem, a row, bare poem, the next row, and so on.

use std::time::Duration;

use serde::Serialize;

use crate::load::Answers;
use crate::options::Options;
use crate::process::{Core, Role};
use crate::requests::Content;
use crate::rows::Row;
use crate::scene::{Load, Scene, folder};
use crate::table;
use crate::table::Spread;

/// The most that one round prepares; so many orders are 2 GB.
const MOST: usize = 500_000;
/// The seeds of the requests that warm up, and of those that are measured; each round has a new store.
pub const WARM_SEEDS: u64 = 0;
pub const SEEDS: u64 = 1_000_000;

/// One round of one row.
#[derive(Clone, Debug, Serialize)]
pub struct Round {
    pub per_second: f64,
    /// The constant of the same round.
    pub constant: Constant,
    pub ratio: f64,
    /// Microseconds of the server's processor for each.
    pub processor_us: f64,
    /// The same of the constant, by those of this row. Both are equal where the server's core is the limit and has nothing else
    /// to do; this one also means something where it has.
    pub ratio_by_processor: f64,
    /// The share of its core that the server had, and that of the load.
    pub server_busy: f64,
    pub load_busy: f64,
    pub answers: Answers,
}

/// One round of bare poem.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Constant {
    pub per_second: f64,
    pub processor_us: f64,
    /// Where the load is as busy as this, it is the load that is measured.
    pub server_busy: f64,
    pub load_busy: f64,
}

/// What a row came to at so many connections.
#[derive(Debug, Serialize)]
pub struct Measured {
    pub row: &'static str,
    pub connections: usize,
    pub rounds: Vec<Round>,
}

/// Measures these rows at these numbers of connections.
pub fn measure(options: &Options, rows: &[Row], at_once: Option<u32>) -> Vec<Measured> {
    let choice = options.connections.iter().flat_map(|&connections| rows.iter().map(move |&row| (row, connections)));
    let mut measured: Vec<(Row, Measured)> =
        choice.map(|(row, connections)| (row, Measured { row: row.name(), connections, rounds: Vec::new() })).collect();
    for round in 1..=options.rounds {
        for (row, measured) in &mut measured {
            let constant = constant(options, row.content(), measured.connections);
            let one = one_round(options, *row, measured.connections, at_once, constant);
            let Measured { row, connections, rounds } = measured;
            let (rate, ratio) = (one.per_second, one.ratio);
            eprintln!("round {round}, {row}, {connections}: {rate:.0} a second, {ratio:.3}");
            rounds.push(one);
        }
    }
    let measured: Vec<Measured> = measured.into_iter().map(|(_, measured)| measured).collect();
    if !measured.is_empty() {
        print(&measured);
    }
    measured
}

fn print(measured: &[Measured]) {
    let head = [
        "row",
        "connections",
        "a second",
        "ratio",
        "answer p50 ms",
        "p99 ms",
        "most ms",
        "µs of processor",
        "ratio by processor",
        "server busy",
        "load busy",
        "constant",
        "server busy",
        "load busy",
    ];
    let rows = measured.iter().map(|Measured { row, connections, rounds }| {
        let of = |of: fn(&Round) -> f64| Spread::of(rounds, of);
        vec![
            (*row).to_owned(),
            connections.to_string(),
            of(|round| round.per_second).whole(),
            of(|round| round.ratio).ratio(),
            of(|round| round.answers.p50_ms).hundredths(),
            of(|round| round.answers.p99_ms).hundredths(),
            of(|round| round.answers.max_ms).tenths(),
            of(|round| round.processor_us).tenths(),
            of(|round| round.ratio_by_processor).ratio(),
            of(|round| round.server_busy).percent(),
            of(|round| round.load_busy).percent(),
            of(|round| round.constant.per_second).whole(),
            of(|round| round.constant.server_busy).percent(),
            of(|round| round.constant.load_busy).percent(),
        ]
    });
    table::print(&head, &rows.collect::<Vec<_>>());
}

/// How many tell how many to send.
fn warm_up(row: Row) -> usize {
    if row.delivers() { 1000 } else { 4000 }
}

fn constant(options: &Options, content: Content, connections: usize) -> Constant {
    let folder = folder();
    let mut server = Role::start(Core::Server, "server-constant", folder.path());
    let mut load = Load::start(folder.path(), &[server.address()], content, connections).repeating();
    let warm = load.send(WARM_SEEDS, 20_000);
    let count = fitting(warm.count as f64 / warm.seconds, options.time);
    let before = server.running.processor();
    let answers = load.send(SEEDS, count);
    let used = server.running.processor() - before;
    Constant {
        per_second: answers.count as f64 / answers.seconds,
        processor_us: used * 1e6 / answers.count as f64,
        server_busy: used / answers.seconds,
        load_busy: answers.processor / answers.seconds,
    }
}

/// How many take about so long.
pub fn fitting(per_second: f64, time: Duration) -> usize {
    ((per_second * time.as_secs_f64()) as usize).clamp(100, MOST)
}

fn one_round(options: &Options, row: Row, connections: usize, at_once: Option<u32>, constant: Constant) -> Round {
    let mut scene = Scene::set(options, row, connections, at_once);
    let warm = scene.run(WARM_SEEDS, warm_up(row), 0);
    let count = fitting(warm_up(row) as f64 / warm.0, options.time);
    let processor = scene.processor();
    let (seconds, answers) = scene.run(SEEDS, count, warm_up(row));
    let used = scene.processor() - processor;
    let (per_second, processor_us) = (count as f64 / seconds, used * 1e6 / count as f64);
    Round {
        per_second,
        constant,
        ratio: per_second / constant.per_second,
        processor_us,
        ratio_by_processor: constant.processor_us / processor_us,
        server_busy: used / seconds,
        load_busy: answers.processor / seconds,
        answers,
    }
}
