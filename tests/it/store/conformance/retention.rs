//! Retention: what is old goes in small steps, and never what is still to be delivered.

use jiff::SignedDuration;
use orderbell::domain::event::Kind;
use orderbell::domain::order::OrderState;
use orderbell::domain::retry::{Outcome, Step};
use orderbell::store::ingest::Recorded;
use orderbell::store::queue::attempt::Claimed;

use crate::store::conformance::place::Place;
use crate::store::conformance::scene::{at, claim, due, event, placed, settle};

pub async fn what_is_old_and_done_is_removed_and_never_what_is_still_to_be_delivered(place: Place) {
    let store = place.open(0).await;
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
    let dead = due(&*store, "kitchen", 100).await.remove(0).id;
    let Claimed::Yes(attempt) = claim(&*store, dead, 1).await else { panic!("it may be made") };
    settle(&*store, dead, attempt, Outcome::Rejected, Step::Dead).await;
    assert_eq!(store.prune(before, 0, 100).await.expect("pruned").0, 0);
    assert_eq!(due(&*store, "kitchen", 100).await.len(), 9);
    let order = async |number: &str| store.order("s", number).await.expect("reading");
    assert!(order("1").await.is_none() && order("2").await.is_some() && order("new").await.is_some());
    // Its keys went with it: the same number may come again after so long.
    assert!(matches!(store.record(placed("1", &[])).await, Ok(Recorded::New { .. })));
}
