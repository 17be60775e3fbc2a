//! What the API changes: deliveries once more or cancelled, a channel tried, paused and resumed.

use orderbell::sandbox::rules::Rules;
use poem::http::StatusCode;
use serde_json::json;

use crate::api::Api;
use crate::api::reading::{items, received, running};
use crate::support::{Scene, keeta, of};

#[tokio::test(flavor = "multi_thread")]
async fn two_presses_are_one_redelivery_and_it_arrives() {
    let scene = Scene::new(Rules::new()).await;
    let (daemon, text) = running(&scene).await;
    received(&scene, &daemon).await;
    let api = Api::beside(&scene, &text);
    scene.sandbox.clear_faults("erp");
    let dead = api.found("/deliveries?state=dead").await;
    let id = items(&dead)[0]["id"].as_str().expect("an id").to_owned();
    let press = api.post(&format!("/deliveries/{id}/redeliver"), r#"{"round": 0}"#).await;
    assert_eq!((press.status, &press.json()["done"]), (StatusCode::OK, &true.into()), "{}", press.text);
    let again = api.post(&format!("/deliveries/{id}/redeliver"), r#"{"round": 0}"#).await.json();
    assert_eq!((&again["done"], &again["says"]), (&true.into(), &"it waits already".into()));
    let early = api.post(&format!("/deliveries/{id}/redeliver"), r#"{"round": 7}"#).await;
    assert_eq!(early.status, StatusCode::CONFLICT, "a round that is still to come: {}", early.text);
    daemon.until(|rows| rows.iter().any(|row| row.id.to_string() == id && row.state == "delivered")).await;
    let late = api.post(&format!("/deliveries/{id}/redeliver"), r#"{"round": 0}"#).await;
    assert_eq!(late.status, StatusCode::OK);
    let shown = api.found(&format!("/deliveries/{id}")).await;
    assert_eq!((&shown["round"], &shown["delivery"]["state"]), (&1.into(), &"delivered".into()));
    let cancelled = api.post(&format!("/deliveries/{id}/cancel"), "").await.json();
    assert_eq!(cancelled["done"], false, "what has arrived is not cancelled: {cancelled}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_changed_only_where_they_are_as_many_as_expected() {
    let scene = Scene::new(Rules::new()).await;
    let (daemon, text) = running(&scene).await;
    received(&scene, &daemon).await;
    let api = Api::beside(&scene, &text);
    let count = api.found("/deliveries/count?state=dead&channel=erp").await;
    let token = count["token"].as_str().expect("a token");
    assert_eq!(count, json!({ "count": 3, "complete": true, "token": token }));
    let body = |expected: u64, token: &str| {
        json!({ "state": "dead", "channel": "erp", "expected": expected, "token": token }).to_string()
    };
    let wrong = api.post("/deliveries/cancel", &body(2, token)).await;
    assert_eq!((wrong.status, wrong.kind.as_str()), (StatusCode::CONFLICT, "application/problem+json"));
    assert_eq!(api.found("/deliveries/count?state=dead").await, count, "nothing was changed");
    let cancelled = api.post("/deliveries/cancel", &body(3, token)).await;
    assert_eq!(cancelled.json(), json!({ "matched": 3, "changed": 3, "complete": true }));
    let again = api.post("/deliveries/cancel", &body(3, token)).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "the second press");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_nobody_counted_is_not_changed_in_the_place_of_another() {
    let scene = Scene::new(Rules::new()).await;
    let (daemon, text) = running(&scene).await;
    received(&scene, &daemon).await;
    let api = Api::beside(&scene, &text);
    let dead = api.found("/deliveries?state=dead").await;
    let count = api.found("/deliveries/count?state=dead").await;
    let gone = items(&dead)[0]["id"].as_str().expect("an id");
    assert_eq!(api.post(&format!("/deliveries/{gone}/cancel"), "").await.json()["done"], true);
    daemon.acknowledged(&keeta::placed(4, scene.hands.now())).await;
    daemon.until(|rows| of(rows, "erp").iter().filter(|row| row.state == "dead").count() == 3).await;
    let others = api.found("/deliveries/count?state=dead").await;
    assert_eq!(others["count"], count["count"], "as many as before");
    for address in ["/deliveries/cancel", "/deliveries/redeliver"] {
        let mut body = json!({ "expected": 3, "token": count["token"] });
        if address.ends_with("cancel") {
            body["state"] = "dead".into();
        }
        let answer = api.post(address, &body.to_string()).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{address}: {}", answer.text);
        assert_eq!(api.found("/deliveries/count?state=dead").await, others, "nothing was changed");
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_ones_go_out_once_more_together() {
    let scene = Scene::new(Rules::new()).await;
    let (daemon, text) = running(&scene).await;
    received(&scene, &daemon).await;
    let api = Api::beside(&scene, &text);
    scene.sandbox.clear_faults("erp");
    let count = api.found("/deliveries/count?state=dead&kind=order.*").await;
    let body = json!({ "kind": "order.*", "expected": 3, "token": count["token"] });
    let changed = api.post("/deliveries/redeliver", &body.to_string()).await;
    assert_eq!(changed.json(), json!({ "matched": 3, "changed": 3, "complete": true }));
    daemon.until(|rows| rows.iter().filter(|row| row.channel == "erp").all(|row| row.state == "delivered")).await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_says_what_the_receiver_made_of_it() {
    let scene = Scene::new(Rules::new()).await;
    let (daemon, text) = running(&scene).await;
    let api = Api::beside(&scene, &text);
    let good = api.post("/channels/robot/test", "").await.json();
    assert_eq!((&good["accepted"], &good["outcome"]), (&true.into(), &"delivered".into()), "{good}");
    let bad = api.post("/channels/erp/test", "").await.json();
    assert_eq!((&bad["accepted"], &bad["outcome"]), (&false.into(), &"rejected".into()), "{bad}");
    assert!(bad["cause"].is_string() && bad["change"].is_string(), "{bad}");
    let probed = api.post("/channels/erp/probe", "").await.json();
    assert_eq!(probed["name"], "erp");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_paused_by_a_person_until_it_is_resumed_and_once_more_changes_nothing() {
    let scene = Scene::new(Rules::new()).await;
    let (daemon, text) = running(&scene).await;
    let api = Api::beside(&scene, &text);
    let paused = api.post("/channels/robot/pause", "").await.json();
    assert_eq!((&paused["changed"], &paused["channel"]["paused"]["by"]), (&true.into(), &"ann".into()), "{paused}");
    let again = api.post("/channels/robot/pause", "").await.json();
    assert_eq!((&again["changed"], &again["channel"]), (&false.into(), &paused["channel"]));
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    daemon.until(|rows| of(rows, "erp").iter().any(|row| row.state == "dead")).await;
    assert_eq!(api.found("/channels/robot").await["paused"], paused["channel"]["paused"]);
    assert!(scene.came_to("robot").is_empty());
    let resumed = api.post("/channels/robot/resume", "").await.json();
    assert_eq!((&resumed["changed"], resumed["channel"].get("paused")), (&true.into(), None), "{resumed}");
    daemon.until(|rows| of(rows, "robot").iter().any(|row| row.state == "delivered")).await;
    assert_eq!(api.post("/channels/robot/resume", "").await.json()["changed"], false);
    assert_eq!(api.post("/channels/nobody/pause", "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(api.post("/channels/nobody/resume", "").await.status, StatusCode::NOT_FOUND);
    daemon.stop().await;
}
