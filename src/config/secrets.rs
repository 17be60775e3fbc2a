//! Secrets in the file: a plain text, or a reference to an environment variable or a file, resolved where it stands.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

use crate::config::Surroundings;
use crate::config::hidden::is_variable_name;
use crate::config::hidden::reference;
use crate::config::placeholder;
use crate::config::problem::Problems;
use crate::config::section::Complaint;
use crate::config::section::Section;
use crate::domain::secret;
use crate::domain::secret::Flaw;
use crate::domain::secret::Rim;

const FORMS: &str = "a secret is a text in quotes, { env = \"NAME\" } or { file = \"path\" }";

/// What passes for any secret of any kind: an address of a robot of each vendor, or any other text.
const STAND_IN: &str = "https://stand-in.example.com/send?access_token=stand-in&key=stand-in";

/// Puts the secrets of a section in place of the references to them, and marks plain ones as not to be shown. A path is
/// a key, keys of nested tables with dots; `*` stands for every key of a table.
pub fn resolve(
    section: &mut Section<'_>,
    paths: &[&str],
    surroundings: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) {
    for path in paths {
        let keys: Vec<&str> = path.split('.').collect();
        for path in spelled_out(&section.table, &keys) {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            resolve_one(section, &path, surroundings, problems);
        }
    }
}

/// Puts [`STAND_IN`] in the place of each reference to a secret, for commands that use none. What is not written like a
/// reference stays as it is.
pub fn stand_in(section: &mut Section<'_>, paths: &[&str]) {
    stand_in_by(section, paths, STAND_IN);
}

/// As [`stand_in`], by a text of another shape.
pub fn stand_in_by(section: &mut Section<'_>, paths: &[&str], text: &str) {
    for path in paths {
        let keys: Vec<&str> = path.split('.').collect();
        for path in spelled_out(&section.table, &keys) {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            if let Some(value) = place(&mut section.table, &path)
                && value.get_ref().as_table().is_some_and(|table| reference(table).is_some())
            {
                *value.get_mut() = DeValue::String(Cow::Owned(text.to_owned()));
            }
        }
    }
}

fn resolve_one(section: &mut Section<'_>, path: &[&str], surroundings: &Surroundings<'_>, problems: &mut Problems<'_>) {
    let Some(value) = section.value(path) else { return };
    let (span, key) = (value.span(), path.join("."));
    let found = match value.get_ref() {
        DeValue::String(text) => secret::read(text)
            .map(|secret| (secret.to_owned(), String::new()))
            .map_err(|flaw| Complaint::new(format!("\"{key}\" {}", flaw.words()), FORMS)),
        DeValue::Table(table) => {
            if refers(table) {
                problems.refers(span.clone());
            }
            referred(table, &key, surroundings)
        }
        _ => Err(Complaint::new(format!("\"{key}\" must be a text in quotes"), FORMS)),
    };
    match found {
        Ok((secret, origin)) => {
            placeholder::note_secret(&secret, &key, span.clone(), problems);
            if let Some(rim) = Rim::of(&secret) {
                let message = format!("\"{key}\" {}{origin}", rim.words());
                problems.warning(span, message, rim.help());
            }
            if let Some(value) = place(&mut section.table, path) {
                *value.get_mut() = DeValue::String(Cow::Owned(secret));
            }
        }
        Err(complaint) => {
            problems.error(span, complaint.message, complaint.help);
            section.drop_wrong(path);
        }
    }
}

/// The secret that `{ env = "NAME" }` or `{ file = "path" }` refers to, and where it comes from, in words.
fn referred(table: &DeTable<'_>, key: &str, surroundings: &Surroundings<'_>) -> Result<(String, String), Complaint> {
    let (text, origin) = match reference(table) {
        Some(("env", name)) => {
            if !is_variable_name(name) {
                return Err(Complaint::new(
                    format!("what \"{key}\" refers to is not the name of an environment variable"),
                    "the name is made of letters, digits and _; the secret itself is its value",
                ));
            }
            let text = (surroundings.env)(name).ok_or_else(|| {
                Complaint::new(
                    format!("the environment variable {name} is not set"),
                    format!("\"{key}\" needs it; if it stands in secrets.env: `set -a; . ./secrets.env; set +a`"),
                )
            })?;
            (text, format!("the environment variable {name}"))
        }
        Some(("file", path)) => {
            let text = std::fs::read_to_string(surroundings.folder().join(path)).map_err(|error| {
                let path = surroundings.folder().join(path);
                Complaint::new(
                    format!("the file {} cannot be read: {}", path.display(), reason(&error)),
                    format!("\"{key}\" stands in it; its path is relative to the folder of the configuration"),
                )
            })?;
            (text, format!("the file {path}"))
        }
        _ => return Err(Complaint::new(format!("\"{key}\" is not written like a secret"), FORMS)),
    };
    match secret::read(&text) {
        Ok(secret) => Ok((secret.to_owned(), format!(", in {origin}"))),
        Err(Flaw::Empty) => {
            let help = format!("\"{key}\" needs it; an empty secret protects nothing");
            Err(Complaint::new(format!("{origin} is empty"), help))
        }
        Err(flaw) => {
            let help = format!("\"{key}\" stands there, alone and in one line");
            Err(Complaint::new(format!("{origin} {}", flaw.words()), help))
        }
    }
}

/// Whether a table is written as a reference should be: then what it refers to may be wrong, and the file is not.
fn refers(table: &DeTable<'_>) -> bool {
    reference(table).is_some_and(|(kind, name)| kind != "env" || is_variable_name(name))
}

/// Why a file cannot be read, without the system's numbers.
pub fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        std::io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string(),
    }
}

/// The paths that a pattern stands for in a table.
pub fn spelled_out(table: &DeTable<'_>, pattern: &[&str]) -> Vec<Vec<String>> {
    let Some((first, rest)) = pattern.split_first() else {
        return vec![Vec::new()];
    };
    let matching = table.iter().filter(|(key, _)| *first == "*" || key.get_ref() == first);
    matching
        .flat_map(|(key, value)| {
            let inner = match value.get_ref().as_table() {
                _ if rest.is_empty() => vec![Vec::new()],
                Some(inner) => spelled_out(inner, rest),
                None => Vec::new(),
            };
            inner.into_iter().map(|mut path| {
                path.insert(0, key.get_ref().to_string());
                path
            })
        })
        .collect()
}

fn place<'a, 't>(table: &'a mut DeTable<'t>, path: &[&str]) -> Option<&'a mut Spanned<DeValue<'t>>> {
    let (first, rest) = path.split_first()?;
    let value = table.get_mut(*first)?;
    if rest.is_empty() {
        return Some(value);
    }
    match value.get_mut() {
        DeValue::Table(inner) => place(inner, rest),
        _ => None,
    }
}
