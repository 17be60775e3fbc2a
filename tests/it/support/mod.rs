//! The whole daemon for a test: started on a free port beside simulated receivers, with a clock that the test moves, its
//! log in memory, and a client that sends whatever bytes the test likes.

pub mod address;
pub mod binary;
pub mod cases;
mod come;
pub mod echo;
pub mod keeta;
pub mod kept;
pub mod log;
pub mod mutations;
pub mod payload;
pub mod proxy;
pub mod running;
pub mod snapshots;
pub mod start;
pub mod stores;
pub mod untested;
pub mod watching;

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use orderbell::app::start_error::StartError;
use orderbell::config::configured::Config;
use orderbell::config::context::{LoadContext, languages};
use orderbell::config::read_text;
use orderbell::flow::Clock;
use orderbell::sandbox::Sandbox;
use orderbell::sandbox::rules::Rules;
use orderbell::sandbox::smtp::MailServer;
use orderbell::store::Store;
use orderbell::store::history::list::DeliveryRow;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::log::Log;

/// Longer than anything here takes, also on a machine with much else to do; a test that waits so long has failed.
pub const TOO_LONG: Duration = Duration::from_secs(120);
/// How long a test waits to see that nothing more comes. A worker looks at the store every second.
pub const A_WHILE: Duration = Duration::from_millis(1500);

/// A clock that the test can put forward; it goes on by itself, or stands still in between.
#[derive(Clone)]
pub struct Hands {
    base: Timestamp,
    /// Where the clock goes on by itself.
    begun: Option<Instant>,
    ahead_ms: Arc<AtomicI64>,
}

impl Hands {
    fn at(base: Timestamp) -> Self {
        Self { begun: Some(Instant::now()), ..Self::still(base) }
    }

    fn still(base: Timestamp) -> Self {
        Self { base, begun: None, ahead_ms: Arc::default() }
    }

    pub fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_millis(self.ahead_ms.load(Ordering::Acquire));
        let passed = self.begun.map_or(Duration::ZERO, |begun| begun.elapsed());
        self.base + ahead + SignedDuration::try_from(passed).expect("a short test")
    }

    pub fn forward(&self, by: SignedDuration) {
        self.ahead_ms.fetch_add(i64::try_from(by.as_millis()).expect("a short time"), Ordering::AcqRel);
    }

    pub fn clock(&self) -> Clock {
        let hands = self.clone();
        Clock::new(move || hands.now())
    }
}

/// What surrounds a daemon: its folder, its receivers and its clock. It outlives the daemon, so that another may follow.
pub struct Scene {
    pub folder: TempDir,
    pub sandbox: Sandbox,
    pub hands: Hands,
    _log: Arc<Log>,
}

impl Scene {
    /// With the real time, which the receivers check signatures by.
    pub async fn new(rules: Rules) -> Self {
        Self::at(Timestamp::now(), rules).await
    }

