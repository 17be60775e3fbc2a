//! Daemon, load and receiver of one round, and the walk of its webhooks.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::daemon::{Daemon, Erp, get};
use crate::load::{Answers, Job};
use crate::options::Options;
use crate::process::{Core, Role, Running};
use crate::requests::Content;
use crate::rows::Row;

const PATIENCE: Duration = Duration::from_secs(300);
/// Channels of which more are sent are not parked.
const PROBES: usize = 300;

/// A folder on a disk, not in memory: one of the build.
pub fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

/// What is measured, with everything that it needs; dropped in this sequence.
pub struct Scene {
    pub load: Load,
    daemon: Option<Daemon>,
    server: Option<Role>,
    pub receiver: Option<Receiver>,
    _folder: TempDir,
}

/// The process that takes WebHooks.
pub struct Receiver {
    pub address: SocketAddr,
    takes: Takes,
    _role: Role,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    Everything,
    /// And each is noted with its time.
    Notes,
    /// The first ones are refused so that the channels park, and nothing else is sent.
    Nothing,
}

impl Scene {
    pub fn set(options: &Options, row: Row, connections: usize, at_once: Option<u32>) -> Self {
        let folder = folder();
        let mut server = (row == Row::AppendLog).then(|| Role::start(Core::Server, "server-append-log", folder.path()));
        let receiver = match row {
            Row::OrderTwoWaiting => Some(Receiver::start(folder.path(), Takes::Nothing)),
            Row::ThinDelivered | Row::OrderDelivered => Some(Receiver::start(folder.path(), Takes::Everything)),
            Row::Steady => Some(Receiver::start(folder.path(), Takes::Notes)),
            _ => None,
        };
        let channels = receiver.iter().flat_map(|receiver| {
            let names: &[&str] = if receiver.takes == Takes::Nothing { &["one", "two"] } else { &["erp"] };
            names.iter().map(|name| Erp { name, receiver: receiver.address, at_once })
        });
        let channels: Vec<Erp> = channels.collect();
        let mut daemon = None;
        let address = match &mut server {
            Some(server) => server.address(),
            None => daemon.insert(Daemon::start(&options.daemon, folder.path(), &channels)).address,
        };
        let load = Load::start(folder.path(), address, row.content(), connections, false);
        Self { load, daemon, server, receiver, _folder: folder }
    }

    pub fn server(&self) -> &Running {
        let role = self.server.as_ref().map(|server| &server.running);
        role.or(self.daemon.as_ref().map(|daemon| &daemon.running)).expect("one of both")
    }

    /// Sends so many, and where they are delivered waits until the receiver has all and the store says so; the seconds that it
    /// took. `before` were sent before.
    pub fn run(&mut self, first: u64, count: usize, before: usize) -> (f64, Answers) {
        self.load.prepare(first, count);
        let begin = Instant::now();
        let answers = self.load.go();
        let (Some(receiver), Some(daemon)) = (&self.receiver, &self.daemon) else { return (answers.seconds, answers) };
        if receiver.takes == Takes::Nothing {
            assert!(receiver.count() < PROBES, "its channels are not parked: {} were sent", receiver.count());
            return (answers.seconds, answers);
        }
        while receiver.count() < before + count {
            assert!(begin.elapsed() < PATIENCE, "{} of {} were delivered", receiver.count(), before + count);
            std::thread::sleep(Duration::from_millis(5));
        }
        while daemon.deliveries("waiting", Some(1)) > 0 {
            assert!(begin.elapsed() < PATIENCE, "deliveries are waiting that the receiver has");
        }
        let seconds = begin.elapsed().as_secs_f64();
        assert_eq!(daemon.deliveries("delivered", None), before + count, "delivered, as the store has it");
        assert_eq!(receiver.count(), before + count, "each once");
        (seconds, answers)
    }
}

impl Receiver {
    pub fn start(folder: &Path, takes: Takes) -> Self {
        let name = match takes {
            Takes::Everything => "receiver",
            Takes::Notes => "receiver-noting",
            Takes::Nothing => "receiver-parking",
        };
        let mut role = Role::start(Core::Load, name, folder);
        Self { address: role.address(), takes, _role: role }
    }

    /// The orders of the WebHooks that came, with the microseconds of the time at which each was there.
    pub fn arrivals(&self) -> Vec<(u64, i64)> {
        let (_, text) = get(self.address, "/arrivals").expect("the receiver notes");
        let pair = |line: &str| line.split_once(' ').map(|(order, at)| (order.parse(), at.parse()));
        text.lines().filter_map(pair).map(|(order, at)| (order.expect("digits"), at.expect("digits"))).collect()
    }

    /// How many WebHooks came.
    pub fn count(&self) -> usize {
        get(self.address, "/count").and_then(|(_, count)| count.parse().ok()).expect("the receiver counts")
    }
}

/// The process that sends.
pub struct Load {
    role: Role,
    job: Job,
}

impl Load {
    pub fn start(folder: &Path, address: SocketAddr, content: Content, connections: usize, may_repeat: bool) -> Self {
        let job = Job { address, content, may_repeat, first: 0, count: 0, connections, per_second: None };
        Self { role: Role::start(Core::Load, "load", folder), job }
    }

    /// From now on, so many a second, or as many as are answered.
    pub fn pace(&mut self, per_second: Option<f64>) {
        self.job.per_second = per_second;
    }

    pub fn prepare(&mut self, first: u64, count: usize) {
        let job = Job { first, count, ..self.job.clone() };
        self.role.write(&serde_json::to_string(&job).expect("JSON"));
        assert_eq!(self.role.read(), "ready");
    }

    pub fn go(&mut self) -> Answers {
        self.role.write("go");
        serde_json::from_str(&self.role.read()).expect("answers")
    }

    pub fn send(&mut self, first: u64, count: usize) -> Answers {
        self.prepare(first, count);
        self.go()
    }
}
