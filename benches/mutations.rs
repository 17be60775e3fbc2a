//! A long run of seeded changes to genuine requests against each parser that faces strangers: what became of them, and what
//! the dearest byte cost. It ends at the first request of which something holds that must not, with its seed.
//!
//! `cargo bench --bench mutations [-- SECONDS [FIRST-SEED]]`: so long for each parser, 10 s by default.

#[path = "../tests/support/mutations.rs"]
mod mutations;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::mutations::{Fixture, TARGETS, Target};

fn main() -> ExitCode {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let (seconds, first) = (numbers.next().unwrap_or(10), numbers.next().unwrap_or(1));
    let threads = TARGETS.map(|target| std::thread::spawn(move || run(&target, Duration::from_secs(seconds), first)));
    match threads.into_iter().all(|thread| thread.join().unwrap_or(false)) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Answers whether all of it was well.
fn run(target: &Target, time: Duration, first: u64) -> bool {
    let fixture = Fixture::new();
    let (mut outcomes, mut dearest) = (BTreeMap::<_, u64>::new(), (0.0, 0));
    let begun = Instant::now();
    let mut seed = first;
    while begun.elapsed() < time {
        let started = Instant::now();
        match (target.judge)(&fixture, seed) {
            Ok((bytes, outcome)) => {
                // Small ones cost what being called costs.
                let cost = started.elapsed().as_nanos() as f64 / bytes.max(4096) as f64;
                if cost > dearest.0 {
                    dearest = (cost, seed);
                }
                *outcomes.entry(outcome).or_default() += 1;
            }
            Err(error) => {
                println!("{}: seed {seed}: {error}", target.name);
                return false;
            }
        }
        seed += 1;
    }
    let (cost, at) = dearest;
    println!("{}: {} requests in {time:?}; dearest {cost:.0} ns a byte (seed {at})", target.name, seed - first);
    outcomes.into_iter().for_each(|(outcome, count)| println!("    {outcome:<24} {count}"));
    true
}
