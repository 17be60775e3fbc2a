//! The table of a source or a channel as its kind reads it: a section of the file, with the problems that are found in it.

use std::ops::Range;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use toml::Spanned;

use crate::config::section::Section;
use crate::config::{placeholder, values};
use crate::diagnostic::collect::Diagnostics;
use crate::domain::settings::{InvalidValue, ReadSettings, SettingsTable};

pub struct KindTable<'a, 't, 'p> {
    pub section: &'a mut Section<'t>,
    pub problems: &'a mut Diagnostics<'p>,
}

impl KindTable<'_, '_, '_> {
    fn key_at(&self, path: &[&str]) -> Range<usize> {
        let Some((last, outer)) = path.split_last() else { return self.section.span.clone() };
        let table = match outer {
            [] => Some(&self.section.table),
            outer => self.section.value(outer).and_then(|value| value.get_ref().as_table()),
        };
        let key = table.and_then(|table| table.get_key_value(*last)).map(|(key, _)| key.span());
        key.unwrap_or_else(|| self.section.at(path))
    }
}

impl SettingsTable for KindTable<'_, '_, '_> {
    fn text(&self, path: &[&str]) -> Option<&str> {
        self.section.text(path)
    }

    fn texts(&self, path: &[&str]) -> Vec<String> {
        self.section.texts(path).into_iter().map(Spanned::into_inner).collect()
    }

    fn keys(&self, path: &[&str]) -> Vec<String> {
        let table = self.section.value(path).and_then(|value| value.get_ref().as_table());
        let mut keys: Vec<_> = table.into_iter().flat_map(|table| table.keys()).collect();
        keys.sort_by_key(|key| key.span().start);
        keys.iter().map(|key| key.get_ref().to_string()).collect()
    }

    fn is_given(&self, path: &[&str]) -> bool {
        self.section.value(path).is_some()
    }

    fn is_reported(&self, key: &str) -> bool {
        self.section.is_wrong(key)
    }

    fn is_broken(&self) -> bool {
        self.problems.is_broken()
    }

    fn place(&self) -> &str {
        &self.section.place
    }

    fn error(&mut self, path: &[&str], InvalidValue { message, help }: InvalidValue) {
        self.problems.error(self.section.at(path), message, help);
    }

    fn refuse_items(&mut self, path: &[&str], refused: Vec<(usize, InvalidValue)>) {
        let texts = self.section.texts(path);
        for (index, InvalidValue { message, help }) in refused {
            self.problems.error(texts[index].span(), message, help);
        }
        self.section.drop_wrong(path);
    }

    fn error_at_key(&mut self, path: &[&str], InvalidValue { message, help }: InvalidValue) {
        self.problems.error(self.key_at(path), message, help);
    }

    fn error_of_file(&mut self, path: &[&str], InvalidValue { message, help }: InvalidValue) {
        self.problems.refers(self.section.at(path));
        self.problems.error(self.section.at(path), message, help);
    }

    fn warning(&mut self, path: &[&str], InvalidValue { message, help }: InvalidValue) {
        self.problems.warning(self.section.at(path), message, help);
    }

    fn warn_of_placeholder(&mut self, key: &str) {
        placeholder::note(key, self.section.at(&[key]), self.problems);
    }

    fn drop_wrong(&mut self, path: &[&str]) {
        self.section.drop_wrong(path);
    }

    fn check_zone(&mut self, key: &str) {
        self.section.check(&[key], self.problems, |name| values::zone(name).map(drop));
    }
}

impl ReadSettings for KindTable<'_, '_, '_> {
    fn read<T: DeserializeOwned + JsonSchema>(&mut self) -> Option<T> {
        self.section.read(self.problems)
    }
}
