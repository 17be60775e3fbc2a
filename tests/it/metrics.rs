//! `/metrics`: what it counts, under which names and labels, and what Prometheus' own tool says of it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use orderbell::sandbox::rules::Rules;
use serde_json::Value;

use crate::admin::{ask, until};
use crate::support::untested::say;
use crate::support::{Daemon, Scene, keeta, of};

const LOCAL: [(&str, &str); 1] = [("Host", "localhost")];

async fn page(daemon: &Daemon) -> String {
    let answer = ask(daemon.admin(), "GET /metrics", &LOCAL, b"").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.to_lowercase().contains("content-type: text/plain; version=0.0.4"), "{answer:?}");
    answer.body
}

#[track_caller]
fn value(page: &str, sample: &str) -> f64 {
    let found = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {sample} in\n{page}")).parse().expect("a number")
}

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// One channel that works, and one of which the receiver knows nothing.
async fn busy() -> (Scene, Daemon) {
    let scene = Scene::new(Rules::new().strict().robot("kitchen", Default::default())).await;
    let channels = [scene.robot("kitchen", ""), scene.robot("gone", "")].concat();
    let routes = "[[route]]\nevents = [\"order.*\"]\nto = [\"kitchen\", \"gone\"]\n[report.daily]\nat = \"23:00\"\nto = [\"kitchen\"]\n";
    let daemon = scene.start(&format!("[admin]\n{channels}{routes}")).await;
    let order = keeta::placed(1, scene.hands.now());
    daemon.acknowledged(&order).await;
    daemon.acknowledged(&order).await;
    daemon.acknowledged(b"{}").await;
    assert_eq!(daemon.post(b"{\"sig\":\"hush\"}").await.status, 401);
    assert_eq!(daemon.post_to("stranger\"s", b"{}").await.status, 404);
    daemon.until(|rows| of(rows, "kitchen").iter().all(|row| row.state == "delivered")).await;
    (scene, daemon)
}

#[tokio::test]
async fn what_happens_is_counted_under_the_names_of_the_configuration() {
    let (_scene, daemon) = busy().await;
    let parked = "orderbell_channel_parked{channel=\"gone\"}";
    let page = until(async || Some(page(&daemon).await).filter(|page| value(page, parked) == 1.0)).await;
    for (sample, expected) in [
        ("orderbell_ready", 1.0),
        ("orderbell_webhooks_total{source=\"keeta\",result=\"recorded\"}", 1.0),
        ("orderbell_webhooks_total{source=\"keeta\",result=\"duplicate\"}", 1.0),
        ("orderbell_webhooks_total{source=\"keeta\",result=\"heartbeat\"}", 1.0),
        ("orderbell_webhooks_total{source=\"keeta\",result=\"refused\"}", 1.0),
        ("orderbell_webhooks_total{source=\"keeta\",result=\"not_stored\"}", 0.0),
        ("orderbell_acknowledgement_seconds_count", 3.0),
        ("orderbell_acknowledgement_seconds_bucket{le=\"+Inf\"}", 3.0),
        ("orderbell_deliveries_total{channel=\"kitchen\",result=\"delivered\"}", 1.0),
        ("orderbell_deliveries_total{channel=\"gone\",result=\"delivered\"}", 0.0),
        ("orderbell_delivery_attempts_total{channel=\"kitchen\",outcome=\"delivered\"}", 1.0),
        ("orderbell_delivery_attempts_total{channel=\"gone\",outcome=\"misconfigured\"}", 1.0),
        ("orderbell_webhook_to_delivered_seconds_count{channel=\"kitchen\"}", 1.0),
        ("orderbell_waiting_deliveries{channel=\"kitchen\"}", 0.0),
        ("orderbell_waiting_deliveries{channel=\"gone\"}", 1.0),
        ("orderbell_oldest_waiting_seconds{channel=\"kitchen\"}", 0.0),
        ("orderbell_report_runs_total{report=\"daily\",result=\"made\"}", 0.0),
    ] {
        assert_eq!(value(&page, sample), expected, "{sample}\n{page}");
    }
    assert!(value(&page, "orderbell_commit_jobs_count") >= 3.0, "{page}");
    assert!(value(&page, "orderbell_commit_duration_seconds_sum") > 0.0, "{page}");
    assert!(!page.contains("stranger") && !page.contains("hush"), "{page}");
    daemon.stop().await;
}

