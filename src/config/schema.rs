//! The JSON Schema of the configuration, for editors, made of the very structs that the file is read into.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use crate::config::globals::Globals;
use crate::config::listeners::{Admin, Server};
use crate::config::routes::Operator;
use crate::config::store::StoreConfig;
use crate::config::tagged::{Object, into_object, object, properties};
use crate::config::{channels, sources, values};
use crate::domain::backup::BackupSettings;
use crate::domain::heartbeat::HeartbeatSettings;
use crate::domain::report::settings::ReportSettings;
use crate::domain::route::Route;

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
    let report = ReportSettings::json_schema(generator).to_value();
    let route = json!({
        "description": "Which events go to which channels: every route that matches applies, and a channel gets an event once.",
        "type": "array",
        "items": generator.subschema_for::<Route>(),
    });
    let tables = [
        ("server", generator.subschema_for::<Server>().to_value()),
        ("admin", generator.subschema_for::<Admin>().to_value()),
        ("store", generator.subschema_for::<StoreConfig>().to_value()),
        ("operator", generator.subschema_for::<Operator>().to_value()),
        (
            "source",
            named("Where webhooks come in, by name: a source's address is public_url + /hooks/ + its name.", source),
        ),
        ("channel", named("Where messages go, by name.", channel)),
        ("route", route),
        ("report", named("Daily figures, by name.", report)),
        ("heartbeat", generator.subschema_for::<HeartbeatSettings>().to_value()),
        ("backup", generator.subschema_for::<BackupSettings>().to_value()),
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
