//! Tables in which a tag, such as `kind`, says which further keys there are: the JSON Schema of one, and how the tag is judged.

use schemars::Schema;
use serde_json::{Map, Value, json};

use crate::diagnostic::suggest;
use crate::domain::settings::InvalidValue;

pub type Object = Map<String, Value>;

/// One of several structs that a tag chooses from.
pub struct SchemaKind {
    /// What the tag says.
    pub name: &'static str,
    pub schema: Schema,
    /// Shared keys that it does not take.
    pub without: Vec<&'static str>,
}

/// A table that has the keys of `shared`, one of which is a tag, and those of the kind that the tag names.
pub fn tagged(tag: &str, shared: Schema, kinds: Vec<SchemaKind>) -> Value {
    let shared = object(shared);
    let kinds = kinds.into_iter().map(|kind| {
        let own = object(kind.schema);
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
        if let Some(tag) = keys.get_mut(tag) {
            let description = tag.get("description").cloned();
            *tag = json!({ "description": description, "type": "string", "const": kind.name });
        }
        whole.insert("title".to_owned(), json!(kind.name));
        Value::Object(whole)
    });
    json!({ "oneOf": kinds.collect::<Vec<_>>() })
}

/// Judges what a tag says.
pub fn tag(name: &str, what: &str, known: &[&str]) -> Result<(), InvalidValue> {
    match known.contains(&name) {
        true => Ok(()),
        false => Err(InvalidValue::new(format!("there is no {what} \"{name}\""), suggest::meant(name, known))),
    }
}

pub fn properties(schema: &mut Object) -> &mut Object {
    into_mut(schema.entry("properties").or_insert_with(|| json!({})))
}

pub fn object(schema: Schema) -> Object {
    into_object(schema.to_value())
}

pub fn into_object(value: Value) -> Object {
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
