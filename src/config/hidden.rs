//! What of the file may be shown in a problem's line: what stands under keys that are certainly no secrets. All else is hidden
//! before anything is judged, whatever shape it has and wherever it stands.

pub mod keys;
pub mod lines;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use url::Url;

use crate::config::LoadContext;
use crate::config::hidden::keys::{KEYS, MAPS};
use crate::diagnostic::collect::Diagnostics;
use crate::diagnostic::suggest;

/// The longest run of letters and digits that is taken for a word and not for a secret.
const LONGEST_RUN: usize = 24;

/// Hides every value of the file that may be a secret.
pub fn hide_all(root: &DeTable<'_>, context: &LoadContext<'_>, problems: &Diagnostics<'_>) {
    let mut hiding = Hiding { context, problems };
    for (key, value) in root {
        match key.get_ref().as_ref() {
            name if KEYS.families.contains(name) => hiding.family(value),
            "store" => hiding.store(value),
            _ => hiding.entry(key, value),
        }
    }
}

struct Hiding<'a, 't> {
    context: &'a LoadContext<'a>,
    problems: &'a Diagnostics<'t>,
}

impl Hiding<'_, '_> {
    /// `[channel.<name>]` and the like, and what may be written by mistake for it.
    fn family(&mut self, value: &Spanned<DeValue<'_>>) {
        let Some(tables) = value.get_ref().as_table() else { return self.table(value) };
        for (name, value) in tables {
            match value.get_ref() {
                DeValue::Table(_) | DeValue::Array(_) => self.table(value),
                _ => self.entry(name, value),
            }
        }
    }

