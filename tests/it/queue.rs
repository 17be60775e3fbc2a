//! A receiver that gets each event by itself: what was just committed reaches it through memory, and the store has the last word
//! on what is sent, when, and in which sequence.

mod scene;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use orderbell::domain::event::Kind;
use orderbell::domain::order::OrderState;
use orderbell::domain::retry::Outcome;
use orderbell::store::history::change::ChangeRequest;
use orderbell::store::ingest::Record;

use crate::queue::scene::{Came, Scene, accepted, always, event, placed, scene, scene_in};
use crate::support::stores;

#[tokio::test]
async fn what_was_just_committed_is_sent_without_being_read_again() {
    let scene = scene(8, always);
    let mut worker = scene.worker().await;
    scene.comes(placed("1")).await;
    assert_eq!(scene.context.notifier.signal("erp").queue().len(), 1, "it is in memory");
    scene.goes_on(&mut worker).await;
    assert_eq!(scene.bodies(), ["1 order.placed Placed"]);
    // Nobody gave it to the worker, and no time has passed.
    scene.commit(placed("2")).await;
    scene.goes_on(&mut worker).await;
    assert_eq!(scene.came().len(), 1, "the store is not read for every turn");
    scene.wait(SignedDuration::from_secs(1));
    scene.goes_on(&mut worker).await;
    assert_eq!(scene.came().len(), 2, "but it is after a second");
}

#[tokio::test]
async fn what_has_no_room_in_memory_is_sent_all_the_same_each_once() {
    const MANY: usize = 1500;
    let mut scene = scene(4, always);
    let mut worker = scene.worker().await;
    scene.comes(placed("0")).await;
    worker.turn().await;
    scene.begun.recv().await.unwrap();
    for number in 1..MANY {
        scene.comes(placed(&number.to_string())).await;
    }
    let queue = scene.context.notifier.signal("erp");
    assert!((100..MANY / 2).contains(&queue.queue().len()), "it is bounded: {}", queue.queue().len());
    assert!(!queue.queue().is_complete(), "and knows that there is more");
    scene.goes_on(&mut worker).await;
    let keys: BTreeSet<String> = scene.came().into_iter().map(|came| came.key).collect();
    assert_eq!((scene.came().len(), keys.len()), (MANY, MANY));
    scene.comes(placed("last")).await;
    assert!(queue.queue().len() == 1 && queue.queue().is_complete(), "then what comes is in memory again");
}

#[tokio::test]
async fn what_is_cancelled_while_it_is_in_memory_is_not_sent() {
    let mut scene = scene(1, always);
    let mut worker = scene.worker().await;
    scene.comes(placed("1")).await;
    let second = scene.comes(placed("2")).await;
    scene.comes(placed("3")).await;
    worker.turn().await;
    scene.begun.recv().await.unwrap();
    assert!(scene.context.notifier.signal("erp").queue().has(second));
    scene.asked(ChangeRequest::Cancel, second).await;
    scene.goes_on(&mut worker).await;
    assert_eq!(scene.bodies(), ["1 order.placed Placed", "3 order.placed Placed"]);
}

#[tokio::test]
async fn nothing_in_memory_is_sent_to_a_channel_that_was_paused_meanwhile() {
    let mut scene = scene(1, always);
    let mut worker = scene.worker().await;
    scene.comes(placed("1")).await;
    let second = scene.comes(placed("2")).await;
    worker.turn().await;
    scene.begun.recv().await.unwrap();
    assert!(scene.context.notifier.signal("erp").queue().has(second));
    let beside = stores::open_beside(&scene.folder.path().join("bell.db")).unwrap();
    beside.pause("erp", "ann", scene.context.clock.now()).await.unwrap();
    scene.goes_on(&mut worker).await;
    scene.comes(placed("3")).await;
    scene.goes_on(&mut worker).await;
    assert_eq!(scene.bodies(), ["1 order.placed Placed"], "what was under way ends as it ends");
    let test = event("t", Kind::Test, OrderState::Unknown);
    scene.comes(Record { urgent: vec!["erp".to_owned()], ..test }).await;
    scene.goes_on(&mut worker).await;
    assert_eq!(scene.bodies().split_off(1), ["t test Unknown"], "a person asks for it");
    beside.resume_paused("erp").await.unwrap();
    scene.goes_on(&mut worker).await;
    assert_eq!(scene.bodies().split_off(2), ["2 order.placed Placed", "3 order.placed Placed"]);
    scene.comes(placed("4")).await;
    scene.comes(placed("5")).await;
    assert_eq!(scene.context.notifier.signal("erp").queue().len(), 2, "and what comes is in memory again");
}

#[tokio::test]
async fn what_a_person_wants_once_more_is_found_within_a_second() {
    let scene = scene(1, always);
    let mut worker = scene.worker().await;
    let delivery = scene.comes(placed("1")).await;
    scene.goes_on(&mut worker).await;
    scene.asked(ChangeRequest::Redeliver, delivery).await;
    scene.wait(SignedDuration::from_secs(1));
    scene.goes_on(&mut worker).await;
    assert_eq!(scene.came().len(), 2);
    assert_eq!(scene.came()[0], scene.came()[1], "a program keeps its id");
}

