//! Changes of an order that has not gone out yet: its reader gets one message, with the newest content.

use crate::changed::{NUMBER, first, json_of, noon, second, seconds, send, states, text, to, with};
use crate::support::keeta::{self};
use crate::support::{A_WHILE, Daemon, Scene};
use jiff::Timestamp;
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::Rules;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_gone_out_yet_goes_out_once_as_new_with_the_newest_content() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let names = ["kitchen", "office", "erp"];
    let channels = [scene.robot("kitchen", ""), scene.wecom("office", ""), scene.hook("erp", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&names))).await;
    for name in names {
        scene.sandbox.order(name, Fault::Status { status: 503, body: "no".to_owned() }, Times::Always);
    }
    let now = scene.hands.now();
    send(&daemon, "m-1", &first(), now).await;
    for name in names {
        daemon.until_tried(name, 1).await;
    }
    // Each is tried with what waits before it, and in vain.
    let garlic = with(first(), &[("/products/0/remark", json!("no garlic"))]);
    for (id, order, tries) in [("m-2", garlic, 2), ("m-3", second(), 3)] {
        send(&daemon, id, &order, now).await;
        for name in ["kitchen", "office"] {
            daemon.until_tried(name, tries).await;
        }
    }
    names.iter().for_each(|name| scene.sandbox.clear_faults(name));
    scene.forward(seconds(600));
    let rows = daemon.until_done().await;
    scene.nothing_more(A_WHILE).await;
    for name in ["kitchen", "office"] {
        let received = scene.received(name);
        assert_eq!(received.len(), 1, "{name}: {received:#?}");
        let received = text(&received[0]);
        assert!(received.contains("New order #") && received.contains("SAR 51.00"), "{name}: {received}");
        assert!(received.contains("NO PEANUTS, allergy") && received.contains("3 × Lemon tea"), "{name}: {received}");
        for wrong in ["hanged", "Earlier", "no onion", "no garlic", "SAR 46.00"] {
            assert!(!received.contains(wrong), "{name}: {wrong} is in {received}");
        }
        assert_eq!(states(&rows, name), ["merged", "merged", "delivered"], "{name}");
    }
    // A program gets each event by itself, in their sequence.
    let received: Vec<Value> = scene.received("erp").iter().map(json_of).collect();
    let notes: Vec<&Value> = received.iter().map(|one| &one["data"]["changed"]["note"]["is"]).collect();
    assert_eq!(notes, [&Value::Null, &json!("no garlic"), &json!("NO PEANUTS, allergy")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_changes_that_wait_are_one_message_from_what_was_sent_to_what_is() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let daemon = scene.start(&format!("{}{}", scene.robot("kitchen", ""), to(&["kitchen"]))).await;
    let now = scene.hands.now();
    send(&daemon, "m-1", &first(), now).await;
    daemon.until_done().await;
    scene.sandbox.order("kitchen", Fault::Status { status: 503, body: "no".to_owned() }, Times::Always);
    send(&daemon, "m-2", &with(first(), &[("/products/0/remark", json!("no garlic"))]), now).await;
    daemon.until_tried("kitchen", 2).await;
    send(&daemon, "m-3", &second(), now).await;
    daemon.until_tried("kitchen", 3).await;
    daemon.acknowledged(&keeta::stepped(1002, NUMBER, now)).await;
    daemon.until_tried("kitchen", 4).await;
    scene.sandbox.clear_faults("kitchen");
    scene.forward(seconds(600));
    daemon.until_done().await;
    let received = scene.until_received("kitchen", 2).await;
    let received = text(&received[1]);
    for part in ["Accepted: order", "no onion", "NO PEANUTS, allergy", "2 × Lemon tea", "3 × Lemon tea", "SAR 46.00"]
    {
        assert!(received.contains(part), "{part} is not in {received}");
    }
    assert!(!received.contains("no garlic") && !received.contains("New order"), "{received}");
}

/// As [`send`], of another order than the tests' own.
async fn send_of(daemon: &Daemon, number: u64, order: &Value, id: &str, at: Timestamp) {
    let mut order = order.clone();
    for part in ["baseOrder", "merchantOrder"] {
        order["orderInfo"][part]["orderViewId"] = json!(number);
        order["orderInfo"][part]["orderViewIdStr"] = json!(number.to_string());
    }
    order["orderInfo"]["merchantOrder"]["seqNoStr"] = json!(format!("no{number}"));
    send(daemon, id, &order, at).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_has_an_order_that_changed_once_and_as_what_it_is_to_its_reader() {
    let scene = Scene::still(noon(), Rules::new()).await;
    // Two messages a minute, and one more only after half of it.
    let kitchen = scene.robot("kitchen", "rate = { per = \"1m\", count = 2 }");
    let daemon = scene.start(&format!("{kitchen}{}", to(&["kitchen"]))).await;
    let now = scene.hands.now();
    send_of(&daemon, 1, &first(), "m-1", now).await;
    daemon.until_done().await;
    // The first is known and changes twice; the second is new and changes before anybody has got it.
    let garlic = with(first(), &[("/products/0/remark", json!("no garlic"))]);
    send_of(&daemon, 1, &garlic, "m-2", now).await;
    send_of(&daemon, 2, &first(), "m-3", now).await;
    send_of(&daemon, 2, &second(), "m-4", now).await;
    send_of(&daemon, 1, &second(), "m-5", now).await;
    for number in 3..=5 {
        send_of(&daemon, number, &first(), &format!("n-{number}"), now).await;
    }
    daemon.until(|all| all.len() == 8).await;
    scene.forward(seconds(31));
    let rows = daemon.until_done().await;
    scene.nothing_more(A_WHILE).await;
    assert_eq!(states(&rows, "kitchen").iter().filter(|state| *state == "merged").count(), 6, "{rows:#?}");
    let received = text(scene.received("kitchen").last().expect("a digest"));
    assert!(received.contains("4 new orders, SAR 189.00") && received.contains("## Order changed #"), "{received}");
    assert_eq!((received.matches("#no1").count(), received.matches("#no2").count()), (1, 1), "{received}");
    assert!(received.contains("2 × Lemon tea → 3 × Lemon tea") && received.contains("(was SAR 46.00)"), "{received}");
    assert_eq!((received.contains("no garlic"), received.matches("NO PEANUTS").count()), (false, 2), "{received}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_channel_with_a_wrong_setting_goes_out_once_as_new() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let daemon = scene.start(&format!("{}{}", scene.robot("kitchen", ""), to(&["kitchen"]))).await;
    let keyword = Fault::Errcode { errcode: 310_000, errmsg: "keywords not in content".to_owned() };
    scene.sandbox.order("kitchen", keyword, Times::Always);
    let now = scene.hands.now();
    send(&daemon, "m-1", &first(), now).await;
    daemon.until_tried("kitchen", 1).await;
    send(&daemon, "m-2", &second(), now).await;
    daemon.until(|all| all.len() == 2).await;
    scene.sandbox.clear_faults("kitchen");
    scene.forward(seconds(3600));
    let rows = daemon.until_done().await;
    scene.nothing_more(A_WHILE).await;
    assert_eq!(states(&rows, "kitchen"), ["merged", "delivered"]);
    let received = scene.received("kitchen");
    assert_eq!(received.len(), 1, "{received:#?}");
    let received = text(&received[0]);
    assert!(
        received.contains("New order #") && received.contains("NO PEANUTS") && !received.contains("hanged"),
        "{received}"
    );
}
