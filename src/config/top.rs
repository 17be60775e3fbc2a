//! The file as a whole: its own keys, the order in which its tables are read, and what comes of them.

use std::ops::Range;
use std::path::PathBuf;

use schemars::JsonSchema;
use toml::de::DeTable;

use crate::channel::kinds::KINDS;
use crate::config::channels::ReadChannel;
use crate::config::configured::{Config, ConfiguredHeartbeat};
use crate::config::context::{Depth, LoadContext};
use crate::config::globals::Globals;
use crate::config::listeners::{ConfiguredAdmin, Server};
use crate::config::routes::ReadRoutes;
use crate::config::section::Section;
use crate::config::sources::ReadSource;
use crate::config::store::StoreConfig;
use crate::config::tables::{named, repeated, table, unknown_tables};
use crate::config::{channels, check, globals, listeners, operator, placeholder, routes, routines, sources, store};
use crate::diagnostic::ConfigPart;
use crate::diagnostic::collect::Diagnostics;
use crate::domain::backup::BackupSettings;
use crate::domain::secret::Secret;
use crate::domain::settings::SettingsTable;
use crate::platform::GeneralSettings;
use crate::render::Isolation;
use crate::template_check;
use crate::template_check::overlay::Overlay;
use crate::template_check::scope::{CheckScope, ScopeChannel};

/// Everything that a file says, each piece as far as it could be read.
pub struct Pieces {
    pub globals: Globals,
    pub templates: Option<PathBuf>,
    overlay: Overlay,
    pub server: Option<Server>,
    /// The inner one is absent where it could not be read.
    pub admin: Option<Option<ConfiguredAdmin>>,
    pub store: Option<StoreConfig>,
    /// Where it says how long the store keeps what it has.
    keep_at: Range<usize>,
    pub sources: Vec<ReadSource>,
    pub channels: Vec<ReadChannel>,
    pub routes: ReadRoutes,
    /// The inner one is absent where it could not be read.
    heartbeat: Option<Option<ConfiguredHeartbeat>>,
    backup: Option<Option<BackupSettings>>,
}

impl Pieces {
    pub fn read<'t>(mut root: DeTable<'t>, context: &LoadContext<'_>, problems: &'t Diagnostics<'t>) -> Self {
        let root = &mut root;
        problems.enter(ConfigPart::Top);
        let Head { globals, templates, overlay, languages } = head(root, context, problems);
        let languages: Vec<&str> = languages.iter().map(String::as_str).collect();
        let context = &LoadContext { languages: &languages, ..*context };
        let (server, admin) = listeners::read(root, context, problems);
        problems.enter(ConfigPart::Store);
        let store = table(root, "store", problems);
        let keep_at = store.at(&["keep"]);
        let store = store::read(store, context, problems);
        problems.enter(ConfigPart::Rest);
        let operator = table(root, "operator", problems);
        let sources = named(root, "source", problems);
        let channels = named(root, "channel", problems);
        let reports = named(root, "report", problems);
        let rules = repeated(root, "route", problems);
        let heartbeat = routines::section(root, "heartbeat", problems);
        let heartbeat = heartbeat.map(|section| routines::heartbeat(section, context, problems));
        let backup = routines::section(root, "backup", problems);
        let backup = backup.map(|section| routines::backup(section, store.as_ref(), &globals, context, problems));
        unknown_tables(root, problems);
        let sources = sources.into_iter().map(|source| sources::read(source, context, problems)).collect();
        let channels =
            channels.into_iter().map(|channel| channels::read(channel, &globals, context, problems)).collect();
        let routes = routes::read(operator, rules, reports, &globals, problems);
        Self {
            globals,
            templates,
            overlay,
            server,
            admin,
            store,
            keep_at,
            sources,
            channels,
            routes,
            heartbeat,
            backup,
        }
    }

    /// Reports what only the pieces together show.
    fn check(&self, problems: &Diagnostics<'_>) {
        let Self { sources, channels, routes, .. } = self;
        check::names(sources, channels, routes, problems);
        check::fallbacks(channels, problems);
        check::oddities(sources, channels, routes, problems);
        operator::check(channels, routes, problems);
        check::unsent(sources, routes, problems);
        check::overhearing(channels, routes, problems);
        check::memory(routes, self.store.as_ref(), self.keep_at.clone(), problems);
        let general = GeneralSettings {
            has_public_url: self.server.as_ref().is_none_or(|server| server.public_url.is_some()),
            has_currency: self.globals.currency.is_some(),
        };
        check::sources(sources, general, problems);
    }

    /// `None` where a piece could not be read.
    fn config(self, text: &str) -> Option<Config> {
        let Self { globals, sources, channels, routes, .. } = self;
        Some(Config {
            text: Secret::new(text),
            currency: globals.currency().to_owned(),
            language: globals.language,
            timezone: globals.timezone,
            templates: self.templates,
            overlay: self.overlay.into_files(),
            isolation: Isolation::of_this_program(),
            server: self.server?,
            admin: all_of(self.admin)?,
            store: self.store?,
            sources: sources
                .into_iter()
                .map(|read| Some((read.name.into_inner(), read.source?)))
                .collect::<Option<_>>()?,
            channels: channels
                .into_iter()
                .map(|read| Some((read.name().to_owned(), read.channel()?)))
                .collect::<Option<_>>()?,
            routes: routes.routes?,
            reports: routes.reports.into_iter().map(|(name, report)| Some((name, report?))).collect::<Option<_>>()?,
            heartbeat: all_of(self.heartbeat)?,
            backup: all_of(self.backup)?,
        })
    }
}

