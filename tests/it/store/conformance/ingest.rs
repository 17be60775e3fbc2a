//! What comes in is recorded whole, once and in a sequence, and what was refused is noted.

use std::collections::BTreeSet;

use orderbell::domain::event::Kind;
use orderbell::domain::order::OrderState;
use orderbell::store::health::HealthQuery;
use orderbell::store::history::found::{HistoryAnswer, Question};
use orderbell::store::ingest::RefusedWebhook;

use crate::store::conformance::place::Place;
use crate::store::conformance::scene::{at, due, event, is_new_for, placed};

pub async fn what_was_answered_is_there_after_a_restart(place: Place) {
    {
        let store = place.open(0).await;
        store.record(placed("1", &["kitchen", "erp"])).await.expect("recorded");
        store.close().await;
    }
    let store = place.open(100).await;
    assert_eq!((due(&*store, "kitchen", 0).await.len(), due(&*store, "erp", 0).await.len()), (1, 1));
    let order = store.order("s", "1").await.expect("reading").expect("the order");
    assert_eq!((order.state, order.revision), (OrderState::Placed, 1));
}

pub async fn orders_add_up_within_one_group_and_across_groups(place: Place) {
    let store = place.open(0).await;
    let all = [
        placed("1", &[]),
        event(Kind::OrderCancelled, "1", OrderState::Cancelled, 30, "1004:1", &[]),
        event(Kind::OrderAccepted, "1", OrderState::Accepted, 20, "1002:1", &["erp"]),
    ];
    // Sent without waiting, so that they may share a transaction.
    let [first, second, third] = all.map(|record| store.record(record));
    let (first, second, third) = tokio::join!(first, second, third);
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    let order = store.order("s", "1").await.expect("reading").expect("the order");
    assert_eq!((order.state, order.revision), (OrderState::Cancelled, 3));
    let taken = due(&*store, "erp", 100).await.remove(0);
    assert_eq!(
        taken.event.data.late.as_ref().map(|late| late.order_state),
        Some(OrderState::Cancelled),
        "it says that it is late"
    );
}

pub async fn many_orders_at_once_are_each_recorded_once_in_a_sequence(place: Place) {
    let store = place.open(0).await;
    let asked: Vec<_> = (0..200)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.record(placed(&number.to_string(), &["kitchen"])).await })
        })
        .collect();
    for answer in asked {
        let recorded = answer.await.expect("no panic").expect("recorded");
        assert!(is_new_for(&recorded, "kitchen"), "{recorded:?}");
    }
    let candidates = store.due_batch("kitchen", at(0), 500, false).await.expect("reading").candidates;
    let sequence: BTreeSet<i64> = candidates.iter().map(|candidate| candidate.event_seq).collect();
    assert_eq!((candidates.len(), sequence.len()), (200, 200));
}

pub async fn an_event_is_read_as_it_was_recorded(place: Place) {
    let store = place.open(0).await;
    let record = placed("一 '\"\\ 1", &["kitchen"]);
    let recorded = record.event.clone();
    store.record(record).await.expect("recorded");
    let read = store.event(recorded.id).await.expect("reading").expect("the event");
    assert_eq!((read.kind, read.received_at, read.order), (recorded.kind, recorded.received_at, recorded.order));
    assert_eq!(store.duplicates(recorded.id).await.expect("reading"), Some(0));
    let unknown = placed("2", &[]).event.id;
    assert!(store.event(unknown).await.expect("reading").is_none());
    assert_eq!(store.duplicates(unknown).await.expect("reading"), None);
}

pub async fn when_something_came_from_a_source_last_is_known_until_it_is_forgotten(place: Place) {
    let store = place.open(0).await;
    let known = async || {
        // What is left with the store is kept no later than what is asked of it behind that.
        store.note_refusals(Vec::new()).await.expect("noted");
        let query = HealthQuery { channels: Vec::new(), waits_since: at(0), dead: Default::default(), newest: false };
        store.query_health(query).await.expect("seen").source_activity
    };
    assert!(store.sign_of_life("s", Some(at(1))) && store.sign_of_life("t", Some(at(2))));
    assert!(store.sign_of_life("s", Some(at(3))));
    assert_eq!(known().await.into_iter().collect::<Vec<_>>(), [("s".to_owned(), at(3)), ("t".to_owned(), at(2))]);
    assert!(store.sign_of_life("s", None));
    assert_eq!(known().await.into_keys().collect::<Vec<_>>(), ["t"]);
}

pub async fn of_each_source_the_newest_five_thousand_refusals_are_kept_and_none_that_is_too_old(place: Place) {
    let store = place.open(0).await;
    let refused = |source: &str, second: i64| {
        let reason = format!("number {second}");
        RefusedWebhook { source: source.to_owned(), at: at(second), reason, bytes: 1, count: 1 }
    };
    let lot =
        |source: &str, range: std::ops::Range<i64>| range.map(|second| refused(source, second)).collect::<Vec<_>>();
    store.note_refusals(lot("a", 0..4990)).await.expect("noted");
    store.note_refusals(lot("b", 0..10)).await.expect("noted");
    store.note_refusals(lot("a", 4990..5100)).await.expect("noted");
    let asked = async |source: &str, around, limit| {
        let question = Question { asked: source.to_owned(), sources: Vec::new(), around, limit };
        let HistoryAnswer::Source(found) = store.history(question).await.expect("reading").found else {
            panic!("{source} is a source")
        };
        let seconds = found.refused.iter().map(|refused| refused.at.as_second() - at(0).as_second());
        (found.refusals, seconds.collect::<Vec<_>>())
    };
    assert_eq!(asked("a", None, 3).await, (5000, vec![5097, 5098, 5099]));
    assert_eq!(asked("a", Some(at(2000)), 3).await, (5000, vec![1999, 2000, 2001]));
    assert_eq!(asked("a", Some(at(0)), 1).await.1, [100], "those before are forgotten");
    assert_eq!(asked("b", None, 20).await, (10, (0..10).collect()));
    store.prune(at(5), 0, 50).await.expect("pruned");
    assert_eq!(asked("b", None, 20).await, (5, (5..10).collect()), "as old as everything else");
}