    /// Begins at a time of the test's choice: for receivers that check no signatures.
    pub async fn at(base: Timestamp, rules: Rules) -> Self {
        let log = log::keep();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, sandbox: Sandbox::start(listener, rules), hands: Hands::at(base), _log: log }
    }

    /// As [`Scene::at`], and time passes only when the test puts the clock forward: however slow the machine is, nothing
    /// falls due before.
    pub async fn still(base: Timestamp, rules: Rules) -> Self {
        Self { hands: Hands::still(base), ..Self::at(base, rules).await }
    }

    /// The configuration in which `channels` get what `routes` say, in the daemon's own words.
    pub fn config(&self, text: &str) -> Config {
        self.config_in(self.folder.path(), text)
    }

    pub fn config_in(&self, folder: &Path, text: &str) -> Config {
        let text = whole("", text);
        let file = folder.join("orderbell.toml");
        let context = LoadContext {
            file: &file,
            env: &|_| None,
            languages: languages(),
            secrets: orderbell::config::context::SecretReading::Read,
        };
        match read_text(&text, &context) {
            Ok(loaded) => loaded.config,
            Err(problems) => panic!("{problems:#?}\n{text}"),
        }
    }

    /// A robot of the sandbox as a channel of the same name.
    pub fn robot(&self, name: &str, more: &str) -> String {
        let (url, more) = (self.sandbox.robot_url(name), paced(more));
        format!("[channel.{name}]\nkind = \"dingtalk\"\nwebhook = \"{url}\"\nallow_private = true\n{more}\n")
    }

    /// Opens the simulated mail server, and a channel of this name that mails from `bell@orderbell.test` through it.
    pub async fn mailbox(&self, name: &str, post: MailServer, to: &str, more: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = self.sandbox.serve_mail(listener, post);
        let mail = "from = \"Harbour Noodle House <bell@orderbell.test>\"";
        format!("[channel.{name}]\nkind = \"email\"\nsmtp = \"smtp+plain://{address}\"\n{mail}\nto = {to}\n{more}\n")
    }

    /// A WeCom robot of the sandbox as a channel of the same name.
    pub fn wecom(&self, name: &str, more: &str) -> String {
        let (url, more) = (self.sandbox.wecom_url(name), paced(more));
        format!("[channel.{name}]\nkind = \"wecom\"\nwebhook = \"{url}\"\nallow_private = true\n{more}\n")
    }

    /// A receiver of the sandbox as a channel of the same name.
    pub fn hook(&self, name: &str, more: &str) -> String {
        let url = self.sandbox.hook_url(name);
        format!("[channel.{name}]\nkind = \"webhook\"\nurl = \"{url}\"\nallow_private = true\n{more}\n")
    }

    /// Puts the clock forward, and that of the receivers with it.
    pub fn forward(&self, by: SignedDuration) {
        self.hands.forward(by);
        self.sandbox.set_clock_ahead(self.hands.now().duration_since(Timestamp::now()));
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("bell.db")
    }
}

/// Most tests are about something else than the robots' allowance, which their receivers do not keep either.
fn paced(more: &str) -> String {
    let rate = if more.contains("rate =") { "" } else { "rate = { per = \"1s\", count = 10000 }\n" };
    format!("{rate}{more}")
}

/// A configuration file with the source `keeta`; `top` stands before all tables.
pub fn whole(top: &str, text: &str) -> String {
    format!(
        "timezone = \"Asia/Riyadh\"\ncurrency = \"SAR\"\n{top}\n[server]\npublic_url = \"{}\"\n[store]\nurl = \"sqlite:bell.db\"\n{}\n{text}",
        keeta::PUBLIC,
        keeta::source("keeta", ""),
    )
}

/// A zone where it is about noon now, so that no midnight comes by while a test runs by the real clock.
pub fn noon_zone(now: Timestamp) -> String {
    let ahead = 12 - now.to_zoned(TimeZone::UTC).hour();
    // Their signs are the other way round.
    if ahead >= 0 { format!("Etc/GMT-{ahead}") } else { format!("Etc/GMT+{}", -ahead) }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// A running daemon; dropping it cuts it off.
pub struct Daemon {
    pub address: SocketAddr,
    /// Where the admin listener is, where `[admin]` is configured.
    pub admin: Option<SocketAddr>,
    pub shutdown: CancellationToken,
    pub task: JoinHandle<Result<(), StartError>>,
    store: PathBuf,
    reader: Arc<dyn Store>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.task.abort();
    }
}

impl Daemon {
    async fn new(
        address: SocketAddr,
        shutdown: CancellationToken,
        mut task: JoinHandle<Result<(), StartError>>,
        store: &Path,
    ) -> Self {
        let alive = async {
            // Nothing is refused: the socket listens already. A task that has just been started again may count as down.
            while get(address, "/healthz").await.status != 200 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = in_time(alive) => {}
            ended = &mut task => panic!("the daemon did not start: {ended:?}"),
        }
        let reader = stores::open_beside(store).expect("the store is there");
        Self { address, admin: None, shutdown, task, store: store.to_owned(), reader }
    }

    fn with_admin(mut self, admin: Option<SocketAddr>) -> Self {
        self.admin = admin;
        self
    }

    /// The address of the admin listener.
    pub fn admin(&self) -> SocketAddr {
        self.admin.expect("[admin] is configured")
    }

    /// Posts a body to the source `keeta`.
    pub async fn post(&self, body: &[u8]) -> Answer {
        self.post_to("keeta", body).await
    }

    pub async fn post_to(&self, source: &str, body: &[u8]) -> Answer {
        request(self.address, "POST", &format!("/hooks/{source}"), body).await
    }

