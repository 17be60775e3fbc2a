//! Instances on one store, whose receivers say which instance sent them something, on a clock that the test moves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use orderbell::channel::http::{Http, Settings};
use orderbell::channel::settings::ChannelSettings;
use orderbell::channel::{Attempt, Channel, SendFuture};
use orderbell::domain::mask::known::{Mask, Masking};
use orderbell::domain::message::{Message, Part, PartForm};
use orderbell::domain::retry::{Answer, Outcome};
use orderbell::domain::template::Templates;
use orderbell::flow::clock_skew::ClockSkews;
use orderbell::flow::composing::Composing;
use orderbell::flow::context::{WorkerChannel, WorkerContext};
use orderbell::flow::instance::Instance;
use orderbell::flow::lease_keeper::LeaseKeeper;
use orderbell::flow::metrics::Metrics;
use orderbell::flow::notice::Notices;
use orderbell::flow::notifier::Notifier;
use orderbell::flow::pacers::Pacers;
use orderbell::flow::routing::RoutingSnapshot;
use orderbell::flow::shared_messages::SharedMessages;
use orderbell::flow::supervisor::Supervisor;
use orderbell::flow::worker_pool::WorkerPool;
use orderbell::flow::{Clock, Current};
use orderbell::store::Store;
use orderbell::store::history::list::DeliveryRow;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::instances::leases::{Connected, LeaseTable};
use crate::store::conformance::scene::{at, placed};
use crate::support::stores;

/// How long something that must come may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A message that a receiver got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub instance: String,
    pub channel: String,
}

struct Receiver {
    from: Sent,
    credential: String,
    tell: UnboundedSender<Sent>,
    masking: Masking,
    /// It takes a message and answers nothing, until it is bidden.
    is_silent: Arc<AtomicBool>,
    answers: Arc<Notify>,
    /// So many seconds go by while its next attempt is begun in the store.
    claim_takes_s: Arc<AtomicI64>,
    elapsed_s: Arc<AtomicI64>,
}

impl Channel for Receiver {
    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn credential(&self) -> String {
        self.credential.clone()
    }

    fn in_order(&self) -> bool {
        true
    }

    fn supports_digest(&self) -> bool {
        false
    }

    /// Asked when an attempt is about to be begun.
    fn longest(&self, timeout: SignedDuration) -> SignedDuration {
        self.elapsed_s.fetch_add(self.claim_takes_s.swap(0, Ordering::AcqRel), Ordering::AcqRel);
        timeout
    }

    fn write(&self, _: &Message, form: PartForm) -> Vec<Part> {
        vec![Part { index: 0, form, body: "hello".to_owned() }]
    }

    fn exchange<'a>(&'a self, _: &'a Http, _: &'a Part, _: &'a Attempt) -> SendFuture<'a> {
        Box::pin(async move {
            // The test may be over.
            let _ = self.tell.send(self.from.clone());
            if self.is_silent.load(Ordering::Acquire) {
                self.answers.notified().await;
            }
            Answer { outcome: Outcome::Delivered, detail: "said".to_owned() }
        })
    }

    fn mask(&self) -> &Mask {
        self.masking.mask(|secrets| secrets)
    }
}

/// All instances and what they share.
pub struct House {
    _folder: TempDir,
    pub store: Arc<dyn Store>,
    pub table: Arc<LeaseTable>,
    elapsed_s: Arc<AtomicI64>,
    clock: Clock,
    tell: UnboundedSender<Sent>,
    sent: UnboundedReceiver<Sent>,
    orders: u32,
}

/// One of them.
pub struct OneInstance {
    pub keeper: LeaseKeeper,
    pub leases: Arc<Connected>,
    /// Its receivers answer nothing, until one of them is bidden.
    pub is_silent: Arc<AtomicBool>,
    pub answers: Arc<Notify>,
    /// So many seconds go by while the next attempt is begun.
    pub claim_takes_s: Arc<AtomicI64>,
    pub stop: CancellationToken,
    pub supervisor: Supervisor,
    notifier: Notifier,
    _pool: WorkerPool,
}

