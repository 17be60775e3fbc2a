//! The platform: it pushes the events of orders, each until some instance acknowledges it, and only then the next one.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use orderbell::domain::event::Kind;
use orderbell::platform::Platform;
use orderbell::platform::keeta::settings::Keeta;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::together::house::House;

const SENDERS: u64 = 5;
/// Between the events of one sender.
const PAUSE: Duration = Duration::from_millis(60);
/// A platform that gets no answer for so long sends once more, to whoever the proxy has next.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);
const ADDRESS: &str = "https://bell.example.com/hooks/keeta-hk";

/// What happens to each order, in this sequence.
pub const KINDS: [Kind; 3] = [Kind::OrderPlaced, Kind::OrderAccepted, Kind::OrderCompleted];

/// An event that was acknowledged: the number of its order, and which of [`KINDS`] it is.
pub type Acknowledged = BTreeSet<(u64, usize)>;

/// Senders at work.
pub struct Load {
    senders: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

struct Shared {
    addresses: Vec<SocketAddr>,
    next_order: AtomicU64,
    /// For whom the next request is.
    next_instance: AtomicU64,
    acknowledged: Mutex<Acknowledged>,
    is_over: AtomicBool,
}

impl Load {
    pub fn start(house: &House) -> Self {
        let shared = Arc::new(Shared {
            addresses: house.instances.iter().map(|instance| instance.address).collect(),
            next_order: AtomicU64::new(1),
            next_instance: AtomicU64::new(0),
            acknowledged: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let senders = (0..SENDERS).map(|_| tokio::spawn(send(shared.clone()))).collect();
        Self { senders, shared }
    }

    /// Lets each order that has begun come to its end. Answers what was acknowledged.
    pub async fn stop(self) -> Acknowledged {
        self.shared.is_over.store(true, Ordering::Release);
        for sender in self.senders {
            sender.await.expect("a sender met something else than a daemon that is gone");
        }
        self.shared.acknowledged.lock().expect("no panic elsewhere").clone()
    }
}

async fn send(shared: Arc<Shared>) {
    let keeta: Keeta = serde_json::from_str(r#"{"app_id":1,"app_secret":"s"}"#).expect("a source");
    while !shared.is_over.load(Ordering::Acquire) {
        let order = shared.next_order.fetch_add(1, Ordering::AcqRel);
        for (place, kind) in KINDS.iter().enumerate() {
            let body = keeta.samples(kind, ADDRESS, order, Timestamp::now()).remove(0).body;
            while !post(shared.address(), &body).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            shared.acknowledged.lock().expect("no panic elsewhere").insert((order, place));
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Shared {
    fn address(&self) -> SocketAddr {
        let next = self.next_instance.fetch_add(1, Ordering::AcqRel);
        self.addresses[usize::try_from(next).expect("few") % self.addresses.len()]
    }
}

/// Whether a webhook was acknowledged.
async fn post(address: SocketAddr, body: &[u8]) -> bool {
    timeout(ANSWERED_WITHIN, ask(address, body)).await.is_ok_and(|answer| answer.is_some())
}

async fn ask(address: SocketAddr, body: &[u8]) -> Option<()> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let head = format!("POST /hooks/keeta-hk HTTP/1.1\r\nhost: bell\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).await.ok()?;
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await.ok()?;
    let status = answer[..read].get(9..12).map(|status| String::from_utf8_lossy(status).into_owned());
    match status.as_deref() {
        Some("200") => Some(()),
        // While the database is away.
        Some("503") | None => None,
        Some(_) => panic!("{}", String::from_utf8_lossy(&answer[..read])),
    }
}