    /// Posts a body that must be acknowledged.
    pub async fn acknowledged(&self, body: &[u8]) {
        let answer = self.post(body).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, keeta::RECEIVED));
    }

    pub async fn deliveries(&self) -> Vec<DeliveryRow> {
        self.reader.deliveries(None).await.expect("the store is readable")
    }

    /// Waits until the deliveries stand as wanted. The store has no signal for its changes, so it is asked again and again.
    pub async fn until(&self, wanted: impl Fn(&[DeliveryRow]) -> bool) -> Vec<DeliveryRow> {
        let deadline = Instant::now() + TOO_LONG;
        loop {
            let rows = self.deliveries().await;
            if wanted(&rows) {
                return rows;
            }
            assert!(Instant::now() < deadline, "it did not come to that: {rows:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until nothing waits any more.
    pub async fn until_done(&self) -> Vec<DeliveryRow> {
        self.until(|all| all.iter().all(|row| row.state != "waiting")).await
    }

    /// Waits until so many attempts for a channel have ended: what is due next is known then, and the clock can be put forward.
    pub async fn until_tried(&self, channel: &str, attempts: i64) {
        let sql = "SELECT count(*) FROM attempts a JOIN deliveries d ON d.id = a.delivery
                   WHERE d.channel = ?1 AND a.ended_at IS NOT NULL";
        let ended = || self.connection().query_row(sql, [channel], |row| row.get::<_, i64>(0)).expect("a number");
        self.until(|_| ended() >= attempts).await;
    }

    /// A connection of the test's own to the store.
    pub fn connection(&self) -> Connection {
        Connection::open(&self.store).expect("the store opens")
    }

    /// Stops the daemon as SIGTERM would. It must end within ten seconds, and have let go of its store by then, because a
    /// supervisor starts the next one at once.
    pub async fn stop(mut self) {
        // The files are gone with the last of those who have them open.
        self.reader.close().await;
        self.shutdown.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(10), &mut self.task).await;
        let lock = File::open(self.store.with_extension("db.lock")).expect("the lock file is there");
        // A program that another test starts at this moment has the file open until it is its own.
        let mut tries = 0;
        while let Err(held) = lock.try_lock() {
            tries += 1;
            assert!(tries < 50, "the store is not free for the next daemon: {held}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        ended.expect("a stop takes less than ten seconds").expect("no panic").expect("it ran");
    }
}

pub fn of<'a>(rows: &'a [DeliveryRow], channel: &str) -> Vec<&'a DeliveryRow> {
    rows.iter().filter(|row| row.channel == channel).collect()
}

pub async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(TOO_LONG, future).await.expect("it took too long")
}

/// What a request was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The `code` of the body.
    pub fn code(&self) -> i64 {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"));
        body["code"].as_i64().unwrap_or_else(|| panic!("no code: {self:?}"))
    }
}

pub async fn get(address: SocketAddr, path: &str) -> Answer {
    request(address, "GET", path, b"").await
}

/// One request over a connection of its own.
pub async fn request(address: SocketAddr, method: &str, path: &str, body: &[u8]) -> Answer {
    let mut stream = begin(address, method, path, body.len()).await;
    // The daemon may answer and close before it has everything; that answer is what counts.
    let _ = in_time(stream.write_all(body)).await;
    read(&mut stream).await
}

/// Sends the header of a request whose body is still to come.
pub async fn begin(address: SocketAddr, method: &str, path: &str, length: usize) -> TcpStream {
    begin_with(address, method, path, length, "").await
}

/// Sends the header of a POST, and returns when the daemon has begun to read the body.
pub async fn begin_post(address: SocketAddr, path: &str, length: usize) -> TcpStream {
    let mut stream = begin_with(address, "POST", path, length, "Expect: 100-continue\r\n").await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(in_time(stream.read_u8()).await.expect("an interim answer"));
    }
    assert!(head.starts_with(b"HTTP/1.1 100 "), "{}", String::from_utf8_lossy(&head));
    stream
}

async fn begin_with(address: SocketAddr, method: &str, path: &str, length: usize, more: &str) -> TcpStream {
    let mut stream = in_time(TcpStream::connect(address)).await.expect("the daemon listens");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: bell\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n"
    );
    in_time(stream.write_all(head.as_bytes())).await.expect("the header is taken");
    stream
}

/// Reads an answer to the end of the connection.
pub async fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    in_time(stream.read_to_end(&mut bytes)).await.expect("the answer is readable to its end");
    let text = String::from_utf8(bytes).expect("UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
