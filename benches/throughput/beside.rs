//! What the daemon receives while it, or another program, has more to do with the store; in turn with the same daemon while
//! there is nothing else.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rusqlite::Connection;
use serde::Serialize;

use crate::daemon::Daemon;
use crate::in_process::STORE;
use crate::options::Options;
use crate::process::{Core, Role};
use crate::rounds::fitting;
use crate::rows::Row;
use crate::scene::{Load, folder};
use crate::seed::{History, Seeded};
use crate::table::Spread;
use crate::{seed, table};

const WARM: usize = 2000;
/// Seeds of one part of a round.
const SEEDS: u64 = 1_000_000;
/// Between two checkpoints.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(100);

/// One round: without and with.
#[derive(Clone, Debug, Serialize)]
pub struct Pair {
    pub alone_per_second: f64,
    pub beside_per_second: f64,
    pub alone_p99_ms: f64,
    pub beside_p99_ms: f64,
    /// How much was done besides: checkpoints, events removed, reports, copies; and in how many seconds.
    pub done: u64,
    pub seconds: f64,
}

#[derive(Debug, Serialize)]
pub struct Beside {
    pub row: &'static str,
    pub store: Seeded,
    pub rounds: Vec<Pair>,
}

/// Measures these rows, each on a copy of the same store: what one removes another has.
pub fn measure(options: &Options, rows: &[Row]) -> Vec<Beside> {
    if rows.is_empty() {
        return Vec::new();
    }
    let own = folder();
    let place = match &options.stores {
        Some(stores) => stores.join(format!("beside-{}", options.beside)),
        None => own.path().join("seeded"),
    };
    let store = seed::ensure(&place, History::Old, options.beside);
    let measured: Vec<Beside> = rows.iter().map(|row| one_row(options, *row, &place, &store)).collect();
    print(&measured);
    measured
}

fn one_row(options: &Options, row: Row, place: &Path, store: &Seeded) -> Beside {
    let copy = folder();
    fs::copy(place.join(STORE), copy.path().join(STORE)).expect("the disk has room");
    let mut busy = Busy::start(options, row, copy.path());
    let mut load = Load::start(copy.path(), &[busy.address()], row.content(), options.connections[0]);
    let warm = load.send(0, WARM);
    let count = fitting(warm.count as f64 / warm.seconds, options.time);
    let rounds = (0..options.rounds as u64).map(|round| {
        let first = (round + 1) * 2 * SEEDS;
        let alone = load.send(first, count);
        load.prepare(first + SEEDS, count);
        let (beside, (done, seconds)) = busy.during(|| load.go());
        Pair {
            alone_per_second: alone.count as f64 / alone.seconds,
            beside_per_second: beside.count as f64 / beside.seconds,
            alone_p99_ms: alone.p99_ms,
            beside_p99_ms: beside.p99_ms,
            done,
            seconds,
        }
    });
    Beside { row: row.name(), store: store.clone(), rounds: rounds.collect() }
}

/// The daemon, and whatever else is done.
enum Busy {
    /// In the daemon.
    Within(Box<Role>, std::net::SocketAddr),
    /// By this process, or a command that it starts, on the store in this folder.
    Without(Daemon, Row, std::path::PathBuf),
}

impl Busy {
    fn start(options: &Options, row: Row, place: &Path) -> Self {
        let within = |name| {
            let mut role = Role::start(Core::Server, name, place);
            let address = role.address();
            Self::Within(Box::new(role), address)
        };
        match row {
            Row::Sweep => within("daemon-sweeping"),
            Row::Report => within("daemon-reporting"),
            _ => Self::Without(Daemon::start(&options.daemon, place, &[]), row, place.to_owned()),
        }
    }

    fn address(&self) -> std::net::SocketAddr {
        match self {
            Self::Within(_, address) => *address,
            Self::Without(daemon, ..) => daemon.address,
        }
    }

    /// Does it as long as the other thing lasts: how much was done, and in how many seconds.
    fn during<T>(&mut self, other: impl FnOnce() -> T) -> (T, (u64, f64)) {
        match self {
            Self::Within(role, _) => {
                role.write("begin");
                let result = other();
                role.write("end");
                let line = role.read();
                let (done, seconds) = line.split_once(' ').expect("two numbers");
                (result, (done.parse().expect("a number"), seconds.parse().expect("a number")))
            }
            Self::Without(daemon, row, place) => {
                let (begin, over, done) = (Instant::now(), AtomicBool::new(false), AtomicU64::new(0));
                let result = thread::scope(|scope| {
                    scope.spawn(|| {
                        while !over.load(Ordering::Acquire) {
                            one(daemon, *row, place);
                            done.fetch_add(1, Ordering::AcqRel);
                        }
                    });
                    let result = other();
                    over.store(true, Ordering::Release);
                    result
                });
                (result, (done.into_inner(), begin.elapsed().as_secs_f64()))
            }
        }
    }
}

fn one(daemon: &Daemon, row: Row, place: &Path) {
    if row == Row::Backup {
        let to = place.join("copy.db");
        daemon.back_up(&to);
        fs::remove_file(to).expect("the copy is there");
    } else {
        let store = Connection::open(place.join(STORE)).expect("the store opens");
        store.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).expect("the store works");
        thread::sleep(CHECKPOINT_EVERY);
    }
}

fn print(measured: &[Beside]) {
    let head = ["beside", "a second", "alone", "ratio", "p99 ms", "alone", "done a second"];
    let rows = measured.iter().map(|Beside { row, rounds, .. }| {
        vec![
            (*row).to_owned(),
            Spread::of(rounds, |pair| pair.beside_per_second).whole(),
            Spread::of(rounds, |pair| pair.alone_per_second).whole(),
            Spread::of(rounds, |pair| pair.beside_per_second / pair.alone_per_second).ratio(),
            Spread::of(rounds, |pair| pair.beside_p99_ms).tenths(),
            Spread::of(rounds, |pair| pair.alone_p99_ms).tenths(),
            Spread::of(rounds, |pair| pair.done as f64 / pair.seconds).tenths(),
        ]
    });
    table::print(&head, &rows.collect::<Vec<_>>());
}
