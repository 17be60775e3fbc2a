//! A channel whose setting is wrong: one try and then hardly any, nobody else is affected, and what waits follows at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use orderbell::domain::secret::Secret;
use orderbell::flow::Clock;
use orderbell::sandbox::fault::{Fault, FaultRule, Times};
use orderbell::sandbox::rules::Rules;
use orderbell::sandbox::smtp::MailServer;

use crate::support::watching::NEVER;
use crate::support::{Daemon, Scene, TOO_LONG, keeta, of};
use crate::truth::scene::{
    ACCEPTED, a_while, attempts, errcode, minutes, noon, one, outcomes, parked, place, seconds, states, status, step,
    to, until_tried,
};

const COOK: &str = "cook@orderbell.test";

/// The rules of a mail server at which one user logs in.
fn rules() -> Rules {
    Rules::new().mail_user("bell", Secret::new("hush"))
}

async fn mailbox(scene: &Scene, password: &str) -> String {
    let login = format!("username = \"bell\"\npassword = \"{password}\"");
    scene.mailbox("mail", MailServer::default(), &format!("[{COOK:?}]"), &login).await
}

/// How many log-ins the mail server has refused.
fn log_ins(scene: &Scene) -> usize {
    scene.came_to("bell").len()
}

/// Minutes between the first and each further attempt.
fn minutes_after(daemon: &Daemon, channel: &str) -> Vec<i64> {
    let tried = attempts(daemon, channel);
    tried.iter().skip(1).map(|(_, at)| at.duration_since(tried[0].1).as_mins()).collect()
}

