//! Fallbacks come home: a channel that works again gets what its fallback was sent, once, marked, the oldest first.

use orderbell::sandbox::fault::{Fault, MailPhase, Times};
use orderbell::sandbox::rules::Rules;
use orderbell::sandbox::smtp::MailServer;

use crate::support::{A_WHILE, Scene, of};
use crate::truth::digests::{named, order, short_number};
use crate::truth::scene::{
    ACCEPTED, CANCELLED, a_while, errcode, minutes, noon, outcomes, parked, place, seconds, states, status, step,
    texts, to, until_states, until_tried,
};
use crate::truth::waiting::{each_once, until_over};

pub const TO_OWNER: &str = "fallback = \"owner\"";
const REPEAT: &str = "(possibly a repeat)";

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_robot_that_others_have_shut_urgent_messages_ask_the_fallback_and_come_home() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let channels = [scene.robot("kitchen", TO_OWNER), scene.robot("owner", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&["kitchen"]))).await;
    scene.sandbox.order("kitchen", errcode(410_100), Times::Next(1));
    for number in 1..=3 {
        order(&scene, &daemon, number).await;
    }
    until_tried(&daemon, "kitchen", 1).await;
    scene.forward(seconds(100));
    a_while().await;
    assert!(scene.came_to("owner").is_empty(), "less than two minutes");
    scene.forward(seconds(25));
    assert_eq!(named(&texts(&scene.until_received("owner", 3).await), 1..=3), each_once(1..=3));
    let rows = until_over(&scene, &daemon).await;
    let received = texts(&scene.received("kitchen"));
    assert_eq!((received.len(), named(&received, 1..=3)), (1, each_once(1..=3)), "{received:#?}");
    assert_eq!(states(&rows, "kitchen"), ["merged"; 3]);
}

/// A kind of channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    DingTalk,
    WeCom,
    Mail,
    Webhook,
}

/// Why its messages wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Parked,
    Refused,
    /// It takes them, and its answers are lost.
    Lost,
}

const WAYS: [Way; 4] = [Way::DingTalk, Way::WeCom, Way::Mail, Way::Webhook];
const REASONS: [Reason; 3] = [Reason::Parked, Reason::Refused, Reason::Lost];

fn fault(way: Way, reason: Reason) -> Fault {
    let smtp = |phase, reply: Option<&str>| Fault::Smtp { phase, reply: reply.map(str::to_owned) };
    match (way, reason) {
        (Way::Mail, Reason::Parked) => smtp(MailPhase::Recipient, Some("550 5.7.1 relaying denied")),
        (Way::Mail, Reason::Refused) => smtp(MailPhase::Recipient, Some("450 4.2.0 greylisted, later")),
        (Way::Mail, Reason::Lost) => smtp(MailPhase::Answer, None),
        (_, Reason::Lost) => Fault::LostAnswer,
        (Way::DingTalk, Reason::Parked) => errcode(300_005),
        (Way::WeCom, Reason::Parked) => errcode(93_000),
        (Way::DingTalk | Way::WeCom, Reason::Refused) => errcode(-1),
        (Way::Webhook, Reason::Parked) => status(401),
        (Way::Webhook, Reason::Refused) => status(503),
    }
}

/// A cell of the matrix: its channel, the place at which its messages come in, and its fallback.
struct Cell {
    way: Way,
    reason: Reason,
    name: String,
    place: String,
    fallback: String,
}

fn cells() -> Vec<Cell> {
    let cell = |way, reason| {
        let name = format!("{way:?}-{reason:?}").to_lowercase();
        let place = if way == Way::Mail { format!("{name}@orderbell.test") } else { name.clone() };
        Cell { way, reason, fallback: format!("f-{name}"), name, place }
    };
    WAYS.iter().flat_map(|way| REASONS.iter().map(move |reason| cell(*way, *reason))).collect()
}

/// What is left of the texts of those that may be repeats.
fn without_repeats(texts: Vec<String>) -> Vec<String> {
    texts.into_iter().filter(|text| !text.contains(REPEAT)).collect()
}

