//! What systemd, or another service manager, is notified of: when webhooks are taken, a reload, the stop, how things stand, and
//! that the daemon does its work. The protocol is that of sd_notify(3): lines in one datagram to `NOTIFY_SOCKET`. A crate for it
//! exists (`sd-notify`), but takes no abstract socket and reads the environment at each call.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{io, process};

use rustix::time::ClockId;
use tokio_util::sync::CancellationToken;

use crate::flow::health::HealthCheck;
use crate::flow::supervisor::Supervisor;
use crate::store::Store;
use crate::store::health::Status;

/// A store that cannot be opened yet may take as long as the disk is full, and the daemon goes on trying. Who waits for its start
/// waits no longer than this; the status line says what is missing.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How often the status line is made anew where there is no watchdog.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How soon it is looked again while something is wrong: a task that was started again must not cost the daemon its life.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Who has started the daemon and wants to be notified, if anybody. Cloning shares it.
#[derive(Clone, Default)]
pub struct ServiceManager(Option<Arc<Connection>>);

struct Connection {
    socket: UnixDatagram,
    address: SocketAddr,
    /// After so long without a sign of life the daemon is killed, and started anew.
    watchdog: Option<Duration>,
    /// The last status line.
    said: Mutex<String>,
}

/// What the status line is about, and the watchdog goes by.
#[derive(Clone)]
pub struct DaemonState {
    pub health: Arc<HealthCheck>,
    pub store: Arc<dyn Store>,
    /// Where webhooks are taken.
    pub address: std::net::SocketAddr,
}

/// While the configuration is read; at its end the reload is over, whatever has become of it.
#[must_use]
pub struct Reload<'a>(&'a ServiceManager);

impl Drop for Reload<'_> {
    fn drop(&mut self) {
        self.0.send("READY=1");
    }
}

impl ServiceManager {
    /// As the environment variables say: nobody without `NOTIFY_SOCKET`, and no watchdog where `WATCHDOG_PID` names another
    /// process.
    ///
    /// # Errors
    /// When `NOTIFY_SOCKET` is neither a path nor `@` and the name of an abstract socket, or there is no socket to send from.
    pub fn named_by(variable: impl Fn(&str) -> Option<OsString>) -> io::Result<Self> {
        let Some(socket) = variable("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else {
            return Ok(Self::default());
        };
        let number = |name| variable(name).and_then(|number| number.to_str()?.parse::<u64>().ok());
        let is_meant = variable("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(process::id().into());
        let watchdog = number("WATCHDOG_USEC").filter(|usec| is_meant && *usec > 0).map(Duration::from_micros);
        let (address, from) = (address(&socket)?, UnixDatagram::unbound()?);
        // A service manager that reads nothing must not hold up the daemon.
        from.set_nonblocking(true)?;
        Ok(Self(Some(Arc::new(Connection { socket: from, address, watchdog, said: Mutex::default() }))))
    }

    /// Notifies of everything but reloads, until the daemon has stopped.
    pub fn keep_notified(&self, supervisor: &Supervisor, state: DaemonState) {
        if self.0.is_none() {
            return;
        }
        let (manager, stop) = (self.clone(), supervisor.stop());
        supervisor.keep("service manager", move || {
            let (manager, state, stop) = (manager.clone(), state.clone(), stop.clone());
            async move { manager.run(&state, stop).await }
        });
    }

    /// As [`ServiceManager::keep_notified`], until `stop`.
    pub async fn run(&self, state: &DaemonState, stop: CancellationToken) {
        let watchdog = self.0.as_ref().and_then(|connection| connection.watchdog);
        let working = async {
            let _ = tokio::time::timeout(READY_WITHIN, state.store.opened()).await;
            self.send("READY=1");
            let every = watchdog.map_or(LOOK_EVERY, |watchdog| watchdog / 2);
            loop {
                let unwell = state.health.reason().await;
                if unwell.is_none() && watchdog.is_some() {
                    self.send("WATCHDOG=1");
                }
                let pause = if unwell.is_some() { every.min(LOOK_AGAIN) } else { every };
                self.say(&state.sentence(unwell));
                tokio::time::sleep(pause).await;
            }
        };
        stop.run_until_cancelled(working).await;
        self.send("STOPPING=1");
        self.say("stopping: what is under way is finished or released");
    }

    /// The configuration is about to be read.
    pub fn reload(&self) -> Reload<'_> {
        if self.0.is_some() {
            // By this clock the service manager finds out that the reload it asked for is meant, and none before.
            let now = rustix::time::clock_gettime(ClockId::Monotonic);
            self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1_000_000 + now.tv_nsec / 1000));
        }
        Reload(self)
    }

    /// Sends the status line where it is another than before.
    fn say(&self, sentence: &str) {
        let Some(connection) = &self.0 else { return };
        let sentence = sentence.replace(char::is_control, " ");
        let mut said = connection.said.lock().unwrap_or_else(PoisonError::into_inner);
        if *said != sentence {
            self.send(&format!("STATUS={sentence}"));
            *said = sentence;
        }
    }

    fn send(&self, state: &str) {
        let Some(Connection { socket, address, .. }) = self.0.as_deref() else { return };
        if let Err(error) = socket.send_to_addr(state.as_bytes(), address) {
            tracing::warn!(%error, state, "the service manager could not be notified");
        }
    }
}

impl DaemonState {
    /// How things stand, in one short sentence.
    fn sentence(&self, unwell: Option<String>) -> String {
        match (unwell, &*self.store.status().borrow()) {
            (Some(reason), _) => reason,
            (None, Status::Wrong(reason)) => format!("nothing can be stored, webhooks are answered 503: {reason}"),
            (None, Status::Ready(_)) => format!("webhooks are taken at {}", self.address),
        }
    }
}

/// Reads what `NOTIFY_SOCKET` says.
fn address(socket: &OsStr) -> io::Result<SocketAddr> {
    match socket.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(socket),
        _ => Err(io::Error::other("neither a path nor the name of an abstract socket")),
    }
}
