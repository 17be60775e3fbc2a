//! The store's contract: what is answered is on disk, repeats are one event, attempts begin and end, old events go.

mod repeats;
mod waiting;

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use orderbell::domain::event::{DedupeKey, DeliveryId, Event, EventId, Kind, SignatureCheck};
use orderbell::domain::message::{Part, PartForm};
use orderbell::domain::order::{OrderState, OrderUpdate};
use orderbell::domain::payload::Data;
use orderbell::domain::retry::{Answer, Outcome, Step};
use orderbell::domain::route::Target;
use orderbell::domain::route_decision::RouteDecisions;
use orderbell::store::Store;
use orderbell::store::ingest::{Ingest, Record, Recorded};
use orderbell::store::queue::attempt::{Claim, Claimed, Purpose, Settle};
use orderbell::store::queue::pending::PendingDelivery;
use orderbell::store::sqlite::Sqlite;
use uuid::Uuid;

use crate::support::stores;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + seconds).expect("a time")
}

fn open(folder: &Path) -> Arc<dyn Store> {
    stores::open(&folder.join("bell.db"), at(0)).expect("the store opens")
}

/// An order event of the source `s`, sent to `channels`, recognised by `key`.
fn event(kind: Kind, number: &str, state: OrderState, received: i64, key: &str, channels: &[&str]) -> Record {
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

fn placed(number: &str, channels: &[&str]) -> Record {
    event(Kind::OrderPlaced, number, OrderState::Placed, 0, &format!("1001:{number}"), channels)
}

async fn due(store: &Arc<dyn Store>, channel: &str, now: i64) -> Vec<PendingDelivery> {
    due_in(store, channel, now, false).await.0
}

/// What is due, and what cannot be read.
async fn due_in(
    store: &Arc<dyn Store>,
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
fn begin(delivery: DeliveryId, now: i64) -> Claim {
    let composed = vec![Part { index: 0, form: PartForm::Full, body: "hello".to_owned() }];
    Claim {
        delivery,
        channel: "kitchen".to_owned(),
        purpose: Purpose::Notify,
        attempts: 0,
        round: 0,
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
    }
}

async fn claim(store: &Arc<dyn Store>, delivery: DeliveryId, now: i64) -> Claimed {
    let (known, _) = store.load(vec![delivery], at(now)).await.expect("reading");
    let (attempts, round) = (known[0].attempts, known[0].round);
    store.claim(Claim { attempts, round, ..begin(delivery, now) }).await.expect("claiming")
}

/// The end of an attempt.
fn end(delivery: DeliveryId, attempt: i64, step: Step) -> Settle {
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
    }
}

async fn settle(store: &Arc<dyn Store>, delivery: DeliveryId, attempt: i64, outcome: Outcome, step: Step) {
    let answer = Answer { outcome, detail: "said".to_owned() };
    store.settle(Settle { answer, ..end(delivery, attempt, step) }).await.expect("settling");
}

async fn states(store: &Arc<dyn Store>) -> Vec<(String, u32)> {
    let delivery_rows = store.deliveries(None).await.expect("reading");
    delivery_rows.into_iter().map(|delivery_row| (delivery_row.state, delivery_row.attempts)).collect()
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    {
        let store = open(folder.path());
        store.record(placed("1", &["kitchen", "erp"])).await.expect("recorded");
        store.close().await;
    }
    let store = stores::open(&folder.path().join("bell.db"), at(100)).expect("the store opens again");
    assert_eq!((due(&store, "kitchen", 0).await.len(), due(&store, "erp", 0).await.len()), (1, 1));
    let order = store.order("s", "1").await.expect("reading").expect("the order");
    assert_eq!((order.state, order.revision), (OrderState::Placed, 1));
}

#[tokio::test]
async fn a_second_daemon_on_the_same_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let _first = open(folder.path());
    let refused = stores::open(&folder.path().join("bell.db"), at(0)).err().expect("refused").to_string();
    assert!(refused.contains("in use by another orderbell daemon"), "{refused}");
}

#[tokio::test]
async fn orders_add_up_within_one_group_and_across_groups() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let all = [
        placed("1", &[]),
        event(Kind::OrderCancelled, "1", OrderState::Cancelled, 30, "1004:1", &[]),
        event(Kind::OrderAccepted, "1", OrderState::Accepted, 20, "1002:1", &["erp"]),
    ];
    // Sent without waiting, so that they share a transaction.
    let [first, second, third] = all.map(|record| store.record(record));
    let (first, second, third) = tokio::join!(first, second, third);
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    let order = store.order("s", "1").await.expect("reading").expect("the order");
    assert_eq!((order.state, order.revision), (OrderState::Cancelled, 3));
    let taken = due(&store, "erp", 100).await.remove(0);
    assert_eq!(
        taken.event.data.late.as_ref().map(|late| late.order_state),
        Some(OrderState::Cancelled),
        "it says that it is late"
    );
}

