//! One process that renders, seen from the daemon: started, asked with a deadline, and ended.

use std::io;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;

use crate::render::protocol::{RenderAnswer, RenderRequest};
use crate::render::serve::COMMAND;
use crate::render::{limits, protocol};

/// Longer than a start takes on the busiest machine.
const START: Duration = Duration::from_secs(10);
/// So much of its last words is read.
const LAST_WORDS_BYTES: u64 = 4096;

/// Standard signals whose numbers are the same wherever this runs.
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;

pub struct Worker {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

/// Why a process answers no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Memory,
    Stack,
    Time,
    /// In a way that no template is known to bring about.
    Other(String),
    /// It never began.
    Unavailable(String),
}

impl End {
    /// What a merchant reads, and what to look for.
    pub fn in_words(&self) -> String {
        match self {
            End::Memory => format!(
                "it takes more than {} MiB of memory and was stopped; look for a text or a list that grows with each step",
                limits::MEMORY_MIB
            ),
            End::Stack => "it is nested too deeply and was stopped; look for what contains itself".to_owned(),
            End::Time => {
                format!("it takes more than {} seconds and was stopped; look for a loop in a loop", limits::SECONDS)
            }
            End::Other(how) => format!("it ended the process that renders it ({how})"),
            End::Unavailable(why) => format!("your own templates cannot be rendered now ({why})"),
        }
    }
}

impl Worker {
    /// Starts a process with nothing of this one's context.
    ///
    /// # Errors
    /// [`End::Unavailable`].
    pub fn start(program: &Path) -> Result<Self, End> {
        let mut command = Command::new(program);
        command.arg0("orderbell").arg(COMMAND).env_clear().current_dir("/");
        // The allocator would take a gigabyte of addresses at once, which is more than the limit.
        command.env("MIMALLOC_ARENA_RESERVE", "0");
        // Where this machine keeps its time zones.
        command.envs(std::env::var_os("TZDIR").map(|folder| ("TZDIR", folder)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let unavailable = |error: &dyn std::fmt::Display| End::Unavailable(error.to_string());
        let mut child = command.spawn().map_err(|error| unavailable(&error))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            let _ = child.kill();
            return Err(End::Unavailable("it has no pipes".to_owned()));
        };
        let mut worker = Self { child, input, output };
        let unblocked = ioctl_fionbio(&worker.input, true).and_then(|()| ioctl_fionbio(&worker.output, true));
        unblocked.map_err(|error| unavailable(&error))?;
        match worker.next(Instant::now() + START) {
            Ok(RenderAnswer::Ready) => Ok(worker),
            Ok(_) => Err(End::Unavailable("it speaks another language".to_owned())),
            Err(error) => {
                let how = worker.ended(&error);
                Err(End::Unavailable(format!("the process did not begin: {how:?}")))
            }
        }
    }

    /// Asks, and waits for what `answer` takes; it is shown everything that comes before.
    ///
    /// # Errors
    /// How the process ended. It must not be asked again.
    pub fn ask<T>(
        &mut self,
        request: &RenderRequest,
        within: Duration,
        mut answer: impl FnMut(RenderAnswer) -> Option<T>,
    ) -> Result<T, End> {
        let deadline = Instant::now() + within;
        let asked = protocol::packed(request).and_then(|bytes| self.send(&bytes, deadline));
        let mut failure = asked.err();
        // Also when it has ended before it took everything: what it said until then counts.
        loop {
            match self.next(deadline) {
                Ok(said) => {
                    if let Some(done) = answer(said) {
                        return Ok(done);
                    }
                }
                Err(error) => {
                    let error = failure.take().unwrap_or(error);
                    return Err(self.ended(&error));
                }
            }
        }
    }

    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn send(&mut self, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
        while !bytes.is_empty() {
            ready(&self.input, PollFlags::OUT, deadline)?;
            match self.input.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn next(&mut self, deadline: Instant) -> io::Result<RenderAnswer> {
        let mut head = [0; 4];
        self.receive(&mut head, deadline)?;
        let mut bytes = vec![0; protocol::length(head)?];
        self.receive(&mut bytes, deadline)?;
        protocol::unpacked(&bytes)
    }

    fn receive(&mut self, mut bytes: &mut [u8], deadline: Instant) -> io::Result<()> {
        while !bytes.is_empty() {
            ready(&self.output, PollFlags::IN, deadline)?;
            match self.output.read(bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => bytes = &mut bytes[read..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes sure that it has ended, and says why it did.
    fn ended(&mut self, error: &io::Error) -> End {
        let in_time = error.kind() != io::ErrorKind::TimedOut;
        if !in_time {
            let _ = self.child.kill();
        }
        // Whoever sends nonsense is ended, too; whoever has ended already is not touched by it.
        if !matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe) {
            let _ = self.child.kill();
        }
        let status = self.child.wait();
        let mut words = Vec::new();
        if let Some(stderr) = self.child.stderr.take() {
            let _ = stderr.take(LAST_WORDS_BYTES).read_to_end(&mut words);
        }
        match status {
            _ if !in_time => End::Time,
            Ok(status) => reason(status, &String::from_utf8_lossy(&words)),
            Err(error) => End::Other(error.to_string()),
        }
    }
}

fn reason(status: ExitStatus, last_words: &str) -> End {
    match status.signal() {
        Some(SIGXCPU) => End::Time,
        _ if last_words.contains("overflowed its stack") => End::Stack,
        _ if last_words.contains("memory allocation of") => End::Memory,
        // Where the machine itself has no more.
        Some(SIGKILL) => End::Memory,
        _ => End::Other(status.to_string()),
    }
}

/// Waits until something can be read or written.
fn ready(pipe: impl AsFd, what: PollFlags, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&pipe, what)], Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
