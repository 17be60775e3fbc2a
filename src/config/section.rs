//! One table of the file: which keys it has and where, and how it becomes a struct with every error of it reported.

use std::collections::BTreeSet;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::config::shape::ValueShape;
use crate::config::walk::Walk;
use crate::config::{placeholder, values, words};
use crate::diagnostic::collect::Diagnostics;
use crate::domain::settings::{InvalidValue, ReadSettings, SettingsTable};

/// A table of the file, and where what is wrong with it is collected.
#[derive(Clone)]
pub struct Section<'t> {
    /// Where it is, in words: `in [channel.kitchen]`.
    pub place: String,
    /// Its header.
    pub span: Range<usize>,
    pub table: DeTable<'t>,
    /// Keys that are read elsewhere but belong here, for suggestions.
    elsewhere: Vec<String>,
    /// Keys that were wrong and are no longer in the table: they are not missing. Nested ones with dots.
    wrong: BTreeSet<String>,
    pub problems: &'t Diagnostics<'t>,
}

impl<'t> Section<'t> {
    pub fn new(place: String, span: Range<usize>, table: DeTable<'t>, problems: &'t Diagnostics<'t>) -> Self {
        Self { place, span, table, elsewhere: Vec::new(), wrong: BTreeSet::new(), problems }
    }

    /// Takes the keys of a schema off into a section of their own; suggestions still know them.
    pub fn split_off(&mut self, schema: fn(&mut SchemaGenerator) -> Schema) -> Section<'t> {
        let shape = ValueShape::of(schema);
        self.elsewhere = shape.root().keys().into_iter().map(str::to_owned).collect();
        let taken = self.elsewhere.iter().filter_map(|key| self.table.remove_entry(key.as_str())).collect();
        Section::new(self.place.clone(), self.span.clone(), taken, self.problems)
    }

    /// A key that was split off does not belong here after all: it is suggested to nobody.
    pub fn takes_no(&mut self, key: &str) {
        self.elsewhere.retain(|elsewhere| *elsewhere != key);
    }

    /// The value at a key, or at a key of a nested table. None where it was wrong.
    pub fn value(&self, path: &[&str]) -> Option<&Spanned<DeValue<'t>>> {
        value(&self.table, path).filter(|_| !self.is_reported(&path.join(".")))
    }

    /// Where that value stands; the header where there is none.
    pub fn at(&self, path: &[&str]) -> Range<usize> {
        value(&self.table, path).map_or(self.span.clone(), Spanned::span)
    }

    /// Where a key stands, when it is there.
    pub fn key_at(&self, key: &str) -> Option<Range<usize>> {
        self.table.get_key_value(key).map(|(key, _)| key.span())
    }

    /// The texts of a list, each with its place; what is no text is left out. A text alone counts as a list of one: that
    /// is wrong, but not unclear.
    pub fn spanned_texts(&self, path: &[&str]) -> Vec<Spanned<String>> {
        let value = self.value(path).into_iter();
        let texts = value.flat_map(|value| value.get_ref().as_array().map_or(std::slice::from_ref(value), |list| list));
        texts.filter_map(|text| Some(Spanned::new(text.span(), text.get_ref().as_str()?.to_owned()))).collect()
    }

    /// Puts a text at a key where there is none: what is said once for the whole file.
    pub fn inherit(&mut self, key: &'static str, text: &str) {
        if !self.table.contains_key(key) {
            let value = Spanned::new(self.span.clone(), DeValue::String(text.to_owned().into()));
            self.table.insert(Spanned::new(self.span.clone(), key.into()), value);
        }
    }

    /// Puts a text in the place of the value at a key.
    pub fn fill(&mut self, path: &[&str], text: String) {
        if let Some((last, outer)) = path.split_last()
            && let Some(value) = holder(&mut self.table, outer).and_then(|table| table.get_mut(*last))
        {
            *value.get_mut() = DeValue::String(text.into());
        }
    }

    /// As [`Section::fill`], for a value that was wrong and is needed.
    pub fn fill_wrong(&mut self, path: &[&str], text: String) {
        self.fill(path, text);
        self.wrong.insert(path.join("."));
    }
}

