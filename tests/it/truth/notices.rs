//! Notices in quiet hours: what Orderbell says of itself goes out at night, unless its channel holds that as well.

use jiff::Timestamp;
use orderbell::sandbox::fault::Times;
use orderbell::sandbox::inbox::Received;
use orderbell::sandbox::rules::Rules;
use orderbell::store::history::list::DeliveryRow;

use crate::support::keeta::Envelope;
use crate::support::{A_WHILE, Daemon, Scene, of};
use crate::truth::catch_up::TO_OWNER;
use crate::truth::digests::{TWO, order};
use crate::truth::scene::{
    ACCEPTED, a_while, errcode, minutes, parked, place, seconds, step, texts, to, until_states, until_tried,
};
use crate::truth::waiting::until_over;

const NIGHT: &str = "quiet = { from = \"23:00\", to = \"07:30\" }";
const HOLDING: &str = "quiet = { from = \"23:00\", to = \"07:30\", hold = [\"operator.notice\"] }";
const NOTICE: &str = "Webhooks are refused";

/// One o'clock in Riyadh, whose time the channels go by, and the end of its quiet hours.
fn night() -> Timestamp {
    "2026-11-04T22:04:00Z".parse().expect("a time")
}

fn morning() -> Timestamp {
    "2026-11-05T04:30:00Z".parse().expect("a time")
}

fn operator(channels: &[&str]) -> String {
    format!("[operator]\nto = {channels:?}\n")
}

/// A webhook with a wrong signature: the operator is notified of the first in an hour.
async fn forged(scene: &Scene, daemon: &Daemon) {
    let envelope = Envelope::new(1001, "m-1", "{\"orderViewId\":1}", scene.hands.now());
    assert_eq!(daemon.post(&envelope.body_signed(&"0".repeat(64))).await.status, 401);
}

