//! Repeats: which webhooks are one event, and how long that is known.

use orderbell::domain::event::{DedupeKey, Kind};
use orderbell::domain::money::Money;
use orderbell::domain::order::{OrderLine, OrderState};
use orderbell::store::StoreError;
use orderbell::store::ingest::{NewDelivery, Recorded};

use crate::store::conformance::place::Place;
use crate::store::conformance::scene::{at, due, event, placed};

pub async fn the_same_webhook_twice_is_one_event_and_one_delivery(place: Place) {
    let store = place.open(0).await;
    let first = placed("1", &["kitchen"]);
    let id = first.event.id;
    let delivery = NewDelivery { id: first.targets[0].1, channel: "kitchen".to_owned(), urgent: false };
    let Recorded::New { channels, unjudged, committed } = store.record(first).await.expect("recorded") else {
        panic!("it is new");
    };
    assert_eq!((channels.as_slice(), unjudged.as_slice()), (&["kitchen".to_owned()][..], &[][..]));
    let committed = committed.expect("an event");
    assert_eq!((committed.seq, committed.event.id, committed.deliveries), (1, id, vec![delivery]));
    assert_eq!(committed.order.map(|order| order.number.clone()), Some("1".to_owned()));
    assert_eq!(store.record(placed("1", &["kitchen"])).await.expect("recorded"), Recorded::Repeat { of: id });
    assert_eq!(due(&*store, "kitchen", 0).await.len(), 1);
    assert_eq!(store.duplicates(id).await.expect("reading"), Some(1));
}

pub async fn the_same_webhook_many_times_at_once_is_one_event(place: Place) {
    let store = place.open(0).await;
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
    assert_eq!((fresh, due(&*store, "kitchen", 0).await.len()), (1, 1));
}

pub async fn equal_content_about_a_shop_is_a_repeat_of_the_latest_within_five_minutes(place: Place) {
    let store = place.open(0).await;
    let status = |content: u8, received: i64| {
        let mut record = event(Kind::StoreStatus, "-", OrderState::Unknown, received, "", &[]);
        record.event.order = None;
        record.dedupe_keys =
            vec![DedupeKey::Latest { key: "1102:5".to_owned(), content: [content; 32], window_seconds: 300 }];
        store.record(record)
    };
    let is_new = |recorded: Result<Recorded, StoreError>| matches!(recorded, Ok(Recorded::New { .. }));
    assert!(is_new(status(1, 0).await));
    assert!(!is_new(status(1, 300).await), "equal and within the window");
    assert!(is_new(status(2, 310).await), "other content");
    assert!(is_new(status(1, 320).await), "equal, but not to the latest: the shop opened, closed and opened");
    assert!(is_new(status(1, 621).await), "equal to the latest, but too long ago");
}

pub async fn other_content_under_one_proof_is_another_event_while_it_is_fresh_and_a_replay_later(place: Place) {
    let store = place.open(0).await;
    let taken = async |key: &str, content: u8, received: i64| {
        let mut record = event(Kind::OrderPaid, &content.to_string(), OrderState::Paid, received, "", &["erp"]);
        // Each key is a proof that was made at second 0; the clock of this table moves on.
        record.dedupe_keys =
            vec![DedupeKey::Guarded { key: key.to_owned(), content: [content; 32], fresh: received < 10 }];
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
        assert_eq!(taken(key, content, second).await, expected, "second {second}: content {content} under {key}");
    }
    assert_eq!(due(&*store, "erp", 300).await.len(), 5, "neither repeats nor replays are sent");
    assert!(store.order("s", "4").await.expect("reading").is_none(), "nothing of a replay is kept");
}

pub async fn a_guarded_key_is_kept_as_long_as_any_of_its_events(place: Place) {
    let store = place.open(0).await;
    let taken = async |content: u8, received: i64, fresh: bool| {
        let mut record = event(Kind::OrderPaid, &content.to_string(), OrderState::Paid, received, "", &[]);
        record.dedupe_keys = vec![DedupeKey::Guarded { key: "a".to_owned(), content: [content; 32], fresh }];
        store.record(record).await.expect("recorded")
    };
    let is_new = |recorded: Recorded| matches!(recorded, Recorded::New { .. });
    assert!(is_new(taken(1, 0, true).await) && is_new(taken(2, 5, true).await));
    assert_eq!(store.prune(at(3), 0, 100).await.expect("pruned").0, 1);
    assert_eq!(taken(3, 20, false).await, Recorded::Replay, "the second event still stands for the proof");
    assert_eq!(store.prune(at(10), 0, 100).await.expect("pruned").0, 1);
    assert!(is_new(taken(3, 30, false).await), "nothing is known of it any more");
}

pub async fn a_fuller_repeat_completes_lines_and_total_and_rings_nobody(place: Place) {
    let store = place.open(0).await;
    store.record(placed("1", &["kitchen"])).await.expect("recorded");
    let mut fuller = placed("1", &["kitchen"]);
    if let Some(order) = &mut fuller.event.order {
        order.total = Some(Money::new(4600, "SAR"));
        order.lines = vec![OrderLine { name: "Tea".to_owned(), ..OrderLine::default() }];
    }
    assert!(matches!(store.record(fuller).await, Ok(Recorded::Repeat { .. })));
    let order = store.order("s", "1").await.expect("reading").expect("the order");
    assert_eq!((order.total.map(|total| total.minor), order.lines.len(), order.revision), (Some(4600), 1, 1));
    assert_eq!(due(&*store, "kitchen", 0).await.len(), 1);
}
