//! The receiver of WebHooks: it answers without looking at what it got, and counts. `GET /count` says how many there were.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::load::Messages;

static RECEIVED: AtomicU64 = AtomicU64::new(0);

/// Answers everything with this status.
pub fn serve(status: &str) {
    let answer: &str = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").leak();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("an address"));
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, answer.as_bytes()));
        }
    });
}

async fn connection(stream: TcpStream, answer: &[u8]) {
    let _ = stream.set_nodelay(true);
    let mut messages = Messages::new(stream);
    while let Some(head) = messages.next().await {
        let written = if head.starts_with(b"GET ") {
            let count = RECEIVED.load(Ordering::Acquire).to_string();
            let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{count}", count.len());
            messages.stream.write_all(text.as_bytes()).await
        } else {
            RECEIVED.fetch_add(1, Ordering::AcqRel);
            messages.stream.write_all(answer).await
        };
        if written.is_err() {
            return;
        }
    }
}
