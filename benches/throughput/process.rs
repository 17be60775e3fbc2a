//! The children of the benchmark: on which core they run, what they have used, and that they end.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, kill_process};

/// Where a child runs.
#[derive(Clone, Copy)]
pub enum Core {
    /// The daemon's, or that of whatever stands in its place.
    Server,
    /// That of load and receiver.
    Load,
    /// All of them: for what is made before anything is measured.
    Any,
}

/// The first and the last core that this process may use; the same one where there is only one.
fn cores() -> (&'static str, &'static str) {
    let mut ends = allowed().split([',', '-']);
    let first = ends.next().unwrap_or("0");
    (first, ends.next_back().unwrap_or(first))
}

/// Those that this process could use at its start, as a list.
fn allowed() -> &'static str {
    static ALLOWED: OnceLock<String> = OnceLock::new();
    ALLOWED.get_or_init(|| {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or("0");
        list.trim().to_owned()
    })
}

/// Says where everything runs.
pub fn placement() -> String {
    match cores() {
        (one, other) if one == other => format!("server, load and receiver share core {one}: ratios say little"),
        (server, load) => format!("server on core {server}, load and receiver on core {load}"),
    }
}

/// This process and its threads stay away from the server's core.
pub fn pin_own() {
    let own = std::process::id().to_string();
    let status = Command::new("taskset").args(["-a", "-p", "-c", cores().1, &own]).stdout(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "taskset of util-linux is there");
}

/// A command that will run on one core, with the same process id.
pub fn pinned(core: Core, program: &Path) -> Command {
    let ((server, load), any) = (cores(), allowed());
    let mut command = Command::new("taskset");
    let core = match core {
        Core::Server => server,
        Core::Load => load,
        Core::Any => any,
    };
    command.args(["-c", core]).arg(program);
    command
}

/// A child that is ended with its owner.
pub struct Running(Child);

impl Running {
    pub fn start(mut command: Command) -> Self {
        Self(command.spawn().expect("the child starts; taskset of util-linux is there"))
    }

    /// Seconds of processor, user and system.
    pub fn processor(&self) -> f64 {
        processor(&self.0.id().to_string())
    }

    /// MiB, of the field of this name in its status.
    pub fn memory_mib(&self, field: &str) -> f64 {
        status_number(&format!("/proc/{}/status", self.0.id()), field).expect("the process lives") as f64 / 1024.0
    }

    pub fn threads(&self) -> usize {
        self.tasks().len()
    }

    /// How often its threads went to sleep so far, which is how often they woke up.
    pub fn wake_ups(&self) -> u64 {
        let of = |task: &String| status_number(&format!("{task}/status"), "voluntary_ctxt_switches");
        // One that has ended meanwhile has none.
        self.tasks().iter().filter_map(of).sum()
    }

    fn tasks(&self) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0.id())).expect("the process lives");
        tasks.map(|task| task.expect("an entry").path().display().to_string()).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Of a role, standard input; whoever does not read it gets the signal.
        drop(self.0.stdin.take());
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

/// Seconds of processor that a process has used: fields 14 and 15 of the line, of which the second is a name in parentheses.
pub fn processor(process: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("the process lives");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    [11, 12].map(|index| fields[index].parse::<f64>().expect("a number")).iter().sum::<f64>() / 100.0
}

/// The number behind a name in a file of `/proc`.
fn status_number(file: &str, name: &str) -> Option<u64> {
    let status = fs::read_to_string(file).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.split_whitespace().next()?.parse().ok()
}

/// A child with one of this binary's roles, with which lines are exchanged.
pub struct Role {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub running: Running,
}

impl Role {
    pub fn start(core: Core, role: &str, folder: &Path) -> Self {
        let mut command = pinned(core, &std::env::current_exe().expect("the path of this binary"));
        command.args(["--role", role]).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = Running::start(command);
        let input = running.0.stdin.take().expect("it is piped");
        let output = BufReader::new(running.0.stdout.take().expect("it is piped"));
        Self { input, output, running }
    }

    pub fn write(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the child reads");
    }

    pub fn read(&mut self) -> String {
        let mut line = String::new();
        let read = self.output.read_line(&mut line).expect("the child writes");
        assert!(read > 0, "the child has ended");
        line.trim_end().to_owned()
    }

    /// The address that a server says first.
    pub fn address(&mut self) -> SocketAddr {
        self.read().parse().expect("an address")
    }
}

/// Ends this process when its parent lets go of its standard input; for roles that read nothing from it.
pub fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}
