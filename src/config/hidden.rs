//! What of the file may be shown in a problem's line: what stands under keys that are certainly no secrets. All else is hidden
//! before anything is judged, whatever shape it has and wherever it stands.

mod keys;
pub mod lines;
mod words;

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use url::Url;

use crate::config::context::LoadContext;
use crate::config::hidden::keys::{KEYS, MAPS};
use crate::config::hidden::words::{has_long_run, holds_more, is_like_a_name, is_slip_of_an_open_key, is_words};
use crate::config::secrets::{is_variable_name, reference};
use crate::config::words::is_bare;
use crate::diagnostic::collect::Diagnostics;
use crate::diagnostic::suggest;
use crate::store::address;

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
            DeValue::Table(table) if reference(value.get_ref()).is_none() => {
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
            name if is_bare(name) && is_slip_of_an_open_key(name) => self.open(name, value),
            name => {
                // What a slip left of a line may be a key with a secret in it.
                if !is_bare(name) {
                    self.problems.mask(key.span());
                }
                self.name(key);
                self.secret(value);
            }
        }
    }

    /// `[store]`, whose address mostly is the name of a file.
    fn store(&mut self, value: &Spanned<DeValue<'_>>) {
        let Some(table) = value.get_ref().as_table() else { return self.table(value) };
        for (key, value) in table {
            let is_file = value.get_ref().as_str().is_some_and(address::names_a_file);
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
            DeValue::Table(_) if reference(value.get_ref()).is_some() => self.secret(value),
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
}
