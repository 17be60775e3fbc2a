//! The configuration: `orderbell.toml` as a value, read whole, with every error and the line that it stands in.

mod channels;
mod check;
pub mod configured;
pub mod context;
mod effective;
mod globals;
mod hidden;
pub mod identity;
pub mod listeners;
mod operator;
pub mod parts;
pub mod placeholder;
mod reading;
pub mod routes;
mod routines;
pub mod scaffold;
pub mod schema;
mod secrets;
mod section;
mod shape;
pub mod shown;
pub mod sources;
pub mod store;
mod tables;
mod tagged;
mod top;
pub mod values;
mod walk;
mod words;

use std::path::Path;

use crate::config::configured::Config;
use crate::config::context::{Depth, LoadContext, SecretReading};
use crate::config::reading::{Whole, whole};
use crate::diagnostic;
use crate::diagnostic::{Diagnostic, Effect, Severity, encoding};

/// A configuration, and what is odd about it.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    /// And the notes.
    pub warnings: Vec<Diagnostic>,
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

fn configuration(text: &str, context: &LoadContext<'_>, depth: Depth) -> Whole<Config> {
    whole(text, context, |root, problems| top::read(root, context, depth, problems))
}
