//! The rows of the table, and the rounds in which they are measured: bare poem, a row, bare poem, the next row, and so on.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde::Serialize;
use tempfile::TempDir;

use crate::daemon::{Daemon, Erp, get, knows_at_once};
use crate::load::{Answers, Job};
use crate::options::Options;
use crate::process::{Core, Role, Running};
use crate::requests::Content;
use crate::{process, requests, table};

/// The most that one round prepares; so many orders are 2 GB.
const MOST: usize = 500_000;
/// Seeds of one round; the next round has a new store.
const WARM_SEEDS: u64 = 0;
const SEEDS: u64 = 1_000_000;
/// What is under way at a WebHook channel, where that is a setting.
const AT_ONCE: u32 = 64;
const PATIENCE: Duration = Duration::from_secs(300);
/// Channels of which more are sent are not parked.
const PROBES: usize = 300;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// Bare poem behind an append-only log with grouped `fdatasync`.
    AppendLog,
    Thin,
    Order,
    /// Two channels that are parked.
    OrderTwoWaiting,
    ThinDelivered,
    OrderDelivered,
}

pub const ALL: [Row; 6] =
    [Row::AppendLog, Row::Thin, Row::Order, Row::OrderTwoWaiting, Row::ThinDelivered, Row::OrderDelivered];

impl Row {
    pub fn name(self) -> &'static str {
        match self {
            Self::AppendLog => "append-log",
            Self::Thin => "thin",
            Self::Order => "order",
            Self::OrderTwoWaiting => "order-two-waiting",
            Self::ThinDelivered => "thin-delivered",
            Self::OrderDelivered => "order-delivered",
        }
    }

    pub fn named(name: &str) -> Result<Self, String> {
        let unknown = || format!("there is no row {name}; there are {}", ALL.map(Self::name).join(", "));
        ALL.into_iter().find(|row| row.name() == name).ok_or_else(unknown)
    }

    /// Those that are measured where none is named.
    pub fn usual() -> Vec<Self> {
        ALL.to_vec()
    }

    fn content(self) -> Content {
        match self {
            Self::AppendLog | Self::Thin | Self::ThinDelivered => Content::Thin,
            Self::Order | Self::OrderTwoWaiting | Self::OrderDelivered => Content::Order,
        }
    }

    /// How many tell how many to send.
    fn warm_up(self) -> usize {
        match self {
            Self::ThinDelivered | Self::OrderDelivered => 1000,
            _ => 4000,
        }
    }
}

/// One round of one row.
#[derive(Clone, Debug, Serialize)]
pub struct Round {
    pub per_second: f64,
    /// The constant's of the same round.
    pub constant_per_second: f64,
    pub ratio: f64,
    /// Microseconds of the server's processor for each.
    pub processor_us: f64,
    /// The share of its core that the server had, and that of the load.
    pub server_busy: f64,
    pub load_busy: f64,
    pub answers: Answers,
}

/// What a row came to at so many connections.
#[derive(Debug, Serialize)]
pub struct Measured {
    pub row: &'static str,
    pub connections: usize,
    pub rounds: Vec<Round>,
}

/// Measures what is asked for, and prints and writes it.
pub fn measure(options: &Options) {
    process::pin_own();
    println!("{}", table::machine());
    for content in [Content::Thin, Content::Order] {
        println!("{content:?}: {} bytes", requests::make(content, 0, 1)[0].len());
    }
    let at_once = knows_at_once(&options.daemon).then_some(AT_ONCE);
    if at_once.is_none() {
        println!("this daemon has no at_once: its WebHooks have as many sends under way as it likes");
    }
    let mut measured: Vec<Measured> = Vec::new();
    for &connections in &options.connections {
        for &row in &options.rows {
            measured.push(Measured { row: row.name(), connections, rounds: Vec::new() });
        }
    }
    for round in 1..=options.rounds {
        for measured in &mut measured {
            let row = Row::named(measured.row).expect("its own name");
            let constant = constant(options, row.content(), measured.connections);
            let one = one_round(options, row, measured.connections, at_once, constant);
            eprintln!("round {round}: {}", table::line(measured.row, measured.connections, &[&one]));
            measured.rounds.push(one);
        }
    }
    table::print(&measured);
    if let Some(file) = &options.json {
        table::write(file, options, &measured);
    }
}

/// A folder on a disk, not in memory: a folder of the build.
fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

