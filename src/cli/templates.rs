//! `orderbell templates`: what messages are made of, and which of the merchant's files take its place; written out by
//! `templates export`, from the program alone.

mod export;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::OutputFormat;
use crate::cli::table::ColumnWidths;
use crate::config::context::SecretReading;
use crate::domain::language::folders;
use crate::domain::language::folders::Sources;
use crate::domain::template::fault::TemplateErrors;
use crate::in_force;
use crate::render;
use crate::render::Isolation;
use crate::template_check::folder;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct TemplatesArgs {
    #[command(subcommand)]
    action: Option<Action>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

#[derive(Subcommand)]
enum Action {
    /// Writes the built-in templates to a folder, to change them there; nothing that is there is overwritten
    Export(export::Export),
}

impl TemplatesArgs {
    pub fn reads_the_configuration(&self) -> bool {
        self.action.is_none()
    }
}

pub fn run(templates: &TemplatesArgs, file: &Path) -> Result<(), Failure> {
    match &templates.action {
        Some(Action::Export(export)) => export::run(export),
        None => list(templates.format, file),
    }
}

/// What a template is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    BuiltIn,
    Yours,
    /// A file of words: those in it go before the built-in ones.
    YoursByWord,
    /// It does not parse, so what is built in stands in for it.
    YoursBroken,
}

fn list(format: OutputFormat, file: &Path) -> Result<(), Failure> {
    let folder = if file.exists() {
        in_force::parts(file, SecretReading::Placeholders).map_err(Failure::Configuration)?.templates
    } else {
        output::complain(format_args!("note: there is no {}, so this is what is built in\n", file.display()));
        None
    };
    let own = folder.as_deref().map(folder::content).transpose();
    let own = own.map_err(|error| Failure::Failed(error.to_string()))?.unwrap_or_default();
    for error in &own.unusable {
        output::complain(format_args!("warning: {error}\n"));
    }
    let broken: BTreeSet<String> = match render::parsed(&own.sources, &Isolation::of_this_program()) {
        Ok(_) => BTreeSet::new(),
        Err(TemplateErrors(errors)) => errors.into_iter().map(|error| error.template).collect(),
    };
    let built_in = export::built_in();
    let origin = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        match (own.sources.contains_key(path), built_in.contains_key(path)) {
            (true, _) if broken.contains(path) => Some(Origin::YoursBroken),
            (true, true) if folders::holds_words(name) => Some(Origin::YoursByWord),
            (true, _) => Some(Origin::Yours),
            (false, true) => Some(Origin::BuiltIn),
            (false, false) => None,
        }
    };
    let all: Sources = built_in.iter().chain(&own.sources).map(|(path, text)| (path.clone(), text.clone())).collect();
    match format {
        OutputFormat::Json => {
            let row = |path: &String| {
                let (language, name) = path.split_once('/').unwrap_or_default();
                let yours = own.sources.contains_key(path).then(|| folder.as_ref().map(|folder| folder.join(path)));
                json!({ "language": language, "template": name, "built_in": built_in.contains_key(path),
                    "file": yours.flatten(), "usable": origin(path) != Some(Origin::YoursBroken) })
            };
            output::line(serde_json::Value::Array(all.keys().map(row).collect()))
        }
        OutputFormat::Text => {
            output::print(table(&all, origin))?;
            output::line(advice(folder, &own.sources))
        }
    }
}

/// A row for each template, a column for each language.
fn table(all: &Sources, origin: impl Fn(&str) -> Option<Origin>) -> String {
    let languages = folders::folders(all);
    let names: BTreeSet<&str> = all.keys().filter_map(|path| path.split_once('/')).map(|(_, name)| name).collect();
    let heading = std::iter::once("TEMPLATE".to_owned()).chain(languages.iter().cloned()).collect();
    let row = |name: &&str| {
        let cell = |language: &String| {
            let word = match origin(&format!("{language}/{name}")) {
                Some(Origin::BuiltIn) => "built in",
                Some(Origin::Yours) => "yours",
                Some(Origin::YoursByWord) => "yours, then built in",
                Some(Origin::YoursBroken) => "yours is broken: built in",
                None => "-",
            };
            word.to_owned()
        };
        std::iter::once((*name).to_owned()).chain(languages.iter().map(cell)).collect()
    };
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(names.iter().map(row)).collect();
    let columns = ColumnWidths::of(&rows);
    rows.iter().map(|row| columns.line(row)).collect()
}

fn advice(folder: Option<PathBuf>, own: &Sources) -> String {
    match folder {
        None => "\nto change some: `orderbell templates export KIND --language en --output templates`, and \
            templates = \"templates\" at the top of the configuration"
            .to_owned(),
        Some(folder) => format!(
            "\nyours: {} in {}; `orderbell check` tries each with every sample",
            match own.len() {
                1 => "1 file".to_owned(),
                files => format!("{files} files"),
            },
            folder.display()
        ),
    }
}
