//! One table of the file: which keys it has and where, and how it becomes a struct with every error of it reported.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::DeArray;
use toml::de::DeInteger;
use toml::de::DeTable;
use toml::de::DeValue;
use toml::de::ValueDeserializer;

use crate::config::problem::Problems;
use crate::config::words;

/// What is wrong with one value, and what would be right.
pub struct Complaint {
    pub message: String,
    pub help: String,
}

impl Complaint {
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

/// A table of the file.
#[derive(Clone)]
pub struct Section<'t> {
    /// Where it is, in words: `in [channel.kitchen]`.
    pub place: String,
    /// Its header.
    pub span: Range<usize>,
    pub table: DeTable<'t>,
    /// Keys that are read elsewhere but belong here, for suggestions.
    elsewhere: Vec<&'static str>,
    /// Keys that were wrong and are no longer in the table: they are not missing. Nested ones with dots.
    wrong: BTreeSet<String>,
}

impl<'t> Section<'t> {
    pub fn new(place: String, span: Range<usize>, table: DeTable<'t>) -> Self {
        Self { place, span, table, elsewhere: Vec::new(), wrong: BTreeSet::new() }
    }

    /// Takes these keys off into a section of their own; suggestions still know them.
    pub fn split_off(&mut self, keys: &'static [&'static str]) -> Section<'t> {
        let mut taken = DeTable::new();
        for key in keys {
            if let Some((key, value)) = self.table.remove_entry(*key) {
                taken.insert(key, value);
            }
        }
        self.elsewhere = keys.to_vec();
        Section::new(self.place.clone(), self.span.clone(), taken)
    }

    /// A key that was split off does not belong here after all: it is suggested to nobody.
    pub fn takes_no(&mut self, key: &str) {
        self.elsewhere.retain(|elsewhere| *elsewhere != key);
    }

    /// The value at a key, or at a key of a nested table.
    pub fn value(&self, path: &[&str]) -> Option<&Spanned<DeValue<'t>>> {
        value(&self.table, path)
    }

    /// Where that value stands; the header where there is none.
    pub fn at(&self, path: &[&str]) -> Range<usize> {
        self.value(path).map_or(self.span.clone(), Spanned::span)
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
        problems: &mut Problems<'_>,
        judge: impl FnOnce(&str) -> Result<(), Complaint>,
    ) {
        if let Some(Err(complaint)) = self.text(path).map(judge) {
            problems.error(self.at(path), complaint.message, complaint.help);
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

    /// Reads the table into its struct. Every error is reported: what is wrong is taken out, what is missing is filled
    /// with something, and the table is read again. `None` when something needed is wrong or missing.
    pub fn read<T: DeserializeOwned>(&self, problems: &mut Problems<'_>) -> Option<T> {
        let mut table = self.table.clone();
        let mut wrong = self.wrong.clone();
        let mut filled: BTreeMap<String, Filling> = BTreeMap::new();
        // Each round takes out a key or fills one; a struct with more of them than this is not ours.
        for _ in 0..500 {
            let whole = Spanned::new(self.span.clone(), DeValue::Table(table.clone()));
            let error = match T::deserialize(ValueDeserializer::from(whole)) {
                Ok(read) => return filled.is_empty().then_some(read),
                Err(error) => error,
            };
            let span = error.span().unwrap_or(self.span.clone());
            if let Some(key) = words::missing(error.message()) {
                let mut path = if span == self.span { Vec::new() } else { find(&table, &span).unwrap_or_default() };
                path.push(key.to_owned());
                let name = path.join(".");
                if !wrong.contains(&name) && !problems.is_broken() {
                    let said = words::missing_key(&path, &self.place);
                    problems.error(span, said.message, said.help);
                }
                let filling = Filling { number: filled.len(), sort: 0 };
                insert(&mut table, &path, filling.value());
                filled.insert(name, filling);
                continue;
            }
            let Some(path) = find(&table, &span) else {
                problems.error(self.span.clone(), error.message(), "");
                return None;
            };
            let keys: Vec<&str> = path.iter().map(String::as_str).collect();
            let name = path.join(".");
            match filled.get_mut(&name) {
                Some(filling) if filling.sort < Filling::SORTS => {
                    filling.sort += 1;
                    insert(&mut table, &path, filling.value());
                }
                Some(_) if keys.len() > 1 => {
                    remove(&mut table, &keys[..keys.len() - 1]);
                    wrong.insert(keys[..keys.len() - 1].join("."));
                }
                Some(_) => return None,
                None => {
                    let found = value(&table, &keys);
                    let siblings: &[&str] = if path.len() == 1 { &self.elsewhere } else { &[] };
                    if let Some((unknown, mut known)) = words::unknown(error.message()) {
                        found.into_iter().for_each(|found| hide(found, problems));
                        if !words::is_bare(unknown) {
                            problems.mask(span.clone());
                        }
                        known.extend(siblings);
                        // What was meant is not missing.
                        if let Some(meant) = words::nearest(unknown, &known) {
                            wrong.insert([&keys[..keys.len() - 1], &[meant]].concat().join("."));
                        }
                    }
                    // A table that lost a wrong key may be wrong as a whole in consequence.
                    let inner = format!("{name}.");
                    let whole = found.is_some_and(|found| found.span() == span);
                    if !(whole && wrong.iter().any(|other| other.starts_with(&inner))) {
                        let value = found.map(Spanned::get_ref);
                        let said = words::wrong(error.message(), value, &path, &self.place, siblings);
                        problems.error(span, said.message, said.help);
                    }
                    remove(&mut table, &keys);
                    wrong.insert(name);
                }
            }
        }
        None
    }
}

/// Marks a value as not to be shown, with everything in it: under an unknown key it could be a secret.
pub fn hide(value: &Spanned<DeValue<'_>>, problems: &mut Problems<'_>) {
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

/// The innermost table that holds the last key of a path, made where it is missing.
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

fn insert<'t>(table: &mut DeTable<'t>, path: &[String], value: Spanned<DeValue<'t>>) {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    if let Some((last, rest)) = path.split_last()
        && let Some(table) = holder(table, rest)
    {
        table.insert(Spanned::new(value.span(), Cow::Owned((*last).to_owned())), value);
    }
}

/// Something that stands in for a missing value, so that the rest of the table can be read.
struct Filling {
    number: usize,
    sort: usize,
}

impl Filling {
    /// The last sort.
    const SORTS: usize = 5;

    /// Its place is beyond any file, different for each, so that an error about it is recognised.
    fn value<'t>(&self) -> Spanned<DeValue<'t>> {
        let value = match self.sort {
            0 => DeValue::String(Cow::Borrowed("filling")),
            1 => DeValue::Integer(DeInteger::default()),
            2 => DeValue::Array(DeArray::new()),
            3 => DeValue::Table(DeTable::new()),
            4 => DeValue::String(Cow::Borrowed("1m")),
            _ => DeValue::String(Cow::Borrowed("00:00")),
        };
        let end = usize::MAX - 2 * self.number;
        Spanned::new(end - 1..end, value)
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
