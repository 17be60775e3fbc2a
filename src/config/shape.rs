//! What a table of the file may hold, as the JSON Schema of its struct says: keys, sorts of values and words to choose from
//! stand in one place, for editors and for the reader.

use std::ops::RangeInclusive;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::config::values;
use crate::domain::duration;
use crate::platform::apsdai::fields::Pointer;

/// A text that has a reader of its own, by the name of its definition.
pub struct TextFormat {
    name: &'static str,
    /// What it is, in words.
    pub expected: &'static str,
    /// Whether a number without quotes is one as well.
    pub takes_numbers: bool,
    /// What is wrong with a text, and after a semicolon what would be right.
    pub judge: fn(&str) -> Result<(), String>,
}

const TEXT: &str = "a text in quotes";

const FORMATS: [TextFormat; 6] = [
    TextFormat {
        name: "Duration",
        expected: TEXT,
        takes_numbers: false,
        judge: |text| duration::parse(text).map(drop).map_err(|error| error.to_string()),
    },
    TextFormat {
        name: "Size",
        expected: "a size such as \"1MiB\", or a number of bytes",
        takes_numbers: true,
        judge: |text| duration::parse_size(text).map(drop).map_err(|error| error.to_string()),
    },
    TextFormat { name: "Time", expected: TEXT, takes_numbers: false, judge: |text| values::time(text).map(drop) },
    TextFormat {
        name: "Pattern",
        expected: TEXT,
        takes_numbers: false,
        judge: |text| match text.is_empty() {
            true => Err("an empty pattern matches nothing; \"*\" matches everything".to_owned()),
            false => Ok(()),
        },
    },
    TextFormat { name: "Pointer", expected: TEXT, takes_numbers: false, judge: |text| Pointer::read(text).map(drop) },
    TextFormat {
        name: "Id",
        expected: "an id, as a number or as a text in quotes",
        takes_numbers: true,
        judge: |_| Ok(()),
    },
];

/// What sort of value stands somewhere.
pub enum ShapeSort<'s> {
    Text,
    Format(&'static TextFormat),
    Flag,
    Number(RangeInclusive<i128>),
    /// One of a few words.
    Choice(Vec<&'s str>),
    List(Schema<'s>),
    /// A table whose keys are the merchant's own.
    Map,
    Table,
}

/// The schema of one struct, with all that it refers to.
pub struct ValueShape(pub Value);

impl ValueShape {
    /// By the function that makes its schema.
    pub fn of(schema: fn(&mut SchemaGenerator) -> schemars::Schema) -> Self {
        let mut generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
        let mut whole = schema(&mut generator).to_value();
        whole["$defs"] = Value::Object(generator.take_definitions(true));
        Self(whole)
    }

    pub fn root(&self) -> Schema<'_> {
        Schema { whole: &self.0, here: &self.0 }
    }
}

/// The schema of one place in a [`ValueShape`].
#[derive(Clone, Copy)]
pub struct Schema<'s> {
    whole: &'s Value,
    here: &'s Value,
}

