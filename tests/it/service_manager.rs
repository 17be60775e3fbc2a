//! The daemon under a service manager: it is notified of the start, of reloads, of the stop and of how things stand, and of life
//! only while the daemon does its work.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use orderbell::flow::Clock;
use orderbell::flow::health::HealthCheck;
use orderbell::flow::service_manager::{DaemonState, ServiceManager};
use orderbell::flow::supervisor::{BeforeRun, Supervisor};
use orderbell::sandbox::rules::Rules;
use rusqlite::Connection;
use rustix::time::ClockId;
use tokio::net::UnixDatagram;
use tokio_util::sync::CancellationToken;

use crate::support;
use crate::support::binary::Program;
use crate::support::log::log;
use crate::support::watching::NEVER;
use crate::support::{Scene, in_time, keeta, stores};

/// A service manager, as far as the daemon sees it.
struct Notified(UnixDatagram);

impl Notified {
    fn at(address: &net::SocketAddr) -> Self {
        let socket = net::UnixDatagram::bind_addr(address).expect("a socket");
        socket.set_nonblocking(true).expect("a socket");
        Self(UnixDatagram::from_std(socket).expect("a socket"))
    }

    fn in_folder(folder: &Path) -> (Self, OsString) {
        let path = folder.join("notify");
        (Self::at(&net::SocketAddr::from_pathname(&path).expect("an address")), path.into_os_string())
    }

    async fn next(&self) -> String {
        let mut datagram = [0; 4096];
        let length = in_time(self.0.recv(&mut datagram)).await.expect("a datagram");
        String::from_utf8(datagram[..length].to_vec()).expect("text")
    }

    /// What comes up to a datagram that begins so, and that one.
    async fn until(&self, begin: &str) -> Vec<String> {
        let mut came = Vec::new();
        loop {
            came.push(self.next().await);
            if came.last().is_some_and(|last| last.starts_with(begin)) {
                return came;
            }
        }
    }
}

