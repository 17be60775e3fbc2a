//! The real program on a configuration file, started and cut off as often as a test likes, beside receivers in the test.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use orderbell::sandbox::rules::Rules;

use crate::support::address::own_address;
use crate::support::{Answer, Scene, TOO_LONG, get, keeta, request, whole};

pub const OWNER: &str = "[operator]\nto = [\"owner\"]\n";
pub const ROUTE: &str = "[[route]]\nevents = [\"order.*\"]\nto = [\"erp\"]\n";

/// A folder with a configuration, and its receivers `erp` and `owner`.
pub struct House {
    pub scene: Scene,
    pub address: SocketAddr,
    pub file: PathBuf,
    pub variables: BTreeMap<String, String>,
    pub state: Option<PathBuf>,
}

/// A running daemon; dropping it is `kill -9`.
pub struct Serving {
    child: Child,
    log: PathBuf,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log")
    }

    pub fn hang_up(&self) {
        let pid = self.child.id();
        let sent = Command::new("sh").args(["-c", &format!("kill -HUP {pid}")]).status().expect("a shell");
        assert!(sent.success());
    }
}

impl House {
    pub async fn new() -> Self {
        let scene = Scene::new(Rules::new()).await;
        let address = own_address();
        let file = scene.folder.path().join("orderbell.toml");
        Self { scene, address, file, variables: BTreeMap::new(), state: None }
    }

    /// A whole configuration with `more` behind the receivers.
    pub fn text(&self, top: &str, more: &str) -> String {
        let receivers = [self.scene.hook("erp", ""), self.scene.robot("owner", "")].concat();
        let text = whole(top, &format!("{receivers}{more}{OWNER}"));
        text.replace("[server]", &format!("[server]\nlisten = \"{}\"", self.address))
    }

    pub fn good(&self) -> String {
        self.text("", ROUTE)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scene.folder.path().join(name)
    }

    pub fn write(&self, text: &str) {
        self.clear();
        std::fs::write(&self.file, text).expect("written");
    }

    /// Takes away whatever lies where the configuration should.
    pub fn clear(&self) {
        let _ = std::fs::remove_file(&self.file);
        let _ = std::fs::remove_dir_all(&self.file);
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
        command.args(arguments).arg("--config").arg(&self.file).stdin(Stdio::null()).envs(&self.variables);
        for name in ["ORDERBELL_CONFIG", "ORDERBELL_LOG", "ORDERBELL_LOG_FORMAT", "STATE_DIRECTORY"] {
            command.env_remove(name);
        }
        if let Some(state) = &self.state {
            command.env("STATE_DIRECTORY", state);
        }
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("it runs")
    }

    /// How a start that must not succeed ends, and what it says.
    pub async fn refused(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let log = self.path("refused.log");
        let mut child =
            self.command(arguments).stderr(std::fs::File::create(&log).expect("a file")).spawn().expect("it starts");
        let deadline = Instant::now() + TOO_LONG;
        let status = loop {
            match child.try_wait().expect("a child") {
                Some(status) => break status.code(),
                None if Instant::now() > deadline => break None,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        let _ = child.kill();
        let _ = child.wait();
        let said = std::fs::read_to_string(&log).expect("a log");
        (status, unbroken(&said))
    }

    /// Starts the daemon and waits until it answers.
    pub async fn serve(&self) -> Serving {
        let log = self.path(&format!("{}.log", Timestamp::now().as_nanosecond()));
        let to = std::fs::File::create(&log).expect("a file");
        let child = self.command(&["serve"]).stdout(Stdio::null()).stderr(to).spawn().expect("it starts");
        let mut serving = Serving { child, log };
        let deadline = Instant::now() + TOO_LONG;
        loop {
            if let Some(status) = serving.child.try_wait().expect("a child") {
                panic!("it does not start ({status}):\n{}", serving.log());
            }
            let up = tokio::net::TcpStream::connect(self.address).await.is_ok();
            if up && get(self.address, "/healthz").await.status == 200 {
                return serving;
            }
            assert!(Instant::now() < deadline, "it does not answer:\n{}", serving.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn post(&self, source: &str, number: u64) -> Answer {
        let path = format!("/hooks/{source}");
        request(self.address, "POST", &path, &keeta::placed(number, Timestamp::now())).await
    }

    /// Posts an order to the source `keeta`, and waits until `erp` has so many.
    pub async fn order_arrives(&self, number: u64, count: usize) {
        let answer = self.post("keeta", number).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, keeta::RECEIVED), "order {number}");
        assert_eq!(self.scene.until_received("erp", count).await.len(), count);
    }

    /// Waits until the operator has read a notice in which all of this stands; answers how many such there are.
    pub async fn until_notified(&self, words: &[&str]) -> usize {
        let deadline = Instant::now() + TOO_LONG;
        loop {
            let found = self.notified(words);
            if found > 0 {
                return found;
            }
            let all: Vec<_> = self.scene.received("owner").into_iter().map(|received| received.body).collect();
            assert!(Instant::now() < deadline, "no notice with {words:?} in {all:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn notified(&self, words: &[&str]) -> usize {
        let has = |body: &str| words.iter().all(|word| body.contains(word));
        self.scene.received("owner").into_iter().filter(|received| has(&received.body.replace('\\', ""))).count()
    }

    /// Waits until this stands in the log.
    pub async fn until_log(&self, daemon: &Serving, words: &str) {
        let deadline = Instant::now() + TOO_LONG;
        while !daemon.log().contains(words) {
            assert!(Instant::now() < deadline, "no {words} in:\n{}", daemon.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Runs well for a moment, and is cut off.
    pub async fn begin(&self, text: &str) {
        self.write(text);
        drop(self.serve().await);
    }
}

pub fn said(output: &Output) -> String {
    unbroken(&format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

/// Problems are broken into lines between any two words.
fn unbroken(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
