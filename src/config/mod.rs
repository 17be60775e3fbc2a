//! The configuration: `orderbell.toml` as a value, read whole, with every error and the line that it stands in.

mod channels;
mod check;
mod effective;
mod globals;
mod hidden;
pub mod listeners;
mod operator;
pub mod parts;
pub mod placeholder;
pub mod routes;
pub mod schema;
mod secrets;
mod section;
mod shape;
pub mod sources;
pub mod store;
mod tables;
mod tagged;
mod top;
mod unsupported;
pub mod values;
mod walk;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jiff::SignedDuration;
use toml::de::DeTable;

use crate::channel::kinds::ChannelConfig;
use crate::channel::settings::ChannelSettings;
use crate::config::listeners::{Admin, Server};
use crate::config::store::Store;
use crate::diagnostic;
use crate::diagnostic::collect::Diagnostics;
use crate::diagnostic::{Diagnostic, Effect, Severity, encoding, syntax};
use crate::domain::effective::EffectiveSettings;
use crate::domain::language::folders::{Sources, built_in_folders};
use crate::domain::local_time::Zone;
use crate::domain::rate_limit::RateLimit;
use crate::domain::report::settings::ReportSettings;
use crate::domain::route::Routes;
use crate::domain::secret::Secret;
use crate::platform::kinds::Source;
use crate::render::Isolation;

/// A configuration that the daemon can start with.
#[derive(Debug)]
pub struct Config {
    /// As it was read, with whatever secrets stand in it.
    pub text: Secret,
    /// For channels that set none.
    pub language: String,
    pub timezone: Zone,
    /// ISO 4217 code for amounts that come without one; `XXX`, ISO's own word for none, where it is not configured.
    pub currency: String,
    /// A folder whose templates take precedence.
    pub templates: Option<PathBuf>,
    /// The files of that folder, as they were read.
    pub overlay: Sources,
    /// Where they are rendered.
    pub isolation: Isolation,
    pub server: Server,
    pub admin: Admin,
    pub store: Store,
    /// By name.
    pub sources: BTreeMap<String, ConfiguredSource>,
    /// By name.
    pub channels: BTreeMap<String, ConfiguredChannel>,
    pub routes: Routes,
    /// By name.
    pub reports: BTreeMap<String, ReportSettings>,
}

impl Config {
    /// The address under which a platform reaches a source.
    pub fn source_address(&self, name: &str) -> String {
        self.server.source_address(name)
    }
}

/// One `[source.<name>]`.
#[derive(Debug)]
pub struct ConfiguredSource {
    pub source: Source,
    /// The operator is notified when nothing at all has come for so long.
    pub silent_after: Option<SignedDuration>,
    /// Why nothing can be believed of it, where its secret cannot be read: then that of `source` is one that nobody knows.
    pub closed: Option<String>,
}

/// One `[channel.<name>]`. Two are equal when they send the same in the same way, however that is written.
#[derive(Clone, Debug)]
pub struct ConfiguredChannel {
    pub way: ChannelConfig,
    pub settings: ChannelSettings,
    /// As they are written, with the secrets that are referred to.
    pub effective: EffectiveSettings,
}

impl ConfiguredChannel {
    /// How many messages it may be sent within how long: what the merchant has set, else the vendor's own.
    pub fn allowance(&self) -> Option<RateLimit> {
        self.settings.rate.or_else(|| self.way.channel().allowance())
    }
}

impl PartialEq for ConfiguredChannel {
    fn eq(&self, other: &Self) -> bool {
        self.way == other.way && self.settings == other.settings
    }
}

impl Eq for ConfiguredChannel {}

/// A configuration, and what is odd about it.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    /// And the notes.
    pub warnings: Vec<Diagnostic>,
}

/// What reading a text depends on besides the text.
pub struct LoadContext<'a> {
    /// The file; relative paths are relative to its folder.
    pub file: &'a Path,
    /// The value of an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The languages that there are templates for.
    pub languages: &'a [&'a str],
    pub secrets: SecretReading,
}

