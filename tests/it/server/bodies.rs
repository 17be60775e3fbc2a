//! Bodies: their limits, the memory that they take together, and what a sender of too much reads.

use std::sync::Arc;
use std::time::Duration;

use orderbell::web::server::limits::ListenerLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use crate::server::{MEBIBYTE, Running, TOO_LONG, held, in_time, measuring, patient, read_to_end, send_regardless};

#[tokio::test]
async fn a_body_that_never_ends_is_answered_408() {
    let limits = ListenerLimits { body_timeout: Duration::from_millis(80), ..patient() };
    let server = Running::start(measuring(), limits).await;
    let mut stream = server.connect().await;
    stream.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf").await.unwrap();
    // The sender holds its end open, so the end of the answer is what is read, not the end of the connection.
    let mut answer = vec![0; 12];
    in_time(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 408");
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn a_body_within_the_limit_reaches_the_handler_whole_however_it_is_sent() {
    let server = Running::start(measuring(), ListenerLimits { max_body_bytes: 8, ..patient() }).await;
    for request in [
        "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 8\r\n\r\n12345678",
        "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n4\r\n5678\r\n0\r\n\r\n",
    ] {
        let mut stream = server.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.ends_with("8 bytes"), "{answer}");
    }
    server.stop().await;
}

/// One byte more than is held without being asked for.
const LARGE: usize = 64 * 1024 + 1;

fn post(length: usize, sent: usize) -> Vec<u8> {
    let head = format!("POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    [head.into_bytes(), vec![b'x'; sent]].concat()
}

#[tokio::test]
async fn large_bodies_together_take_no_more_memory_than_was_granted_and_small_ones_are_not_kept_out() {
    let (reached, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let limits = ListenerLimits {
        max_body_bytes: LARGE,
        max_held_bytes: LARGE,
        room_timeout: Duration::from_millis(80),
        ..patient()
    };
    let server = Running::start(held(reached.clone(), released.clone()), limits).await;
    let mut first = server.connect().await;
    first.write_all(&post(LARGE, LARGE)).await.unwrap();
    in_time(reached.notified()).await;
    let mut second = server.connect().await;
    second.write_all(&post(LARGE, LARGE)).await.unwrap();
    assert!(read_to_end(&mut second).await.starts_with("HTTP/1.1 503 "));
    let mut small = server.connect().await;
    small.write_all(&post(LARGE - 1, LARGE - 1)).await.unwrap();
    in_time(reached.notified()).await;
    released.notify_one();
    released.notify_one();
    assert!(read_to_end(&mut first).await.ends_with("hello"));
    released.notify_one();
    assert!(read_to_end(&mut small).await.ends_with("hello"));
    let mut third = server.connect().await;
    third.write_all(&post(LARGE, LARGE)).await.unwrap();
    in_time(reached.notified()).await;
    released.notify_one();
    assert!(read_to_end(&mut third).await.ends_with("hello"), "the room of the first is free again");
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_has_stalled_makes_room_for_one_that_comes() {
    let limits = ListenerLimits {
        max_body_bytes: LARGE + 10,
        max_held_bytes: LARGE + 10,
        room_timeout: TOO_LONG * 3,
        stalled_after: Duration::from_millis(80),
        ..patient()
    };
    let server = Running::start(measuring(), limits).await;
    let mut stalled = server.connect().await;
    stalled.write_all(&post(LARGE + 10, LARGE)).await.unwrap();
    let mut next = server.connect().await;
    next.write_all(&post(LARGE, LARGE)).await.unwrap();
    assert!(read_to_end(&mut next).await.ends_with(&format!("{LARGE} bytes")));
    drop(stalled);
    server.stop().await;
}

#[tokio::test]
async fn a_sender_of_too_much_reads_413_although_it_sends_to_the_end() {
    let server = Running::start(measuring(), ListenerLimits { max_body_bytes: MEBIBYTE, ..patient() }).await;
    let body = vec![b'x'; 2 * MEBIBYTE];
    let mut announced = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    announced.extend(&body);
    let mut chunked = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(10_000) {
        chunked.extend(format!("{:x}\r\n", chunk.len()).bytes());
        chunked.extend(chunk);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    for request in [announced, chunked] {
        let mut stream = server.connect().await;
        send_regardless(&mut stream, &request).await;
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.ends_with(r#"{"code":413,"message":"the body is larger than 1048576 bytes"}"#), "{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn too_large_an_announcement_is_refused_before_anything_is_sent() {
    let server = Running::start(measuring(), patient()).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n")
        .await
        .unwrap();
    let mut answer = vec![0; 12];
    in_time(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 413");
    drop(stream);
    server.stop().await;
}
