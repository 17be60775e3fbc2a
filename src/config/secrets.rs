//! Secrets in the file: a plain text, or a reference to an environment variable or a file, resolved where it stands.

use schemars::{Schema, SchemaGenerator};
use toml::de::{DeTable, DeValue};
use uuid::Uuid;

use crate::config::hidden::{is_variable_name, reference};
use crate::config::section::Section;
use crate::config::shape::ValueShape;
use crate::config::{LoadContext, SecretReading, placeholder};
use crate::diagnostic;
use crate::domain::effective::ValueOrigin;
use crate::domain::secret;
use crate::domain::secret::{InvalidSecret, SecretEdge};
use crate::domain::settings::{InvalidValue, SettingsTable};

const FORMS: &str = "a secret is a text in quotes, { env = \"NAME\" } or { file = \"path\" }";

/// Puts the secrets of a section, as its schema has them, in place of the references to them. Answers where those stood.
pub fn resolve(
    section: &mut Section<'_>,
    schema: fn(&mut SchemaGenerator) -> Schema,
    context: &LoadContext<'_>,
) -> Vec<Reference> {
    let patterns = ValueShape::of(schema).root().secrets();
    let keys = patterns.iter().map(|pattern| pattern.split('.').collect::<Vec<_>>());
    let paths: Vec<Vec<String>> = keys.flat_map(|keys| spelled_out(&section.table, &keys)).collect();
    let references = paths.iter().filter_map(|path| Reference::at(section, path)).collect();
    for path in paths {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        resolve_one(section, &path, context);
    }
    references
}

/// A reference to a secret.
pub struct Reference {
    /// Its key, with those of the tables that it stands in.
    pub path: Vec<String>,
    pub origin: ValueOrigin,
}

impl Reference {
    fn at(section: &Section<'_>, path: &[String]) -> Option<Self> {
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        let origin = match reference(section.value(&keys)?.get_ref().as_table()?)? {
            ("env", name) => ValueOrigin::Env(name.to_owned()),
            (_, path) => ValueOrigin::File(path.to_owned()),
        };
        Some(Self { path: path.to_vec(), origin })
    }
}

fn resolve_one(section: &mut Section<'_>, path: &[&str], context: &LoadContext<'_>) {
    let problems = section.problems;
    let Some(value) = section.value(path) else { return };
    let (span, key) = (value.span(), path.join("."));
    let is_reference = value.get_ref().as_table().is_some_and(refers);
    let is_written_so = value.get_ref().as_table().is_some_and(|table| reference(table).is_some());
    if is_written_so && context.secrets == SecretReading::Placeholders {
        return section.fill(path, placeholder(&key, "placeholder"));
    }
    if is_reference {
        problems.refers(span.clone());
    }
    let found = match value.get_ref() {
        DeValue::String(text) => secret::read(text)
            .map(|secret| (secret.to_owned(), String::new()))
            .map_err(|flaw| InvalidValue::new(format!("\"{key}\" {}", flaw.words()), FORMS)),
        DeValue::Table(table) => referred(table, &key, context),
        _ => Err(InvalidValue::new(format!("\"{key}\" must be a text in quotes"), FORMS)),
    };
    match found {
        Ok((secret, origin)) => {
            placeholder::note_secret(&secret, &key, span.clone(), problems);
            if let Some(rim) = SecretEdge::of(&secret) {
                let message = format!("\"{key}\" {}{origin}", rim.words());
                problems.warning(span, message, rim.help());
            }
            section.fill(path, secret);
        }
        Err(invalid) => {
            problems.error(span, invalid.message, invalid.help);
            match is_reference {
                // Nothing is sent with it, nobody can sign with it, and the rest of its table can be read.
                true => section.fill_wrong(path, placeholder(&key, &unguessable())),
                false => section.drop_wrong(path),
            }
        }
    }
}

/// A text that nobody else knows.
#[expect(
    clippy::disallowed_methods,
    reason = "it stands in for a secret: nobody knows it, so nothing can be signed with it"
)]
fn unguessable() -> String {
    format!("{}{}", Uuid::now_v7().simple(), Uuid::now_v7().simple())
}

/// What passes for any secret of any kind: an address of a robot of each vendor, or any other text.
fn placeholder(key: &str, token: &str) -> String {
    match key {
        "base_url" => format!("https://{token}.example.com"),
        _ => format!("https://{token}.example.com/send?access_token={token}&key={token}"),
    }
}

/// The secret that `{ env = "NAME" }` or `{ file = "path" }` refers to, and where it comes from, in words.
fn referred(table: &DeTable<'_>, key: &str, context: &LoadContext<'_>) -> Result<(String, String), InvalidValue> {
    let (text, origin) = match reference(table) {
        Some(("env", name)) => {
            if !is_variable_name(name) {
                return Err(InvalidValue::new(
                    format!("what \"{key}\" refers to is not the name of an environment variable"),
                    "the name is made of letters, digits and _; the secret itself is its value",
                ));
            }
            let text = (context.env)(name).ok_or_else(|| {
                InvalidValue::new(
                    format!("the environment variable {name} is not set"),
                    format!("\"{key}\" needs it; if it stands in secrets.env: `set -a; . ./secrets.env; set +a`"),
                )
            })?;
            (text, format!("the environment variable {name}"))
        }
        Some(("file", path)) => {
            let text = std::fs::read_to_string(context.folder().join(path)).map_err(|error| {
                let path = context.folder().join(path);
                InvalidValue::new(
                    format!("the file {} cannot be read: {}", path.display(), diagnostic::reason(&error)),
                    format!("\"{key}\" stands in it; its path is relative to the folder of the configuration"),
                )
            })?;
            (text, format!("the file {path}"))
        }
        _ => return Err(InvalidValue::new(format!("\"{key}\" is not written like a secret"), FORMS)),
    };
    match secret::read(&text) {
        Ok(secret) => Ok((secret.to_owned(), format!(", in {origin}"))),
        Err(InvalidSecret::Empty) => {
            let help = format!("\"{key}\" needs it; an empty secret protects nothing");
            Err(InvalidValue::new(format!("{origin} is empty"), help))
        }
        Err(flaw) => {
            let help = format!("\"{key}\" stands there, alone and in one line");
            Err(InvalidValue::new(format!("{origin} {}", flaw.words()), help))
        }
    }
}

/// Whether a table is written as a reference should be: then what it refers to may be wrong, and the file is not.
fn refers(table: &DeTable<'_>) -> bool {
    reference(table).is_some_and(|(kind, name)| kind != "env" || is_variable_name(name))
}

/// The paths that a pattern stands for in a table; `*` in it is every key of a table.
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
