//! Which configuration is in force: that of the file, or where that cannot be used the one that was in force last.

pub mod fingerprint;
mod last_good;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::config;
use crate::config::configured::Config;
use crate::config::context::{Depth, SecretReading};
use crate::config::parts::Parts;
use crate::config::store::StoreConfig;
use crate::config::{Anew, parts, text_of, usable};
use crate::diagnostic;
use crate::diagnostic::Diagnostic;
use crate::domain::effective::EffectiveSettings;
use crate::domain::secret::Secret;
use crate::in_force::last_good::{Found, Places};
use crate::store::address;

/// What a daemon starts with.
#[derive(Debug)]
pub struct Started {
    pub read: Anew,
    /// The copy that it was read from, where the file could not be used.
    pub instead: Option<Instead>,
}

/// The copy that is used in place of a file.
#[derive(Clone, Debug)]
pub struct Instead {
    pub copy: PathBuf,
    /// Since when it was in force.
    pub at: Timestamp,
    /// What is wrong with the file.
    pub problems: Vec<Diagnostic>,
}

/// What a start does with errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    /// Any error stops it.
    Stop,
    /// Where there was a start before, none does that can be gone around.
    GoAround,
}

/// Reads the configuration that a daemon starts with.
///
/// # Errors
/// All problems, when it must not start: those of the file, and why no copy stands in for it.
pub fn start(file: &Path, errors: Errors) -> Result<Started, Vec<Diagnostic>> {
    let Choice { read, instead, notes, has_begun } = match errors {
        Errors::Stop => Choice { read: from_file(file), instead: None, notes: Vec::new(), has_begun: false },
        Errors::GoAround => choose(file),
    };
    match (read, instead) {
        (Ok(read), instead) if instead.is_some() || has_begun || is_faultless(&read) => Ok(Started { read, instead }),
        (Err(problems), _) => Err(problems.into_iter().chain(notes).collect()),
        (Ok(read), _) => {
            // The same errors in the sequence of the file, and the warnings with them.
            let all = config::read(file).err().unwrap_or_else(|| [read.secrets, read.mistakes].concat());
            Err(all.into_iter().chain(notes).collect())
        }
    }
}

/// The configuration that a command beside the daemon goes by.
///
/// # Errors
/// The problems of the file, when nothing stands in for it.
pub fn read(file: &Path) -> Result<Config, Vec<Diagnostic>> {
    choose(file).read.map(|read| read.config)
}

/// What is used in place of a file, where it cannot be used.
pub fn instead(file: &Path) -> Option<Instead> {
    choose(file).instead
}

/// As [`read`], as far as it can be read.
///
/// # Errors
/// When there is no file.
pub fn parts(file: &Path, secrets: SecretReading) -> Result<Parts, Vec<Diagnostic>> {
    let (text, notes) = text(file)?;
    parts::read(file, &text, secrets, notes).ok_or_else(Vec::new)
}

/// The settings of channels by name, as far as they can be read in a file, where another configuration is in force because
/// it cannot be used.
pub fn unused_settings(file: &Path) -> Option<BTreeMap<String, EffectiveSettings>> {
    instead(file)?;
    Some(parts::channel_settings(file, &text_of(file).unwrap_or_default()))
}

/// The text of the configuration in force. Where there is nothing better, that of the file, whatever is wrong with it, and
/// why no copy stands in for it.
fn text(file: &Path) -> Result<(String, Vec<Diagnostic>), Vec<Diagnostic>> {
    match choose(file) {
        Choice { read: Ok(read), .. } => Ok((read.config.text.expose().to_owned(), Vec::new())),
        Choice { notes, .. } => Ok((text_of(file)?, notes)),
    }
}

/// Keeps a configuration that has come in force, for a start with a broken file. Answers where that could not be done,
/// and whether it was done nowhere.
pub fn keep(file: &Path, text: &Secret, store: &StoreConfig, now: Timestamp) -> (Vec<String>, bool) {
    let places = places(file, Some(store.url.folder()));
    let failed = places.keep(text.expose(), now);
    let nowhere = failed.len() == places.count();
    (failed.into_iter().map(|(path, error)| format!("{}: {error}", path.display())).collect(), nowhere)
}

