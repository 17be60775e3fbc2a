//! What must outlive a restart of the pacing, and a clock that is set.

use jiff::SignedDuration;
use orderbell::domain::retry::{Outcome, Step};
use orderbell::store::queue::attempt::{Claim, PacingFeedback, Settle};

use crate::store::conformance::place::Place;
use crate::store::conformance::scene::{again, at, attempt, due, end, ended, one, placed, row, settle, tried};

const WINDOW: SignedDuration = SignedDuration::from_secs(60);

pub async fn a_permit_is_taken_until_it_is_free_over_restarts_too(place: Place) {
    let store = place.open(0).await;
    let of = |claim: Claim| Claim { credential: Some("robot".to_owned()), ..claim };
    let [first, second] =
        [one(&*store, placed("1", &["kitchen"])).await, one(&*store, placed("2", &["kitchen"])).await];
    let begun = attempt(&*store, of(again(&*store, first, 1).await)).await;
    let slots = store.slots_of("robot", WINDOW, at(1)).await.expect("reading");
    assert_eq!(slots, [None], "while it is under way, nobody knows");
    settle(&*store, first, begun, Outcome::Delivered, Step::Delivered).await;
    let slots = async |now| store.slots_of("robot", WINDOW, at(now)).await.expect("reading");
    assert_eq!(slots(3).await, [Some(at(62))], "a window after its end");
    assert!(slots(62).await.is_empty() && store.slots_of("other", WINDOW, at(3)).await.expect("reading").is_empty());
    store.close().await;

    let store = place.open(3).await;
    assert_eq!(store.taken_slots().await.expect("reading").slots, [("robot".to_owned(), begun)]);
    let next = attempt(&*store, Claim { freed: vec![begun], ..of(again(&*store, second, 70).await) }).await;
    assert_eq!(store.taken_slots().await.expect("reading").slots, [("robot".to_owned(), next)]);
    store.forget_slots(vec![next]).await.expect("forgotten");
    assert!(store.taken_slots().await.expect("reading").slots.is_empty());
}

pub async fn a_rate_limited_credential_is_known_until_it_takes_a_message(place: Place) {
    let store = place.open(0).await;
    let id = one(&*store, placed("1", &["kitchen"])).await;
    let wait = || Step::Wait { until: at(100), spends: false };
    for (closings, until) in [(1, 100), (2, 300)] {
        let begun = attempt(&*store, again(&*store, id, 1).await).await;
        let reason = "too many".to_owned();
        let closed = PacingFeedback::Closed { credential: "robot".to_owned(), until: at(until), closings, reason };
        ended(&*store, Settle { pacing: Some(closed), ..end(id, begun, wait()) }).await;
        let known = store.taken_slots().await.expect("reading").closed;
        assert_eq!(known, [("robot".to_owned(), at(until), closings)]);
    }
    let test_send = store.test_send(id, "robot".to_owned()).await.expect("reading").expect("it is there");
    assert_eq!((test_send.rate_limited_until, test_send.attempts.len()), (Some(at(300)), 2));
    let begun = attempt(&*store, again(&*store, id, 300).await).await;
    let open = PacingFeedback::Open { credential: "robot".to_owned() };
    ended(&*store, Settle { pacing: Some(open), ..end(id, begun, Step::Delivered) }).await;
    assert!(store.taken_slots().await.expect("reading").closed.is_empty());
}

pub async fn a_clock_that_is_put_back_lengthens_no_wait(place: Place) {
    let store = place.open(0).await;
    let waiting = one(&*store, placed("1", &["kitchen"])).await;
    let elsewhere = one(&*store, placed("2", &["owner"])).await;
    for id in [waiting, elsewhere] {
        tried(&*store, id, 1, Outcome::Retry { after: None }, Step::Wait { until: at(50), spends: true }).await;
    }
    assert_eq!(store.cut_waits("kitchen", "robot", at(10)).await.expect("cut"), 0, "it was not put back");
    // The wait was of 48 seconds.
    assert_eq!(store.cut_waits("kitchen", "robot", at(-3600)).await.expect("cut"), 1);
    assert_eq!(row(&*store, waiting).await.due_at, at(-3552));
    assert_eq!(row(&*store, elsewhere).await.due_at, at(50), "another channel looks for itself");
    assert_eq!(due(&*store, "kitchen", -3552).await.len(), 1);
}
