//! A channel that a person has paused: its receiver gets tests and nothing else, until a person resumes it.

use std::collections::BTreeSet;
use std::sync::Arc;

use orderbell::domain::event::Kind;
use orderbell::domain::order::OrderState;
use orderbell::sandbox::inbox::Received;
use orderbell::sandbox::rules::Rules;
use orderbell::store::Store;
use orderbell::store::ingest::Record;
use serde_json::Value;

use crate::store::conformance::scene::event;
use crate::support::{Daemon, Scene, stores};
use crate::truth::scene::{a_while, place, states, to, until_states};

/// One that shares messages, and one that gets each event by itself.
const PAUSED: [&str; 2] = ["kitchen", "erp"];

fn test(channel: &str) -> Record {
    let record = event(Kind::Test, "t", OrderState::Unknown, 0, channel, &[channel]);
    Record { urgent: vec![channel.to_owned()], ..record }
}

/// Waits until the channel that is not paused has got so many messages, and those that are may have, too.
async fn until_others_have(daemon: &Daemon, count: usize) {
    daemon.until(|all| states(all, "owner") == vec!["delivered"; count]).await;
    a_while().await;
}

fn came(scene: &Scene) -> [usize; 2] {
    PAUSED.map(|channel| scene.came_to(channel).len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_channel_gets_nothing_but_tests_over_a_restart_and_all_that_waits_when_it_is_resumed() {
    let scene = Scene::new(Rules::new()).await;
    let channels = [scene.robot("kitchen", ""), scene.hook("erp", ""), scene.hook("owner", "")].concat();
    let config = format!("{channels}{}", to(&["kitchen", "erp", "owner"]));
    let daemon = scene.start(&config).await;
    let beside = || -> Arc<dyn Store> { stores::open_beside(&scene.store()).expect("the store is there") };
    for channel in PAUSED {
        assert_eq!(beside().pause(channel, "ann", scene.hands.now()).await.expect("paused"), None);
    }
    for number in 1..=3 {
        place(&scene, &daemon, number).await;
    }
    until_others_have(&daemon, 3).await;
    assert_eq!(came(&scene), [0, 0]);
    daemon.stop().await;
    let daemon = scene.start(&config).await;
    place(&scene, &daemon, 4).await;
    until_others_have(&daemon, 4).await;
    assert_eq!(came(&scene), [0, 0], "a restart resumes nothing");
    for channel in PAUSED {
        beside().record(test(channel)).await.expect("recorded");
        until_states(&daemon, channel, &["waiting", "waiting", "waiting", "waiting", "delivered"]).await;
    }
    assert_eq!(came(&scene), [1, 1], "a person asks for a test");
    for channel in PAUSED {
        beside().resume_paused(channel).await.expect("resumed");
    }
    daemon.until_done().await;
    let erp = scene.came_to("erp");
    // Several orders are sent at once.
    let orders: BTreeSet<u64> = erp.iter().skip(1).map(number).collect();
    assert_eq!((erp.len(), orders), (5, BTreeSet::from([1, 2, 3, 4])), "each once");
    assert!(scene.came_to("kitchen").len() > 1);
    daemon.stop().await;
}

/// The number of the order that a program was sent.
fn number(received: &Received) -> u64 {
    let body: Value = serde_json::from_str(&received.body).expect("JSON");
    body["order"]["number"].as_str().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{body}"))
}