fn monotonic_usec() -> i64 {
    let now = rustix::time::clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

/// A service manager that is notified at `socket` and wants a sign of life within `watchdog`.
fn manager(socket: &OsString, watchdog: Duration) -> ServiceManager {
    let (socket, watchdog) = (socket.clone(), watchdog.as_micros().to_string());
    let named = ServiceManager::named_by(|name| match name {
        "NOTIFY_SOCKET" => Some(socket.clone()),
        "WATCHDOG_USEC" => Some(watchdog.clone().into()),
        _ => None,
    });
    named.expect("an address")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_notifies_of_start_reload_and_stop_on_either_kind_of_socket() {
    let name = format!("orderbell-notify-{}", std::process::id());
    let abstract_address = net::SocketAddr::from_abstract_name(&name).expect("an address");
    let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    let sockets =
        [Notified::in_folder(folders[0].path()), (Notified::at(&abstract_address), format!("@{name}").into())];
    for (folder, (notified, socket)) in folders.iter().zip(sockets) {
        let variables = [("NOTIFY_SOCKET", socket), ("WATCHDOG_USEC", "500000".into())];
        let program = Program::spawn_with(folder.path(), "bell.db", "", &variables);
        assert_eq!(notified.next().await, "READY=1");
        // It is ready, so nothing has to be waited for.
        let program = program.answering().await.expect("it runs");
        program.acknowledged(&keeta::placed(1, Timestamp::now())).await;
        let taken = format!("STATUS=webhooks are taken at {}", program.address);
        assert_eq!([notified.next().await, notified.next().await], ["WATCHDOG=1".to_owned(), taken]);
        notified.until("WATCHDOG=1").await;

        let asked_at = monotonic_usec();
        program.signal("HUP");
        let reloading = notified.until("RELOADING=1\n").await.pop().expect("it comes");
        let at = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|usec| usec.parse::<i64>().ok());
        let at = at.unwrap_or_else(|| panic!("{reloading}"));
        assert!(asked_at <= at && at <= monotonic_usec(), "{asked_at} {at}");
        let meanwhile = notified.until("READY=1").await;
        assert!(meanwhile.iter().rev().skip(1).all(|one| one == "WATCHDOG=1"), "{meanwhile:?}");

        program.stop().await;
        notified.until("STOPPING=1").await;
        assert!(notified.next().await.starts_with("STATUS=stopping"));
        assert!(notified.0.try_recv(&mut [0; 64]).is_err(), "nothing after the end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_writer_hangs_there_is_no_sign_of_life_and_the_status_says_why() {
    let scene = Scene::new(Rules::new()).await;
    let path = scene.folder.path().join("bell.db");
    let store = stores::open(&path, Timestamp::now()).expect("the store opens");
    let stop = CancellationToken::new();
    let supervisor = Supervisor::new(Clock::system(), &stop);
    let health = HealthCheck::new(supervisor, store.clone(), Clock::system()).within(Duration::from_millis(300));
    let state = DaemonState { health: Arc::new(health), store, address: ([127, 0, 0, 1], 8787).into() };
    let (notified, socket) = Notified::in_folder(scene.folder.path());
    let manager = manager(&socket, Duration::from_millis(100));
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { manager.run(&state, stop).await }
    });
    notified.until("STATUS=webhooks are taken at 127.0.0.1:8787").await;
    notified.until("WATCHDOG=1").await;

    let other = Connection::open(&path).expect("the store opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock is free");
    notified.until("STATUS=the thread that writes the store does not answer since 20").await;
    other.execute_batch("COMMIT").expect("the lock is given back");
    // A sign of life would have been due every 50 ms, and the answer of the writer is good for a second.
    let well = "STATUS=webhooks are taken at 127.0.0.1:8787";
    assert_eq!(notified.until(well).await, ["WATCHDOG=1", well]);
    stop.cancel();
    in_time(running).await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_task_that_must_run_does_not_there_is_no_sign_of_life() {
    let scene = Scene::new(Rules::new()).await;
    let (notified, socket) = Notified::in_folder(scene.folder.path());
    let runs = AtomicUsize::new(0);
    let before_run: BeforeRun = Arc::new(move |task| {
        assert!(task != "reports" || runs.fetch_add(1, Ordering::AcqRel) >= 3, "as the test wants it");
    });
    let manager = manager(&socket, Duration::from_millis(100));
    let daemon = scene.start_notifying(before_run, manager, &scene.hook("erp", "")).await;
    notified.until("STATUS=the task \"reports\" does not run since 20").await;
    let came = notified.until("STATUS=webhooks are taken at 127.0.0.1:").await;
    assert_eq!((came.len(), came[0].as_str()), (2, "WATCHDOG=1"), "{came:?}");
    daemon.stop().await;
    notified.until("STOPPING=1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_over_also_where_the_file_is_refused() {
    let scene = Scene::new(Rules::new()).await;
    let (notified, socket) = Notified::in_folder(scene.folder.path());
    let manager = manager(&socket, NEVER);
    let watching = scene.start_watching_by(manager, NEVER, "", &scene.hook("erp", "")).await;
    notified.until("STATUS=webhooks are taken").await;
    support::watching::replace(&watching.file, "no = configuration");
    watching.ask();
    assert!(notified.next().await.starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(notified.next().await, "READY=1");
    assert!(log().contains("the new configuration is not used"), "{}", log());
    watching.daemon.stop().await;
}

#[test]
fn nobody_is_notified_without_a_socket_and_a_wrong_one_is_said() {
    let named = |socket: &str| {
        let socket = OsString::from(socket);
        ServiceManager::named_by(move |name| (name == "NOTIFY_SOCKET").then(|| socket.clone()))
    };
    assert!(ServiceManager::named_by(|_| None).is_ok() && named("").is_ok());
    assert!(named("/run/systemd/notify").is_ok() && named("@notify").is_ok());
    for wrong in ["notify", "vsock:2:1", "./notify"] {
        assert_eq!(
            named(wrong).err().map(|error| error.to_string()).as_deref(),
            Some("neither a path nor the name of an abstract socket")
        );
    }
}
