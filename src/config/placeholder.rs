//! Values that stand there until the real ones are known: nobody has replaced them yet.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::collect::Diagnostics;

/// Texts that stand for a secret in `docs/getting-started.md`, or as people write them until they have the real one.
const SECRETS: [&str; 9] = [
    "change-me",
    "changeme",
    "password",
    "secret",
    "sec",
    "the secret of your application at keeta",
    "todo",
    "token",
    "xxx",
];

/// What stands in addresses that `orderbell init` does not know.
const MARK: &str = "change-me";

/// Says of a secret that it is a sample which nobody has replaced. Its text is not shown: it may be a real one after all.
pub fn note_secret(secret: &str, key: &str, at: Range<usize>, problems: &Diagnostics<'_>) {
    let lower = secret.trim().to_lowercase();
    let bracketed = lower.starts_with('<') && lower.ends_with('>');
    if bracketed || lower.contains('…') || lower.contains("...") || SECRETS.contains(&lower.as_str()) {
        let help = "put the real one there; with this one nothing is proven and nothing gets through";
        problems.warning(at, format!("\"{key}\" looks like a placeholder"), help);
    }
}

/// Says of every text of the file that it is a placeholder of `orderbell init`.
pub fn note_all(table: &DeTable<'_>, problems: &Diagnostics<'_>) {
    for (key, value) in table {
        note_in(key.get_ref(), value, problems);
    }
}

fn note_in(key: &str, value: &Spanned<DeValue<'_>>, problems: &Diagnostics<'_>) {
    match value.get_ref() {
        DeValue::String(text) if is_left(text) => note(key, value.span(), problems),
        DeValue::Array(list) => list.iter().for_each(|item| note_in(key, item, problems)),
        DeValue::Table(table) => note_all(table, problems),
        _ => {}
    }
}

/// Whether a text still is the placeholder of `orderbell init`, or holds it.
pub fn is_left(text: &str) -> bool {
    text.to_lowercase().contains(MARK)
}

/// Says of a value that it is a placeholder.
pub fn note(key: &str, at: Range<usize>, problems: &Diagnostics<'_>) {
    problems.warning(at, format!("\"{key}\" looks like a placeholder"), "write your own there");
}
