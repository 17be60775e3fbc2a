//! A way to PostgreSQL that a test can cut: at once, or in the midst of a commit, before the server has it or before its answer
//! comes through.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What becomes of the next commit that comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cut {
    /// Everything goes through.
    None = 0,
    /// The connection ends, and the server never gets it.
    BeforeCommit = 1,
    /// The server gets it, and the connection ends before its answer.
    BeforeAnswer = 2,
    /// Nothing that the server says comes through any more, and the connections stay.
    Silence = 3,
}

/// What the server behind it is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    AsItIs,
    /// One that has no certificate.
    WithoutTls,
}

/// By which a client asks for encryption.
const ASKS_FOR_TLS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A running relay; dropping it ends it.
pub struct Relay {
    pub port: u16,
    cut: Arc<AtomicU8>,
    task: JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Relay {
    pub async fn start(target: u16) -> Self {
        Self::start_as(target, Server::AsItIs).await
    }

    /// Behind which a server seems to have no encryption.
    pub async fn start_plain(target: u16) -> Self {
        Self::start_as(target, Server::WithoutTls).await
    }

    async fn start_as(target: u16, kind: Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let cut = Arc::new(AtomicU8::new(Cut::None as u8));
        let shared = cut.clone();
        let task = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { return };
                let cut = shared.clone();
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], target))).await {
                        relay(client, server, kind, &cut).await;
                    }
                });
            }
        });
        Self { port, cut, task }
    }

    /// The next commit is cut; those after it are not.
    pub fn cut(&self, cut: Cut) {
        self.cut.store(cut as u8, Ordering::Release);
    }

    /// Whether the commit that was to be cut has come by.
    pub fn has_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire) == Cut::None as u8
    }
}

async fn relay(mut client: TcpStream, mut server: TcpStream, kind: Server, cut: &AtomicU8) {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                let bytes = &asked[..length];
                if kind == Server::WithoutTls && *bytes == ASKS_FOR_TLS {
                    if client.write_all(b"N").await.is_err() {
                        return;
                    }
                    continue;
                }
                let is_commit = bytes.windows(7).any(|seven| seven == b"COMMIT\0");
                let wanted = if is_commit && !is_silent(cut) { cut.swap(Cut::None as u8, Ordering::AcqRel) } else { Cut::None as u8 };
                if wanted == Cut::BeforeCommit as u8 {
                    return;
                }
                if server.write_all(bytes).await.is_err() {
                    return;
                }
                if wanted == Cut::BeforeAnswer as u8 {
                    // The answer is there: it was done.
                    let _ = server.read(&mut answered).await;
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if is_silent(cut) {
                    continue;
                }
                if client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn is_silent(cut: &AtomicU8) -> bool {
    cut.load(Ordering::Acquire) == Cut::Silence as u8
}
