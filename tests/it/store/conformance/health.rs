//! How things stand: incidents and their notices, what the daemon sees of itself, what a command asks it.

use std::collections::BTreeMap;

use orderbell::domain::event::{Kind, SignatureCheck};
use orderbell::domain::order::OrderState;
use orderbell::domain::retry::{Outcome, Step};
use orderbell::store::StoreError;
use orderbell::store::health::{HealthQuery, Incident, IncidentUpdate, Status};
use uuid::Uuid;

use crate::store::conformance::place::Place;
use crate::store::conformance::scene::{at, event, is_new_for, one, placed, tried, urgent};

fn query(channels: &[&str], waits_since: i64) -> HealthQuery {
    let channels = channels.iter().map(|channel| (*channel).to_owned()).collect();
    HealthQuery { channels, waits_since: at(waits_since), dead: BTreeMap::new(), newest: true }
}

pub async fn an_incident_changes_only_from_how_it_is_known_and_together_with_its_notice(place: Place) {
    let store = place.open(0).await;
    let incident = |second: i64| {
        let (topic, subject) = ("parked".to_owned(), "kitchen".to_owned());
        Some(Incident { topic, subject, since: at(second), detail: "\"why\"".to_owned() })
    };
    let notice = |number: &str| event(Kind::OperatorNotice, number, OrderState::Unknown, 0, number, &["boss"]);
    let update = async |before, after, notice| {
        store.update_incident(IncidentUpdate { before, after, notice }).await.expect("asked")
    };
    let known = async || store.query_health(query(&[], 0)).await.expect("seen").incidents;
    let first = update(None, incident(1), Some(notice("1"))).await;
    assert!(first.is_some_and(|first| is_new_for(&first, "boss")));
    for (before, after) in [(None, incident(2)), (incident(2), None)] {
        assert_eq!(update(before, after, Some(notice("2"))).await, None, "it is known otherwise");
    }
    assert_eq!(
        (known().await, store.deliveries(None).await.expect("reading").len()),
        (vec![incident(1).expect("one")], 1)
    );
    assert!(update(incident(1), incident(3), None).await.is_some());
    assert_eq!(known().await, [incident(3).expect("one")]);
    assert!(update(incident(3), None, Some(notice("3"))).await.is_some());
    assert_eq!((known().await, store.deliveries(None).await.expect("reading").len()), (Vec::new(), 2));
}

pub async fn what_is_parked_overdue_dead_and_unrouted_is_seen(place: Place) {
    let store = place.open(0).await;
    let parked = one(&*store, urgent("1", &["kitchen"])).await;
    tried(&*store, parked, 1, Outcome::Misconfigured, Step::Park { probe_at: at(600) }).await;
    let dead = one(&*store, placed("2", &["owner"])).await;
    tried(&*store, dead, 1, Outcome::Rejected, Step::Dead).await;
    store.record(placed("3", &[])).await.expect("recorded");
    let seen = store.query_health(query(&["kitchen", "owner"], 100)).await.expect("seen");
    let [found] = seen.parked.as_slice() else { panic!("one is parked: {seen:?}") };
    assert_eq!((found.channel.as_str(), found.since, found.waiting), ("kitchen", at(2), 1));
    let [found] = seen.waiting.as_slice() else { panic!("one waits: {seen:?}") };
    assert_eq!((found.channel.as_str(), found.oldest, found.count), ("kitchen", at(0), 1));
    assert_eq!(found.words.as_deref(), Some("said"));
    let found = &seen.dead["owner"];
    assert_eq!((found.all, found.dead.as_ref().map(|dead| (dead.count, dead.newest))), (1, Some((1, at(2)))));
    assert_eq!(seen.unrouted.iter().map(|event| event.kind.clone()).collect::<Vec<_>>(), [Kind::OrderPlaced]);
    let before = store.query_health(query(&["kitchen"], -1)).await.expect("seen");
    assert!(before.waiting.is_empty(), "it has not waited for so long");
}

