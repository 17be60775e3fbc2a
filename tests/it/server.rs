//! What the accept loop promises its peers, tried on real sockets with short limits.

mod bodies;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orderbell::web::server::limits::ListenerLimits;
use orderbell::web::server::serve;
use poem::endpoint::make_sync;
use poem::{Endpoint, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const MEBIBYTE: usize = 1024 * 1024;
/// Longer than anything here takes; a test that waits so long has failed.
const TOO_LONG: Duration = Duration::from_secs(10);
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

fn patient() -> ListenerLimits {
    ListenerLimits { header_timeout: TOO_LONG * 3, body_timeout: TOO_LONG * 3, ..ListenerLimits::default() }
}

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(endpoint: impl Endpoint + 'static, limits: ListenerLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(serve(listener, endpoint, limits, shutdown.clone()));
        Self { address, shutdown, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn stop(self) -> Duration {
        let begun = Instant::now();
        self.shutdown.cancel();
        in_time(self.task).await.unwrap();
        begun.elapsed()
    }
}

async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(TOO_LONG, future).await.expect("it took too long")
}

/// Everything until the server closes; a reset is an error.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    in_time(stream.read_to_end(&mut answer)).await.expect("the answer is readable to its end");
    String::from_utf8(answer).unwrap()
}

/// Sends two thirds, waits for the answer to arrive, and goes on sending to the end, as a sender does that reads last.
async fn send_regardless(stream: &mut TcpStream, request: &[u8]) {
    let (before, after) = request.split_at(request.len() * 2 / 3);
    in_time(stream.write_all(before)).await.unwrap();
    in_time(stream.readable()).await.unwrap();
    for piece in after.chunks(100_000) {
        in_time(stream.write_all(piece)).await.expect("everything can be sent");
        tokio::task::yield_now().await;
    }
}

/// One answer whose body is `hello`; the connection stays open.
async fn read_hello(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        let mut byte = [0];
        in_time(stream.read_exact(&mut byte)).await.expect("a whole answer");
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()
}

fn hello() -> impl Endpoint {
    make_sync(|_| "hello")
}

/// Answers with the length of the body.
fn measuring() -> impl Endpoint {
    poem::endpoint::make(|request: Request| async move {
        let body = request.into_body().into_bytes().await.unwrap();
        Response::builder().body(format!("{} bytes", body.len()))
    })
}

