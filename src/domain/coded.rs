//! A number of a platform's with the word that stands for it.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// A number of the platform's, and our word for it when we know one. An unknown number is shown as the number.
///
/// Templates turn it into the reader's language: `{{ data.delivery | word("delivery") }}` looks up
/// `delivery.<word>` in the language file and falls back to the number.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coded {
    pub code: i64,
    pub word: Option<String>,
}

impl Coded {
    /// The code with its word out of a table of the platform's numbers.
    pub fn of(code: i64, words: &[(i64, &str)]) -> Self {
        let word = words.iter().find(|(known, _)| *known == code).map(|(_, word)| (*word).to_owned());
        Self { code, word }
    }
}
