//! The built program itself as a daemon of its own process: it can be killed at any moment, and what it logs is in a file.

use std::ffi::OsString;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, TOO_LONG, keeta, request};

/// A running `orderbell serve`; dropping it kills it.
pub struct Program {
    child: Child,
    pub address: SocketAddr,
    log: PathBuf,
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A configuration with the source `keeta` and its store at `store`, relative to the folder.
pub fn configuration(address: SocketAddr, store: &str, text: &str) -> String {
    format!(
        "timezone = \"Asia/Riyadh\"\ncurrency = \"SAR\"\n[server]\nlisten = \"{address}\"\npublic_url = \"{}\"\n[store]\nurl = \"sqlite:{store}\"\n{}\n{text}",
        keeta::PUBLIC,
        keeta::source("keeta", ""),
    )
}

impl Program {
    /// Starts the program on a free port, with its configuration and log in `folder`, and waits until it answers.
    pub async fn start(folder: &Path, store: &str, text: &str) -> Self {
        match Self::try_start(folder, store, text).await {
            Ok(program) => program,
            Err((status, log)) => panic!("the daemon ended by itself: {status}\n{log}"),
        }
    }

    /// As [`Program::start`]; answers how it ended and what it logged where it does not start.
    pub async fn try_start(folder: &Path, store: &str, text: &str) -> Result<Self, (ExitStatus, String)> {
        Self::spawn(folder, store, text).answering().await
    }

    /// Waits until it answers, and its address is known.
    pub async fn answering(self) -> Result<Self, (ExitStatus, String)> {
        let mut program = self;
        let begun = Instant::now();
        loop {
            if let Some(status) = program.child.try_wait().expect("a child") {
                return Err((status, program.log()));
            }
            // It says where it listens, and then opens its store.
            let log = program.log();
            let address = log.split("taken at http://").nth(1).and_then(|rest| rest.split('/').next());
            if let Some(address) = address.and_then(|address| address.parse().ok()) {
                program.address = address;
                if is_alive(address).await {
                    return Ok(program);
                }
            }
            assert!(begun.elapsed() < TOO_LONG, "the daemon does not answer: {log}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// As [`Program::start`], without waiting for anything; its address is not known.
    pub fn spawn(folder: &Path, store: &str, text: &str) -> Self {
        Self::spawn_with(folder, store, text, &[])
    }

    /// As [`Program::spawn`], with environment variables.
    pub fn spawn_with(folder: &Path, store: &str, text: &str, variables: &[(&str, OsString)]) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        std::fs::write(folder.join("orderbell.toml"), configuration(address, store, text)).expect("written");
        let log = folder.join("log.txt");
        let child = Command::new(env!("CARGO_BIN_EXE_orderbell"))
            .args(["--config", "orderbell.toml", "serve"])
            .current_dir(folder)
            .envs(variables.iter().map(|(name, value)| (*name, value)))
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a log"))
            .spawn()
            .expect("the program starts");
        Self { child, address, log }
    }

    pub async fn post(&self, body: &[u8]) -> Answer {
        request(self.address, "POST", "/hooks/keeta", body).await
    }

    /// Posts a body that must be acknowledged.
    pub async fn acknowledged(&self, body: &[u8]) {
        let answer = self.post(body).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, keeta::RECEIVED), "{}", self.log());
    }

    /// Posts a body until it is acknowledged.
    pub async fn until_acknowledged(&self, body: &[u8]) {
        let begun = Instant::now();
        loop {
            let answer = self.post(body).await;
            if answer.status == 200 {
                return;
            }
            assert_eq!(answer.status, 503, "{answer:?}");
            assert!(begun.elapsed() < TOO_LONG, "it was never acknowledged: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until the log has these words.
    pub async fn until_logged(&self, words: &str) {
        let begun = Instant::now();
        while !self.log().contains(words) {
            assert!(begun.elapsed() < TOO_LONG, "the log does not say {words:?}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends it with SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    pub fn signal(&self, name: &str) {
        let (signal, pid) = (format!("-{name}"), self.child.id().to_string());
        assert!(Command::new("kill").args([signal, pid]).status().expect("kill").success());
    }

    /// Ends it with SIGTERM. Answers all that it has logged.
    pub async fn stop(mut self) -> String {
        self.signal("TERM");
        let status = self.ended().await;
        let log = self.log();
        assert!(status.success(), "{status}: {log}");
        log
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(begun.elapsed() < TOO_LONG, "it does not end: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Whether somebody answers there. Who is about to end answers nothing, or cuts the connection.
async fn is_alive(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else { return false };
    let mut answer = [0; 15];
    let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: bell\r\nConnection: close\r\n\r\n").await;
    asked.is_ok() && stream.read_exact(&mut answer).await.is_ok() && answer == *b"HTTP/1.1 200 OK"
}

/// The numbers of the orders of which the store holds an event.
pub fn orders(store: &Path) -> Vec<u64> {
    let connection = Connection::open(store).expect("the store opens");
    let sql = "SELECT DISTINCT order_number FROM events WHERE order_number IS NOT NULL ORDER BY seq";
    let mut select = connection.prepare(sql).expect("a statement");
    let numbers = select.query_map([], |row| row.get::<_, String>(0)).expect("rows");
    numbers.map(|number| number.expect("a number").parse().expect("digits")).collect()
}
