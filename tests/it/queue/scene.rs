//! One worker with a receiver that gets each event by itself and answers when it is let, on a clock that the test moves.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use orderbell::channel::http::{Http, Settings};
use orderbell::channel::{Attempt, Channel, SendFuture};
use orderbell::domain::event::{DedupeKey, DeliveryId, Event, EventId, Kind, SignatureCheck};
use orderbell::domain::mask::known::{Mask, Masking};
use orderbell::domain::message::{Message, Part, PartForm};
use orderbell::domain::order::{OrderState, OrderUpdate};
use orderbell::domain::payload::Data;
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
use orderbell::store::history::change::{ChangeRequest, Meant};
use orderbell::store::ingest::{Committed, Record, Recorded};
use tempfile::TempDir;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::stores;

/// What the receiver thinks of an event, by its order and how often it came before.
pub type Thinks = fn(&str, usize) -> Outcome;

/// An event that came: its key, and the state and number of its order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Came {
    pub key: String,
    pub body: String,
}

pub struct Program {
    at_once: usize,
    thinks: Thinks,
    pub begun: mpsc::UnboundedSender<()>,
    pub answers: Arc<Semaphore>,
    pub came: Arc<Mutex<Vec<Came>>>,
    masking: Masking,
}

impl Channel for Program {
    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn credential(&self) -> String {
        "erp".to_owned()
    }

    fn at_once(&self) -> usize {
        self.at_once
    }

    fn in_order(&self) -> bool {
        true
    }

    fn supports_digest(&self) -> bool {
        false
    }

    fn write(&self, message: &Message, form: PartForm) -> Vec<Part> {
        let order = message.order.as_ref().expect("each event is about an order");
        assert_ne!(order.number, "bad", "as the test wants it");
        let body = format!("{} {} {:?}", order.number, message.event.kind, order.state);
        vec![Part { index: 0, form, body }]
    }

    fn exchange<'a>(&'a self, _: &'a Http, part: &'a Part, attempt: &'a Attempt) -> SendFuture<'a> {
        Box::pin(async move {
            let came = Came { key: attempt.key.clone(), body: part.body.clone() };
            let before = {
                let mut all = self.came.lock().unwrap();
                all.push(came);
                all.iter().filter(|one| one.key == attempt.key).count() - 1
            };
            self.begun.send(()).unwrap();
            self.answers.acquire().await.unwrap().forget();
            let number = part.body.split(' ').next().unwrap_or_default();
            Answer { outcome: (self.thinks)(number, before), detail: "said".to_owned() }
        })
    }

    fn mask(&self) -> &Mask {
        self.masking.mask(|secrets| secrets)
    }
}

pub struct Scene {
    pub folder: TempDir,
    pub store: Arc<dyn Store>,
    pub worker: Arc<WorkerChannel>,
    pub context: WorkerContext,
    pub begun: mpsc::UnboundedReceiver<()>,
    pub answers: Arc<Semaphore>,
    pub came: Arc<Mutex<Vec<Came>>>,
    pub elapsed_ms: Arc<AtomicI64>,
}

pub fn begin() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

pub fn open(folder: &Path) -> Arc<dyn Store> {
    stores::open(&folder.join("bell.db"), begin()).unwrap()
}

pub fn always(_: &str, _: usize) -> Outcome {
    Outcome::Delivered
}

pub fn scene(at_once: usize, thinks: Thinks) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    scene_in(folder, at_once, thinks)
}

pub fn scene_in(folder: TempDir, at_once: usize, thinks: Thinks) -> Scene {
    let store = open(folder.path());
    let elapsed_ms: Arc<AtomicI64> = Arc::default();
    let hands = elapsed_ms.clone();
    let clock = Clock::new(move || begin() + SignedDuration::from_millis(hands.load(Ordering::Acquire)));
    let notifier = Notifier::default();
    let notices = Notices::new(store.clone(), Current::new(RoutingSnapshot::default()), notifier.clone());
    let context = WorkerContext {
        store: store.clone(),
        templates: Current::new(Templates::built_in().unwrap()),
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
    let (answers, came) = (Arc::new(Semaphore::new(0)), Arc::default());
    let program = Program {
        at_once,
        thinks,
        begun: tell,
        answers: answers.clone(),
        came: Arc::clone(&came),
        masking: Masking::default(),
    };
    let worker = Arc::new(WorkerChannel {
        name: "erp".to_owned(),
        channel: Arc::new(program),
        http: Http::new(&Settings::default()).unwrap(),
        settings: toml::from_str("kind = 'webhook'\nlanguage = 'en'\nretry = ['5s', '10m']\nurgent = []").unwrap(),
    });
    Scene { folder, store, worker, context, begun, answers, came, elapsed_ms }
}

pub fn event(number: &str, kind: Kind, state: OrderState) -> Record {
    let order = OrderUpdate { number: number.to_owned(), state: Some(state), ..OrderUpdate::default() };
    let key = format!("{kind}:{number}");
    Record {
        event: Event {
            id: EventId(Uuid::now_v7()),
            kind,
            source: "s".to_owned(),
            occurred_at: Some(begin()),
            received_at: begin(),
            shop: None,
            order: Some(order),
            data: Data::default(),
            proof: SignatureCheck::Valid("test".to_owned()),
        },
        body: b"{}".to_vec(),
        dedupe_keys: vec![DedupeKey::Once(key)],
        targets: vec![(Target::always("erp"), DeliveryId(Uuid::now_v7()))],
        urgent: Vec::new(),
        decisions: Default::default(),
    }
}

pub fn placed(number: &str) -> Record {
    event(number, Kind::OrderPlaced, OrderState::Placed)
}

pub fn accepted(number: &str) -> Record {
    event(number, Kind::OrderAccepted, OrderState::Accepted)
}

impl Scene {
    /// The worker, which has looked into the store.
    pub async fn worker(&self) -> ChannelWorker {
        let mut worker = ChannelWorker::new(
            self.worker.clone(),
            self.context.clone(),
            Tenure::unlimited(""),
            CancellationToken::new(),
        );
        worker.turn().await;
        worker
    }

    pub async fn commit(&self, record: Record) -> Committed {
        match self.store.record(record).await.unwrap() {
            Recorded::New { committed: Some(committed), .. } => *committed,
            other => panic!("it is new: {other:?}"),
        }
    }

    /// Commits an event and gives it to the worker; answers its delivery.
    pub async fn comes(&self, record: Record) -> DeliveryId {
        let committed = self.commit(record).await;
        self.context.notifier.deliver(&committed, self.context.clock.elapsed());
        committed.deliveries[0].id
    }

    pub fn wait(&self, time: SignedDuration) {
        self.elapsed_ms.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::AcqRel);
    }

    /// Lets everything be answered, and the worker go on as long as it has something to send.
    pub async fn goes_on(&self, worker: &mut ChannelWorker) {
        self.answers.add_permits(100_000);
        loop {
            worker.turn().await;
            if !worker.one_ended().await {
                break;
            }
        }
        self.answers.forget_permits(100_000);
    }

    pub fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    pub fn bodies(&self) -> Vec<String> {
        self.came().into_iter().map(|came| came.body).collect()
    }

    pub async fn asked(&self, request: ChangeRequest, delivery: DeliveryId) {
        let command = stores::open_beside(&self.folder.path().join("bell.db")).unwrap();
        let meant = [Meant::Delivery(delivery)];
        let made = command.make_changes(request, &meant, self.context.clock.now()).await.unwrap();
        assert!(made[0].result.is_ok(), "{made:?}");
    }
}