/// What a configuration says that would take nothing and notify nobody.
pub fn is_bare(config: &Config) -> bool {
    config.sources.is_empty() && config.channels.is_empty()
}

/// Why a file must not replace a configuration with sources and channels, when it has neither: it was emptied, or it is only
/// half written.
pub fn bare(file: &Path) -> Diagnostic {
    let help = "a file that is being written, or was emptied, looks like this; write at least one of them";
    let message = "there is no [source.NAME] and no [channel.NAME] any more".to_owned();
    diagnostic::unreadable(file.display().to_string(), message, help)
}

/// What the file and its copies come to.
struct Choice {
    read: Result<Anew, Vec<Diagnostic>>,
    instead: Option<Instead>,
    /// Why copies were not used.
    notes: Vec<Diagnostic>,
    /// Whether a configuration of this file was in force before.
    has_begun: bool,
}

fn choose(file: &Path) -> Choice {
    let read = from_file(file);
    // Whatever its encoding: where the store is may be seen in it.
    let text = String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).replace('\0', "");
    let is_sound = read.as_ref().is_ok_and(|read| is_faultless(read) && !is_bare(&read.config));
    if is_sound {
        return Choice { read, instead: None, notes: Vec::new(), has_begun: true };
    }
    let Found { copies, refused } = places(file, store_in(&text, file).as_deref()).find();
    let has_begun = !copies.is_empty();
    let mut notes: Vec<Diagnostic> = refused.into_iter().map(|(path, reason)| unused(&path, &reason)).collect();
    let problems = match read {
        Ok(read) if !is_bare(&read.config) => return Choice { read: Ok(read), instead: None, notes, has_begun },
        Ok(_) => vec![bare(file)],
        Err(problems) => problems,
    };
    for copy in copies {
        let path = copy.path.clone();
        // With its head, so that the lines of its problems are those on disk.
        match usable(&copy.text, file, Depth::Start) {
            Ok(read) if !is_bare(&read.config) => {
                let config = Config { text: Secret::new(copy.body()), ..read.config };
                let instead = Some(Instead { copy: path, at: copy.at, problems });
                return Choice { read: Ok(Anew { config, ..read }), instead, notes, has_begun };
            }
            Ok(_) => notes.push(unused(&path, "there is no source and no channel in it")),
            Err(wrong) => notes.extend(wrong.into_iter().map(|wrong| in_copy(wrong, file, &path))),
        }
    }
    // A file that says nothing, and nothing that was said before.
    Choice { read: from_file(file), instead: None, notes, has_begun }
}

fn from_file(file: &Path) -> Result<Anew, Vec<Diagnostic>> {
    usable(&text_of(file)?, file, Depth::Start)
}

fn is_faultless(read: &Anew) -> bool {
    read.secrets.is_empty() && read.mistakes.is_empty()
}

fn places(file: &Path, store: Option<&Path>) -> Places {
    Places::of(file, store, std::env::var_os("STATE_DIRECTORY"))
}

/// The folder of the store, as far as that is to be seen in a text that may be no TOML any more.
fn store_in(text: &str, file: &Path) -> Option<PathBuf> {
    let mut lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.find_map(|line| address::folder_named_in(line, file.parent().unwrap_or(Path::new(""))))
}

fn unused(path: &Path, reason: &str) -> Diagnostic {
    let message = format!("this copy of the configuration last in force is not used: {reason}");
    diagnostic::unreadable(path.display().to_string(), message, "")
}

/// A problem of a copy, which was read as if it lay where the file does.
fn in_copy(mut problem: Diagnostic, file: &Path, copy: &Path) -> Diagnostic {
    if problem.file == file.display().to_string() {
        problem.file = copy.display().to_string();
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_store_is_can_be_seen_in_a_broken_text() {
        let file = Path::new("/etc/orderbell.toml");
        for (text, folder) in [
            ("[store\n url = \"sqlite:bell.db\"", Some("/etc")),
            ("# url = \"sqlite:no/bell.db\"\nurl = 'sqlite:///var/lib/bell.db'\n[[", Some("/var/lib")),
            ("url = \"sqlite:data/bell.db", Some("/etc/data")),
            ("url = { env = \"STORE\" }", None),
        ] {
            assert_eq!(store_in(text, file).as_deref(), folder.map(Path::new), "{text}");
        }
    }
}
