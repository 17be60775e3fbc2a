//! Fallbacks: for a channel that cannot be reached another is notified, once, and says why.

use jiff::Timestamp;
use orderbell::domain::event::{DedupeKey, DeliveryId, Event, EventId, Kind, SignatureCheck};
use orderbell::domain::language::folders::Sources;
use orderbell::domain::payload::Data;
use orderbell::domain::route::Target;
use orderbell::domain::template::Templates;
use orderbell::sandbox::fault::Times;
use orderbell::sandbox::rules::Rules;
use orderbell::store::history::list::DeliveryRow;
use orderbell::store::ingest::Record;
use uuid::Uuid;

use crate::support::address::ShutDoor;
use crate::support::stores;
use crate::support::{A_WHILE, Scene, of};
use crate::truth::scene::{
    ACCEPTED, CANCELLED, a_while, errcode, minutes, noon, one, outcomes, parked, place, seconds, states, step, text,
    texts, to, until_states, until_tried,
};

/// What the fallback was sent, the first channel is not sent; `catch_up` has the other way.
const TO_OWNER: &str = "fallback = \"owner\"\nafter_fallback = \"skip\"";

/// A robot behind a door of its own.
fn behind(door: &ShutDoor, scene: &Scene, name: &str, more: &str) -> String {
    scene.robot(name, more).replace(&scene.sandbox.address().to_string(), &door.address.to_string())
}

fn states_and_digests(rows: &[DeliveryRow], channel: &str) -> Vec<(String, Option<DeliveryId>)> {
    of(rows, channel).into_iter().map(|one| (one.state.clone(), one.digest)).collect()
}