#[tokio::test]
async fn an_attempt_is_on_disk_before_it_is_made_and_its_lease_keeps_others_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    store.record(placed("1", &["kitchen"])).await.expect("recorded");
    let id = due(&store, "kitchen", 0).await[0].id;
    let Claimed::Yes(attempt) = claim(&store, id, 1).await else { panic!("it may be made") };
    assert!(due(&store, "kitchen", 1).await.is_empty());
    settle(&store, id, attempt, Outcome::Delivered, Step::Delivered).await;
    assert_eq!(states(&store).await, [("delivered".to_owned(), 1)]);
    assert_eq!(claim(&store, id, 3).await, Claimed::No, "what is done is not sent again");
}

#[tokio::test]
async fn after_a_crash_what_was_under_way_is_due_again_with_the_same_bytes_and_marked_as_maybe_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    {
        let store = open(folder.path());
        store.record(placed("1", &["kitchen"])).await.expect("recorded");
        let id = due(&store, "kitchen", 0).await[0].id;
        claim(&store, id, 1).await;
        store.close().await;
    }
    let store = stores::open(&folder.path().join("bell.db"), at(100)).expect("the store opens again");
    let again = due(&store, "kitchen", 100).await;
    let [delivery] = again.as_slice() else { panic!("one delivery is due: {again:?}") };
    assert!(delivery.maybe_accepted);
    assert_eq!(delivery.parts, [Part { index: 0, form: PartForm::Full, body: "hello".to_owned() }]);
}

/// How many bytes of messages a store holds.
fn bytes_kept(folder: &Path) -> usize {
    let connection = rusqlite::Connection::open(folder.join("bell.db")).expect("the store");
    let sql = "SELECT sum(length(CAST(body AS BLOB))) FROM parts";
    connection.query_row(sql, [], |row| row.get::<_, isize>(0)).expect("a sum").unsigned_abs()
}

#[tokio::test]
async fn what_the_parts_of_a_message_share_is_kept_once_and_each_comes_back_byte_for_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    store.record(placed("1", &["mail"])).await.expect("recorded");
    let id = due(&store, "mail", 0).await[0].id;
    // Two pieces for ten recipients each. The last bytes of the envelopes are alike in the midst of a character.
    let pieces = ["\0一 picture 图".repeat(4_000), "the rest 尾\r\n".repeat(3_000)];
    let envelope = |recipient: u32| char::from_u32(0x4e00 + 64 * recipient).expect("a character");
    let bodies = pieces.iter().flat_map(|piece| (0..10).map(move |to| format!("to {}{piece}", envelope(to))));
    let composed: Vec<Part> = bodies.zip(0..).map(|(body, index)| Part { index, form: PartForm::Full, body }).collect();
    let claimed = store.claim(Claim { composed: composed.clone(), ..begin(id, 1) }).await.expect("claiming");
    let Claimed::Yes(attempt) = claimed else { panic!("it may be made") };
    assert_eq!(due(&store, "mail", 100).await[0].parts, composed);
    let kept = bytes_kept(folder.path());
    let once: usize = pieces.iter().map(String::len).sum();
    assert!((once..once + 200).contains(&kept), "{kept} bytes for {once}");
    // The one with which the others go on is delivered and no more to send; and what is composed anew takes its place.
    let again = Step::Wait { until: at(50), spends: true };
    let whole = Some((Answer { outcome: Outcome::Retry { after: None }, detail: "said".to_owned() }, again));
    store.settle(Settle { whole, ..end(id, attempt, Step::Delivered) }).await.expect("settling");
    assert_eq!(due(&store, "mail", 100).await[0].parts, composed[1..]);
    let marked: Vec<Part> =
        composed[1..].iter().map(|part| Part { body: format!("{} once more", part.body), ..part.clone() }).collect();
    store.claim(Claim { composed: marked.clone(), attempts: 1, part: 1, ..begin(id, 100) }).await.expect("claiming");
    assert_eq!(due(&store, "mail", 200).await[0].parts, marked);
}

#[tokio::test]
async fn waiting_deliveries_come_when_due_and_the_schedule_counts_only_what_it_should() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    store.record(placed("1", &["kitchen"])).await.expect("recorded");
    let id = due(&store, "kitchen", 0).await[0].id;
    let Claimed::Yes(attempt) = claim(&store, id, 1).await else { panic!("it may be made") };
    settle(&store, id, attempt, Outcome::Unknown, Step::Wait { until: at(50), spends: true }).await;
    assert!(due(&store, "kitchen", 49).await.is_empty());
    assert_eq!(store.next_due("kitchen").await.expect("reading"), Some(at(50)));
    let delivery = due(&store, "kitchen", 50).await.remove(0);
    assert_eq!((delivery.spent, delivery.attempts, delivery.maybe_accepted), (1, 1, true));
}

