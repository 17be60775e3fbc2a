//! The daemon is killed at any moment of a report, drawn from a seed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::report_crash::{EACH, House, Yesterday, everyone};
use crate::support::TOO_LONG;

/// A small generator of moments, so that a failure can be repeated.
fn draw(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// How far a report had come, by what stands on disk.
fn stage(house: &House) -> &'static str {
    let delivered = "SELECT count(*) FROM deliveries WHERE state = 'delivered'";
    match (house.reports(), house.attempts(), house.number(delivered)) {
        (0, ..) => "before the commit",
        (_, 0, _) => "committed",
        (.., 4) => "delivered",
        _ => "on its way",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_the_daemon_sends_one_report_never_two_never_none() {
    let rounds: u32 = std::env::var("ORDERBELL_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let seed = Timestamp::now().as_millisecond().unsigned_abs() | 1;
    println!("{rounds} rounds, seed {seed}");
    let mut chance = seed;
    let yesterday = Yesterday::new().await;
    let text = everyone(&yesterday).await;
    // How long it takes when nobody kills it, and nothing else holds it up.
    let mut whole = TOO_LONG;
    for _ in 0..3 {
        let (house, begin) = (yesterday.house(&text), Instant::now());
        let daemon = house.start();
        house.until_delivered(4).await;
        whole = whole.min(begin.elapsed());
        daemon.sigkill();
    }

    let (mut stages, mut repeats) = (BTreeMap::<&str, usize>::new(), 0);
    for _ in 0..rounds {
        yesterday.scene.sandbox.clear();
        let house = yesterday.house(&text);
        for _ in 0..2 {
            let daemon = house.start();
            // Rather early than late.
            let within = u64::try_from(whole.as_micros()).expect("a short time");
            let moment = draw(&mut chance) % within;
            tokio::time::sleep(Duration::from_micros(moment * moment / within)).await;
            daemon.sigkill();
            *stages.entry(stage(&house)).or_default() += 1;
        }
        let daemon = house.start();
        house.until_delivered(4).await;
        daemon.sigkill();
        house.assert_one_report(&["erp", "kitchen", "office", "owner"]);
        for (channel, receiver, messages) in EACH {
            let came = house.assert_received_once(channel, receiver, messages);
            repeats += came.len() - messages;
        }
        house.assert_figures(&yesterday.scene.came_to("erp")[0]);
    }
    println!("unkilled {whole:?}; killed {stages:?}; {repeats} messages came again");
    assert!(stages.keys().any(|stage| *stage != "delivered"), "it was never killed in time");
}
