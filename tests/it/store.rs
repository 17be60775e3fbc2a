//! The store's contract: what is answered is on disk, repeats are one event, attempts begin and end, old events go.

use std::path::Path;

use jiff::SignedDuration;
use jiff::Timestamp;
use orderbell::domain::data::Data;
use orderbell::domain::event::DeliveryId;
use orderbell::domain::event::Event;
use orderbell::domain::event::EventId;
use orderbell::domain::event::Kind;
use orderbell::domain::event::Proof;
use orderbell::domain::event::RepeatKey;
use orderbell::domain::fallback::CatchUp;
use orderbell::domain::message::Form;
use orderbell::domain::message::Part;
use orderbell::domain::money::Money;
use orderbell::domain::order::Line;
use orderbell::domain::order::OrderNews;
use orderbell::domain::order::OrderState;
use orderbell::domain::retry::Answer;
use orderbell::domain::retry::Outcome;
use orderbell::domain::retry::Step;
use orderbell::domain::route::Hearer;
use orderbell::domain::verdict::Verdicts;
use orderbell::store::Claim;
use orderbell::store::Claimed;
use orderbell::store::Due;
use orderbell::store::Fallback;
use orderbell::store::Record;
use orderbell::store::Recorded;
use orderbell::store::Settle;
use orderbell::store::StoreError;
use orderbell::store::change::Wish;
use orderbell::store::sqlite::Sqlite;
use orderbell::store::sqlite::change::Changes;
use uuid::Uuid;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + seconds).expect("a time")
}

fn open(folder: &Path) -> Sqlite {
    Sqlite::open(&folder.join("bell.db"), at(0)).expect("the store opens")
}

/// An order event of the source `s`, told to `channels`, recognised by `key`.
fn event(kind: Kind, number: &str, state: OrderState, received: i64, key: &str, channels: &[&str]) -> Record {
    let order = OrderNews { number: number.to_owned(), state: Some(state), ..OrderNews::default() };
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
            proof: Proof::Held("test".to_owned()),
        },
        body: b"{}".to_vec(),
        repeat_keys: vec![RepeatKey::Once(key.to_owned())],
        hearers: channels.iter().map(|channel| (Hearer::always(*channel), DeliveryId(Uuid::now_v7()))).collect(),
        urgent: Vec::new(),
        verdicts: Verdicts::default(),
    }
}

fn placed(number: &str, channels: &[&str]) -> Record {
    event(Kind::OrderPlaced, number, OrderState::Placed, 0, &format!("1001:{number}"), channels)
}

async fn due(store: &Sqlite, channel: &str, now: i64) -> Vec<Due> {
    due_in(store, channel, now, false).await.0
}

/// What is due, and what cannot be read.
async fn due_in(store: &Sqlite, channel: &str, now: i64, in_order: bool) -> (Vec<Due>, Vec<DeliveryId>) {
    let outlook = store.reader().outlook(channel, at(now), 100, in_order).await.expect("reading");
    let ids = outlook.candidates.iter().map(|candidate| candidate.id).collect();
    let (known, mut unreadable) = store.reader().load(ids, at(now)).await.expect("reading");
    unreadable.extend(outlook.unreadable);
    (known, unreadable)
}

/// The begin of an attempt whose message was composed just now.
fn begin(delivery: DeliveryId, now: i64) -> Claim {
    let composed = vec![Part { index: 0, form: Form::Full, body: "hello".to_owned() }];
    Claim {
        delivery,
        carries: Vec::new(),
        released: Vec::new(),
        composed,
        part: 0,
        form: Form::Full,
        at: at(now),
        lease_until: at(now + 60),
        credential: None,
        freed: Vec::new(),
    }
}

async fn claim(store: &Sqlite, delivery: DeliveryId, now: i64) -> Claimed {
    store.claim(begin(delivery, now)).await.expect("claiming")
}

/// The end of an attempt.
fn end(delivery: DeliveryId, attempt: i64, step: Step) -> Settle {
    let answer = Answer { outcome: Outcome::Delivered, words: "said".to_owned() };
    Settle {
        delivery,
        attempt,
        part: 0,
        form: Form::Full,
        more_parts: false,
        at: at(2),
        answer,
        step,
        whole: None,
        far_ahead_s: None,
        pacing: None,
        fallback: None,
    }
}

async fn settle(store: &Sqlite, delivery: DeliveryId, attempt: i64, outcome: Outcome, step: Step) {
    let answer = Answer { outcome, words: "said".to_owned() };
    store.settle(Settle { answer, ..end(delivery, attempt, step) }).await.expect("settling");
}

