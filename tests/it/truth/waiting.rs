//! What asks a fallback: refusals and lost answers, and not that a message waits for our own allowance or for an earlier one.

use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::Rules;
use orderbell::store::history::list::DeliveryRow;

use crate::support::{Daemon, Scene};
use crate::truth::digests::{TWO, named, order};
use crate::truth::scene::{
    CANCELLED, a_while, errcode, minutes, noon, place, seconds, states, step, texts, to, until_tried,
};

const TO_OWNER: &str = "fallback = \"owner\"";

/// That each of these orders is named in one text.
pub fn each_once(orders: std::ops::RangeInclusive<u64>) -> Vec<(u64, usize)> {
    orders.map(|number| (number, 1)).collect()
}

/// Puts the clock forward until nothing waits any more.
pub async fn until_over(scene: &Scene, daemon: &Daemon) -> Vec<DeliveryRow> {
    for _ in 0..12 {
        let rows = daemon.deliveries().await;
        if rows.iter().all(|one| one.state != "waiting") {
            return rows;
        }
        scene.forward(minutes(14));
        a_while().await;
    }
    let waiting: Vec<_> = daemon.deliveries().await.into_iter().filter(|one| one.state == "waiting").collect();
    panic!("some still wait: {waiting:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_waits_for_our_own_allowance_asks_no_fallback() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let kitchen = scene.robot("kitchen", &format!("{TWO}\n{TO_OWNER}\nfallback_after = \"10s\""));
    let daemon = scene.start(&format!("{kitchen}{}{}", scene.robot("owner", ""), to(&["kitchen"]))).await;
    for number in 1..=30 {
        order(&scene, &daemon, number).await;
    }
    for _ in 0..8 {
        scene.forward(seconds(14));
        a_while().await;
    }
    until_over(&scene, &daemon).await;
    assert!(scene.came_to("owner").is_empty(), "{:?}", texts(&scene.came_to("owner")));
    assert_eq!(named(&texts(&scene.received("kitchen")), 1..=30), each_once(1..=30));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_counts_from_then_on_and_not_from_when_it_came() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let kitchen = scene.robot("kitchen", &format!("{TWO}\n{TO_OWNER}\nfallback_after = \"40s\""));
    let daemon = scene.start(&format!("{kitchen}{}{}", scene.robot("owner", ""), to(&["kitchen"]))).await;
    order(&scene, &daemon, 1).await;
    scene.until_received("kitchen", 1).await;
    order(&scene, &daemon, 2).await;
    order(&scene, &daemon, 3).await;
    a_while().await;
    // The others wait for room longer than that, and then they are refused.
    scene.sandbox.order("kitchen", errcode(-1), Times::Next(1));
    scene.forward(seconds(45));
    assert_eq!(until_tried(&daemon, "kitchen", 2).await, ["delivered", "retry"]);
    a_while().await;
    assert!(scene.came_to("owner").is_empty(), "they were refused just now");
    until_over(&scene, &daemon).await;
    assert_eq!(named(&texts(&scene.received("kitchen")), 1..=3), each_once(1..=3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_waits_for_an_earlier_one_of_its_order_asks_no_fallback() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let channels = [scene.hook("till", &format!("{TO_OWNER}\nfallback_after = \"10s\"")), scene.robot("owner", "")];
    let daemon = scene.start(&format!("{}{}", channels.concat(), to(&["till"]))).await;
    scene.sandbox.order("till", Fault::Delay { delay_ms: 4000 }, Times::Next(1));
    place(&scene, &daemon, 1).await;
    step(&scene, &daemon, CANCELLED, 1).await;
    a_while().await;
    scene.forward(seconds(30));
    scene.until_received("till", 2).await;
    let rows = until_over(&scene, &daemon).await;
    assert_eq!(states(&rows, "till"), ["delivered"; 2]);
    assert!(scene.came_to("owner").is_empty(), "{:?}", texts(&scene.came_to("owner")));
}