/// The outer `None` where a table that is there could not be read.
fn all_of<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    read.map_or(Some(None), |read| read.map(Some))
}

/// Reads the whole file. `None` when something needed could not be read; then the problems say what.
pub fn read<'t>(
    root: DeTable<'t>,
    context: &LoadContext<'_>,
    depth: Depth,
    problems: &'t Diagnostics<'t>,
) -> Option<Config> {
    placeholder::note_all(&root, problems);
    let mut pieces = Pieces::read(root, context, problems);
    problems.enter(ConfigPart::Rest);
    if !problems.is_broken() {
        pieces.check(problems);
    }
    pieces.overlay.compile(problems);
    if depth == Depth::WithTemplates && !problems.is_broken() {
        template_check::check(&scope(&pieces), &pieces.overlay, problems);
    }
    pieces.config(problems.text())
}

/// What templates depend on.
fn scope<'s>(pieces: &'s Pieces) -> CheckScope<'s> {
    let Pieces { globals, sources, channels, routes, .. } = pieces;
    let source = |read: &'s ReadSource| Some((read.name(), &read.source.as_ref()?.source));
    let channel = |read: &'s ReadChannel| ScopeChannel {
        name: read.name(),
        kind: read.kind.map(|kind| kind.name).unwrap_or_default(),
        timezone: read.settings.as_ref().map_or(&globals.timezone.zone, |settings| &settings.timezone.zone),
        language: read.settings.as_ref().map(|settings| settings.language.as_str()),
    };
    CheckScope {
        sources: sources.iter().filter_map(source).collect(),
        channels: channels.iter().map(channel).collect(),
        kinds: KINDS.iter().map(|kind| kind.name).collect(),
        reports: &routes.report_names,
        language: &globals.language,
        timezone: &globals.timezone.zone,
        currency: globals.currency(),
    }
}

/// What stands at the top of the file, and what follows from it for the rest.
struct Head {
    globals: Globals,
    templates: Option<PathBuf>,
    overlay: Overlay,
    /// The built-in ones and those of the folder.
    languages: Vec<String>,
}

fn head<'t>(root: &mut DeTable<'t>, context: &LoadContext<'_>, problems: &'t Diagnostics<'t>) -> Head {
    let mut whole = Section::new("at the top of the file".to_owned(), 0..0, std::mem::take(root), problems);
    let globals = whole.split_off(Globals::json_schema);
    *root = whole.table;
    let templates = globals.text(&["templates"]).map(|folder| context.folder().join(folder));
    let overlay = Overlay::read(templates.as_deref(), globals.at(&["templates"]), problems);
    let mut languages = overlay.languages(context.languages);
    if !overlay.is_whole() {
        // What could not be read may have brought them.
        languages.extend(languages_of(root, &globals));
    }
    let known: Vec<&str> = languages.iter().map(String::as_str).collect();
    let globals = globals::read(globals, &LoadContext { languages: &known, ..*context });
    Head { globals, templates, overlay, languages }
}

/// The languages that the file asks for.
fn languages_of(root: &DeTable<'_>, globals: &Section<'_>) -> Vec<String> {
    let channels = root.get("channel").and_then(|channels| channels.get_ref().as_table());
    let channels = channels.into_iter().flat_map(|channels| channels.values());
    let own = channels.filter_map(|channel| channel.get_ref().get("language")?.get_ref().as_str());
    own.chain(globals.text(&["language"])).map(str::to_owned).collect()
}