async fn states(store: &Sqlite) -> Vec<(String, u32)> {
    let standings = store.reader().deliveries(None).await.expect("reading");
    standings.into_iter().map(|standing| (standing.state, standing.attempts)).collect()
}

#[tokio::test]
async fn the_same_webhook_twice_is_one_event_and_one_delivery() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let first = placed("1", &["kitchen"]);
    let id = first.event.id;
    let recorded = Recorded::New { channels: vec!["kitchen".to_owned()], unjudged: Vec::new() };
    assert_eq!(store.record(first).await.expect("recorded"), recorded);
    assert_eq!(store.record(placed("1", &["kitchen"])).await.expect("recorded"), Recorded::Repeat { of: id });
    assert_eq!(due(&store, "kitchen", 0).await.len(), 1);
    assert_eq!(store.reader().repeats(id).await.expect("reading"), Some(1));
}

#[tokio::test]
async fn the_same_webhook_many_times_at_once_is_one_event() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = std::sync::Arc::new(open(folder.path()));
    let asked: Vec<_> = (0..64)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.record(placed("1", &["kitchen"])).await.expect("recorded") })
        })
        .collect();
    let mut fresh = 0;
    for answer in asked {
        fresh += usize::from(matches!(answer.await.expect("no panic"), Recorded::New { .. }));
    }
    assert_eq!((fresh, due(&store, "kitchen", 0).await.len()), (1, 1));
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    {
        let store = open(folder.path());
        store.record(placed("1", &["kitchen", "erp"])).await.expect("recorded");
        store.close().await;
    }
    let store = Sqlite::open(&folder.path().join("bell.db"), at(100)).expect("the store opens again");
    assert_eq!((due(&store, "kitchen", 0).await.len(), due(&store, "erp", 0).await.len()), (1, 1));
    let order = store.reader().order("s", "1").await.expect("reading").expect("the order");
    assert_eq!((order.state, order.revision), (OrderState::Placed, 1));
}

#[tokio::test]
async fn a_second_daemon_on_the_same_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let _first = open(folder.path());
    let refused = Sqlite::open(&folder.path().join("bell.db"), at(0)).err().expect("refused").to_string();
    assert!(refused.contains("in use by another orderbell daemon"), "{refused}");
}

#[tokio::test]
async fn equal_content_about_a_shop_is_a_repeat_of_the_latest_within_five_minutes() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let status = |content: u8, received: i64| {
        let mut record = event(Kind::StoreStatus, "-", OrderState::Unknown, received, "", &[]);
        record.event.order = None;
        record.repeat_keys =
            vec![RepeatKey::Latest { key: "1102:5".to_owned(), content: [content; 32], window_seconds: 300 }];
        store.record(record)
    };
    let is_new = |recorded: Result<Recorded, StoreError>| matches!(recorded, Ok(Recorded::New { .. }));
    assert!(is_new(status(1, 0).await));
    assert!(!is_new(status(1, 300).await), "equal and within the window");
    assert!(is_new(status(2, 310).await), "other content");
    assert!(is_new(status(1, 320).await), "equal, but not to the latest: the shop opened, closed and opened");
    assert!(is_new(status(1, 621).await), "equal to the latest, but too long ago");
}

#[tokio::test]
async fn other_content_under_one_proof_is_another_event_while_it_is_fresh_and_a_replay_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let told = async |key: &str, content: u8, received: i64| {
        let mut record = event(Kind::OrderPaid, &content.to_string(), OrderState::Paid, received, "", &["erp"]);
        // Each key is a proof that was made at second 0; the clock of this table moves on.
        record.repeat_keys =
            vec![RepeatKey::Guarded { key: key.to_owned(), content: [content; 32], fresh: received < 10 }];
        match store.record(record).await.expect("recorded") {
            Recorded::New { .. } => "new",
            Recorded::Repeat { .. } => "repeat",
            Recorded::Replay => "replay",
        }
    };
    for (second, key, content, expected) in [
        (0, "a", 1, "new"),
        (1, "a", 1, "repeat"),
        (2, "a", 2, "new"),
        (9, "a", 3, "new"),
        (9, "b", 1, "new"),
        (10, "a", 4, "replay"),
        (11, "a", 1, "repeat"),
        (12, "a", 3, "repeat"),
        (13, "a", 4, "replay"),
        (14, "b", 4, "replay"),
        // A proof that comes late, but for the first time, is no replay.
        (200, "c", 1, "new"),
        (201, "c", 1, "repeat"),
        (201, "c", 2, "replay"),
    ] {
        assert_eq!(told(key, content, second).await, expected, "second {second}: content {content} under {key}");
    }
    assert_eq!(due(&store, "erp", 300).await.len(), 5, "neither repeats nor replays are told");
    assert!(store.reader().order("s", "4").await.expect("reading").is_none(), "nothing of a replay is kept");
}

