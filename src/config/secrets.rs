//! Secrets in the file: a plain text, or a reference to an environment variable or a file, resolved where it stands.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;
use url::Url;

use crate::config::Surroundings;
use crate::config::placeholder;
use crate::config::problem::Problems;
use crate::config::section::Complaint;
use crate::config::section::Section;

const FORMS: &str = "a secret is a text in quotes, { env = \"NAME\" } or { file = \"path\" }";

/// What passes for any secret of any kind: an address of a robot of each vendor, or any other text.
const STAND_IN: &str = "https://stand-in.example.com/send?access_token=stand-in&key=stand-in";

/// Keys that are certainly no secrets, so that their lines may be shown whole even when the text has a syntax error.
const OPEN: [&str; 24] = [
    "app_id",
    "at",
    "cc",
    "currency",
    "days",
    "events",
    "fallback",
    "from",
    "keep",
    "keyword",
    "kind",
    "language",
    "listen",
    "max_age",
    "max_body",
    "mention",
    "platform",
    "public_url",
    "retry",
    "shops",
    "sources",
    "timezone",
    "to",
    "verify",
];

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
pub fn stand_in_by(section: &mut Section<'_>, paths: &[&str], text: &'static str) {
    for path in paths {
        let keys: Vec<&str> = path.split('.').collect();
        for path in spelled_out(&section.table, &keys) {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            if let Some(value) = place(&mut section.table, &path)
                && value.get_ref().as_table().is_some_and(|table| reference(table).is_some())
            {
                *value.get_mut() = DeValue::String(Cow::Borrowed(text));
            }
        }
    }
}

fn resolve_one(section: &mut Section<'_>, path: &[&str], surroundings: &Surroundings<'_>, problems: &mut Problems<'_>) {
    let Some(value) = section.value(path) else { return };
    let (span, key) = (value.span(), path.join("."));
    let found = match value.get_ref() {
        DeValue::String(text) if text.trim().is_empty() => Err(Complaint::new(format!("\"{key}\" is empty"), FORMS)),
        DeValue::String(text) => {
            problems.mask(hidden(problems.text(), &span, text));
            placeholder::note_secret(text, &key, span, problems);
            return;
        }
        DeValue::Table(table) => referred(table, &key, surroundings),
        _ => Err(Complaint::new(format!("\"{key}\" must be a text in quotes"), FORMS)),
    };
    match found {
        Ok(secret) => {
            placeholder::note_secret(&secret, &key, span, problems);
            if let Some(value) = place(&mut section.table, path) {
                *value.get_mut() = DeValue::String(Cow::Owned(secret));
            }
        }
        Err(complaint) => {
            hide_strangers(value, problems);
            problems.error(span, complaint.message, complaint.help);
            section.drop_wrong(path);
        }
    }
}

/// The secret that `{ env = "NAME" }` or `{ file = "path" }` refers to.
fn referred(table: &DeTable<'_>, key: &str, surroundings: &Surroundings<'_>) -> Result<String, Complaint> {
    let reference = reference(table);
    let secret = match reference {
        Some(("env", name)) => {
            if !is_variable_name(name) {
                return Err(Complaint::new(
                    format!("what \"{key}\" refers to is not the name of an environment variable"),
                    "the name is made of letters, digits and _; the secret itself is its value",
                ));
            }
            (surroundings.env)(name).ok_or_else(|| {
                Complaint::new(
                    format!("the environment variable {name} is not set"),
                    format!("\"{key}\" needs it; if it stands in secrets.env: `set -a; . ./secrets.env; set +a`"),
                )
            })?
        }
        Some(("file", path)) => {
            let path = surroundings.folder().join(path);
            let text = std::fs::read_to_string(&path).map_err(|error| {
                Complaint::new(
                    format!("the file {} cannot be read: {}", path.display(), reason(&error)),
                    format!("\"{key}\" stands in it; its path is relative to the folder of the configuration"),
                )
            })?;
            let line = text.strip_suffix('\n').unwrap_or(&text);
            line.strip_suffix('\r').unwrap_or(line).to_owned()
        }
        _ => return Err(Complaint::new(format!("\"{key}\" is not written like a secret"), FORMS)),
    };
    if secret.trim().is_empty() {
        let (what, name) = reference.unwrap_or_default();
        let what = if what == "env" { "environment variable" } else { "file" };
        let message = format!("the {what} {name} is empty");
        return Err(Complaint::new(message, format!("\"{key}\" needs it; an empty secret protects nothing")));
    }
    Ok(secret)
}

/// The name in `{ env = "NAME" }` or the path in `{ file = "path" }`, and which of the two it is.
fn reference<'a>(table: &'a DeTable<'_>) -> Option<(&'a str, &'a str)> {
    let (key, value) = table.iter().next().filter(|_| table.len() == 1)?;
    let key = key.get_ref().as_ref();
    matches!(key, "env" | "file").then_some((key, value.get_ref().as_str()?))
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

fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The bytes of a plain secret that are not shown: of an address only what comes after the host.
fn hidden(text: &str, span: &Range<usize>, secret: &str) -> Range<usize> {
    if secret.starts_with("sqlite:") {
        return span.start..span.start;
    }
    let after_host = || {
        let address = Url::parse(secret).ok()?;
        let host = address.host_str().filter(|_| address.username().is_empty() && address.password().is_none())?;
        let written = &text[span.clone()];
        let start = written.find("://")? + "://".len();
        // Only when it stands there letter by letter, without escapes.
        written[start..].starts_with(host).then_some(())?;
        let path = written[start..].find('/').map_or(written.len() - 1, |slash| start + slash + 1);
        Some(span.start + path)
    };
    match after_host() {
        Some(path) => path..span.end - 1,
        None => span.clone(),
    }
}

/// What is written in the place of a secret and is no reference could be one.
fn hide_strangers(value: &Spanned<DeValue<'_>>, problems: &mut Problems<'_>) {
    match value.get_ref() {
        DeValue::Table(table) => {
            for (key, inner) in table {
                let known = matches!(key.get_ref().as_ref(), "env" | "file");
                let plain =
                    inner.get_ref().as_str().is_some_and(|text| key.get_ref() != "env" || is_variable_name(text));
                if !(known && plain) {
                    hide_strangers(inner, problems);
                }
            }
        }
        _ => problems.mask(value.span()),
    }
}

/// Marks what may be a value in a line of a text with a syntax error: there, tables, keys and values may not be what they
/// seem.
pub fn hide_in_line(at: usize, problems: &mut Problems<'_>) {
    let text = problems.text();
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let is_header = line.starts_with('[') && line.chars().all(|c| is_name(c) || "[]-. ".contains(c));
    let is_open = line.split_once('=').is_some_and(|(key, value)| OPEN.contains(&key.trim()) && !value.contains('='));
    if is_header || is_open {
        return;
    }
    // Only what looks like a key is shown: a first word may as well be the end of a value.
    let named = line
        .split_once(['=', ':'])
        .filter(|(key, _)| !key.trim().is_empty() && key.chars().all(|c| is_name(c) || "-. ".contains(c)));
    let from = named.map_or(0, |(_, value)| line.len() - value.trim_start().len());
    problems.mask(start + from..start + line.len());
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The paths that a pattern stands for in a table.
fn spelled_out(table: &DeTable<'_>, pattern: &[&str]) -> Vec<Vec<String>> {
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