/// The deliveries of notices to a channel.
fn notices<'a>(rows: &'a [DeliveryRow], channel: &str) -> Vec<&'a DeliveryRow> {
    of(rows, channel).into_iter().filter(|one| one.kind == "operator.notice").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_goes_out_in_quiet_hours_and_an_order_waits_for_the_morning() {
    let scene = Scene::still(night(), Rules::new()).await;
    let names = ["owner", "office", "erp"];
    let channels = [scene.robot("owner", NIGHT), scene.wecom("office", NIGHT), scene.hook("erp", NIGHT)].concat();
    let daemon = scene.start(&format!("{channels}{}{}", to(&names), operator(&names))).await;
    place(&scene, &daemon, 1).await;
    daemon.until(|all| all.iter().all(|one| one.due_at == morning())).await;
    forged(&scene, &daemon).await;
    for name in ["owner", "office"] {
        let received = texts(&scene.until_received(name, 1).await);
        assert!(received[0].contains(NOTICE), "{name}: {received:?}");
    }
    assert!(scene.until_received("erp", 1).await[0].body.contains("\"operator.notice\""));
    for name in names {
        until_states(&daemon, name, &["waiting", "delivered"]).await;
    }
    scene.nothing_more(A_WHILE).await;
    scene.forward(morning().duration_since(scene.hands.now()) + seconds(1));
    daemon.until_done().await;
    for name in names {
        assert_eq!(scene.received(name).len(), 2, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_waits_for_the_morning_where_its_channel_holds_notices() {
    let scene = Scene::still(night(), Rules::new()).await;
    let names = ["owner", "erp"];
    let channels = [scene.robot("owner", HOLDING), scene.hook("erp", HOLDING)].concat();
    let daemon = scene.start(&format!("{channels}{}", operator(&names))).await;
    forged(&scene, &daemon).await;
    daemon.until(|all| all.len() == 2 && all.iter().all(|one| one.due_at == morning())).await;
    scene.forward(morning().duration_since(scene.hands.now()) - seconds(10));
    a_while().await;
    assert_eq!(scene.sandbox.counts().accepted, 0, "it is held to the end");
    scene.forward(seconds(11));
    daemon.until_done().await;
    scene.nothing_more(A_WHILE).await;
    assert!(texts(&scene.received("owner"))[0].contains(NOTICE));
    assert_eq!((scene.received("owner").len(), scene.received("erp").len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_that_was_held_goes_out_at_once_after_a_start_that_holds_it_no_more() {
    let scene = Scene::still(night(), Rules::new()).await;
    let text = |quiet: &str| format!("{}{}{}", scene.robot("owner", quiet), to(&["owner"]), operator(&["owner"]));
    let daemon = scene.start(&text(HOLDING)).await;
    place(&scene, &daemon, 1).await;
    forged(&scene, &daemon).await;
    daemon.until(|all| all.len() == 2 && all.iter().all(|one| one.due_at == morning())).await;
    daemon.stop().await;
    let daemon = scene.start(&text(NIGHT)).await;
    let received = texts(&scene.until_received("owner", 1).await);
    assert!(received[0].contains(NOTICE) && !received[0].contains("New order"), "{received:?}");
    let rows = until_states(&daemon, "owner", &["waiting", "delivered"]).await;
    assert_eq!(rows[0].due_at, morning(), "the order stays where it was");
    let step = "SELECT s.step FROM steps s JOIN deliveries d ON d.id = s.delivery JOIN events e ON e.id = d.event
        WHERE e.kind = 'operator.notice' ORDER BY s.seq DESC LIMIT 1";
    let last: String = daemon.connection().query_row(step, [], |row| row.get(0)).expect("a step");
    assert_eq!(last, "let_go");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_urgent_notice_of_a_parked_channel_goes_to_the_fallback_in_quiet_hours_unless_they_hold_it() {
    for (quiet, goes) in [(NIGHT, true), (HOLDING, false)] {
        let scene = Scene::still(night(), Rules::new()).await;
        let more = format!("{quiet}\nfallback = \"boss\"\nurgent = [\"operator.notice\", \"order.*\"]");
        // It is parked before its quiet hours begin.
        let early = more.replace("23:00", "01:06");
        let channels = [scene.robot("owner", &early), scene.robot("boss", "")].concat();
        let daemon = scene.start(&format!("{channels}{}{}", to(&["owner"]), operator(&["owner"]))).await;
        scene.sandbox.order("owner", errcode(300_005), Times::Always);
        place(&scene, &daemon, 1).await;
        daemon.until(|_| parked(&daemon) == ["owner"]).await;
        // The order, and that the channel is parked.
        let before = scene.until_received("boss", 2).await.len();
        scene.forward(minutes(3));
        forged(&scene, &daemon).await;
        place(&scene, &daemon, 2).await;
        if goes {
            let received = texts(&scene.until_received("boss", before + 1).await);
            assert!(received[before].contains(NOTICE), "{received:?}");
        }
        a_while().await;
        scene.nothing_more(A_WHILE).await;
        assert_eq!(scene.received("boss").len(), before + usize::from(goes), "{:#?}", texts(&scene.received("boss")));
        // In the morning the fallback is notified of whatever waited.
        scene.forward(morning().duration_since(scene.hands.now()) + seconds(1));
        daemon.until(|all| of(all, "boss").iter().filter(|one| one.kind == "order.placed").count() == 2).await;
        scene.until_received("boss", before + 2).await;
        let named = texts(&scene.received("boss")).iter().filter(|received| received.contains(NOTICE)).count();
        assert_eq!(named, 1, "once, sooner or later: {:#?}", texts(&scene.received("boss")));
        daemon.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_catches_up_with_notices_in_its_quiet_hours_and_with_orders_after_them() {
    let scene = Scene::still(night(), Rules::new()).await;
    let quiet = NIGHT.replace("23:00", "01:10");
    let more = format!("{TO_OWNER}\n{quiet}\nurgent = [\"operator.notice\", \"order.*\"]");
    let channels = [scene.robot("kitchen", &more), scene.robot("owner", "")].concat();
    let daemon = scene.start(&format!("{channels}{}{}", to(&["kitchen"]), operator(&["kitchen"]))).await;
    scene.sandbox.order("kitchen", errcode(300_005), Times::Always);
    order(&scene, &daemon, 1).await;
    scene.until_received("owner", 2).await;
    until_states(&daemon, "owner", &["delivered"; 2]).await;
    scene.sandbox.clear_faults("kitchen");
    scene.forward(minutes(25));
    let received = texts(&scene.until_received("kitchen", 1).await);
    assert!(received[0].contains("A channel refuses") && !received[0].contains("New order"), "{received:?}");
    assert_eq!(one_order(&daemon).await, ("waiting".to_owned(), 1));
    scene.forward(morning().duration_since(scene.hands.now()) + seconds(1));
    until_over(&scene, &daemon).await;
    let received = texts(&scene.received("kitchen"));
    assert!(received.len() == 2 && received[1].contains("New order"), "{received:#?}");
}

/// How the only order of a kitchen stands, and how many there are.
async fn one_order(daemon: &Daemon) -> (String, usize) {
    let rows = daemon.deliveries().await;
    let orders: Vec<_> = of(&rows, "kitchen").into_iter().filter(|one| one.kind == "order.placed").collect();
    (orders[0].state.clone(), orders.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_carries_a_notice_and_was_refused_before_the_quiet_hours_goes_out_in_them() {
    // Of two messages a minute one is kept for what is urgent, so what comes beyond one shares the next.
    let scene = Scene::still(night(), Rules::new()).await;
    let channel = scene.robot("kitchen", &format!("{TWO}\n{}", NIGHT.replace("23:00", "01:08")));
    let daemon = scene.start(&format!("{channel}{}{}", to(&["kitchen"]), operator(&["kitchen"]))).await;
    step(&scene, &daemon, ACCEPTED, 1).await;
    daemon.until_done().await;
    forged(&scene, &daemon).await;
    daemon.until(|all| notices(all, "kitchen").len() == 1).await;
    for number in 2..=3 {
        step(&scene, &daemon, ACCEPTED, number).await;
    }
    scene.sandbox.order("kitchen", errcode(-1), Times::Always);
    scene.forward(seconds(61));
    until_tried(&daemon, "kitchen", 2).await;
    let rows = daemon.deliveries().await;
    let [notice] = notices(&rows, "kitchen")[..] else { panic!("{rows:#?}") };
    let leader = rows.iter().find(|one| Some(one.id) == notice.digest).map(|one| one.kind.as_str());
    assert_eq!(leader, Some("order.accepted"), "an order leads the message: {rows:#?}");
    // The quiet hours have begun when the robot takes messages again.
    scene.forward(minutes(5));
    until_tried(&daemon, "kitchen", 3).await;
    scene.sandbox.clear_faults("kitchen");
    place(&scene, &daemon, 9).await;
    let received = texts(&until_received_in_minutes(&scene, 2).await);
    assert!(received[1].contains(NOTICE), "{received:#?}");
    let rows = until_states(&daemon, "kitchen", &["delivered", "merged", "merged", "delivered", "waiting"]).await;
    assert_eq!(rows[4].due_at, morning(), "what came in the quiet hours waits for their end");
}

/// Puts the clock forward until the kitchen was sent so many messages.
async fn until_received_in_minutes(scene: &Scene, count: usize) -> Vec<Received> {
    for _ in 0..20 {
        if scene.received("kitchen").len() >= count {
            break;
        }
        scene.forward(minutes(1));
        a_while().await;
    }
    scene.received("kitchen")
}