/// So many times faster than the real time, six hours pass in twelve seconds.
const FAST: u32 = 1800;

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_setting_is_tried_once_and_then_ever_less_often_while_all_others_go_on() {
    let scene = Scene::new(rules().strict().hook("erp", Default::default())).await;
    let clock = Clock::fast(FAST);
    let names = ["mail", "gone", "erp"];
    let channels = [mailbox(&scene, "hash").await, scene.robot("gone", ""), scene.hook("erp", "")].concat();
    let daemon = scene.start_by(&clock, &format!("{channels}{}", to(&names))).await;
    let begun = clock.elapsed();
    daemon.acknowledged(&keeta::placed(1, clock.now())).await;
    daemon.until(|_| parked(&daemon) == ["gone", "mail"]).await;
    let mut number = 1;
    while clock.elapsed() - begun < SignedDuration::from_hours(6) {
        number += 1;
        daemon.acknowledged(&keeta::placed(number, clock.now())).await;
        tokio::time::sleep(clock.real(minutes(20))).await;
    }
    for (name, came) in [("mail", log_ins(&scene)), ("gone", scene.came_to("gone").len())] {
        let after = minutes_after(&daemon, name);
        println!("{name}: {came} tries in six hours, after {after:?} minutes");
        assert_eq!(came, after.len() + 1, "{name}: the receiver counts as the store does");
        // 10, 20, 40, 80 and 160 minutes after the one before, each a tenth more or less; the next is due after ten hours.
        let bounds = [(9, 14), (27, 38), (63, 82), (135, 172), (279, 360)];
        assert!(after.len() >= 4 && after.len() <= 5, "{name}: {after:?}");
        assert!(after.iter().zip(bounds).all(|(at, (from, to))| (from..=to).contains(at)), "{name}: {after:?}");
    }
    let rows = daemon.until(|all| of(all, "erp").iter().all(|one| one.state == "delivered")).await;
    assert_eq!(scene.received("erp").len() as u64, number, "each as it came");
    for name in ["mail", "gone"] {
        let waiting = of(&rows, name);
        assert!(waiting.iter().all(|one| one.state == "waiting") && waiting.len() as u64 == number, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_that_come_together_count_as_one() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let daemon = scene.start(&format!("{}{}", scene.hook("erp", ""), to(&["erp"]))).await;
    scene.sandbox.order(
        "erp",
        Fault::Rule { rule: FaultRule::Late { delay_ms: 1500 }, answer: Some(Box::new(status(401))) },
        Times::Always,
    );
    for number in 1..=8 {
        place(&scene, &daemon, number).await;
    }
    // As many as were under way when the first was refused; all eight, where the machine is not too slow.
    daemon
        .until(|_| parked(&daemon) == ["erp"] && outcomes(&daemon, "erp").iter().all(|one| one == "misconfigured"))
        .await;
    let tried = outcomes(&daemon, "erp").len();
    a_while().await;
    assert_eq!(outcomes(&daemon, "erp").len(), tried, "then it rests");
    assert!(tried > 1, "several were under way: {tried}");
    // One probe after ten minutes, and one twenty minutes after it.
    for (number, wait) in [(1, 12), (2, 23)] {
        scene.forward(minutes(wait));
        assert_eq!(until_tried(&daemon, "erp", tried + number).await.len(), tried + number);
        a_while().await;
        assert_eq!(outcomes(&daemon, "erp").len(), tried + number, "one at a time");
    }
    assert_eq!(scene.came_to("erp").len(), tried + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_is_taken_opens_the_channel_and_everything_follows_at_once() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let channels = [scene.robot("kitchen", ""), scene.hook("erp", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&["kitchen", "erp"]))).await;
    scene.sandbox.order("kitchen", errcode(300_005), Times::Always);
    scene.sandbox.order("erp", status(410), Times::Always);
    for number in 1..=5 {
        place(&scene, &daemon, number).await;
        if number == 1 {
            daemon.until(|_| parked(&daemon) == ["erp", "kitchen"]).await;
        }
    }
    a_while().await;
    assert_eq!((scene.came_to("kitchen").len(), scene.came_to("erp").len()), (1, 1));
    scene.sandbox.clear_faults("kitchen");
    scene.sandbox.clear_faults("erp");
    a_while().await;
    assert_eq!(scene.sandbox.counts().accepted, 0, "nobody knows yet that it is mended");
    scene.forward(minutes(12));
    let rows = daemon.until_done().await;
    assert!(parked(&daemon).is_empty());
    for name in ["kitchen", "erp"] {
        assert_eq!(states(&rows, name), ["delivered"; 5]);
        let came = scene.came_to(name);
        assert_eq!(came.len(), 6, "{name}: one refused, and each once: {came:#?}");
        let first = one(&rows, name, 1, "order.placed");
        assert_eq!(first.attempts, 2);
        assert_eq!(came[1].key.as_deref(), Some(first.id.to_string().as_str()), "{name}: the oldest was the probe");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_setting_is_tried_at_once_and_a_wrong_one_again_only_once() {
    let scene = Scene::still(noon(), rules()).await;
    let right = mailbox(&scene, "hush").await;
    let text = |password: &str| right.replace("hush", password) + &to(&["mail"]);
    let daemon = scene.start_watching(NEVER, "", &text("hash")).await;
    for number in 1..=3 {
        place(&scene, &daemon, number).await;
        daemon.until(|_| parked(&daemon) == ["mail"]).await;
    }
    let before = log_ins(&scene);
    daemon.reload("v2", "", &text("wrong too")).await;
    until_tried(&daemon, "mail", before + 1).await;
    a_while().await;
    assert_eq!(log_ins(&scene), before + 1);
    daemon.reload("v3", "", &text("hush")).await;
    let rows = daemon.until_done().await;
    assert_eq!(states(&rows, "mail"), ["delivered"; 3]);
    assert_eq!((scene.received(COOK).len(), log_ins(&scene)), (3, before + 1));
    assert!(parked(&daemon).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_restarts_within_ten_seconds_make_at_most_two_log_ins() {
    let scene = Scene::still(noon(), rules()).await;
    let text = mailbox(&scene, "hash").await + &to(&["mail"]);
    let mut daemon = scene.start(&text).await;
    place(&scene, &daemon, 1).await;
    daemon.until(|_| parked(&daemon) == ["mail"]).await;
    for restart in 0..10 {
        daemon.stop().await;
        scene.forward(seconds(1));
        daemon = scene.start(&text).await;
        place(&scene, &daemon, 2 + restart).await;
    }
    a_while().await;
    assert!(log_ins(&scene) <= 2, "{}", log_ins(&scene));
    assert_eq!(outcomes(&daemon, "mail").len(), log_ins(&scene));
    // A minute after the last one it is tried, long before its ten minutes are over; and at once after a restart then.
    scene.forward(seconds(61));
    assert_eq!(until_tried(&daemon, "mail", 2).await.len(), 2);
    daemon.stop().await;
    scene.forward(seconds(90));
    let daemon = scene.start(&text).await;
    assert_eq!(until_tried(&daemon, "mail", 3).await.len(), 3);
    a_while().await;
    assert_eq!(log_ins(&scene), 3);
}

/// Starts a daemon on the store of one that was cut off a moment ago.
async fn start_after_a_crash(scene: &Scene, daemon: Daemon, text: &str) -> Daemon {
    drop(daemon);
    let lock = std::fs::File::open(scene.store().with_extension("db.lock")).expect("the lock file is there");
    let deadline = Instant::now() + TOO_LONG;
    while lock.try_lock().is_err() {
        assert!(Instant::now() < deadline, "the store is not free");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(lock);
    scene.start(text).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_crashes_while_it_probes_does_not_probe_at_each_start() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let text = scene.robot("kitchen", "") + &to(&["kitchen"]);
    let daemon = scene.start(&text).await;
    scene.sandbox.order("kitchen", errcode(300_005), Times::Next(1));
    place(&scene, &daemon, 1).await;
    daemon.until(|_| parked(&daemon) == ["kitchen"]).await;
    scene.sandbox.order(
        "kitchen",
        Fault::Rule { rule: FaultRule::Late { delay_ms: 100_000 }, answer: Some(Box::new(errcode(300_005))) },
        Times::Always,
    );
    scene.forward(minutes(12));
    scene.until_came("kitchen", 2).await;
    let mut daemon = daemon;
    for _ in 0..4 {
        daemon = start_after_a_crash(&scene, daemon, &text).await;
        a_while().await;
    }
    assert_eq!(scene.came_to("kitchen").len(), 2, "one try, one probe");
    scene.forward(seconds(61));
    scene.until_came("kitchen", 3).await;
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_channels_on_one_robot_are_parked_each_by_itself() {
    let scene = Scene::still(noon(), Rules::new()).await;
    let kitchen = scene.robot("kitchen", "");
    let bar = kitchen.replace("[channel.kitchen]", "[channel.bar]");
    let routes = "[[route]]\nevents = [\"order.placed\"]\nto = [\"kitchen\"]\n[[route]]\nevents = [\"order.accepted\"]\nto = [\"bar\"]\n";
    let daemon = scene.start(&format!("{kitchen}{bar}{routes}")).await;
    // What the bar sends lacks the keyword that the robot demands.
    scene.sandbox.order("kitchen", errcode(310_000), Times::Next(1));
    step(&scene, &daemon, ACCEPTED, 1).await;
    daemon.until(|_| parked(&daemon) == ["bar"]).await;
    place(&scene, &daemon, 2).await;
    let rows = daemon.until(|all| of(all, "kitchen").iter().any(|one| one.state == "delivered")).await;
    assert_eq!((states(&rows, "bar"), parked(&daemon)), (vec!["waiting".to_owned()], vec!["bar".to_owned()]));
    assert_eq!(scene.received("kitchen").len(), 1);
    scene.forward(minutes(12));
    daemon.until_done().await;
    let attempts: BTreeMap<_, _> =
        daemon.deliveries().await.into_iter().map(|one| (one.channel, one.attempts)).collect();
    assert_eq!(attempts, BTreeMap::from([("bar".to_owned(), 2), ("kitchen".to_owned(), 1)]));
}
