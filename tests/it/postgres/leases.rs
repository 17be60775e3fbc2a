//! Leases on PostgreSQL: one holder at a time, by the database's clock, and whoever comes back with an older token is refused.

use std::collections::BTreeSet;

use futures_util::future;
use jiff::SignedDuration;
use orderbell::domain::event::DeliveryId;
use orderbell::domain::retry::Step;
use orderbell::store;
use orderbell::store::fencing::FencingToken;
use orderbell::store::leases::{AcquiredLease, Announcement, Grant, WantedLease};
use orderbell::store::queue::attempt::{Claim, Claimed, Settle};
use orderbell::store::{Store, StoreError};

use crate::postgres::cluster::{Database, value};
use crate::store::conformance::scene::{again, at, end, one, placed, row};

const LONG: SignedDuration = SignedDuration::from_mins(5);
const PAST: SignedDuration = SignedDuration::from_millis(-1);

async fn acquired(store: &dyn Store, lease: &str, instance: &str, lasts: SignedDuration) -> Option<FencingToken> {
    let wanted = WantedLease { lease: lease.to_owned(), lasts, channels: Vec::new() };
    let acquired = store.acquire(vec![wanted], instance, at(0)).await.expect("asked").remove(0);
    acquired.map(|AcquiredLease { grant: Grant { token, .. }, .. }| token)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_has_one_holder_and_its_number_grows_with_each() {
    let Some(database) = Database::make().await else { return };
    let store = store::open(&database.store_url(), at(0)).await.expect("the store opens");
    let first = acquired(&*store, "robot", "one", LONG).await.expect("it is free");
    assert_eq!(first, FencingToken { lease: "robot".to_owned(), number: 1 });
    assert_eq!(acquired(&*store, "robot", "two", LONG).await, None);
    let renewed = store.renew(vec![first.clone()], vec![LONG]).await.expect("asked");
    assert_eq!(renewed, [Some(Grant { token: first.clone(), lasts: Some(LONG) })]);
    // It has ended, and nobody has taken it: it is as good as before.
    store.renew(vec![first.clone()], vec![PAST]).await.expect("asked");
    assert!(store.roster().await.expect("asked").leases.is_empty());
    assert!(store.renew(vec![first.clone()], vec![LONG]).await.expect("asked")[0].is_some());
    store.release(vec![first.clone()]).await.expect("asked");
    assert_eq!(store.renew(vec![first.clone()], vec![LONG]).await.expect("asked"), [None], "it is released");
    let second = acquired(&*store, "robot", "two", LONG).await.expect("it is free");
    assert_eq!(second.number, 2);
    assert_eq!(store.renew(vec![first.clone()], vec![LONG]).await.expect("asked"), [None]);
    store.release(vec![first]).await.expect("asked");
    let held = store.roster().await.expect("asked").leases.remove(0);
    assert_eq!((held.token, held.instance.as_str()), (second, "two"), "an older token releases nothing");
    assert!(held.lasts.is_some_and(|lasts| lasts > LONG - SignedDuration::from_mins(1) && lasts <= LONG));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_leases_are_acquired_and_renewed_and_released_by_one_change_each() {
    let Some(database) = Database::make().await else { return };
    let store = store::open(&database.store_url(), at(0)).await.expect("the store opens");
    let delivery = one(&*store, placed("1", &["channel 7"])).await;
    let others = acquired(&*store, "credential 3", "two", LONG).await.expect("it is free");
    let number = async || store.version().await.expect("asked");
    let wanted: Vec<WantedLease> = (0..300)
        .map(|one| WantedLease {
            lease: format!("credential {one}"),
            lasts: LONG,
            channels: vec![format!("channel {one}")],
        })
        .collect();
    // What was under way at one of them is taken up.
    let token = acquired(&*store, "credential 7", "gone", LONG).await.expect("it is free");
    let claim = Claim {
        credential: Some("credential 7".to_owned()),
        token: token.clone(),
        ..again(&*store, delivery, 1).await
    };
    let Ok(Claimed::Yes(attempt)) = store.claim(claim).await else { panic!("it may be made") };
    store.renew(vec![token], vec![PAST]).await.expect("asked");
    let before = number().await;
    let acquired = store.acquire(wanted.clone(), "one", at(100)).await.expect("asked");
    assert_eq!(number().await, before + 1, "one change");
    for (place, (wanted, acquired)) in wanted.iter().zip(&acquired).enumerate() {
        let Some(AcquiredLease { grant, pacing }) = acquired else {
            assert_eq!(place, 3, "another one has it");
            continue;
        };
        let number = if place == 7 { 2 } else { 1 };
        assert_eq!(grant.token, FencingToken { lease: wanted.lease.clone(), number });
        let slots = if place == 7 { vec![("credential 7".to_owned(), attempt)] } else { Vec::new() };
        assert_eq!(pacing.slots, slots, "{place}");
    }
    let (known, _) = store.load(vec![delivery], at(100)).await.expect("reading");
    assert!(known[0].maybe_accepted, "its answer is lost");
    let mut tokens: Vec<FencingToken> = acquired.into_iter().flatten().map(|acquired| acquired.grant.token).collect();
    tokens.insert(3, FencingToken { number: 9, ..others });
    let before = number().await;
    let renewed = store.renew(tokens.clone(), vec![LONG; tokens.len()]).await.expect("asked");
    assert_eq!(number().await, before + 1, "one change");
    let places = renewed.iter().enumerate().filter(|(_, grant)| grant.is_none()).map(|(place, _)| place);
    assert_eq!(places.collect::<Vec<_>>(), [3], "an older token renews nothing");
    store.release(tokens).await.expect("asked");
    assert_eq!(number().await, before + 2, "one change");
    let roster = store.roster().await.expect("asked");
    assert_eq!(roster.leases.iter().map(|held| held.instance.as_str()).collect::<Vec<_>>(), ["two"]);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_lost_a_lease_begins_nothing_and_ends_nothing() {
    let Some(database) = Database::make().await else { return };
    let store = store::open(&database.store_url(), at(0)).await.expect("the store opens");
    let delivery = one(&*store, placed("1", &["kitchen"])).await;
    let old = acquired(&*store, "robot", "one", LONG).await.expect("it is free");
    let claim = Claim { credential: Some("robot".to_owned()), token: old.clone(), ..again(&*store, delivery, 1).await };
    let Ok(Claimed::Yes(attempt)) = store.claim(claim).await else { panic!("it may be made") };
    // The instance is frozen; by the database's clock its lease ends.
    store.renew(vec![old.clone()], vec![PAST]).await.expect("asked");
    let late = Claim { token: old.clone(), ..again(&*store, delivery, 2).await };
    assert!(matches!(store.claim(late.clone()).await, Err(StoreError::NotLeased)), "it has ended");
    let new = acquired(&*store, "robot", "two", LONG).await.expect("it has ended");
    let taken = store.take_over(new.clone(), vec!["kitchen".to_owned()], at(100)).await.expect("asked");
    assert_eq!(taken.expect("it is its holder").slots, [("robot".to_owned(), attempt)]);
    let (known, _) = store.load(vec![delivery], at(100)).await.expect("reading");
    assert!(known[0].maybe_accepted, "its answer is lost");
    assert_eq!(row(&*store, delivery).await.due_at, at(0), "since the lease was acquired");
    // It wakes.
    let settle = Settle { token: old.clone(), ..end(delivery, attempt, Step::Delivered) };
    assert!(matches!(store.settle(settle).await, Err(StoreError::NotLeased)));
    assert!(matches!(store.claim(late).await, Err(StoreError::NotLeased)));
    assert_eq!(store.take_over(old, vec!["kitchen".to_owned()], at(101)).await.expect("asked").map(drop), None);
    assert_eq!(row(&*store, delivery).await.state, "waiting");
    let claim = Claim { token: new.clone(), ..again(&*store, delivery, 101).await };
    let Ok(Claimed::Yes(attempt)) = store.claim(claim).await else { panic!("it may be made") };
    store.settle(Settle { token: new, ..end(delivery, attempt, Step::Delivered) }).await.expect("settled");
    assert_eq!(row(&*store, delivery).await.state, "delivered");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_claims_and_settles_in_one_group_those_without_a_lease_take_no_other_along() {
    let Some(database) = Database::make().await else { return };
    let store = store::open(&database.store_url(), at(0)).await.expect("the store opens");
    let good = acquired(&*store, "robot", "one", LONG).await.expect("it is free");
    let bad = FencingToken { number: good.number + 7, ..good.clone() };
    let mut claims = Vec::new();
    for number in 0..6 {
        let delivery = one(&*store, placed(&number.to_string(), &["kitchen"])).await;
        let token = if number % 2 == 0 { good.clone() } else { bad.clone() };
        claims.push(Claim { token, ..again(&*store, delivery, 1).await });
    }
    // While the store is locked, they gather behind the first one.
    let other = database.connect().await;
    other.batch_execute("BEGIN; UPDATE store_version SET number = number").await.expect("locked");
    let release = async {
        tokio::task::yield_now().await;
        other.batch_execute("COMMIT").await.expect("let go");
    };
    let asked = claims.into_iter().map(|claim| store.claim(claim));
    let (claimed, ()) = tokio::join!(future::join_all(asked), release);
    for (number, claimed) in claimed.into_iter().enumerate() {
        match number % 2 {
            0 => assert!(matches!(claimed, Ok(Claimed::Yes(_))), "{claimed:?}"),
            _ => assert!(matches!(claimed, Err(StoreError::NotLeased)), "{claimed:?}"),
        }
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_listed_while_it_says_that_it_runs() {
    let Some(database) = Database::make().await else { return };
    let store = store::open(&database.store_url(), at(0)).await.expect("the store opens");
    let announcement = |id: &str, version: &str| Announcement {
        id: id.to_owned(),
        name: "bell-1:8787".to_owned(),
        version: version.to_owned(),
        fingerprint: "0123abcd".to_owned(),
        credentials: vec!["robot".to_owned(), "a \"mailbox\"".to_owned()],
    };
    store.announce(announcement("one", "0.1.0")).await.expect("announced");
    store.announce(announcement("one", "0.1.1")).await.expect("announced");
    let roster = store.announce(announcement("two", "0.1.0")).await.expect("announced");
    let listed: Vec<_> = roster.instances.iter().map(|listed| listed.announcement.clone()).collect();
    assert_eq!(listed, [announcement("one", "0.1.1"), announcement("two", "0.1.0")]);
    assert!(store::is_held_by_daemon(&database.store_url()).await.expect("asked"));
    let client = database.connect().await;
    client.batch_execute("UPDATE instances SET seen_at = seen_at - 16000 WHERE id = 'one'").await.expect("changed");
    let roster = store.roster().await.expect("asked");
    assert_eq!(roster.instances.len(), 1, "the other one was not seen for long");
    store.withdraw("two").await.expect("asked");
    assert!(store.roster().await.expect("asked").instances.is_empty());
    assert!(!store::is_held_by_daemon(&database.store_url()).await.expect("asked"));
    assert_eq!(value(&client, "SELECT count(*) FROM instances").await, "1");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_withdraws_leaves_no_lease_behind_that_it_acquired_meanwhile() {
    let Some(database) = Database::make().await else { return };
    let store = store::open(&database.store_url(), at(0)).await.expect("the store opens");
    for lease in ["robot", "mailbox"] {
        acquired(&*store, lease, "one", LONG).await.expect("it is free");
    }
    acquired(&*store, "other", "two", LONG).await.expect("it is free");
    store.withdraw("one").await.expect("asked");
    let roster = store.roster().await.expect("asked");
    let held: Vec<(&str, &str)> =
        roster.leases.iter().map(|held| (held.token.lease.as_str(), held.instance.as_str())).collect();
    assert_eq!(held, [("other", "two")]);
    assert_eq!(acquired(&*store, "robot", "two", LONG).await.expect("it is free").number, 2);
    store.close().await;
}

/// An attempt at `kitchen` that was begun under the lease of the old robot, and the tokens of that lease and of the new one's, whose
/// holder has the channel, too.
async fn two_robots(store: &dyn Store, delivery: DeliveryId) -> (i64, FencingToken, FencingToken) {
    let old = acquired(store, "old robot", "one", LONG).await.expect("it is free");
    let claim = Claim { token: old.clone(), ..again(store, delivery, 1).await };
    let Ok(Claimed::Yes(attempt)) = store.claim(claim).await else { panic!("it may be made") };
    let wanted = WantedLease { lease: "new robot".to_owned(), lasts: LONG, channels: vec!["kitchen".to_owned()] };
    let new = store.acquire(vec![wanted], "two", at(2)).await.expect("asked").remove(0).expect("it is free");
    (attempt, old, new.grant.token)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_under_another_lease_of_the_channel_that_runs_is_left_alone() {
    let Some(database) = Database::make().await else { return };
    let store = store::open(&database.store_url(), at(0)).await.expect("the store opens");
    let delivery = one(&*store, placed("1", &["kitchen"])).await;
    let (attempt, old, new) = two_robots(&*store, delivery).await;
    assert!(store.take_over(new, vec!["kitchen".to_owned()], at(3)).await.expect("asked").is_some());
    assert_eq!(row(&*store, delivery).await.due_at, at(61), "it is being sent");
    assert!(store.roster().await.expect("asked").left.is_empty());
    store.settle(Settle { token: old, ..end(delivery, attempt, Step::Delivered) }).await.expect("settled");
    let row = row(&*store, delivery).await;
    assert_eq!((row.state.as_str(), row.attempts), ("delivered", 1));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_whose_lease_has_ended_is_taken_up_under_another_lease_and_its_holder_is_refused() {
    let Some(database) = Database::make().await else { return };
    let store = store::open(&database.store_url(), at(0)).await.expect("the store opens");
    let delivery = one(&*store, placed("1", &["kitchen"])).await;
    let (attempt, old, new) = two_robots(&*store, delivery).await;
    store.renew(vec![old.clone()], vec![PAST]).await.expect("asked");
    let kitchen = "kitchen".to_owned();
    assert_eq!(store.roster().await.expect("asked").left, BTreeSet::from([kitchen.clone()]));
    assert!(store.take_over(new.clone(), vec![kitchen.clone()], at(3)).await.expect("asked").is_some());
    let (known, _) = store.load(vec![delivery], at(3)).await.expect("reading");
    assert!(known[0].maybe_accepted, "its answer is lost");
    assert_eq!(row(&*store, delivery).await.due_at, at(3));
    assert!(store.roster().await.expect("asked").left.is_empty());
    // Its holder wakes.
    let settle = Settle { token: old.clone(), ..end(delivery, attempt, Step::Delivered) };
    assert!(matches!(store.settle(settle).await, Err(StoreError::NotLeased)));
    assert_eq!(store.renew(vec![old], vec![LONG]).await.expect("asked"), [None]);
    assert_eq!(acquired(&*store, "old robot", "one", LONG).await.expect("it is free").number, 3);
    // What the new robot sends itself, it does not take up.
    let claim = Claim { token: new.clone(), ..again(&*store, delivery, 4).await };
    let Ok(Claimed::Yes(attempt)) = store.claim(claim).await else { panic!("it may be made") };
    assert!(store.take_over(new.clone(), vec![kitchen], at(5)).await.expect("asked").is_some());
    store.settle(Settle { token: new, ..end(delivery, attempt, Step::Delivered) }).await.expect("settled");
    let row = row(&*store, delivery).await;
    assert_eq!((row.state.as_str(), row.attempts), ("delivered", 2));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_is_taken_up_by_whoever_acquires_its_lease_although_they_have_not_its_channel() {
    let Some(database) = Database::make().await else { return };
    let store = store::open(&database.store_url(), at(0)).await.expect("the store opens");
    let delivery = one(&*store, placed("1", &["kitchen"])).await;
    let (_, old, _) = two_robots(&*store, delivery).await;
    store.renew(vec![old], vec![PAST]).await.expect("asked");
    acquired(&*store, "old robot", "three", LONG).await.expect("it has ended");
    let (known, _) = store.load(vec![delivery], at(3)).await.expect("reading");
    assert!(known[0].maybe_accepted, "the lease runs again, and nobody is making the attempt");
    store.close().await;
}
