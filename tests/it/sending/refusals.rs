//! What a receiver refuses: for a while, for a wrong setting, for its form or for ever.

use jiff::SignedDuration;
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::Rules;

use crate::sending::{AT_ONCE, json_of, status, ten_past, to};
use crate::support::{A_WHILE, Scene, keeta, of};

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_refuses_for_a_while_gets_each_message_exactly_once() {
    let scene = Scene::new(Rules::new()).await;
    let redirect = Fault::Redirect { location: scene.sandbox.hook_url("elsewhere") };
    let busy = Fault::Errcode { errcode: -1, errmsg: "system busy".to_owned() };
    let robots = [("r500", status(500)), ("r302", redirect.clone()), ("rhtml", Fault::Garbage), ("rbusy", busy)];
    let hooks = [("h500", status(500)), ("h404", status(404)), ("h302", redirect), ("hcut", Fault::Cut)];
    let mut text = scene.robot("owner", "");
    robots.iter().for_each(|(name, _)| text += &scene.robot(name, AT_ONCE));
    hooks.iter().for_each(|(name, _)| text += &scene.hook(name, AT_ONCE));
    let all: Vec<_> = robots.iter().chain(&hooks).collect();
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let daemon = scene.start(&format!("{text}{}", to(&names))).await;
    for (name, fault) in &all {
        scene.sandbox.order(name, fault.clone(), Times::Next(3));
    }
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    let rows = daemon.until_done().await;
    scene.nothing_more(A_WHILE).await;
    for name in names {
        let row = of(&rows, name)[0];
        assert_eq!((row.state.as_str(), row.attempts), ("delivered", 4), "{name}: {row:?}");
        assert_eq!(scene.received(name).len(), 1, "{name}");
    }
    assert!(scene.came_to("elsewhere").is_empty(), "a redirect is followed");
    assert!(scene.received("owner").is_empty(), "what heals by itself is not the operator's business");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_setting_makes_messages_wait_and_the_operator_is_notified_once() {
    let scene = Scene::at(ten_past(), Rules::new()).await;
    let names = ["h401", "h410", "r310000"];
    let channels = [scene.hook("h401", ""), scene.hook("h410", ""), scene.robot("r310000", "")].concat();
    let daemon = scene.start(&format!("{channels}{}{}", scene.robot("owner", ""), to(&names))).await;
    let keyword = Fault::Errcode { errcode: 310_000, errmsg: "keywords not in content".to_owned() };
    for (name, fault) in names.into_iter().zip([status(401), status(410), keyword]) {
        scene.sandbox.order(name, fault, Times::Always);
    }
    for number in 1..=3 {
        daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
    }
    for name in names {
        scene.until_came(name, 1).await;
    }
    let notices = scene.until_received("owner", names.len()).await;
    scene.nothing_more(A_WHILE).await;
    for name in names {
        let about = notices.iter().filter(|notice| notice.body.contains(name)).count();
        assert_eq!(about, 1, "{name}: {notices:#?}");
        let rows = daemon.deliveries().await;
        assert!(of(&rows, name).iter().all(|row| row.state == "waiting"), "{name}: {rows:#?}");
        scene.sandbox.clear_faults(name);
    }
    // Mended: what waited goes out by itself.
    scene.hands.forward(SignedDuration::from_mins(12));
    daemon.until_done().await;
    for name in names {
        assert_eq!(scene.received(name).len(), 3, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receiver_will_never_take_is_dead_loudly() {
    let scene = Scene::at(ten_past(), Rules::new()).await;
    let names = ["h400", "h422", "h503", "r400105"];
    let patience = "retry = [\"0s\"]";
    let channels =
        [scene.hook("h400", ""), scene.hook("h422", ""), scene.hook("h503", patience), scene.robot("r400105", "")];
    let daemon = scene.start(&format!("{}{}{}", channels.concat(), scene.robot("owner", ""), to(&names))).await;
    let unsupported = Fault::Errcode { errcode: 400_105, errmsg: "unsupported".to_owned() };
    for (name, fault) in names.into_iter().zip([status(400), status(422), status(503), unsupported]) {
        scene.sandbox.order(name, fault, Times::Always);
    }
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    let notices = scene.until_received("owner", names.len()).await;
    scene.nothing_more(A_WHILE).await;
    let rows = daemon.deliveries().await;
    for (name, attempts) in names.into_iter().zip([1, 1, 2, 1]) {
        let row = of(&rows, name)[0];
        assert_eq!((row.state.as_str(), row.attempts), ("dead", attempts), "{name}");
        assert_eq!(notices.iter().filter(|notice| notice.body.contains(name)).count(), 1, "{name}: {notices:#?}");
        let answer = row.answer.as_deref().unwrap_or_default();
        assert!(answer.contains(&name[1..]), "{name}: the receiver's last word is kept, not {answer:?}");
    }
    assert_eq!(of(&rows, "owner").iter().filter(|row| row.state == "delivered").count(), names.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shut_robot_rests_as_a_whole_and_loses_nothing() {
    let scene = Scene::at(ten_past(), Rules::new()).await;
    let daemon = scene
        .start(&format!("{}{}{}", scene.robot("kitchen", "retry = []"), scene.robot("owner", ""), to(&["kitchen"])))
        .await;
    let shut = Fault::Errcode { errcode: 130_101, errmsg: "send too fast, exceed 20 times per minute".to_owned() };
    scene.sandbox.order("kitchen", shut, Times::Next(1));
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    scene.until_came("kitchen", 1).await;
    daemon.until(|all| all[0].answer.is_some()).await;
    daemon.acknowledged(&keeta::placed(2, scene.hands.now())).await;
    scene.nothing_more(A_WHILE).await;
    assert_eq!(scene.came_to("kitchen").len(), 1, "what is new waits too: the robot is shut, not the message refused");
    scene.hands.forward(SignedDuration::from_mins(11));
    let rows = daemon.until_done().await;
    assert!(rows.iter().all(|one| one.state == "delivered"), "{rows:#?}");
    assert_eq!(scene.received("kitchen").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_long_or_disliked_goes_out_in_another_form() {
    let scene = Scene::new(Rules::new()).await;
    let channels = ["long", "disliked", "both", "owner"].map(|name| scene.robot(name, ""));
    let daemon = scene.start(&format!("{}{}", channels.concat(), to(&["long", "disliked", "both"]))).await;
    let refused = |errcode, errmsg: &str| Fault::Errcode { errcode, errmsg: errmsg.to_owned() };
    let (too_long, disliked) = (refused(460_101, "message too long"), refused(430_104, "content is not allowed"));
    scene.sandbox.order("long", too_long.clone(), Times::Next(1));
    scene.sandbox.order("disliked", disliked.clone(), Times::Next(1));
    scene.sandbox.order("both", too_long, Times::Next(1));
    scene.sandbox.order("both", disliked, Times::Next(1));
    daemon.acknowledged(&keeta::placed(77, scene.hands.now())).await;
    let rows = daemon.until_done().await;
    assert!(rows.iter().all(|one| one.state == "delivered"), "{rows:#?}");
    for name in ["long", "disliked", "both"] {
        let came = scene.came_to(name);
        let key = |index: usize| json_of(&came[index])["msgUuid"].clone();
        let forms: Vec<_> = (0..came.len()).map(key).collect();
        assert!(forms.windows(2).all(|pair| pair[0] != pair[1]), "{name}: another text has another key: {forms:?}");
        let text: String = scene.received(name).iter().filter_map(|one| one.text.clone()).collect();
        for kept in ["77", "46.00"] {
            assert!(text.contains(kept), "{name}: {kept} is missing in {text}");
        }
        let whole = name == "long";
        assert_eq!(
            text.contains("no onion"),
            whole,
            "{name}: the reduced form holds nothing that a buyer wrote: {text}"
        );
    }
}
