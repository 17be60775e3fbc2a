//! A long run of seeded changes to genuine requests against each parser that faces strangers: what became of them, and what
//! the dearest byte cost. It ends at the first request of which something holds that must not, with its seed.
//!
//! `cargo bench --bench mutations [-- SECONDS [FIRST-SEED]]`: so long for each parser, 10 s by default.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

#[path = "../tests/it/support/mutations.rs"]
mod mutations;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use orderbell::web::server::limits::ListenerLimits;
use orderbell::web::server::serve;
use poem::endpoint::make_sync;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::mutations::{Choices, Fixture, TARGETS, Target, mutate};

fn main() -> ExitCode {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let (seconds, first) = (numbers.next().unwrap_or(10), numbers.next().unwrap_or(1));
    let time = Duration::from_secs(seconds);
    let edge = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(edge(time, first))
    });
    let parsers = TARGETS.map(|target| std::thread::spawn(move || run(&target, time, first)));
    let threads = parsers.into_iter().chain([edge]).collect::<Vec<_>>();
    match threads.into_iter().all(|thread| thread.join().unwrap_or(false)) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Answers whether all of it was well.
fn run(target: &Target, time: Duration, first: u64) -> bool {
    let fixture = Fixture::new();
    let (mut outcomes, mut dearest) = (BTreeMap::<_, u64>::new(), (0.0, 0));
    let begun = Instant::now();
    let mut seed = first;
    while begun.elapsed() < time {
        let started = Instant::now();
        match (target.judge)(&fixture, seed) {
            Ok((bytes, outcome)) => {
                // Small ones cost what being called costs.
                let cost = |started: Instant| started.elapsed().as_nanos() as f64 / bytes.max(4096) as f64;
                let mut least = cost(started);
                // Whoever was interrupted was not dear.
                for _ in 0..5 {
                    if least > dearest.0 {
                        let again = Instant::now();
                        let _ = (target.judge)(&fixture, seed);
                        least = least.min(cost(again));
                    }
                }
                if least > dearest.0 {
                    dearest = (least, seed);
                }
                *outcomes.entry(outcome).or_default() += 1;
            }
            Err(error) => {
                println!("{}: seed {seed}: {error}", target.name);
                return false;
            }
        }
        seed += 1;
    }
    let (cost, at) = dearest;
    println!("{}: {} requests in {time:?}; dearest {cost:.0} ns a byte (seed {at})", target.name, seed - first);
    outcomes.into_iter().for_each(|(outcome, count)| println!("    {outcome:<24} {count}"));
    true
}

/// The HTTP edge: whatever comes on one connection, the next one is answered. Answers whether all of it was well.
async fn edge(time: Duration, first: u64) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (address, stop) = (listener.local_addr().expect("an address"), CancellationToken::new());
    let short = Duration::from_millis(100);
    let limits =
        ListenerLimits { header_timeout: short, body_timeout: short, max_connections: 8, ..ListenerLimits::default() };
    let server = tokio::spawn(serve(listener, make_sync(|_| "hello"), limits, stop.clone()));
    let genuine = b"POST /hooks/s HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    let (begun, mut seed, mut answers) = (Instant::now(), first, BTreeMap::<_, u64>::new());
    while begun.elapsed() < time {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let bytes = if seed % 20 == 0 { genuine.to_vec() } else { mutate(&mut Choices::new(seed), genuine) };
        // The server may close before all of it was sent.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
        let status = String::from_utf8_lossy(&answer).get(9..12).unwrap_or("none").to_owned();
        if seed % 20 == 0 && status != "200" {
            println!("http-edge: seed {}: the next request got {status}", seed - 1);
            return false;
        }
        *answers.entry(status).or_default() += 1;
        seed += 1;
    }
    stop.cancel();
    server.await.expect("no panic");
    println!("http-edge: {} connections in {time:?}", seed - first);
    answers.into_iter().for_each(|(status, count)| println!("    {status:<24} {count}"));
    true
}
