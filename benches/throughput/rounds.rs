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

/// The most that one round prepares; so many orders are 2 GB.
const MOST: usize = 500_000;
/// The seeds of the requests that warm up, and of those that are measured; each round has a new store.
pub const WARM_SEEDS: u64 = 0;
pub const SEEDS: u64 = 1_000_000;

/// One round of one row.
#[derive(Clone, Debug, Serialize)]
pub struct Round {
    pub per_second: f64,
    /// The constant's of the same round.
    pub constant_per_second: f64,
    pub ratio: f64,
    /// Microseconds of the server's processor for each.
    pub processor_us: f64,
    /// The share of its core that the server had, and that of the load.
    pub server_busy: f64,
    pub load_busy: f64,
    pub answers: Answers,
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
            eprintln!("round {round}: {}", table::line(measured.row, measured.connections, &[&one]));
            measured.rounds.push(one);
        }
    }
    measured.into_iter().map(|(_, measured)| measured).collect()
}

/// How many tell how many to send.
fn warm_up(row: Row) -> usize {
    match row {
        Row::ThinDelivered | Row::OrderDelivered => 1000,
        _ => 4000,
    }
}

/// How many requests a second bare poem answers with a constant.
fn constant(options: &Options, content: Content, connections: usize) -> f64 {
    let folder = folder();
    let mut server = Role::start(Core::Server, "server-constant", folder.path());
    let mut load = Load::start(folder.path(), server.address(), content, connections, true);
    let warm = load.send(WARM_SEEDS, 20_000);
    let answers = load.send(SEEDS, fitting(warm.count as f64 / warm.seconds, options.time));
    answers.count as f64 / answers.seconds
}

/// How many take about so long.
pub fn fitting(per_second: f64, time: Duration) -> usize {
    ((per_second * time.as_secs_f64()) as usize).clamp(100, MOST)
}

fn one_round(options: &Options, row: Row, connections: usize, at_once: Option<u32>, constant: f64) -> Round {
    let mut scene = Scene::set(options, row, connections, at_once);
    let warm = scene.run(WARM_SEEDS, warm_up(row), 0);
    let count = fitting(warm_up(row) as f64 / warm.0, options.time);
    let processor = scene.server().processor();
    let (seconds, answers) = scene.run(SEEDS, count, warm_up(row));
    let used = scene.server().processor() - processor;
    let per_second = count as f64 / seconds;
    Round {
        per_second,
        constant_per_second: constant,
        ratio: per_second / constant,
        processor_us: used * 1e6 / count as f64,
        server_busy: used / seconds,
        load_busy: answers.processor / seconds,
        answers,
    }
}
