//! What befalls the instances and their database, at moments of a seed.

use std::time::{Duration, Instant};

use crate::together::house::House;

/// Longer than a lease and the look of whoever takes over.
const LONGER_THAN_A_LEASE_MS: u64 = 26_000;
/// Each sort once, before chance decides.
const FIRST: [Mishap; 4] = [Mishap::LongFreeze, Mishap::Kill, Mishap::DatabaseRestart, Mishap::ShortFreeze];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    Kill,
    ShortFreeze,
    LongFreeze,
    DatabaseRestart,
}

/// How often what has happened.
#[derive(Debug, Default)]
pub struct Mishaps {
    pub kills: u32,
    pub short_freezes: u32,
    pub long_freezes: u32,
    pub database_restarts: u32,
}

/// An instance that is away, and how it comes back.
enum Away {
    Killed,
    Frozen,
}

/// A small generator, so that a failure can be repeated.
struct Chance(u64);

impl Chance {
    fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.draw() % (most - least)
    }
}

impl Mishaps {
    /// Lets things happen for so long; at the end all instances run, and so does the database.
    pub async fn befall(house: &mut House, seed: u64, lasts: Duration) -> Self {
        let (mut chance, mut done, begun) = (Chance(seed), Self::default(), Instant::now());
        let mut first = FIRST.into_iter();
        let mut away: Vec<(usize, Instant, Away)> = Vec::new();
        let mut next_at = begun + Duration::from_secs(3);
        while begun.elapsed() < lasts {
            tokio::time::sleep(Duration::from_millis(50)).await;
            bring_back(house, &mut away, Instant::now());
            house.instances.iter_mut().for_each(|instance| instance.must_run());
            if Instant::now() < next_at {
                continue;
            }
            next_at = Instant::now() + Duration::from_millis(chance.between(2_000, 7_000));
            let mishap = first.next().unwrap_or(match chance.draw() % 6 {
                0 | 1 => Mishap::Kill,
                2 | 3 => Mishap::ShortFreeze,
                4 => Mishap::LongFreeze,
                _ => Mishap::DatabaseRestart,
            });
            let running: Vec<usize> =
                (0..house.instances.len()).filter(|number| away.iter().all(|(other, ..)| other != number)).collect();
            // One of them is left.
            if mishap != Mishap::DatabaseRestart && running.len() < 2 {
                continue;
            }
            let chosen = running[usize::try_from(chance.draw() % running.len() as u64).expect("few")];
            let milliseconds = match mishap {
                Mishap::Kill => chance.between(200, 8_000),
                Mishap::ShortFreeze => chance.between(500, 8_000),
                Mishap::LongFreeze => LONGER_THAN_A_LEASE_MS,
                Mishap::DatabaseRestart => chance.between(100, 2_000),
            };
            let back_at = Instant::now() + Duration::from_millis(milliseconds);
            match mishap {
                Mishap::Kill => {
                    house.instances[chosen].kill();
                    away.push((chosen, back_at, Away::Killed));
                    done.kills += 1;
                }
                Mishap::ShortFreeze | Mishap::LongFreeze => {
                    house.instances[chosen].freeze();
                    away.push((chosen, back_at, Away::Frozen));
                    done.short_freezes += u32::from(mishap == Mishap::ShortFreeze);
                    done.long_freezes += u32::from(mishap == Mishap::LongFreeze);
                }
                Mishap::DatabaseRestart => {
                    let cluster = house.database.cluster;
                    let restarting = tokio::task::spawn_blocking(move || {
                        cluster.stop();
                        std::thread::sleep(Duration::from_millis(milliseconds));
                        cluster.start_again();
                    });
                    restarting.await.expect("it starts again");
                    done.database_restarts += 1;
                }
            }
        }
        bring_back(house, &mut away, Instant::now() + Duration::from_secs(3_600));
        done
    }
}

fn bring_back(house: &mut House, away: &mut Vec<(usize, Instant, Away)>, now: Instant) {
    away.retain(|(number, back_at, how)| {
        let is_time = *back_at <= now;
        if is_time {
            match how {
                Away::Killed => house.instances[*number].start(),
                Away::Frozen => house.instances[*number].thaw(),
            }
        }
        !is_time
    });
}