#[tokio::test]
async fn a_guarded_key_is_kept_as_long_as_any_of_its_events() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let told = async |content: u8, received: i64, fresh: bool| {
        let mut record = event(Kind::OrderPaid, &content.to_string(), OrderState::Paid, received, "", &[]);
        record.repeat_keys = vec![RepeatKey::Guarded { key: "a".to_owned(), content: [content; 32], fresh }];
        store.record(record).await.expect("recorded")
    };
    let is_new = |recorded: Recorded| matches!(recorded, Recorded::New { .. });
    assert!(is_new(told(1, 0, true).await) && is_new(told(2, 5, true).await));
    assert_eq!(store.prune(at(3), 0, 100).await.expect("pruned").0, 1);
    assert_eq!(told(3, 20, false).await, Recorded::Replay, "the second event still stands for the proof");
    assert_eq!(store.prune(at(10), 0, 100).await.expect("pruned").0, 1);
    assert!(is_new(told(3, 30, false).await), "nothing is known of it any more");
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
    let order = store.reader().order("s", "1").await.expect("reading").expect("the order");
    assert_eq!((order.state, order.revision), (OrderState::Cancelled, 3));
    let told = due(&store, "erp", 100).await.remove(0);
    assert_eq!(
        told.event.data.late.map(|late| late.order_state),
        Some(OrderState::Cancelled),
        "it says that it is late"
    );
}

#[tokio::test]
async fn a_fuller_repeat_completes_lines_and_total_and_rings_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    store.record(placed("1", &["kitchen"])).await.expect("recorded");
    let mut fuller = placed("1", &["kitchen"]);
    if let Some(order) = &mut fuller.event.order {
        order.total = Some(Money::new(4600, "SAR"));
        order.lines = vec![Line { name: "Tea".to_owned(), ..Line::default() }];
    }
    assert!(matches!(store.record(fuller).await, Ok(Recorded::Repeat { .. })));
    let order = store.reader().order("s", "1").await.expect("reading").expect("the order");
    assert_eq!((order.total.map(|total| total.minor), order.lines.len(), order.revision), (Some(4600), 1, 1));
    assert_eq!(due(&store, "kitchen", 0).await.len(), 1);
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
async fn after_a_crash_what_was_under_way_is_due_again_with_the_same_bytes_and_marked_as_maybe_told() {
    let folder = tempfile::tempdir().expect("a folder");
    {
        let store = open(folder.path());
        store.record(placed("1", &["kitchen"])).await.expect("recorded");
        let id = due(&store, "kitchen", 0).await[0].id;
        claim(&store, id, 1).await;
        store.close().await;
    }
    let store = Sqlite::open(&folder.path().join("bell.db"), at(100)).expect("the store opens again");
    let again = due(&store, "kitchen", 100).await;
    let [delivery] = again.as_slice() else { panic!("one delivery is due: {again:?}") };
    assert!(delivery.maybe_told);
    assert_eq!(delivery.parts, [Part { index: 0, form: Form::Full, body: "hello".to_owned() }]);
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
    let composed: Vec<Part> = bodies.zip(0..).map(|(body, index)| Part { index, form: Form::Full, body }).collect();
    let claimed = store.claim(Claim { composed: composed.clone(), ..begin(id, 1) }).await.expect("claiming");
    let Claimed::Yes(attempt) = claimed else { panic!("it may be made") };
    assert_eq!(due(&store, "mail", 100).await[0].parts, composed);
    let kept = bytes_kept(folder.path());
    let once: usize = pieces.iter().map(String::len).sum();
    assert!((once..once + 200).contains(&kept), "{kept} bytes for {once}");
    // The one with which the others go on is delivered and no more to send; and what is composed anew takes its place.
    let again = Step::Wait { until: at(50), spends: true };
    let whole = Some((Answer { outcome: Outcome::Retry { after: None }, words: "said".to_owned() }, again));
    store.settle(Settle { whole, ..end(id, attempt, Step::Delivered) }).await.expect("settling");
    assert_eq!(due(&store, "mail", 100).await[0].parts, composed[1..]);
    let marked: Vec<Part> =
        composed[1..].iter().map(|part| Part { body: format!("{} once more", part.body), ..part.clone() }).collect();
    store.claim(Claim { composed: marked.clone(), part: 1, ..begin(id, 100) }).await.expect("claiming");
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
    assert_eq!(store.reader().next_due("kitchen").await.expect("reading"), Some(at(50)));
    let delivery = due(&store, "kitchen", 50).await.remove(0);
    assert_eq!((delivery.spent, delivery.attempts, delivery.maybe_told), (1, 1, true));
}

