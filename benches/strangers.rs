//! What strangers can cost a running daemon, each attack bounded and on loopback: processor time, the longest wait of a genuine
//! webhook beside it, log lines, memory, and what was accepted that should not be.
//!
//! `cargo bench --bench strangers [-- BINARY]`: of this build, or of another binary to compare with.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use orderbell::domain::event::Kind;
use orderbell::domain::sign;
use orderbell::platform::Platform;
use orderbell::platform::keeta::settings::Keeta;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ADDRESS: &str = "https://bell.example.com/hooks/keeta-hk";
const SECRET: &str = "a-secret-of-the-bench";
const MEBIBYTE: usize = 1024 * 1024;
/// What is not answered after this time is not waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon in a process of its own, with a folder of its own.
struct Daemon {
    child: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Daemon {
    async fn start(binary: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
        let text = format!(
            "[server]\nlisten = \"{address}\"\npublic_url = \"https://bell.example.com\"\n\
             [source.keeta-hk]\nplatform = \"keeta\"\napp_id = 1\napp_secret = \"{SECRET}\"\n\
             [source.licences]\nplatform = \"apsdai\"\nsecret = \"{SECRET}\"\n"
        );
        fs::write(folder.path().join("bench.toml"), text).expect("the configuration");
        let log = fs::File::create(folder.path().join("log")).expect("the log");
        let child = Command::new(binary)
            .args(["serve", "--config"])
            .arg(folder.path().join("bench.toml"))
            .env("ORDERBELL_LOG_FORMAT", "json")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the daemon starts");
        let daemon = Self { child, address, folder };
        let begun = Instant::now();
        while daemon.send(b"GET /healthz HTTP/1.1\r\nhost: bell\r\n\r\n").await.is_none() {
            assert!(begun.elapsed() < PATIENCE, "the daemon does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        daemon
    }

    /// The status of an answer, on a connection of its own.
    async fn send(&self, request: &[u8]) -> Option<u16> {
        send(self.address, request).await
    }

    /// Seconds of processor.
    fn processor(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("the process lives");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        // Fields 14 and 15 of the line; the name in parentheses is the second.
        [11, 12].map(|index| fields[index].parse::<f64>().expect("a number")).iter().sum::<f64>() / 100.0
    }

    /// MiB, of the field of this name in the process's status.
    fn memory(&self, field: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the process lives");
        let line = status.lines().find(|line| line.starts_with(field)).expect("the field");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") / 1024.0
    }

    fn log_lines(&self) -> usize {
        fs::read_to_string(self.folder.path().join("log")).map_or(0, |log| log.lines().count())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

async fn send(address: SocketAddr, request: &[u8]) -> Option<u16> {
    let sending = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(request).await.ok()?;
        read_status(&mut stream).await
    };
    tokio::time::timeout(PATIENCE, sending).await.ok()?
}

/// The status of the next answer; its body comes with it, as all of ours are short.
async fn read_status(stream: &mut TcpStream) -> Option<u16> {
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await.ok()?;
    String::from_utf8_lossy(&answer[..read]).get(9..12)?.parse().ok()
}

fn post(source: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("POST /hooks/{source} HTTP/1.1\r\nhost: bell\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn genuine(seed: u64) -> Vec<u8> {
    let keeta: Keeta = serde_json::from_str(&format!(r#"{{"app_id":1,"app_secret":"{SECRET}"}}"#)).expect("a source");
    post("keeta-hk", "", &keeta.samples(&Kind::OrderPlaced, ADDRESS, seed, Timestamp::now()).remove(0).body)
}

/// Genuine webhooks, one after another, while an attack goes on: how many were answered 200, how many otherwise or not at all,
/// and the longest wait.
async fn beside(address: SocketAddr, attack: impl Future<Output = ()>) -> String {
    let over = Arc::new(AtomicBool::new(false));
    let merchant = tokio::spawn({
        let over = over.clone();
        async move {
            let (mut seed, mut answered, mut failed, mut longest) = (0, 0, 0, Duration::ZERO);
            while !over.load(Ordering::Acquire) {
                let begun = Instant::now();
                seed += 1;
                match send(address, &genuine(seed)).await {
                    Some(200) => answered += 1,
                    _ => failed += 1,
                }
                longest = longest.max(begun.elapsed());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            format!("genuine beside it: {answered} answered, {failed} not, longest {:.2} s", longest.as_secs_f64())
        }
    });
    attack.await;
    over.store(true, Ordering::Release);
    merchant.await.expect("no panic")
}

/// Three bodies of 1 MB, each of 130 000 distinct names, unsigned.
async fn names(binary: &Path) {
    let daemon = Daemon::start(binary).await;
    let mut body = b"{".to_vec();
    (0..130_000).for_each(|n| write!(body, "\"{n:x}\":0,").expect("memory"));
    body.truncate(MEBIBYTE - 1);
    body.push(b'}');
    let before = daemon.processor();
    let said = beside(daemon.address, async {
        let request = post("keeta-hk", "", &body);
        let sends = (0..3).map(|_| daemon.send(&request));
        futures_util::future::join_all(sends).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    });
    let said = said.await;
    println!("3 × 1 MB of names        processor {:.2} s; {said}", daemon.processor() - before);
}

/// Half a head, and half a body.
const HALVES: [&[u8]; 2] =
    [b"POST /hooks/keeta-hk HT", b"POST /hooks/keeta-hk HTTP/1.1\r\nhost: bell\r\ncontent-length: 9\r\n\r\n{"];

/// Connections that send half a request and are opened anew as they are closed.
async fn half_open(binary: &Path) {
    let daemon = Daemon::start(binary).await;
    let (address, end) = (daemon.address, Instant::now() + Duration::from_secs(12));
    let opened = Arc::new(AtomicU64::new(0));
    let said = beside(address, async {
        let attackers = (0..2500).map(|number| {
            let opened = opened.clone();
            tokio::spawn(async move {
                while Instant::now() < end {
                    if let Ok(mut stream) = TcpStream::connect(address).await {
                        opened.fetch_add(1, Ordering::Relaxed);
                        let _ = stream.write_all(HALVES[number % 2]).await;
                        let _ = tokio::time::timeout(end - Instant::now().min(end), stream.read(&mut [0; 64])).await;
                    }
                }
            })
        });
        futures_util::future::join_all(attackers.collect::<Vec<_>>()).await;
    });
    let said = said.await;
    println!("2 500 half-open, 12 s    {} opened; {said}", opened.load(Ordering::Relaxed));
}

/// One used token of APSDAI's under other events and with other bodies, a minute later.
async fn replay(binary: &Path) {
    let daemon = Daemon::start(binary).await;
    let ms = Timestamp::now().as_millisecond() - 60_000;
    let request = |event: &str, body: &str| {
        let token = sign::apsdai_token(SECRET, ms);
        let headers = format!("x-apsdai-token: {token}\r\nx-apsdai-timestamp: {ms}\r\nx-apsdai-event: {event}\r\n");
        post("licences", &headers, body.as_bytes())
    };
    let first = daemon.send(&request("order_pay_hook", "{\"order_no\":\"A1\"}")).await;
    let known =
        ["create", "finish", "cancel", "refund", "out_of_stock", "gift"].map(|name| format!("order_{name}_hook"));
    let made_up = (0..500).map(|n| format!("made_up_{n}_hook"));
    let mut taken = 0;
    for event in
        known.into_iter().chain(["stock_alarm_hook".to_owned(), "key_stock_alarm_hook".to_owned()]).chain(made_up)
    {
        taken += usize::from(daemon.send(&request(&event, "{\"order_no\":\"B1\"}")).await == Some(200));
    }
    println!("a used token, 508 times  genuine answered {first:?}; forged ones accepted: {taken}");
}

/// Badly signed requests on one connection.
async fn log_flood(binary: &Path) {
    let daemon = Daemon::start(binary).await;
    let request = post("keeta-hk", "", genuine_body_of_another_secret().as_bytes());
    let (lines, begun) = (daemon.log_lines(), Instant::now());
    let mut stream = TcpStream::connect(daemon.address).await.expect("a connection");
    for _ in 0..20_000 {
        stream.write_all(&request).await.expect("sent");
        assert_eq!(read_status(&mut stream).await, Some(401));
    }
    let seconds = begun.elapsed().as_secs_f64();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    println!("20 000 badly signed      in {seconds:.1} s; log lines: {}", daemon.log_lines() - lines);
}

fn genuine_body_of_another_secret() -> String {
    let keeta: Keeta = serde_json::from_str(r#"{"app_id":1,"app_secret":"another"}"#).expect("a source");
    let sample = keeta.samples(&Kind::OrderAccepted, ADDRESS, 1, Timestamp::now()).remove(0);
    String::from_utf8(sample.body).expect("text")
}

/// Bodies of 1 MiB, all of them sent but for their last byte, and then that.
async fn memory(binary: &Path) {
    let daemon = Daemon::start(binary).await;
    let idle = daemon.memory("VmRSS");
    let address = daemon.address;
    let body = [b"{\"sig\":\"".to_vec(), vec![b'x'; MEBIBYTE - 10], b"\"}".to_vec()].concat();
    let request: Arc<[u8]> = post("keeta-hk", "", &body).into();
    let said = beside(address, async {
        let senders = (0..130).map(|_| {
            let request = request.clone();
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.ok()?;
                let (before, last) = request.split_at(request.len() - 1);
                stream.write_all(before).await.ok()?;
                tokio::time::sleep(Duration::from_secs(1)).await;
                stream.write_all(last).await.ok()?;
                tokio::time::timeout(PATIENCE, read_status(&mut stream)).await.ok()?
            })
        });
        futures_util::future::join_all(senders.collect::<Vec<_>>()).await;
    });
    let said = said.await;
    let peak = daemon.memory("VmHWM");
    println!("130 × 1 MiB at once      resident {idle:.0} MiB idle, {peak:.0} MiB at its peak; {said}");
}

fn main() {
    let own = PathBuf::from(env!("CARGO_BIN_EXE_orderbell"));
    let binary = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).map_or(own, PathBuf::from);
    let limit = getrlimit(Resource::Nofile);
    // The half-open connections are this process's, too; the daemon inherits the limit that was.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        println!("{}", binary.display());
        names(&binary).await;
        half_open(&binary).await;
        replay(&binary).await;
        log_flood(&binary).await;
        memory(&binary).await;
    });
}
