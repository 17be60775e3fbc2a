//! A signed sample that is sent through a source: believed as a real webhook is, and recorded as a test.

use orderbell::sandbox::rules::Rules;
use serde_json::{Value, json};

use crate::admin::ask;
use crate::api::Api;
use crate::api::reading::items;
use crate::support::{Answer, Daemon, Scene, keeta, of};

async fn pressed(daemon: &Daemon, source: &str) -> (u16, Value) {
    let line = format!("POST /api/v1/sources/{source}/sample");
    let Answer { status, body, .. } = ask(daemon.admin(), &line, &[("Host", "localhost")], b"").await;
    (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
}

fn text(scene: &Scene, routes: &str) -> String {
    let order = "[[route]]\nevents = [\"order.*\"]\nto = [\"erp\"]\n";
    format!("[admin]\nlisten = \"127.0.0.1:1\"\n{}{}{order}{routes}", scene.robot("robot", ""), scene.hook("erp", ""))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_goes_the_whole_way_and_counts_nowhere() {
    let scene = Scene::new(Rules::new()).await;
    let text = text(&scene, "");
    let daemon = scene.start(&text).await;
    let (status, sent) = pressed(&daemon, "keeta").await;
    assert_eq!((status, &sent["accepted"], &sent["status"]), (200, &true.into(), &200.into()), "{sent}");
    assert_eq!(
        (&sent["kind"], &sent["channels"], &sent["routed_to"]),
        (&"order.placed".into(), &json!([]), &json!(["erp"]))
    );
    assert!(
        sent["recipe"].is_string() && sent["answer"].as_str().is_some_and(|said| said.contains("success")),
        "{sent}"
    );

    let api = Api::beside(&scene, &text);
    let id = sent["event"].as_str().expect("an event");
    let event = api.found(&format!("/events/{id}")).await;
    assert_eq!((&event["event"]["kind"], &event["event"]["source"]), (&"test".into(), &"orderbell".into()), "{event}");
    assert!(items(&api.found("/orders").await).is_empty());
    let sources = api.found("/sources").await;
    let source = &items(&sources)[0];
    assert_eq!((&source["signatures"]["believed"], source.get("last_believed")), (&0.into(), None), "{source}");
    let story = api.found(&format!("/why?about={id}")).await;
    let says = story["text"].as_str().expect("a text");
    assert!(says.contains("a signed sample of order.placed that somebody had sent through the source keeta"), "{says}");
    assert!(says.contains("no route applies"), "{says}");

    let (second, again) = pressed(&daemon, "keeta").await;
    assert_eq!((second, &again["accepted"]), (200, &true.into()), "no duplicate of the first: {again}");
    assert_eq!(pressed(&daemon, "nobody").await.0, 404);
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    daemon.until(|rows| of(rows, "erp").iter().any(|row| row.state == "delivered")).await;
    daemon.stop().await;
    assert_eq!(scene.came_to("erp").len(), 1, "what is genuine is an order as before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_rings_whatever_a_test_of_its_source_rings() {
    let scene = Scene::new(Rules::new()).await;
    let routes = "[[route]]\nevents = [\"test\"]\nsources = [\"keeta\"]\nto = [\"robot\"]\n";
    let text = text(&scene, routes);
    let daemon = scene.start(&text).await;
    let (_, sent) = pressed(&daemon, "keeta").await;
    assert_eq!(sent["channels"], json!(["robot"]), "{sent}");
    daemon.until(|rows| of(rows, "robot").iter().any(|row| row.state == "delivered" && row.kind == "test")).await;
    daemon.stop().await;
    assert!(scene.came_to("erp").is_empty());
}

/// One that arrives when nobody waits for it any more is signed as a real order is: it must not become one.
#[tokio::test]
async fn a_sample_that_nobody_expects_any_more_is_recorded_as_nothing() {
    let scene = Scene::new(Rules::new()).await;
    let text = text(&scene, "");
    let daemon = scene.start(&text).await;
    let order = keeta::placed(7, scene.hands.now());
    let headers = [("Host", "localhost"), ("X-Orderbell-Sample", "0198c0ffee"), ("Content-Type", "application/json")];
    let answer = ask(daemon.address, "POST /hooks/keeta", &headers, &order).await;
    assert_ne!(answer.status, 200, "{answer:?}");
    assert!(items(&Api::beside(&scene, &text).found("/orders").await).is_empty());
    // Sent again without the mark, it is an order like any other.
    daemon.acknowledged(&order).await;
    assert_eq!(items(&Api::beside(&scene, &text).found("/orders").await).len(), 1);
    daemon.stop().await;
}