/// How many requests a second bare poem answers with a constant.
fn constant(options: &Options, content: Content, connections: usize) -> f64 {
    let folder = folder();
    let mut server = Role::start(Core::Server, "server-constant", folder.path());
    let mut load = Load::start(folder.path(), server.address(), content, connections, true);
    let warm = load.send(WARM_SEEDS, 20_000);
    let answers = load.send(SEEDS, fitting(warm.count as f64 / warm.seconds, options.time));
    answers.count as f64 / answers.seconds
}

fn fitting(per_second: f64, time: Duration) -> usize {
    ((per_second * time.as_secs_f64()) as usize).clamp(100, MOST)
}

/// What is measured, with everything that it needs; dropped in this sequence.
struct Scene {
    load: Load,
    daemon: Option<Daemon>,
    server: Option<Role>,
    receiver: Option<Receiver>,
    _folder: TempDir,
}

/// The process that takes WebHooks.
struct Receiver {
    address: SocketAddr,
    takes: Takes,
    _role: Role,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Everything,
    /// The first ones are refused so that the channels park, and nothing else is sent.
    Nothing,
}

fn one_round(options: &Options, row: Row, connections: usize, at_once: Option<u32>, constant: f64) -> Round {
    let mut scene = Scene::set(options, row, connections, at_once);
    let warm = scene.run(WARM_SEEDS, row.warm_up(), 0);
    let count = fitting(row.warm_up() as f64 / warm.0, options.time);
    let processor = scene.server().processor();
    let (seconds, answers) = scene.run(SEEDS, count, row.warm_up());
    let used = scene.server().processor() - processor;
    let per_second = count as f64 / seconds;
    Round {
        per_second,
        constant_per_second: constant,
        ratio: per_second / constant,
        processor_us: used * 1e6 / count as f64,
        server_busy: used / seconds,
        load_busy: answers.processor / seconds,
        answers,
    }
}

impl Scene {
    fn set(options: &Options, row: Row, connections: usize, at_once: Option<u32>) -> Self {
        let folder = folder();
        let mut server = (row == Row::AppendLog).then(|| Role::start(Core::Server, "server-append-log", folder.path()));
        let receiver = match row {
            Row::AppendLog | Row::Thin | Row::Order => None,
            Row::OrderTwoWaiting => Some(Receiver::start(folder.path(), Takes::Nothing)),
            Row::ThinDelivered | Row::OrderDelivered => Some(Receiver::start(folder.path(), Takes::Everything)),
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

    fn server(&self) -> &Running {
        let role = self.server.as_ref().map(|server| &server.running);
        role.or(self.daemon.as_ref().map(|daemon| &daemon.running)).expect("one of both")
    }

    /// Sends so many, and where they are delivered waits until the receiver has all and the store says so; the seconds that it
    /// took. `before` were sent before.
    fn run(&mut self, first: u64, count: usize, before: usize) -> (f64, Answers) {
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
    fn start(folder: &Path, takes: Takes) -> Self {
        let name = if takes == Takes::Everything { "receiver" } else { "receiver-parking" };
        let mut role = Role::start(Core::Load, name, folder);
        Self { address: role.address(), takes, _role: role }
    }

    /// How many WebHooks came.
    fn count(&self) -> usize {
        get(self.address, "/count").and_then(|(_, count)| count.parse().ok()).expect("the receiver counts")
    }
}

/// The process that sends.
struct Load {
    role: Role,
    job: Job,
}

impl Load {
    fn start(folder: &Path, address: SocketAddr, content: Content, connections: usize, may_repeat: bool) -> Self {
        let job = Job { address, content, may_repeat, first: 0, count: 0, connections };
        Self { role: Role::start(Core::Load, "load", folder), job }
    }

    fn prepare(&mut self, first: u64, count: usize) {
        let job = Job { first, count, ..self.job.clone() };
        self.role.write(&serde_json::to_string(&job).expect("JSON"));
        assert_eq!(self.role.read(), "ready");
    }

    fn go(&mut self) -> Answers {
        self.role.write("go");
        serde_json::from_str(&self.role.read()).expect("answers")
    }

    fn send(&mut self, first: u64, count: usize) -> Answers {
        self.prepare(first, count);
        self.go()
    }
}

/// Says which daemon this is.
pub fn version(daemon: &Path) -> String {
    let output = Command::new(daemon).arg("--version").output().expect("the daemon says its version");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
