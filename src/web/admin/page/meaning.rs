//! Why something was refused and what to change, in the language of whoever reads it as far as there are words for it.

use minijinja::{Value, context};

use crate::domain::remedy;
use crate::web::admin::page::reader::Reader;

/// A cause and what to change; in English, and so marked, where the language of the reader has no words for it.
pub fn meaning(reader: &Reader, cause: Option<&str>, change: Option<&str>) -> Option<Value> {
    let cause = cause?;
    let change = change.unwrap_or_default();
    let own = reader.words().and_then(|words| remedy::in_language(cause, change, words));
    let (cause, change, is_english) = match own {
        Some((cause, change)) => (cause, change, false),
        None => (cause, change, true),
    };
    Some(context! { cause => cause, change => change, is_english => is_english })
}