/// What becomes of the references to secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretReading {
    /// They are read; one that is missing is an error.
    Read,
    /// Something of the same shape takes their place, for commands that use none.
    Placeholders,
}

impl<'a> LoadContext<'a> {
    /// With the environment of this process, and the built-in languages.
    pub fn of(file: &'a Path, secrets: SecretReading) -> Self {
        Self { file, env: &|name| std::env::var(name).ok(), languages: languages(), secrets }
    }

    fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }
}

/// The languages that there are templates for.
pub fn languages() -> &'static [&'static str] {
    static LANGUAGES: LazyLock<Vec<&str>> = LazyLock::new(|| built_in_folders().iter().map(String::as_str).collect());
    &LANGUAGES
}

/// Everything that there is to say of a configuration and its templates.
#[derive(Debug)]
pub struct Examined {
    pub problems: Vec<Diagnostic>,
    /// Whether the daemon would start.
    pub starts: bool,
}

/// Reads a configuration file.
///
/// # Errors
/// All problems of the file and of its templates, warnings included, when one of them keeps the daemon from starting.
pub fn read(file: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    read_text(&text_of(file)?, &LoadContext::of(file, SecretReading::Read))
}

/// Reads a configuration file and renders every template with every sample of its sources.
pub fn examine(file: &Path) -> Examined {
    match text_of(file) {
        Ok(text) => examine_text(&text, &LoadContext::of(file, SecretReading::Read)),
        Err(problems) => Examined { problems, starts: false },
    }
}

/// A configuration that can be used, whatever is wrong with what it refers to.
#[derive(Debug)]
pub struct Anew {
    pub config: Config,
    /// What is wrong with its templates: while there is anything, those before are the better ones.
    pub mistakes: Vec<Diagnostic>,
    /// The secrets that cannot be read or used: what they belong to waits.
    pub secrets: Vec<Diagnostic>,
    /// And the notes.
    pub warnings: Vec<Diagnostic>,
}

/// Reads a configuration file again. Where it has templates of its own, they are rendered with every sample.
///
/// # Errors
/// The errors of the file when it cannot be used: then it must not replace anything.
pub fn read_anew(file: &Path) -> Result<Anew, Vec<Diagnostic>> {
    usable(&text_of(file)?, file, Depth::WithTemplates)
}

/// As [`read_anew`], of a text that is the configuration of this file.
///
/// # Errors
/// As [`read_anew`].
pub fn read_text_anew(file: &Path, text: &str) -> Result<Anew, Vec<Diagnostic>> {
    usable(text, file, Depth::WithTemplates)
}

/// What is wrong with the templates of a text that is the configuration of this file.
pub fn try_templates(file: &Path, text: &str) -> Vec<Diagnostic> {
    read_text_anew(file, text).map(|read| read.mistakes).unwrap_or_default()
}

/// Reads a text as the configuration of this file.
///
/// # Errors
/// As [`read_anew`].
pub fn usable(text: &str, file: &Path, depth: Depth) -> Result<Anew, Vec<Diagnostic>> {
    let context = LoadContext::of(file, SecretReading::Read);
    let Whole { config, problems, is_usable, .. } = configuration(text, &context, depth);
    let (errors, warnings): (Vec<_>, _) = problems.into_iter().partition(|problem| problem.severity == Severity::Error);
    let (mistakes, others): (Vec<_>, _) = errors.into_iter().partition(|problem| problem.effect == Effect::BuiltIn);
    match config {
        Some(config) if is_usable => Ok(Anew { config, mistakes, secrets: others, warnings }),
        _ => Err(others),
    }
}

