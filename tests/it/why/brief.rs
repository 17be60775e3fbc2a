//! The line with which `orderbell why` opens, what it leaves out, and the short numbers by which it finds an order.

use orderbell::domain::event::{Kind, SignatureCheck};
use orderbell::domain::order::OrderState;
use orderbell::flow::why::timeline::Verbosity;

use crate::why::{CONFIGURATION, ORDER, Scene, at};

/// The first line.
async fn summary(scene: &Scene, asked: &str, second: i64) -> String {
    let shown = scene.shown(asked, second).await;
    shown.lines().next().expect("a line").to_owned()
}

#[tokio::test]
async fn the_first_line_says_what_was_delivered_what_waits_and_what_was_given_up() {
    let mut scene = Scene::new();
    let both = CONFIGURATION.replace("to = [\"kitchen\"]", "to = [\"kitchen\", \"owner\"]");
    std::fs::write(scene.folder.path().join("orderbell.toml"), both).unwrap();
    let event = scene.event(Kind::OrderPlaced, ORDER, OrderState::Placed, 4600, 2);
    let made = scene.record(event, "1001").await;
    let [kitchen, owner] = ["kitchen", "owner"].map(|name| made.iter().find(|(to, _)| to == name).unwrap().1);
    let heading = "Order 756823020265859 (#5859) of keeta-hk, Harbour Noodle House: ";
    assert_eq!(
        summary(&scene, ORDER, 3).await,
        format!("{heading}waits for kitchen: it is due; waits for owner: it is due")
    );

    scene.tried(kitchen, 2, "delivered", "errcode 0");
    scene.stands(kitchen, "delivered", 3);
    scene.tried(owner, 2, "retry", "not connected: connection refused");
    scene.stands(owner, "waiting", 605);
    let waits =
        "delivered to kitchen at 19:54; waits for owner: nothing listens at this address and port; next try at 20:04";
    assert_eq!(summary(&scene, ORDER, 10).await, format!("{heading}{waits}"));
    // A day later, times have their day.
    scene.stands(owner, "dead", 700);
    let dead = "delivered to kitchen on 2026-11-22 at 19:54; \
        given up for owner on 2026-11-22 at 20:05: nothing listens at this address and port";
    assert_eq!(summary(&scene, ORDER, 90_000).await, format!("{heading}{dead}"));

    let accepted = scene.event(Kind::OrderAccepted, ORDER, OrderState::Accepted, 4600, 800);
    for (channel, id) in scene.record(accepted, "1002").await {
        let state = if channel == "kitchen" { "delivered" } else { "cancelled" };
        scene.stands(id, state, 801);
    }
    scene.stands(owner, "cancelled", 900);
    let cancelled = "delivered to kitchen at 20:07 (the last of 2); cancelled for owner";
    assert_eq!(summary(&scene, ORDER, 1000).await, format!("{heading}{cancelled}"));
    let one = summary(&scene, &kitchen.to_string(), 1000).await;
    assert!(
        one.starts_with("order.placed of keeta-hk, order 756823020265859")
            && one.ends_with(": delivered to kitchen at 19:54"),
        "{one}"
    );
    assert_eq!(scene.shown_as_json(ORDER, 1000).await["orders"][0]["summary"], cancelled);
}

#[tokio::test]
async fn what_was_delivered_stays_said_when_it_was_asked_for_once_more_and_cancelled() {
    let mut scene = Scene::new();
    let leader = scene.placed(ORDER, 2).await;
    let mut members = Vec::new();
    for (key, second) in [("1002", 3), ("1003", 4)] {
        let event = scene.event(Kind::OrderAccepted, ORDER, OrderState::Accepted, 4600, second);
        members.push(scene.record(event, key).await[0].1);
    }
    scene.tried(leader, 5, "delivered", "errcode 0");
    members.iter().for_each(|member| {
        scene.inside(*member, leader);
        scene.stands(*member, "merged", 6);
    });
    scene.step(leader, 120, "redelivered", "");
    scene.step(leader, 130, "cancelled", "");
    scene.stands(leader, "cancelled", 130);
    let said = summary(&scene, ORDER, 200).await;
    let end = "delivered to kitchen at 19:54 (the last of 3); sending it once more to kitchen was cancelled";
    assert!(said.ends_with(end), "{said}");
    // A member alone, whose message never arrived.
    scene.connection().execute("DELETE FROM attempts", []).unwrap();
    let said = summary(&scene, ORDER, 200).await;
    assert!(said.ends_with(": cancelled for kitchen"), "{said}");
}

