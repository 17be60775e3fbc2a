//! A dead man's switch: a service is called while all is well, and another address when it is not.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::Rules;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::support::log::log;
use crate::support::watching::NEVER;
use crate::support::{Daemon, Scene, in_time, keeta};

/// A service that takes calls: what came, and what it answers.
struct Service {
    address: SocketAddr,
    came: watch::Receiver<Vec<String>>,
    answer: Arc<Mutex<String>>,
}

impl Service {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (address, answer) = (listener.local_addr().expect("an address"), Arc::new(Mutex::new(status(200))));
        let (say, came) = watch::channel(Vec::new());
        let answers = answer.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { break };
                    head.push(byte);
                }
                let head = String::from_utf8(head).expect("text");
                let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
                let answer = answers.lock().expect("no panic").clone();
                let _ = stream.write_all(answer.as_bytes()).await;
                say.send_modify(|came| came.push(line));
            }
        });
        Self { address, came, answer }
    }

    fn answers(&self, answer: String) {
        *self.answer.lock().expect("no panic") = answer;
    }

    fn table(&self, more: &str) -> String {
        format!("[heartbeat]\nurl = \"http://{}/ping/hush\"\nallow_private = true\n{more}\n", self.address)
    }

    /// Waits until so many calls have come.
    async fn until(&self, calls: usize) -> Vec<String> {
        let mut came = self.came.clone();
        in_time(came.wait_for(|came| came.len() >= calls)).await.expect("it runs").clone()
    }

    /// Waits until what has come is as it should be, while time goes by from look to look.
    async fn until_in_looks(&self, scene: &Scene, is_so: impl Fn(&[String]) -> bool) -> Vec<String> {
        in_time(async {
            while !is_so(&self.came.borrow()) {
                scene.hands.forward(seconds(10));
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        })
        .await;
        self.came.borrow().clone()
    }
}

fn status(status: u16) -> String {
    format!("HTTP/1.1 {status} x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
}

/// The incidents that stand.
fn known(daemon: &Daemon) -> String {
    let sql = "SELECT coalesce(group_concat(topic || ' ' || subject ORDER BY topic, subject), '') FROM troubles";
    daemon.connection().query_row(sql, [], |row| row.get(0)).expect("a list")
}

async fn until_known(daemon: &Daemon, incident: &str) {
    in_time(async {
        while known(daemon) != incident {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

const WELL: &str = "GET /ping/hush";
const WRONG: &str = "GET /ping/hush/fail";

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_is_called_at_the_start_and_then_as_often_as_configured_and_not_at_the_end() {
    let (scene, service) = (Scene::new(Rules::new()).await, Service::start().await);
    let daemon = scene.start(&service.table("every = \"10m\"")).await;
    assert_eq!(service.until(1).await, [WELL]);
    for call in 2..4 {
        scene.hands.forward(seconds(600));
        assert_eq!(service.until(call).await, vec![WELL; call]);
    }
    daemon.stop().await;
    assert_eq!(service.came.borrow().len(), 3, "silence is the alarm");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_channel_is_parked_the_other_address_is_called_and_before_the_next_call_is_due() {
    let (scene, service) = (Scene::new(Rules::new()).await, Service::start().await);
    let route = "[[route]]\nevents = [\"order.*\"]\nto = [\"erp\"]\n";
    let text = scene.hook("erp", "") + route + &service.table("every = \"1d\"");
    let daemon = scene.start_watching(NEVER, "", &text).await;
    service.until(1).await;
    scene.sandbox.order("erp", Fault::Status { status: 401, body: String::new() }, Times::Next(1));
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    until_known(&daemon, "parked erp").await;
    assert_eq!(service.until_in_looks(&scene, |came| came.len() > 1).await, [WELL, WRONG]);
    assert!(log().contains("the heartbeat calls its fail_url reason=\"parked erp\""), "{}", log());
    // The probe is accepted.
    scene.hands.forward(seconds(700));
    scene.until_received("erp", 1).await;
    while !known(&daemon).is_empty() {
        scene.hands.forward(seconds(61));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(service.until_in_looks(&scene, |came| came.len() > 2).await, [WELL, WRONG, WELL]);
    daemon.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_does_not_run_is_said_at_the_other_address() {
    let (scene, service) = (Scene::new(Rules::new()).await, Service::start().await);
    let before_run = Arc::new(|task: &str| assert!(task != "reports", "as the test wants it"));
    let fail = format!("fail_url = \"http://{}/down?hush\"", service.address);
    let _daemon = scene.start_probed(before_run, &service.table(&fail)).await;
    service.until_in_looks(&scene, |came| came.contains(&"GET /down?hush".to_owned())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_accept_is_said_once_and_when_it_is_over_and_no_address_is_logged() {
    let (scene, service) = (Scene::new(Rules::new()).await, Service::start().await);
    let elsewhere =
        format!("HTTP/1.1 302 x\r\nLocation: http://{}/elsewhere\r\nContent-Length: 0\r\n\r\n", service.address);
    service.answers(elsewhere);
    let daemon = scene.start(&service.table("")).await;
    service.until(1).await;
    service.answers("HTTP/1.1 503 x\r\n\r\nno, not /ping/hush".to_owned());
    for call in 2..4 {
        scene.hands.forward(seconds(60));
        service.until(call).await;
    }
    service.answers(status(204));
    scene.hands.forward(seconds(60));
    assert_eq!(service.until(4).await, [WELL; 4], "a redirect is not followed");
    in_time(async {
        while !log().contains("the calls of the heartbeat are accepted again") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(log().matches("a call of the heartbeat was not accepted").count(), 1);
    assert!(log().contains("HTTP 302: a redirect is not followed"), "{}", log());
    assert_eq!(daemon.post(&keeta::placed(1, scene.hands.now())).await.status, 200);
    daemon.stop().await;
    assert!(!log().contains("hush"), "{}", log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_what_is_called_and_ends_it() {
    let (scene, service, other) = (Scene::new(Rules::new()).await, Service::start().await, Service::start().await);
    let daemon = scene.start_watching(NEVER, "", &service.table("")).await;
    service.until(1).await;
    daemon.reload("other", "", &other.table("")).await;
    other.until(1).await;
    scene.hands.forward(seconds(60));
    other.until(2).await;
    daemon.reload("none", "", "").await;
    daemon.reload("again", "", &service.table("")).await;
    assert_eq!(service.until(2).await, [WELL; 2]);
    assert_eq!(other.came.borrow().len(), 2);
    daemon.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_cannot_be_read_is_not_called_until_it_can_and_stops_nothing() {
    let (scene, service) = (Scene::new(Rules::new()).await, Service::start().await);
    let secret = scene.folder.path().join("heartbeat");
    let table = "[heartbeat]\nurl = { file = \"heartbeat\" }\nallow_private = true\n";
    std::fs::write(&secret, format!("http://{}/ping/hush", service.address)).expect("written");
    let daemon = scene.start_watching(NEVER, "", table).await;
    service.until(1).await;
    // What works is not given up for a configuration with which it would not.
    std::fs::remove_file(&secret).expect("removed");
    daemon.write("", &(keeta::source("more", "") + table));
    daemon.ask();
    in_time(async {
        while !log().contains("the new configuration is not used") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    scene.hands.forward(seconds(60));
    service.until(2).await;
    daemon.daemon.stop().await;
}
