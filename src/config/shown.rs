//! A configuration as it may be shown: each key with its value, without comments, and `***` in the place of whatever may be a
//! secret, as in the lines of problems.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::context::LoadContext;
use crate::config::hidden;
use crate::diagnostic::collect::Diagnostics;
use crate::diagnostic::masked::MaskedText;

/// The keys of a text that is TOML; nothing of any other.
pub fn shown(text: &str, context: &LoadContext<'_>) -> Option<String> {
    let root = DeTable::parse(text).ok()?.into_inner();
    let problems = Diagnostics::new(context.file.display().to_string(), text);
    hidden::hide_all(&root, context, &problems);
    let mut writer = Writer { text: problems.masked(), out: String::new() };
    writer.table(&[], &root);
    Some(writer.out)
}

type Entry<'a, 't> = (&'a Spanned<Cow<'t, str>>, &'a Spanned<DeValue<'t>>);

/// As they stand in the file.
fn in_sequence<'a, 't>(table: &'a DeTable<'t>) -> Vec<Entry<'a, 't>> {
    let mut entries: Vec<Entry<'_, '_>> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

struct Writer<'t> {
    text: MaskedText<'t>,
    out: String,
}

impl Writer<'_> {
    /// First what stands in the table itself, then the tables below it.
    fn table(&mut self, path: &[String], table: &DeTable<'_>) {
        let (below, own): (Vec<_>, Vec<_>) =
            in_sequence(table).into_iter().partition(|(_, value)| self.has_header(value));
        for (key, value) in own {
            let (key, value) = (self.text.shown(key.span()), self.value(value));
            self.out.push_str(&format!("{key} = {value}\n"));
        }
        for (key, value) in below {
            let path = [path, &[self.text.shown(key.span())]].concat();
            match value.get_ref() {
                DeValue::Table(inner) => {
                    // One that only holds others has no header of its own.
                    if inner.is_empty() || inner.iter().any(|(_, value)| !self.has_header(value)) {
                        self.header(&format!("[{}]", path.join(".")));
                    }
                    self.table(&path, inner);
                }
                DeValue::Array(list) => {
                    for inner in list.iter().filter_map(|item| item.get_ref().as_table()) {
                        self.header(&format!("[[{}]]", path.join(".")));
                        self.table(&path, inner);
                    }
                }
                _ => {}
            }
        }
    }

    fn header(&mut self, header: &str) {
        let gap = if self.out.is_empty() { "" } else { "\n" };
        self.out.push_str(&format!("{gap}{header}\n"));
    }

    /// Whether it is a table, or a list of tables, under headers; not in braces.
    fn has_header(&self, value: &Spanned<DeValue<'_>>) -> bool {
        let is_braced = |value: &Spanned<DeValue<'_>>| self.text.text[value.span()].starts_with('{');
        match value.get_ref() {
            DeValue::Table(_) => !is_braced(value),
            DeValue::Array(list) => {
                !list.is_empty() && list.iter().all(|item| item.get_ref().is_table() && !is_braced(item))
            }
            _ => false,
        }
    }

    /// In one line, as far as it is no text of several.
    fn value(&self, value: &Spanned<DeValue<'_>>) -> String {
        match value.get_ref() {
            DeValue::Table(table) => {
                let entry =
                    |(key, value): Entry<'_, '_>| format!("{} = {}", self.text.shown(key.span()), self.value(value));
                let entries: Vec<String> = in_sequence(table).into_iter().map(entry).collect();
                format!("{{ {} }}", entries.join(", "))
            }
            DeValue::Array(list) => {
                format!("[{}]", list.iter().map(|item| self.value(item)).collect::<Vec<_>>().join(", "))
            }
            _ => self.text.shown(value.span()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::context::{SecretReading, languages};

    fn shown_of(text: &str) -> Option<String> {
        let context = LoadContext {
            file: Path::new("orderbell.toml"),
            env: &|_| None,
            languages: languages(),
            secrets: SecretReading::Read,
        };
        shown(text, &context)
    }

    #[test]
    fn keys_are_shown_and_neither_secrets_nor_comments_are() {
        let text = r##"# the old token: hush-1
language = "en" # hush-2
[server]
listen = "0.0.0.0:8787"
[admin]
token = "hush-3"
[store]
url = "postgres://bell:hush-4@db.example/bell"
[source.keeta-hk]
platform = "keeta"
app_secret = """hush-5""" # hush-6"
[source.keeta-hk.shops]
145541 = "Harbour Noodle House"
[channel.kitchen]
kind = "dingtalk"
webhook = "https://oapi.dingtalk.com/robot/send?access_token=hush-7"
secret = { env = "DINGTALK_SECRET" }
rate = { per = "1m", count = 18 }
headers = { X-Key = "hush-8" }
[[route]]
events = [
  "order.*", # hush-9
]
to = ["kitchen"]
"##;
        let shown = shown_of(text).expect("it is TOML");
        assert!(!shown.contains("hush"), "{shown}");
        let expected = r##"language = "en"

[server]
listen = "0.0.0.0:8787"

[admin]
token = ***

[store]
url = ***

[source.keeta-hk]
platform = "keeta"
app_secret = ***

[source.keeta-hk.shops]
145541 = "Harbour Noodle House"

[channel.kitchen]
kind = "dingtalk"
webhook = "https://oapi.dingtalk.com/***"
secret = { env = "DINGTALK_SECRET" }
rate = { per = "1m", count = 18 }
headers = { X-Key = *** }

[[route]]
events = ["order.*"]
to = ["kitchen"]
"##;
        assert_eq!(shown, expected);
        assert_eq!(shown_of("language = "), None);
    }
}