impl<'s> Schema<'s> {
    /// The keys of a table: those that are needed, then the others.
    pub fn keys(self) -> Vec<&'s str> {
        let (needed, all) = (self.required(), self.resolved().here["properties"].as_object());
        let others = all.into_iter().flatten().map(|(key, _)| key.as_str()).filter(|key| !needed.contains(key));
        needed.iter().copied().chain(others).collect()
    }

    /// The keys of a table that must be there.
    pub fn required(self) -> Vec<&'s str> {
        self.resolved().here["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// What stands at a key of a table, where it may have such a key.
    pub fn key(self, name: &str) -> Option<Schema<'s>> {
        let table = self.resolved();
        let own = || table.here.get("additionalProperties").filter(|own| own.is_object());
        Some(self.at(table.here["properties"].get(name).or_else(own)?))
    }

    pub fn sort(self) -> ShapeSort<'s> {
        let resolved = self.resolved();
        let here = resolved.here;
        if let Some(format) = self.name().and_then(|name| FORMATS.iter().find(|format| format.name == name)) {
            return ShapeSort::Format(format);
        }
        let words = here["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let described = here["oneOf"].as_array().into_iter().flatten().filter_map(|one| one["const"].as_str());
        let words: Vec<&str> = words.chain(described).collect();
        if !words.is_empty() {
            return ShapeSort::Choice(words);
        }
        match self.types().as_slice() {
            ["boolean"] => ShapeSort::Flag,
            ["integer"] => ShapeSort::Number(range(here)),
            ["array"] => ShapeSort::List(resolved.at(&here["items"])),
            ["object"] if here["additionalProperties"].is_object() => ShapeSort::Map,
            ["object"] => ShapeSort::Table,
            _ => ShapeSort::Text,
        }
    }

    /// What stands at each key of a table; `*` is the key where the merchant chooses the names.
    pub fn entries(self) -> impl Iterator<Item = (&'s str, Schema<'s>)> {
        let table = self.resolved();
        let named = table.here["properties"].as_object().into_iter().flatten();
        let own = table.here.get("additionalProperties").filter(|own| own.is_object());
        let all = named.map(|(key, inner)| (key.as_str(), inner)).chain(own.map(|own| ("*", own)));
        all.map(move |(key, inner)| (key, table.at(inner)))
    }

    /// The tables of which one stands here, by its tag; this one where there is no choice.
    pub fn kinds(self) -> Vec<Schema<'s>> {
        let kinds = self.resolved().here["oneOf"].as_array().into_iter().flatten();
        let kinds: Vec<_> = kinds.filter(|one| one.get("properties").is_some()).map(|one| self.at(one)).collect();
        if kinds.is_empty() { vec![self] } else { kinds }
    }

    /// A right value: an example, else the default.
    pub fn example(self) -> Option<&'s Value> {
        let of = |schema: Schema<'s>| schema.here["examples"].get(0).or_else(|| schema.here.get("default"));
        of(self)
            .or_else(|| of(self.resolved()))
            .filter(|value| !value.is_null() && !value.is_boolean() && !is_empty(value))
    }

    /// The bounds of a number and its default, where it has all three.
    pub fn bounds(self) -> Option<(i64, i64, i64)> {
        let number = |key: &str| self.resolved().here[key].as_i64();
        Some((number("minimum")?, number("maximum")?, number("default")?))
    }

    pub fn description(self) -> Option<&'s str> {
        self.here["description"].as_str()
    }

    pub fn is_secret(self) -> bool {
        self.name() == Some("Secret")
    }

    /// Whether it is a secret with a host in it that is none.
    pub fn is_address(self) -> bool {
        self.is_secret() && self.here["format"] == "uri"
    }

    /// The paths of the secrets of a table: keys, those of nested tables with dots.
    pub fn secrets(self) -> Vec<String> {
        let below = |(key, inner): (&str, Schema<'_>)| match inner.is_secret() {
            true => vec![key.to_owned()],
            false => inner.secrets().iter().map(|path| format!("{key}.{path}")).collect(),
        };
        self.entries().flat_map(below).collect()
    }

    fn at(self, here: &'s Value) -> Self {
        Self { here, ..self }
    }

    fn types(self) -> Vec<&'s str> {
        let types = &self.resolved().here["type"];
        let several = types.as_array().into_iter().flatten().filter_map(Value::as_str);
        types.as_str().into_iter().chain(several).filter(|name| *name != "null").collect()
    }

    /// What it is called, where it has a definition of its own.
    fn name(self) -> Option<&'s str> {
        self.reference()?.rsplit('/').next()
    }

    fn reference(self) -> Option<&'s str> {
        let optional = self.here["anyOf"].as_array().into_iter().flatten().find_map(|one| one.get("$ref"));
        self.here.get("$ref").or(optional)?.as_str()
    }

    /// The definition that is referred to, or what stands here.
    fn resolved(self) -> Self {
        let pointer = self.reference().and_then(|reference| reference.strip_prefix('#'));
        pointer.and_then(|pointer| self.whole.pointer(pointer)).map_or(self, |here| self.at(here))
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(|table| table.is_empty())
}

/// The numbers within the bounds that are said, or that a type of Rust's takes.
fn range(here: &Value) -> RangeInclusive<i128> {
    if let Some((least, most)) = here["minimum"].as_i64().zip(here["maximum"].as_i64()) {
        return least.into()..=most.into();
    }
    match here["format"].as_str() {
        Some("uint32") => 0..=u32::MAX.into(),
        Some("uint64" | "uint") => 0..=u64::MAX.into(),
        _ => i64::MIN.into()..=i64::MAX.into(),
    }
}
