//! How many webhooks a second are acknowledged, each verified, recorded and on disk, beside a constant answer through the
//! same accept loop: 64 connections, rounds of both in turn, the median of each and their ratio.
//!
//! `cargo bench --bench intake [-- ROUNDS]`

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use orderbell::app;
use orderbell::app::Listeners;
use orderbell::config;
use orderbell::config::LoadContext;
use orderbell::domain::event::Kind;
use orderbell::flow::Clock;
use orderbell::platform::Platform;
use orderbell::platform::keeta::Keeta;
use orderbell::web::server;
use orderbell::web::server::ListenerLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// The daemon's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONNECTIONS: usize = 64;
const PER_CONNECTION: usize = 400;
const ADDRESS: &str = "https://bell.example.com/hooks/keeta-hk";

/// What one round came to.
struct Round {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

fn main() {
    let rounds = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(5);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(rounds));
}

async fn measure(rounds: usize) {
    let (mut constants, mut intakes) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        constants.push(constant(round).await);
        intakes.push(intake(round).await);
    }
    let ratio = median(&intakes, |round| round.per_second) / median(&constants, |round| round.per_second);
    print("constant answer", &constants);
    print("webhook on disk", &intakes);
    println!("ratio            {ratio:.2}");
}

fn print(name: &str, rounds: &[Round]) {
    println!(
        "{name:<16} {:>7.0} per second, p50 {:>6.2} ms, p99 {:>6.2} ms (medians of {} rounds)",
        median(rounds, |round| round.per_second),
        median(rounds, |round| round.p50.as_secs_f64() * 1e3),
        median(rounds, |round| round.p99.as_secs_f64() * 1e3),
        rounds.len(),
    );
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The same requests, answered without being looked at.
async fn constant(round: usize) -> Round {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let endpoint = poem::endpoint::make_sync(|_| r#"{"code":0,"message":"success","data":{}}"#);
    let served = tokio::spawn(server::serve(listener, endpoint, ListenerLimits::default(), stop.clone()));
    let result = load(address, round).await;
    stop.cancel();
    served.await.expect("no panic");
    result
}

/// The whole daemon on a store of its own.
async fn intake(round: usize) -> Round {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "
        [server]\npublic_url = \"https://bell.example.com\"
        [source.keeta-hk]\nplatform = \"keeta\"\napp_id = 1\napp_secret = \"s\"
    ";
    let context = LoadContext {
        file: &folder.path().join("bench.toml"),
        env: &|_| None,
        languages: &config::languages(),
        secrets: config::SecretReading::Read,
    };
    let config = config::read_text(text, &context).expect("a valid configuration").config;
    let hooks = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = hooks.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let daemon = tokio::spawn(app::run(config, Listeners { hooks }, Clock::system(), stop.clone()));
    let result = load(address, round).await;
    stop.cancel();
    daemon.await.expect("no panic").expect("a clean run");
    result
}

/// Signed order webhooks, each of an order of its own, over connections that are kept alive.
async fn load(address: std::net::SocketAddr, round: usize) -> Round {
    let keeta: Arc<Keeta> = Arc::new(serde_json::from_str(r#"{"app_id":1,"app_secret":"s"}"#).expect("a source"));
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|client| {
            let first = (round * CONNECTIONS + client) * PER_CONNECTION;
            (first..first + PER_CONNECTION).map(|seed| request(&keeta, seed as u64)).collect::<Vec<_>>()
        })
        .collect();
    let begin = Instant::now();
    let tasks: Vec<_> = clients.into_iter().map(|requests| tokio::spawn(client(address, requests))).collect();
    let mut times = Vec::with_capacity(CONNECTIONS * PER_CONNECTION);
    for task in tasks {
        times.extend(task.await.expect("no panic"));
    }
    let elapsed = begin.elapsed();
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize];
    Round { per_second: times.len() as f64 / elapsed.as_secs_f64(), p50: at(0.5), p99: at(0.99) }
}

fn request(keeta: &Keeta, seed: u64) -> Vec<u8> {
    let sample = keeta.samples(&Kind::OrderPlaced, ADDRESS, seed, jiff::Timestamp::now()).remove(0);
    let head = format!(
        "POST /hooks/keeta-hk HTTP/1.1\r\nhost: bell\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        sample.body.len()
    );
    [head.into_bytes(), sample.body].concat()
}

async fn client(address: std::net::SocketAddr, requests: Vec<Vec<u8>>) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("nodelay");
    let mut answer = vec![0; 4096];
    let mut times = Vec::with_capacity(requests.len());
    for request in requests {
        let begin = Instant::now();
        stream.write_all(&request).await.expect("sent");
        let read = stream.read(&mut answer).await.expect("an answer");
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..read]));
        times.push(begin.elapsed());
    }
    times
}
