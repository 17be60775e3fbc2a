//! Messages that carry several deliveries.

use orderbell::domain::event::DeliveryId;
use orderbell::domain::message::PartForm;
use orderbell::domain::retry::{Outcome, Step};
use orderbell::store::Store;
use orderbell::store::queue::attempt::{Claim, Claimed};

use crate::store::conformance::place::Place;
use crate::store::conformance::scene::{again, at, attempt, begin, claim, due, one, placed, row, settle, tried};

/// Deliveries of so many orders to the kitchen.
async fn several(store: &dyn Store, count: usize) -> Vec<DeliveryId> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(one(store, placed(&number.to_string(), &["kitchen"])).await);
    }
    ids
}

pub async fn what_a_message_carries_shares_its_fate(place: Place) {
    let store = place.open(0).await;
    let [leader, first, second, alone] = several(&*store, 4).await[..] else { panic!("four") };
    let begun = attempt(&*store, Claim { carries: vec![first, second], ..again(&*store, leader, 1).await }).await;
    assert_eq!(store.carried(leader).await.expect("reading"), [first, second]);
    let waiting = due(&*store, "kitchen", 1000).await.iter().map(|due| due.id).collect::<Vec<_>>();
    assert_eq!(waiting, [alone, leader], "what is carried is not due by itself");
    assert_eq!(claim(&*store, first, 1).await, Claimed::No);
    settle(&*store, leader, begun, Outcome::Delivered, Step::Delivered).await;
    for (id, state, digest) in [(leader, "delivered", None), (first, "merged", Some(leader)), (alone, "waiting", None)]
    {
        let row = row(&*store, id).await;
        assert_eq!((row.state.as_str(), row.digest), (state, digest));
    }
    let of_orders = store.of_orders("kitchen", vec!["s/0".to_owned(), "s/3".to_owned()]).await.expect("reading");
    assert_eq!((of_orders["s/0"].as_slice(), of_orders["s/3"].as_slice()), ([].as_slice(), [alone].as_slice()));
}

pub async fn a_digest_that_dies_gives_each_one_more_chance(place: Place) {
    let store = place.open(0).await;
    let [leader, member] = several(&*store, 2).await[..] else { panic!("two") };
    let begun = attempt(&*store, Claim { carries: vec![member], ..again(&*store, leader, 1).await }).await;
    settle(&*store, leader, begun, Outcome::Rejected, Step::Dead).await;
    let batch = store.due_batch("kitchen", at(2), 10, false).await.expect("reading").candidates;
    let again: Vec<_> = batch.iter().map(|candidate| (candidate.id, candidate.returned)).collect();
    assert_eq!(again, [(leader, true), (member, true)], "each by itself");
    let (known, _) = store.load(vec![leader, member], at(2)).await.expect("reading");
    assert!(known.iter().all(|due| due.round == 1 && due.parts.is_empty()), "under another key, composed anew");
    for id in [leader, member] {
        tried(&*store, id, 3, Outcome::Rejected, Step::Dead).await;
        assert_eq!(row(&*store, id).await.state, "dead", "once is enough");
    }
}

pub async fn of_many_messages_that_would_carry_the_same_one_has_it(place: Place) {
    let store = place.open(0).await;
    let ids = several(&*store, 17).await;
    let (wanted, leaders) = ids.split_first().expect("some");
    let asked: Vec<_> = leaders
        .iter()
        .map(|leader| {
            let (store, claim) = (store.clone(), Claim { carries: vec![*wanted], ..begin(*leader, 1) });
            tokio::spawn(async move { store.claim(claim).await.expect("claiming") })
        })
        .collect();
    let mut begun = 0;
    for claimed in asked {
        begun += usize::from(matches!(claimed.await.expect("no panic"), Claimed::Yes(_)));
    }
    assert_eq!(begun, 1);
}

pub async fn what_was_tried_and_then_carried_has_another_key_when_it_goes_by_itself_again(place: Place) {
    let store = place.open(0).await;
    for number in ["1", "2", "3"] {
        store.record(placed(number, &["kitchen"])).await.expect("recorded");
    }
    let [tried, fresh, leader] = due(&*store, "kitchen", 0).await.try_into().expect("three deliveries");
    let [tried, fresh, leader] = [tried.id, fresh.id, leader.id];
    let later = |seconds| Step::Wait { until: at(seconds), spends: true };
    let Claimed::Yes(attempt) = claim(&*store, tried, 0).await else { panic!("nobody has it") };
    settle(&*store, tried, attempt, Outcome::Retry { after: None }, later(5)).await;
    let shared = Claim { carries: vec![tried, fresh], ..again(&*store, leader, 5).await };
    let Claimed::Yes(attempt) = store.claim(shared).await.expect("claiming") else { panic!("nobody has them") };
    settle(&*store, leader, attempt, Outcome::TooLong, Step::Recompose(PartForm::Halved(1))).await;
    let shorter = Claim { released: vec![tried, fresh], form: PartForm::Halved(1), ..again(&*store, leader, 10).await };
    assert!(matches!(store.claim(shorter).await.expect("claiming"), Claimed::Yes(_)));
    let (known, _) = store.load(vec![tried, fresh], at(10)).await.expect("reading");
    let rounds: Vec<u32> = known.iter().map(|due| due.round).collect();
    assert_eq!(rounds, [1, 0], "the bytes that were sent under the first key are gone");
    assert!(known.iter().all(|due| due.parts.is_empty()));
}

pub async fn a_message_that_is_taken_apart_sets_free_what_it_carried(place: Place) {
    let store = place.open(0).await;
    let [leader, member] = several(&*store, 2).await[..] else { panic!("two") };
    let begun = attempt(&*store, Claim { carries: vec![member], ..again(&*store, leader, 1).await }).await;
    settle(&*store, leader, begun, Outcome::Retry { after: None }, Step::Wait { until: at(50), spends: true }).await;
    assert_eq!(due(&*store, "kitchen", 50).await.len(), 1);
    store.dissolve(vec![leader]).await.expect("taken apart");
    assert!(due(&*store, "kitchen", 49).await.is_empty(), "when the message was to go again");
    let apart = due(&*store, "kitchen", 50).await;
    assert_eq!(apart.iter().map(|due| due.id).collect::<Vec<_>>(), [leader, member]);
    assert!(apart.iter().all(|due| due.parts.is_empty()), "composed anew");
    assert_eq!(apart[0].round, 1, "under another key");
}