/// The page without the values, which are another each time.
fn names(page: &str) -> String {
    let name = |line: &str| match line.starts_with('#') {
        true => line.to_owned(),
        false => line.rsplit_once(' ').expect("a sample").0.to_owned(),
    };
    let names: Vec<String> = page.lines().map(name).collect();
    names.join("\n").replace(env!("CARGO_PKG_VERSION"), "VERSION") + "\n"
}

#[tokio::test]
async fn names_and_labels_stay_as_they_are() {
    let (_scene, daemon) = busy().await;
    let (page, golden) = (names(&page(&daemon).await), file("tests/golden/metrics.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &page).expect("written");
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(page == expected, "dashboards and alerts stand on them; UPDATE_GOLDEN=1 accepts:\n{page}");
    daemon.stop().await;
}

/// What Prometheus' tool prints; `None` where it is not there, which is said.
fn promtool(arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            say(&format!("promtool {}, because it cannot be run: {error}", arguments.join(" ")));
            return None;
        }
    };
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

#[tokio::test]
async fn the_tool_of_prometheus_finds_nothing_wrong_with_the_metrics() {
    let (_scene, daemon) = busy().await;
    let page = page(&daemon).await;
    daemon.stop().await;
    let Some((is_right, said)) = promtool(&["check", "metrics"], &page) else { return };
    assert!(is_right && said.trim().is_empty(), "{said}\n{page}");
    let (is_right, _) =
        promtool(&["check", "metrics"], "# TYPE orderbell_x counter\norderbell_x 1\n").expect("it is there");
    assert!(!is_right, "it sees what is wrong");
}

#[test]
fn the_tool_of_prometheus_finds_nothing_wrong_with_the_alerts() {
    let alerts = file("packaging/prometheus/alerts.yaml");
    let alerts = alerts.to_str().expect("a path");
    let Some((is_right, said)) = promtool(&["check", "rules", alerts], "") else { return };
    assert!(is_right && said.contains("SUCCESS"), "{said}");
    let tests = file("packaging/prometheus/alerts.test.yaml");
    let (is_right, said) = promtool(&["test", "rules", tests.to_str().expect("a path")], "").expect("it is there");
    assert!(is_right, "{said}");
}

/// Every name of ours in a text.
fn mentioned(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("orderbell_")).collect()
}

#[test]
fn alerts_dashboard_and_page_name_no_metric_that_is_not_there() {
    let golden = std::fs::read_to_string(file("tests/golden/metrics.txt")).expect("it is there");
    let known = mentioned(&golden);
    let mut named = 0;
    for path in ["packaging/prometheus/alerts.yaml", "packaging/grafana/orderbell.json", "docs/monitoring.md"] {
        let text = std::fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        for name in mentioned(&text) {
            named += 1;
            assert!(known.contains(&name), "{path} names {name}");
        }
    }
    assert!(named > 40, "only {named}");
    let page = std::fs::read_to_string(file("docs/monitoring.md")).expect("it is there");
    let families = golden.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let missing: Vec<&str> = families.filter(|name| !page.contains(name)).collect();
    assert!(missing.is_empty(), "docs/monitoring.md does not explain {missing:?}");
}

#[test]
fn the_dashboard_is_one_that_grafana_imports() {
    let text = std::fs::read_to_string(file("packaging/grafana/orderbell.json")).expect("it is there");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(dashboard["uid"], "orderbell");
    let panels = dashboard["panels"].as_array().expect("panels");
    assert!(panels.len() >= 8);
    let mut ids: Vec<i64> = panels.iter().map(|panel| panel["id"].as_i64().expect("an id")).collect();
    ids.dedup();
    assert_eq!(ids.len(), panels.len());
    for panel in panels {
        assert!(panel["title"].is_string() && panel["targets"][0]["expr"].is_string(), "{panel}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
    }
}
