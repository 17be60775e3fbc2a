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
use crate::config::languages;
use crate::config::problem::Problem;
use crate::config::problem::Problems;
use crate::config::sources;
use crate::config::tables::named;
use crate::config::tables::table;
use crate::config::text_of;
use crate::config::top;
use crate::config::whole;

/// Where the deliveries are, and what the channels are called.
#[derive(Debug)]
pub struct StorePart {
    pub store: Store,
    pub channels: Vec<String>,
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

/// Reads `[store]` and the names of the channels.
///
/// # Errors
/// The problems of these parts and of the file as TOML.
pub fn store(file: &Path) -> Result<StorePart, Vec<Problem>> {
    part(file, |mut root, surroundings, problems| {
        let channels = named(&mut root, "channel", problems).into_iter().map(|(name, _)| name.into_inner()).collect();
        let store = top::store(table(&mut root, "store", problems), surroundings, problems)?;
        Some(StorePart { store, channels })
    })
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
