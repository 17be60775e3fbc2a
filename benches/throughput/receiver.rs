//! The receiver of WebHooks: it answers without looking at what it got, and counts. `GET /count` says how many there were, and
//! where it notes them, `GET /arrivals` which orders and when.

use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::load::{Messages, microseconds};
use crate::process;

static RECEIVED: AtomicU64 = AtomicU64::new(0);
/// What was noted; where nothing is noted, nobody locks it.
static ARRIVALS: Mutex<String> = Mutex::new(String::new());

/// What it does with a WebHook.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    Take,
    /// Takes it, and notes its order and the time.
    Note,
    /// Refuses its credentials, so that the channel is parked.
    Refuse,
}

impl Reaction {
    /// The role that reacts so.
    pub fn role(self) -> &'static str {
        match self {
            Self::Take => "receiver",
            Self::Note => "receiver-noting",
            Self::Refuse => "receiver-refusing",
        }
    }
}

pub fn serve(reaction: Reaction) {
    process::end_with_parent();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("an address"));
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, reaction));
        }
    });
}

async fn connection(stream: TcpStream, reaction: Reaction) {
    let answer: &[u8] = match reaction {
        Reaction::Take | Reaction::Note => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        Reaction::Refuse => b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n",
    };
    let _ = stream.set_nodelay(true);
    let mut messages = Messages::new(stream);
    while let Some(message) = messages.next().await {
        let written = if message.starts_with(b"GET ") {
            let text = answer_to(message);
            messages.stream.write_all(text.as_bytes()).await
        } else {
            if reaction == Reaction::Note {
                note(message);
            }
            RECEIVED.fetch_add(1, Ordering::AcqRel);
            messages.stream.write_all(answer).await
        };
        if written.is_err() {
            return;
        }
    }
}

/// The order's number, which the body has as text, and the time.
fn note(message: &[u8]) {
    let at = microseconds();
    let name = b"\"number\":\"";
    let begin = message.windows(name.len()).position(|bytes| bytes == name).expect("an order") + name.len();
    let number = message[begin..].split(|byte| *byte == b'"').next().unwrap_or_default();
    let mut arrivals = ARRIVALS.lock().expect("no panic");
    writeln!(arrivals, "{} {at}", String::from_utf8_lossy(number)).expect("memory");
}

fn answer_to(question: &[u8]) -> String {
    let body = match question.starts_with(b"GET /arrivals") {
        true => ARRIVALS.lock().expect("no panic").clone(),
        false => RECEIVED.load(Ordering::Acquire).to_string(),
    };
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}