impl SettingsTable for Section<'_> {
    fn text(&self, path: &[&str]) -> Option<&str> {
        self.value(path).and_then(|value| value.get_ref().as_str())
    }

    fn texts(&self, path: &[&str]) -> Vec<String> {
        self.spanned_texts(path).into_iter().map(Spanned::into_inner).collect()
    }

    fn keys(&self, path: &[&str]) -> Vec<String> {
        let table = self.value(path).and_then(|value| value.get_ref().as_table());
        let mut keys: Vec<_> = table.into_iter().flat_map(|table| table.keys()).collect();
        keys.sort_by_key(|key| key.span().start);
        keys.iter().map(|key| key.get_ref().to_string()).collect()
    }

    fn is_given(&self, path: &[&str]) -> bool {
        self.value(path).is_some()
    }

    fn is_reported(&self, key: &str) -> bool {
        self.wrong.contains(key)
    }

    fn is_broken(&self) -> bool {
        self.problems.is_broken()
    }

    fn place(&self) -> &str {
        &self.place
    }

    fn error(&mut self, path: &[&str], InvalidValue { message, help }: InvalidValue) {
        self.problems.error(self.at(path), message, help);
    }

    fn refuse_items(&mut self, path: &[&str], refused: Vec<(usize, InvalidValue)>) {
        let texts = self.spanned_texts(path);
        for (index, InvalidValue { message, help }) in refused {
            self.problems.error(texts[index].span(), message, help);
        }
        self.drop_wrong(path);
    }

    fn error_at_key(&mut self, path: &[&str], InvalidValue { message, help }: InvalidValue) {
        let at = path.split_last().and_then(|(last, outer)| {
            let (key, _) = table_at(&self.table, outer)?.get_key_value(*last)?;
            Some(key.span())
        });
        self.problems.error(at.unwrap_or_else(|| self.at(path)), message, help);
    }

    fn error_of_file(&mut self, path: &[&str], InvalidValue { message, help }: InvalidValue) {
        self.problems.refers(self.at(path));
        self.problems.error(self.at(path), message, help);
    }

    fn warning(&mut self, path: &[&str], InvalidValue { message, help }: InvalidValue) {
        self.problems.warning(self.at(path), message, help);
    }

    fn warn_of_placeholder(&mut self, key: &str) {
        placeholder::note(key, self.at(&[key]), self.problems);
    }

    fn drop_wrong(&mut self, path: &[&str]) {
        if let Some((last, outer)) = path.split_last()
            && let Some(table) = holder(&mut self.table, outer)
        {
            table.remove(*last);
        }
        self.wrong.insert(path.join("."));
    }

    fn check_zone(&mut self, key: &str) {
        self.check(&[key], &|name| values::zone(name).map(drop));
    }
}

impl ReadSettings for Section<'_> {
    fn read<T: DeserializeOwned + JsonSchema>(&mut self) -> Option<T> {
        let shape = ValueShape::of(T::json_schema);
        let (mut table, wrong) = (self.table.clone(), self.wrong.clone());
        let mut walk = Walk { place: &self.place, elsewhere: &self.elsewhere, wrong, problems: self.problems };
        if !walk.table(&mut table, &self.span, shape.root(), &[]) {
            return None;
        }
        let wrong = walk.wrong;
        let whole = Spanned::new(self.span.clone(), DeValue::Table(table));
        let read = T::deserialize(ValueDeserializer::from(whole));
        // What only the values of a table together show. One that lost a wrong key may be wrong in consequence.
        if let (Err(error), true) = (&read, wrong.is_empty()) {
            let InvalidValue { message, help } = words::judged(error.message(), "", None);
            self.problems.error(error.span().unwrap_or(self.span.clone()), message, help);
        }
        read.ok()
    }
}

fn value<'a, 't>(table: &'a DeTable<'t>, path: &[&str]) -> Option<&'a Spanned<DeValue<'t>>> {
    let (last, outer) = path.split_last()?;
    table_at(table, outer)?.get(*last)
}

fn table_at<'a, 't>(table: &'a DeTable<'t>, path: &[&str]) -> Option<&'a DeTable<'t>> {
    path.iter().try_fold(table, |table, key| table.get(*key)?.get_ref().as_table())
}

/// The innermost table that a path leads to.
fn holder<'a, 't>(table: &'a mut DeTable<'t>, path: &[&str]) -> Option<&'a mut DeTable<'t>> {
    path.iter().try_fold(table, |table, key| match table.get_mut(*key)?.get_mut() {
        DeValue::Table(inner) => Some(inner),
        _ => None,
    })
}
