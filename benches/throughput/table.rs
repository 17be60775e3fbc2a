//! The table on the terminal, and the same as JSON.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::process;
use crate::rounds::{Measured, Round};

/// Median, least and most.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

fn spread(rounds: &[&Round], of: impl Fn(&Round) -> f64) -> Spread {
    let mut values: Vec<f64> = rounds.iter().map(|round| of(round)).collect();
    values.sort_by(f64::total_cmp);
    Spread { median: values[values.len() / 2], least: values[0], most: values[values.len() - 1] }
}

/// The machine, in a line.
pub fn machine() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    format!("{}; {}", model.unwrap_or("a processor without a name"), process::placement())
}

const HEAD: &str = "row                conn       /s    ratio (least–most)      p50 ms   p99 ms   max ms  µs each  server  load   constant/s";

pub fn line(row: &str, connections: usize, rounds: &[&Round]) -> String {
    let (rate, ratio) = (spread(rounds, |round| round.per_second), spread(rounds, |round| round.ratio));
    let median = |of: fn(&Round) -> f64| spread(rounds, of).median;
    format!(
        "{row:<18} {connections:>4} {:>8.0}    {:.3} ({:.3}–{:.3})  {:>8.2} {:>8.2} {:>8.2} {:>8.1}   {:>4.0}% {:>4.0}% {:>10.0}",
        rate.median,
        ratio.median,
        ratio.least,
        ratio.most,
        median(|round| round.answers.p50_ms),
        median(|round| round.answers.p99_ms),
        median(|round| round.answers.max_ms),
        median(|round| round.processor_us),
        median(|round| round.server_busy) * 100.0,
        median(|round| round.load_busy) * 100.0,
        median(|round| round.constant_per_second),
    )
}

pub fn print(measured: &[Measured]) {
    println!("\n{HEAD}");
    for Measured { row, connections, rounds } in measured {
        println!("{}", line(row, *connections, &rounds.iter().collect::<Vec<_>>()));
    }
}

pub fn write(file: &Path, document: &Value) {
    let text = serde_json::to_string_pretty(document).expect("JSON");
    fs::write(file, text + "\n").expect("the file can be written");
}
