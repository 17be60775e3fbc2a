//! A program that runs beside a test, and the lines that it prints.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rustix::process::Pid;

/// Longer than anything here takes.
const TOO_LONG: Duration = Duration::from_secs(60);

/// A running program, and the lines that it prints; dropping it ends it.
pub struct Running {
    child: Child,
    pub printed: Receiver<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (say, printed) = mpsc::channel();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let say = say.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if say.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Self { child, printed }
    }

    pub fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Reads on to a line in which this stands.
    pub fn until(&self, wanted: &str) -> String {
        let deadline = Instant::now() + TOO_LONG;
        let mut seen = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.printed.recv_timeout(left).unwrap_or_else(|_| panic!("no \"{wanted}\" in:\n{seen}"));
            if line.contains(wanted) {
                return line;
            }
            seen += &format!("{line}\n");
        }
    }
}
