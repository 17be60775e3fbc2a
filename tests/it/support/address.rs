//! Addresses for programs that are started by a test, killed and started again.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::net::{TcpListener, TcpSocket};

/// An address at which nobody listens, and no other test will, also while the program is down: each has a loopback address
/// to itself. Where the system knows one only, it is a port that was free just now.
pub fn own_address() -> SocketAddr {
    static COUNT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    // Other runs of the tests at the same time are other processes.
    let process = u8::try_from(std::process::id() % 200).expect("small") + 20;
    let own = std::net::TcpListener::bind((Ipv4Addr::new(127, process, high, low), 0));
    let listener = own.or_else(|_| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
    listener.local_addr().expect("an address")
}

/// A place at which nobody listens yet: whoever connects is refused, and nobody else can take it.
pub struct ShutDoor {
    socket: TcpSocket,
    pub address: SocketAddr,
}

impl ShutDoor {
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = socket.local_addr().expect("an address");
        Self { socket, address }
    }

    pub fn open(self) -> TcpListener {
        self.socket.listen(1024).expect("it can be listened at")
    }
}
