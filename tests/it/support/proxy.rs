//! A small HTTP proxy for tests: it opens ways by CONNECT, hands plain requests on, and misbehaves on command. Wherever it is
//! asked to go, it goes to one address, so that names that nobody has can be used.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a proxy does with who asks it for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Opens,
    /// Opens to whom the header `Proxy-Authorization` names; others get a 407.
    Wants(&'static str),
    Refuses(u16),
    /// Takes the request and says nothing.
    Hangs,
    /// Closes the connection in the midst of its answer.
    Cuts,
}

/// A running proxy; dropping it ends it.
pub struct Proxy {
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// Leads to `target`. A path that begins with `prefix` loses it on the way, as behind a relay.
    pub async fn start(target: SocketAddr, manner: Manner, prefix: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = heads.clone();
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let seen = seen.clone();
                tokio::spawn(async move {
                    // Either side may go away at any time.
                    let _ = serve(stream, target, manner, prefix, &seen).await;
                });
            }
        });
        Self { address, heads, task }
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no panic under the lock").clone()
    }
}

async fn serve(
    stream: TcpStream,
    target: SocketAddr,
    manner: Manner,
    prefix: &str,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        seen.lock().expect("no panic under the lock").push(head.clone());
        let refusal = match manner {
            Manner::Opens => None,
            Manner::Wants(who) if authorization(&head) == Some(who) => None,
            Manner::Wants(_) => Some(407),
            Manner::Refuses(status) => Some(status),
            Manner::Hangs => return std::future::pending().await,
            Manner::Cuts => {
                stream.write_all(b"HTTP/1.1 200 Conn").await?;
                return Ok(());
            }
        };
        let is_tunnel = head.starts_with("CONNECT ");
        let mut body = vec![0; length(&head)];
        stream.read_exact(&mut body).await?;
        if let Some(status) = refusal {
            let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT";
            stream.write_all(format!("HTTP/1.1 {status} no\r\n{date}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await?;
            continue;
        }
        let mut target = TcpStream::connect(target).await?;
        if is_tunnel {
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
            tokio::io::copy_bidirectional(&mut stream, &mut target).await?;
            return Ok(());
        }
        target.write_all(handed_on(&head, prefix).as_bytes()).await?;
        target.write_all(&body).await?;
        let mut answer = Vec::new();
        target.read_to_end(&mut answer).await?;
        stream.write_all(&answer).await?;
        return Ok(());
    }
}

fn authorization(head: &str) -> Option<&str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization")).map(|(_, who)| who)
}

fn length(head: &str) -> usize {
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:").map(str::to_owned));
    length.and_then(|length| length.trim().parse().ok()).unwrap_or(0)
}

/// The head as the receiver gets it: the path alone, nothing of what was meant for the proxy, and closed afterwards.
fn handed_on(head: &str, prefix: &str) -> String {
    let (first, rest) = head.split_once("\r\n").expect("a first line");
    let mut words = first.split(' ');
    let (method, address) = (words.next().expect("a method"), words.next().expect("an address"));
    let path = match address.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => address,
    };
    let path = path.strip_prefix(prefix).unwrap_or(path);
    let ours = |line: &&str| !line.to_lowercase().starts_with("proxy-") && !line.is_empty();
    let lines: Vec<&str> = rest.split("\r\n").filter(ours).collect();
    format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{}\r\n\r\n", lines.join("\r\n"))
}
