//! Providers whose limit is smaller than the one that is known of them.

use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::inbox::Received;
use orderbell::sandbox::rules::Rules;

use crate::support::{Scene, keeta};

/// The size that a robot counts of each message that came.
fn sizes(came: &[Received], is_wecom: bool) -> Vec<usize> {
    let size = |received: &Received| match is_wecom {
        false => received.body.len(),
        true => {
            let body: serde_json::Value = serde_json::from_str(&received.body).expect("JSON");
            body["markdown"]["content"].as_str().expect("markdown").len()
        }
    };
    came.iter().map(size).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receiver_finds_too_long_is_halved_and_not_its_limit() {
    let scene = Scene::new(Rules::new()).await;
    let channels = [scene.robot("ding", ""), scene.wecom("com", "")].concat();
    let route = "[[route]]\nevents = [\"order.*\"]\nto = [\"ding\", \"com\"]\n";
    let daemon = scene.start(&format!("{channels}{route}")).await;
    let refused = |errcode, errmsg: &str| Fault::Errcode { errcode, errmsg: errmsg.to_owned() };
    scene.sandbox.order("ding", refused(460_101, "message too long"), Times::Next(1));
    scene.sandbox.order("com", refused(45_002, "content size out of limit"), Times::Next(1));
    daemon.acknowledged(&keeta::placed(77, scene.hands.now())).await;
    let rows = daemon.until_done().await;
    assert!(rows.iter().all(|one| one.state == "delivered"), "{rows:#?}");
    for (name, is_wecom) in [("ding", false), ("com", true)] {
        let sizes = sizes(&scene.came_to(name), is_wecom);
        let (first, others) = sizes.split_first().expect("messages");
        assert!(others.len() > 1 && others.iter().all(|size| *size <= first / 2), "{name}: {sizes:?}");
        let text: String = scene.received(name).iter().filter_map(|one| one.text.clone()).collect();
        assert!(text.contains("46.00") && text.contains("no onion"), "{name}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_still_too_long_after_three_halvings_or_cannot_get_shorter_is_dead() {
    let scene = Scene::new(Rules::new()).await;
    let channels = [scene.robot("ding", ""), scene.wecom("com", "")].concat();
    let route = "[[route]]\nevents = [\"order.*\"]\nto = [\"ding\", \"com\"]\n";
    let daemon = scene.start(&format!("{channels}{route}")).await;
    let refused = |errcode, errmsg: &str| Fault::Errcode { errcode, errmsg: errmsg.to_owned() };
    scene.sandbox.order("ding", refused(460_101, "message too long"), Times::Always);
    scene.sandbox.order("com", refused(45_002, "content size out of limit"), Times::Always);
    daemon.acknowledged(&keeta::placed(77, scene.hands.now())).await;
    let rows = daemon.until(|all| all.iter().all(|one| one.state == "dead")).await;
    for (name, is_wecom) in [("ding", false), ("com", true)] {
        let sizes = sizes(&scene.came_to(name), is_wecom);
        assert!((2..=4).contains(&sizes.len()), "{name}: {sizes:?}");
        assert!(sizes.windows(2).all(|pair| pair[1] < pair[0]), "{name}: {sizes:?}: never the same bytes again");
        let answer = rows.iter().find(|one| one.channel == name).and_then(|one| one.answer.clone());
        assert!(answer.is_some_and(|words| words.contains("too long")), "{name}: {rows:#?}");
    }
}
