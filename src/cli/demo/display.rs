//! What the demo prints of the messages that came: the first one whole, the others by their first line, JSON only when asked
//! for.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use crate::cli::failure::Failure;
use crate::cli::{output, sandbox};
use crate::config::configured::Config;
use crate::sandbox as receivers;
use crate::sandbox::inbox::{MockVerdict, Received};

/// So many lines of a message that is shown whole; a report has more.
const MOST_LINES: usize = 20;

/// How much is printed of what one webhook led to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The first message whole, the others by their first line.
    First,
    /// Each message by its first line.
    Lines,
}

/// What comes to the simulated receivers, on its way to the screen.
pub struct Display {
    news: Receiver<Received>,
    verbose: bool,
    /// Whether a robot's messages are in the language of the configuration; robots are called as their channels are.
    robots: BTreeMap<String, bool>,
    /// The kinds of channels that programs read.
    programs: BTreeSet<&'static str>,
}

/// Messages to one kind of receiver that say the same.
struct Entry {
    is_program: bool,
    /// Robots in the language of the configuration come first, then the other robots, then mailboxes.
    rank: u8,
    label: &'static str,
    names: Vec<String>,
    line: String,
    whole: String,
    /// Why it was not accepted.
    trouble: Option<String>,
}

impl Entry {
    fn to(&self) -> String {
        let trouble = self.trouble.as_ref().map(|trouble| format!(" ({trouble})")).unwrap_or_default();
        format!("{} {}{trouble}", self.label, self.names.join(", "))
    }
}

impl Display {
    pub fn new(news: Receiver<Received>, config: &Config, verbose: bool) -> Self {
        let channels = || config.channels.iter().map(|(name, channel)| (name, channel, channel.way.channel()));
        let programs = channels().filter(|(.., channel)| !channel.supports_digest());
        let robots = channels().map(|(name, channel, _)| (name.clone(), channel.settings.language == config.language));
        Self { news, verbose, robots: robots.collect(), programs: programs.map(|(.., way)| way.kind()).collect() }
    }

    /// Prints a heading, and below it everything that has come since the last time; programs stand in the heading itself.
    pub fn came(&mut self, heading: &str, extent: Extent) -> Result<(), Failure> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut whole = Vec::new();
        loop {
            match self.news.try_recv() {
                Ok(received) if self.verbose => whole.push(received),
                Ok(received) => self.add(&mut entries, &received),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        entries.sort_by_key(|entry| entry.rank);
        let (programs, people): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(|entry| entry.is_program);
        let programs: String = programs.iter().map(|entry| format!(" → {}", entry.to())).collect();
        output::line(format_args!("── {heading}{programs}"))?;
        for (number, entry) in people.iter().enumerate() {
            match extent {
                Extent::First if number == 0 => {
                    output::line(format_args!("   {}:\n\n{}\n", entry.to(), excerpt(&entry.whole)))?;
                }
                _ => output::line(format_args!("   {}: {}", entry.to(), entry.line))?,
            }
        }
        whole.iter().try_for_each(|received| output::line(format_args!("\n{}", sandbox::show(received))))
    }

    /// Prints what comes from now on, until nobody reads it.
    pub async fn follow(mut self) -> Result<(), Failure> {
        while let Ok(received) = self.news.recv().await {
            match self.verbose {
                true => output::line(sandbox::show(&received))?,
                false => {
                    let mut entries = Vec::new();
                    self.add(&mut entries, &received);
                    for entry in entries {
                        output::line(format_args!("   {}: {}", entry.to(), entry.line))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn add(&self, entries: &mut Vec<Entry>, received: &Received) {
        let (label, whole) = receivers::shown(received);
        let is_program = self.programs.contains(received.address.kind);
        let line = match is_program {
            true => program_line(&received.body),
            false => first_line(received.text.as_deref().unwrap_or(&whole)),
        };
        let trouble = match &received.verdict {
            MockVerdict::Accepted => None,
            MockVerdict::Refused(why) => Some(format!("refused: {why}")),
            MockVerdict::Fault(fault) => Some(format!("not looked at, as ordered: {fault}")),
        };
        let name = received.address.name.clone();
        let same = |entry: &&mut Entry| entry.label == label && entry.line == line && entry.trouble == trouble;
        if let Some(entry) = entries.iter_mut().find(same) {
            entry.names.push(name);
            entry.names.sort();
            return;
        }
        let rank = match self.robots.get(&name) {
            Some(true) => 0,
            Some(false) => 1,
            None => 2,
        };
        entries.push(Entry { is_program, rank, label, names: vec![name], line, whole, trouble });
    }
}

/// What a program is sent, in a line.
fn program_line(body: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    format!("{} as JSON", body["kind"].as_str().unwrap_or("an event"))
}

/// The first line of a message, without its marks.
fn first_line(text: &str) -> String {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    first.replace("**", "").trim_start_matches(['#', ' ']).trim().to_owned()
}

/// The beginning of a message, indented and without its empty lines.
fn excerpt(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let mut shown = sandbox::indent(&sandbox::indent(&lines[..lines.len().min(MOST_LINES)].join("\n")));
    if lines.len() > MOST_LINES {
        shown += &format!("\n      … {} more lines", lines.len() - MOST_LINES);
    }
    shown
}
