//! One table of the file: which keys it has and where, and how it becomes a struct with every error of it reported.

use std::collections::BTreeSet;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::config::shape::ValueShape;
use crate::config::walk::Walk;
use crate::config::words;
use crate::diagnostic::collect::Diagnostics;
use crate::domain::settings::InvalidValue;

/// A table of the file.
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
}

impl<'t> Section<'t> {
    pub fn new(place: String, span: Range<usize>, table: DeTable<'t>) -> Self {
        Self { place, span, table, elsewhere: Vec::new(), wrong: BTreeSet::new() }
    }

    /// Takes the keys of a schema off into a section of their own; suggestions still know them.
    pub fn split_off(&mut self, schema: fn(&mut SchemaGenerator) -> Schema) -> Section<'t> {
        let shape = ValueShape::of(schema);
        self.elsewhere = shape.root().keys().into_iter().map(str::to_owned).collect();
        let taken = self.elsewhere.iter().filter_map(|key| self.table.remove_entry(key.as_str())).collect();
        Section::new(self.place.clone(), self.span.clone(), taken)
    }

    /// A key that was split off does not belong here after all: it is suggested to nobody.
    pub fn takes_no(&mut self, key: &str) {
        self.elsewhere.retain(|elsewhere| *elsewhere != key);
    }

    /// The value at a key, or at a key of a nested table. None where it was wrong.
    pub fn value(&self, path: &[&str]) -> Option<&Spanned<DeValue<'t>>> {
        value(&self.table, path).filter(|_| !self.is_wrong(&path.join(".")))
    }

    /// Where that value stands; the header where there is none.
    pub fn at(&self, path: &[&str]) -> Range<usize> {
        value(&self.table, path).map_or(self.span.clone(), Spanned::span)
    }

    /// Where a key stands, when it is there.
    pub fn key_at(&self, key: &str) -> Option<Range<usize>> {
        self.table.get_key_value(key).map(|(key, _)| key.span())
    }

    /// The text at a key, when it is one.
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        self.value(path).and_then(|value| value.get_ref().as_str())
    }

    /// The texts of a list, each with its place; what is no text is left out. A text alone counts as a list of one: that
    /// is wrong, but not unclear.
    pub fn texts(&self, path: &[&str]) -> Vec<Spanned<String>> {
        let value = self.value(path).into_iter();
        let texts = value.flat_map(|value| value.get_ref().as_array().map_or(std::slice::from_ref(value), |list| list));
        texts.filter_map(|text| Some(Spanned::new(text.span(), text.get_ref().as_str()?.to_owned()))).collect()
    }

    /// Judges a text before the table is read; a bad one is reported and counts as given.
    pub fn check(
        &mut self,
        path: &[&str],
        problems: &mut Diagnostics<'_>,
        judge: impl FnOnce(&str) -> Result<(), InvalidValue>,
    ) {
        if let Some(Err(invalid)) = self.text(path).map(judge) {
            problems.error(self.at(path), invalid.message, invalid.help);
            self.drop_wrong(path);
        }
    }

    /// Whether the value at a key was wrong, and is reported.
    pub fn is_wrong(&self, key: &str) -> bool {
        self.wrong.contains(key)
    }

    /// Takes a wrong value out, so that its absence is no news.
    pub fn drop_wrong(&mut self, path: &[&str]) {
        remove(&mut self.table, path);
        self.wrong.insert(path.join("."));
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

    /// Reads the table into its struct. Every error is reported. `None` when something needed is wrong or missing.
    pub fn read<T: DeserializeOwned + JsonSchema>(&self, problems: &mut Diagnostics<'_>) -> Option<T> {
        let shape = ValueShape::of(T::json_schema);
        let (mut table, wrong) = (self.table.clone(), self.wrong.clone());
        let mut walk = Walk { place: &self.place, elsewhere: &self.elsewhere, wrong, problems };
        if !walk.table(&mut table, &self.span, shape.root(), &[]) {
            return None;
        }
        let Walk { wrong, problems, .. } = walk;
        let whole = Spanned::new(self.span.clone(), DeValue::Table(table));
        let deserialized = T::deserialize(ValueDeserializer::from(whole));
        deserialized
            .inspect_err(|error| {
                // What only the values of a table together show. One that lost a wrong key may be wrong in consequence.
                let span = error.span().unwrap_or(self.span.clone());
                let path = find(&self.table, &span).unwrap_or_default();
                let whole = path.join(".");
                if !wrong.iter().any(|wrong| whole.is_empty() || wrong.starts_with(&whole)) {
                    let said = words::judged(error.message(), path.last().map_or("", String::as_str));
                    problems.error(span, said.message, said.help);
                }
            })
            .ok()
    }
}

/// Marks a value as not to be shown, with everything in it: under an unknown key it could be a secret.
pub fn hide(value: &Spanned<DeValue<'_>>, problems: &mut Diagnostics<'_>) {
    match value.get_ref() {
        // Tables with a header or with dots in their keys stand where their names stand.
        DeValue::Table(table) => table.iter().for_each(|(_, inner)| hide(inner, problems)),
        DeValue::Array(list) => list.iter().for_each(|inner| hide(inner, problems)),
        _ => problems.mask(value.span()),
    }
}

fn value<'a, 't>(table: &'a DeTable<'t>, path: &[&str]) -> Option<&'a Spanned<DeValue<'t>>> {
    let (first, rest) = path.split_first()?;
    let found = table.get(*first)?;
    if rest.is_empty() { Some(found) } else { value(found.get_ref().as_table()?, rest) }
}

/// The innermost table that a path leads to.
fn holder<'a, 't>(table: &'a mut DeTable<'t>, path: &[&str]) -> Option<&'a mut DeTable<'t>> {
    let Some((first, rest)) = path.split_first() else {
        return Some(table);
    };
    match table.get_mut(*first)?.get_mut() {
        DeValue::Table(inner) => holder(inner, rest),
        _ => None,
    }
}

fn remove(table: &mut DeTable<'_>, path: &[&str]) {
    if let Some((last, rest)) = path.split_last()
        && let Some(table) = holder(table, rest)
    {
        table.remove(*last);
    }
}

/// The path of the innermost key that a place belongs to: by the key itself or by its value.
fn find(table: &DeTable<'_>, span: &Range<usize>) -> Option<Vec<String>> {
    let holds = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    table.iter().find_map(|(key, value)| {
        let name = key.get_ref().to_string();
        let deeper = value.get_ref().as_table().and_then(|inner| find(inner, span));
        match deeper {
            Some(mut path) => {
                path.insert(0, name);
                Some(path)
            }
            None => (holds(key.span()) || holds(value.span())).then(|| vec![name]),
        }
    })
}
