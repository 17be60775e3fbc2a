//! What the cases are made of: events, attempts, and what became of deliveries.

use jiff::Timestamp;
use orderbell::domain::event::{DedupeKey, DeliveryId, Event, EventId, Kind, SignatureCheck};
use orderbell::domain::message::{Part, PartForm};
use orderbell::domain::order::{OrderState, OrderUpdate};
use orderbell::domain::payload::Data;
use orderbell::domain::retry::{Answer, Outcome, Step};
use orderbell::domain::route::Target;
use orderbell::domain::route_decision::RouteDecisions;
use orderbell::store::Store;
use orderbell::store::fencing::FencingToken;
use orderbell::store::history::list::DeliveryRow;
use orderbell::store::ingest::{Record, Recorded};
use orderbell::store::queue::attempt::{Claim, Claimed, Purpose, Settle};
use orderbell::store::queue::pending::PendingDelivery;
use uuid::Uuid;

/// So many seconds after the suite's beginning.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + seconds).expect("a time")
}

/// An order event of the source `s`, sent to `channels`, recognised by `key`.
pub fn event(kind: Kind, number: &str, state: OrderState, received: i64, key: &str, channels: &[&str]) -> Record {
    let order = OrderUpdate { number: number.to_owned(), state: Some(state), ..OrderUpdate::default() };
    Record {
        event: Event {
            id: EventId(Uuid::now_v7()),
            kind,
            source: "s".to_owned(),
            occurred_at: Some(at(received)),
            received_at: at(received),
            shop: None,
            order: Some(order),
            data: Data::default(),
            proof: SignatureCheck::Valid("test".to_owned()),
        },
        body: b"{}".to_vec(),
        dedupe_keys: vec![DedupeKey::Once(key.to_owned())],
        targets: channels.iter().map(|channel| (Target::always(*channel), DeliveryId(Uuid::now_v7()))).collect(),
        urgent: Vec::new(),
        decisions: RouteDecisions::default(),
    }
}

pub fn placed(number: &str, channels: &[&str]) -> Record {
    event(Kind::OrderPlaced, number, OrderState::Placed, 0, &format!("1001:{number}"), channels)
}

/// As [`placed`], urgent for all its channels.
pub fn urgent(number: &str, channels: &[&str]) -> Record {
    let urgent = channels.iter().map(|channel| (*channel).to_owned()).collect();
    Record { urgent, ..placed(number, channels) }
}

/// Records an event to one channel; answers its delivery.
pub async fn one(store: &dyn Store, record: Record) -> DeliveryId {
    let id = record.targets[0].1;
    store.record(record).await.expect("recorded");
    id
}

pub async fn due(store: &dyn Store, channel: &str, now: i64) -> Vec<PendingDelivery> {
    due_in(store, channel, now, false).await.0
}

/// What is due, and what cannot be read.
pub async fn due_in(
    store: &dyn Store,
    channel: &str,
    now: i64,
    in_order: bool,
) -> (Vec<PendingDelivery>, Vec<DeliveryId>) {
    let batch = store.due_batch(channel, at(now), 100, in_order).await.expect("reading");
    let ids = batch.candidates.iter().map(|candidate| candidate.id).collect();
    let (known, mut unreadable) = store.load(ids, at(now)).await.expect("reading");
    unreadable.extend(batch.unreadable);
    (known, unreadable)
}

/// The begin of an attempt whose message was composed just now.
pub fn begin(delivery: DeliveryId, now: i64) -> Claim {
    let composed = vec![Part { index: 0, form: PartForm::Full, body: "hello".to_owned() }];
    Claim {
        delivery,
        channel: "kitchen".to_owned(),
        purpose: Purpose::Notify,
        attempts: 0,
        round: 0,
        begins: true,
        in_order: false,
        carries: Vec::new(),
        released: Vec::new(),
        composed,
        part: 0,
        form: PartForm::Full,
        at: at(now),
        lease_until: at(now + 60),
        credential: None,
        freed: Vec::new(),
        token: FencingToken::default(),
    }
}

/// The begin of a further attempt, or of the first one, at a delivery as it stands.
pub async fn again(store: &dyn Store, delivery: DeliveryId, now: i64) -> Claim {
    let (known, _) = store.load(vec![delivery], at(now)).await.expect("reading");
    let (attempts, round) = known.first().map_or((0, 0), |known| (known.attempts, known.round));
    Claim { attempts, round, ..begin(delivery, now) }
}

pub async fn claim(store: &dyn Store, delivery: DeliveryId, now: i64) -> Claimed {
    store.claim(again(store, delivery, now).await).await.expect("claiming")
}

/// To which channel a delivery goes, and what for.
async fn whose(store: &dyn Store, delivery: DeliveryId) -> (String, Purpose) {
    let row = row(store, delivery).await;
    (row.channel, if row.kind == "test" { Purpose::Test } else { Purpose::Notify })
}

/// Begins an attempt that may be made, at whatever channel; answers its number.
pub async fn attempt(store: &dyn Store, claim: Claim) -> i64 {
    let delivery = claim.delivery;
    let (channel, purpose) = whose(store, delivery).await;
    match store.claim(Claim { channel, purpose, ..claim }).await.expect("claiming") {
        Claimed::Yes(attempt) => attempt,
        Claimed::No | Claimed::Paused => panic!("{delivery} may be tried"),
    }
}

/// The end of an attempt.
pub fn end(delivery: DeliveryId, attempt: i64, step: Step) -> Settle {
    let answer = Answer { outcome: Outcome::Delivered, detail: "said".to_owned() };
    Settle {
        delivery,
        channel: "kitchen".to_owned(),
        purpose: Purpose::Notify,
        attempt,
        part: 0,
        form: PartForm::Full,
        more_parts: false,
        at: at(2),
        answer,
        step,
        whole: None,
        clock_ahead_s: None,
        pacing: None,
        fallback: None,
        token: FencingToken::default(),
    }
}

pub async fn settle(store: &dyn Store, delivery: DeliveryId, attempt: i64, outcome: Outcome, step: Step) {
    let answer = Answer { outcome, detail: "said".to_owned() };
    ended(store, Settle { answer, ..end(delivery, attempt, step) }).await;
}

/// Ends an attempt, at whatever channel.
pub async fn ended(store: &dyn Store, settle: Settle) {
    let (channel, purpose) = whose(store, settle.delivery).await;
    store.settle(Settle { channel, purpose, ..settle }).await.expect("settling");
}

/// Tries a delivery once, with this outcome.
pub async fn tried(store: &dyn Store, delivery: DeliveryId, now: i64, outcome: Outcome, step: Step) {
    let attempt = attempt(store, again(store, delivery, now).await).await;
    settle(store, delivery, attempt, outcome, step).await;
}

/// Whether an event is new, and sent to this channel alone.
pub fn is_new_for(recorded: &Recorded, channel: &str) -> bool {
    matches!(recorded, Recorded::New { channels, unjudged, .. } if *channels == [channel] && unjudged.is_empty())
}

/// Where a delivery stands.
pub async fn row(store: &dyn Store, delivery: DeliveryId) -> DeliveryRow {
    let rows = store.deliveries(None).await.expect("reading");
    rows.into_iter().find(|row| row.id == delivery).expect("the delivery")
}

/// Of all deliveries in the sequence of their events, the state and how often it was tried.
pub async fn states(store: &dyn Store) -> Vec<(String, u32)> {
    let rows = store.deliveries(None).await.expect("reading");
    rows.into_iter().map(|row| (row.state, row.attempts)).collect()
}
