//! Diagnostics of the configuration and of the templates, on their way to the log and to the operator.

use jiff::Timestamp;

use crate::diagnostic::{Diagnostic, Severity};
use crate::flow::notice::Topic;
use crate::flow::watch::mistakes::{FoundAt, Mistake, Mistakes};
use crate::in_force::{Instead, Started};

/// Says in the log what is wrong with what the daemon starts with, and notes it for the operator.
pub fn note_start(started: &Started, mistakes: &Mistakes, now: Timestamp) {
    let found = FoundAt::AtStart;
    if let Some(Instead { copy, at, problems }) = &started.instead {
        log(problems);
        tracing::error!(
            copy = %copy.display(),
            in_force_since = %at,
            "the configuration file cannot be used; the configuration last in force is used until the file is mended"
        );
        if let Some(mistake) = mistake(problems, now) {
            mistakes.stands(Topic::Configuration, mistake, found);
        }
    }
    log(&started.read.secrets);
    for (name, source) in &started.read.config.sources {
        if let Some(reason) = &source.closed {
            tracing::error!(source = name, reason, "the source is answered 503 until its secret can be read");
        }
    }
    if let Some(mistake) = mistake(&started.read.mistakes, now) {
        log(&started.read.mistakes);
        tracing::error!("built-in templates are used in place of those that cannot be");
        mistakes.stands(Topic::Templates, mistake, found);
    }
}

/// The first of the problems, and how many there are more. Another mistake at another place makes a notice anew.
pub fn mistake(problems: &[Diagnostic], now: Timestamp) -> Option<Mistake> {
    let first = problems.first()?;
    let more = match problems.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(Mistake { place: place(first), detail: format!("{}{more}", said(first)), since: now })
}

/// Each as what it is: an error, a warning, or what a person may want to know.
pub fn log(problems: &[Diagnostic]) {
    for problem in problems {
        let Diagnostic { file, line, column, .. } = problem;
        match problem.severity {
            Severity::Error => tracing::error!(file, line, column, "{}", said(problem)),
            Severity::Warning => tracing::warn!(file, line, column, "{}", said(problem)),
            Severity::Note => tracing::info!(file, line, column, "{}", said(problem)),
        }
    }
}

/// What is wrong, and what would be right.
pub fn said(problem: &Diagnostic) -> String {
    match &problem.help {
        Some(help) => format!("{}; {help}", problem.message),
        None => problem.message.clone(),
    }
}

/// `orderbell.toml:12:5`.
fn place(problem: &Diagnostic) -> String {
    let numbers = [problem.line, problem.column].into_iter().flatten().map(|number| format!(":{number}"));
    problem.file.clone() + &numbers.collect::<String>()
}
