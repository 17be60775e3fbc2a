//! Fallbacks: who cannot be reached, somebody else hears for him, once, and knows why.

use jiff::Timestamp;
use orderbell::domain::data::Data;
use orderbell::domain::event::{DedupeKey, DeliveryId, Event, EventId, Kind, SignatureCheck};
use orderbell::domain::language::Sources;
use orderbell::domain::route::Target;
use orderbell::domain::template::Templates;
use orderbell::sandbox::fault::Times;
use orderbell::sandbox::rules::Rules;
use orderbell::store::sqlite::Sqlite;
use orderbell::store::{DeliveryRow, Record};
use uuid::Uuid;

use crate::support::address::ShutDoor;
use crate::support::{A_WHILE, Scene, of};
use crate::truth::scene::{
    ACCEPTED, CANCELLED, a_while, errcode, minutes, noon, one, outcomes, parked, place, seconds, states, step, text,
    texts, to, until_states, until_tried,
};

/// What the fallback has told, the first channel is not told; `catch_up` has the other way.
const TO_OWNER: &str = "fallback = \"owner\"\nafter_fallback = \"skip\"";

/// A robot behind a door of its own.
fn behind(door: &ShutDoor, scene: &Scene, name: &str, more: &str) -> String {
    scene.robot(name, more).replace(&scene.far.address().to_string(), &door.address.to_string())
}

fn states_and_digests(standings: &[DeliveryRow], channel: &str) -> Vec<(String, Option<DeliveryId>)> {
    of(standings, channel).into_iter().map(|one| (one.state.clone(), one.digest)).collect()
}