#[tokio::test]
async fn a_channel_in_order_gets_the_next_event_of_an_order_only_when_the_one_before_is_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    store.record(placed("1", &["erp"])).await.expect("recorded");
    store.record(event(Kind::OrderAccepted, "1", OrderState::Accepted, 1, "1002:1", &["erp"])).await.expect("recorded");
    store.record(placed("2", &["erp"])).await.expect("recorded");
    let in_order = async || due_in(&store, "erp", 10, true).await.0;
    let all = in_order().await;
    let kinds: Vec<_> = all.iter().map(|due| (due.order_key.as_deref().unwrap_or_default(), &due.event.kind)).collect();
    assert_eq!(kinds, [("s/1", &Kind::OrderPlaced), ("s/2", &Kind::OrderPlaced), ("s/1", &Kind::OrderAccepted)]);
    let (placed, accepted) = (all[0].id, all[2].id);
    let begin = |delivery| store.claim(Claim { in_order: true, ..begin(delivery, 10) });
    assert_eq!(begin(accepted).await.expect("claiming"), Claimed::No, "an earlier one waits");
    let Claimed::Yes(attempt) = begin(placed).await.expect("claiming") else { panic!("it may be made") };
    assert_eq!(begin(accepted).await.expect("claiming"), Claimed::No, "or is being sent");
    assert_eq!(in_order().await.len(), 1, "so it is not looked at");
    settle(&store, placed, attempt, Outcome::Delivered, Step::Delivered).await;
    assert!(in_order().await.iter().any(|due| due.id == accepted));
    assert!(matches!(begin(accepted).await.expect("claiming"), Claimed::Yes(_)));
}

#[tokio::test]
async fn what_a_newer_version_wrote_holds_up_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let (odd, plain) = (placed("odd", &["kitchen"]), placed("plain", &["kitchen"]));
    let (odd_id, plain_id) = (odd.targets[0].1, plain.targets[0].1);
    for record in [odd, plain] {
        store.record(record).await.expect("recorded");
    }
    let connection = rusqlite::Connection::open(folder.path().join("bell.db")).expect("beside the store");
    let written = connection.execute("UPDATE events SET event = '{\"kind\":7}' WHERE order_number = 'odd'", []);
    assert_eq!(written, Ok(1));
    let (known, unreadable) = due_in(&store, "kitchen", 0, true).await;
    assert_eq!(known.iter().map(|due| due.id).collect::<Vec<_>>(), [plain_id]);
    assert_eq!(unreadable, [odd_id]);
}

#[tokio::test]
async fn the_file_is_its_owners_alone_and_every_commit_reaches_the_disk() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open(&folder.path().join("bell.db"), at(0)).expect("the store opens");
    Ingest::record(&store, placed("1", &["kitchen"])).await.expect("recorded");
    for name in ["bell.db", "bell.db-wal"] {
        let mode = std::fs::metadata(folder.path().join(name)).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    // FULL, in the write-ahead log: only so is what was committed on disk when the commit returns.
    assert_eq!(store.durability().await.expect("asked"), ("wal".to_owned(), 2));
}

#[tokio::test]
async fn retention_removes_what_is_old_and_done_and_never_what_is_still_to_be_delivered() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    for number in 0..20 {
        let channels: &[&str] = if number % 2 == 0 { &["kitchen"] } else { &[] };
        store.record(placed(&number.to_string(), channels)).await.expect("recorded");
    }
    store.record(event(Kind::OrderPlaced, "new", OrderState::Placed, 5000, "1001:new", &[])).await.expect("recorded");
    let before = at(0) + SignedDuration::from_secs(1000);
    let (mut removed, mut next) = (0, Some(0));
    while let Some(seq) = next {
        let (count, following) = store.prune(before, seq, 3).await.expect("pruned");
        assert!(count <= 3, "a step is small");
        (removed, next) = (removed + count, following);
    }
    assert_eq!(removed, 10, "the ten that nobody waits for");
    // One that was given up is undelivered too.
    let dead = due(&store, "kitchen", 100).await.remove(0).id;
    let Claimed::Yes(attempt) = claim(&store, dead, 1).await else { panic!("it may be made") };
    settle(&store, dead, attempt, Outcome::Rejected, Step::Dead).await;
    assert_eq!(store.prune(before, 0, 100).await.expect("pruned").0, 0);
    assert_eq!(due(&store, "kitchen", 100).await.len(), 9);
    let order = async |number: &str| store.order("s", number).await.expect("reading");
    assert!(order("1").await.is_none() && order("2").await.is_some() && order("new").await.is_some());
    // Its keys went with it: the same number may come again after so long.
    assert!(matches!(store.record(placed("1", &[])).await, Ok(Recorded::New { .. })));
}
