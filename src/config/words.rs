//! A reader's errors in a merchant's words: what is wrong with a key, what was probably meant, what would be right.

use std::ops::Range;

use toml::de::DeValue;

use crate::config::section::Complaint;

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
pub fn syntax(message: &str, text: &str, span: &Range<usize>) -> Complaint {
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
    Complaint::new(format!("{what} is here for the second time"), help)
}

/// A place where the text stops being TOML.
fn broken(message: &str, before: &str) -> Complaint {
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
            return Complaint::new(format!("this is not TOML: {message}"), help);
        }
    };
    Complaint::new(wrong, right)
}

/// The key that a reader misses.
pub fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field ").and_then(|rest| quoted(rest).next())
}

/// The key that a reader does not know, and those that it knows.
pub fn unknown(message: &str) -> Option<(&str, Vec<&str>)> {
    let mut names = quoted(message.strip_prefix("unknown field ")?);
    Some((names.next()?, names.collect()))
}

/// That a key is missing.
pub fn missing_key(path: &[String], place: &str) -> Complaint {
    let key = path.last().map_or("", String::as_str);
    let place = within(&path[..path.len().saturating_sub(1)], place);
    Complaint::new(format!("\"{key}\" is missing {place}"), example(key))
}

/// That a key is not known; `known` are those that are.
pub fn unknown_key(key: &str, known: &[&str], place: &str) -> Complaint {
    if !is_bare(key) {
        return Complaint::new(format!("this is no key that could be {place}"), meant("", known));
    }
    Complaint::new(format!("there is no key \"{key}\" {place}"), meant(key, known))
}

/// Whether a key is a plain word. What a slip left of a line may be a key with a secret in it.
pub fn is_bare(key: &str) -> bool {
    key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

/// What was probably meant, else what there is to choose from.
pub fn meant(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("possible here: {}", known.join(", ")),
    }
}

/// The known name that is so near to this one that it is probably a slip.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let distance = |known: &str| match known {
        _ if known.to_lowercase() == lower => 0,
        _ if lower.len() > 3 && known.starts_with(&lower) => 1,
        _ if known.len() > 2 && lower.starts_with(known) => 2,
        _ => strsim::damerau_levenshtein(&lower, &known.to_lowercase()),
    };
    let allowed = if name.chars().count() < 4 { 1 } else { (name.chars().count() / 3).clamp(2, 4) };
    let near = known.iter().map(|&known| (distance(known), known)).min_by_key(|(distance, _)| *distance)?;
    (near.0 <= allowed).then_some(near.1)
}

/// A reader's error about one key.
pub fn wrong(
    message: &str,
    value: Option<&DeValue<'_>>,
    path: &[String],
    place: &str,
    elsewhere: &[&str],
) -> Complaint {
    let key = path.last().map_or("", String::as_str);
    let place = within(&path[..path.len().saturating_sub(1)], place);
    if let Some((unknown, mut known)) = unknown(message) {
        known.extend(elsewhere);
        return unknown_key(unknown, &known, &place);
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        let mut names = quoted(rest);
        let given = names.next().unwrap_or_default();
        let known: Vec<&str> = names.collect();
        // A table whose keys are one of a few names.
        if given == key {
            return unknown_key(given, &known, &place);
        }
        return Complaint::new(format!("\"{key}\" cannot be \"{given}\""), meant(given, &known));
    }
    let misplaced = message.starts_with("invalid type") || message.starts_with("wanted string or table");
    if misplaced && value.is_some_and(is_reference) {
        return Complaint::new(
            format!("\"{key}\" is no secret, so it cannot be taken from the environment or a file"),
            "write its value here",
        );
    }
    match message.split_once(", expected ") {
        Some(_) if message.starts_with("invalid value: integer") => {
            Complaint::new(format!("\"{key}\" is out of range"), example(key))
        }
        Some((_, expected)) => {
            let found = value.map_or("something else", sort);
            let (must, shape) = in_words(expected);
            let help = Some(example(key)).filter(|help| !help.is_empty());
            let message = format!("\"{key}\" must be {must}, not {found}");
            Complaint::new(message, help.unwrap_or_else(|| format!("write {key} = {shape}")))
        }
        None if misplaced => {
            Complaint::new(format!("\"{key}\" must be a text in quotes"), format!("write {key} = \"…\""))
        }
        // A value's own reader says what is wrong, and after a semicolon what would be right.
        None => match message.split_once("; ") {
            Some((wrong, right)) => Complaint::new(wrong, right),
            None => Complaint::new(message, example(key)),
        },
    }
}

/// Whether a value has the form that secrets may have.
pub fn is_reference(value: &DeValue<'_>) -> bool {
    let table = value.as_table().filter(|table| table.len() == 1);
    table.is_some_and(|table| table.contains_key("env") || table.contains_key("file"))
}

/// What sort of value it is.
pub fn sort(value: &DeValue<'_>) -> &'static str {
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

/// What a reader expected, and how that is written.
fn in_words(expected: &str) -> (&str, &str) {
    match expected {
        "a string" => ("a text in quotes", "\"…\""),
        "a boolean" => ("true or false", "true"),
        "a sequence" => ("a list in [ ]", "[\"…\"]"),
        "a map" => ("a table in { }", "{ … }"),
        _ if expected.starts_with("struct ") => ("a table in { }", "{ … }"),
        "u8" | "u16" | "u32" | "u64" | "usize" | "i64" => ("a whole number without quotes", "1"),
        _ => (expected, "…"),
    }
}

fn example(key: &str) -> String {
    let found = EXAMPLES.iter().find(|(name, _)| *name == key);
    found.map(|(_, example)| format!("for example {example}")).unwrap_or_default()
}

fn within(outer: &[String], place: &str) -> String {
    if outer.is_empty() { place.to_owned() } else { format!("in \"{}\" {place}", outer.join(".")) }
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let known = ["webhook", "secret", "keyword", "kind", "to"];
        assert_eq!(nearest("kyword", &known), Some("keyword"));
        assert_eq!(nearest("Webhook", &known), Some("webhook"));
        assert_eq!(nearest("key", &known), None);
        assert_eq!(nearest("tp", &known), Some("to"));
        assert_eq!(nearest("colour", &known), None);
    }

    #[test]
    fn every_kind_is_among_the_examples() {
        let platforms = crate::platform::PLATFORMS.iter().map(|known| known.name);
        let kinds = crate::channel::KINDS.iter().map(|known| known.name);
        for (key, kind) in platforms.map(|kind| ("platform", kind)).chain(kinds.map(|kind| ("kind", kind))) {
            assert!(example(key).contains(&format!("\"{kind}\"")), "{key} = \"{kind}\"");
        }
    }
}
