//! Parts of the configuration, for commands that need no more: the rest may be wrong then, and its secrets may be missing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::config::channels::ReadChannel;
use crate::config::configured::{ConfiguredChannel, ConfiguredSource};
use crate::config::context::{LoadContext, SecretReading};
use crate::config::listeners::Server;
use crate::config::reading::{Whole, whole};
use crate::config::store::StoreConfig;
use crate::config::top::Pieces;
use crate::diagnostic::{ConfigPart, Diagnostic, Effect, Severity};
use crate::domain::effective::EffectiveSettings;
use crate::domain::local_time::Zone;
use crate::domain::report::settings::ReportSettings;
use crate::domain::route::Routes;

/// Everything that a file says. What can be wrong without harm is a field; what a command needs, it asks for, and gets the
/// problems of that part instead when it cannot be used.
#[derive(Debug)]
pub struct Parts {
    /// Of channels that set none.
    pub language: String,
    pub timezone: Zone,
    /// ISO 4217 code for amounts that come without one.
    pub currency: String,
    /// The folder whose templates take precedence.
    pub templates: Option<PathBuf>,
    /// How the internet reaches us, where that is known.
    pub public_url: Option<String>,
    /// Absent when they cannot be read as they are.
    pub routes: Option<Routes>,
    /// By name.
    pub channels: BTreeMap<String, KnownChannel>,
    sources: BTreeMap<String, Option<ConfiguredSource>>,
    reports: BTreeMap<String, Option<ReportSettings>>,
    /// Where the admin listener is, where there is one.
    pub admin: Option<SocketAddr>,
    server: Option<Server>,
    store: Option<StoreConfig>,
    problems: Vec<Diagnostic>,
}

/// A channel as far as it can be read. Where its secrets cannot, it sends nothing.
#[derive(Debug)]
pub struct KnownChannel {
    pub kind: Option<&'static str>,
    pub channel: Option<ConfiguredChannel>,
}

/// Reads a text as the configuration of this file, as far as it can be read. Where it is no TOML, `notes` go with what is
/// wrong with it.
pub fn read(file: &Path, text: &str, secrets: SecretReading, notes: Vec<Diagnostic>) -> Option<Parts> {
    let Whole { config: pieces, mut problems, .. } = pieces(text, file, secrets);
    if is_broken(&problems) {
        problems.extend(notes);
    }
    pieces.map(|pieces| Parts::of(pieces, problems))
}

/// The settings of channels by name, as they stand in a text that is the configuration of this file.
pub fn channel_settings(file: &Path, text: &str) -> BTreeMap<String, EffectiveSettings> {
    let Whole { config: pieces, problems, .. } = pieces(text, file, SecretReading::Read);
    // Behind an error of syntax nothing is certain to be what it seems.
    let channels = pieces.filter(|_| !is_broken(&problems)).map(|pieces| pieces.channels).unwrap_or_default();
    channels.into_iter().map(|read| (read.name.into_inner(), read.effective)).collect()
}

/// Whether the file as a whole has an error.
fn is_broken(problems: &[Diagnostic]) -> bool {
    problems.iter().any(|problem| problem.part == ConfigPart::File && problem.severity == Severity::Error)
}

fn pieces(text: &str, file: &Path, secrets: SecretReading) -> Whole<Pieces> {
    let context = LoadContext::of(file, secrets);
    whole(text, &context, |root, problems| Some(Pieces::read(root, &context, problems)))
}

impl Parts {
    fn of(pieces: Pieces, problems: Vec<Diagnostic>) -> Self {
        let Pieces { globals, templates, server, admin, store, sources, channels, routes, .. } = pieces;
        let known = |read: ReadChannel| {
            let (name, kind) = (read.name().to_owned(), read.kind.map(|kind| kind.name));
            (name, KnownChannel { kind, channel: read.channel() })
        };
        Self {
            currency: globals.currency().to_owned(),
            language: globals.language,
            timezone: globals.timezone,
            templates,
            public_url: server.as_ref().and_then(|server| server.public_url.clone()),
            routes: routes.routes,
            channels: channels.into_iter().map(known).collect(),
            sources: sources.into_iter().map(|read| (read.name.into_inner(), read.source)).collect(),
            reports: routes.reports.into_iter().collect(),
            admin: admin.flatten().map(|admin| admin.listen),
            server,
            store,
            problems,
        }
    }

    /// # Errors
    /// The problems of `[store]`.
    pub fn store(&self) -> Result<&StoreConfig, Vec<Diagnostic>> {
        self.faultless(self.store.as_ref(), &[ConfigPart::Store])
    }

    /// # Errors
    /// The problems of `[server]`.
    pub fn server(&self) -> Result<&Server, Vec<Diagnostic>> {
        self.faultless(self.server.as_ref(), &[ConfigPart::Server])
    }

    /// One of the sources; `None` where there is none of this name.
    ///
    /// # Errors
    /// The problems of its table, and those of the file's syntax, behind which it may stand.
    pub fn source(&self, name: &str) -> Result<Option<&ConfiguredSource>, Vec<Diagnostic>> {
        let Some(source) = self.sources.get(name) else { return self.need(&[]).map(|()| None) };
        self.faultless(source.as_ref(), &[ConfigPart::Source(name.to_owned())]).map(Some)
    }

