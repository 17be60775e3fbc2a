//! Tasks that must run: one that ends is started again and said loudly, `/healthz` says which does not run, and where starting
//! does not help, the daemon stops with an error.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use orderbell::app::start_error::StartError;
use orderbell::app::{self, Listeners};
use orderbell::flow::Clock;
use orderbell::flow::health::HealthCheck;
use orderbell::flow::supervisor::{BeforeRun, Supervisor};
use orderbell::sandbox::rules::Rules;
use rusqlite::Connection;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support;
use crate::support::log::log;
use crate::support::stores;
use crate::support::{Scene, TOO_LONG, get, in_time, keeta};

const TASKS: [&str; 12] = [
    "accept loop",
    "backups",
    "channel erp",
    "configuration",
    "heartbeat",
    "refused webhooks",
    "reports",
    "settings check",
    "store",
    "upkeep",
    "wake-ups",
    "watch",
];

type Runs = Arc<Mutex<BTreeMap<String, u32>>>;

/// Makes a task panic at its first runs, as often as `panics` says of it; counts the runs.
fn panicking(panics: impl Fn(&str) -> u32 + Send + Sync + 'static) -> (BeforeRun, Runs) {
    let runs = Runs::default();
    let counted = runs.clone();
    let before_run = move |task: &str| {
        let run = {
            let mut runs = counted.lock().expect("no panic under the lock");
            let run = runs.entry(task.to_owned()).or_default();
            *run += 1;
            *run
        };
        assert!(run > panics(task), "as the test wants it");
    };
    (Arc::new(before_run), runs)
}

fn channels(scene: &Scene) -> String {
    let route = "[[route]]\nevents = [\"order.*\"]\nto = [\"erp\"]\n[operator]\nto = [\"erp\"]\n";
    format!("{}{route}", scene.hook("erp", ""))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_task_that_panics_is_started_again_and_its_work_is_done() {
    let scene = Scene::new(Rules::new()).await;
    let (before_run, runs) = panicking(|_| 2);
    let daemon = scene.start_probed(before_run, &channels(&scene)).await;
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    // The order, and of each task a notice; those of one moment may share a message with nobody, this being a program.
    let received = scene.until_received("erp", 1 + TASKS.len()).await;
    for task in TASKS {
        let about = |text: &str| text.contains("restarted") && text.contains(task) && text.contains("by a panic");
        assert!(received.iter().any(|message| about(&message.body)), "{task}");
        assert!(log().contains(&format!("task=\"{task}\"")), "{task}");
    }
    let runs = runs.lock().expect("no panic under the lock").clone();
    assert_eq!(runs, TASKS.iter().map(|task| ((*task).to_owned(), 3)).collect());
    assert_eq!(get(daemon.address, "/healthz").await.status, 200);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn healthz_says_which_task_does_not_run_and_webhooks_are_taken_all_the_same() {
    let scene = Scene::new(Rules::new()).await;
    let (before_run, _) = panicking(|task| if task == "reports" { u32::MAX } else { 0 });
    let (text, shutdown) = (channels(&scene), CancellationToken::new());
    let hooks = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = hooks.local_addr().expect("an address");
    let (config, clock) = (scene.config(&text), scene.hands.clock());
    let run = app::run_probed(config, Listeners { hooks, admin: None }, clock, None, before_run, shutdown.clone());
    let running = tokio::spawn(run);
    let answer = in_time(async {
        loop {
            let answer = get(address, "/healthz").await;
            if answer.status == 503 {
                return answer;
            }
        }
    })
    .await;
    assert!(answer.body.starts_with("the task \"reports\" does not run since 20"), "{answer:?}");
    assert_eq!(answer.body.lines().count(), 1);
    let body = keeta::placed(1, scene.hands.now());
    assert_eq!(support::request(address, "POST", "/hooks/keeta", &body).await.status, 200);
    scene.until_received("erp", 1).await;
    shutdown.cancel();
    running.await.expect("no panic").expect("a stop that was asked for is no failure");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_always_panics_stops_the_daemon_with_an_error_that_names_it() {
    let scene = Scene::new(Rules::new()).await;
    let (before_run, _) = panicking(|task| if task == "watch" { u32::MAX } else { 0 });
    let hooks = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (config, clock, shutdown) = (scene.config(&channels(&scene)), scene.hands.clock(), CancellationToken::new());
    // While the daemon waits for the thread of its store, the paused clock runs; between the runs of a task it is exact.
    let begun = Arc::new(Mutex::new(Vec::new()));
    let before_run = {
        let begun = begun.clone();
        let noted = move |task: &str| {
            if task == "watch" {
                begun.lock().expect("no panic under the lock").push(tokio::time::Instant::now());
            }
            before_run(task);
        };
        Arc::new(noted)
    };
    let ended =
        app::run_probed(config, Listeners { hooks, admin: None }, clock, None, before_run, shutdown.clone()).await;
    assert!(matches!(&ended, Err(StartError::GivenUp { task }) if task == "watch"), "{ended:?}");
    assert!(!shutdown.is_cancelled(), "nobody asked for it");
    let begun = begun.lock().expect("no panic under the lock");
    let took = begun[begun.len() - 1] - begun[0];
    assert!(took >= Duration::from_secs(60) && took < Duration::from_secs(66), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_does_not_answer_is_said_and_asked_by_one_of_many() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bell.db");
    let store = stores::open(&path, Timestamp::now()).expect("the store opens");
    let supervisor = Supervisor::new(Clock::system(), &CancellationToken::new());
    let health = HealthCheck::new(supervisor, store.clone(), Clock::system()).within(Duration::from_millis(300));
    assert_eq!(health.reason().await, None);
    let health = Arc::new(health);
    let other = Connection::open(&path).expect("the store opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock is free");
    let reason = async |wanted: bool| {
        let deadline = Instant::now() + TOO_LONG;
        loop {
            let reason = health.reason().await;
            if reason.is_some() == wanted {
                return reason;
            }
            assert!(Instant::now() < deadline, "{reason:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let said = reason(true).await.expect("it does not answer");
    assert!(said.starts_with("the thread that writes the store does not answer since 20"), "{said}");
    let asking: Vec<_> = (0..2000)
        .map(|_| {
            tokio::spawn({
                let health = health.clone();
                async move { health.reason().await }
            })
        })
        .collect();
    for asked in asking {
        assert_eq!(asked.await.expect("no panic").as_deref(), Some(said.as_str()));
    }
    other.execute_batch("COMMIT").expect("the lock is given back");
    assert_eq!(reason(false).await, None);
}
