//! The tests: many seeds, one seed, and the same seed twice.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::simulation::week;
use crate::simulation::week::Outcome;

/// How many seeds a test run tries.
const SEEDS: u64 = 12;
/// How many steps of a week are shown when a promise was broken in it; of a single one, more.
const STEPS_SHOWN: usize = 80;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

/// One week of a seed, by itself.
fn live(seed: u64) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let lived = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(week::live(seed))));
    lived
        .unwrap_or_else(|_| Outcome::broken(seed, "the daemon or the test met an internal error; see above".to_owned()))
}

/// Lives through the weeks of these seeds, as many at once as there are cores.
fn live_all(seeds: std::ops::Range<u64>) -> Vec<Outcome> {
    let next = AtomicU64::new(seeds.start);
    let outcomes = Mutex::new(Vec::new());
    let cores = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| seeds.contains(seed)) {
                    let mut outcome = live(seed);
                    if outcome.broken.is_none() {
                        // A thousand weeks would not fit into the memory of a small machine.
                        outcome.last_steps = Vec::new();
                    }
                    outcomes.lock().expect("no panic elsewhere").push(outcome);
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().expect("no panic elsewhere");
    outcomes.sort_by_key(|outcome| outcome.seed);
    outcomes
}

#[test]
fn a_week_of_mishaps_breaks_no_promise() {
    let seeds = match number("ORDERBELL_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..number("ORDERBELL_SIMULATION_SEEDS").unwrap_or(SEEDS) + 1,
    };
    let is_one = seeds.end - seeds.start == 1;
    let outcomes = live_all(seeds);
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (what, count) in outcomes.iter().flat_map(|outcome| &outcome.counts) {
        *counts.entry(what).or_default() += count;
    }
    println!("{} weeks: {counts:#?}", outcomes.len());
    let broken: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.broken.is_some()).collect();
    for outcome in broken.iter().take(3) {
        let shown = outcome.last_steps.len().saturating_sub(if is_one { usize::MAX } else { STEPS_SHOWN });
        println!("seed {}, the last steps:\n{}", outcome.seed, outcome.last_steps[shown..].join("\n"));
    }
    for outcome in &broken {
        println!("seed {}: {}", outcome.seed, outcome.broken.as_deref().unwrap_or_default());
    }
    let seeds: Vec<u64> = broken.iter().map(|outcome| outcome.seed).collect();
    assert!(broken.is_empty(), "ORDERBELL_SIMULATION_SEED=n with one of {seeds:?} shows it by itself");
    if !is_one {
        let never: Vec<&&str> = week::BEFALLS.iter().filter(|what| !counts.contains_key(**what)).collect();
        assert!(never.is_empty(), "these befell nobody, so nothing is proved of them: {never:?}");
    }
}

#[test]
fn the_same_seed_is_the_same_week() {
    for seed in [1, 2] {
        let (one, other) = (live(seed), live(seed));
        let steps = |outcome: &Outcome| outcome.last_steps.join("\n");
        assert_eq!(one.fingerprint, other.fingerprint, "{}\n---\n{}", steps(&one), steps(&other));
        assert_eq!(one.counts, other.counts);
    }
}
