//! Messages that carry several deliveries: those of one order, and digests; nothing that they carry is lost with them.

use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::Rules;
use orderbell::store::history::list::DeliveryRow;
use serde_json::{Value, json};

use crate::support::keeta::Envelope;
use crate::support::{A_WHILE, Daemon, Scene, keeta, of};
use crate::truth::scene::{
    ACCEPTED, CANCELLED, a_while, errcode, minutes, noon, one, place, seconds, states, status, step, texts, to,
    until_tried,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_of_one_order_is_one_message_about_its_newest_state_and_each_event_for_a_program() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let names = ["kitchen", "office", "erp"];
    let channels = [scene.robot("kitchen", ""), scene.wecom("office", ""), scene.hook("erp", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&names))).await;
    for name in names {
        scene.sandbox.order(name, status(503), Times::Always);
    }
    place(&scene, &daemon, 1).await;
    for name in names {
        until_tried(&daemon, name, 1).await;
    }
    // Each is tried with what waits before it, and in vain.
    for (tries, event) in [(2, ACCEPTED), (3, CANCELLED)] {
        step(&scene, &daemon, event, 1).await;
        for name in ["kitchen", "office"] {
            until_tried(&daemon, name, tries).await;
        }
    }
    names.iter().for_each(|name| scene.sandbox.clear_faults(name));
    scene.forward(minutes(2));
    let rows = daemon.until_done().await;
    scene.nothing_more(A_WHILE).await;
    for name in ["kitchen", "office"] {
        let received = texts(&scene.received(name));
        assert_eq!(received.len(), 1, "{name}: {received:#?}");
        assert!(received[0].contains("Cancelled: order"), "{name}: {received:?}");
        let (_, behind) = received[0].split_once("Earlier: ").unwrap_or_else(|| panic!("{name}: {received:?}"));
        let at = |words: &str| behind.find(words).unwrap_or_else(|| panic!("{name}: {words} is not in {behind}"));
        assert!(at("New order (") < at("Order accepted ("), "{name}: {behind}");
        let leader = one(&rows, name, 1, "order.cancelled");
        assert_eq!(leader.state, "delivered");
        for kind in ["order.placed", "order.accepted"] {
            let carried = one(&rows, name, 1, kind);
            assert_eq!((carried.state.as_str(), carried.digest), ("merged", Some(leader.id)), "{name}, {kind}");
        }
    }
    assert_eq!(states(&rows, "erp"), ["delivered"; 3]);
    let kinds: Vec<Value> = scene
        .received("erp")
        .iter()
        .map(|one| serde_json::from_str::<Value>(&one.body).expect("JSON")["kind"].clone())
        .collect();
    assert_eq!(kinds, ["order.placed", "order.accepted", "order.cancelled"]);
}

/// Two messages a minute, and one more only after half of it.
pub const TWO: &str = "rate = { per = \"1m\", count = 2 }";

pub fn short_number(number: u64) -> String {
    format!("no{number:05}")
}

/// An order with a short number of its own, as people read it.
pub async fn order(scene: &Scene, daemon: &Daemon, number: u64) {
    let mut message = keeta::order(number);
    message["orderInfo"]["merchantOrder"]["seqNoStr"] = json!(short_number(number));
    let body = Envelope::new(1001, &format!("m1001-{number}"), &message.to_string(), scene.hands.now()).body();
    daemon.acknowledged(&body).await;
}

/// A channel whose next message is a digest of these orders.
async fn gathering(scene: &Scene, channel: &str, orders: std::ops::RangeInclusive<u64>) -> Daemon {
    let name = channel.lines().next().expect("a table").trim_start_matches("[channel.").trim_end_matches(']');
    let daemon = scene.start(&format!("{channel}{}", to(&[name]))).await;
    order(scene, &daemon, 1).await;
    daemon.until_done().await;
    for number in orders {
        order(scene, &daemon, number).await;
    }
    a_while().await;
    assert_eq!(scene.received(name).len(), 1);
    daemon
}

/// The numbers of those orders that stand in these texts, and how often.
pub fn named(texts: &[String], orders: std::ops::RangeInclusive<u64>) -> Vec<(u64, usize)> {
    orders.map(|number| (number, texts.iter().filter(|text| text.contains(&short_number(number))).count())).collect()
}

fn is_over(all: &[DeliveryRow]) -> bool {
    all.iter().all(|one| one.state != "waiting")
}

