//! Errors in a merchant's words: what is wrong with a key, what was probably meant, what would be right.

use std::ops::Range;

use serde_json::Value;
use toml::de::{DeInteger, DeValue};

use crate::config::shape::{Schema, ShapeSort, TextFormat};
use crate::diagnostic::suggest;
use crate::domain::settings::InvalidValue;

/// A syntax error of the file itself.
pub fn syntax(message: &str, text: &str, span: &Range<usize>) -> InvalidValue {
    if message != "duplicate key" {
        let help = "texts stand in quotes, lists in [ ], tables in { } or under a [header]";
        return InvalidValue::new(format!("this is not TOML: {message}"), help);
    }
    let name = text.get(span.clone()).unwrap_or_default();
    let line = |at: usize| text[..at].matches('\n').count() + 1;
    let whole = |at: usize| {
        let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        text[start..].lines().next().unwrap_or_default().trim()
    };
    let header = whole(span.start);
    let first = text.lines().position(|line| line.trim() == header).map(|at| at + 1);
    let help = match first.filter(|&first| header.starts_with('[') && first < line(span.start)) {
        Some(first) => format!("the first is in line {first}; give this one another name, or make one of the two"),
        None => "it may be given once; take one of them out, or give it another name".to_owned(),
    };
    let what = if is_bare(name) { format!("\"{name}\"") } else { "this key".to_owned() };
    InvalidValue::new(format!("{what} is here for the second time"), help)
}

/// That a key is missing.
pub fn missing_key(path: &[&str], schema: Option<Schema<'_>>, place: &str) -> InvalidValue {
    let key = path.last().copied().unwrap_or_default();
    let place = within(&path[..path.len().saturating_sub(1)], place);
    InvalidValue::new(format!("\"{key}\" is missing {place}"), what_and_example(key, schema))
}

/// That a key is not known; `known` are those that are.
pub fn unknown_key(key: &str, known: &[&str], place: &str) -> InvalidValue {
    if !is_bare(key) {
        return InvalidValue::new(format!("this is no key that could be {place}"), suggest::meant("", known));
    }
    InvalidValue::new(format!("there is no key \"{key}\" {place}"), suggest::meant(key, known))
}

/// Whether a key is a plain word. What a slip left of a line may be a key with a secret in it.
pub fn is_bare(key: &str) -> bool {
    key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

/// What a value's own reader says is wrong, and after a semicolon what would be right.
pub fn judged(message: &str, key: &str, schema: Option<Schema<'_>>) -> InvalidValue {
    match message.split_once("; ") {
        Some((wrong, right)) => InvalidValue::new(wrong, right),
        None => InvalidValue::new(message, example(key, schema)),
    }
}

/// Whether a text is one of those to choose from.
pub fn chosen(key: &str, given: &str, known: &[&str]) -> Result<(), InvalidValue> {
    match known.contains(&given) {
        true => Ok(()),
        false => Err(InvalidValue::new(format!("\"{key}\" cannot be \"{given}\""), suggest::meant(given, known))),
    }
}

pub fn out_of_range(key: &str, schema: Schema<'_>) -> InvalidValue {
    let help = match schema.bounds() {
        Some((least, most, default)) => format!("between {least} and {most}; {default} is the default"),
        None => example(key, Some(schema)),
    };
    InvalidValue::new(format!("\"{key}\" is out of range"), help)
}

/// That a value is of another sort than it should be.
pub fn wrong_sort(key: &str, sort: &ShapeSort<'_>, schema: Schema<'_>, value: &DeValue<'_>) -> InvalidValue {
    if is_reference(value) {
        return InvalidValue::new(
            format!("\"{key}\" is no secret, so it cannot be taken from the environment or a file"),
            "write its value here",
        );
    }
    let (must, shape) = match sort {
        ShapeSort::Text | ShapeSort::Choice(_) => ("a text in quotes", "\"…\""),
        ShapeSort::Format(TextFormat { takes_numbers: false, .. }) => ("a text in quotes", "\"…\""),
        ShapeSort::Format(format) => (format.expected, "…"),
        ShapeSort::Flag => ("true or false", "true"),
        ShapeSort::Number(_) => ("a whole number without quotes", "1"),
        ShapeSort::List(_) => ("a list in [ ]", "[\"…\"]"),
        ShapeSort::Map | ShapeSort::Table => ("a table in { }", "{ … }"),
    };
    let help = Some(example(key, Some(schema))).filter(|help| !help.is_empty());
    let help = help.unwrap_or_else(|| format!("write {key} = {shape}"));
    InvalidValue::new(format!("\"{key}\" must be {must}, not {}", sort_of(value)), help)
}

/// A whole number as it is written, at the rim of its range where it is beyond.
pub fn number(number: &DeInteger<'_>) -> i128 {
    let beyond = if number.as_str().starts_with('-') { i128::MIN } else { i128::MAX };
    i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(beyond)
}

/// Whether a value has the form that secrets may have.
fn is_reference(value: &DeValue<'_>) -> bool {
    let table = value.as_table().filter(|table| table.len() == 1);
    table.is_some_and(|table| table.contains_key("env") || table.contains_key("file"))
}

/// What sort of value it is.
fn sort_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time without quotes",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// What a key is, and how it looks when it is right.
fn what_and_example(key: &str, schema: Option<Schema<'_>>) -> String {
    let example = example(key, schema);
    let description = schema.and_then(Schema::description).unwrap_or_default();
    let what = description.split(". ").next().unwrap_or_default().trim_end_matches('.').replace('\n', " ");
    let mut letters = what.chars();
    match letters.next() {
        Some(first) if !example.is_empty() => format!("{}{}; {example}", first.to_lowercase(), letters.as_str()),
        _ => example,
    }
}

/// How a key looks when it is right, by its schema; nothing where that has no example.
fn example(key: &str, schema: Option<Schema<'_>>) -> String {
    let Some(schema) = schema else { return String::new() };
    if let ShapeSort::Choice(words) = schema.sort() {
        return format!("for example {key} = {}", listed(&words));
    }
    match schema.example() {
        Some(value) => format!("for example {key} = {}", as_toml(value)),
        None if schema.is_secret() => {
            let name = key.to_uppercase();
            format!("for example {key} = {{ env = \"{name}\" }}, with the secret in that environment variable")
        }
        None => String::new(),
    }
}

/// `"a", "b" or "c"`.
fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// A value as it is written in one line.
fn as_toml(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("[{}]", list.iter().map(as_toml).collect::<Vec<_>>().join(", ")),
        Value::Object(table) => {
            let key = |key: &String| if is_bare(key) { key.clone() } else { format!("\"{key}\"") };
            let entries = table.iter().map(|(name, value)| format!("{} = {}", key(name), as_toml(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        // Texts are escaped alike.
        plain => plain.to_string(),
    }
}

/// Where a nested table is, in words.
pub fn within(outer: &[&str], place: &str) -> String {
    if outer.is_empty() { place.to_owned() } else { format!("in \"{}\" {place}", outer.join(".")) }
}
