//! Messages that are dead or wait too long, as the operator is notified of them.

use std::collections::BTreeMap;

use orderbell::domain::event::{DeliveryId, Kind};
use orderbell::domain::route::Target;
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::Rules;
use orderbell::store::health::{DeadLetterStats, HealthQuery};
use orderbell::store::ingest::Record;
use rusqlite::Connection;
use uuid::Uuid;

use crate::support::stores;
use crate::support::{Scene, keeta};
use crate::watch::{House, OPERATOR, ORDERS, event, hex, minutes, noon, recorded};

#[tokio::test(flavor = "multi_thread")]
async fn dead_messages_are_reported_by_channel_again_when_there_are_more_and_not_when_they_are_notices() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let channels = format!("{}{}", scene.hook("erp", ""), scene.robot("owner", ""));
    let text = format!("{channels}{}{ORDERS}[operator]\nto = [\"owner\", \"deaf\"]\n", scene.hook("deaf", ""));
    for name in ["erp", "deaf"] {
        scene.sandbox.order(name, Fault::Status { status: 422, body: "Ali Baba".to_owned() }, Times::Always);
    }
    let mut house = House::new(&scene, text).await;
    house.daemon.acknowledged(&keeta::placed(41, scene.hands.now())).await;
    house.until_received("dead", &["erp 1"]).await;
    let text = house.read_by_the_owner("Messages were given up · erp").await;
    assert!(text.contains("New order 41: HTTP 422") && text.contains("1 message"), "{text}");
    assert!(!text.contains("Ali Baba"), "the receiver's free text is nobody's business: {text}");

    for number in [42, 43] {
        house.daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
    }
    house.daemon.until(|all| all.iter().filter(|one| one.channel == "erp" && one.state == "dead").count() == 3).await;
    house.looked().await;
    house.crash().await;
    house.looked().await;
    assert_eq!(house.notices("dead"), ["erp 1"], "at most once an hour");
    scene.hands.forward(minutes(61));
    house.until_received("dead", &["erp 1", "erp 3"]).await;
    scene.hands.forward(minutes(61));
    house.looked().await;
    assert_eq!(house.notices("dead"), ["erp 1", "erp 3"], "of these the operator knows");

    // A person deals with them; the notices that the deaf channel did not take are still dead, and nobody is notified of those.
    house.run("UPDATE deliveries SET state = 'cancelled' WHERE channel = 'erp'");
    scene.hands.forward(minutes(1));
    house.until_received("dead", &["erp 1", "erp 3", "erp over"]).await;
    let deaf =
        house.daemon.deliveries().await.iter().filter(|one| one.channel == "deaf" && one.state == "dead").count();
    assert!(deaf > 1, "{deaf}");
    house.crash().await;
    house.looked().await;
    assert_eq!(house.notices("dead"), ["erp 1", "erp 3", "erp over"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn urgent_messages_that_wait_are_reported_but_not_those_that_are_held() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let channels =
        [scene.hook("erp", "retry = [\"2h\"]"), scene.hook("held", "retry = [\"5h\"]"), scene.robot("owner", "")];
    let route = "[[route]]\nevents = [\"order.*\"]\nto = [\"erp\", \"held\"]\n";
    for name in ["erp", "held"] {
        scene.sandbox.order(name, Fault::Status { status: 503, body: "no".to_owned() }, Times::Next(1));
    }
    let mut house = House::new(&scene, format!("{}{route}{OPERATOR}", channels.concat())).await;
    house.daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    house.daemon.until(|all| all.len() == 2 && all.iter().all(|one| one.answer.is_some())).await;
    house.run("UPDATE deliveries SET urgent = 1");
    let until = noon() + minutes(180);
    house.run(&format!(
        "INSERT INTO steps (delivery, at, step, detail) SELECT id, 0, 'held', '{until}' FROM deliveries WHERE channel = 'held'"
    ));
    house.looked().await;
    assert!(house.notices("waiting").is_empty(), "not yet");
    scene.hands.forward(minutes(6));
    house.until_received("waiting", &["erp 1"]).await;
    let text = house.read_by_the_owner("Urgent messages do not get through · erp").await;
    assert!(text.contains("HTTP 503") && text.contains("15:00"), "{text}");
    house.crash().await;
    scene.hands.forward(minutes(10));
    house.looked().await;
    assert_eq!(house.notices("waiting"), ["erp 1"], "once");
    scene.hands.forward(minutes(120));
    scene.until_received("erp", 1).await;
    house.looked().await;
    scene.hands.forward(minutes(2));
    house.until_received("waiting", &["erp 1", "erp over"]).await;
    house.crash().await;
    scene.hands.forward(minutes(10));
    house.looked().await;
    assert_eq!(house.notices("waiting"), ["erp 1", "erp over"]);
    // What was held waits in earnest from the end of the quiet hours on.
    scene.hands.forward(minutes(34));
    house.looked().await;
    assert_eq!(house.notices("waiting"), ["erp 1", "erp over"]);
    scene.hands.forward(minutes(4));
    house.until_received("waiting", &["erp 1", "erp over", "held 1"]).await;
    assert!(scene.received("held").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_urgent_message_waits_in_earnest_since_it_came_or_was_held_or_was_asked_for_once_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bell.db");
    let store = stores::open(&path, noon()).expect("the store opens");
    let targets = ["kitchen", "office"].map(|name| (Target::always(name), DeliveryId(Uuid::now_v7())));
    let [kitchen, office] = targets.clone().map(|(_, id)| hex(id));
    let record = recorded(event(Kind::OrderPlaced, "keeta"));
    let urgent = vec!["kitchen".to_owned()];
    store.record(Record { targets: targets.into(), urgent, ..record }).await.expect("recorded");
    let run = |sql: &str| {
        let sql = sql.replace("KITCHEN", &kitchen).replace("OFFICE", &office);
        Connection::open(&path).and_then(|connection| connection.execute_batch(&sql)).expect("the store takes it");
    };
    let look = async |minute: i64| {
        let channels = ["kitchen", "office"].map(str::to_owned).into();
        let waits_since = noon() + minutes(minute - 5);
        let look = HealthQuery { channels, waits_since, dead: BTreeMap::new(), newest: false };
        let sight = store.query_health(look).await.expect("it sees");
        let seen = sight.waiting.into_iter().map(|waiting| (waiting.channel, waiting.oldest, waiting.count));
        seen.collect::<Vec<_>>()
    };
    let late = |minute: i64| vec![("kitchen".to_owned(), noon() + minutes(minute), 1)];
    assert_eq!(look(4).await, []);
    assert_eq!(look(5).await, late(0), "what is not urgent is not late");
    let step = |step: &str, minute: i64, detail: &str| {
        let at = (noon() + minutes(minute)).as_millisecond();
        run(&format!("INSERT INTO steps (delivery, at, step, detail) VALUES (KITCHEN, {at}, '{step}', '{detail}')"));
    };
    step("held", 3, &(noon() + minutes(60)).to_string());
    assert_eq!(look(50).await, []);
    assert_eq!(look(64).await, []);
    assert_eq!(look(65).await, late(60));
    step("fell_back", 70, "office");
    assert_eq!(look(71).await, late(60));
    step("redelivered", 100, "");
    assert_eq!(look(104).await, []);
    assert_eq!(look(105).await, late(100));
    // The fallback was notified of it.
    run("UPDATE deliveries SET instead_of = KITCHEN WHERE id = OFFICE");
    assert_eq!(look(106).await, late(100));
    run("UPDATE deliveries SET state = 'delivered' WHERE id = OFFICE");
    assert_eq!(look(107).await, []);
}

#[tokio::test]
async fn a_test_or_a_notice_that_dies_is_counted_and_reported_to_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bell.db");
    let store = stores::open(&path, noon()).expect("the store opens");
    let connection = Connection::open(&path).expect("the store opens");
    let look = async |dead| {
        let look = HealthQuery { channels: Vec::new(), waits_since: noon(), dead, newest: false };
        store.query_health(look).await.expect("it sees").dead
    };
    let mut seen = BTreeMap::new();
    for (kind, all, received) in
        [(Kind::Test, 1, None), (Kind::OperatorNotice, 2, None), (Kind::OrderPlaced, 3, Some(1))]
    {
        let targets = vec![(Target::always("kitchen"), DeliveryId(Uuid::now_v7()))];
        store.record(Record { targets, ..recorded(event(kind, "orderbell")) }).await.expect("recorded");
        connection.execute("UPDATE deliveries SET state = 'dead'", []).expect("they die");
        seen = look(seen).await;
        let kitchen = &seen["kitchen"];
        assert_eq!((kitchen.all, kitchen.dead.as_ref().map(|dead| dead.count)), (all, received));
    }
    // What is known is not looked at anew while the number stays.
    connection.execute("UPDATE deliveries SET answer = 'HTTP 422'", []).expect("the store takes it");
    let words = |seen: &BTreeMap<String, DeadLetterStats>| seen["kitchen"].dead.as_ref().map(|dead| dead.words.clone());
    seen = look(seen).await;
    assert_eq!(words(&seen).as_deref(), Some("order.placed"));
    assert_eq!(words(&look(BTreeMap::new()).await).as_deref(), Some("order.placed: HTTP 422"));
    connection.execute("UPDATE deliveries SET state = 'cancelled'", []).expect("the store takes it");
    assert!(look(seen).await.is_empty());
}
