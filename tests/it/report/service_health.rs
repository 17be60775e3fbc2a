//! What the report says of Orderbell itself, and of which sources it says that.

use jiff::Timestamp;
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::Rules;
use serde_json::{Value, json};

use crate::report::{DAY, MINUTE, daily, until_begun, until_tried};
use crate::support;
use crate::support::keeta::Envelope;
use crate::support::{Scene, keeta};

#[tokio::test(flavor = "multi_thread")]
async fn a_report_on_some_sources_says_nothing_of_the_others() {
    let scene = Scene::still(Timestamp::now(), Rules::new()).await;
    let begin = scene.hands.now();
    let channels = scene.robot("kitchen", "") + &scene.hook("erp", "");
    let route = "[[route]]\nevents = [\"order.*\"]\nto = [\"kitchen\"]\n";
    let zone = support::noon_zone(begin);
    let of = |name: &str, more: &str| {
        format!("[report.{name}]\nat = \"08:57\"\nto = [\"erp\"]\ntimezone = \"{zone}\"\n{more}\n")
    };
    let reports = of("all", "") + &of("mine", "sources = [\"keeta\"]") + &of("shop", "shops = [\"of another\"]");
    let daemon = scene.start(&[channels, route.to_owned(), reports].concat()).await;
    until_begun(&daemon).await;
    daemon.acknowledged(&keeta::placed(1, begin)).await;
    scene.until_received("kitchen", 1).await;
    scene.forward(DAY);
    let taken = scene.until_received("erp", 3).await;
    let health = |name: &str| {
        let bodies = taken.iter().map(|one| serde_json::from_str::<Value>(&one.body).expect("JSON"));
        let mut own = bodies.filter(|body| body["kind"] == format!("report.{name}"));
        own.next().expect("a report")["data"]["report"]["bell"].clone()
    };
    assert_eq!((&health("all")["delivered"], health("all")["channels"].as_array().map(Vec::len)), (&json!(1), Some(1)));
    assert_eq!(
        (&health("mine")["delivered"], health("mine")["channels"].as_array().map(Vec::len)),
        (&json!(1), Some(0))
    );
    assert_eq!(
        (&health("shop")["delivered"], health("shop")["channels"].as_array().map(Vec::len)),
        (&json!(0), Some(0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_says_how_the_service_did() {
    // Deliveries are found by their ids, which are made by the real clock.
    let scene = Scene::still(Timestamp::now(), Rules::new()).await;
    let (begin, soon, much_later) = (scene.hands.now(), "retry = [\"30s\", \"30s\", \"30s\"]", "retry = [\"40h\"]");
    let channels = [
        scene.robot("kitchen", ""),
        scene.robot("edge", soon),
        scene.robot("till", soon),
        scene.robot("gone", ""),
        scene.robot("far", much_later),
        scene.wecom("office", ""),
        scene.hook("erp", ""),
    ];
    let route = |kind: &str, to: &str| format!("[[route]]\nevents = [\"order.{kind}\"]\nto = {to}\n");
    let routes = [
        route("placed", "[\"kitchen\"]"),
        route("accepted", "[\"edge\", \"till\"]"),
        route("completed", "[\"gone\", \"far\"]"),
        route("cancelled", "[\"office\"]"),
    ];
    let report = daily("[\"erp\"]", &format!("timezone = \"{}\"", support::noon_zone(begin)));
    let daemon = scene.start(&[channels.concat(), routes.concat(), report].concat()).await;
    until_begun(&daemon).await;
    let busy = || Fault::Status { status: 503, body: String::new() };
    let errcode = |errcode| Fault::Errcode { errcode, errmsg: "no".to_owned() };
    scene.sandbox.order("edge", busy(), Times::Next(1));
    scene.sandbox.order("till", busy(), Times::Next(2));
    scene.sandbox.order("far", busy(), Times::Always);
    scene.sandbox.order("gone", errcode(400_105), Times::Always);
    scene.sandbox.order("office", errcode(93_000), Times::Always);

    let first = keeta::placed(1, begin);
    for body in [&first, &first, &first] {
        daemon.acknowledged(body).await;
    }
    for event in 1002..=1004 {
        daemon.acknowledged(&keeta::stepped(event, 1, begin)).await;
    }
    for _ in 0..4 {
        let forged = Envelope::new(1001, "m9", &keeta::order(9).to_string(), begin).body_signed("0000");
        assert_eq!(daemon.post(&forged).await.status, 401);
    }
    until_tried(&daemon, 6).await;
    // One comes a minute after its event, which is in time, and one later than that.
    scene.forward(MINUTE);
    until_tried(&daemon, 8).await;
    scene.forward(MINUTE);
    until_tried(&daemon, 9).await;
    let (edge, till) = (begin + MINUTE, begin + MINUTE * 2);
    // What was refused is noted after its minute.
    let noted = async {
        let refused = "SELECT coalesce(sum(count), 0) FROM refusal_tally";
        while daemon.connection().query_row(refused, [], |row| row.get::<_, i64>(0)).expect("a sum") < 4 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    support::in_time(noted).await;

    scene.forward(DAY);
    let taken = scene.until_received("erp", 1).await[0].body.clone();
    let taken: Value = serde_json::from_str(&taken).expect("JSON");
    let mut health = taken["data"]["report"]["bell"].clone();
    let reason = health["parked"][0]["reason"].take();
    assert!(reason.as_str().is_some_and(|reason| reason.contains("93000")), "{reason}");
    let at = |at: Timestamp| json!(format!("{at:.3}"));
    let counted = json!({
        // The repeats are received as well.
        "received": 6, "repeats": 2, "refused": 4,
        "delivered": 3, "late": 1, "waiting": 2, "dead": 1,
        "parked": [{ "channel": "office", "since": at(begin), "reason": null }],
        "channels": [
            { "channel": "edge", "at": at(edge) }, { "channel": "kitchen", "at": at(begin) },
            { "channel": "till", "at": at(till) },
        ],
    });
    assert_eq!(health, counted);
}