async fn matrix(after: &str, restarts: bool) {
    let scene = Scene::still(noon(), Rules::new()).await;
    let cells = cells();
    let mut text = String::new();
    for Cell { way, name, place, fallback, .. } in &cells {
        let more = format!("fallback = {fallback:?}\nafter_fallback = {after:?}");
        text += &match way {
            Way::DingTalk => scene.robot(name, &more),
            Way::WeCom => scene.wecom(name, &more),
            Way::Mail => scene.mailbox(name, MailServer::default(), &format!("[{place:?}]"), &more).await,
            Way::Webhook => scene.hook(name, &more),
        };
        text += &scene.robot(fallback, "");
    }
    let names: Vec<&str> = cells.iter().map(|cell| cell.name.as_str()).collect();
    text += &to(&names);
    cells.iter().for_each(|cell| scene.sandbox.order(&cell.place, fault(cell.way, cell.reason), Times::Always));
    let mut daemon = scene.start(&text).await;
    for number in 1..=3 {
        order(&scene, &daemon, number).await;
    }
    for _ in 0..16 {
        if cells.iter().all(|cell| scene.received(&cell.fallback).len() == 3) {
            break;
        }
        scene.forward(seconds(15));
        a_while().await;
    }
    for Cell { fallback, name, .. } in &cells {
        let received = texts(&scene.received(fallback));
        assert_eq!(named(&received, 1..=3), each_once(1..=3), "{fallback}, {after}");
        let does_not = format!("{name} does not know of this.");
        assert!(received.iter().all(|received| received.contains(&does_not)), "{received:?}");
    }
    if restarts {
        daemon.stop().await;
        scene.forward(seconds(70));
        daemon = scene.start(&text).await;
    }
    cells.iter().for_each(|cell| scene.sandbox.clear_faults(&cell.place));
    let rows = until_over(&scene, &daemon).await;
    for Cell { way, reason, name, place, fallback } in &cells {
        let what = format!("{name}, {after}, {}restart", if restarts { "" } else { "no " });
        let received = texts(&scene.received(place));
        let is_received = after == "tell" || *reason == Reason::Lost;
        // Without catching up, the oldest message is the probe all the same.
        let is_probe = |number| after == "skip" && *reason == Reason::Parked && number == 1;
        let wanted: Vec<_> = (1..=3).map(|number| (number, usize::from(is_received || is_probe(number)))).collect();
        assert_eq!(named(&without_repeats(received.clone()), 1..=3), wanted, "{what}: {received:#?}");
        assert_eq!(scene.received(fallback).len(), 3, "{what}");
        assert_eq!(states(&rows, name), ["merged"; 3], "{what}");
        if is_received && *reason != Reason::Lost {
            let is_one = *way != Way::Webhook;
            assert_eq!(received.len(), if is_one { 1 } else { 3 }, "{what}: {received:#?}");
            let meanwhile = format!("Sent to {fallback} meanwhile");
            assert!(!is_one || received[0].contains(&meanwhile), "{what}: {received:#?}");
            let whole = received.join("\n");
            let places: Vec<_> = (1..=3).map(|number| whole.find(&short_number(number))).collect();
            // A program gets those of one order in their sequence.
            assert!(!is_one || places.is_sorted(), "{what}: the oldest first: {whole}");
        }
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_fallback_was_sent_reaches_the_first_channel_once_whatever_its_kind_and_the_reason() {
    matrix("tell", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_fallback_was_sent_reaches_the_first_channel_once_over_a_restart() {
    matrix("tell", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_so_configured_the_first_channel_does_not_get_what_its_fallback_was_sent() {
    matrix("skip", false).await;
    matrix("skip", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_what_its_fallback_was_sent_in_the_sequence_of_the_order() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let channels = [scene.hook("till", TO_OWNER), scene.robot("owner", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&["till"]))).await;
    scene.sandbox.order("till", status(503), Times::Always);
    place(&scene, &daemon, 1).await;
    step(&scene, &daemon, ACCEPTED, 1).await;
    step(&scene, &daemon, CANCELLED, 1).await;
    until_tried(&daemon, "till", 1).await;
    scene.forward(seconds(130));
    scene.until_received("owner", 1).await;
    scene.sandbox.clear_faults("till");
    until_over(&scene, &daemon).await;
    let kinds: Vec<String> = scene
        .received("till")
        .iter()
        .map(|one| serde_json::from_str::<serde_json::Value>(&one.body).expect("JSON")["kind"].to_string())
        .collect();
    assert_eq!(kinds, ["\"order.placed\"", "\"order.accepted\"", "\"order.cancelled\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_digest_of_what_a_fallback_was_sent_is_the_probe_of_a_parked_channel() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let channels = [scene.robot("kitchen", TO_OWNER), scene.robot("owner", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&["kitchen"]))).await;
    scene.sandbox.order("kitchen", errcode(300_005), Times::Always);
    for number in 1..=3 {
        order(&scene, &daemon, number).await;
    }
    scene.until_received("owner", 3).await;
    until_states(&daemon, "owner", &["delivered"; 3]).await;
    let tried = outcomes(&daemon, "kitchen").len();
    scene.forward(minutes(12));
    until_tried(&daemon, "kitchen", tried + 1).await;
    a_while().await;
    assert_eq!(outcomes(&daemon, "kitchen").len(), tried + 1, "one message is the probe");
    // What comes meanwhile is in the next one, and so is what has changed.
    order(&scene, &daemon, 4).await;
    scene.until_received("owner", 4).await;
    until_states(&daemon, "owner", &["delivered"; 4]).await;
    scene.sandbox.clear_faults("kitchen");
    scene.forward(minutes(25));
    until_over(&scene, &daemon).await;
    assert!(parked(&daemon).is_empty());
    let received = texts(&scene.received("kitchen"));
    assert_eq!((received.len(), named(&received, 1..=4)), (1, each_once(1..=4)), "{received:#?}");
    scene.nothing_more(A_WHILE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_tried_again_when_the_fallback_was_sent_it_unless_it_was_refused_for_good() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let more = |fallback: &str| format!("fallback = {fallback:?}\nretry = [\"1s\"]");
    let channels = [
        scene.robot("kitchen", &more("owner")),
        scene.hook("till", &more("boss")),
        scene.robot("bar", &more("chief")),
        ["owner", "boss", "chief"].map(|name| scene.robot(name, "")).concat(),
    ];
    let routes = ["kitchen", "till", "bar"].map(|name| to(&[name])).concat();
    let daemon = scene.start(&format!("{}{routes}", channels.concat())).await;
    scene.sandbox.order("kitchen", errcode(-1), Times::Next(2));
    scene.sandbox.order("till", status(503), Times::Next(2));
    scene.sandbox.order("bar", errcode(400_105), Times::Always);
    step(&scene, &daemon, ACCEPTED, 1).await;
    for name in ["kitchen", "till", "bar"] {
        until_tried(&daemon, name, 1).await;
    }
    scene.forward(seconds(2));
    for name in ["owner", "boss", "chief", "kitchen", "till"] {
        scene.until_received(name, 1).await;
    }
    let rows = until_over(&scene, &daemon).await;
    let kitchen = texts(&scene.received("kitchen"));
    assert!(kitchen.len() == 1 && kitchen[0].contains("Sent to owner meanwhile"), "{kitchen:?}");
    assert_eq!(of(&rows, "bar")[0].state, "dead", "it was refused for good");
    assert!(scene.received("bar").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_catches_up_after_its_quiet_hours() {
    // 07:04 in Riyadh.
    let scene = Scene::still(noon(), Rules::new()).await;
    let quiet = format!("{TO_OWNER}\nquiet = {{ from = \"07:10\", to = \"09:00\" }}");
    let channels = [scene.robot("kitchen", &quiet), scene.robot("owner", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&["kitchen"]))).await;
    scene.sandbox.order("kitchen", errcode(300_005), Times::Always);
    for number in 1..=3 {
        order(&scene, &daemon, number).await;
    }
    scene.until_received("owner", 3).await;
    until_states(&daemon, "owner", &["delivered"; 3]).await;
    scene.sandbox.clear_faults("kitchen");
    for _ in 0..4 {
        scene.forward(minutes(15));
        a_while().await;
    }
    assert!(scene.received("kitchen").is_empty(), "nobody is woken");
    scene.forward(minutes(60));
    until_over(&scene, &daemon).await;
    let received = texts(&scene.received("kitchen"));
    assert_eq!((received.len(), named(&received, 1..=3)), (1, each_once(1..=3)), "{received:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_in_one_message_follows_in_further_ones_the_oldest_first() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let channels = [scene.wecom("office", TO_OWNER), scene.hook("owner", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&["office"]))).await;
    scene.sandbox.order("office", errcode(93_000), Times::Always);
    for number in 1..=120 {
        order(&scene, &daemon, number).await;
    }
    scene.until_received("owner", 120).await;
    until_states(&daemon, "owner", &["delivered"; 120]).await;
    scene.sandbox.clear_faults("office");
    let rows = until_over(&scene, &daemon).await;
    assert_eq!(states(&rows, "office"), ["merged"; 120]);
    let received = texts(&scene.received("office"));
    assert!((2..=8).contains(&received.len()), "{}", received.len());
    assert_eq!(named(&received, 1..=120), each_once(1..=120));
    let whole = received.join("\n");
    let places: Vec<_> = (1..=120).map(|number| whole.find(&short_number(number))).collect();
    assert!(
        places.is_sorted() && received.iter().all(|received| received.contains("Sent to owner meanwhile")),
        "{whole}"
    );
}