    /// A table of keys, or a list of such tables.
    fn table(&mut self, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) if reference(table).is_none() => {
                table.iter().for_each(|(key, value)| self.entry(key, value));
            }
            DeValue::Array(list) => list.iter().for_each(|item| self.table(item)),
            _ => self.secret(value),
        }
    }

    fn entry(&mut self, key: &Spanned<Cow<'_, str>>, value: &Spanned<DeValue<'_>>) {
        match key.get_ref().as_ref() {
            "scheme" => self.scheme(value),
            name if MAPS.contains(&name) || KEYS.open.contains(name) => self.open(name, value),
            name if KEYS.tables.contains(name) || KEYS.families.contains(name) => self.table(value),
            name if KEYS.addresses.contains(name) => self.address(value),
            name if KEYS.secret_maps.contains(name) => self.secret_map(value),
            name if is_slip_of_an_open_key(name) => self.open(name, value),
            _ => {
                self.name(key);
                self.secret(value);
            }
        }
    }

    /// `[store]`, whose address mostly is the name of a file.
    fn store(&mut self, value: &Spanned<DeValue<'_>>) {
        let Some(table) = value.get_ref().as_table() else { return self.table(value) };
        for (key, value) in table {
            let is_file = value.get_ref().as_str().is_some_and(|url| url.starts_with("sqlite:"));
            if !(key.get_ref() == "url" && is_file) {
                self.entry(key, value);
            }
        }
    }

    /// A value that is shown as long as it is what it should be.
    fn open(&mut self, key: &str, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) if MAPS.contains(&key) => {
                table.iter().for_each(|(_, inner)| self.open(key, inner));
            }
            DeValue::Table(table) if reference(table).is_some() => self.secret(value),
            DeValue::Table(_) => self.table(value),
            DeValue::Array(list) => list.iter().for_each(|item| self.open(key, item)),
            DeValue::String(text) if holds_more(text) || (key == "smtp" && text.contains('@')) => {
                self.problems.hide(value.span(), text);
            }
            _ => {}
        }
    }

    fn address(&mut self, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::String(text) => self.problems.mask(beyond_host(self.problems.text(), &value.span(), text)),
            _ => self.secret(value),
        }
    }

    /// A way to sign, or what may be the secret in its place.
    fn scheme(&mut self, value: &Spanned<DeValue<'_>>) {
        let known: Vec<&str> = KEYS.schemes.iter().map(String::as_str).collect();
        match value.get_ref().as_str() {
            Some(scheme) if suggest::nearest(scheme, &known).is_some() => {}
            Some(other) => self.problems.hide(value.span(), other),
            None => self.secret(value),
        }
    }

    fn secret_map(&mut self, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => {
                for (key, value) in table {
                    self.name(key);
                    self.secret(value);
                }
            }
            DeValue::Array(list) => list.iter().for_each(|item| self.secret_map(item)),
            _ => self.secret(value),
        }
    }

    /// What stands in the place of a secret: only the names of variables and files that it refers to are none.
    fn secret(&mut self, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => {
                for (key, inner) in table {
                    let is_shown = match (key.get_ref().as_ref(), inner.get_ref()) {
                        ("env", DeValue::String(name)) => self.is_variable(name),
                        ("file", DeValue::String(path)) => self.is_path(path),
                        _ => false,
                    };
                    match inner.get_ref() {
                        _ if is_shown => {}
                        DeValue::String(text) if matches!(key.get_ref().as_ref(), "env" | "file") => {
                            self.problems.hide(inner.span(), text);
                        }
                        _ => {
                            self.name(key);
                            self.secret(inner);
                        }
                    }
                }
            }
            DeValue::Array(list) => list.iter().for_each(|item| self.secret(item)),
            // A plain word would be found in our own words as well.
            DeValue::String(text) if is_words(text) => self.problems.mask(value.span()),
            DeValue::String(text) => self.problems.hide(value.span(), text),
            _ => self.problems.mask(value.span()),
        }
    }

    /// A key beside or in the place of a secret: it may be the secret itself.
    fn name(&mut self, key: &Spanned<Cow<'_, str>>) {
        let name = key.get_ref();
        let digits = name.bytes().filter(u8::is_ascii_digit).count();
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_. ".contains(c));
        if !is_name || digits > 2 || has_long_run(name) {
            self.problems.hide(key.span(), name);
        }
    }

    /// Whether this is the name of an environment variable: one that is there, or that looks like one.
    fn is_variable(&self, name: &str) -> bool {
        let looks_like_one = !name.is_empty() && is_like_a_name(name);
        looks_like_one || (is_variable_name(name) && (self.context.env)(name).is_some())
    }

    /// Whether this is the path of a file: one that is there, or that looks like one.
    fn is_path(&self, path: &str) -> bool {
        let looks_like_one = !path.contains("://")
            && !path.contains(['=', '+', '?', '&', '%', '#', '@', '\n'])
            && !path.starts_with("whsec_")
            && path
                .split(|c: char| !c.is_ascii_alphanumeric())
                .all(|run| run.len() < 12 || !run.bytes().any(|byte| byte.is_ascii_digit()))
            && (path.contains(['/', '.']) || is_words(path));
        looks_like_one || self.context.folder().join(path).exists()
    }
}

/// Whether an unknown key is near to one that is no secret, and to none that is one.
pub fn is_slip_of_an_open_key(key: &str) -> bool {
    let near = |keys: &BTreeSet<String>| {
        let known: Vec<&str> = keys.iter().map(String::as_str).collect();
        suggest::nearest(key, &known).map(str::len)
    };
    let is_near = |keys: &BTreeSet<String>| near(keys).is_some();
    // `smtp_password` is no slip of `smtp`.
    let names_a_secret = |length: usize| key.len() > length + 2 && lines::holds_part_of_a_secret(key);
    key.len() > 3
        && near(&KEYS.open).is_some_and(|length| !names_a_secret(length))
        && ![&KEYS.secrets, &KEYS.secret_maps, &KEYS.tables].into_iter().any(is_near)
}

/// Letters with blanks and dashes between them.
fn is_words(text: &str) -> bool {
    text.len() <= 3 || (!has_long_run(text) && text.chars().all(|c| c.is_ascii_alphabetic() || " -_".contains(c)))
}