    /// All sources by name.
    ///
    /// # Errors
    /// The problems of their tables.
    pub fn sources(&self) -> Result<Vec<(&str, &ConfiguredSource)>, Vec<Diagnostic>> {
        let parts: Vec<ConfigPart> = self.sources.keys().cloned().map(ConfigPart::Source).collect();
        self.need(&parts)?;
        Ok(self.sources.iter().filter_map(|(name, source)| Some((name.as_str(), source.as_ref()?))).collect())
    }

    /// One of the channels; `None` where there is none of this name.
    ///
    /// # Errors
    /// The problems of its table and of the file's own keys.
    pub fn channel(&self, name: &str) -> Result<Option<&ConfiguredChannel>, Vec<Diagnostic>> {
        let Some(known) = self.channels.get(name) else { return self.need(&[]).map(|()| None) };
        self.faultless(known.channel.as_ref(), &[ConfigPart::Top, ConfigPart::Channel(name.to_owned())]).map(Some)
    }

    /// One of the reports; `None` where there is none of this name.
    ///
    /// # Errors
    /// The problems of its table and of the file's own keys.
    pub fn report(&self, name: &str) -> Result<Option<&ReportSettings>, Vec<Diagnostic>> {
        let Some(report) = self.reports.get(name) else { return self.need(&[]).map(|()| None) };
        self.faultless(report.as_ref(), &[ConfigPart::Top, ConfigPart::Report(name.to_owned())]).map(Some)
    }

    /// All channels by name.
    ///
    /// # Errors
    /// The problems of their tables and of the file's own keys.
    pub fn all_channels(&self) -> Result<BTreeMap<String, ConfiguredChannel>, Vec<Diagnostic>> {
        let parts: Vec<ConfigPart> =
            self.channels.keys().cloned().map(ConfigPart::Channel).chain([ConfigPart::Top]).collect();
        self.need(&parts)?;
        let usable = |(name, known): (&String, &KnownChannel)| Some((name.clone(), known.channel.clone()?));
        Ok(self.channels.iter().filter_map(usable).collect())
    }

    /// The sources that only observe.
    pub fn observing(&self) -> Vec<String> {
        let observes = |source: &ConfiguredSource| source.source.platform().observes("").is_some();
        let observing = self.sources.iter().filter(|(_, source)| source.as_ref().is_some_and(observes));
        observing.map(|(name, _)| name.clone()).collect()
    }

    /// All reports by name; `None` when they cannot be read as they are.
    pub fn reports(&self) -> Option<BTreeMap<String, &ReportSettings>> {
        self.reports.iter().map(|(name, report)| Some((name.clone(), report.as_ref()?))).collect()
    }

    /// As [`Parts::reports`].
    ///
    /// # Errors
    /// The problems of their tables and of the file's own keys.
    pub fn all_reports(&self) -> Result<BTreeMap<String, &ReportSettings>, Vec<Diagnostic>> {
        let parts: Vec<ConfigPart> =
            self.reports.keys().cloned().map(ConfigPart::Report).chain([ConfigPart::Top]).collect();
        self.need(&parts)?;
        Ok(self.reports().unwrap_or_default())
    }

    /// What is wrong with secrets of these channels that cannot be read: those send nothing.
    ///
    /// # Errors
    /// The problems of their tables, of the file's own keys and of `[store]`, when there is any other error.
    pub fn missing_secrets(&self, channels: &[String]) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        let parts: Vec<ConfigPart> =
            channels.iter().cloned().map(ConfigPart::Channel).chain([ConfigPart::Top, ConfigPart::Store]).collect();
        let Err(problems) = self.need(&parts) else { return Ok(Vec::new()) };
        let mut errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
        if errors.all(|problem| problem.effect == Effect::Waits) { Ok(problems) } else { Err(problems) }
    }

    pub fn source_names(&self) -> Vec<String> {
        self.sources.keys().cloned().collect()
    }

    pub fn channel_names(&self) -> Vec<String> {
        self.channels.keys().cloned().collect()
    }

    pub fn report_names(&self) -> Vec<String> {
        self.reports.keys().cloned().collect()
    }

    /// All problems of the given parts together, when one of them cannot be used.
    ///
    /// # Errors
    /// These problems.
    pub fn need(&self, parts: &[ConfigPart]) -> Result<(), Vec<Diagnostic>> {
        self.faultless(Some(&()), parts).copied()
    }

    fn faultless<'s, T>(&self, found: Option<&'s T>, parts: &[ConfigPart]) -> Result<&'s T, Vec<Diagnostic>> {
        let concerns = |problem: &&Diagnostic| problem.part == ConfigPart::File || parts.contains(&problem.part);
        let problems = || self.problems.iter().filter(concerns).cloned().collect();
        let has_errors = self.problems.iter().filter(concerns).any(|problem| problem.severity == Severity::Error);
        found.filter(|_| !has_errors).ok_or_else(problems)
    }
}
