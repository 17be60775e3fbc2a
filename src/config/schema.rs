//! The JSON Schema of the configuration, for editors, made of the very structs that the file is read into.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::config::listeners::{Admin, Server};
use crate::config::routes::Operator;
use crate::config::store::Store;
use crate::config::top::Globals;
use crate::config::unsupported::TablePlace;
use crate::config::{channels, sources, unsupported, values};
use crate::domain::report::settings::ReportSettings;
use crate::domain::route::Route;

const NOT_YET: &str = "Not in this version yet.";

type Object = Map<String, Value>;

/// The schema of the whole file, by JSON Schema's draft 2020-12.
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    let mut root = object(Globals::json_schema(&mut generator));
    let tables = tables(&mut generator);
    properties(&mut root).extend(tables);
    root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    root.insert("title".to_owned(), json!("Orderbell"));
    root.insert("$defs".to_owned(), Value::Object(generator.take_definitions(true)));
    let mut root = Schema::from(root);
    RecursiveTransform(as_toml).transform(&mut root);
    root.to_value()
}

/// Every table of the file.
fn tables(generator: &mut SchemaGenerator) -> Object {
    let (source, channel) = (sources::schema(generator), channels::schema(generator));
    let report = whole::<ReportSettings>(generator, false);
    let admin = whole::<Admin>(generator, unsupported::is_missing("admin page or API", TablePlace::Top));
    let route = json!({
        "description": "Which events go to which channels: every route that matches applies, and a channel gets an event once.",
        "type": "array",
        "items": generator.subschema_for::<Route>(),
    });
    let tables = [
        ("server", generator.subschema_for::<Server>().to_value()),
        ("admin", admin),
        ("store", generator.subschema_for::<Store>().to_value()),
        ("operator", generator.subschema_for::<Operator>().to_value()),
        (
            "source",
            named("Where webhooks come in, by name: a source's address is public_url + /hooks/ + its name.", source),
        ),
        ("channel", named("Where messages go, by name.", channel)),
        ("route", route),
        ("report", named("Daily figures, by name.", report)),
    ];
    tables.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

/// Tables that have names: `[family.<name>]`.
fn named(description: &str, each: Value) -> Value {
    json!({
        "description": description,
        "type": "object",
        "propertyNames": { "pattern": values::NAME_PATTERN },
        "additionalProperties": each,
    })
}

/// One of several structs that a tag chooses from.
pub struct SchemaKind {
    /// What the tag says.
    pub name: &'static str,
    pub schema: Schema,
    /// Shared keys that it does not take.
    pub without: Vec<&'static str>,
}

/// A table that has the keys of `shared`, one of which is a tag, and those of the kind that the tag names.
pub fn tagged(tag: &str, shared: Schema, kinds: Vec<SchemaKind>, place: TablePlace) -> Value {
    let shared = object(shared);
    let kinds = kinds.into_iter().map(|kind| {
        let own = object(kind.schema);
        let is_missing = unsupported::is_missing(kind.name, place);
        let mut whole = shared.clone();
        for (key, value) in own {
            match (key.as_str(), whole.get_mut(&key)) {
                ("properties", Some(Value::Object(all))) => all.extend(into_object(value)),
                ("required", Some(Value::Array(all))) => all.extend(value.as_array().cloned().unwrap_or_default()),
                _ => drop(whole.insert(key, value)),
            }
        }
        let keys = properties(&mut whole);
        kind.without.iter().for_each(|key| drop(keys.remove(*key)));
        for (key, schema) in keys.iter_mut() {
            note(into_mut(schema), unsupported::is_missing(key, place));
        }
        if let Some(tag) = keys.get_mut(tag) {
            let description = tag.get("description").cloned();
            *tag = json!({ "description": description, "type": "string", "const": kind.name });
        }
        whole.insert("title".to_owned(), json!(kind.name));
        note(&mut whole, is_missing);
        Value::Object(whole)
    });
    json!({ "oneOf": kinds.collect::<Vec<_>>() })
}

/// A table in its place, with the note that this version does nothing with it, where that is so.
fn whole<T: JsonSchema>(generator: &mut SchemaGenerator, is_missing: bool) -> Value {
    let mut schema = object(T::json_schema(generator));
    note(&mut schema, is_missing);
    Value::Object(schema)
}

/// Adds to a description that this version does not do it, where it does not.
fn note(schema: &mut Object, is_missing: bool) {
    if is_missing {
        let said = schema.get("description").and_then(Value::as_str);
        let note = said.map_or(NOT_YET.to_owned(), |said| format!("{NOT_YET} {said}"));
        schema.insert("description".to_owned(), json!(note));
    }
}

/// TOML has no null, and a text for people has no line breaks of ours.
fn as_toml(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| *choice != json!({ "type": "null" }));
        if let [only] = choices.as_mut_slice() {
            let only = into_object(only.take());
            object.remove("anyOf");
            object.extend(only);
        }
    }
    if object.get("default") == Some(&Value::Null) {
        object.remove("default");
    }
    if let Some(Value::String(description)) = object.get_mut("description") {
        *description = description.replace('\n', " ");
    }
}

fn properties(schema: &mut Object) -> &mut Object {
    into_mut(schema.entry("properties").or_insert_with(|| json!({})))
}

fn object(schema: Schema) -> Object {
    into_object(schema.to_value())
}

fn into_object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}

/// The members of a schema, which is always an object here.
fn into_mut(value: &mut Value) -> &mut Object {
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("it was made one")
}
