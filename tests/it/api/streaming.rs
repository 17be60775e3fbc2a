//! The stream of what happens: read from a socket, left, and taken up again; bounded, and ended by the stop.

use std::net::SocketAddr;

use orderbell::sandbox::rules::Rules;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::api::reading::running_with;
use crate::support::watching::NEVER;
use crate::support::{Scene, in_time, keeta};

/// A reader of the stream.
struct Reader(BufReader<TcpStream>);

impl Reader {
    /// Asks, and answers the status as well.
    async fn open(address: SocketAddr, last: Option<&str>) -> (u16, Self) {
        let mut stream = in_time(TcpStream::connect(address)).await.expect("it listens");
        let last = last.map(|last| format!("Last-Event-ID: {last}\r\n")).unwrap_or_default();
        let head =
            format!("GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer hush-owner\r\n{last}\r\n");
        in_time(stream.write_all(head.as_bytes())).await.expect("the head is taken");
        let mut reader = Self(BufReader::new(stream));
        let status = reader.line().await.expect("a status line");
        let status = status.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        while reader.line().await.is_some_and(|line| !line.is_empty()) {}
        (status, reader)
    }

    /// The next line; `None` at the end.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = in_time(self.0.read_line(&mut line)).await.ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next thing that happened and is an event.
    async fn event(&mut self) -> Value {
        loop {
            let line = self.line().await.expect("the stream goes on");
            let data = line.strip_prefix("data: ").map(|data| serde_json::from_str::<Value>(data).expect("JSON"));
            if let Some(data) = data.filter(|data| data["kind"] == "event") {
                return data;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_streamed_and_taken_up_where_it_was_left() {
    let scene = Scene::new(Rules::new()).await;
    let (daemon, _) = running_with(&scene, "[admin]\ntoken = \"hush-owner\"\n").await;
    let (status, mut reader) = Reader::open(daemon.admin(), None).await;
    assert_eq!(status, 200);
    let mut ids = Vec::new();
    for number in 1..=3 {
        daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
        let event = loop {
            // Notices are events as well.
            let event = reader.event().await;
            if event["event"]["kind"] == "order.placed" {
                break event;
            }
        };
        assert_eq!(event["event"]["order"], number.to_string());
        ids.push(event["id"].as_str().expect("an id").to_owned());
    }
    drop(reader);
    let (_, mut again) = Reader::open(daemon.admin(), Some(&ids[0])).await;
    let next = again.event().await;
    assert_ne!(next["id"].as_str(), Some(ids[0].as_str()));
    assert!(next["id"].as_str().and_then(|id| id.parse::<i64>().ok()) > ids[0].parse().ok(), "{next}");
    for none in ["made-up", "-1", "999999999"] {
        assert_eq!(Reader::open(daemon.admin(), Some(none)).await.0, 400, "{none}");
    }
    let stopping = tokio::spawn(daemon.stop());
    while again.line().await.is_some() {}
    in_time(stopping).await.expect("the stop does not wait for readers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_the_configuration_takes_its_access_token_away() {
    let scene = Scene::new(Rules::new()).await;
    let watching = scene.start_watching(NEVER, "", "[admin]\ntoken = \"hush-owner\"\n").await;
    let address = watching.daemon.admin();
    let (status, mut reader) = Reader::open(address, None).await;
    assert_eq!(status, 200);
    watching.reload("second", "", "[admin]\ntoken = \"hush-second\"\n").await;
    // Its last chunk; the connection stays.
    in_time(async { while reader.line().await.expect("a last chunk") != "0" {} }).await;
    assert_eq!(Reader::open(address, None).await.0, 401);
    watching.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_so_many_streams_at_a_time_and_no_more() {
    let scene = Scene::new(Rules::new()).await;
    let (daemon, _) = running_with(&scene, "[admin]\ntoken = \"hush-owner\"\n").await;
    let mut readers = Vec::new();
    for _ in 0..32 {
        let (status, reader) = Reader::open(daemon.admin(), None).await;
        assert_eq!(status, 200);
        readers.push(reader);
    }
    assert_eq!(Reader::open(daemon.admin(), None).await.0, 503);
    readers.truncate(31);
    let again = async {
        while Reader::open(daemon.admin(), None).await.0 != 200 {
            tokio::task::yield_now().await;
        }
    };
    in_time(again).await;
    daemon.stop().await;
}
