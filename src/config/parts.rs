//! Parts of the configuration, for commands that need no more: the secrets of the rest may be missing then, and the rest
//! may be wrong.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::DeTable;

use crate::config::ConfiguredChannel;
use crate::config::ConfiguredSource;
use crate::config::Report;
use crate::config::Store;
use crate::config::Surroundings;
use crate::config::Whole;
use crate::config::Zone;
use crate::config::in_force;
use crate::config::languages;
use crate::config::problem::{Effect, Problem, Problems, Severity};
use crate::config::section::Section;
use crate::config::sources;
use crate::config::store;
use crate::config::tables::named;
use crate::config::tables::table;
use crate::config::text_of;
use crate::config::top;
use crate::config::whole;
use crate::domain::effective::EffectiveSettings;
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
    /// By name. Absent when they cannot be read as they are.
    pub reports: Option<BTreeMap<String, Report>>,
}

/// The reports that were asked for, and what making one takes.
#[derive(Debug)]
pub struct ReportPart {
    pub store: Store,
    /// Those that there are of the wanted ones.
    pub reports: BTreeMap<String, Report>,
    /// The names of all reports.
    pub names: Vec<String>,
    /// The sources that observe.
    pub observing: Vec<String>,
    /// The language of messages where a channel sets none.
    pub language: String,
    /// The folder whose templates take precedence.
    pub templates: Option<PathBuf>,
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

/// The channels that were asked for, and what writing their messages takes besides.
#[derive(Debug)]
pub struct ChannelPart {
    /// Those that there are of the wanted ones.
    pub channels: BTreeMap<String, ConfiguredChannel>,
    /// The names of all channels.
    pub names: Vec<String>,
    /// The folder whose templates take precedence.
    pub templates: Option<PathBuf>,
    /// ISO 4217 code for amounts that come without one.
    pub currency: String,
}

/// What sending to channels takes.
#[derive(Debug)]
pub struct WaysOut {
    pub channels: ChannelPart,
    pub store: Store,
    /// What is wrong, where secrets of the channels cannot be read: those send nothing.
    pub missing: Vec<Problem>,
    /// What stands in the file, where the configuration in force is another.
    pub file: Option<FileSettings>,
}

/// The settings of channels as they stand in a file that cannot be used.
#[derive(Debug)]
pub struct FileSettings {
    /// By name, as far as they can be read.
    pub channels: BTreeMap<String, EffectiveSettings>,
}

/// One channel and all sources, for looking at what would be sent. Their secrets are stand-ins, so nothing can be sent.
#[derive(Debug)]
pub struct ScenePart {
    pub channels: ChannelPart,
    pub sources: BTreeMap<String, ConfiguredSource>,
    pub reports: Vec<KnownReport>,
    /// How the internet reaches us, where that is known.
    pub public_url: Option<String>,
}

/// What a report is called, and whether its orders go along.
#[derive(Debug)]
pub struct KnownReport {
    pub name: String,
    pub attach_csv: bool,
}

/// Which channels a command is about.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    All,
    Named(&'a [String]),
}

/// What of the channels is read.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct Wanted<'a> {
    which: Which<'a>,
    pub secrets: Secrets,
}

/// What stands in the place of the secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Secrets {
    /// They themselves; one that is missing is an error.
    Read,
    /// Something of the same shape.
    StandIns,
}

impl Wanted<'_> {
    pub fn has(&self, name: &str) -> bool {
        match self.which {
            Which::All => true,
            Which::Named(names) => names.iter().any(|wanted| wanted == name),
        }
    }
}

/// Reads `[store]`, the names of the channels and the time zone.
///
/// # Errors
/// The problems of `[store]` and of the file as TOML.
pub fn store(file: &Path) -> Result<StorePart, Vec<Problem>> {
    part(file, |mut root, surroundings, problems| {
        let channels = named(&mut root, "channel", problems).into_iter().map(|(name, _)| name.into_inner()).collect();
        let store = store::read(table(&mut root, "store", problems), surroundings, problems)?;
        let timezone = top::timezone(&mut root, surroundings, &mut unheeded(problems));
        Some(StorePart { store, timezone, channels })
    })
}

/// Reads `[store]`, and of the routes, sources and channels what can be read.
///
/// # Errors
/// As [`fn@store`].
pub fn explaining(file: &Path) -> Result<ExplainingPart, Vec<Problem>> {
    part(file, |mut root, surroundings, problems| {
        let store = store::read(table(&mut root, "store", problems), surroundings, problems)?;
        let explaining = top::explaining(root, surroundings, store, &mut unheeded(problems));
        Some(explaining)
    })
}

