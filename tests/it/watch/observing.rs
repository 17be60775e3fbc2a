//! Sources that only observe: the operator is notified of what does not fit, and that they still observe.

use jiff::Timestamp;
use orderbell::sandbox::rules::Rules;

use crate::support::keeta::Envelope;
use crate::support::watching::NEVER;
use crate::support::{Scene, keeta};
use crate::watch::{House, OPERATOR, ORDERS, minutes, noon, notices, until};

/// A new order that is signed with another secret.
fn unproven(source: &'static str, number: u64, at: Timestamp) -> Vec<u8> {
    let order = keeta::order(number).to_string();
    Envelope { source, ..Envelope::new(1001, &format!("m1001-{number}"), &order, at) }.body_signed(&"0".repeat(64))
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_that_do_not_fit_a_source_that_observes_are_reported_once_an_hour_over_restarts_too() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let registered = "verify = \"observe\"\nregistered_url = \"https://shop.example.com/keeta?a=1\"";
    let sources = keeta::source("watch", registered) + &keeta::source("other", "verify = \"observe\"");
    let channels = format!("{}{}", scene.hook("erp", ""), scene.robot("owner", ""));
    let mut house = House::new(&scene, format!("{sources}{channels}{ORDERS}{OPERATOR}")).await;
    assert_eq!(house.daemon.post_to("watch", &unproven("watch", 1, noon())).await.status, 200);
    house.until_received("unproven", &["watch 1"]).await;
    let text = house.read_by_the_owner("Signatures do not fit: nobody is notified · watch").await;
    for piece in ["app_secret", "registered_url", "app_id = 3762772727", "//shop.example.com/keeta?a=1", "1 webhook"] {
        assert!(text.contains(piece), "{piece}: {text}");
    }
    assert!(!text.contains(keeta::SECRET), "{text}");

    // However many come.
    for number in 2..=40 {
        assert_eq!(house.daemon.post_to("watch", &unproven("watch", number, noon())).await.status, 200);
    }
    house.looked().await;
    house.crash().await;
    assert_eq!(house.daemon.post_to("watch", &unproven("watch", 41, noon())).await.status, 200);
    house.looked().await;
    assert_eq!(house.notices("unproven"), ["watch 1"]);
    scene.hands.forward(minutes(61));
    house.until_received("unproven", &["watch 1", "watch 41"]).await;
    house.read_by_the_owner("41 webhooks").await;
    assert!(scene.received("erp").is_empty(), "nobody was notified of the orders");

    // One fits, and for an hour none that does not comes.
    let order = keeta::order(42).to_string();
    let genuine = Envelope { source: "watch", ..Envelope::new(1001, "m1001-42", &order, scene.hands.now()) };
    let genuine = genuine.body_for("https://shop.example.com/keeta?a=1");
    assert_eq!(house.daemon.post_to("watch", &genuine).await.status, 200);
    house.looked().await;
    assert_eq!(house.notices("unproven"), ["watch 1", "watch 41"]);
    scene.hands.forward(minutes(61));
    house.until_received("unproven", &["watch 1", "watch 41", "watch over"]).await;
    house.read_by_the_owner("Signatures fit again · watch").await;
    assert_eq!(scene.received("erp").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_that_did_not_fit_before_a_crash_are_reported_and_counted_though_no_more_come() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let source = keeta::source("watch", "verify = \"observe\"");
    let mut house = House::new(&scene, format!("{source}{}{OPERATOR}", scene.robot("owner", ""))).await;
    assert_eq!(house.daemon.post_to("watch", &unproven("watch", 1, noon())).await.status, 200);
    house.until_received("unproven", &["watch 1"]).await;
    scene.hands.forward(minutes(30));
    assert_eq!(house.daemon.post_to("watch", &unproven("watch", 2, noon())).await.status, 200);
    house.crash().await;
    scene.hands.forward(minutes(31));
    house.until_received("unproven", &["watch 1", "watch 2"]).await;
    // Over another start that is no news.
    house.crash().await;
    house.looked().await;
    assert_eq!(house.notices("unproven"), ["watch 1", "watch 2"]);

    // A crash before anybody was notified.
    assert_eq!(house.daemon.post_to("watch", &unproven("watch", 3, scene.hands.now())).await.status, 200);
    house.looked().await;
    assert_eq!(house.notices("unproven"), ["watch 1", "watch 2"]);
    house.run("DELETE FROM troubles WHERE topic = 'unproven'");
    house.crash().await;
    house.until_received("unproven", &["watch 1", "watch 2", "watch 1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_source_observes_is_reported_once_a_day_and_not_on_its_first() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let sources = keeta::source("watch", "verify = \"observe\"");
    let mut house = House::new(&scene, format!("{sources}{}{OPERATOR}", scene.robot("owner", ""))).await;
    house.looked().await;
    scene.hands.forward(minutes(23 * 60));
    house.crash().await;
    house.looked().await;
    assert!(house.notices("observing").is_empty(), "not yet");
    scene.hands.forward(minutes(61));
    house.until_received("observing", &["watch"]).await;
    let text = house.read_by_the_owner("Signatures are not enforced · watch").await;
    assert!(text.contains("orderbell why watch") && text.contains("enforce"), "{text}");
    house.crash().await;
    scene.hands.forward(minutes(23 * 60));
    house.looked().await;
    assert_eq!(house.notices("observing"), ["watch"], "once a day");
    scene.hands.forward(minutes(61));
    house.until_received("observing", &["watch", "watch"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_set_to_enforce_ends_its_incident_without_a_word() {
    let scene = Scene::at(noon(), Rules::new()).await;
    let owner = scene.robot("owner", "");
    let text = |verify: &str| format!("{}{owner}{OPERATOR}", keeta::source("watch", verify));
    let daemon = scene.start_watching(NEVER, "", &text("verify = \"observe\"")).await;
    let incidents = || {
        let count = "SELECT count(*) FROM troubles WHERE subject = 'watch'";
        daemon.connection().query_row(count, [], |row| row.get::<_, i64>(0)).expect("a count")
    };
    assert_eq!(daemon.post_to("watch", &unproven("watch", 1, noon())).await.status, 200);
    until(|| incidents() == 2).await;
    daemon.reload("v2", "", &text("verify = \"enforce\"")).await;
    scene.hands.forward(minutes(1));
    until(|| incidents() == 0).await;
    assert_eq!(daemon.post_to("watch", &unproven("watch", 2, noon())).await.status, 401);
    assert_eq!(notices(&daemon.connection(), "unproven"), ["watch 1"]);
    assert!(notices(&daemon.connection(), "observing").is_empty());
}