#[tokio::test]
async fn a_sign_of_life_is_never_older_than_the_last_webhook() {
    let mut scene = Scene::new();
    scene.placed(ORDER, 40).await;
    let sql = "INSERT OR REPLACE INTO signs_of_life (source, at) VALUES ('keeta-hk', ?1)";
    scene.connection().execute(sql, [at(10).as_millisecond()]).unwrap();
    let shown = scene.shown("keeta-hk", 50).await;
    assert!(shown.contains("heartbeats included, came on 2026-11-22 19:54:40, 10 s ago"), "{shown}");
    scene.connection().execute(sql, [at(45).as_millisecond()]).unwrap();
    let shown = scene.shown("keeta-hk", 50).await;
    assert!(shown.contains("heartbeats included, came on 2026-11-22 19:54:45, 5 s ago"), "{shown}");
}

#[tokio::test]
async fn routes_that_did_not_apply_are_left_out_unless_none_did_or_all_are_asked_for() {
    let mut scene = Scene::new();
    scene.placed(ORDER, 2).await;
    let brief = scene.shown(ORDER, 3).await;
    assert!(brief.contains("Route 1 (order.* to kitchen) applied.") && !brief.contains("Route 2"), "{brief}");
    assert!(brief.contains("\n    3 other routes did not apply; --all says why.\n"), "{brief}");
    let all = scene.shown_to(Verbosity::All, ORDER, 3).await;
    assert!(all.contains("Route 4 (* of shop 145541 to erp) did not apply") && !all.contains("--all"), "{all}");
    let json = scene.shown_as_json(ORDER, 3).await;
    assert_eq!(json["orders"][0]["events"][0]["routes"].as_array().map(Vec::len), Some(4), "programs get everything");

    let mut hours = scene.event(Kind::StoreHours, ORDER, OrderState::Unknown, 0, 4);
    hours.order = None;
    let id = hours.id.to_string();
    scene.record(hours, "c").await;
    let shown = scene.shown(&id, 10).await;
    assert!(shown.lines().next().unwrap().ends_with(": delivered to nobody: no route applies"), "{shown}");
    assert_eq!(shown.matches("did not apply").count(), 4, "{shown}");
}

#[tokio::test]
async fn a_short_number_finds_orders_that_no_route_took_or_nobody_proved() {
    let mut scene = Scene::new();
    let unrouted = CONFIGURATION.replace("events = [\"order.*\"]", "events = [\"menu.*\"]");
    std::fs::write(scene.folder.path().join("orderbell.toml"), unrouted).unwrap();
    let event = scene.event(Kind::OrderPlaced, "756823020261111", OrderState::Placed, 4600, 2);
    assert!(scene.record(event, "a").await.is_empty());
    let shown = scene.shown("#1111", 3).await;
    assert!(shown.starts_with("Order 756823020261111 (#1111) of keeta-hk"), "{shown}");
    assert!(shown.contains(": delivered to nobody: no route applies\n"), "{shown}");

    let mut unproved = scene.event(Kind::OrderPlaced, "756823020262222", OrderState::Placed, 1, 5);
    unproved.proof = SignatureCheck::Invalid;
    let again = unproved.clone();
    scene.record(unproved, "b").await;
    let shown = scene.shown("2222", 10).await;
    assert!(
        shown.starts_with("Order 756823020262222 of keeta-hk: delivered to nobody: it was not proved genuine"),
        "{shown}"
    );
    // What a buyer writes is no short number.
    let mut quoting = again;
    quoting.id = scene.event(Kind::OrderPlaced, "756823020269999", OrderState::Placed, 1, 6).id;
    let order = quoting.order.as_mut().unwrap();
    (order.number, order.short_number) = ("756823020263333".to_owned(), None);
    order.lines[0].note = Some("\"short_number\":\"4444\"".to_owned());
    scene.record(quoting, "c").await;
    assert_eq!(scene.shown("4444", 10).await, scene.shown("nothing", 10).await);
}
