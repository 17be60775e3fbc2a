//! What goes out: every message arrives once, whatever its receiver does in between, and what cannot arrive is said.

mod refusals;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use orderbell::domain::language::folders::Sources;
use orderbell::domain::secret::Secret;
use orderbell::domain::template::Templates;
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::inbox::Received;
use orderbell::sandbox::rules::{RobotRules, Rules, WebhookRules};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::keeta::{Envelope, RECEIVED};
use crate::support::stores;
use crate::support::{A_WHILE, Scene, begin_post, in_time, keeta, of, read};

/// Tried again at once, and often enough.
const AT_ONCE: &str = "retry = [\"0s\", \"0s\", \"0s\", \"0s\"]";

fn to(channels: &[&str]) -> String {
    format!("[[route]]\nevents = [\"order.*\"]\nto = {channels:?}\n[operator]\nto = [\"owner\"]\n")
}

/// Early in an hour, so that no test sees the hour in which a notice is said once go by.
fn ten_past() -> Timestamp {
    "2026-11-05T10:10:00Z".parse().expect("a time")
}

fn status(status: u16) -> Fault {
    Fault::Status { status, body: "no".to_owned() }
}

fn json_of(received: &Received) -> Value {
    serde_json::from_str(&received.body).expect("JSON")
}