/// Whether there is more in an open text than belongs there: a token, or further keys, because its quotes are misplaced.
fn holds_more(text: &str) -> bool {
    let is_assignment = |(at, _): (usize, &str)| {
        let (before, after) = (&text[..at], text[at + 1..].trim_start());
        !before.ends_with(['=', '<', '>', '!']) && after.starts_with(['"', '\'', '{', '['])
    };
    has_long_run(text) || text.match_indices('=').any(is_assignment)
}

fn has_long_run(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|run| run.len() > LONGEST_RUN)
}

/// Whether a text is written as the names of variables usually are: in capitals, or in pieces of one case behind such a
/// prefix, as in `SHOP_kitchen`. A secret that stands in the place of a name hardly is.
fn is_like_a_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    let is_of_one_case = |piece: &str| piece.len() <= 20 && piece.bytes().all(|byte| byte.is_ascii_lowercase());
    let mut pieces = name.split('_');
    let starts_in_capitals = name.contains('_') && pieces.next().is_some_and(|first| first.bytes().all(is_plain));
    let is_short = !has_long_run(name) && !name.starts_with(|first: char| first.is_ascii_digit());
    // In one piece, with digits here and there, it is rather a key.
    let is_no_key = name.contains('_') || name.bytes().filter(u8::is_ascii_digit).count() <= 2;
    let in_capitals = is_short && is_no_key && name.split('_').all(|piece| piece.bytes().all(is_plain));
    in_capitals || (starts_in_capitals && pieces.all(|piece| piece.bytes().all(is_plain) || is_of_one_case(piece)))
}

/// The name in `{ env = "NAME" }` or the path in `{ file = "path" }`, and which of the two it is.
pub fn reference<'a>(table: &'a DeTable<'_>) -> Option<(&'a str, &'a str)> {
    let (key, value) = table.iter().next().filter(|_| table.len() == 1)?;
    let key = key.get_ref().as_ref();
    matches!(key, "env" | "file").then_some((key, value.get_ref().as_str()?))
}

pub fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The bytes of an address that are not shown: what comes after the host, or all of it where that is not clear.
fn beyond_host(text: &str, span: &Range<usize>, address: &str) -> Range<usize> {
    let after_host = || {
        let url = Url::parse(address).ok()?;
        let host = url.host_str().filter(|_| url.username().is_empty() && url.password().is_none())?;
        let written = text.get(span.clone())?;
        let start = written.find("://")? + "://".len();
        // Only when it stands there letter by letter, without escapes.
        let rest = written[start..].strip_prefix(host)?;
        let port = rest.strip_prefix(':').map_or(0, |port| 1 + port.bytes().take_while(u8::is_ascii_digit).count());
        let slash = usize::from(rest[port..].starts_with('/'));
        Some(span.start + start + host.len() + port + slash)
    };
    match after_host() {
        Some(end) => end..span.end - 1,
        None => span.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_only_the_host_is_shown() {
        for (written, shown) in [
            ("\"https://x.example/hush\"", "\"https://x.example/"),
            ("\"https://x.example?hush\"", "\"https://x.example"),
            ("\"https://x.example:8443#hush\"", "\"https://x.example:8443"),
            ("\"https://u:hush@x.example/\"", ""),
            ("\"x.example/hush\"", ""),
        ] {
            let address = written.trim_matches('"');
            let hidden = beyond_host(written, &(0..written.len()), address);
            assert_eq!(&written[..hidden.start], shown);
            assert!(written[hidden.end..].is_empty() || &written[hidden.end..] == "\"");
        }
    }

    #[test]
    fn an_open_text_with_further_keys_in_it_is_hidden() {
        for text in ["\"webhook\", secret = \"hush\"", "x, headers={ a = 1", "e3b0c44298fc1c149afbf4c8996fb92427"] {
            assert!(holds_more(text), "{text}");
        }
        for text in
            ["order.currency == \"HKD\" and order.total >= 500", "Harbour \"Noodle\" House <a@b.example>", "a=b"]
        {
            assert!(!holds_more(text), "{text}");
        }
    }
}
