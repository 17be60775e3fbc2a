//! Templates that change while the daemon runs: a broken one never goes out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use orderbell::sandbox::rules::Rules;
use tokio::task::JoinSet;

use crate::reload::{OWNER, SENDERS, post_orders, template, ten_past, to};
use crate::support::watching::OFTEN;
use crate::support::{A_WHILE, Scene, TOO_LONG, keeta, of};

const MINE: &str = "templates = \"mine\"";

/// The titles that came to a receiver, without the numbers in them.
fn titles(scene: &Scene, name: &str) -> Vec<String> {
    let title = |text: String| text.split(' ').next().unwrap_or_default().to_owned();
    scene.received(name).into_iter().filter_map(|received| received.title.map(title)).collect()
}

/// Waits until a receiver gets a message under this title.
async fn until_titled(scene: &Scene, name: &str, title: &str) {
    let deadline = Instant::now() + TOO_LONG;
    while titles(scene, name).last().is_none_or(|last| last != title) {
        assert!(Instant::now() < deadline, "{name} never read {title}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_change_under_load_and_a_broken_one_never_goes_out() {
    let scene = Scene::new(Rules::new().speed(1_000_000)).await;
    let text = format!("{}{}{OWNER}{}", scene.hook("erp", ""), scene.robot("owner", ""), to(&["erp"]));
    let words = |version: &str| format!("# {version} {{{{ order.number }}}}\n\nTotal: {{{{ order.total | money }}}}\n");
    template(&scene, "order.placed.md", &words("first"));
    let daemon = scene.start_watching(OFTEN, MINE, &text).await;
    let (number, stop) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicBool::new(false)));
    let mut senders = JoinSet::new();
    (0..SENDERS).for_each(|_| drop(senders.spawn(post_orders(daemon.address, number.clone(), stop.clone()))));
    until_titled(&scene, "erp", "first").await;

    template(&scene, "order.placed.md", "# broken {{ order.number }}\n\nTotal: {{ order.total | mony }}\n");
    let received = scene.until_received("owner", 1).await;
    let notice = received[0].text.clone().expect("a text").replace('\\', "");
    assert!(notice.contains("New templates are not used"), "{notice}");
    for words in ["mine/en/order.placed.md:3:", "mony", "did you mean \"money\""] {
        assert!(notice.contains(words), "{words} in {notice}");
    }
    // Orders go on coming in.
    let already = scene.received("erp").len();
    scene.until_received("erp", already + 20).await;
    template(&scene, "order.placed.md", &words("second"));
    until_titled(&scene, "erp", "second").await;
    // One that parses, and fails with the samples.
    template(&scene, "order.placed.md", "# failing {{ order.number }}\n\n{{ order.lines }}\n");
    let received = scene.until_received("owner", 2).await;
    assert!(
        received[1].text.as_ref().is_some_and(|text| text.contains("order.placed.md:3:")),
        "{:?}",
        received[1].text
    );
    template(&scene, "order.placed.md", &words("third"));
    until_titled(&scene, "erp", "third").await;

    stop.store(true, Ordering::Release);
    senders.join_all().await;
    let rows = daemon.until_done().await;
    scene.nothing_more(A_WHILE).await;
    let titles: BTreeSet<String> = titles(&scene, "erp").into_iter().collect();
    assert_eq!(titles.iter().map(String::as_str).collect::<Vec<_>>(), ["first", "second", "third"]);
    assert_eq!(scene.received("owner").len(), 2, "each mistake is reported once");
    assert_eq!(of(&rows, "erp").len() as u64, number.load(Ordering::Acquire) - 1);
    assert_eq!(scene.received("erp").len(), of(&rows, "erp").len());
    assert!(rows.iter().all(|one| (one.state.as_str(), one.attempts) == ("delivered", 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_never_ends_or_writes_too_much_is_not_taken() {
    let scene = Scene::at(ten_past(), Rules::new()).await;
    let text = format!("{}{}{OWNER}{}", scene.hook("erp", ""), scene.robot("owner", ""), to(&["erp"]));
    template(&scene, "test.md", "# It works\n");
    let daemon = scene.start_watching(OFTEN, MINE, &text).await;
    let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    let large = format!("{{% for a in range(1000) %}}{}{{% endfor %}}", "x".repeat(1024));
    for (number, (body, words)) in [(endless, "fuel"), (large.as_str(), "256 KiB")].into_iter().enumerate() {
        // Each at a line of its own, so that each is reported.
        template(&scene, "order.placed.md", &format!("# bomb\n{}{body}", "\n".repeat(number)));
        let received = scene.until_received("owner", number + 1).await;
        let notice = received[number].text.clone().expect("a text");
        assert!(notice.contains("New templates are not used") && notice.contains(words), "{notice}");
    }
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    assert!(scene.until_received("erp", 1).await[0].title.as_ref().is_some_and(|title| title.starts_with("New order")));
}
