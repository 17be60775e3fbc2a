//! What templates get.

use minijinja::Value;
use minijinja::value::Serde;
use poem_openapi::types::ToJSON;
use serde::Serialize;

/// What the API shows, for a template: by the same names.
pub fn shown(object: &impl ToJSON) -> Value {
    object.to_json().map_or_else(|| Value::from(()), |json| Value::from(Serde(json)))
}

/// Anything else.
pub fn plain(value: impl Serialize) -> Value {
    Value::from(Serde(value))
}
