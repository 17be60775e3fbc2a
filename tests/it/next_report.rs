//! The daemon says in its log when each report is due next, and why the one does not come that somebody waits for.

use jiff::{SignedDuration, Timestamp};
use orderbell::sandbox::rules::Rules;

use crate::support;
use crate::support::keeta::placed;
use crate::support::log::log;
use crate::support::watching::NEVER;
use crate::support::{A_WHILE, Scene};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Tuesday, a quarter to nine in Riyadh.
fn morning() -> Timestamp {
    "2026-11-24T05:45:00Z".parse().expect("a time")
}

fn report(name: &str, at: &str, more: &str) -> String {
    format!("[report.{name}]\nat = \"{at}\"\nto = [\"erp\"]\n{more}\n")
}

/// What the log says of a report's next times, without what stands beside it.
fn announced(name: &str) -> Vec<String> {
    let log = log();
    let of_report = format!(" report=\"{name}\"");
    let said = log.lines().filter_map(|line| line.split_once("the next report is due ")?.1.split_once(&of_report));
    said.map(|(says, _)| says.to_owned()).collect()
}

async fn until_announced(name: &str, count: usize) -> Vec<String> {
    let said = async {
        while announced(name).len() < count {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    support::in_time(said).await;
    announced(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_when_a_report_is_due_next_at_the_start_after_a_change_and_after_each_run() {
    let scene = Scene::still(morning(), Rules::new()).await;
    let config = |at: &str, more: &str| scene.hook("erp", "") + &report("breakfast", at, more);
    let watching = scene.start_watching(NEVER, "", &config("08:57", "")).await;
    let mut expected = vec!["2026-11-24 08:57 +03:00 (Asia/Riyadh), about 2026-11-23".to_owned()];
    assert_eq!(until_announced("breakfast", 1).await, expected);
    watching.reload("one", "", &config("08:59", "")).await;
    expected.push("2026-11-24 08:59 +03:00 (Asia/Riyadh), about 2026-11-23".to_owned());
    assert_eq!(until_announced("breakfast", 2).await, expected);
    // What changes something else is no news.
    watching.reload("two", "", &config("08:59", "attach_csv = true")).await;
    scene.nothing_more(A_WHILE).await;
    assert_eq!(announced("breakfast"), expected);

    scene.forward(MINUTE * 20);
    scene.until_received("erp", 1).await;
    expected.push("2026-11-25 08:59 +03:00 (Asia/Riyadh), about 2026-11-24".to_owned());
    assert_eq!(until_announced("breakfast", 3).await, expected);
    // At 9:05 somebody wants to see one at 9:06: none comes, and that is said.
    watching.reload("three", "", &config("09:06", "")).await;
    let said = until_announced("breakfast", 4).await.remove(3);
    for piece in [
        "2026-11-25 09:06 +03:00 (Asia/Riyadh), about 2026-11-24; ",
        "none comes at 09:06 today: 2026-11-23 was reported on 2026-11-24 09:05 already, and no day comes twice",
        "`orderbell report breakfast --date 2026-11-23 --send` sends that day now",
    ] {
        assert!(said.contains(piece), "{piece}: {said}");
    }
    scene.forward(MINUTE * 5);
    scene.nothing_more(A_WHILE).await;
    assert_eq!(announced("breakfast").len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_report_whose_time_has_just_passed_says_why_it_does_not_come_today() {
    let scene = Scene::still(morning(), Rules::new()).await;
    let late = scene.hook("erp", "") + &report("brunch", "08:44", "timezone = \"Asia/Riyadh\"");
    let daemon = scene.start(&late).await;
    let said = until_announced("brunch", 1).await.remove(0);
    for piece in [
        "2026-11-25 08:44 +03:00 (Asia/Riyadh), about 2026-11-24; none comes at 08:44 today: the report is new, and a new report begins",
        "which was 2026-11-24 when it was set up; 2026-11-23 lies before that. ",
        "`orderbell report brunch --date 2026-11-23 --send` sends that day now",
    ] {
        assert!(said.contains(piece), "{piece}: {said}");
    }
    daemon.stop().await;
    // With a time that is still to come, it begins with the day before all the same: that day was not due any more.
    let soon = scene.hook("erp", "") + &report("brunch", "08:46", "");
    let daemon = scene.start(&soon).await;
    let said = until_announced("brunch", 2).await.remove(1);
    assert!(said.contains("2026-11-25 08:46") && said.contains("none comes at 08:46 today"), "{said}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_first_start_with_a_clock_that_was_behind_the_next_report_is_none_of_that_time() {
    let scene = Scene::still(morning(), Rules::new()).await;
    let config = scene.hook("erp", "") + &report("elevenses", "08:44", "");
    let daemon = scene.start(&config).await;
    until_announced("elevenses", 1).await;
    daemon.acknowledged(&placed(1, scene.hands.now())).await;
    // As if the first start had been in 1970, and the first webhook had come today.
    let behind = "UPDATE report_runs SET day = '1969-12-31'";
    assert_eq!(daemon.connection().execute(behind, []).expect("begun in 1970"), 1);
    daemon.stop().await;
    let daemon = scene.start(&config).await;
    let said = until_announced("elevenses", 2).await.remove(1);
    assert!(said.starts_with("2026-11-25 08:44 +03:00 (Asia/Riyadh), about 2026-11-24; none comes"), "{said}");
    scene.nothing_more(A_WHILE).await;
    daemon.stop().await;
}