impl House {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bell.db");
        let elapsed_s: Arc<AtomicI64> = Arc::default();
        let hands = elapsed_s.clone();
        let elapsed = move || SignedDuration::from_secs(hands.load(Ordering::Acquire));
        let now = elapsed.clone();
        let clock = Clock::with(move || at(0) + now(), elapsed);
        let store = stores::open(&path, at(0)).expect("the store opens");
        let table = LeaseTable::new(clock.clone(), path);
        let (tell, sent) = mpsc::unbounded_channel();
        Self { _folder: folder, store, table, elapsed_s, clock, tell, sent, orders: 0 }
    }

    pub fn wait(&self, seconds: i64) {
        self.elapsed_s.fetch_add(seconds, Ordering::AcqRel);
    }

    /// The clock of all instances, which begins with the house.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// An instance with these channels, which has not looked for leases yet.
    pub fn instance(&self, name: &str, channels: &[&str]) -> OneInstance {
        let credentials = channels.iter().map(|channel| (*channel, format!("credential of {channel}")));
        self.instance_whose(name, credentials.collect())
    }

    /// As [`House::instance`], by whose configuration each channel has this credential.
    pub fn instance_whose(&self, name: &str, credentials: Vec<(&str, String)>) -> OneInstance {
        let (is_silent, claim_takes_s): (Arc<AtomicBool>, Arc<AtomicI64>) = Default::default();
        let answers: Arc<Notify> = Arc::default();
        let receiver = |(channel, credential): (&str, String)| {
            let receiver: Arc<dyn Channel> = Arc::new(Receiver {
                from: Sent { instance: name.to_owned(), channel: channel.to_owned() },
                credential,
                tell: self.tell.clone(),
                masking: Masking::default(),
                is_silent: is_silent.clone(),
                answers: answers.clone(),
                claim_takes_s: claim_takes_s.clone(),
                elapsed_s: self.elapsed_s.clone(),
            });
            (channel.to_owned(), receiver)
        };
        let one = self.instance_with(name, credentials.into_iter().map(receiver).collect());
        OneInstance { is_silent, answers, claim_takes_s, ..one }
    }

    /// As [`House::instance`], with channels of the test's own.
    pub fn instance_with(&self, name: &str, channels: Vec<(String, Arc<dyn Channel>)>) -> OneInstance {
        let (leases, clock) = (self.table.connect(), self.clock.clone());
        let instance = Instance::new(name, 1, "x".to_owned(), Uuid::now_v7());
        let pacers = Pacers::default();
        let keeper = LeaseKeeper::new(leases.clone(), instance, pacers.clone(), clock.clone());
        let (stop, notifier) = (CancellationToken::new(), Notifier::default());
        let supervisor = Supervisor::new(clock.clone(), &stop);
        let context = WorkerContext {
            store: self.store.clone(),
            templates: Current::new(Templates::built_in().expect("they compile")),
            notifier: notifier.clone(),
            notices: Notices::new(self.store.clone(), Current::new(RoutingSnapshot::default()), notifier.clone()),
            clock_skews: ClockSkews::default(),
            clock,
            pacers,
            composing: Composing::default(),
            shared: SharedMessages::default(),
            metrics: Metrics::default(),
        };
        let mut pool = WorkerPool::new(context, supervisor.clone(), keeper.tenures.clone());
        for (name, channel) in channels {
            pool.start(WorkerChannel {
                name,
                channel,
                http: Http::new(&Settings::default()).expect("a client"),
                settings: toml::from_str::<ChannelSettings>("kind = 'webhook'\nlanguage = 'en'").expect("settings"),
            });
        }
        let (is_silent, answers, claim_takes_s) = Default::default();
        OneInstance { keeper, leases, is_silent, answers, claim_takes_s, stop, supervisor, notifier, _pool: pool }
    }

    /// Waits until the first delivery stands as wanted. The store has no signal for its changes, so it is asked again and again.
    pub async fn until(&self, wanted: impl Fn(&DeliveryRow) -> bool) -> DeliveryRow {
        let looking = async {
            loop {
                let first = self.store.deliveries(None).await.expect("reading").into_iter().next();
                match first.filter(|row| wanted(row)) {
                    Some(row) => return row,
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.expect("in time")
    }

    /// An order for each of these channels.
    pub async fn order(&mut self, channels: &[&str]) {
        self.orders += 1;
        self.store.record(placed(&self.orders.to_string(), channels)).await.expect("recorded");
    }

    /// The next message that a receiver gets.
    pub async fn next(&mut self, instances: &[&OneInstance]) -> Sent {
        instances.iter().for_each(|one| one.notifier.wake_all());
        let next = tokio::time::timeout(PATIENCE, self.sent.recv()).await;
        next.expect("in time").expect("some instance lives")
    }

    /// Whether any receiver has got a message that was not asked for yet.
    pub fn has_more(&mut self) -> bool {
        self.sent.try_recv().is_ok()
    }

    /// Which instance works which channel, by channel; leading is one.
    pub fn holders(&self) -> BTreeMap<String, String> {
        let short = |name: &String| name.split([':', ' ']).next().unwrap_or_default().to_owned();
        let channel = |lease: &String| lease.trim_start_matches("credential of ").to_owned();
        self.table.holders().iter().map(|(lease, owner)| (channel(lease), short(owner))).collect()
    }

    /// How many leases each instance holds, the one to lead aside.
    pub fn shares(&self) -> BTreeMap<String, usize> {
        let mut shares = BTreeMap::new();
        for (_, owner) in self.holders().into_iter().filter(|(lease, _)| lease != "leader") {
            *shares.entry(owner).or_default() += 1;
        }
        shares
    }
}

impl OneInstance {
    /// Something may be due.
    pub fn wake(&self) {
        self.notifier.wake_all();
    }

    pub async fn look(&self) {
        self.keeper.look().await.expect("it can look");
    }

    /// Ends properly.
    pub async fn end(self) {
        self.stop.cancel();
        self.keeper.clone().run(self.stop.clone()).await;
        self.supervisor.ended().await;
    }

    /// Looks until its workers have ended and what it has to give back is released.
    pub async fn settle(&self) {
        for tenure in self.keeper.tenures.held() {
            if tenure.over().is_cancelled() {
                tenure.left().await;
            }
        }
        self.look().await;
    }
}