/// The deliveries of a channel, in the sequence of their events.
fn ids(standings: &[DeliveryRow], channel: &str) -> Vec<DeliveryId> {
    of(standings, channel).into_iter().map(|one| one.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn for_a_parked_channel_the_fallback_hears_at_once_why_in_its_language_and_by_its_clock() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let channels = [
        scene.robot("kitchen", TO_OWNER),
        scene.robot("owner", "language = \"zh-CN\"\ntimezone = \"Asia/Hong_Kong\""),
        scene.hook("till", "fallback = \"boss\""),
        scene.robot("boss", ""),
    ];
    let daemon = scene.start(&format!("{}{}", channels.concat(), to(&["kitchen", "till"]))).await;
    scene.far.order("kitchen", errcode(300_005), Times::Always);
    scene.far.order("till", crate::truth::scene::status(401), Times::Always);
    place(&scene, &daemon, 1).await;
    let owner = text(&scene.until_told("owner", 1).await[0]);
    assert!(owner.contains("**kitchen 自12:04起联系不上。**"), "{owner}");
    assert!(owner.contains("SAR 46.00") && owner.contains("新订单"), "{owner}");
    let boss = text(&scene.until_told("boss", 1).await[0]);
    assert!(boss.contains("**till cannot be reached since 07:04.**"), "{boss}");
    // What is not urgent waits; what is urgent goes to the fallback without a try at the channel.
    step(&scene, &daemon, ACCEPTED, 1).await;
    scene.forward(minutes(3));
    place(&scene, &daemon, 2).await;
    let owner = text(&scene.until_told("owner", 2).await[1]);
    assert!(owner.contains("**kitchen 自12:04起联系不上。**"), "since it cannot be reached: {owner}");
    scene.until_told("boss", 2).await;
    scene.nothing_more(A_WHILE).await;
    assert_eq!((scene.came_to("kitchen").len(), scene.came_to("till").len()), (1, 1));
    let standings = daemon.deliveries().await;
    for (name, other) in [("kitchen", "owner"), ("till", "boss")] {
        assert_eq!(states(&standings, name), ["waiting"; 3]);
        assert_eq!(states(&standings, other), ["delivered"; 2]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dead_goes_to_the_fallback_urgent_or_not() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let channels = [scene.robot("kitchen", TO_OWNER), scene.robot("owner", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&["kitchen"]))).await;
    scene.far.order("kitchen", errcode(400_105), Times::Next(2));
    step(&scene, &daemon, ACCEPTED, 1).await;
    until_states(&daemon, "kitchen", &["dead"]).await;
    place(&scene, &daemon, 2).await;
    place(&scene, &daemon, 3).await;
    let told = texts(&scene.until_told("owner", 2).await);
    let standings = daemon.until_done().await;
    assert_eq!(states(&standings, "kitchen"), ["dead", "dead", "delivered"]);
    assert_eq!(states(&standings, "owner"), ["delivered"; 2]);
    assert!(told.iter().all(|told| told.contains("kitchen cannot be reached since 07:04")), "{told:?}");
    scene.nothing_more(A_WHILE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_urgent_message_waits_for_an_unreachable_channel_so_long_and_the_channel_is_not_told_what_others_know() {
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
    let told = text(&scene.until_told("owner", 1).await[0]);
    assert!(told.contains("kitchen cannot be reached since 07:04"), "{told}");
    let standings = daemon.deliveries().await;
    assert_eq!(states(&standings, "kitchen"), ["waiting"; 2]);
    scene.far.serve_also(door.open());
    scene.forward(minutes(13));
    let standings = daemon.until_done().await;
    scene.nothing_more(A_WHILE).await;
    assert_eq!(scene.told("owner").len(), 1, "what is not urgent has waited");
    let kitchen = states_and_digests(&standings, "kitchen");
    let owner = ids(&standings, "owner");
    assert_eq!(kitchen, [("merged".to_owned(), Some(owner[0])), ("delivered".to_owned(), None)]);
    let told = texts(&scene.told("kitchen"));
    assert!(told.len() == 1 && told[0].contains("Accepted"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_fallback_has_told_is_merged_when_the_channel_opens_again() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let channels = [scene.robot("kitchen", TO_OWNER), scene.robot("owner", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&["kitchen"]))).await;
    scene.far.order("kitchen", errcode(300_005), Times::Always);
    step(&scene, &daemon, ACCEPTED, 1).await;
    daemon.until(|_| parked(&daemon) == ["kitchen"]).await;
    for number in 2..=4 {
        place(&scene, &daemon, number).await;
    }
    scene.until_told("owner", 3).await;
    until_states(&daemon, "owner", &["delivered"; 3]).await;
    scene.far.clear_faults("kitchen");
    scene.forward(minutes(12));
    let standings = daemon.until_done().await;
    let owner = ids(&standings, "owner");
    let merged = |at: usize| ("merged".to_owned(), Some(owner[at]));
    assert_eq!(
        states_and_digests(&standings, "kitchen"),
        [("delivered".to_owned(), None), merged(0), merged(1), merged(2)]
    );
    scene.nothing_more(A_WHILE).await;
    assert_eq!((scene.told("kitchen").len(), scene.told("owner").len()), (1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_hears_of_the_event_anyway_is_told_once_only() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let channels = [scene.robot("kitchen", TO_OWNER), scene.robot("owner", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&["kitchen", "owner"]))).await;
    scene.far.order("kitchen", errcode(300_005), Times::Always);
    for number in 1..=2 {
        place(&scene, &daemon, number).await;
    }
    scene.until_told("owner", 2).await;
    scene.forward(minutes(3));
    scene.nothing_more(A_WHILE).await;
    let standings = daemon.deliveries().await;
    assert_eq!(states(&standings, "owner"), ["delivered"; 2]);
    assert!(texts(&scene.told("owner")).iter().all(|told| !told.contains("cannot be reached")));
    // It was told on its own account, so the kitchen is told on its own.
    scene.far.clear_faults("kitchen");
    scene.forward(minutes(12));
    assert_eq!(states(&daemon.until_done().await, "kitchen"), ["delivered"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_chain_the_last_one_hears_of_all_who_cannot_be_reached_and_nobody_is_told_twice() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let chain = [
        scene.robot("kitchen", "fallback = \"bar\"\nafter_fallback = \"skip\""),
        scene.robot("bar", TO_OWNER),
        scene.robot("owner", ""),
    ];
    let daemon = scene.start(&format!("{}{}", chain.concat(), to(&["kitchen"]))).await;
    scene.far.order("kitchen", errcode(300_005), Times::Always);
    scene.far.order("bar", errcode(300_005), Times::Always);
    // Not urgent: it parks the kitchen and is its probe.
    step(&scene, &daemon, ACCEPTED, 1).await;
    daemon.until(|_| parked(&daemon) == ["kitchen"]).await;
    for number in 2..=3 {
        place(&scene, &daemon, number).await;
        scene.until_told("owner", number as usize - 1).await;
    }
    for told in texts(&scene.told("owner")) {
        let at = |words: &str| told.find(words).unwrap_or_else(|| panic!("{words} is not in {told}"));
        assert!(at("kitchen cannot be reached since 07:04") < at("bar cannot be reached since 07:04"));
    }
    let standings = until_states(&daemon, "owner", &["delivered"; 2]).await;
    assert_eq!(scene.came_to("bar").len(), 1, "one try, then parked");
    let owner = ids(&standings, "owner");
    // The first of the chain opens: it knows what the last has told.
    scene.far.clear_faults("kitchen");
    scene.forward(minutes(12));
    let merged = |at: usize| ("merged".to_owned(), Some(owner[at]));
    let standings = daemon.until(|all| of(all, "kitchen").iter().all(|one| one.state != "waiting")).await;
    assert_eq!(states_and_digests(&standings, "kitchen"), [("delivered".to_owned(), None), merged(0), merged(1)]);
    assert_eq!(texts(&scene.told("kitchen")).len(), 1);
    // And so does the one between, of which a message finds out that it is open.
    scene.far.clear_faults("bar");
    scene.forward(minutes(25));
    let standings = daemon.until_done().await;
    let bar = states_and_digests(&standings, "bar");
    assert!(bar.contains(&merged(0)) || bar.contains(&merged(1)), "{bar:?}");
    scene.nothing_more(A_WHILE).await;
    assert_eq!(scene.told("owner").len(), 2);
    assert!(scene.told("bar").len() <= 1, "{:?}", texts(&scene.told("bar")));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_first_channel_is_faster_its_fallbacks_are_not_told() {
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
    let standings = daemon.until(|all| of(all, "owner").len() == 3).await;
    assert!(of(&standings, "owner").iter().all(|one| one.attempts == 0), "{standings:#?}");
    scene.far.serve_also(kitchen.open());
    // Longer than the longest step up to here: how many it were is chance.
    scene.forward(minutes(20));
    let standings = daemon.until_done().await;
    scene.far.serve_also(bar.open());
    scene.forward(minutes(900));
    scene.nothing_more(A_WHILE).await;
    for name in ["bar", "owner"] {
        assert!(scene.told(name).is_empty(), "{name}: {:?}", texts(&scene.told(name)));
        for (number, kind) in [(1, "order.placed"), (1, "order.cancelled"), (2, "order.placed")] {
            let (own, first) = (one(&standings, name, number, kind), one(&standings, "kitchen", number, kind));
            assert_eq!(own.state, "merged", "{name}, {kind} of {number}");
            assert_ne!((own.digest, first.state.as_str()), (None, "waiting"), "{name}, {kind} of {number}");
        }
    }
    let told = texts(&scene.told("kitchen"));
    assert_eq!(told.len(), 2, "{told:?}");
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
        verdicts: Default::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_goes_to_the_channel_that_is_tested_and_to_no_other() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let store = Sqlite::open(&scene.store(), scene.hands.now()).expect("the store opens");
    for channel in ["parked", "dead"] {
        store.record(asked(scene.hands.now(), channel)).await.expect("recorded");
    }
    let channels = [scene.robot("parked", TO_OWNER), scene.robot("dead", TO_OWNER), scene.robot("owner", "")];
    scene.far.order("parked", errcode(300_005), Times::Always);
    scene.far.order("dead", errcode(400_105), Times::Always);
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
    scene.far.order("bar", errcode(300_005), Times::Always);
    step(&scene, &daemon, ACCEPTED, 1).await;
    daemon.until(|_| parked(&daemon) == ["bar"]).await;
    scene.forward(seconds(30));
    place(&scene, &daemon, 2).await;
    // The bar has it at once for the fallback, before its quiet hours. The till has tried, and has not waited for two minutes.
    scene.until_told("owner", 1).await;
    until_tried(&daemon, "till", 2).await;
    // Now all three are quiet.
    scene.forward(minutes(3));
    place(&scene, &daemon, 3).await;
    scene.forward(minutes(20));
    a_while().await;
    let told = texts(&scene.came_to("owner"));
    assert_eq!(told.len(), 1, "{told:#?}");
    let standings = daemon.deliveries().await;
    let morning: Timestamp = "2026-11-05T06:00:00Z".parse().expect("a time");
    for channel in ["kitchen", "till"] {
        for number in 2..=3 {
            let held = one(&standings, channel, number, "order.placed");
            assert_eq!((held.state.as_str(), held.due_at), ("waiting", morning), "{channel}, {number}");
        }
    }
    assert_eq!(one(&standings, "bar", 3, "order.placed").due_at, morning);
    assert_eq!(outcomes(&daemon, "bar").len(), 1, "nor is a parked channel probed with what must not go out");
    // What comes through all the same is not held, and so is told elsewhere.
    let tried = outcomes(&daemon, "till").len();
    step(&scene, &daemon, CANCELLED, 4).await;
    scene.until_told("owner", 2).await;
    until_tried(&daemon, "till", tried + 1).await;
    scene.forward(seconds(125));
    scene.until_told("boss", 1).await;
    // In the morning, the bar is parked, so its fallback hears at once; the till has waited in earnest only from then on.
    scene.forward(minutes(91));
    scene.until_told("owner", 3).await;
    let is_tried = |standings: &[DeliveryRow], number| one(standings, "till", number, "order.placed").due_at > morning;
    daemon.until(|standings| is_tried(standings, 2) && is_tried(standings, 3)).await;
    a_while().await;
    assert_eq!(scene.told("boss").len(), 1, "{:?}", texts(&scene.told("boss")));
    scene.forward(seconds(125));
    let told = texts(&scene.until_told("boss", 3).await);
    assert!(told[1..].iter().all(|told| told.contains("till cannot be reached since 09:00")), "{told:#?}");
    scene.nothing_more(A_WHILE).await;
}
