//! One walk over a table beside its schema: every key that is unknown or missing, and every value of the wrong sort, is
//! reported at its place and taken out.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::shape::{Schema, ShapeSort, TextFormat};
use crate::config::words;
use crate::diagnostic::collect::Diagnostics;
use crate::diagnostic::suggest;
use crate::domain::settings::InvalidValue;

pub struct Walk<'a, 't> {
    /// Where the table is, in words.
    pub place: &'a str,
    /// Keys of the table that are read elsewhere, for suggestions.
    pub elsewhere: &'a [String],
    /// Keys that were wrong and are taken out, so that their absence is no news. Nested ones with dots.
    pub wrong: BTreeSet<String>,
    pub problems: &'a Diagnostics<'t>,
}

impl Walk<'_, '_> {
    /// Whether everything that the table needs is in it and right.
    pub fn table(&mut self, table: &mut DeTable<'_>, at: &Range<usize>, schema: Schema<'_>, path: &[&str]) -> bool {
        self.entries(table, schema, path);
        let missing: Vec<&str> = schema.required().into_iter().filter(|key| !table.contains_key(*key)).collect();
        for key in &missing {
            let path = [path, &[*key]].concat();
            if !self.wrong.contains(&path.join(".")) && !self.problems.is_broken() {
                self.report(at.clone(), words::missing_key(&path, schema.key(key), self.place));
            }
        }
        missing.is_empty()
    }

    /// Takes out what is wrong in a table.
    fn entries(&mut self, table: &mut DeTable<'_>, schema: Schema<'_>, path: &[&str]) {
        let mut wrong = Vec::new();
        for (key, value) in table.iter_mut() {
            let path = [path, &[key.get_ref()]].concat();
            let is_right = match schema.key(key.get_ref()) {
                Some(schema) => self.value(value, schema, schema, &path),
                None => {
                    self.unknown(key.span(), schema, &path);
                    false
                }
            };
            if !is_right {
                self.wrong.insert(path.join("."));
                wrong.push(key.get_ref().to_string());
            }
        }
        wrong.iter().for_each(|key| drop(table.remove(key.as_str())));
    }

    /// Whether a value is what it should be, as far as its sort goes; `whole` is what stands at its key, such as a list.
    fn value(
        &mut self,
        value: &mut Spanned<DeValue<'_>>,
        schema: Schema<'_>,
        whole: Schema<'_>,
        path: &[&str],
    ) -> bool {
        let at = value.span();
        let key = path.last().copied().unwrap_or_default();
        let verdict = match (schema.sort(), value.get_mut()) {
            (ShapeSort::Text, DeValue::String(_)) | (ShapeSort::Flag, DeValue::Boolean(_)) => Ok(()),
            (ShapeSort::Format(format), DeValue::String(text)) => judged(format, text, key, whole),
            (ShapeSort::Format(format), DeValue::Integer(number)) if format.takes_numbers => {
                judged(format, &words::number(number).to_string(), key, whole)
            }
            (ShapeSort::Number(range), DeValue::Integer(number)) => match range.contains(&words::number(number)) {
                true => Ok(()),
                false => Err(words::out_of_range(key, whole)),
            },
            (ShapeSort::Choice(known), DeValue::String(text)) => words::chosen(key, text, &known),
            (ShapeSort::List(schema), DeValue::Array(list)) => {
                // Each wrong item is reported.
                let wrong = list.iter_mut().map(|item| self.value(item, schema, whole, path));
                return wrong.filter(|is_right| !is_right).count() == 0;
            }
            (ShapeSort::Map, DeValue::Table(table)) => {
                self.entries(table, schema, path);
                return true;
            }
            (ShapeSort::Table, DeValue::Table(table)) => return self.table(table, &at, schema, path),
            (_, value) => Err(words::wrong_sort(key, &schema.sort(), whole, value)),
        };
        verdict.map_err(|invalid| self.report(at, invalid)).is_ok()
    }

    fn unknown(&mut self, at: Range<usize>, schema: Schema<'_>, path: &[&str]) {
        let Some((unknown, outer)) = path.split_last() else { return };
        let mut known = schema.keys();
        if outer.is_empty() {
            known.extend(self.elsewhere.iter().map(String::as_str));
        }
        // What was meant is not missing.
        if let Some(meant) = suggest::nearest(unknown, &known) {
            self.wrong.insert([outer, &[meant]].concat().join("."));
        }
        self.report(at, words::unknown_key(unknown, &known, &words::within(outer, self.place)));
    }

    fn report(&mut self, at: Range<usize>, invalid: InvalidValue) {
        self.problems.error(at, invalid.message, invalid.help);
    }
}

fn judged(format: &TextFormat, text: &str, key: &str, schema: Schema<'_>) -> Result<(), InvalidValue> {
    (format.judge)(text).map_err(|message| words::judged(&message, key, Some(schema)))
}