#[tokio::test]
async fn requests_are_answered_on_a_kept_alive_connection() {
    let server = Running::start(hello(), patient()).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(GET).await.unwrap();
        let answer = read_hello(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("content-length: 5\r\n"), "{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_half_sent_header_is_closed_after_its_time() {
    let limits = ListenerLimits { header_timeout: Duration::from_millis(80), ..patient() };
    let server = Running::start(hello(), limits).await;
    let mut stream = server.connect().await;
    stream.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Le").await.unwrap();
    let begun = Instant::now();
    assert_eq!(read_to_end(&mut stream).await, "");
    assert!(begun.elapsed() < Duration::from_secs(2));
    server.stop().await;
}

#[tokio::test]
async fn a_connection_that_was_used_may_rest_and_one_that_was_not_is_closed() {
    let limits = ListenerLimits { header_timeout: Duration::from_millis(80), ..patient() };
    let server = Running::start(hello(), limits).await;
    let mut used = server.connect().await;
    used.write_all(GET).await.unwrap();
    read_hello(&mut used).await;
    let mut silent = server.connect().await;
    assert_eq!(read_to_end(&mut silent).await, "", "by now the time for a header is over");
    used.write_all(GET).await.unwrap();
    read_hello(&mut used).await;
    used.write_all(b"GET / HT").await.unwrap();
    assert_eq!(read_to_end(&mut used).await, "", "a header that was begun has its time again");
    server.stop().await;
}

#[tokio::test]
async fn a_connection_that_rests_too_long_is_closed() {
    let server = Running::start(hello(), ListenerLimits { idle_timeout: Duration::from_millis(80), ..patient() }).await;
    let mut used = server.connect().await;
    used.write_all(GET).await.unwrap();
    read_hello(&mut used).await;
    assert_eq!(read_to_end(&mut used).await, "");
    server.stop().await;
}

#[tokio::test]
async fn a_giant_header_is_refused_readably() {
    let server = Running::start(hello(), patient()).await;
    let mut many = b"GET / HTTP/1.1\r\nHost: h\r\n".to_vec();
    for n in 0..10_000 {
        many.extend(format!("X-{n}: y\r\n").bytes());
    }
    many.extend(b"\r\n");
    let giant = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "y".repeat(2 * MEBIBYTE)).into_bytes();
    let nonsense = b"this is not HTTP\r\n\r\n".repeat(3);
    for (request, wanted) in [(many, "HTTP/1.1 431 "), (giant, "HTTP/1.1 431 "), (nonsense, "HTTP/1.1 400 ")] {
        let mut stream = server.connect().await;
        send_regardless(&mut stream, &request).await;
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with(wanted), "{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn above_the_cap_a_connection_waits_while_all_others_wait_for_us() {
    let (reached, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let limits = ListenerLimits { max_connections: 2, ..patient() };
    let server = Running::start(held(reached.clone(), released.clone()), limits).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    for stream in [&mut first, &mut second] {
        stream.write_all(GET).await.unwrap();
        in_time(reached.notified()).await;
    }
    let mut third = server.connect().await;
    third.write_all(GET).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(80), reached.notified()).await;
    assert!(early.is_err(), "a third connection was served beside two that are busy");
    released.notify_one();
    in_time(reached.notified()).await;
    released.notify_waiters();
    read_hello(&mut third).await;
    server.stop().await;
}

/// What half-sent requests look like, each with a whole one before it or not.
const HALF_SENT: [&[u8]; 4] = [
    b"",
    b"GET / HT",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nha",
];

#[tokio::test]
async fn however_many_connections_are_left_half_open_a_whole_request_is_answered() {
    let server = Running::start(hello(), ListenerLimits { max_connections: 8, ..patient() }).await;
    let mut half_open = Vec::new();
    for round in 0..200 {
        let mut stream = server.connect().await;
        stream.write_all(HALF_SENT[round % HALF_SENT.len()]).await.unwrap();
        half_open.push(stream);
        if round % 10 == 9 {
            let mut genuine = server.connect().await;
            genuine.write_all(GET).await.unwrap();
            read_hello(&mut genuine).await;
            // It stays open, and makes room before those that wait for the rest of a request.
            half_open.push(genuine);
        }
    }
    let mut closed = 0;
    for stream in &mut half_open {
        let ended = async { while let Ok(1..) = stream.read(&mut [0; 256]).await {} };
        closed += usize::from(tokio::time::timeout(Duration::from_millis(1), ended).await.is_ok());
    }
    assert!(closed >= half_open.len() - 8, "{closed} of {}", half_open.len());
    server.stop().await;
}

#[tokio::test]
async fn whoever_has_sent_half_a_request_does_not_outlast_whoever_begins_one() {
    let server = Running::start(hello(), ListenerLimits { max_connections: 8, ..patient() }).await;
    let mut fillers = Vec::new();
    for _ in 0..8 {
        let mut stream = server.connect().await;
        stream.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nh").await.unwrap();
        fillers.push(stream);
    }
    // Until all of them are at their bodies: one more would be answered by shedding one of those.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut genuine = server.connect().await;
    let mut half_open = Vec::new();
    for _ in 0..7 {
        half_open.push(server.connect().await);
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    genuine.write_all(GET).await.unwrap();
    read_hello(&mut genuine).await;
    server.stop().await;
}

#[tokio::test]
async fn a_panicking_handler_costs_its_request_a_500_and_nothing_else() {
    let endpoint =
        make_sync(|request: Request| if request.uri().path() == "/panic" { panic!("on purpose") } else { "hello" });
    let server = Running::start(endpoint, patient()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /panic HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    let mut next = server.connect().await;
    next.write_all(GET).await.unwrap();
    read_hello(&mut next).await;
    server.stop().await;
}

/// An endpoint that says when it was reached and answers when it may.
fn held(reached: Arc<Notify>, released: Arc<Notify>) -> impl Endpoint {
    poem::endpoint::make(move |_: Request| {
        let (reached, released) = (reached.clone(), released.clone());
        async move {
            reached.notify_one();
            released.notified().await;
            "hello"
        }
    })
}

#[tokio::test]
async fn the_stop_finishes_what_is_in_flight_and_waits_for_nothing_else() {
    let (reached, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let server = Running::start(held(reached.clone(), released.clone()), patient()).await;
    let mut idle = server.connect().await;
    released.notify_one();
    idle.write_all(GET).await.unwrap();
    read_hello(&mut idle).await;
    reached.notified().await;
    let unused = server.connect().await;
    let mut half_header = server.connect().await;
    half_header.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
    let mut half_body = server.connect().await;
    half_body.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
    let mut busy = server.connect().await;
    busy.write_all(GET).await.unwrap();
    in_time(reached.notified()).await;

    let address = server.address;
    server.shutdown.cancel();
    assert_eq!(read_to_end(&mut idle).await, "");
    assert!(!server.task.is_finished(), "a request is still in flight");
    released.notify_one();
    let answer = read_to_end(&mut busy).await;
    assert!(answer.ends_with("hello"), "{answer}");
    let mut refused = vec![0; 12];
    in_time(half_body.read_exact(&mut refused)).await.unwrap();
    assert_eq!(refused, b"HTTP/1.1 503");
    assert_eq!(read_to_end(&mut half_header).await, "");
    drop((unused, half_body));
    let begun = Instant::now();
    server.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(TcpStream::connect(address).await.is_err(), "nothing listens any more");
}

#[tokio::test]
async fn after_the_grace_what_is_in_flight_is_cut_off() {
    let (reached, never) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let server =
        Running::start(held(reached.clone(), never), ListenerLimits { grace: Duration::from_millis(50), ..patient() })
            .await;
    let mut stream = server.connect().await;
    stream.write_all(GET).await.unwrap();
    in_time(reached.notified()).await;
    assert!(server.stop().await < Duration::from_secs(1));
    assert!(!matches!(in_time(stream.read(&mut [0; 16])).await, Ok(1..)));
}

#[tokio::test]
async fn a_sender_that_closes_its_half_still_gets_its_answer() {
    let (reached, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let server = Running::start(held(reached.clone(), released.clone()), patient()).await;
    let mut stream = server.connect().await;
    stream.write_all(GET).await.unwrap();
    stream.shutdown().await.unwrap();
    in_time(reached.notified()).await;
    released.notify_one();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.ends_with("hello"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_given_up() {
    let endpoint = make_sync(|_| vec![b'x'; 64 * MEBIBYTE]);
    let limits = ListenerLimits { write_timeout: Duration::from_millis(80), max_connections: 1, ..patient() };
    let server = Running::start(endpoint, limits).await;
    let mut deaf = server.connect().await;
    deaf.write_all(GET).await.unwrap();
    let mut next = server.connect().await;
    next.write_all(GET).await.unwrap();
    assert_eq!(in_time(next.read_u8()).await.unwrap(), b'H', "the only slot was freed");
    drop((deaf, next));
    server.stop().await;
}