#[tokio::test]
async fn a_channel_in_order_gets_the_next_event_of_an_order_only_when_the_one_before_is_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    store.record(placed("1", &["erp"])).await.expect("recorded");
    store.record(event(Kind::OrderAccepted, "1", OrderState::Accepted, 1, "1002:1", &["erp"])).await.expect("recorded");
    store.record(placed("2", &["erp"])).await.expect("recorded");
    let in_order = async || due_in(&store, "erp", 10, true).await.0;
    let first = in_order().await;
    let numbers: Vec<_> = first.iter().map(|due| (due.order_key.clone(), due.event.kind.clone())).collect();
    let key = |number: &str| Some(format!("s/{number}"));
    assert_eq!(numbers, [(key("1"), Kind::OrderPlaced), (key("2"), Kind::OrderPlaced)]);
    let Claimed::Yes(attempt) = claim(&store, first[0].id, 1).await else { panic!("it may be made") };
    assert_eq!(in_order().await.len(), 1, "still under way");
    settle(&store, first[0].id, attempt, Outcome::Delivered, Step::Delivered).await;
    assert!(in_order().await.iter().any(|due| due.event.kind == Kind::OrderAccepted));
}

#[tokio::test]
async fn what_a_newer_version_wrote_holds_up_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let (odd, plain) = (placed("odd", &["kitchen"]), placed("plain", &["kitchen"]));
    let (odd_id, plain_id) = (odd.hearers[0].1, plain.hearers[0].1);
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
    let store = open(folder.path());
    store.record(placed("1", &["kitchen"])).await.expect("recorded");
    for name in ["bell.db", "bell.db-wal"] {
        let mode = std::fs::metadata(folder.path().join(name)).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    // FULL, in the write-ahead log: only so is what was committed on disk when the commit returns.
    assert_eq!(store.durability().await.expect("asked"), ("wal".to_owned(), 2));
}

#[tokio::test]
async fn retention_removes_what_is_old_and_done_and_never_what_somebody_must_still_hear() {
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
    let order = async |number: &str| store.reader().order("s", number).await.expect("reading");
    assert!(order("1").await.is_none() && order("2").await.is_some() && order("new").await.is_some());
    // Its keys went with it: the same number may come again after so long.
    assert!(matches!(store.record(placed("1", &[])).await, Ok(Recorded::New { .. })));
}

#[tokio::test]
async fn what_waits_is_known_by_channel_and_a_mended_setting_makes_it_due() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    for number in ["1", "2", "3"] {
        store.record(placed(number, &["kitchen", "erp"])).await.expect("recorded");
    }
    let outcomes = [Outcome::Delivered, Outcome::Retry { after: None }, Outcome::Misconfigured];
    for channel in ["kitchen", "erp"] {
        for (due, outcome) in due(&store, channel, 10).await.into_iter().zip(outcomes.clone()) {
            let Claimed::Yes(attempt) = claim(&store, due.id, 10).await else { panic!("it waits") };
            let step = match outcome {
                Outcome::Delivered => Step::Delivered,
                Outcome::Misconfigured => Step::Park { probe_at: at(600) },
                _ => Step::Wait { until: at(600), spends: false },
            };
            settle(&store, due.id, attempt, outcome, step).await;
        }
    }
    let waiting = store.reader().waiting().await.expect("readable");
    assert_eq!(waiting, [("erp".to_owned(), 2), ("kitchen".to_owned(), 2)]);
    store.probe_now("kitchen", at(20)).await.expect("to be tried");
    assert_eq!(
        due(&store, "kitchen", 20).await.len(),
        1,
        "the one that waits for the setting, not the one that was refused"
    );
    assert!(due(&store, "erp", 20).await.is_empty(), "another channel's setting has not changed");
    assert_eq!(due(&store, "kitchen", 600).await.len(), 2);
    for (channel, known) in [("kitchen", true), ("nowhere", false)] {
        assert_eq!(store.reader().knows_channel(channel).await.expect("readable"), known, "{channel}");
    }
}

