//! Quiet hours: what is held, until when, and how it is sent in the morning.

use jiff::Timestamp;
use orderbell::sandbox::rules::Rules;
use orderbell::store::history::list::DeliveryRow;

use crate::support::watching::NEVER;
use crate::support::{A_WHILE, Scene, of};
use crate::truth::scene::{ACCEPTED, CANCELLED, a_while, one, place, seconds, states, step, texts, to};

const NIGHT: &str = "quiet = { from = \"23:00\", to = \"07:30\", except = [\"order.cancelled\"] }";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_at_night_is_one_message_in_the_morning_and_each_by_itself_for_a_program() {
    // One o'clock in Riyadh.
    let scene = Scene::still(at("2026-11-04T22:00:00Z"), Rules::new()).await;
    let names = ["kitchen", "office", "erp"];
    let channels = [scene.robot("kitchen", NIGHT), scene.wecom("office", NIGHT), scene.hook("erp", NIGHT)].concat();
    let text = format!("{channels}{}", to(&names));
    let daemon = scene.start(&text).await;
    for number in 1..=3 {
        place(&scene, &daemon, number).await;
    }
    step(&scene, &daemon, ACCEPTED, 3).await;
    // An exception comes through.
    step(&scene, &daemon, CANCELLED, 4).await;
    for name in names {
        let received = texts(&scene.until_received(name, 1).await);
        assert!(received[0].contains("Cancelled: order #4"), "{name}: {received:?}");
    }
    let morning = at("2026-11-05T04:30:00Z");
    let held = |all: &[DeliveryRow]| all.iter().filter(|one| one.due_at == morning).count();
    // A program gets the events of an order in their sequence, so the second of order 3 is not looked at yet.
    let delivered = |all: &[DeliveryRow]| all.iter().filter(|one| one.state == "delivered").count();
    let rows = daemon.until(|all| (held(all), delivered(all)) == (11, 3)).await;
    for name in names {
        assert_eq!(states(&rows, name), ["waiting", "waiting", "waiting", "waiting", "delivered"], "{name}");
    }
    // A restart in the night changes nothing.
    daemon.stop().await;
    let daemon = scene.start(&text).await;
    scene.forward(morning.duration_since(scene.hands.now()) - seconds(10));
    a_while().await;
    assert_eq!(scene.sandbox.counts().accepted, 3);
    scene.forward(seconds(11));
    let rows = daemon.until_done().await;
    scene.nothing_more(A_WHILE).await;
    for name in ["kitchen", "office"] {
        let received = texts(&scene.received(name));
        assert_eq!(received.len(), 2, "{name}: {received:#?}");
        for words in ["3 new orders", "SAR 138.00", "Accepted: order #29332222"] {
            assert!(received[1].contains(words), "{name}: {words} is not in {}", received[1]);
        }
        let leader = one(&rows, name, 3, "order.accepted");
        assert_eq!((leader.state.as_str(), leader.attempts), ("delivered", 1), "{name}");
        for number in 1..=3 {
            let carried = one(&rows, name, number, "order.placed");
            assert_eq!((carried.state.as_str(), carried.digest), ("merged", Some(leader.id)), "{name}, {number}");
        }
    }
    assert_eq!((scene.received("erp").len(), states(&rows, "erp")), (5, vec!["delivered".to_owned(); 5]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_message_of_the_night_goes_out_in_its_own_words() {
    let scene = Scene::still(at("2026-11-04T22:00:00Z"), Rules::new()).await;
    let daemon = scene.start(&format!("{}{}", scene.robot("kitchen", NIGHT), to(&["kitchen"]))).await;
    place(&scene, &daemon, 1).await;
    daemon.until(|all| all[0].due_at == at("2026-11-05T04:30:00Z")).await;
    scene.forward(seconds(7 * 3600));
    let received = texts(&scene.until_received("kitchen", 1).await);
    assert!(received[0].starts_with("New order #29332222") && received[0].contains("no onion"), "{received:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_carries_what_is_held_of_its_order_as_well() {
    let scene = Scene::still(at("2026-11-04T22:00:00Z"), Rules::new()).await;
    let daemon = scene.start(&format!("{}{}", scene.robot("kitchen", NIGHT), to(&["kitchen"]))).await;
    place(&scene, &daemon, 1).await;
    daemon.until(|all| all[0].due_at == at("2026-11-05T04:30:00Z")).await;
    step(&scene, &daemon, CANCELLED, 1).await;
    let rows = daemon.until_done().await;
    let received = texts(&scene.received("kitchen"));
    assert!(received.len() == 1 && received[0].contains("Cancelled: order"), "{received:?}");
    assert!(received[0].contains("Earlier: New order ("), "{received:?}");
    assert_eq!(one(&rows, "kitchen", 1, "order.placed").digest, Some(of(&rows, "kitchen")[1].id));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_night_in_which_the_clocks_change_ends_by_the_new_time() {
    // Half an hour into the quiet hours of London, and the end of each night by UTC.
    for (begin, end) in
        [("2026-03-28T23:30:00Z", "2026-03-29T06:30:00Z"), ("2026-10-24T22:30:00Z", "2026-10-25T07:30:00Z")]
    {
        let scene = Scene::still(at(begin), Rules::new()).await;
        let zone = format!("timezone = \"Europe/London\"\n{NIGHT}");
        let daemon = scene.start(&format!("{}{}", scene.robot("kitchen", &zone), to(&["kitchen"]))).await;
        place(&scene, &daemon, 1).await;
        daemon.until(|all| all[0].due_at == at(end)).await;
        scene.forward(at(end).duration_since(scene.hands.now()) - seconds(10));
        a_while().await;
        assert!(scene.came_to("kitchen").is_empty(), "{end}");
        scene.forward(seconds(11));
        scene.until_received("kitchen", 1).await;
        daemon.until_done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_quiet_hours_are_changed_what_they_hold_is_held_by_the_new_ones_or_goes_out() {
    let scene = Scene::still(at("2026-11-04T22:00:00Z"), Rules::new()).await;
    let text = |quiet: &str| format!("{}{}", scene.robot("kitchen", quiet), to(&["kitchen"]));
    let daemon = scene.start_watching(NEVER, "", &text(NIGHT)).await;
    for number in 1..=2 {
        place(&scene, &daemon, number).await;
    }
    let due = |end: &'static str| move |all: &[DeliveryRow]| all.iter().all(|one| one.due_at == at(end));
    daemon.until(due("2026-11-05T04:30:00Z")).await;
    daemon.reload("v2", "", &text(&NIGHT.replace("07:30", "06:00"))).await;
    daemon.until(due("2026-11-05T03:00:00Z")).await;
    assert!(scene.came_to("kitchen").is_empty());
    scene.forward(seconds(60));
    daemon.reload("v3", "", &text("")).await;
    let rows = daemon.until_done().await;
    assert_eq!(states(&rows, "kitchen"), ["merged", "delivered"]);
    assert!(texts(&scene.received("kitchen"))[0].contains("2 new orders"));
}