/// The deliveries of a channel, in the sequence of their events.
fn ids(rows: &[DeliveryRow], channel: &str) -> Vec<DeliveryId> {
    of(rows, channel).into_iter().map(|one| one.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn for_a_parked_channel_the_fallback_is_notified_at_once_why_in_its_language_and_by_its_clock() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let channels = [
        scene.robot("kitchen", TO_OWNER),
        scene.robot("owner", "language = \"zh-CN\"\ntimezone = \"Asia/Hong_Kong\""),
        scene.hook("till", "fallback = \"boss\""),
        scene.robot("boss", ""),
    ];
    let daemon = scene.start(&format!("{}{}", channels.concat(), to(&["kitchen", "till"]))).await;
    scene.sandbox.order("kitchen", errcode(300_005), Times::Always);
    scene.sandbox.order("till", crate::truth::scene::status(401), Times::Always);
    place(&scene, &daemon, 1).await;
    let owner = text(&scene.until_received("owner", 1).await[0]);
    assert!(owner.contains("**kitchen 自12:04起联系不上。**"), "{owner}");
    assert!(owner.contains("SAR 46.00") && owner.contains("新订单"), "{owner}");
    let boss = text(&scene.until_received("boss", 1).await[0]);
    assert!(boss.contains("**till cannot be reached since 07:04.**"), "{boss}");
    // What is not urgent waits; what is urgent goes to the fallback without a try at the channel.
    step(&scene, &daemon, ACCEPTED, 1).await;
    scene.forward(minutes(3));
    place(&scene, &daemon, 2).await;
    let owner = text(&scene.until_received("owner", 2).await[1]);
    assert!(owner.contains("**kitchen 自12:04起联系不上。**"), "since it cannot be reached: {owner}");
    scene.until_received("boss", 2).await;
    scene.nothing_more(A_WHILE).await;
    assert_eq!((scene.came_to("kitchen").len(), scene.came_to("till").len()), (1, 1));
    let rows = daemon.deliveries().await;
    for (name, other) in [("kitchen", "owner"), ("till", "boss")] {
        assert_eq!(states(&rows, name), ["waiting"; 3]);
        assert_eq!(states(&rows, other), ["delivered"; 2]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dead_goes_to_the_fallback_urgent_or_not() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let channels = [scene.robot("kitchen", TO_OWNER), scene.robot("owner", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&["kitchen"]))).await;
    scene.sandbox.order("kitchen", errcode(400_105), Times::Next(2));
    step(&scene, &daemon, ACCEPTED, 1).await;
    until_states(&daemon, "kitchen", &["dead"]).await;
    place(&scene, &daemon, 2).await;
    place(&scene, &daemon, 3).await;
    let received = texts(&scene.until_received("owner", 2).await);
    let rows = daemon.until_done().await;
    assert_eq!(states(&rows, "kitchen"), ["dead", "dead", "delivered"]);
    assert_eq!(states(&rows, "owner"), ["delivered"; 2]);
    assert!(received.iter().all(|received| received.contains("kitchen cannot be reached since 07:04")), "{received:?}");
    scene.nothing_more(A_WHILE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_urgent_message_waits_for_an_unreachable_channel_so_long_and_the_channel_does_not_get_what_others_got() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let door = ShutDoor::new();
    let channels = [behind(&door, &scene, "kitchen", TO_OWNER), scene.robot("owner", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&["kitchen"]))).await;
    place(&scene, &daemon, 1).await;
    step(&scene, &daemon, ACCEPTED, 2).await;
    until_tried(&daemon, "kitchen", 2).await;
    scene.forward(seconds(110));
    a_while().await;
    assert!(scene.came_to("owner").is_empty(), "less than two minutes");
    scene.forward(seconds(12));
    let received = text(&scene.until_received("owner", 1).await[0]);
    assert!(received.contains("kitchen cannot be reached since 07:04"), "{received}");
    let rows = daemon.deliveries().await;
    assert_eq!(states(&rows, "kitchen"), ["waiting"; 2]);
    scene.sandbox.serve_also(door.open());
    scene.forward(minutes(13));
    let rows = daemon.until_done().await;
    scene.nothing_more(A_WHILE).await;
    assert_eq!(scene.received("owner").len(), 1, "what is not urgent has waited");
    let kitchen = states_and_digests(&rows, "kitchen");
    let owner = ids(&rows, "owner");
    assert_eq!(kitchen, [("merged".to_owned(), Some(owner[0])), ("delivered".to_owned(), None)]);
    let received = texts(&scene.received("kitchen"));
    assert!(received.len() == 1 && received[0].contains("Accepted"), "{received:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_fallback_was_sent_is_merged_when_the_channel_is_resumed() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let channels = [scene.robot("kitchen", TO_OWNER), scene.robot("owner", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&["kitchen"]))).await;
    scene.sandbox.order("kitchen", errcode(300_005), Times::Always);
    step(&scene, &daemon, ACCEPTED, 1).await;
    daemon.until(|_| parked(&daemon) == ["kitchen"]).await;
    for number in 2..=4 {
        place(&scene, &daemon, number).await;
    }
    scene.until_received("owner", 3).await;
    until_states(&daemon, "owner", &["delivered"; 3]).await;
    scene.sandbox.clear_faults("kitchen");
    scene.forward(minutes(12));
    let rows = daemon.until_done().await;
    let owner = ids(&rows, "owner");
    let merged = |at: usize| ("merged".to_owned(), Some(owner[at]));
    assert_eq!(states_and_digests(&rows, "kitchen"), [("delivered".to_owned(), None), merged(0), merged(1), merged(2)]);
    scene.nothing_more(A_WHILE).await;
    assert_eq!((scene.received("kitchen").len(), scene.received("owner").len()), (1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_notified_of_the_event_anyway_gets_it_once_only() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let channels = [scene.robot("kitchen", TO_OWNER), scene.robot("owner", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&["kitchen", "owner"]))).await;
    scene.sandbox.order("kitchen", errcode(300_005), Times::Always);
    for number in 1..=2 {
        place(&scene, &daemon, number).await;
    }
    scene.until_received("owner", 2).await;
    scene.forward(minutes(3));
    scene.nothing_more(A_WHILE).await;
    let rows = daemon.deliveries().await;
    assert_eq!(states(&rows, "owner"), ["delivered"; 2]);
    assert!(texts(&scene.received("owner")).iter().all(|received| !received.contains("cannot be reached")));
    // It was sent on its own account, so the kitchen is sent on its own.
    scene.sandbox.clear_faults("kitchen");
    scene.forward(minutes(12));
    assert_eq!(states(&daemon.until_done().await, "kitchen"), ["delivered"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_chain_the_last_one_reads_of_all_that_cannot_be_reached_and_none_gets_it_twice() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let chain = [
        scene.robot("kitchen", "fallback = \"bar\"\nafter_fallback = \"skip\""),
        scene.robot("bar", TO_OWNER),
        scene.robot("owner", ""),
    ];
    let daemon = scene.start(&format!("{}{}", chain.concat(), to(&["kitchen"]))).await;
    scene.sandbox.order("kitchen", errcode(300_005), Times::Always);
    scene.sandbox.order("bar", errcode(300_005), Times::Always);
    // Not urgent: it parks the kitchen and is its probe.
    step(&scene, &daemon, ACCEPTED, 1).await;
    daemon.until(|_| parked(&daemon) == ["kitchen"]).await;
    for number in 2..=3 {
        place(&scene, &daemon, number).await;
        scene.until_received("owner", number as usize - 1).await;
    }
    for received in texts(&scene.received("owner")) {
        let at = |words: &str| received.find(words).unwrap_or_else(|| panic!("{words} is not in {received}"));
        assert!(at("kitchen cannot be reached since 07:04") < at("bar cannot be reached since 07:04"));
    }
    let rows = until_states(&daemon, "owner", &["delivered"; 2]).await;
    assert_eq!(scene.came_to("bar").len(), 1, "one try, then parked");
    let owner = ids(&rows, "owner");
    // The first of the chain opens: it knows what the last was sent.
    scene.sandbox.clear_faults("kitchen");
    scene.forward(minutes(12));
    let merged = |at: usize| ("merged".to_owned(), Some(owner[at]));
    let rows = daemon.until(|all| of(all, "kitchen").iter().all(|one| one.state != "waiting")).await;
    assert_eq!(states_and_digests(&rows, "kitchen"), [("delivered".to_owned(), None), merged(0), merged(1)]);
    assert_eq!(texts(&scene.received("kitchen")).len(), 1);
    // And so does the one between, of which a message finds out that it is open.
    scene.sandbox.clear_faults("bar");
    scene.forward(minutes(25));
    let rows = daemon.until_done().await;
    let bar = states_and_digests(&rows, "bar");
    assert!(bar.contains(&merged(0)) || bar.contains(&merged(1)), "{bar:?}");
    scene.nothing_more(A_WHILE).await;
    assert_eq!(scene.received("owner").len(), 2);
    assert!(scene.received("bar").len() <= 1, "{:?}", texts(&scene.received("bar")));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_first_channel_is_faster_its_fallbacks_are_not_notified() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let (kitchen, bar) = (ShutDoor::new(), ShutDoor::new());
    // The bar cannot be reached either; the owner is asked for it and is not to be disturbed before the evening.
    let channels = [
        behind(&kitchen, &scene, "kitchen", "fallback = \"bar\"\nafter_fallback = \"skip\""),
        behind(&bar, &scene, "bar", TO_OWNER),
        scene.robot("owner", "quiet = { from = \"06:00\", to = \"20:00\" }"),
    ];
    let daemon = scene.start(&format!("{}{}", channels.concat(), to(&["kitchen"]))).await;
    // Two events of one order share a message, and another order has its own.
    for number in 1..=2 {
        place(&scene, &daemon, number).await;
    }
    until_tried(&daemon, "kitchen", 2).await;
    step(&scene, &daemon, CANCELLED, 1).await;
    until_tried(&daemon, "kitchen", 3).await;
    scene.forward(seconds(130));
    daemon.until(|all| of(all, "bar").len() == 3).await;
    until_tried(&daemon, "bar", 2).await;
    scene.forward(seconds(130));
    let rows = daemon.until(|all| of(all, "owner").len() == 3).await;
    assert!(of(&rows, "owner").iter().all(|one| one.attempts == 0), "{rows:#?}");
    scene.sandbox.serve_also(kitchen.open());
    // Longer than the longest step up to here: how many it were is chance.
    scene.forward(minutes(20));
    let rows = daemon.until_done().await;
    scene.sandbox.serve_also(bar.open());
    scene.forward(minutes(900));
    scene.nothing_more(A_WHILE).await;
    for name in ["bar", "owner"] {
        assert!(scene.received(name).is_empty(), "{name}: {:?}", texts(&scene.received(name)));
        for (number, kind) in [(1, "order.placed"), (1, "order.cancelled"), (2, "order.placed")] {
            let (own, first) = (one(&rows, name, number, kind), one(&rows, "kitchen", number, kind));
            assert_eq!(own.state, "merged", "{name}, {kind} of {number}");
            assert_ne!((own.digest, first.state.as_str()), (None, "waiting"), "{name}, {kind} of {number}");
        }
    }
    let received = texts(&scene.received("kitchen"));
    assert_eq!(received.len(), 2, "{received:?}");
}

/// A test that a person asks for.
fn asked(at: Timestamp, channel: &str) -> Record {
    let id = EventId(Uuid::now_v7());
    Record {
        event: Event {
            id,
            kind: Kind::Test,
            source: "orderbell".to_owned(),
            occurred_at: Some(at),
            received_at: at,
            shop: None,
            order: None,
            data: Data::default(),
            proof: SignatureCheck::Own,
        },
        body: Vec::new(),
        dedupe_keys: vec![DedupeKey::Once(format!("test:{id}"))],
        targets: vec![(Target::always(channel), DeliveryId(Uuid::now_v7()))],
        urgent: vec![channel.to_owned()],
        decisions: Default::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_goes_to_the_channel_that_is_tested_and_to_no_other() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let store = stores::open(&scene.store(), scene.hands.now()).expect("the store opens");
    for channel in ["parked", "dead"] {
        store.record(asked(scene.hands.now(), channel)).await.expect("recorded");
    }
    let channels = [scene.robot("parked", TO_OWNER), scene.robot("dead", TO_OWNER), scene.robot("owner", "")];
    scene.sandbox.order("parked", errcode(300_005), Times::Always);
    scene.sandbox.order("dead", errcode(400_105), Times::Always);
    let templates = Templates::with_overlay(&Sources::new()).expect("they compile");
    let text = format!("{}{}", channels.concat(), to(&["parked"]));
    let daemon = scene.start_on(store, templates, &text).await;
    until_states(&daemon, "dead", &["dead"]).await;
    assert_eq!(until_tried(&daemon, "parked", 1).await, ["misconfigured"]);
    scene.forward(minutes(5));
    a_while().await;
    assert!(scene.came_to("owner").is_empty());
    assert!(of(&daemon.deliveries().await, "owner").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_in_quiet_hours_is_nobody_elses_business() {
    // 07:04 in Riyadh.
    let scene = Scene::still(noon(), Rules::new()).await;
    let quiet = |from: &str| {
        format!("{TO_OWNER}\nquiet = {{ from = \"{from}\", to = \"09:00\", except = [\"order.cancelled\"] }}")
    };
    let door = ShutDoor::new();
    let channels = [
        // Healthy, and quiet from before the beginning.
        scene.robot("kitchen", &quiet("06:00")),
        // Parked when its quiet hours begin.
        scene.robot("bar", &quiet("07:06")),
        // Cannot be reached when they begin.
        behind(&door, &scene, "till", &quiet("07:05").replace("owner", "boss")),
        scene.robot("owner", ""),
        scene.robot("boss", ""),
    ];
    let daemon = scene.start(&format!("{}{}", channels.concat(), to(&["kitchen", "bar", "till"]))).await;
    scene.sandbox.order("bar", errcode(300_005), Times::Always);
    step(&scene, &daemon, ACCEPTED, 1).await;
    daemon.until(|_| parked(&daemon) == ["bar"]).await;
    scene.forward(seconds(30));
    place(&scene, &daemon, 2).await;
    // The bar has it at once for the fallback, before its quiet hours. The till has tried, and has not waited for two minutes.
    scene.until_received("owner", 1).await;
    until_tried(&daemon, "till", 2).await;
    // Now all three are quiet.
    scene.forward(minutes(3));
    place(&scene, &daemon, 3).await;
    scene.forward(minutes(20));
    a_while().await;
    let received = texts(&scene.came_to("owner"));
    assert_eq!(received.len(), 1, "{received:#?}");
    let rows = daemon.deliveries().await;
    let morning: Timestamp = "2026-11-05T06:00:00Z".parse().expect("a time");
    for channel in ["kitchen", "till"] {
        for number in 2..=3 {
            let held = one(&rows, channel, number, "order.placed");
            assert_eq!((held.state.as_str(), held.due_at), ("waiting", morning), "{channel}, {number}");
        }
    }
    assert_eq!(one(&rows, "bar", 3, "order.placed").due_at, morning);
    assert_eq!(outcomes(&daemon, "bar").len(), 1, "nor is a parked channel probed with what must not go out");
    // What comes through all the same is not held, and so is sent elsewhere.
    let tried = outcomes(&daemon, "till").len();
    step(&scene, &daemon, CANCELLED, 4).await;
    scene.until_received("owner", 2).await;
    until_tried(&daemon, "till", tried + 1).await;
    scene.forward(seconds(125));
    scene.until_received("boss", 1).await;
    // In the morning, the bar is parked, so its fallback is notified at once; the till has waited in earnest only from then on.
    scene.forward(minutes(91));
    scene.until_received("owner", 3).await;
    let is_tried = |rows: &[DeliveryRow], number| one(rows, "till", number, "order.placed").due_at > morning;
    daemon.until(|rows| is_tried(rows, 2) && is_tried(rows, 3)).await;
    a_while().await;
    assert_eq!(scene.received("boss").len(), 1, "{:?}", texts(&scene.received("boss")));
    scene.forward(seconds(125));
    let received = texts(&scene.until_received("boss", 3).await);
    assert!(
        received[1..].iter().all(|received| received.contains("till cannot be reached since 09:00")),
        "{received:#?}"
    );
    scene.nothing_more(A_WHILE).await;
}
