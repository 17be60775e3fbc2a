//! What the API answers of a daemon that has received and sent.

use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::Rules;
use serde_json::Value;

use crate::api::Api;
use crate::support::{Daemon, Scene, keeta, of};

/// A daemon with a robot that takes everything and a receiver that takes nothing, and its configuration.
pub async fn running(scene: &Scene) -> (Daemon, String) {
    running_with(scene, "").await
}

/// As [`running`], with more in the configuration.
pub async fn running_with(scene: &Scene, more: &str) -> (Daemon, String) {
    let text = format!(
        "{more}{}{}[[route]]\nevents = [\"order.*\"]\nto = [\"robot\", \"erp\"]\n[operator]\nto = [\"robot\"]\n\
         [report.daily]\nat = \"08:57\"\nto = [\"robot\"]\n",
        scene.robot("robot", ""),
        scene.hook("erp", "retry = [\"0s\"]"),
    );
    scene.sandbox.order("erp", Fault::Status { status: 422, body: "no".to_owned() }, Times::Always);
    (scene.start(&text).await, text)
}

pub async fn received(scene: &Scene, daemon: &Daemon) {
    for number in 1..=3 {
        daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
    }
    daemon
        .until(|rows| {
            let (erp, robot) = (of(rows, "erp"), of(rows, "robot"));
            erp.len() == 3
                && erp.iter().all(|row| row.state == "dead")
                && robot.iter().all(|row| row.state != "waiting")
        })
        .await;
}

pub fn items(list: &Value) -> &[Value] {
    list["items"].as_array().expect("items")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_its_events_and_its_deliveries_are_found_and_shown() {
    let scene = Scene::new(Rules::new()).await;
    let (daemon, text) = running(&scene).await;
    received(&scene, &daemon).await;
    let api = Api::beside(&scene, &text);

    let orders = api.found("/orders?source=keeta").await;
    let numbers: Vec<&str> = items(&orders).iter().filter_map(|order| order["number"].as_str()).collect();
    assert_eq!(numbers, ["3", "2", "1"]);
    let order = api.found("/orders/keeta/2").await;
    assert_eq!((&order["order"]["state"], order["events"].as_array().map(Vec::len)), (&"placed".into(), Some(1)));
    assert_eq!(order["events"][0]["deliveries"].as_array().map(Vec::len), Some(2));
    assert!(order["lines"].as_array().is_some_and(|lines| !lines.is_empty()), "{order}");

    let event = &order["events"][0]["event"];
    let shown = api.found(&format!("/events/{}", event["id"].as_str().expect("an id"))).await;
    assert_eq!(shown["event"], *event);
    assert_eq!((&shown["signature"], &shown["routes"][0]), (&"valid".into(), &"applies".into()));

    let dead = api.found("/deliveries?state=dead&channel=erp&limit=2").await;
    assert_eq!(items(&dead).len(), 2);
    let next = dead["next"].as_str().expect("a cursor");
    let rest = api.found(&format!("/deliveries?state=dead&channel=erp&limit=2&cursor={next}")).await;
    assert_eq!((items(&rest).len(), rest.get("next")), (1, None));

    let delivery = api.found(&format!("/deliveries/{}", items(&dead)[0]["id"].as_str().expect("an id"))).await;
    assert_eq!(delivery["delivery"], items(&dead)[0]);
    assert_eq!(delivery["attempts"][0]["outcome"], "rejected");
    let body: Value = serde_json::from_str(delivery["parts"][0]["body"].as_str().expect("a body")).expect("JSON");
    assert_eq!(body["order"]["number"], "3", "what was sent, byte for byte");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_sources_reports_notices_and_stories_are_shown() {
    let scene = Scene::new(Rules::new()).await;
    let (daemon, text) = running(&scene).await;
    received(&scene, &daemon).await;
    daemon.post(b"forged").await;
    scene.forward(jiff::SignedDuration::from_secs(30));
    let refused = async {
        while daemon.connection().query_row("SELECT count(*) FROM refusals", [], |row| row.get::<_, i64>(0)) != Ok(1) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    crate::support::in_time(refused).await;
    let api = Api::beside(&scene, &text);

    let channels = api.found("/channels").await;
    let [erp, robot] = items(&channels) else { panic!("{channels}") };
    assert_eq!((&erp["name"], &erp["kind"], &erp["dead"]), (&"erp".into(), &"webhook".into(), &3.into()));
    assert_eq!((&robot["state"], &robot["waiting"]), (&"open".into(), &0.into()));
    assert!(robot["last_accepted_at"].is_string() && erp.get("last_accepted_at").is_none(), "{channels}");
    assert_eq!(api.found("/channels/erp").await, *erp);

    let sources = api.found("/sources").await;
    let [keeta] = items(&sources) else { panic!("{sources}") };
    assert!(keeta["address"].as_str().is_some_and(|address| address.ends_with("/hooks/keeta")), "{keeta}");
    assert_eq!((&keeta["signatures"]["believed"], &keeta["signatures"]["refused"]), (&3.into(), &1.into()));
    assert!(keeta["last_believed"]["recipe"].is_string() && keeta["last_refused"]["reason"].is_string(), "{keeta}");

    let reports = api.found("/reports").await;
    assert_eq!((&items(&reports)[0]["name"], items(&reports)[0]["next"].is_object()), (&"daily".into(), true));
    let today = api.found("/reports/daily/today").await;
    assert_eq!((&today["figures"]["so_far"], &today["figures"]["bell"]["dead"]), (&true.into(), &3.into()), "{today}");

    let why = api.found("/why?about=2").await;
    assert!(why["text"].as_str().is_some_and(|text| text.contains("given up")), "{why}");
    assert_eq!(why["story"]["orders"][0]["number"], "2");
    let configuration = api.found("/configuration").await;
    assert_eq!(configuration["routes"][0]["to"], serde_json::json!(["robot", "erp"]));
    let notices = api.found("/notices").await;
    assert!(notices["items"].is_array(), "{notices}");
    daemon.stop().await;
}