/// Moves the clock on until nothing waits any more.
async fn until_over(scene: &Scene, daemon: &Daemon) -> Vec<DeliveryRow> {
    for _ in 0..20 {
        scene.forward(seconds(31));
        a_while().await;
        let rows = daemon.deliveries().await;
        if is_over(&rows) {
            return rows;
        }
    }
    panic!("it does not come to an end: {:#?}", daemon.deliveries().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_dies_gives_back_what_it_carried_once_and_each_goes_alone() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let channel = scene.robot("kitchen", &format!("{TWO}\nfallback = \"owner\"\nfallback_after = \"1h\""));
    let owner = scene.robot("owner", "");
    let daemon = scene.start(&format!("{channel}{owner}{}", to(&["kitchen"]))).await;
    order(&scene, &daemon, 1).await;
    daemon.until_done().await;
    for number in 2..=6 {
        order(&scene, &daemon, number).await;
    }
    a_while().await;
    // The digest is refused as it is and without free text.
    let refusals = |count| scene.sandbox.order("kitchen", errcode(430_104), Times::Next(count));
    refusals(2);
    scene.forward(seconds(31));
    until_tried(&daemon, "kitchen", 2).await;
    let rows = daemon.deliveries().await;
    assert_eq!(of(&rows, "kitchen").iter().filter(|one| one.digest.is_some()).count(), 4, "it carries the others");
    scene.forward(seconds(61));
    assert_eq!(until_tried(&daemon, "kitchen", 3).await, ["delivered", "content_refused", "content_refused"]);
    let rows = daemon.deliveries().await;
    assert!(of(&rows, "kitchen")[1..].iter().all(|one| (one.state.as_str(), one.digest) == ("waiting", None)));
    // Alone, each of the five is refused as it is, and the first one also without free text.
    refusals(6);
    let rows = until_over(&scene, &daemon).await;
    let kitchen = of(&rows, "kitchen");
    let dead: Vec<_> = kitchen.iter().filter(|one| one.state == "dead").collect();
    assert_eq!(dead.len(), 1, "{kitchen:#?}");
    assert_eq!(kitchen.iter().filter(|one| one.state == "delivered").count(), 5, "{kitchen:#?}");
    let lost: u64 = dead[0].order.as_ref().and_then(|number| number.parse().ok()).expect("a number");
    let received = texts(&scene.received("kitchen"));
    let wanted: Vec<_> = (1..=6).map(|number| (number, usize::from(number != lost))).collect();
    assert_eq!(named(&received, 1..=6), wanted, "each alone and once: {received:#?}");
    assert_eq!(received.len(), 5);
    assert_eq!(
        named(&texts(&scene.received("owner")), 1..=6),
        (1..=6).map(|n| (n, usize::from(n == lost))).collect::<Vec<_>>()
    );
    assert_eq!(scene.sandbox.counts().repeats, 0, "they have keys of their own");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_message_carried_in_vain_of_an_order_is_sent_in_a_digest_with_all_of_it() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let daemon = gathering(&scene, &scene.robot("kitchen", TWO), 2..=2).await;
    step(&scene, &daemon, ACCEPTED, 2).await;
    a_while().await;
    scene.sandbox.order("kitchen", status(503), Times::Next(1));
    scene.forward(seconds(31));
    until_tried(&daemon, "kitchen", 2).await;
    let rows = daemon.deliveries().await;
    let leader = one(&rows, "kitchen", 2, "order.accepted");
    assert_eq!((leader.attempts, one(&rows, "kitchen", 2, "order.placed").digest), (1, Some(leader.id)));
    for number in 3..=6 {
        order(&scene, &daemon, number).await;
    }
    step(&scene, &daemon, CANCELLED, 2).await;
    let rows = until_over(&scene, &daemon).await;
    let received = texts(&scene.received("kitchen"));
    assert_eq!(received.len(), 2, "{received:#?}");
    assert_eq!(named(&received[1..], 2..=6), (2..=6).map(|number| (number, 1)).collect::<Vec<_>>(), "{received:#?}");
    assert!(received[1].contains(&format!("Cancelled: order #{}", short_number(2))), "{received:#?}");
    let digest =
        of(&rows, "kitchen").into_iter().find(|one| one.state == "delivered" && one.order.as_deref() != Some("1"));
    let digest = digest.expect("one leads").id;
    for row in of(&rows, "kitchen").into_iter().filter(|one| one.order.as_deref() != Some("1") && one.id != digest) {
        assert_eq!((row.state.as_str(), row.digest), ("merged", Some(digest)), "{row:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_is_too_long_for_the_receiver_loses_none_of_those_that_have_no_room_any_more() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let daemon = gathering(&scene, &scene.wecom("office", TWO), 2..=70).await;
    let too_long = Fault::Errcode { errcode: 45_002, errmsg: "content size out of limit".to_owned() };
    scene.sandbox.order("office", too_long, Times::Next(2));
    let rows = until_over(&scene, &daemon).await;
    assert!(of(&rows, "office").iter().all(|one| ["delivered", "merged"].contains(&one.state.as_str())));
    let received = texts(&scene.received("office"));
    let missing: Vec<_> = named(&received, 1..=70).into_iter().filter(|(_, count)| *count != 1).collect();
    assert!(missing.is_empty(), "each once: {missing:?}");
    // And each is where the store says that it is.
    for row in of(&rows, "office").into_iter().filter(|one| one.state == "merged") {
        let digest = row.digest.expect("merged in a digest");
        let leader = rows.iter().find(|one| one.id == digest).expect("there is such a delivery");
        let of_leader: u64 = leader.order.as_ref().and_then(|number| number.parse().ok()).expect("a number");
        let own: u64 = row.order.as_ref().and_then(|number| number.parse().ok()).expect("a number");
        let message = received.iter().find(|text| text.contains(&short_number(own))).expect("it is sent");
        assert!(
            message.contains(&short_number(of_leader)),
            "order {own} was sent elsewhere than in that of {of_leader}"
        );
    }
}

/// An order that is cancelled for a reason in the words of somebody.
async fn cancelled(scene: &Scene, daemon: &Daemon, number: u64, reason: &str) {
    let at = scene.hands.now();
    let message = json!({ "orderViewId": number, "opTime": at.as_millisecond(), "cancelReason": reason }).to_string();
    daemon.acknowledged(&Envelope::new(CANCELLED, &format!("m1004-{number}"), &message, at).body()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reduced_digest_still_names_every_order_and_nothing_that_somebody_wrote() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let daemon = gathering(&scene, &scene.robot("kitchen", TWO), 2..=9).await;
    for number in 20..=21 {
        cancelled(&scene, &daemon, number, "call me at www.example.com").await;
    }
    scene.sandbox.order("kitchen", errcode(430_104), Times::Next(1));
    let rows = until_over(&scene, &daemon).await;
    assert!(of(&rows, "kitchen").iter().all(|one| ["delivered", "merged"].contains(&one.state.as_str())));
    let refused = texts(&scene.came_to("kitchen"))[1].clone();
    assert!(refused.contains("no onion") && refused.contains("example.com"), "{refused}");
    let received = texts(&scene.received("kitchen"));
    assert_eq!(received.len(), 2, "{received:#?}");
    assert_eq!(named(&received[1..], 2..=9), (2..=9).map(|number| (number, 1)).collect::<Vec<_>>(), "{received:#?}");
    assert!(
        received[1].contains("Cancelled: order #20") && received[1].contains("Cancelled: order #21"),
        "{received:#?}"
    );
    for written in ["no onion", "example.com", "糖醋排骨"] {
        assert!(!received[1].contains(written), "{written} is in {}", received[1]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_whose_answer_is_lost_goes_out_again_as_it_was_whatever_comes_meanwhile() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let daemon = gathering(&scene, &scene.robot("kitchen", TWO), 2..=5).await;
    scene.sandbox.order("kitchen", Fault::LostAnswer, Times::Next(1));
    scene.forward(seconds(31));
    until_tried(&daemon, "kitchen", 2).await;
    for number in 6..=7 {
        order(&scene, &daemon, number).await;
    }
    step(&scene, &daemon, CANCELLED, 3).await;
    let rows = until_over(&scene, &daemon).await;
    let came = scene.came_to("kitchen");
    let repeats: Vec<_> = came.iter().filter(|one| one.repeat).collect();
    assert_eq!(repeats.len(), 1, "{came:#?}");
    assert_eq!(repeats[0].body, came[1].body);
    let received = texts(&scene.received("kitchen"));
    assert_eq!(named(&received[1..2], 2..=5), [(2, 1), (3, 1), (4, 1), (5, 1)]);
    assert_eq!(named(&received[2..], 4..=7), [(4, 0), (5, 0), (6, 1), (7, 1)]);
    assert!(
        received[2..].iter().any(|received| received.contains(&format!("Cancelled: order #{}", short_number(3)))),
        "{received:#?}"
    );
    assert!(of(&rows, "kitchen").iter().all(|one| ["delivered", "merged"].contains(&one.state.as_str())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_of_which_the_fallback_was_sent_everything_is_not_sent_any_more() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let channels = [
        scene.robot("kitchen", &format!("{TWO}\nfallback = \"owner\"\nafter_fallback = \"skip\"")),
        scene.robot("owner", ""),
    ]
    .concat();
    let daemon = gathering(&scene, &channels, 2..=5).await;
    scene.sandbox.order("kitchen", status(503), Times::Always);
    scene.forward(seconds(31));
    until_tried(&daemon, "kitchen", 2).await;
    scene.forward(minutes(2));
    let received = texts(&scene.until_received("owner", 4).await);
    assert_eq!(named(&received, 2..=5), (2..=5).map(|number| (number, 1)).collect::<Vec<_>>());
    scene.sandbox.clear_faults("kitchen");
    let rows = until_over(&scene, &daemon).await;
    assert_eq!(scene.received("kitchen").len(), 1, "{:?}", texts(&scene.received("kitchen")));
    for number in 2..=5 {
        let (own, instead) =
            (one(&rows, "kitchen", number, "order.placed"), one(&rows, "owner", number, "order.placed"));
        assert_eq!((own.state.as_str(), own.digest), ("merged", Some(instead.id)), "order {number}");
    }
}
