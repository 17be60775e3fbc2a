//! Channels that a person has paused.

use orderbell::domain::event::Kind;
use orderbell::domain::fallback::CatchUp;
use orderbell::domain::order::OrderState;
use orderbell::domain::retry::{Outcome, Step};
use orderbell::store::ingest::Record;
use orderbell::store::queue::attempt::{Claim, Claimed, Fallback, Purpose};
use orderbell::store::queue::pending::PausedState;

use crate::store::conformance::place::Place;
use crate::store::conformance::scene::{
    again, at, attempt, begin, claim, due, event, one, placed, settle, tried, urgent,
};

fn ann(since: i64) -> PausedState {
    PausedState { since: at(since), by: "ann".to_owned() }
}

pub async fn a_channel_is_paused_once_and_over_restarts_until_it_is_resumed(place: Place) {
    let store = place.open(0).await;
    assert_eq!(store.resume_paused("kitchen").await.expect("changed"), None, "it is not paused");
    assert_eq!(store.pause("kitchen", "ann", at(1)).await.expect("changed"), None);
    assert_eq!(store.pause("kitchen", "bob", at(5)).await.expect("changed"), Some(ann(1)), "nothing changes");
    store.close().await;
    let store = place.open(10).await;
    assert_eq!(store.paused("kitchen").await.expect("reading"), Some(ann(1)));
    assert_eq!(store.paused("owner").await.expect("reading"), None);
    assert_eq!(store.resume_paused("kitchen").await.expect("changed"), Some(ann(1)));
    assert_eq!(store.paused("kitchen").await.expect("reading"), None);
}

pub async fn nothing_of_a_paused_channel_is_due_or_begun_but_tests_and_then_all_of_it_is(place: Place) {
    let store = place.open(0).await;
    let first = one(&*store, urgent("1", &["kitchen"])).await;
    // Whatever the worker has in memory.
    let loaded = again(&*store, first, 1).await;
    let beside = place.open_beside().await;
    beside.pause("kitchen", "ann", at(1)).await.expect("changed");
    for number in 2..150 {
        store.record(urgent(&number.to_string(), &["kitchen"])).await.expect("recorded");
    }
    assert_eq!(store.claim(loaded).await.expect("claiming"), Claimed::Paused);
    assert_eq!(claim(&*store, first, 1).await, Claimed::Paused);
    let batch = store.due_batch("kitchen", at(2), 10, false).await.expect("reading");
    assert_eq!((batch.paused, batch.candidates.len(), batch.next_due), (Some(ann(1)), 0, None));
    let test = event(Kind::Test, "t", OrderState::Unknown, 2, "test", &["kitchen"]);
    let test = one(&*store, Record { urgent: vec!["kitchen".to_owned()], ..test }).await;
    let batch = store.due_batch("kitchen", at(9), 10, false).await.expect("reading");
    assert_eq!(batch.candidates.iter().map(|one| one.id).collect::<Vec<_>>(), [test], "behind however much waits");
    tried(&*store, test, 9, Outcome::Delivered, Step::Delivered).await;
    assert_eq!(store.paused("kitchen").await.expect("reading"), Some(ann(1)), "a test resumes nothing");
    beside.resume_paused("kitchen").await.expect("changed");
    let seqs: Vec<_> = due(&*store, "kitchen", 9).await.iter().map(|due| due.event_seq).collect();
    assert!(seqs.len() == 100 && seqs.is_sorted(), "{seqs:?}");
    assert!(matches!(claim(&*store, first, 9).await, Claimed::Yes(_)));
}

pub async fn a_message_that_is_under_way_goes_on_in_a_paused_channel(place: Place) {
    let store = place.open(0).await;
    let id = one(&*store, placed("1", &["kitchen"])).await;
    let begun = attempt(&*store, again(&*store, id, 1).await).await;
    store.pause("kitchen", "ann", at(1)).await.expect("changed");
    settle(&*store, id, begun, Outcome::Delivered, Step::Wait { until: at(2), spends: false }).await;
    let further = Claim { begins: false, part: 1, attempts: 1, ..begin(id, 2) };
    assert!(matches!(store.claim(further).await.expect("claiming"), Claimed::Yes(_)));
}

pub async fn a_paused_channel_may_be_parked_as_well_and_each_ends_by_itself(place: Place) {
    let store = place.open(0).await;
    let id = one(&*store, placed("1", &["kitchen"])).await;
    tried(&*store, id, 1, Outcome::Misconfigured, Step::Park { probe_at: at(600) }).await;
    store.pause("kitchen", "ann", at(3)).await.expect("changed");
    store.probe_now("kitchen", at(5)).await.expect("changed");
    assert_eq!(claim(&*store, id, 5).await, Claimed::Paused, "it is no probe either");
    let test = one(&*store, event(Kind::Test, "t", OrderState::Unknown, 5, "test", &["kitchen"])).await;
    let claimed = store.claim(Claim { purpose: Purpose::Test, ..again(&*store, test, 5).await }).await;
    let Ok(Claimed::Yes(begun)) = claimed else { panic!("a person asks for it: {claimed:?}") };
    settle(&*store, test, begun, Outcome::Delivered, Step::Delivered).await;
    assert_eq!(store.parked("kitchen").await.expect("reading"), None, "it is accepted");
    assert_eq!(store.paused("kitchen").await.expect("reading"), Some(ann(3)));
    store.resume_paused("kitchen").await.expect("changed");
    assert_eq!(due(&*store, "kitchen", 5).await.len(), 1);
}

pub async fn the_fallback_of_a_paused_channel_gets_what_is_urgent_and_has_waited_too_long(place: Place) {
    let store = place.open(0).await;
    let waits = one(&*store, urgent("1", &["kitchen"])).await;
    let ordinary = one(&*store, placed("2", &["kitchen"])).await;
    store.pause("kitchen", "ann", at(60)).await.expect("changed");
    let wanted =
        async |before| store.wants_fallback("kitchen", at(before), at(before + 600), None).await.expect("reading");
    assert!(!wanted(59).await, "it is not paused for so long");
    assert!(wanted(60).await);
    let to = Fallback { channel: "kitchen".to_owned(), to: "owner".to_owned(), catch_up: CatchUp::Never };
    assert_eq!(store.fall_back(to, at(60), at(660), None).await.expect("asked"), 1);
    let owner = due(&*store, "owner", 660).await;
    assert_eq!((owner.len(), owner[0].unreached[0].since), (1, at(60)), "{waits} and not {ordinary}");
    // What comes later waits its time, too.
    let late = event(Kind::OrderAccepted, "1", OrderState::Accepted, 100, "1002:1", &["kitchen"]);
    let late = Record { urgent: vec!["kitchen".to_owned()], ..late };
    one(&*store, late).await;
    assert_eq!((wanted(99).await, wanted(100).await), (false, true));
    tried(&*store, owner[0].id, 661, Outcome::Delivered, Step::Delivered).await;
    store.resume_paused("kitchen").await.expect("changed");
    store.settle_fallback("kitchen", at(700)).await.expect("settled");
    let left: Vec<_> = due(&*store, "kitchen", 700).await.iter().map(|due| due.id).collect();
    assert!(!left.contains(&waits) && left.contains(&ordinary), "{left:?}");
}
