//! Three instances on one PostgreSQL under load, killed, frozen, and the database restarted, at moments of a seed: what they
//! acknowledge arrives, twice only where the answer was lost, in the sequence of its order, within each robot's limit, and a
//! report comes once.
//!
//! `ORDERBELL_INSTANCES_SECONDS` sets how long; 35 without it. `ORDERBELL_INSTANCES_SEED` sets the seed, which is printed.

mod house;
mod judge;
mod load;
mod mishaps;

use std::time::Duration;

use jiff::Timestamp;

use crate::together::house::House;
use crate::together::judge::judge;
use crate::together::load::Load;
use crate::together::mishaps::Mishaps;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_instances_lose_nothing_and_repeat_nothing_whatever_befalls_them() {
    let seconds = number("ORDERBELL_INSTANCES_SECONDS").unwrap_or(35);
    let seed = number("ORDERBELL_INSTANCES_SEED").unwrap_or(Timestamp::now().as_millisecond().unsigned_abs()) | 1;
    println!("{seconds} s, seed {seed}");
    let Some(mut house) = House::start().await else { return };
    let load = Load::start(&house);
    let mishaps = Mishaps::befall(&mut house, seed, Duration::from_secs(seconds)).await;
    let acknowledged = load.stop().await;
    house.until_everything_is_done().await;
    judge(&house, &acknowledged, &mishaps).await;
    house.one_ends_and_leaves_its_leases_at_once().await;
}
