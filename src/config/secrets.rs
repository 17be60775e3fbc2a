//! Secrets in the file: a plain text, or a reference to an environment variable or a file, resolved where it stands.

use schemars::{Schema, SchemaGenerator};
use toml::de::{DeTable, DeValue};
use uuid::Uuid;

use crate::config::context::{LoadContext, SecretReading};
use crate::config::placeholder;
use crate::config::section::Section;
use crate::config::shape::ValueShape;
use crate::diagnostic;
use crate::domain::effective::ValueOrigin;
use crate::domain::secret;
use crate::domain::secret::{InvalidSecret, SecretEdge};
use crate::domain::settings::{InvalidValue, SettingsTable};

const FORMS: &str = "a secret is a text in quotes, { env = \"NAME\" } or { file = \"path\" }";

/// A reference to a secret.
pub struct Reference {
    /// Its key, with those of the tables that it stands in.
    pub path: Vec<String>,
    pub origin: ValueOrigin,
}

/// What `{ env = "NAME" }` or `{ file = "path" }` refers to; `None` for anything else.
pub fn reference(value: &DeValue<'_>) -> Option<ValueOrigin> {
    let table = value.as_table().filter(|table| table.len() == 1)?;
    let (key, value) = table.iter().next()?;
    let text = value.get_ref().as_str()?.to_owned();
    match key.get_ref().as_ref() {
        "env" => Some(ValueOrigin::Env(text)),
        "file" => Some(ValueOrigin::File(text)),
        _ => None,
    }
}

/// Whether a text can be the name of an environment variable.
pub fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Puts the secrets of a section, as its schema has them, in place of the references to them. Answers where those stood.
pub fn resolve(
    section: &mut Section<'_>,
    schema: fn(&mut SchemaGenerator) -> Schema,
    context: &LoadContext<'_>,
) -> Vec<Reference> {
    let patterns = ValueShape::of(schema).root().secrets();
    let keys = patterns.iter().map(|pattern| pattern.split('.').collect::<Vec<_>>());
    let paths: Vec<Vec<String>> = keys.flat_map(|keys| spelled_out(&section.table, &keys)).collect();
    let resolved = paths.into_iter().filter_map(|path| {
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        let origin = resolve_one(section, &keys, context)?;
        Some(Reference { path, origin })
    });
    resolved.collect()
}

/// Answers what it refers to, where it is a reference.
fn resolve_one(section: &mut Section<'_>, path: &[&str], context: &LoadContext<'_>) -> Option<ValueOrigin> {
    let (problems, value) = (section.problems, section.value(path)?);
    let (span, key, origin) = (value.span(), path.join("."), reference(value.get_ref()));
    if origin.is_some() && context.secrets == SecretReading::Placeholders {
        section.fill(path, placeholder(&key, "placeholder"));
        return origin;
    }
    // Then what it refers to may be wrong, and the file is not.
    let refers = match &origin {
        Some(ValueOrigin::Env(name)) => is_variable_name(name),
        other => other.is_some(),
    };
    if refers {
        problems.refers(span.clone());
    }
    let found = match (&origin, value.get_ref()) {
        (Some(origin), _) => referred(origin, &key, context),
        (None, DeValue::String(text)) => secret::read(text)
            .map(|secret| (secret.to_owned(), String::new()))
            .map_err(|flaw| InvalidValue::new(format!("\"{key}\" {}", flaw.words()), FORMS)),
        (None, DeValue::Table(_)) => Err(InvalidValue::new(format!("\"{key}\" is not written like a secret"), FORMS)),
        (None, _) => Err(InvalidValue::new(format!("\"{key}\" must be a text in quotes"), FORMS)),
    };
    match found {
        Ok((secret, place)) => {
            placeholder::note_secret(&secret, &key, span.clone(), problems);
            if let Some(rim) = SecretEdge::of(&secret) {
                problems.warning(span, format!("\"{key}\" {}{place}", rim.words()), rim.help());
            }
            section.fill(path, secret);
        }
        Err(invalid) => {
            problems.error(span, invalid.message, invalid.help);
            match refers {
                // Nothing is sent with it, nobody can sign with it, and the rest of its table can be read.
                true => section.fill_wrong(path, placeholder(&key, &unguessable())),
                false => section.drop_wrong(path),
            }
        }
    }
    origin
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

/// The secret that is referred to, and where it comes from, in words.
fn referred(origin: &ValueOrigin, key: &str, context: &LoadContext<'_>) -> Result<(String, String), InvalidValue> {
    let (text, place) = match origin {
        ValueOrigin::Env(name) if !is_variable_name(name) => {
            return Err(InvalidValue::new(
                format!("what \"{key}\" refers to is not the name of an environment variable"),
                "the name is made of letters, digits and _; the secret itself is its value",
            ));
        }
        ValueOrigin::Env(name) => {
            let missing = || {
                let help =
                    format!("\"{key}\" needs it; if it stands in secrets.env: `set -a; . ./secrets.env; set +a`");
                InvalidValue::new(format!("the environment variable {name} is not set"), help)
            };
            ((context.env)(name).ok_or_else(missing)?, format!("the environment variable {name}"))
        }
        ValueOrigin::File(path) => {
            let whole = context.folder().join(path);
            let text = std::fs::read_to_string(&whole).map_err(|error| {
                let message = format!("the file {} cannot be read: {}", whole.display(), diagnostic::reason(&error));
                let help = format!("\"{key}\" stands in it; its path is relative to the folder of the configuration");
                InvalidValue::new(message, help)
            })?;
            (text, format!("the file {path}"))
        }
        ValueOrigin::Configuration => return Err(InvalidValue::new(format!("\"{key}\" refers to nothing"), FORMS)),
    };
    match secret::read(&text) {
        Ok(secret) => Ok((secret.to_owned(), format!(", in {place}"))),
        Err(InvalidSecret::Empty) => {
            let help = format!("\"{key}\" needs it; an empty secret protects nothing");
            Err(InvalidValue::new(format!("{place} is empty"), help))
        }
        Err(flaw) => {
            let help = format!("\"{key}\" stands there, alone and in one line");
            Err(InvalidValue::new(format!("{place} {}", flaw.words()), help))
        }
    }
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