/// The text of a configuration file.
///
/// # Errors
/// That it cannot be read, or is no text.
pub fn text_of(file: &Path) -> Result<String, Vec<Diagnostic>> {
    let bytes = std::fs::read(file).map_err(|error| {
        let message = format!("the configuration cannot be read: {}", diagnostic::reason(&error));
        let help =
            "`orderbell init --output orderbell.toml` writes one; if it is elsewhere, name it with --config FILE or ORDERBELL_CONFIG";
        vec![diagnostic::unreadable(file.display().to_string(), message, help)]
    })?;
    let wrong = |wrong| vec![diagnostic::undecodable(file.display().to_string(), "the configuration", wrong)];
    encoding::read(bytes).map_err(wrong)
}

/// Reads a configuration text.
///
/// # Errors
/// As [`read`].
pub fn read_text(text: &str, context: &LoadContext<'_>) -> Result<Loaded, Vec<Diagnostic>> {
    match configuration(text, context, Depth::Start) {
        Whole { config: Some(config), problems, starts: true, .. } => Ok(Loaded { config, warnings: problems }),
        Whole { problems, .. } => Err(problems),
    }
}

/// As [`examine`], for a text.
pub fn examine_text(text: &str, context: &LoadContext<'_>) -> Examined {
    let Whole { problems, starts, .. } = configuration(text, context, Depth::WithTemplates);
    Examined { problems, starts }
}

/// How far a configuration is looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// As far as the daemon needs it to start.
    Start,
    /// And whether the merchant's own templates do what they should.
    WithTemplates,
}

struct Whole<T> {
    config: Option<T>,
    problems: Vec<Diagnostic>,
    /// Without any error.
    starts: bool,
    /// At least in place of nothing.
    is_usable: bool,
}

fn configuration(text: &str, context: &LoadContext<'_>, depth: Depth) -> Whole<Config> {
    whole(text, context, |root, problems| top::read(root, context, depth, problems))
}

/// Reads a text as TOML, and of its tables what `read` takes.
fn whole<T>(
    text: &str,
    context: &LoadContext<'_>,
    read: impl for<'p> FnOnce(DeTable<'p>, &'p Diagnostics<'p>) -> Option<T>,
) -> Whole<T> {
    let problems = Diagnostics::new(context.file.display().to_string(), text);
    let (mut root, mut errors) = DeTable::parse_recoverable(text);
    let mended;
    let mut lines = text;
    if !errors.iter().all(is_repeat) {
        mended = syntax::mend(text, &problems);
        lines = &mended.lines;
        mended.left_out.iter().for_each(|at| hidden::lines::hide_in_line(*at, lines, &problems));
        (root, errors) = DeTable::parse_recoverable(&mended.text);
    }
    syntax_errors(&errors, lines, &problems);
    let mark = problems.mark();
    let root = root.into_inner();
    hidden::hide_all(&root, context, &problems);
    let config = read(root, &problems);
    problems.forget_consequences(mark);
    if !errors.is_empty() {
        problems.starts().into_iter().for_each(|at| hidden::lines::hide_in_line(at, lines, &problems));
    }
    let starts = config.is_some() && !problems.has_errors();
    let is_usable = config.is_some() && !problems.is_unusable();
    Whole { config, problems: problems.finish(), starts, is_usable }
}

fn is_repeat(error: &toml::de::Error) -> bool {
    error.message() == "duplicate key"
}

/// Reports what is still wrong with the text as TOML.
fn syntax_errors(errors: &[toml::de::Error], text: &str, problems: &Diagnostics<'_>) {
    let (mut said, mut repeated) = (None, 0..0);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let line = text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
        let is_repeat = is_repeat(error);
        // Several errors in one line are one mistake, and so is the content of a table that is here already.
        if said.replace(line) == Some(line) || (is_repeat && repeated.contains(&span.start)) {
            continue;
        }
        if is_repeat {
            if text[line..].trim_start().starts_with('[') {
                repeated = span.start..text[span.start..].find("\n[").map_or(text.len(), |next| span.start + next);
            }
        } else {
            // A second definition is left out, and the rest is what it seems; after any other error it may not be.
            problems.break_at(span.start);
        }
        let invalid = words::syntax(error.message(), text, &span);
        problems.error(span, invalid.message, invalid.help);
    }
}
