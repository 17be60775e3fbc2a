//! Receivers that say back what they got, each time in another form: an HTTP server, and a mail server that repeats the log-in
//! in its refusal.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A text in every form in which a program may repeat it; alone and within a larger text.
pub fn forms(text: &[u8]) -> Vec<String> {
    let plain = String::from_utf8_lossy(text).into_owned();
    let percent = |keeps: &dyn Fn(u8) -> bool, code: &dyn Fn(u8) -> String| -> String {
        text.iter().map(|byte| if keeps(*byte) { char::from(*byte).to_string() } else { code(*byte) }).collect()
    };
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let upper = |byte: u8| format!("%{byte:02X}");
    let lower = |byte: u8| format!("%{byte:02x}");
    let once = percent(&unreserved, &upper);
    let json = |text: &str| serde_json::Value::from(text).to_string();
    let escaped = |text: &str| text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
    let html = plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut forms = vec![
        plain.clone(),
        plain.to_uppercase(),
        plain.to_lowercase(),
        once.clone(),
        percent(&unreserved, &lower),
        percent(&|_| false, &upper),
        once.replace("%20", "+"),
        once.replace('%', "%25"),
        json(&plain),
        json(&json(&plain)),
        json(&plain).replace('/', "\\/"),
        escaped(&plain),
        format!("{plain:?}"),
        html.replace('\'', "&#39;"),
        html.replace('\'', "&#x27;"),
        hex::encode(text),
        hex::encode_upper(text),
    ];
    for before in ["", "x", "xy", "\0user\0"] {
        let within = [before.as_bytes(), text, b""].concat();
        let further = [before.as_bytes(), text, b" and more"].concat();
        for blob in [&within, &further] {
            let coded = BASE64_STANDARD.encode(blob);
            forms.extend([
                BASE64_STANDARD_NO_PAD.encode(blob),
                BASE64_URL_SAFE.encode(blob),
                BASE64_URL_SAFE_NO_PAD.encode(blob),
                coded.replace('+', "%2B").replace('/', "%2f").replace('=', "%3D"),
                coded.replace('/', "\\/"),
                coded.as_bytes().chunks(20).map(|line| String::from_utf8_lossy(line)).collect::<Vec<_>>().join("\r\n "),
                coded.to_lowercase(),
                coded,
            ]);
        }
    }
    forms
}

/// What must not be found of a secret, in small letters: the secret, its ends, and the core of each of its forms.
pub fn traces(secret: &str) -> Vec<String> {
    let mut traces = forms(secret.as_bytes());
    traces.truncate(17);
    traces.iter_mut().for_each(|form| *form = form.trim_matches('"').to_owned());
    for (shift, skipped) in [(0, 0), (1, 2), (2, 3)] {
        let blob = [&b"xy"[..shift], secret.as_bytes()].concat();
        let whole = blob.len() * 8 / 6;
        for coded in [BASE64_STANDARD_NO_PAD.encode(&blob), BASE64_URL_SAFE_NO_PAD.encode(&blob)] {
            traces.push(coded[skipped..whole].to_owned());
        }
    }
    // What a cut would leave.
    let characters: Vec<char> = secret.chars().collect();
    if characters.len() >= 16 {
        traces
            .extend([&characters[..8], &characters[characters.len() - 8..]].map(|end| end.iter().collect::<String>()));
    }
    traces.iter().map(|trace| trace.to_lowercase()).collect()
}

/// The first secret of which there is a trace in a text, with that trace.
pub fn leak<'a>(text: &[u8], secrets: &[&'a str]) -> Option<(&'a str, String)> {
    let text = String::from_utf8_lossy(text).to_lowercase();
    let found =
        |secret: &&'a str| traces(secret).into_iter().find(|trace| text.contains(trace)).map(|trace| (*secret, trace));
    secrets.iter().find_map(found)
}

