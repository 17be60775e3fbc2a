//! The page of the configuration is made of the schema, which is made of the structs that the file is read into.

use orderbell::channel::kinds::KINDS;
use orderbell::config::schema::schema;
use orderbell::platform::kinds::PLATFORMS;
use serde_json::{Map, Value};

use crate::docs::generated::{cell, held};

type Object = Map<String, Value>;

/// What a place says by itself, with what it refers to.
fn resolved(root: &Value, schema: &Value) -> Object {
    let mut whole = match schema["$ref"].as_str() {
        Some(reference) => {
            let definition = root.pointer(reference.trim_start_matches('#')).expect("a definition");
            resolved(root, definition)
        }
        None => Object::new(),
    };
    whole.extend(schema.as_object().expect("a schema").clone());
    whole
}

fn properties(schema: &Value) -> &Object {
    schema["properties"].as_object().expect("a table with keys")
}

/// The kinds of a family of tables, each under its name.
fn kinds<'r>(root: &'r Value, family: &str) -> &'r [Value] {
    root["properties"][family]["additionalProperties"]["oneOf"].as_array().expect("one of several kinds")
}

/// Keys that every kind takes in the same way.
fn is_shared(root: &Value, family: &str, key: &str) -> bool {
    kinds(root, family)
        .iter()
        .all(|kind| properties(kind).get(key).is_some_and(|own| *own == kinds(root, family)[0]["properties"][key]))
}

/// One table's part of the page: `server`, `source` (what all have), `source keeta` (what one kind has besides).
fn described(name: &str) -> Option<String> {
    let root = schema();
    let tag = |family: &str| if family == "source" { "platform" } else { "kind" };
    let table = match name.split_once(' ') {
        Some((family, kind)) => {
            let table = kinds(&root, family).iter().find(|table| table["title"] == kind)?;
            rows(&root, table, &|key| key != tag(family) && !is_shared(&root, family, key))
        }
        None if name == "top" => rows(&root, &root, &|key| root["properties"][key]["type"] == "string"),
        None if matches!(name, "source" | "channel") => {
            rows(&root, &kinds(&root, name)[0], &|key| is_shared(&root, name, key) || key == tag(name))
        }
        None => {
            let place = resolved(&root, root["properties"].get(name)?);
            let table = place.get("items").or(place.get("additionalProperties").filter(|each| each.is_object()));
            let table = table.map_or(Value::Object(place.clone()), |each| Value::Object(resolved(&root, each)));
            rows(&root, &table, &|_| true)
        }
    };
    Some(format!("| key | default | meaning |\n|---|---|---|\n{table}"))
}

fn rows(root: &Value, table: &Value, wanted: &dyn Fn(&str) -> bool) -> String {
    let needed: Vec<&str> = table["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    // What is needed stands first.
    let mut keys: Vec<&String> = properties(table).keys().filter(|key| wanted(key)).collect();
    keys.sort_by_key(|key| !needed.contains(&key.as_str()));
    let row = |key: &&String| {
        let schema = resolved(root, &table["properties"][key.as_str()]);
        let default = match schema.get("default") {
            _ if needed.contains(&key.as_str()) => "needed".to_owned(),
            Some(default) => format!("`{}`", toml_of(default)),
            None => "–".to_owned(),
        };
        format!("| `{key}` | {} | {} |\n", cell(&default), cell(&meaning(root, &schema)))
    };
    keys.iter().map(row).collect()
}

/// The description, with what may be written.
fn meaning(root: &Value, schema: &Object) -> String {
    let mut text = schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !text.is_empty() && !text.ends_with(['.', '?']) {
        text.push('.');
    }
    if schema.get("$ref").is_some_and(|reference| reference == "#/$defs/Secret") {
        text += " A secret.";
    }
    if let (Some(least), Some(most)) = (schema.get("minimum"), schema.get("maximum")) {
        text += &format!(" From {least} to {most}.");
    }
    if let Some([example, ..]) = schema.get("examples").and_then(Value::as_array).map(Vec::as_slice) {
        text += &format!(" For example `{}`.", toml_of(example));
    }
    for choice in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
        let said = choice["description"].as_str().unwrap_or_default();
        text += &format!("<br>`{}`: {said}", toml_of(&choice["const"]));
    }
    for (key, below) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        text += &format!("<br>`{key}`: {}", meaning(root, &resolved(root, below)));
    }
    text
}

/// A value as it is written in the file.
fn toml_of(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("[{}]", list.iter().map(toml_of).collect::<Vec<_>>().join(", ")),
        Value::Object(table) if table.is_empty() => "{}".to_owned(),
        Value::Object(table) => {
            let bare = |key: &str| key.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter));
            let quoted = |key: &str| if bare(key) { key.to_owned() } else { format!("\"{key}\"") };
            let members = table.iter().map(|(key, value)| format!("{} = {}", quoted(key), toml_of(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        value => value.to_string(),
    }
}

#[test]
fn the_page_of_the_configuration_is_made_of_the_schema() {
    let root = schema();
    let tables = properties(&root).iter().filter(|(_, table)| table["type"] != "string").map(|(name, _)| name.clone());
    let sources = PLATFORMS.iter().map(|kind| format!("source {}", kind.name));
    let channels = KINDS.iter().map(|kind| format!("channel {}", kind.name));
    let names: Vec<String> = tables.chain(sources).chain(channels).chain(["top".to_owned()]).collect();
    held("docs/configuration.md", &names, &described);
}