#[tokio::test]
async fn what_was_tried_and_then_carried_has_another_key_when_it_goes_by_itself_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    for number in ["1", "2", "3"] {
        store.record(placed(number, &["kitchen"])).await.expect("recorded");
    }
    let [tried, fresh, leader] = due(&store, "kitchen", 0).await.try_into().expect("three deliveries");
    let [tried, fresh, leader] = [tried.id, fresh.id, leader.id];
    let later = |seconds| Step::Wait { until: at(seconds), spends: true };
    let Claimed::Yes(attempt) = claim(&store, tried, 0).await else { panic!("nobody has it") };
    settle(&store, tried, attempt, Outcome::Retry { after: None }, later(5)).await;
    let shared = Claim { carries: vec![tried, fresh], ..begin(leader, 5) };
    let Claimed::Yes(attempt) = store.claim(shared).await.expect("claiming") else { panic!("nobody has them") };
    settle(&store, leader, attempt, Outcome::TooLong, Step::Recompose(Form::Halved(1))).await;
    let shorter = Claim { released: vec![tried, fresh], form: Form::Halved(1), ..begin(leader, 10) };
    assert!(matches!(store.claim(shorter).await.expect("claiming"), Claimed::Yes(_)));
    let (known, _) = store.reader().load(vec![tried, fresh], at(10)).await.expect("reading");
    let rounds: Vec<u32> = known.iter().map(|due| due.round).collect();
    assert_eq!(rounds, [1, 0], "the bytes that were sent under the first key are gone");
    assert!(known.iter().all(|due| due.parts.is_empty()));
}

#[tokio::test]
async fn what_a_person_asks_for_once_more_goes_out_though_a_fallback_has_told_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    store.record(placed("1", &["kitchen"])).await.expect("recorded");
    let kitchen = due(&store, "kitchen", 0).await[0].id;
    let Claimed::Yes(attempt) = claim(&store, kitchen, 0).await else { panic!("nobody has it") };
    let fallback = Fallback { channel: "kitchen".to_owned(), to: "owner".to_owned(), catch_up: CatchUp::Never };
    let answer = Answer { outcome: Outcome::Rejected, words: "no".to_owned() };
    let dead = Settle { fallback: Some(fallback), answer, ..end(kitchen, attempt, Step::Dead) };
    store.settle(dead).await.expect("settling");
    let owner = due(&store, "owner", 2).await[0].id;
    let Claimed::Yes(attempt) = claim(&store, owner, 2).await else { panic!("nobody has it") };
    settle(&store, owner, attempt, Outcome::Delivered, Step::Delivered).await;
    let mut changes = Changes::open(&folder.path().join("bell.db")).expect("the store");
    for (channel, delivery) in [("kitchen", kitchen), ("owner", owner)] {
        changes.make(Wish::Redeliver, &[delivery.to_string()], at(5)).expect("changed");
        store.absorb("kitchen", at(6)).await.expect("changed");
        assert_eq!(due(&store, channel, 6).await.len(), 1, "{channel} is to hear it once more");
        let Claimed::Yes(attempt) = claim(&store, delivery, 6).await else { panic!("nobody has it") };
        // What stands in for the other one is called off only while nobody asks for it.
        settle(&store, delivery, attempt, Outcome::Retry { after: None }, Step::Wait { until: at(7), spends: true })
            .await;
        assert_eq!(due(&store, channel, 8).await.len(), 1, "{channel} still is");
        let Claimed::Yes(attempt) = claim(&store, delivery, 8).await else { panic!("nobody has it") };
        settle(&store, delivery, attempt, Outcome::Delivered, Step::Delivered).await;
    }
    assert_eq!(states(&store).await, [("delivered".to_owned(), 3), ("delivered".to_owned(), 3)]);
}

#[tokio::test]
async fn who_has_got_a_message_before_it_was_asked_for_once_more_does_not_make_it_delivered() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    store.record(placed("1", &["owner"])).await.expect("recorded");
    let mail = due(&store, "owner", 0).await[0].id;
    for outcome in [Outcome::Full, Outcome::Delivered] {
        let Claimed::Yes(attempt) = claim(&store, mail, 0).await else { panic!("nobody has it") };
        settle(&store, mail, attempt, outcome, Step::Wait { until: at(5), spends: false }).await;
    }
    let (hours, stands) = (6 * 3600, |due: &Due| (due.told, due.late.clone()));
    assert_eq!(stands(&due(&store, "owner", hours).await[0]), (true, vec![0]));
    let mut changes = Changes::open(&folder.path().join("bell.db")).expect("the store");
    changes.make(Wish::Redeliver, &[mail.to_string()], at(hours)).expect("changed");
    assert_eq!(stands(&due(&store, "owner", hours).await[0]), (false, Vec::new()));
}
