//! Large stores, made as the daemon makes them: each webhook is verified, parsed and recorded as if it came on its day. The same
//! size makes the same store but for its ids.

use std::fs;
use std::io::BufRead;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use orderbell::flow::Clock;
use serde::{Deserialize, Serialize};

use crate::daemon::Erp;
use crate::in_process::{Receiving, STORE, receive};
use crate::process::{Core, Role};
use crate::requests::{Content, Form};

const DAY_MS: i64 = 86_400_000;
/// The orders are spread over so many days, of which the last is yesterday.
const DAYS: u64 = 300;
/// Webhooks that are under way at once; the store takes about as many into one transaction.
const AT_ONCE: usize = 1000;
/// Seeds of these orders; those of the load are others.
const FIRST: u64 = 100_000_000;

/// What a store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum History {
    /// Orders that were placed, each waiting for one channel.
    Waiting,
    /// Orders that were placed, accepted and completed, without a delivery.
    Old,
}

impl History {
    fn contents(self) -> &'static [Content] {
        match self {
            Self::Waiting => &[Content::Order],
            Self::Old => &[Content::Order, Content::Thin, Content::Completed],
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Job {
    folder: PathBuf,
    history: History,
    events: u64,
}

/// How large a store is, and how long it took.
#[derive(Clone, Debug, Serialize)]
pub struct Seeded {
    pub history: History,
    pub events: u64,
    pub bytes: u64,
    pub seconds: f64,
}

/// Makes a store of so many events in this folder, unless there is one.
pub fn ensure(folder: &Path, history: History, events: u64) -> Seeded {
    let begin = Instant::now();
    if !folder.join(STORE).exists() {
        // Whatever breaks off half-way is not taken for the whole.
        let half = folder.with_extension("half");
        let _ = fs::remove_dir_all(&half);
        fs::create_dir_all(&half).expect("a folder");
        let mut role = Role::start(Core::Any, "seed", &half);
        role.write(&serde_json::to_string(&Job { folder: half.clone(), history, events }).expect("JSON"));
        assert_eq!(role.read(), "done");
        drop(role);
        fs::create_dir_all(folder).expect("a folder");
        fs::rename(half.join(STORE), folder.join(STORE)).expect("the same disk");
        let _ = fs::remove_dir_all(&half);
    }
    let bytes = fs::metadata(folder.join(STORE)).expect("a store").len();
    let seeded = Seeded { history, events, bytes, seconds: begin.elapsed().as_secs_f64() };
    println!("\n{history:?}: {events} events, {} MB, made in {:.0} s", bytes / 1_000_000, seeded.seconds);
    seeded
}

/// The role.
pub fn run() {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).expect("a line");
    let job: Job = serde_json::from_str(&line).expect("a job");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(fill(&job));
    println!("done");
}

async fn fill(job: &Job) {
    let contents = job.history.contents();
    let orders = job.events / contents.len() as u64;
    let now = Arc::new(AtomicI64::new(0));
    let first_day = Timestamp::now().as_millisecond() / DAY_MS - i64::try_from(DAYS).expect("few");
    now.store(first_day * DAY_MS, Ordering::Release);
    let hands = now.clone();
    let clock = Clock::new(move || at(hands.load(Ordering::Acquire)));
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let channels: &[Erp] = match job.history {
        History::Waiting => &[Erp { name: "erp", receiver: nowhere, at_once: None }],
        History::Old => &[],
    };
    let receiving = Receiving::open(&job.folder, channels, "", &clock);
    let begin = Instant::now();
    let mut said = Duration::ZERO;
    for day in 0..DAYS {
        let (from, to) = (orders * day / DAYS, orders * (day + 1) / DAYS);
        for (content, hour) in contents.iter().zip(10_i64..) {
            let ms = (first_day + i64::try_from(day).expect("few")) * DAY_MS + hour * DAY_MS / 24;
            now.store(ms, Ordering::Release);
            let form = Arc::new(Form::of(*content, at(ms)));
            for some in (from..to).collect::<Vec<_>>().chunks(AT_ONCE) {
                let tasks: Vec<_> = some
                    .iter()
                    .map(|number| {
                        let (form, intake, seed) = (form.clone(), receiving.intake.clone(), FIRST + number);
                        tokio::spawn(async move { receive(&intake, form.body(seed)).await })
                    })
                    .collect();
                for task in tasks {
                    task.await.expect("it is recorded");
                }
            }
        }
        if begin.elapsed() > said + Duration::from_secs(10) {
            said = begin.elapsed();
            eprintln!("{:?}: day {} of {DAYS} after {:.0} s", job.history, day + 1, said.as_secs_f64());
        }
    }
    receiving.close().await;
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).expect("a time")
}
