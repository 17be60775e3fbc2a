//! Allowances: a robot that is shut by others' messages too, and who goes first when only a few messages may go.

use jiff::Timestamp;
use orderbell::sandbox::fault::Times;
use orderbell::sandbox::rules::Rules;

use crate::support::{A_WHILE, Daemon, Scene, of};
use crate::truth::scene::{
    ACCEPTED, CANCELLED, a_while, attempts, errcode, minutes, noon, outcomes, parked, place, seconds, states, status,
    step, texts, to, until_tried,
};

/// Steps of the schedule that the deliveries of a channel have used up.
fn spent(daemon: &Daemon, channel: &str) -> Vec<i64> {
    let connection = daemon.connection();
    let sql = "SELECT spent FROM deliveries WHERE channel = ?1 ORDER BY event_seq";
    let mut select = connection.prepare(sql).expect("a statement");
    select.query_map([channel], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("rows")
}

fn closed_until(daemon: &Daemon) -> Vec<Timestamp> {
    let connection = daemon.connection();
    let mut select = connection.prepare("SELECT closed_until FROM credentials").expect("a statement");
    let read = |row: &rusqlite::Row<'_>| Ok(Timestamp::from_millisecond(row.get(0)?).expect("a time"));
    select.query_map([], read).expect("rows").collect::<Result<_, _>>().expect("rows")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_that_others_have_shut_rests_for_ten_minutes_for_all_its_channels_and_over_a_restart() {
    let scene = Scene::still(noon(), Rules::new()).await;
    // Two channels on one robot, and one on another.
    let kitchen = scene.robot("kitchen", "");
    let bar = kitchen.replace("[channel.kitchen]", "[channel.bar]");
    let channels = [kitchen, bar, scene.robot("till", "")].concat();
    let routes = "[[route]]\nevents = [\"order.placed\"]\nto = [\"kitchen\", \"till\"]\n[[route]]\nevents = [\"order.accepted\"]\nto = [\"bar\"]\n";
    let text = format!("{channels}{routes}");
    let daemon = scene.start(&text).await;
    scene.sandbox.order("kitchen", errcode(410_100), Times::Next(1));
    place(&scene, &daemon, 1).await;
    assert_eq!(until_tried(&daemon, "kitchen", 1).await, ["throttled"]);
    for number in 2..=3 {
        place(&scene, &daemon, number).await;
        step(&scene, &daemon, ACCEPTED, number).await;
    }
    scene.until_received("till", 3).await;
    scene.forward(minutes(5));
    a_while().await;
    daemon.stop().await;
    let daemon = scene.start(&text).await;
    place(&scene, &daemon, 4).await;
    scene.until_received("till", 4).await;
    scene.forward(seconds(280));
    a_while().await;
    assert_eq!(scene.came_to("kitchen").len(), 1, "nine and a half minutes");
    assert_eq!(closed_until(&daemon).len(), 1);
    assert!(parked(&daemon).is_empty(), "nothing is wrong with its setting");
    scene.forward(seconds(25));
    let delivery_rows = daemon.until_done().await;
    assert_eq!(
        (states(&delivery_rows, "kitchen"), states(&delivery_rows, "bar")),
        (vec!["delivered".to_owned(); 4], vec!["delivered".to_owned(); 2])
    );
    assert_eq!(scene.received("kitchen").len(), 6);
    assert_eq!(
        (spent(&daemon, "kitchen"), spent(&daemon, "bar")),
        (vec![0; 4], vec![0; 2]),
        "the schedule stood still"
    );
    assert!(closed_until(&daemon).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wecom_robot_that_is_found_shut_again_rests_one_minute_then_two_then_four() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let text = format!("{}{}", scene.wecom("office", ""), to(&["office"]));
    let mut daemon = scene.start(&text).await;
    scene.sandbox.order("office", errcode(45_009), Times::Next(3));
    place(&scene, &daemon, 1).await;
    let mut tries = 1;
    for rest in [60, 120, 240] {
        assert_eq!(until_tried(&daemon, "office", tries).await.len(), tries);
        // It is not forgotten over a restart how often in a row it was found shut.
        daemon.stop().await;
        daemon = scene.start(&text).await;
        scene.forward(seconds(rest - 15));
        a_while().await;
        assert_eq!(scene.came_to("office").len(), tries, "{rest} seconds are not over");
        scene.forward(seconds(17));
        tries += 1;
        scene.until_came("office", tries).await;
    }
    daemon.until_done().await;
    assert_eq!(outcomes(&daemon, "office"), ["throttled", "throttled", "throttled", "delivered"]);
    assert_eq!(spent(&daemon, "office"), [0]);
    // A yes in between: the next time it is one minute again.
    scene.sandbox.order("office", errcode(45_009), Times::Next(1));
    place(&scene, &daemon, 2).await;
    until_tried(&daemon, "office", 5).await;
    scene.forward(seconds(62));
    daemon.until_done().await;
    let times: Vec<_> = attempts(&daemon, "office").into_iter().map(|(_, at)| at).collect();
    let apart: Vec<_> = times.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs()).collect();
    for (apart, least) in apart.iter().zip([60, 120, 240, 0, 60]) {
        assert!((least..least + 12).contains(apart), "{apart} of {least}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_robot_rests_the_schedule_of_retries_stands_still() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let daemon = scene.start(&format!("{}{}", scene.robot("kitchen", ""), to(&["kitchen"]))).await;
    scene.sandbox.order("kitchen", status(503), Times::Next(1));
    scene.sandbox.order("kitchen", errcode(410_100), Times::Next(1));
    scene.sandbox.order("kitchen", status(503), Times::Next(1));
    place(&scene, &daemon, 1).await;
    for (tries, wait, used) in [(1, seconds(6), 1), (2, seconds(602), 1), (3, seconds(34), 2)] {
        until_tried(&daemon, "kitchen", tries).await;
        assert_eq!(spent(&daemon, "kitchen"), [used]);
        scene.forward(wait);
    }
    daemon.until_done().await;
    assert_eq!(outcomes(&daemon, "kitchen"), ["retry", "throttled", "retry", "delivered"]);
}

/// Six messages a minute, of which two are kept for urgent ones.
const FEW: &str = "rate = { per = \"1m\", count = 6 }";

/// A channel that has sent four of its six messages.
async fn short(scene: &Scene, channels: &str, names: &[&str]) -> Daemon {
    let daemon = scene.start(&format!("{channels}{}", to(names))).await;
    for number in 1..=4 {
        step(scene, &daemon, ACCEPTED, number).await;
        for name in names {
            scene.until_received(name, usize::try_from(number).expect("few")).await;
        }
    }
    daemon.until_done().await;
    daemon
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_allowance_is_short_urgent_messages_go_first_and_alone_while_the_reserve_lasts() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let daemon = short(&scene, &scene.robot("kitchen", FEW), &["kitchen"]).await;
    for number in 11..=22 {
        step(&scene, &daemon, ACCEPTED, number).await;
    }
    a_while().await;
    assert_eq!(scene.received("kitchen").len(), 4, "the reserve is not for them");
    place(&scene, &daemon, 31).await;
    assert!(texts(&scene.until_received("kitchen", 5).await)[4].starts_with("New order"));
    step(&scene, &daemon, CANCELLED, 32).await;
    // The last of the slots are spread over the window.
    scene.forward(seconds(31));
    assert!(texts(&scene.until_received("kitchen", 6).await)[5].starts_with("Cancelled: order #32"));
    // The reserve is used up: what is urgent shares a message, and what is not shares the next one.
    for number in 33..=35 {
        step(&scene, &daemon, CANCELLED, number).await;
    }
    a_while().await;
    assert_eq!(scene.received("kitchen").len(), 6, "six a minute");
    scene.forward(seconds(31));
    daemon.until_done().await;
    let received = texts(&scene.received("kitchen"));
    let (urgent, ordinary) = (&received[6], &received[7..].concat());
    for number in 33..=35 {
        assert!(urgent.contains(&format!("Cancelled: order #{number}")), "{urgent}");
    }
    assert!(!urgent.contains("Accepted"), "{urgent}");
    for number in 11..=22 {
        assert!(ordinary.contains(&format!("Accepted: order #{number}")), "{ordinary}");
    }
    assert_eq!(received.len(), 8, "{received:#?}");
    let delivery_rows = daemon.deliveries().await;
    assert_eq!(of(&delivery_rows, "kitchen").iter().filter(|one| one.state == "merged").count(), 2 + 11);
    scene.nothing_more(A_WHILE).await;
}
