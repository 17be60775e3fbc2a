//! What templates get.

use minijinja::Value;
use minijinja::value::Serde;
use poem_openapi::types::ToJSON;
use serde::Serialize;

use crate::flow::resources::ResourceError;

/// The most characters of what a request filters by.
const LONGEST: usize = 200;

/// What a field of a form filters by; nothing where it is empty.
///
/// # Errors
/// [`ResourceError::Senseless`]: nothing is called so.
pub fn filter(text: &str) -> Result<Option<String>, ResourceError> {
    if text.chars().count() > LONGEST || text.contains('\0') {
        return Err(ResourceError::Senseless("what is searched for is longer than 200 characters".to_owned()));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// What the API shows, for a template: by the same names.
pub fn shown(object: &impl ToJSON) -> Value {
    object.to_json().map_or_else(|| Value::from(()), |json| Value::from(Serde(json)))
}

/// Anything else.
pub fn plain(value: impl Serialize) -> Value {
    Value::from(Serde(value))
}
