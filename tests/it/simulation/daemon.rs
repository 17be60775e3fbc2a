//! The daemon of a seed: the real store and the real workers, which have a turn when the week gives them one.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use futures_util::FutureExt;
use jiff::tz::TimeZone;
use orderbell::channel::http::{Http, Settings};
use orderbell::channel::settings::ChannelSettings;
use orderbell::domain::local_time::Zone;
use orderbell::domain::template::Templates;
use orderbell::flow::Current;
use orderbell::flow::clock_skew::ClockSkews;
use orderbell::flow::composing::Composing;
use orderbell::flow::context::{WorkerChannel, WorkerContext};
use orderbell::flow::metrics::Metrics;
use orderbell::flow::notice::Notices;
use orderbell::flow::notifier::{ChannelSignal, Notifier};
use orderbell::flow::pacers::Pacers;
use orderbell::flow::routing::RoutingSnapshot;
use orderbell::flow::shared_messages::SharedMessages;
use orderbell::flow::tenure::Tenure;
use orderbell::flow::worker::ChannelWorker;
use orderbell::store::Store;
use orderbell::store::ingest::Committed;
use tokio_util::sync::CancellationToken;

use crate::simulation::hands::Hands;
use crate::simulation::mock::{CountedChannel, Counter};
use crate::simulation::settings::WorkerSettings;
use crate::support::stores;

/// The same for all seeds, because they are costly to make.
static TEMPLATES: LazyLock<Current<Templates>> =
    LazyLock::new(|| Current::new(Templates::built_in().expect("they compile")));
static HTTP: LazyLock<Http> = LazyLock::new(|| Http::new(&Settings::default()).expect("a client"));

pub fn timezone() -> TimeZone {
    TimeZone::get("Asia/Hong_Kong").expect("a time zone")
}

pub struct Daemon {
    pub store: Arc<dyn Store>,
    pub runners: Vec<ChannelWorker>,
    post: WorkerContext,
    /// Makes a worker take nothing new.
    retire: Vec<CancellationToken>,
    signals: Vec<Arc<ChannelSignal>>,
}

impl Daemon {
    /// As it starts: the store takes up what was under way, and the workers what the store knows.
    pub async fn start(file: &Path, workers: &[WorkerSettings], hands: &Hands, counter: &Arc<Counter>) -> Self {
        hands.start();
        let clock = hands.clock();
        let store = stores::open(file, clock.now()).expect("the store opens");
        let taken = store.taken_slots().await.expect("reading");
        let notifier = Notifier::default();
        let notices = Notices::new(store.clone(), Current::new(RoutingSnapshot::default()), notifier.clone());
        let post = WorkerContext {
            store: store.clone(),
            templates: TEMPLATES.clone(),
            notifier: notifier.clone(),
            notices,
            clock_skews: ClockSkews::default(),
            clock: clock.clone(),
            pacers: Pacers::take_up(taken, clock.now(), clock.elapsed()),
            composing: Composing::default(),
            shared: SharedMessages::default(),
            metrics: Metrics::default(),
        };
        let retire: Vec<CancellationToken> = workers.iter().map(|_| CancellationToken::new()).collect();
        let mut runners = Vec::with_capacity(workers.len());
        for (number, settings) in workers.iter().enumerate() {
            let worker = Arc::new(worker(number, settings, counter));
            runners.push(ChannelWorker::new(worker, post.clone(), Tenure::unlimited(""), retire[number].clone()));
        }
        for runner in &runners {
            runner.prepare().await;
        }
        let signals = workers.iter().map(|worker| notifier.signal(worker.name)).collect();
        Self { store, runners, post, retire, signals }
    }

    pub fn retire(&self, worker: usize) {
        self.retire[worker].cancel();
    }

    pub fn is_retiring(&self, worker: usize) -> bool {
        self.retire[worker].is_cancelled()
    }

    /// The worker's last send has ended, and its successor begins.
    pub async fn succeed(&mut self, number: usize, settings: &WorkerSettings, counter: &Arc<Counter>) {
        self.store.probe_now(settings.name, self.post.clock.now()).await.expect("writing");
        self.retire[number] = CancellationToken::new();
        let worker = Arc::new(worker(number, settings, counter));
        let runner = ChannelWorker::new(worker, self.post.clone(), Tenure::unlimited(""), self.retire[number].clone());
        runner.prepare().await;
        self.runners[number] = runner;
    }

    /// The workers whose bells were rung since.
    pub fn rung(&self) -> Vec<usize> {
        let is_rung = |signal: &Arc<ChannelSignal>| signal.notified().now_or_never().is_some();
        self.signals.iter().enumerate().filter(|(_, signal)| is_rung(signal)).map(|(worker, _)| worker).collect()
    }

    /// What was committed reaches the workers.
    pub fn deliver(&self, committed: &Committed) {
        self.post.notifier.deliver(committed, self.post.clock.elapsed());
    }

    /// Somebody has changed something in the store, which the worker notices within a second.
    pub fn is_changed(&self, worker: &str) {
        self.post.notifier.wake(&[worker.to_owned()]);
    }

    /// Cuts whatever is under way, and lets go of the store.
    pub async fn stop(self) {
        let Self { store, runners, post, .. } = self;
        drop((runners, post));
        // The sends that are cut let go of it one after another.
        while Arc::strong_count(&store) > 1 {
            tokio::task::yield_now().await;
        }
        store.close().await;
    }
}

fn worker(number: usize, settings: &WorkerSettings, counter: &Arc<Counter>) -> WorkerChannel {
    let mock = CountedChannel { worker: number, inner: settings.channel.clone(), counter: counter.clone() };
    let written: ChannelSettings = toml::from_str("kind = 'webhook'").expect("settings");
    WorkerChannel {
        name: settings.name.to_owned(),
        channel: Arc::new(mock),
        http: HTTP.clone(),
        settings: ChannelSettings {
            language: settings.language.to_owned(),
            timezone: Zone { name: "Asia/Hong_Kong".to_owned(), zone: timezone() },
            retry: settings.waits.clone(),
            rate: settings.allowance,
            quiet: settings.quiet.clone(),
            urgent: settings.urgent.clone(),
            fallback: settings.fallback.map(str::to_owned),
            fallback_after: settings.fallback_after,
            after_fallback: settings.after_fallback,
            ..written
        },
    }
}