/// Reads `[store]` and one `[report.<name>]`, or all of them.
///
/// # Errors
/// As [`fn@store`], and those of the reports.
pub fn reports(file: &Path, name: Option<&str>) -> Result<ReportPart, Vec<Problem>> {
    part(file, |mut root, surroundings, problems| {
        let store = store::read(table(&mut root, "store", problems), surroundings, problems)?;
        top::reports(root, name, surroundings, store, problems)
    })
}

/// Takes problems that do not matter here: `check` says them.
fn unheeded<'t>(problems: &Problems<'t>) -> Problems<'t> {
    Problems::new(String::new(), problems.text())
}

/// Reads `[server]` and one `[source.<name>]`.
///
/// # Errors
/// As [`fn@store`].
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

/// Reads the `[channel.<name>]` that are wanted.
///
/// # Errors
/// As [`fn@store`].
pub fn channels(file: &Path, which: Which<'_>) -> Result<ChannelPart, Vec<Problem>> {
    let wanted = Wanted { which, secrets: Secrets::Read };
    part(file, |mut root, surroundings, problems| top::channels(&mut root, wanted, surroundings, problems))
}

/// Reads the `[channel.<name>]` that are wanted, and `[store]`: what sending to them takes.
///
/// # Errors
/// As [`fn@store`], but a secret that cannot be read is none.
pub fn ways_out(file: &Path, which: Which<'_>) -> Result<WaysOut, Vec<Problem>> {
    let wanted = Wanted { which, secrets: Secrets::Read };
    let read = part_of(&in_force::text(file)?, file, |mut root, surroundings, problems| {
        let store = store::read(table(&mut root, "store", problems), surroundings, problems);
        let channels = top::channels(&mut root, wanted, surroundings, problems)?;
        Some((channels, store?))
    });
    let Whole { config, problems, .. } = read;
    let errors = || problems.iter().filter(|problem| problem.severity == Severity::Error);
    let only_waits = errors().all(|problem| problem.effect == Effect::Waits);
    let is_right = errors().next().is_none();
    match config {
        Some((channels, store)) if only_waits => {
            let missing = if is_right { Vec::new() } else { problems };
            Ok(WaysOut { channels, store, missing, file: settings_in(file) })
        }
        _ => Err(problems),
    }
}

/// The settings of channels as they stand in a file, where it cannot be used.
fn settings_in(file: &Path) -> Option<FileSettings> {
    in_force::instead(file)?;
    let text = text_of(file).unwrap_or_default();
    let read = part_of(&text, file, |mut root, surroundings, problems| {
        // Behind an error of syntax nothing is certain to be what it seems.
        (!problems.is_broken()).then(|| top::effective(&mut root, surroundings, problems))
    });
    Some(FileSettings { channels: read.config.unwrap_or_default() })
}

/// Reads one `[channel.<name>]`, and where messages could come from.
///
/// # Errors
/// As [`fn@store`].
pub fn scenes(file: &Path, channel: &str) -> Result<ScenePart, Vec<Problem>> {
    part(file, |mut root, surroundings, problems| {
        let wanted = Wanted { which: Which::Named(&[channel.to_owned()]), secrets: Secrets::StandIns };
        let channels = top::channels(&mut root, wanted, surroundings, problems)?;
        let mut sections = named(&mut root, "source", problems);
        sections.iter_mut().for_each(|(_, section)| sources::stand_in(section));
        let read = sources::read(sections, surroundings, problems);
        let sources = read.into_iter().map(|(name, read)| Some((name, read.source?))).collect::<Option<_>>()?;
        let report = |(name, section): (Spanned<String>, Section<'_>)| KnownReport {
            name: name.into_inner(),
            attach_csv: section.value(&["attach_csv"]).and_then(|value| value.get_ref().as_bool()) == Some(true),
        };
        let reports = named(&mut root, "report", problems).into_iter().map(report).collect();
        let server = top::server(table(&mut root, "server", problems), &mut unheeded(problems));
        Some(ScenePart { channels, sources, reports, public_url: server.and_then(|server| server.public_url) })
    })
}

fn part<T>(
    file: &Path,
    read: impl FnOnce(DeTable<'_>, &Surroundings<'_>, &mut Problems<'_>) -> Option<T>,
) -> Result<T, Vec<Problem>> {
    match part_of(&in_force::text(file)?, file, read) {
        Whole { config: Some(part), starts: true, .. } => Ok(part),
        Whole { problems, .. } => Err(problems),
    }
}

fn part_of<T>(
    text: &str,
    file: &Path,
    read: impl FnOnce(DeTable<'_>, &Surroundings<'_>, &mut Problems<'_>) -> Option<T>,
) -> Whole<T> {
    let env = |name: &str| std::env::var(name).ok();
    let surroundings = Surroundings { file, env: &env, languages: &languages() };
    whole(text, &surroundings, |root, problems| read(root, &surroundings, problems))
}
