//! Errors in a merchant's words: what is wrong with a key, what was probably meant, what would be right.

use std::ops::Range;

use toml::de::{DeInteger, DeValue};

use crate::config::shape::{ShapeSort, TextFormat};
use crate::diagnostic::suggest;
use crate::domain::settings::InvalidValue;

/// How a key looks when it is right, for those that a merchant has to write himself.
const EXAMPLES: [(&str, &str); 34] = [
    ("after_fallback", "after_fallback = \"tell\" or \"skip\""),
    ("app_id", "app_id = 3762772727, as the developer portal shows it"),
    ("app_secret", "app_secret = { env = \"KEETA_APP_SECRET\" }"),
    ("at", "at = \"08:57\""),
    ("connections", "connections = 2"),
    ("count", "rate = { per = \"1m\", count = 18 }"),
    ("days", "days = [\"mon\", \"tue\"]"),
    ("events", "events = [\"order.*\"]"),
    ("except", "except = [\"order.placed\"]"),
    ("fallback_after", "fallback_after = \"2m\""),
    ("from", "from = \"Harbour Noodle House <orders@example.com>\", or for quiet hours \"23:00\""),
    ("headers", "headers = { \"X-Shop\" = \"1\" }"),
    ("hold", "hold = [\"operator.notice\"]"),
    ("keep", "keep = \"400d\""),
    ("kind", "kind = \"dingtalk\", \"wecom\", \"email\" or \"webhook\""),
    ("max_age", "max_age = \"24h\""),
    ("mention", "mention = { mobiles = [\"+852-51234567\"], user_ids = [], all = false }"),
    ("mobiles", "mobiles = [\"+852-51234567\"]"),
    ("per", "rate = { per = \"1m\", count = 18 }"),
    ("platform", "platform = \"keeta\" or \"apsdai\""),
    ("quiet", "quiet = { from = \"23:00\", to = \"07:30\" }"),
    ("rate", "rate = { per = \"1m\", count = 18 }"),
    ("retry", "retry = [\"5s\", \"30s\", \"2m\"]"),
    ("scheme", "signing = { scheme = \"standard-webhooks\", secret = { env = \"ERP_SECRET\" } }"),
    ("secret", "secret = { env = \"NAME\" }, with the secret in that environment variable"),
    ("shops", "shops = { 145541 = \"Harbour Noodle House\" } for a source, shops = [145541] for a route"),
    ("signing", "signing = { scheme = \"standard-webhooks\", secret = { env = \"ERP_SECRET\" } }"),
    ("silent_after", "silent_after = \"26h\""),
    ("smtp", "smtp = \"smtps://smtp.example.com:465\""),
    ("sources", "sources = [\"keeta-hk\"]"),
    ("timeout", "timeout = \"15s\""),
    ("to", "to = [\"kitchen\"]"),
    ("url", "url = \"https://erp.example.com/orderbell\""),
    ("webhook", "webhook = { env = \"DINGTALK_WEBHOOK\" }, with the robot's address in that environment variable"),
];

/// A syntax error of the file itself.
pub fn syntax(message: &str, text: &str, span: &Range<usize>) -> InvalidValue {
    if message != "duplicate key" {
        let before = text.get(..span.start).unwrap_or_default().trim_end_matches([' ', '\t']);
        return broken(message, before);
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

/// A place where the text stops being TOML.
fn broken(message: &str, before: &str) -> InvalidValue {
    let (wrong, right) = match message {
        "key with no value, expected `=`" if before.ends_with(':') => {
            ("between a key and its value stands =, not :", "write key = \"value\"")
        }
        "string values must be quoted, expected literal string" => {
            ("a text must stand in quotes", "write \" before and after it")
        }
        "invalid basic string, expected `\"`" => ("this text has no quote at its end", "add \" there"),
        "key with no value, expected `=`" => ("this key has no value", "write key = \"value\""),
        "unclosed table, expected `]`" => ("this header has no bracket at its end", "add ] there"),
        _ => {
            let help = "texts stand in quotes, lists in [ ], tables in { } or under a [header]";
            return InvalidValue::new(format!("this is not TOML: {message}"), help);
        }
    };
    InvalidValue::new(wrong, right)
}

/// That a key is missing.
pub fn missing_key(path: &[&str], place: &str) -> InvalidValue {
    let key = path.last().copied().unwrap_or_default();
    let place = within(&path[..path.len().saturating_sub(1)], place);
    InvalidValue::new(format!("\"{key}\" is missing {place}"), example(key))
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
pub fn judged(message: &str, key: &str) -> InvalidValue {
    match message.split_once("; ") {
        Some((wrong, right)) => InvalidValue::new(wrong, right),
        None => InvalidValue::new(message, example(key)),
    }
}

/// Whether a text is one of those to choose from.
pub fn chosen(key: &str, given: &str, known: &[&str]) -> Result<(), InvalidValue> {
    match known.contains(&given) {
        true => Ok(()),
        false => Err(InvalidValue::new(format!("\"{key}\" cannot be \"{given}\""), suggest::meant(given, known))),
    }
}

pub fn out_of_range(key: &str) -> InvalidValue {
    InvalidValue::new(format!("\"{key}\" is out of range"), example(key))
}

/// That a value is of another sort than it should be.
pub fn wrong_sort(key: &str, sort: &ShapeSort<'_>, value: &DeValue<'_>) -> InvalidValue {
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
    let help = Some(example(key)).filter(|help| !help.is_empty());
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

/// How a key looks when it is right; nothing where it is plain.
pub fn example(key: &str) -> String {
    let found = EXAMPLES.iter().find(|(name, _)| *name == key);
    found.map(|(_, example)| format!("for example {example}")).unwrap_or_default()
}

/// Where a nested table is, in words.
pub fn within(outer: &[&str], place: &str) -> String {
    if outer.is_empty() { place.to_owned() } else { format!("in \"{}\" {place}", outer.join(".")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_among_the_examples() {
        let platforms = crate::platform::PLATFORMS.iter().map(|known| known.name);
        let kinds = crate::channel::KINDS.iter().map(|known| known.name);
        for (key, kind) in platforms.map(|kind| ("platform", kind)).chain(kinds.map(|kind| ("kind", kind))) {
            assert!(example(key).contains(&format!("\"{kind}\"")), "{key} = \"{kind}\"");
        }
    }
}
