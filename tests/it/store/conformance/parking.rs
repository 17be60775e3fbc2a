//! Channels whose setting is wrong, and what a person sends to try one.

use orderbell::domain::event::Kind;
use orderbell::domain::order::OrderState;
use orderbell::domain::retry::{Outcome, Step};
use orderbell::store::queue::pending::UNREADY;

use crate::store::conformance::place::Place;
use crate::store::conformance::scene::{again, at, attempt, due, event, one, placed, row, settle, tried};

pub async fn a_parked_channel_is_probed_and_an_acceptance_resumes_it(place: Place) {
    let store = place.open(0).await;
    let [probe, other] = [one(&*store, placed("1", &["kitchen"])).await, one(&*store, placed("2", &["kitchen"])).await];
    assert_eq!(store.parked("kitchen").await.expect("reading"), None);
    for (id, probe_at) in [(other, at(9000)), (probe, at(600))] {
        tried(&*store, id, 1, Outcome::Misconfigured, Step::Park { probe_at }).await;
    }
    let parked = store.parked("kitchen").await.expect("reading").expect("it is parked");
    assert_eq!((parked.since, parked.reason.as_str(), parked.probes), (at(2), "said", 1), "they count as one probe");
    assert_eq!(parked.next_probe_at, at(600));
    let batch = store.due_batch("kitchen", at(1), 10, false).await.expect("reading");
    assert_eq!(batch.parked, Some(parked), "the channel's worker sees it with what is due");
    assert!(due(&*store, "kitchen", 599).await.is_empty());
    let waiting = async || due(&*store, "kitchen", 600).await.iter().map(|due| due.id).collect::<Vec<_>>();
    assert_eq!(waiting().await, [probe]);
    tried(&*store, probe, 600, Outcome::Delivered, Step::Delivered).await;
    assert_eq!(store.parked("kitchen").await.expect("reading"), None);
    assert_eq!(waiting().await, [other], "what waited for the setting is due");
}

pub async fn a_channel_without_its_secret_is_parked_until_it_has_it(place: Place) {
    let store = place.open(0).await;
    store.note_readiness("kitchen", Some("ROBOT is not set"), at(1)).await.expect("noted");
    store.note_readiness("kitchen", Some("ROBOT is empty"), at(5)).await.expect("noted");
    let parked = store.parked("kitchen").await.expect("reading").expect("it is parked");
    assert_eq!((parked.since, parked.reason), (at(1), format!("{UNREADY}ROBOT is empty")), "since the first time");
    store.note_readiness("kitchen", None, at(6)).await.expect("noted");
    assert_eq!(store.parked("kitchen").await.expect("reading"), None);
    // What its receiver says of it is another matter.
    let id = one(&*store, placed("1", &["kitchen"])).await;
    tried(&*store, id, 1, Outcome::Misconfigured, Step::Park { probe_at: at(600) }).await;
    store.note_readiness("kitchen", None, at(7)).await.expect("noted");
    assert!(store.parked("kitchen").await.expect("reading").is_some());
}

pub async fn a_test_leaves_nothing_behind(place: Place) {
    let store = place.open(0).await;
    let known = one(&*store, placed("1", &["kitchen"])).await;
    tried(&*store, known, 1, Outcome::Misconfigured, Step::Park { probe_at: at(600) }).await;
    let before = store.parking("kitchen").await.expect("reading");
    assert!(before.as_ref().is_some_and(|before| before.state.next_probe_at == at(600)));
    store.probe_now("kitchen", at(20)).await.expect("to be tried");
    let test = one(&*store, event(Kind::Test, "t", OrderState::Unknown, 20, "test", &["kitchen"])).await;
    let begun = attempt(&*store, again(&*store, test, 20).await).await;
    settle(&*store, test, begun, Outcome::Misconfigured, Step::Park { probe_at: at(9000) }).await;
    let probes = store.parked("kitchen").await.expect("reading").map(|parked| (parked.probes, parked.next_probe_at));
    assert_eq!(probes, Some((1, at(20))), "a test is no probe");
    let test_send = store.test_send(test, "robot".to_owned()).await.expect("reading").expect("it is there");
    assert_eq!((test_send.state.as_str(), test_send.attempts[0].answer.as_str()), ("waiting", "said"));
    store.take_back(test, at(21)).await.expect("taken back");
    assert_eq!(row(&*store, test).await.state, "cancelled");
    store.leave_parking("kitchen", before.clone()).await.expect("left");
    assert_eq!(store.parking("kitchen").await.expect("reading"), before);
    store.leave_parking("kitchen", None).await.expect("left");
    assert_eq!(store.parking("kitchen").await.expect("reading"), None, "it was not parked before");
}