/// A running server; dropping it ends it.
pub struct Echo {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What was said so far: of each request the next form of the next piece.
#[derive(Clone, Default)]
struct Turns(Arc<Mutex<usize>>);

impl Turns {
    /// Each form of each piece in turn.
    fn next(&self, pieces: &[Vec<u8>]) -> String {
        let mut turn = self.0.lock().expect("no panic under the lock");
        let all: Vec<String> = pieces.iter().flat_map(|piece| forms(piece)).collect();
        let said = all[*turn % all.len()].clone();
        *turn += 1;
        said
    }
}

/// How many turns it takes until each form of so many pieces was said.
pub fn all_turns(pieces: usize) -> usize {
    pieces * forms(b"").len()
}

async fn serve<S, F>(session: S) -> Echo
where
    S: Fn(TcpStream) -> F + Send + 'static,
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Its peer may go at any time.
            tokio::spawn(session(stream));
        }
    });
    Echo { address, task }
}

/// An HTTP server that says back, one piece and one form at a time, the target of a request and its headers named `says`.
/// `answer` makes the answer of what is said.
pub async fn http(says: &'static [&'static str], answer: fn(&str) -> String) -> Echo {
    let turns = Turns::default();
    serve(move |stream| {
        let turns = turns.clone();
        async move {
            let mut stream = BufReader::new(stream);
            loop {
                let (mut pieces, mut length, mut line) = (Vec::new(), 0, String::new());
                stream.read_line(&mut line).await?;
                let Some(target) = line.split(' ').nth(1) else { return Ok(()) };
                pieces.push(target.as_bytes().to_vec());
                loop {
                    let mut header = Vec::new();
                    stream.read_until(b'\n', &mut header).await?;
                    let Some(colon) = header.iter().position(|byte| *byte == b':') else { break };
                    let name = String::from_utf8_lossy(&header[..colon]).to_lowercase();
                    let value = header[colon + 1..].trim_ascii();
                    if name == "content-length" {
                        length = String::from_utf8_lossy(value).parse().unwrap_or(0);
                    }
                    if says.contains(&name.as_str()) {
                        pieces.push(value.to_vec());
                    }
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).await?;
                stream.get_mut().write_all(answer(&turns.next(&pieces)).as_bytes()).await?;
            }
        }
    })
    .await
}

/// A mail server that knows this one way to log in (`PLAIN` or `LOGIN`), refuses whoever uses it, for now, and repeats the line
/// that it was given, or the password, one form at a time.
pub async fn mail(way: &'static str, user: &'static str, password: &'static str) -> Echo {
    let turns = Turns::default();
    serve(move |stream| {
        let turns = turns.clone();
        async move {
            let mut stream = BufReader::new(stream);
            stream.get_mut().write_all(b"220 echo\r\n").await?;
            let mut line = String::new();
            let mut proof = None;
            loop {
                line.clear();
                if stream.read_line(&mut line).await? == 0 {
                    return Ok(());
                }
                let said = line.trim_end().to_owned();
                let reply = match said.split(' ').next().unwrap_or_default() {
                    "EHLO" => format!("250-echo\r\n250 AUTH {way}\r\n"),
                    "AUTH" if way == "LOGIN" => {
                        proof = Some(0);
                        "334 VXNlcm5hbWU6\r\n".to_owned()
                    }
                    _ if proof == Some(0) => {
                        proof = Some(1);
                        "334 UGFzc3dvcmQ6\r\n".to_owned()
                    }
                    _ if proof == Some(1) || way == "PLAIN" => {
                        let plain = format!("\0{user}\0{password}").into_bytes();
                        let again = turns.next(&[said.into_bytes(), password.as_bytes().to_vec(), plain]);
                        let lines: Vec<String> =
                            again.split("\r\n").map(|line| line.replace(['\r', '\n'], " ")).collect();
                        let (last, before) = lines.split_last().expect("a text has a line");
                        let before: String = before.iter().map(|line| format!("454-4.7.0 {line}\r\n")).collect();
                        format!("{before}454 4.7.0 {last}\r\n")
                    }
                    _ => "502 5.5.2 unknown\r\n".to_owned(),
                };
                stream.get_mut().write_all(reply.as_bytes()).await?;
            }
        }
    })
    .await
}