pub async fn what_waits_is_counted_with_its_age_and_why_a_channel_is_parked(place: Place) {
    let store = place.open(0).await;
    let parked = one(&*store, urgent("1", &["kitchen"])).await;
    tried(&*store, parked, 1, Outcome::Misconfigured, Step::Park { probe_at: at(600) }).await;
    let done = one(&*store, placed("2", &["owner"])).await;
    tried(&*store, done, 1, Outcome::Delivered, Step::Delivered).await;
    for (second, number) in [(20, "3"), (10, "4")] {
        let (kind, state) = (Kind::OrderPlaced, OrderState::Placed);
        store.record(event(kind, number, state, second, number, &["owner", "kitchen"])).await.expect("recorded");
    }
    store.pause("owner", "ann", at(30)).await.expect("paused");
    let asked = ["kitchen", "owner", "idle"].map(str::to_owned).to_vec();
    let depths = store.queue_depths(asked).await.expect("read");
    let seen: Vec<_> = depths.iter().map(|depth| (depth.channel.as_str(), depth.waiting, depth.oldest)).collect();
    // The one that came first, whatever the clock said then.
    assert_eq!(seen, [("kitchen", 3, Some(at(0))), ("owner", 2, Some(at(20))), ("idle", 0, None)]);
    let parked = depths[0].parked.as_ref().expect("it is parked");
    assert_eq!((parked.since, parked.reason.as_str()), (at(2), "said"));
    assert_eq!((&depths[1].parked, &depths[2].parked), (&None, &None));
    let paused: Vec<_> = depths.iter().map(|depth| depth.paused.as_ref().map(|paused| paused.since)).collect();
    assert_eq!(paused, [None, Some(at(30)), None]);
}

pub async fn each_commit_is_measured(place: Place) {
    let store = place.open(0).await;
    let before = store.commits().jobs.frequencies();
    for number in ["1", "2"] {
        store.record(placed(number, &["kitchen"])).await.expect("recorded");
    }
    let (jobs, seconds) = (store.commits().jobs.frequencies(), store.commits().seconds.frequencies());
    assert_eq!((jobs.count - before.count, jobs.sum - before.sum), (2, 2.0), "two of one change each");
    assert!(seconds.count == jobs.count && seconds.sum > 0.0, "{seconds:?}");
}

pub async fn what_was_not_proven_is_counted_between_two_moments(place: Place) {
    let store = place.open(0).await;
    for second in [10, 20, 30] {
        let mut record = event(Kind::OrderPlaced, "1", OrderState::Placed, second, &second.to_string(), &[]);
        record.event.proof = SignatureCheck::Invalid;
        store.record(record).await.expect("recorded");
    }
    store.record(placed("2", &[])).await.expect("recorded");
    let unproven = async |source: &str, after, before| {
        let found = store.unproven(source, at(after), at(before)).await.expect("reading");
        found.map(|found| (found.count, found.first, found.last))
    };
    assert_eq!(unproven("s", -1, 100).await, Some((3, at(10), at(30))));
    assert_eq!(unproven("s", 10, 30).await, Some((1, at(20), at(20))), "neither of the two moments counts");
    assert_eq!((unproven("s", 30, 100).await, unproven("other", -1, 100).await), (None, None));
    let last = async |before| store.last_event(at(before)).await.expect("reading");
    assert_eq!((last(30).await, last(31).await, last(0).await), (Some(at(20)), Some(at(30)), None));
}

pub async fn a_command_asks_and_the_daemon_answers(place: Place) {
    let store = place.open(0).await;
    let command = place.open_beside().await;
    let [forgotten, asked] = [Uuid::now_v7(), Uuid::now_v7()];
    command.ask_settings(forgotten, vec![1], at(0)).await.expect("asked");
    command.ask_settings(asked, vec![0, 255], at(100)).await.expect("asked");
    assert_eq!(store.inquiries().await.expect("reading"), [(forgotten, vec![1]), (asked, vec![0, 255])]);
    assert_eq!(command.answer(asked).await.expect("reading"), None);
    store.answer_inquiry(asked, "an answer".to_owned(), at(101)).await.expect("answered");
    assert_eq!(command.answer(asked).await.expect("reading").as_deref(), Some("an answer"));
    assert!(store.inquiries().await.expect("reading").is_empty(), "one that was not taken back is forgotten");
    command.drop_inquiry(asked).await.expect("taken back");
    assert_eq!(command.answer(asked).await.expect("reading"), None);
}

pub async fn a_closed_store_takes_no_more_and_can_be_opened_again(place: Place) {
    let store = place.open(0).await;
    store.opened().await;
    assert!(store.is_ready() && store.writer_answers().await);
    assert_eq!((&*store.status().borrow(), store.loss()), (&Status::Ready(None), None));
    // What was asked before is done.
    let recorded = store.record(placed("1", &["kitchen"]));
    let (recorded, ()) = tokio::join!(recorded, store.close());
    assert!(recorded.is_ok());
    let refused = store.record(placed("2", &["kitchen"])).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(!store.writer_answers().await && store.deliveries(None).await.is_err());
    let again = place.open(1).await;
    assert_eq!(again.deliveries(None).await.expect("reading").len(), 1);
}
