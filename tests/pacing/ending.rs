//! A lane that ends with a message under way: what goes out until the last part is answered is paced and remembered like
//! any other, and what is cut holds its slot for one window and no longer.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;

use jiff::SignedDuration;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use orderbell::channel::Attempt;
use orderbell::channel::Channel;
use orderbell::channel::Sending;
use orderbell::channel::http::Http;
use orderbell::channel::http::Settings;
use orderbell::domain::data::Data;
use orderbell::domain::event::DeliveryId;
use orderbell::domain::event::Event;
use orderbell::domain::event::EventId;
use orderbell::domain::event::Kind;
use orderbell::domain::event::Proof;
use orderbell::domain::message::Form;
use orderbell::domain::message::Message;
use orderbell::domain::message::Part;
use orderbell::domain::pace::Allowance;
use orderbell::domain::retry::Answer;
use orderbell::domain::retry::Outcome;
use orderbell::domain::route::Hearer;
use orderbell::domain::template::Templates;
use orderbell::flow::Clock;
use orderbell::flow::Current;
use orderbell::flow::Wake;
use orderbell::flow::far_clocks::FarClocks;
use orderbell::flow::intake::Reception;
use orderbell::flow::lane;
use orderbell::flow::lane::Lane;
use orderbell::flow::lane::Post;
use orderbell::flow::lane::Runner;
use orderbell::flow::notice::Notices;
use orderbell::flow::pacers::Pacers;
use orderbell::store::Record;
use orderbell::store::sqlite::Sqlite;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Two in an hour.
const ALLOWANCE: Allowance = Allowance { count: 2, per: SignedDuration::from_hours(1) };

/// A far side that takes messages of so many parts, and answers when it is let.
struct Far {
    parts: u16,
    begun: mpsc::UnboundedSender<()>,
    answers: Arc<Semaphore>,
    sent: Arc<Mutex<usize>>,
}

impl Channel for Far {
    fn kind(&self) -> &'static str {
        "dingtalk"
    }

    fn credential(&self) -> String {
        "robot".to_owned()
    }

    fn at_once(&self) -> usize {
        1
    }

    fn in_order(&self) -> bool {
        false
    }

    fn write(&self, _: &Message, form: Form) -> Vec<Part> {
        (0..self.parts).map(|index| Part { index, form, body: format!("part {index}") }).collect()
    }

    fn send<'a>(&'a self, _: &'a Http, _: &'a Part, _: &'a Attempt) -> Sending<'a> {
        Box::pin(async move {
            *self.sent.lock().unwrap() += 1;
            self.begun.send(()).unwrap();
            self.answers.acquire().await.unwrap().forget();
            Answer { outcome: Outcome::Delivered, words: "yes".to_owned() }
        })
    }
}

/// One lane with one message waiting.
struct Scene {
    _folder: TempDir,
    store: Arc<Sqlite>,
    lane: Arc<Lane>,
    post: Post,
    begun: mpsc::UnboundedReceiver<()>,
    answers: Arc<Semaphore>,
    sent: Arc<Mutex<usize>>,
    elapsed_s: Arc<AtomicI64>,
}

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

async fn record(store: &Sqlite) {
    let event = Event {
        id: EventId(Uuid::now_v7()),
        kind: Kind::StockLow,
        source: "licences".to_owned(),
        occurred_at: None,
        received_at: now(),
        shop: None,
        order: None,
        data: Data::default(),
        proof: Proof::Own,
    };
    let hearers = vec![(Hearer::always("kitchen"), DeliveryId(Uuid::now_v7()))];
    let record = Record {
        event,
        body: Vec::new(),
        repeat_keys: Vec::new(),
        hearers,
        urgent: vec!["kitchen".to_owned()],
        verdicts: Default::default(),
    };
    store.record(record).await.unwrap();
}

async fn scene(parts: u16) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Sqlite::open(&folder.path().join("bell.db"), now()).unwrap());
    record(&store).await;
    let elapsed_s: Arc<AtomicI64> = Arc::default();
    let hands = elapsed_s.clone();
    let clock = Clock::with(now, move || SignedDuration::from_secs(hands.load(Ordering::Acquire)));
    let wake = Wake::default();
    let notices = Notices::new(store.clone(), Current::new(Reception::default()), wake.clone());
    let templates = Current::new(Templates::built_in().unwrap());
    let post = Post {
        store: store.clone(),
        templates,
        wake,
        notices,
        clock,
        pacers: Pacers::default(),
        far_clocks: FarClocks::default(),
    };
    let (tell, begun) = mpsc::unbounded_channel();
    let (answers, sent) = (Arc::new(Semaphore::new(0)), Arc::default());
    let far = Far { parts, begun: tell, answers: answers.clone(), sent: Arc::clone(&sent) };
    let lane = Arc::new(Lane {
        name: "kitchen".to_owned(),
        channel: Arc::new(far),
        http: Http::new(&Settings::default()).unwrap(),
        language: "en".to_owned(),
        timezone: TimeZone::UTC,
        waits: vec![SignedDuration::from_secs(5)],
        timeout: SignedDuration::from_secs(15),
        allowance: Some(ALLOWANCE),
        quiet: None,
        urgent: Vec::new(),
        fallback: None,
        fallback_after: SignedDuration::from_mins(2),
    });
    Scene { _folder: folder, store, lane, post, begun, answers, sent, elapsed_s }
}

#[tokio::test]
async fn a_long_message_is_paced_to_its_end_also_when_the_daemon_stops() {
    let mut scene = scene(5).await;
    let shutdown = CancellationToken::new();
    let run = lane::run(scene.lane.clone(), scene.post.clone(), CancellationToken::new(), shutdown.clone());
    let running = tokio::spawn(run);
    scene.begun.recv().await.unwrap();
    shutdown.cancel();
    // The lane has seen it when it has let go of everything that it does not need to end.
    tokio::task::yield_now().await;
    scene.answers.add_permits(5);
    running.await.unwrap();
    assert_eq!(*scene.sent.lock().unwrap(), ALLOWANCE.count as usize);
    let taken = scene.store.reader().taken_slots().await.unwrap();
    assert_eq!(taken.slots.len(), ALLOWANCE.count as usize, "the next daemon knows of each");
}

#[tokio::test]
async fn a_send_that_is_cut_holds_its_slot_for_one_window_and_no_longer() {
    let mut scene = scene(1).await;
    let runner = || Runner::new(scene.lane.clone(), scene.post.clone(), CancellationToken::new());
    let wait = || scene.elapsed_s.fetch_add(1801, Ordering::AcqRel);
    let sent = || *scene.sent.lock().unwrap();
    // Half an hour apart, because so the last slots are spread: one is cut in the midst, one before it has begun.
    for in_the_midst in [true, false] {
        let mut lane = runner();
        lane.turn().await;
        if in_the_midst {
            scene.begun.recv().await.unwrap();
        }
        drop(lane);
        record(&scene.store).await;
        if in_the_midst {
            wait();
        }
    }
    scene.answers.add_permits(10);
    let mut lane = runner();
    for sent_by_then in [1, 2, 3] {
        lane.turn().await;
        lane.drain().await;
        assert_eq!(sent(), sent_by_then, "one more, an hour after each that was cut");
        // What waited may have gone out as one message.
        record(&scene.store).await;
        wait();
    }
}
