//! One worker with a receiver that answers when it is let, and as it should, on a clock that the test moves.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use orderbell::channel::http::{Http, Settings};
use orderbell::channel::settings::ChannelSettings;
use orderbell::channel::{Attempt, Channel, SendFuture};
use orderbell::domain::event::{DeliveryId, Event, EventId, Kind, SignatureCheck};
use orderbell::domain::mask::known::{Mask, Masking};
use orderbell::domain::message::{Message, Part, PartForm};
use orderbell::domain::payload::Data;
use orderbell::domain::rate_limit::RateLimit;
use orderbell::domain::retry::{Answer, Outcome};
use orderbell::domain::route::Target;
use orderbell::domain::template::Templates;
use orderbell::flow::clock_skew::ClockSkews;
use orderbell::flow::composing::Composing;
use orderbell::flow::context::{WorkerChannel, WorkerContext};
use orderbell::flow::metrics::Metrics;
use orderbell::flow::notice::Notices;
use orderbell::flow::notifier::Notifier;
use orderbell::flow::pacers::Pacers;
use orderbell::flow::routing::RoutingSnapshot;
use orderbell::flow::shared_messages::SharedMessages;
use orderbell::flow::tenure::Tenure;
use orderbell::flow::worker::ChannelWorker;
use orderbell::flow::{Clock, Current};
use orderbell::store::Store;
use orderbell::store::ingest::Record;
use tempfile::TempDir;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::stores;

/// Whether the parts of a message are pieces of it, or go to recipients of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    Pieces(u16),
    Recipients(u16),
}

/// What the receiver thinks of a part.
type Thinks = fn(&Part) -> Outcome;

struct Far {
    parts: Parts,
    thinks: Thinks,
    begun: mpsc::UnboundedSender<()>,
    answers: Arc<Semaphore>,
    sent: Arc<Mutex<Vec<u16>>>,
    masking: Masking,
    panics: Arc<AtomicBool>,
}

impl Channel for Far {
    fn kind(&self) -> &'static str {
        "dingtalk"
    }

    fn credential(&self) -> String {
        "robot".to_owned()
    }

    fn at_once(&self) -> usize {
        assert!(!self.panics.swap(false, Ordering::AcqRel), "as the test wants it");
        1
    }

    fn in_order(&self) -> bool {
        false
    }

    fn per_recipient(&self) -> bool {
        matches!(self.parts, Parts::Recipients(_))
    }

    fn write(&self, _: &Message, form: PartForm) -> Vec<Part> {
        let (Parts::Pieces(count) | Parts::Recipients(count)) = self.parts;
        (0..count).map(|index| Part { index, form, body: format!("part {index}") }).collect()
    }

    fn exchange<'a>(&'a self, _: &'a Http, part: &'a Part, _: &'a Attempt) -> SendFuture<'a> {
        Box::pin(async move {
            self.sent.lock().unwrap().push(part.index);
            self.begun.send(()).unwrap();
            self.answers.acquire().await.unwrap().forget();
            Answer { outcome: (self.thinks)(part), detail: "said".to_owned() }
        })
    }

    fn mask(&self) -> &Mask {
        self.masking.mask(|secrets| secrets)
    }
}

/// One worker with one message waiting.
pub struct Scene {
    _folder: TempDir,
    pub store: Arc<dyn Store>,
    pub worker: Arc<WorkerChannel>,
    pub post: WorkerContext,
    pub begun: mpsc::UnboundedReceiver<()>,
    pub answers: Arc<Semaphore>,
    /// Which parts were sent.
    pub sent: Arc<Mutex<Vec<u16>>>,
    /// Makes the worker panic at its next turn, once.
    pub panics: Arc<AtomicBool>,
    elapsed_s: Arc<AtomicI64>,
}

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

/// One more event that the worker is to send.
pub async fn record(store: &dyn Store) {
    let event = Event {
        id: EventId(Uuid::now_v7()),
        kind: Kind::StockLow,
        source: "licences".to_owned(),
        occurred_at: None,
        received_at: now(),
        shop: None,
        order: None,
        data: Data::default(),
        proof: SignatureCheck::Own,
    };
    let targets = vec![(Target::always("kitchen"), DeliveryId(Uuid::now_v7()))];
    let record = Record {
        event,
        body: Vec::new(),
        dedupe_keys: Vec::new(),
        targets,
        urgent: vec!["kitchen".to_owned()],
        decisions: Default::default(),
    };
    store.record(record).await.unwrap();
}

/// The worker with one message waiting.
pub async fn scene(allowance: RateLimit, parts: Parts, thinks: Thinks) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let store = stores::open(&folder.path().join("bell.db"), now()).unwrap();
    record(&*store).await;
    let elapsed_s: Arc<AtomicI64> = Arc::default();
    let hands = elapsed_s.clone();
    let elapsed = move || SignedDuration::from_secs(hands.load(Ordering::Acquire));
    let clock = Clock::with(
        {
            let elapsed = elapsed.clone();
            move || now() + elapsed()
        },
        elapsed,
    );
    let notifier = Notifier::default();
    let notices = Notices::new(store.clone(), Current::new(RoutingSnapshot::default()), notifier.clone());
    let templates = Current::new(Templates::built_in().unwrap());
    let post = WorkerContext {
        store: store.clone(),
        templates,
        notifier,
        notices,
        clock,
        pacers: Pacers::default(),
        composing: Composing::default(),
        shared: SharedMessages::default(),
        metrics: Metrics::default(),
        clock_skews: ClockSkews::default(),
    };
    let (tell, begun) = mpsc::unbounded_channel();
    let (answers, sent) = (Arc::new(Semaphore::new(0)), Arc::default());
    let panics: Arc<AtomicBool> = Arc::default();
    let receiver = Far {
        parts,
        thinks,
        begun: tell,
        answers: answers.clone(),
        sent: Arc::clone(&sent),
        masking: Masking::default(),
        panics: panics.clone(),
    };
    let settings = "kind = 'dingtalk'\nlanguage = 'en'\nretry = ['5s', '10m']\nurgent = []";
    let settings: ChannelSettings = toml::from_str(settings).unwrap();
    let worker = Arc::new(WorkerChannel {
        name: "kitchen".to_owned(),
        channel: Arc::new(receiver),
        http: Http::new(&Settings::default()).unwrap(),
        settings: ChannelSettings { rate: Some(allowance), ..settings },
    });
    Scene { _folder: folder, store, worker, post, begun, answers, sent, panics, elapsed_s }
}

impl Scene {
    pub fn runner(&self) -> ChannelWorker {
        ChannelWorker::new(self.worker.clone(), self.post.clone(), Tenure::unlimited(""), CancellationToken::new())
    }

    pub fn wait(&self, seconds: i64) {
        self.elapsed_s.fetch_add(seconds, Ordering::AcqRel);
    }

    pub fn sent(&self) -> Vec<u16> {
        self.sent.lock().unwrap().clone()
    }
}