#[tokio::test]
async fn an_earlier_event_of_an_order_goes_first_though_the_later_one_came_through_memory() {
    let scene = scene(8, |number, before| match (number, before) {
        ("1", 0) => Outcome::Retry { after: None },
        _ => Outcome::Delivered,
    });
    let mut worker = scene.worker().await;
    scene.comes(placed("1")).await;
    scene.goes_on(&mut worker).await;
    scene.comes(accepted("1")).await;
    scene.comes(placed("2")).await;
    scene.goes_on(&mut worker).await;
    assert_eq!(scene.bodies(), ["1 order.placed Placed", "2 order.placed Placed"]);
    scene.wait(SignedDuration::from_secs(6));
    scene.goes_on(&mut worker).await;
    let after: Vec<String> = scene.bodies().split_off(2);
    assert_eq!(after, ["1 order.placed Placed", "1 order.accepted Accepted"], "the same bytes, then the next event");
}

#[tokio::test]
async fn events_of_an_order_that_reach_the_worker_the_wrong_way_round_go_in_their_sequence() {
    let scene = scene(8, always);
    let mut worker = scene.worker().await;
    let (first, second) = (scene.commit(placed("1")).await, scene.commit(accepted("1")).await);
    let elapsed = scene.context.clock.elapsed();
    scene.context.notifier.deliver(&second, elapsed);
    scene.context.notifier.deliver(&first, elapsed);
    scene.goes_on(&mut worker).await;
    assert_eq!(scene.bodies().len(), 2);
    assert!(scene.bodies()[0].starts_with("1 order.placed"), "{:?}", scene.bodies());
    // The worker meets the second alone.
    let (third, fourth) = (scene.commit(placed("2")).await, scene.commit(accepted("2")).await);
    scene.context.notifier.deliver(&fourth, elapsed);
    scene.goes_on(&mut worker).await;
    assert_eq!(scene.bodies().len(), 2, "the store knows that one comes before it: {:?}", scene.bodies());
    scene.context.notifier.deliver(&third, elapsed);
    scene.goes_on(&mut worker).await;
    let after: Vec<String> = scene.bodies().split_off(2);
    assert_eq!(after, ["2 order.placed Placed", "2 order.accepted Accepted"]);
}

#[tokio::test]
async fn an_event_in_memory_shows_its_order_as_it_stands_when_it_is_sent() {
    let mut scene = scene(1, always);
    let mut worker = scene.worker().await;
    scene.comes(placed("0")).await;
    worker.turn().await;
    scene.begun.recv().await.unwrap();
    scene.comes(placed("1")).await;
    scene.comes(accepted("1")).await;
    let unrouted = Record { targets: Vec::new(), ..accepted("2") };
    scene.comes(placed("2")).await;
    scene.commit(unrouted).await;
    scene.wait(SignedDuration::from_secs(2));
    scene.goes_on(&mut worker).await;
    let after: Vec<String> = scene.bodies().split_off(1);
    assert_eq!(after, ["1 order.placed Accepted", "1 order.accepted Accepted", "2 order.placed Accepted"]);
}

#[tokio::test]
async fn a_crash_behind_the_commit_of_composed_bytes_repeats_the_same_ones() {
    let mut scene = scene(8, always);
    let mut worker = scene.worker().await;
    for number in 0..8 {
        scene.comes(placed(&number.to_string())).await;
    }
    worker.turn().await;
    for _ in 0..8 {
        scene.begun.recv().await.unwrap();
    }
    let before: BTreeSet<Came> = scene.came().into_iter().collect();
    let Scene { folder, store, worker: settings, context, .. } = scene;
    drop((worker, context, settings));
    // The sends that are cut let go of it one after another.
    while Arc::strong_count(&store) > 1 {
        tokio::task::yield_now().await;
    }
    store.close().await;
    let scene = scene_in(folder, 8, always);
    // What has become of the order by now must not change what was composed.
    scene.commit(Record { targets: Vec::new(), ..accepted("3") }).await;
    let mut worker = scene.worker().await;
    scene.goes_on(&mut worker).await;
    assert_eq!(scene.came().into_iter().collect::<BTreeSet<_>>(), before);
}

#[tokio::test]
async fn a_message_that_cannot_be_made_holds_up_none_of_those_that_came_with_it() {
    let scene = scene(8, always);
    let mut worker = scene.worker().await;
    for number in ["1", "bad", "2"] {
        scene.comes(placed(number)).await;
    }
    scene.goes_on(&mut worker).await;
    let mut bodies = scene.bodies();
    bodies.sort();
    assert_eq!(bodies, ["1 order.placed Placed", "2 order.placed Placed"]);
    let rows = scene.store.deliveries(None).await.unwrap();
    let states: Vec<&str> = rows.iter().map(|row| row.state.as_str()).collect();
    assert_eq!(states, ["delivered", "dead", "delivered"]);
}
