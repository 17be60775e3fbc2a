//! The receiving daemon within a role of this binary, which at a line also removes old events or makes reports, over and over:
//! in the daemon itself both are rare.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use orderbell::domain::template::Templates;
use orderbell::flow::chart_cache::ChartCache;
use orderbell::flow::health::HealthCheck;
use orderbell::flow::leadership::Leadership;
use orderbell::flow::reports::ReportMaker;
use orderbell::flow::supervisor::Supervisor;
use orderbell::flow::{Clock, Current};
use orderbell::store::Store;
use orderbell::web::hooks;
use orderbell::web::server;
use orderbell::web::server::limits::ListenerLimits;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::in_process::Receiving;

/// As `flow/schedule.rs` removes them: so many events a step, and so long between two steps.
const STEP: u32 = 50;
const BREATH: Duration = Duration::from_millis(50);
/// Half of the history that is seeded is older.
const KEEP: SignedDuration = SignedDuration::from_hours(24 * 150);
const REPORT: &str = "daily";
/// Of yesterday, once it is over. What goes to its channel waits: nothing is sent here.
const REPORTS: &str = r#"
[channel.owner]
kind = "webhook"
url = "https://erp.example.com/owner"
signing = { scheme = "none" }
[report.daily]
at = "00:00"
timezone = "UTC"
to = ["owner"]
attach_csv = true
"#;

/// What it does besides receiving.
#[derive(Clone, Copy)]
pub enum Task {
    Sweep,
    Report,
}

/// Lines come by turns: at one the task begins, at the next it ends, and how much was done is answered.
pub fn serve(task: Task) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let worker = runtime.block_on(start(task));
    let mut lines = std::io::stdin().lock().lines();
    while let Some(Ok(_)) = lines.next() {
        let stop = CancellationToken::new();
        let (worker, asked, begin) = (worker.clone(), stop.clone(), Instant::now());
        let running = runtime.spawn(async move { worker.lock().await.work(&asked).await });
        let ended = lines.next();
        stop.cancel();
        let done = runtime.block_on(running).expect("no panic");
        println!("{done} {}", begin.elapsed().as_secs_f64());
        if ended.is_none() {
            return;
        }
    }
}

async fn start(task: Task) -> Arc<Mutex<Worker>> {
    let (clock, stop) = (Clock::system(), CancellationToken::new());
    let receiving = Receiving::open(Path::new("."), &[], REPORTS, &clock);
    let Receiving { store, intake, routing, notifier } = receiving;
    let templates = Current::new(Templates::with_overlay(&Default::default()).expect("the built-in ones"));
    let charts = ChartCache::new(store.clone(), templates, routing.clone(), clock.clone());
    let health = HealthCheck::new(Supervisor::new(clock.clone(), &stop), store.clone(), clock.clone());
    let endpoint = hooks::routes(intake, Arc::new(charts), Arc::new(health));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    tokio::spawn(server::serve(listener, endpoint, ListenerLimits::default(), stop));
    let reports = ReportMaker::new(store.clone(), routing, notifier, Leadership::alone(), clock.clone());
    Arc::new(Mutex::new(Worker { task, store, reports, clock, next: Some(0) }))
}

struct Worker {
    task: Task,
    store: Arc<dyn Store>,
    reports: ReportMaker,
    clock: Clock,
    /// Where the sweep goes on; `None` when nothing old is left.
    next: Option<i64>,
}

impl Worker {
    /// Works until it is asked to stop: how many events were removed, or reports made.
    async fn work(&mut self, stop: &CancellationToken) -> u64 {
        let mut done = 0;
        while !stop.is_cancelled() {
            done += match self.task {
                Task::Sweep => self.sweep().await,
                Task::Report => self.report().await,
            };
        }
        done
    }

    async fn sweep(&mut self) -> u64 {
        let after = self.next.expect("the history is long enough");
        let before = self.clock.now() - KEEP;
        let (removed, next) = self.store.prune(before, after, STEP).await.expect("the store works");
        self.next = next;
        tokio::time::sleep(BREATH).await;
        removed
    }

    async fn report(&mut self) -> u64 {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let (yesterday, before) = (today - 1.day(), today - 2.days());
        self.store.begin_report(REPORT, before).await.expect("the store works");
        self.store.forget_report_days(REPORT, yesterday).await.expect("the store works");
        self.reports.look().await;
        let covered = self.store.report_past(REPORT).await.expect("the store works").covered;
        assert_eq!(covered, Some(yesterday), "the report was made");
        1
    }
}