fn kinds(received: &[Received]) -> Vec<String> {
    received.iter().map(|received| json_of(received)["kind"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_repeated_with_the_same_key_and_bytes() {
    const KEY: &str = "whsec_b3JkZXJiZWxsIHRlc3RzIGtleSAwMQ==";
    let secret = || Secret::new(KEY);
    let rules = Rules::new()
        .strict()
        .robot("signed", RobotRules { secret: Some(Secret::new("SEC-1")), keyword: None })
        .hook("apsdai", WebhookRules::Apsdai(secret()))
        .hook("password", WebhookRules::ApsdaiPassword(secret()))
        .hook("standard", WebhookRules::StandardWebhooks(secret()))
        .hook("none", WebhookRules::None);
    let scene = Scene::new(rules).await;
    let signed = |scheme: &str| format!("signing = {{ scheme = \"{scheme}\", secret = \"{KEY}\" }}\n{AT_ONCE}");
    let names = ["signed", "apsdai", "password", "standard", "none"];
    let channels = [
        scene.robot("signed", &format!("secret = \"SEC-1\"\n{AT_ONCE}")),
        scene.hook("apsdai", &signed("apsdai")),
        scene.hook("password", &signed("apsdai-password")),
        scene.hook("standard", &signed("standard-webhooks")),
        scene.hook("none", AT_ONCE),
        scene.robot("owner", ""),
    ];
    let daemon = scene.start(&format!("{}{}", channels.concat(), to(&names))).await;
    for name in names {
        scene.sandbox.order(name, Fault::LostAnswer, Times::Next(2));
    }
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    let rows = daemon.until_done().await;
    for name in names {
        let came = scene.came_to(name);
        assert_eq!(came.len(), 3, "{name}: {came:#?}");
        assert_eq!(came.iter().map(|one| one.repeat).collect::<Vec<_>>(), [false, true, true], "{name}: by its key");
        assert!(came.iter().all(|one| one.body == came[0].body), "{name}: {came:#?}");
        let header = match name {
            "signed" => None,
            "standard" => Some("webhook-id"),
            _ => Some("x-orderbell-delivery"),
        };
        let key = match header {
            Some(header) => came[0].header(header).map(str::to_owned),
            None => json_of(&came[0])["msgUuid"].as_str().map(str::to_owned),
        };
        let row = of(&rows, name)[0];
        assert_eq!(key, Some(row.id.to_string()), "{name}");
        assert_eq!((row.state.as_str(), row.attempts), ("delivered", 3), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_of_a_receiver_without_keys_is_repeated_with_a_mark() {
    let scene = Scene::new(Rules::new()).await;
    let more = |language| format!("mention = {{ mobiles = [\"13800000000\"] }}\nlanguage = \"{language}\"\n{AT_ONCE}");
    let channels =
        [scene.wecom("office", &more("en")), scene.wecom("staff", &more("zh-CN")), scene.robot("owner", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&["office", "staff"]))).await;
    for name in ["office", "staff"] {
        scene.sandbox.order(name, Fault::LostAnswer, Times::Next(2));
    }
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    daemon.until_done().await;
    for (name, mark) in [("office", "(possibly a repeat)"), ("staff", "(可能是重复消息)")] {
        let came = scene.came_to(name);
        let texts: Vec<&str> = came.iter().filter_map(|one| one.text.as_deref()).collect();
        let [first, second, third, call] = texts.as_slice() else { panic!("{name}: {came:#?}") };
        assert!(!first.contains(mark) && second.contains(mark) && second.ends_with(first), "{name}: {came:#?}");
        assert_eq!(second, third, "{name}: marked once, and then the same bytes");
        assert!(json_of(&came[3])["text"]["mentioned_mobile_list"].is_array(), "{name}: {call}");
        assert!(!call.contains(mark), "{name}: it had not been sent before");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_fails_never_silences_an_event() {
    let scene = Scene::at(ten_past(), Rules::new()).await;
    // It parses, and fails on every order.
    let overlay = Sources::from([("en/order.placed.md".to_owned(), "# Order {{ order }}".to_owned())]);
    let templates = Templates::with_overlay(&overlay).expect("it parses");
    let store = stores::open(&scene.store(), scene.hands.now()).expect("the store opens");
    let text = [scene.robot("kitchen", ""), scene.hook("erp", ""), scene.robot("owner", ""), to(&["kitchen", "erp"])];
    let daemon = scene.start_on(store, templates, &text.concat()).await;
    for number in [71, 72] {
        daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
    }
    let notices = scene.until_received("owner", 1).await;
    let rows = daemon.until_done().await;
    scene.nothing_more(A_WHILE).await;
    assert!(rows.iter().all(|row| row.state == "delivered"), "{rows:#?}");
    assert_eq!(scene.received("owner").len(), 1, "once: {notices:#?}");
    assert!(notices[0].body.contains("order.placed"), "{}", notices[0].body);
    for name in ["kitchen", "erp"] {
        let taken = scene.received(name);
        assert_eq!(taken.len(), 2, "{name}");
        let mut text: String = taken.iter().filter_map(|one| one.text.clone()).collect();
        text.retain(|letter| letter != '\\');
        for word in ["Harbour Noodle House", "71", "72", "SAR 46.00", "糖醋排骨", "Lemon tea"] {
            assert!(text.contains(word), "{name}: the plain form says {word}, not: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_channel_that_hangs_delays_no_other() {
    let scene = Scene::new(Rules::new().speed(1000)).await;
    let patient = "timeout = \"2m\"";
    let channels = [
        scene.robot("hanging", patient),
        scene.hook("stuck", patient),
        scene.robot("kitchen", ""),
        scene.hook("erp", ""),
        scene.robot("owner", ""),
    ];
    let names = ["hanging", "stuck", "kitchen", "erp"];
    let daemon = scene.start(&format!("{}{}", channels.concat(), to(&names))).await;
    for name in ["hanging", "stuck"] {
        scene.sandbox.order(name, Fault::Delay { delay_ms: 100_000 }, Times::Always);
    }
    for number in 1..=20 {
        daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
    }
    assert_eq!(scene.until_received("kitchen", 20).await.len(), 20);
    assert_eq!(scene.until_received("erp", 20).await.len(), 20);
    let rows = daemon.deliveries().await;
    for name in ["hanging", "stuck"] {
        assert!(of(&rows, name).iter().all(|row| row.state == "waiting"), "{name} hangs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_gets_as_many_requests_at_once_as_it_may() {
    let scene = Scene::new(Rules::new().speed(1000)).await;
    let channels = [scene.hook("erp", "timeout = \"2m\"\nat_once = 2"), scene.robot("owner", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&["erp"]))).await;
    scene.sandbox.order("erp", Fault::Delay { delay_ms: 100_000 }, Times::Always);
    for number in 1..=4 {
        daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
    }
    scene.until_came("erp", 2).await;
    scene.nothing_more(A_WHILE).await;
    let rows = daemon.deliveries().await;
    assert_eq!(of(&rows, "erp").iter().map(|row| row.attempts).sum::<u32>(), 2, "{rows:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_one_order_reach_a_webhook_in_their_sequence() {
    let scene = Scene::new(Rules::new()).await;
    let channels = [scene.hook("erp", "retry = [\"5m\"]"), scene.robot("owner", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&["erp"]))).await;
    scene.sandbox.order("erp", status(503), Times::Next(1));
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    scene.until_came("erp", 1).await;
    for event_id in [1002, 1003] {
        daemon.acknowledged(&keeta::stepped(event_id, 1, scene.hands.now())).await;
    }
    // Another order overtakes the one that waits.
    daemon.acknowledged(&keeta::placed(2, scene.hands.now())).await;
    assert_eq!(json_of(&scene.until_received("erp", 1).await[0])["order"]["number"], "2");
    scene.nothing_more(A_WHILE).await;
    scene.hands.forward(SignedDuration::from_mins(6));
    let taken = scene.until_received("erp", 4).await;
    assert_eq!(kinds(&taken[1..]), ["order.placed", "order.accepted", "order.completed"]);
    let revisions: Vec<_> = taken[1..].iter().map(|one| json_of(one)["order"]["revision"].clone()).collect();
    // What was composed before the first try goes out as it was, the others show the order as it stands.
    assert_eq!(revisions, [1, 3, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_gets_nothing_unless_it_is_allowed() {
    let scene = Scene::at(ten_past(), Rules::new()).await;
    let port = scene.sandbox.address().port();
    let hosts = BTreeMap::from([("literal", "127.0.0.1"), ("named", "localhost")]);
    let channel = |(name, host): (&&str, &&str)| {
        let url = format!("https://{host}:{port}/webhook/{name}");
        format!("[channel.{name}]\nkind = \"webhook\"\nurl = \"{url}\"\nallow_private = true\n")
    };
    let channels: String = hosts.iter().map(channel).collect();
    let mut config = scene.config(&format!("{channels}{}{}", scene.robot("owner", ""), to(&["literal", "named"])));
    // The configuration refuses what it can see; a public name that leads to a private address it cannot see.
    for name in hosts.keys() {
        config.channels.get_mut(*name).expect("a channel").settings.allow_private = false;
    }
    let daemon = scene.start_with(config, scene.folder.path()).await;
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    let notices = scene.until_received("owner", 2).await;
    scene.nothing_more(A_WHILE).await;
    let rows = daemon.deliveries().await;
    for name in hosts.keys() {
        let row = of(&rows, name)[0];
        assert_eq!((row.state.as_str(), row.attempts), ("waiting", 1), "{name}");
        let answer = row.answer.as_deref().unwrap_or_default();
        assert!(answer.contains("private") && answer.contains("allow_private"), "{name}: {answer}");
        assert_eq!(notices.iter().filter(|notice| notice.body.contains(name)).count(), 1, "{name}: {notices:#?}");
        assert!(scene.came_to(name).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_makes_no_second_message_and_a_fuller_one_completes_the_order() {
    let scene = Scene::new(Rules::new()).await;
    let channels = [scene.hook("erp", ""), scene.robot("kitchen", ""), scene.robot("owner", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&["erp", "kitchen"]))).await;
    let now = scene.hands.now();
    let thin = json!({ "orderInfo": { "baseOrder": { "orderViewId": 7, "orderViewIdStr": "7" } } }).to_string();
    let first = Envelope::new(1001, "m-1", &thin, now);
    daemon.acknowledged(&first.body()).await;
    daemon.acknowledged(&first.body()).await;
    daemon.acknowledged(&Envelope::new(1001, "m-2", &thin, now).body()).await;
    let taken = scene.until_received("erp", 1).await;
    let order = json_of(&taken[0])["order"].clone();
    assert_eq!((order.get("total"), order.get("lines")), (None, None), "what is unknown is absent");

    daemon.acknowledged(&Envelope::new(1001, "m-3", &keeta::order(7).to_string(), now).body()).await;
    daemon.acknowledged(&keeta::stepped(1002, 7, now)).await;
    daemon.until_done().await;
    scene.nothing_more(A_WHILE).await;
    let taken = scene.received("erp");
    assert_eq!(kinds(&taken), ["order.placed", "order.accepted"]);
    assert_eq!(scene.received("kitchen").len(), 2);
    let order = &json_of(&taken[1])["order"];
    assert_eq!((&order["revision"], &order["total"]["text"]), (&json!(2), &json!("SAR 46.00")), "{order}");
    assert_eq!(order["lines"].as_array().map(Vec::len), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_what_is_in_flight_and_the_next_start_takes_up_what_was_being_sent() {
    let scene = Scene::new(Rules::new()).await;
    let channels = [scene.robot("hanging", "timeout = \"2m\""), scene.hook("stuck", "timeout = \"2m\"")].concat();
    let text = format!("{channels}{}{}", scene.robot("owner", ""), to(&["hanging", "stuck"]));
    let daemon = scene.start(&text).await;
    let names = ["hanging", "stuck"];
    for name in names {
        scene.sandbox.order(name, Fault::Delay { delay_ms: 100_000 }, Times::Always);
    }
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    for name in names {
        scene.until_came(name, 1).await;
    }
    // The commit of this webhook waits for the lock that the test holds, so that it is in flight when the stop comes.
    let lock = daemon.connection();
    lock.execute_batch("BEGIN IMMEDIATE").expect("the lock is free");
    let body = keeta::placed(2, scene.hands.now());
    let mut stream = begin_post(daemon.address, "/hooks/keeta", body.len()).await;
    stream.write_all(&body).await.expect("the body is taken");
    let address = daemon.address;
    let stopped = tokio::spawn(daemon.stop());
    in_time(async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    lock.execute_batch("COMMIT").expect("the lock is given back");
    let answer = read(&mut stream).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, RECEIVED));
    stopped.await.expect("run() returns within ten seconds");

    names.iter().for_each(|name| scene.sandbox.clear_faults(name));
    // At once, as a supervisor would.
    let next = scene.start(&text).await;
    next.until_done().await;
    for name in names {
        let came = scene.came_to(name);
        let of_first: Vec<_> = came.iter().filter(|one| one.key == came[0].key).collect();
        assert_eq!(of_first.iter().map(|one| one.repeat).collect::<Vec<_>>(), [false, true], "{name}: {came:#?}");
        assert_eq!(of_first[0].body, of_first[1].body, "{name}");
        assert_eq!(scene.received(name).len(), 2, "{name}: both orders, each once");
    }
}
