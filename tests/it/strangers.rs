//! What strangers can send, and that none of it costs much, is believed, or keeps others waiting.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;
use orderbell::flow::intake::{Intake, IntakeOutcome};
use orderbell::flow::notice::Notices;
use orderbell::flow::notifier::Notifier;
use orderbell::flow::routing::{RoutingSnapshot, SourceEndpoint};
use orderbell::flow::{Clock, Current};
use orderbell::platform::keeta::settings::Keeta;
use orderbell::platform::kinds::Source;
use orderbell::platform::{Method, Platform, PlatformReply, Refusal, WebhookRequest};
use orderbell::web::server::limits::ListenerLimits;
use orderbell::web::server::serve;
use poem::endpoint::make_sync;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::support::cases::cases;
use crate::support::kept;
use crate::support::mutations::{ADDRESS, Choices, Fixture, TARGETS, mutate};
use crate::support::stores;

fn keeta() -> Keeta {
    serde_json::from_str(r#"{"app_id":1,"app_secret":"s"}"#).unwrap()
}

fn refusal(query: Option<&str>, body: &[u8]) -> String {
    let (method, headers) = (if query.is_some() { Method::Get } else { Method::Post }, HeaderMap::new());
    let request = WebhookRequest {
        method,
        query,
        headers: &headers,
        body,
        address: ADDRESS,
        currency: "HKD",
        now: Timestamp::now(),
    };
    match keeta().receive(&request) {
        Err(Refusal::Shape(what)) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_more_than_64_members_nothing_further_is_read() {
    let members = |count: usize| (0..count).map(|n| format!("\"m{n}\":{n},")).collect::<String>();
    let parameters = |count: usize| (0..count).map(|n| format!("m{n}={n}&")).collect::<String>();
    // Behind the 65th stands what would be refused for another reason, had it been looked at.
    let body = |count: usize| format!("{{{}\"m0\":0,]", members(count));
    let query = |count: usize| format!("{}m0=0", parameters(count));
    assert_eq!(refusal(None, body(65).as_bytes()), "the body is no flat JSON object: it has more than 64 members");
    assert_eq!(refusal(None, body(64).as_bytes()), "the body is no flat JSON object: it has more than 64 members");
    assert_eq!(refusal(None, body(63).as_bytes()), "the body is no flat JSON object: a member comes twice");
    assert_eq!(refusal(Some(&query(65)), b""), "the query: it has more than 64 members");
    assert_eq!(refusal(Some(&query(63)), b""), "the query: a member comes twice");
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn whatever_is_changed_of_a_genuine_request_nothing_else_is_believed(seed: u64) {
        thread_local! { static FIXTURE: Fixture = Fixture::new(); }
        for target in &TARGETS {
            let judged = FIXTURE.with(|fixture| (target.judge)(fixture, seed));
            prop_assert!(judged.is_ok(), "{}: {}", target.name, judged.unwrap_err());
        }
    }
}

fn intake(folder: &std::path::Path) -> Intake {
    let store = stores::open(&folder.join("bell.db"), Timestamp::now()).unwrap();
    let endpoint = SourceEndpoint::new(Source::Keeta(keeta()), ADDRESS.to_owned());
    let endpoints = [("s".to_owned(), endpoint)].into();
    let routing = Current::new(RoutingSnapshot { endpoints, currency: "HKD".to_owned(), ..RoutingSnapshot::default() });
    let notifier = Notifier::default();
    let notices = Notices::new(store.clone(), routing.clone(), notifier.clone());
    Intake::new(routing, notices, store, notifier, Clock::system())
}

#[test]
fn a_large_body_waits_for_a_thread_of_its_own_and_nobody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    // The only thread for larger bodies is occupied until the test lets go of it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    let (let_go, occupied) = std::sync::mpsc::channel::<()>();
    runtime.spawn_blocking(move || occupied.recv().is_ok());
    runtime.block_on(async {
        let (intake, headers) = (intake(folder.path()), HeaderMap::new());
        let receive = |body: Bytes| intake.receive("s", Method::Post, None, &headers, body);
        let mut large = Box::pin(receive(Bytes::from(vec![b' '; 64 * 1024 + 1])));
        let waits = tokio::time::timeout(Duration::from_millis(50), &mut large).await.is_err();
        assert!(waits, "it was looked at on a thread that serves others");
        for body in ["{}", "{\"appId\":1}"] {
            let outcome = tokio::time::timeout(Duration::from_secs(20), receive(Bytes::from(body))).await;
            assert!(matches!(outcome, Ok(IntakeOutcome::Answer(..))), "{outcome:?}");
        }
        let_go.send(()).unwrap();
        assert!(matches!(large.await, IntakeOutcome::Answer(PlatformReply::Received, _)), "only blanks: a heartbeat");
    });
}

#[tokio::test(start_paused = true)]
async fn the_operator_is_notified_of_shed_connections_with_the_sum_of_ten_seconds_once_an_hour() {
    let folder = tempfile::tempdir().unwrap();
    let intake = intake(folder.path());
    let second = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        intake.note_shed(2_000, 1024).await;
    };
    tokio::join!(intake.note_shed(1_476, 1024), second);
    intake.note_shed(5, 1024).await;
    let store = rusqlite::Connection::open(folder.path().join("bell.db")).unwrap();
    let stored = kept::json(&store, "SELECT packed FROM events WHERE kind = 'operator.notice'", []);
    let notice = &stored[0]["data"]["notice"];
    assert_eq!((stored.len(), &notice["topic"], &notice["count"]), (1, &"crowded".into(), &3_476.into()), "{stored:?}");
    assert_eq!(notice["detail"], "1024");
}

#[tokio::test]
async fn no_bytes_on_a_connection_disturb_the_next_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let short = Duration::from_millis(200);
    let limits =
        ListenerLimits { header_timeout: short, body_timeout: short, max_connections: 4, ..ListenerLimits::default() };
    let server = tokio::spawn(serve(listener, make_sync(|_| "hello"), limits, stop.clone()));
    let genuine = b"POST /hooks/s HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    for seed in 0..500 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may have closed before all of it was sent.
        let _ = stream.write_all(&mutate(&mut Choices::new(seed), genuine)).await;
        let _ = stream.shutdown().await;
        if seed % 20 == 0 {
            let mut next = TcpStream::connect(address).await.unwrap();
            next.write_all(genuine).await.unwrap();
            let mut status = [0; 12];
            tokio::time::timeout(Duration::from_secs(20), next.read_exact(&mut status)).await.unwrap().unwrap();
            assert_eq!(&status, b"HTTP/1.1 200", "after seed {seed}");
        }
    }
    stop.cancel();
    server.await.unwrap();
}
