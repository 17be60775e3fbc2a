//! From a webhook to the receiver of its WebHook while the daemon has little to do: fifty orders a second.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::options::Options;
use crate::requests::FIRST_ORDER;
use crate::rounds::{SEEDS, WARM_SEEDS};
use crate::rows::Row;
use crate::scene::Scene;
use crate::table::Spread;

const PER_SECOND: f64 = 50.0;
const CONNECTIONS: usize = 4;
const WARM: usize = 200;
/// A round is so many times as long as the others, for there are few orders in it.
const TIMES: f64 = 4.0;

/// What the rounds came to together.
#[derive(Debug, Serialize)]
pub struct Steady {
    pub orders: usize,
    /// From the first byte of the webhook to the last of the WebHook.
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    /// Of the answer to the webhook, the median of the rounds.
    pub answer_p50_ms: f64,
    pub answer_p99_ms: f64,
    /// Milliseconds of the daemon's processor for each.
    pub processor_ms: f64,
}

pub fn measure(options: &Options, at_once: Option<u32>) -> Steady {
    let (mut times, mut answers, mut processor) = (Vec::new(), Vec::new(), 0.0);
    for _ in 0..options.rounds {
        let mut scene = Scene::set(options, Row::Steady, CONNECTIONS, at_once);
        scene.run(WARM_SEEDS, WARM, 0);
        scene.load.pace(Some(PER_SECOND));
        let count = (PER_SECOND * options.time.as_secs_f64() * TIMES) as usize;
        let before = scene.processor();
        let (_, sent) = scene.run(SEEDS, count, WARM);
        processor += scene.processor() - before;
        let arrivals: BTreeMap<u64, i64> = scene.receiver.as_ref().expect("it notes").arrivals().into_iter().collect();
        times.extend(sent.sent.iter().map(|(seed, at)| (arrivals[&(FIRST_ORDER + seed)] - at) as f64 / 1e3));
        answers.push(sent);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let steady = Steady {
        orders: times.len(),
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        max_ms: at(1.0),
        answer_p50_ms: Spread::of(&answers, |answers| answers.p50_ms).median,
        answer_p99_ms: Spread::of(&answers, |answers| answers.p99_ms).median,
        processor_ms: processor * 1e3 / times.len() as f64,
    };
    println!(
        "\n{} orders, {PER_SECOND} a second: webhook to receiver p50 {:.2} ms, p99 {:.2} ms, at most {:.2} ms; \
         answer p50 {:.2} ms, p99 {:.2} ms; {:.2} ms of processor for each",
        steady.orders,
        steady.p50_ms,
        steady.p99_ms,
        steady.max_ms,
        steady.answer_p50_ms,
        steady.answer_p99_ms,
        steady.processor_ms,
    );
    steady
}
