//! Daemon, load and receiver of one round, and the walk of its webhooks.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::daemon::{Daemon, Erp, get};
use crate::database::Database;
use crate::load::{Answers, Job, Requests};
use crate::options::Options;
use crate::process::{Core, Role, Running};
use crate::receiver::Reaction;
use crate::requests::Content;
use crate::rows::{Method, Row};

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
    /// Those of one store.
    daemons: Vec<Daemon>,
    _database: Option<Database>,
    server: Option<Role>,
    pub receiver: Option<Receiver>,
    _folder: TempDir,
}

/// The process that takes WebHooks.
pub struct Receiver {
    pub address: SocketAddr,
    reaction: Reaction,
    _role: Role,
}

impl Scene {
    pub fn set(options: &Options, row: Row, connections: usize, at_once: Option<u32>) -> Self {
        let folder = folder();
        let mut server = (row == Row::AppendLog).then(|| Role::start(Core::Server, "server-append-log", folder.path()));
        let receiver = match row {
            Row::OrderTwoWaiting => Some(Receiver::start(folder.path(), Reaction::Refuse)),
            row if row.delivers() => Some(Receiver::start(folder.path(), Reaction::Take)),
            Row::Steady => Some(Receiver::start(folder.path(), Reaction::Note)),
            _ => None,
        };
        let channels = receiver.iter().flat_map(|receiver| {
            let names: &[&str] = if receiver.reaction == Reaction::Refuse { &["one", "two"] } else { &["erp"] };
            names.iter().map(|name| Erp { name, receiver: receiver.address, at_once })
        });
        let channels: Vec<Erp> = channels.collect();
        let server_of_row = options.postgres.as_deref().filter(|_| row.method() == Method::Postgres);
        let database = server_of_row.map(Database::make);
        let store = database.as_ref().map(Database::address);
        let mut daemons = Vec::new();
        let addresses = match &mut server {
            Some(server) => vec![server.address()],
            None => {
                for number in 0..row.instances() {
                    let own = folder.path().join(format!("instance-{number}"));
                    std::fs::create_dir(&own).expect("a folder");
                    daemons.push(Daemon::start_on(&options.daemon, &own, &channels, store.as_deref()));
                }
                daemons.iter().map(|daemon| daemon.address).collect()
            }
        };
        let load = Load::start(folder.path(), &addresses, row.content(), connections);
        Self { load, daemons, _database: database, server, receiver, _folder: folder }
    }

    /// Seconds of processor of whoever answers, all together.
    pub fn processor(&self) -> f64 {
        let role = self.server.iter().map(|server| &server.running);
        role.chain(self.daemons.iter().map(|daemon| &daemon.running)).map(Running::processor).sum()
    }

    /// Sends so many, and where they are delivered waits until the receiver has all and the store says so; the seconds that it
    /// took. `before` were sent before.
    pub fn run(&mut self, first: u64, count: usize, before: usize) -> (f64, Answers) {
        self.load.prepare(first, count);
        let begin = Instant::now();
        let answers = self.load.go();
        let (Some(receiver), Some(daemon)) = (&self.receiver, self.daemons.first()) else {
            return (answers.seconds, answers);
        };
        if receiver.reaction == Reaction::Refuse {
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
    pub fn start(folder: &Path, reaction: Reaction) -> Self {
        let mut role = Role::start(Core::Load, reaction.role(), folder);
        Self { address: role.address(), reaction, _role: role }
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
    pub fn start(folder: &Path, addresses: &[SocketAddr], content: Content, connections: usize) -> Self {
        let addresses = addresses.to_vec();
        let job = Job {
            addresses,
            content,
            requests: Requests::Different,
            first: 0,
            count: 0,
            connections,
            per_second: None,
        };
        Self { role: Role::start(Core::Load, "load", folder), job }
    }

    /// As many requests as are needed, made of a few: who answers a constant does not look at them.
    pub fn repeating(mut self) -> Self {
        self.job.requests = Requests::Repeated;
        self
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
