//! What a command prints: to standard output as long as somebody reads it, and why it failed to standard error.

use std::fmt::Display;
use std::future::Future;
use std::io::{ErrorKind, Write};
use std::sync::mpsc;
use std::time::Duration;
use std::{io, thread};

use clap::ValueEnum;

use crate::cli::failure::Failure;
use crate::diagnostic::Colour;

/// How long a complaint may take where it must not hold up the end of the process.
const COMPLAINT: Duration = Duration::from_secs(2);

/// How to print what can be printed in two ways.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// Prints a text as it is.
///
/// # Errors
/// [`Failure::ReaderGone`] when the reader has closed its end, as `head` does; [`Failure::Failed`] for a full disk and the
/// like.
pub fn print(text: impl Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    write!(out, "{text}").and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::Failed(format!("standard output cannot be written: {error}")),
    })
}

/// Prints a text and ends the line.
///
/// # Errors
/// As [`print()`].
pub fn line(text: impl Display) -> Result<(), Failure> {
    print(format_args!("{text}\n"))
}

/// Says on standard error why a command failed. Where nobody can read that, the exit code says it.
pub fn complain<T: Display>(text: T) {
    let _ = write!(io::stderr().lock(), "{text}");
}

/// As [`complain()`], and gives up after a moment where nobody reads.
pub fn complain_in_time(text: String) {
    let (done, waiting) = mpsc::channel();
    thread::spawn(move || {
        complain(text);
        // Whoever waited may have given up.
        let _ = done.send(());
    });
    let _ = waiting.recv_timeout(COMPLAINT);
}

/// Says on standard error what is waited for, when that takes longer than two seconds.
pub async fn unless_soon<T>(what: impl Display, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    match tokio::time::timeout(Duration::from_secs(2), &mut work).await {
        Ok(done) => done,
        Err(_) => {
            complain(format_args!("{what} …\n"));
            work.await
        }
    }
}

/// Whether to print in colours, there being a terminal or not.
pub fn colour(terminal: bool) -> Colour {
    match terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) {
        true => Colour::Always,
        false => Colour::Never,
    }
}

/// So many of something.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
