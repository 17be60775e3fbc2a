//! Instances whose configurations differ in the address of one channel's robot, so that each works the channel under a lease of
//! its own: none takes up what another one is sending, and nothing is left behind by one that is gone.

use std::sync::atomic::Ordering;

use orderbell::store::history::list::DeliveryRow;

use crate::instances::scene::{House, OneInstance};

/// A lease lasts for the 15 seconds of the time-out, and 20.
const A_LEASE_S: i64 = 35;

/// Two instances, of which the first is sending when the second, whose robot is another, has looked for leases.
async fn sending(house: &mut House) -> (OneInstance, OneInstance) {
    let one = house.instance("one", &["kitchen"]);
    let two = house.instance_whose("two", vec![("kitchen", "credential of the new robot".to_owned())]);
    one.look().await;
    one.is_silent.store(true, Ordering::Release);
    house.order(&["kitchen"]).await;
    assert_eq!(house.next(&[&one]).await.instance, "one");
    two.look().await;
    let holders = house.holders();
    assert_eq!((&*holders["kitchen"], &*holders["the new robot"]), ("one", "two"));
    (one, two)
}

async fn first(house: &House) -> DeliveryRow {
    house.until(|_| true).await
}

#[tokio::test]
async fn what_an_instance_is_sending_is_not_sent_by_another_whose_robot_is_a_new_one() {
    let mut house = House::new();
    let (one, two) = sending(&mut house).await;
    let row = first(&house).await;
    assert!(row.due_at > house.now() && row.answer.is_none(), "its answer is not lost: {row:?}");
    two.wake();
    for _ in 0..3 {
        house.wait(2);
        two.look().await;
        one.look().await;
    }
    one.answers.notify_one();
    let row = house.until(|row| row.state == "delivered").await;
    assert_eq!((row.attempts, row.answer.as_deref()), (1, Some("said")));
    assert!(!house.has_more());
}

#[tokio::test]
async fn what_was_left_alone_is_taken_up_when_the_lease_under_which_it_was_sent_has_ended() {
    let mut house = House::new();
    let (_one, two) = sending(&mut house).await;
    house.wait(A_LEASE_S - 1);
    two.look().await;
    let row = first(&house).await;
    assert!(row.due_at > house.now() && row.answer.is_none(), "the other lease runs: {row:?}");
    house.wait(1);
    two.look().await;
    assert_eq!(house.next(&[&two]).await.instance, "two");
    let row = house.until(|row| row.state == "delivered").await;
    assert_eq!(row.attempts, 2, "the first one counts as one whose answer is lost");
    assert!(!house.has_more());
}
