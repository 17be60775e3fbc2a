//! `orderbell templates export`: the built-in templates as files. What is there already is never overwritten.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::diagnostic::suggest;
use crate::domain::event::Kind;
use crate::domain::language::folders;
use crate::domain::language::folders::Sources;

/// How the files of messages end.
const ENDING: &str = ".md";

#[derive(Args)]
pub struct Export {
    /// Only what these are made of: kinds such as order.placed, or templates as `orderbell templates` lists them; all where
    /// absent
    #[arg(value_name = "KIND")]
    kinds: Vec<String>,
    /// Only in this language
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// The folder to write to; the configuration's key `templates` names it
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

/// The built-in templates of languages, by language and name.
pub fn built_in() -> Sources {
    folders::built_in_sources(folders::built_in_folders())
}

pub fn run(export: &Export) -> Result<(), Failure> {
    let built_in = built_in();
    let languages = languages(&built_in, export.language.as_deref())?;
    let of_languages =
        |path: &str| path.split_once('/').is_some_and(|(folder, _)| languages.contains(&folder.to_owned()));
    let names: Option<BTreeSet<String>> = match export.kinds.is_empty() {
        true => None,
        false => Some(export.kinds.iter().map(|kind| name_of(kind, &built_in)).collect::<Result<_, _>>()?),
    };
    let is_wanted = |path: &str| {
        let name = path.split_once('/').map(|(_, name)| name).unwrap_or_default();
        of_languages(path) && names.as_ref().is_none_or(|names| names.contains(name))
    };
    let wanted: Sources = built_in.into_iter().filter(|(path, _)| is_wanted(path)).collect();
    let written = write(&wanted, &export.output)?;
    output::line(match (written, wanted.len()) {
        (0, 1) => "1 file is there already, as it is built in".to_owned(),
        (0, all) => format!("all {} are there already, as they are built in", files(all)),
        (written, all) if written < all => {
            format!(
                "{} written to {}; {} there already",
                is_or_are(written),
                export.output.display(),
                is_or_are(all - written)
            )
        }
        (written, _) => format!("{} written to {}", is_or_are(written), export.output.display()),
    })?;
    for path in wanted.keys() {
        output::line(format_args!("    {path}"))?;
    }
    let parts = included(&wanted);
    if !parts.is_empty() {
        output::line(format_args!("they include {}; export these by name to change them too", parts.join(", ")))?;
    }
    output::line(format_args!(
        "next: templates = \"{}\" at the top of the configuration, then `orderbell check`; files that you do not change \
        are better deleted, so that they follow the program",
        export.output.display()
    ))
}

fn languages(built_in: &Sources, asked: Option<&str>) -> Result<Vec<String>, Failure> {
    let all = folders::folders(built_in);
    let Some(asked) = asked else { return Ok(all) };
    match all.iter().find(|known| known.eq_ignore_ascii_case(asked)) {
        Some(known) => Ok(vec![known.clone()]),
        None => {
            let known: Vec<&str> = all.iter().map(String::as_str).collect();
            let help = suggest::language(asked, &known);
            Err(Failure::Misused(format!("no templates are built in for \"{asked}\"; {help}")))
        }
    }
}

/// The template that a kind is made of, or that is called so.
fn name_of(asked: &str, built_in: &Sources) -> Result<String, Failure> {
    let names: BTreeSet<&str> = built_in.keys().filter_map(|path| path.split_once('/')).map(|(_, name)| name).collect();
    let family = asked.parse::<Kind>().ok().map(|kind| kind.family() + ENDING);
    let found = [Some(asked.to_owned()), Some(format!("{asked}{ENDING}")), family];
    let found = found.into_iter().flatten().find(|name| names.contains(name.as_str()));
    found.ok_or_else(|| {
        let known: Vec<&str> = names.iter().map(|name| name.trim_end_matches(ENDING)).collect();
        Failure::Misused(format!("there is no template \"{asked}\"; {}", suggest::meant(asked, &known)))
    })
}

/// Writes all of them, or none where one is there already and is another; answers how many were not there.
fn write(wanted: &Sources, folder: &Path) -> Result<usize, Failure> {
    let mut missing = Vec::new();
    let mut others = Vec::new();
    for (path, text) in wanted {
        let file = folder.join(path);
        match fs::read(&file) {
            Ok(there) if there == text.as_bytes() => {}
            Ok(_) => others.push(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push((file, text)),
            Err(error) => return Err(Failure::Failed(format!("{} cannot be looked at: {error}", file.display()))),
        }
    }
    if !others.is_empty() {
        let named: String = others.iter().map(|file| format!("\n    {}", file.display())).collect();
        return Err(Failure::Failed(format!(
            "these are there already and are not as they are built in, so nothing was written; move them away, or name \
            another folder to compare with:{named}"
        )));
    }
    for (file, text) in &missing {
        let made = file.parent().map_or(Ok(()), fs::create_dir_all);
        // Whatever came there meanwhile stays as well.
        let made = made.and_then(|()| fs::OpenOptions::new().write(true).create_new(true).open(file));
        let written = made.and_then(|mut made| io::Write::write_all(&mut made, text.as_bytes()));
        written.map_err(|error| Failure::Failed(format!("{} cannot be written: {error}", file.display())))?;
    }
    Ok(missing.len())
}

/// The templates that these include and that are not among them.
fn included(wanted: &Sources) -> Vec<String> {
    let names: BTreeSet<&str> = wanted.keys().filter_map(|path| path.split_once('/')).map(|(_, name)| name).collect();
    let mut parts = BTreeSet::new();
    for text in wanted.values() {
        let quoted = text.split('"').skip(1).step_by(2);
        parts.extend(quoted.filter(|name| name.ends_with(ENDING) && !names.contains(name)).map(str::to_owned));
    }
    parts.into_iter().collect()
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

fn is_or_are(count: usize) -> String {
    format!("{} {}", files(count), if count == 1 { "is" } else { "are" })
}
