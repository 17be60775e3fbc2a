//! The load: requests that were made beforehand, over connections that are kept alive, each sent as soon as the answer to the
//! one before is there, or so many a second.

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process;
use crate::requests;
use crate::requests::Content;

/// What is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Connections take turns.
    pub addresses: Vec<SocketAddr>,
    pub content: Content,
    pub requests: Requests,
    /// The seed of the first request; no two of a store have the same.
    pub first: u64,
    pub count: usize,
    pub connections: usize,
    /// Each at its time, and the times are noted; without it, as many as are answered.
    pub per_second: Option<f64>,
}

/// Whether each request is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Requests {
    Different,
    Repeated,
}

/// What became of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Answers {
    pub count: usize,
    pub seconds: f64,
    /// From the first byte sent to the whole answer.
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    /// Seconds of processor that the load took meanwhile.
    pub processor: f64,
    /// Of requests that went at their times: seed and the microseconds of the time at which each was sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<(u64, i64)>,
}

/// So many are made where they may repeat.
const REPEATED: usize = 1000;

/// Jobs come as lines; each is prepared, then run at the next line, and its answers are a line.
pub fn run() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut lines = std::io::stdin().lock().lines();
    while let Some(Ok(line)) = lines.next() {
        let job: Job = serde_json::from_str(&line).expect("a job");
        let made = match job.requests {
            Requests::Different => job.count,
            Requests::Repeated => job.count.min(REPEATED),
        };
        let requests = requests::make(job.content, job.first, made);
        let connections = runtime.block_on(connect(&job));
        say("ready");
        if lines.next().is_none() {
            return;
        }
        let answers = runtime.block_on(send(&job, requests, connections));
        say(&serde_json::to_string(&answers).expect("JSON"));
    }
}

fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush()).expect("the parent reads");
}

async fn connect(job: &Job) -> Vec<TcpStream> {
    let mut streams = Vec::with_capacity(job.connections);
    for address in job.addresses.iter().cycle().take(job.connections) {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("nodelay");
        streams.push(stream);
    }
    streams
}

async fn send(job: &Job, requests: Vec<Vec<u8>>, connections: Vec<TcpStream>) -> Answers {
    let (begin, processor) = (Instant::now(), process::processor("self"));
    let work = Arc::new(Work { requests, next: AtomicUsize::new(0), job: job.clone(), begin });
    let clients: Vec<_> = connections.into_iter().map(|stream| tokio::spawn(client(stream, work.clone()))).collect();
    let (mut times, mut sent) = (Vec::with_capacity(job.count), Vec::new());
    for client in clients {
        let (some_times, some_sent) = client.await.expect("no panic");
        times.extend(some_times);
        sent.extend(some_sent);
    }
    let seconds = begin.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |share: f64| f64::from(times[((times.len() - 1) as f64 * share) as usize]) / 1e3;
    Answers {
        count: times.len(),
        seconds,
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        max_ms: at(1.0),
        processor: process::processor("self") - processor,
        sent,
    }
}

/// What the connections share.
struct Work {
    requests: Vec<Vec<u8>>,
    next: AtomicUsize,
    job: Job,
    begin: Instant,
}

/// Sends whatever is next, until there is nothing: the microseconds that each answer took, and when each was sent if that is
/// to be noted.
async fn client(stream: TcpStream, work: Arc<Work>) -> (Vec<u32>, Vec<(u64, i64)>) {
    let mut messages = Messages::new(stream);
    let (mut times, mut sent) = (Vec::new(), Vec::new());
    loop {
        let index = work.next.fetch_add(1, Ordering::Relaxed);
        if index >= work.job.count {
            return (times, sent);
        }
        if let Some(per_second) = work.job.per_second {
            let due = work.begin + Duration::from_secs_f64(index as f64 / per_second);
            tokio::time::sleep_until(due.into()).await;
            sent.push((work.job.first + index as u64, microseconds()));
        }
        let begin = Instant::now();
        messages.stream.write_all(&work.requests[index % work.requests.len()]).await.expect("sent");
        let head = messages.next().await.expect("an answer");
        assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(head));
        times.push(u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
}

/// The time by this machine's clock, which two processes have in common.
pub fn microseconds() -> i64 {
    Timestamp::now().as_microsecond()
}

/// The requests or answers of a connection, one after another.
pub struct Messages {
    pub stream: TcpStream,
    buffer: Vec<u8>,
    /// The message that was read last, which goes when the next one is read.
    done: usize,
}

impl Messages {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::with_capacity(16 * 1024), done: 0 }
    }

    /// The head and what follows it of the next whole message; `None` at the end.
    pub async fn next(&mut self) -> Option<&[u8]> {
        self.buffer.drain(..self.done);
        self.done = 0;
        loop {
            if let Some(length) = whole(&self.buffer) {
                self.done = length;
                return Some(&self.buffer[..length]);
            }
            if self.stream.read_buf(&mut self.buffer).await.ok()? == 0 {
                return None;
            }
        }
    }
}

/// The length of the message that stands at the beginning, if it is all there. Both ends of this benchmark name the length of
/// each body.
fn whole(buffer: &[u8]) -> Option<usize> {
    let head = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let name = b"content-length:";
    let value = buffer[..head]
        .split(|byte| *byte == b'\n')
        .find(|line| line.len() > name.len() && line[..name.len()].eq_ignore_ascii_case(name))
        .map(|line| &line[name.len()..]);
    let body = value.map_or(Some(0), |value| std::str::from_utf8(value).ok()?.trim().parse().ok())?;
    (buffer.len() >= head + body).then_some(head + body)
}
