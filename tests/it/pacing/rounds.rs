//! A message to several recipients under an allowance that has no room for all of them: each is attempted, and whoever is put
//! off waits by the schedule.

use jiff::SignedDuration;
use orderbell::domain::message::Part;
use orderbell::domain::rate_limit::RateLimit;
use orderbell::domain::retry::Outcome;

use crate::pacing::scene::{Parts, scene};

#[tokio::test]
async fn a_recipient_who_is_put_off_keeps_nobody_else_waiting_and_is_not_tried_for_ever() {
    let one_a_minute = RateLimit { count: 1, per: SignedDuration::from_mins(1) };
    // The second one is never taken, and its answers are lost.
    let thinks = |part: &Part| if part.index == 1 { Outcome::Unknown } else { Outcome::Delivered };
    let scene = scene(one_a_minute, Parts::Recipients(4), thinks).await;
    scene.answers.add_permits(100);
    let mut worker = scene.runner();
    for _ in 0..60 {
        worker.turn().await;
        worker.drain().await;
        scene.wait(60);
    }
    // The first, the one who is put off, the others; and then by the schedule of five seconds and ten minutes.
    assert_eq!(scene.sent(), [0, 1, 2, 3, 1, 1]);
    let rows = scene.store.deliveries(None).await.unwrap();
    assert_eq!(rows[0].state, "delivered", "the others got it: {rows:?}");
}
