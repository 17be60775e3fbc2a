//! Parts of the configuration, for commands that need no more: the secrets of the rest may be missing then, and the rest
//! may be wrong.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use toml::de::DeTable;

use crate::config::ConfiguredChannel;
use crate::config::ConfiguredSource;
use crate::config::Store;
use crate::config::Surroundings;
use crate::config::Whole;
use crate::config::Zone;
use crate::config::languages;
use crate::config::problem::Problem;
use crate::config::problem::Problems;
use crate::config::sources;
use crate::config::tables::named;
use crate::config::tables::table;
use crate::config::text_of;
use crate::config::top;
use crate::config::whole;
use crate::domain::route::Routes;

/// Where the deliveries are, what the channels are called, and in which time zone to speak of them.
#[derive(Debug)]
pub struct StorePart {
    pub store: Store,
    pub timezone: Zone,
    pub channels: Vec<String>,
}

/// What explains the past: each piece as far as it can be read, whatever is wrong with the rest.
#[derive(Debug)]
pub struct ExplainingPart {
    pub store: Store,
    pub timezone: Zone,
    /// Absent when they cannot be read as they are.
    pub routes: Option<Routes>,
    /// The names of the sources.
    pub sources: Vec<String>,
    /// By name.
    pub channels: BTreeMap<String, KnownChannel>,
}

/// A channel as far as it can be read; without its secrets, it is known by its kind alone.
#[derive(Debug)]
pub struct KnownChannel {
    pub kind: Option<&'static str>,
    pub channel: Option<ConfiguredChannel>,
}

/// Where webhooks come in, and one of the sources.
#[derive(Debug)]
pub struct SourcePart {
    pub listen: SocketAddr,
    /// The address under which the platform reaches the source.
    pub address: String,
    /// Absent when there is none of this name.
    pub source: Option<ConfiguredSource>,
    /// The names of all sources.
    pub names: Vec<String>,
}

/// Reads `[store]`, the names of the channels and the time zone.
///
/// # Errors
/// The problems of `[store]` and of the file as TOML.
pub fn store(file: &Path) -> Result<StorePart, Vec<Problem>> {
    part(file, |mut root, surroundings, problems| {
        let channels = named(&mut root, "channel", problems).into_iter().map(|(name, _)| name.into_inner()).collect();
        let store = top::store(table(&mut root, "store", problems), surroundings, problems)?;
        let timezone = top::timezone(&mut root, surroundings, &mut unheeded(problems));
        Some(StorePart { store, timezone, channels })
    })
}

/// Reads `[store]`, and of the routes, sources and channels what can be read.
///
/// # Errors
/// As [`store`].
pub fn explaining(file: &Path) -> Result<ExplainingPart, Vec<Problem>> {
    part(file, |mut root, surroundings, problems| {
        let store = top::store(table(&mut root, "store", problems), surroundings, problems)?;
        let explaining = top::explaining(root, surroundings, store, &mut unheeded(problems));
        Some(explaining)
    })
}

/// Takes problems that do not matter here: `check` says them.
fn unheeded<'t>(problems: &Problems<'t>) -> Problems<'t> {
    Problems::new(String::new(), problems.text())
}

/// Reads `[server]` and one `[source.<name>]`.
///
/// # Errors
/// As [`store`].
pub fn source(file: &Path, name: &str) -> Result<SourcePart, Vec<Problem>> {
    part(file, |mut root, surroundings, problems| {
        let server = top::server(table(&mut root, "server", problems), problems)?;
        let all = named(&mut root, "source", problems);
        let names = all.iter().map(|(name, _)| name.get_ref().clone()).collect();
        let chosen = all.into_iter().filter(|(known, _)| known.get_ref() == name).collect();
        let source = sources::read(chosen, surroundings, problems).pop().and_then(|(_, read)| read.source);
        Some(SourcePart { listen: server.listen, address: server.source_address(name), source, names })
    })
}

/// Reads every `[channel.<name>]`.
///
/// # Errors
/// As [`store`].
pub fn channels(file: &Path) -> Result<BTreeMap<String, ConfiguredChannel>, Vec<Problem>> {
    part(file, top::channels)
}

fn part<T>(
    file: &Path,
    read: impl FnOnce(DeTable<'_>, &Surroundings<'_>, &mut Problems<'_>) -> Option<T>,
) -> Result<T, Vec<Problem>> {
    let env = |name: &str| std::env::var(name).ok();
    let surroundings = Surroundings { file, env: &env, languages: &languages() };
    let text = text_of(file)?;
    match whole(&text, &surroundings, |root, problems| read(root, &surroundings, problems)) {
        Whole { config: Some(part), starts: true, .. } => Ok(part),
        Whole { problems, .. } => Err(problems),
    }
}
