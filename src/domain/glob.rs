//! Patterns over texts, such as `order.*` over the kinds of events.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A pattern over a whole text: `*` stands for any run of characters, dots and none included; all else for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    /// What stands between the stars; never empty.
    pieces: Vec<String>,
}

impl Glob {
    pub fn new(text: &str) -> Self {
        Self { pieces: text.split('*').map(str::to_owned).collect() }
    }

    /// Whether the pattern has no star, and so names one thing.
    pub fn is_literal(&self) -> bool {
        self.pieces.len() == 1
    }

    pub fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.pieces.as_slice() else {
            return self.pieces.iter().all(|whole| whole == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else {
            return false;
        };
        // The leftmost place for each piece leaves the most room for the next ones.
        for piece in middle {
            let Some(at) = rest.find(piece.as_str()) else {
                return false;
            };
            rest = &rest[at + piece.len()..];
        }
        rest.ends_with(last.as_str())
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pieces.join("*"))
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Err(D::Error::custom("an empty pattern matches nothing; \"*\" matches everything"));
        }
        Ok(Self::new(&text))
    }
}

impl JsonSchema for Glob {
    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A kind of event, or a pattern over kinds: * stands for any run of characters, dots included.",
            "type": "string",
            "minLength": 1,
            "examples": ["order.placed", "order.*", "*"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::{prop_assert, prop_assert_eq, proptest};

    #[test]
    fn a_star_matches_any_run_of_characters_dots_included() {
        for (glob, text) in [
            ("order.*", "order.placed"),
            ("*", "order.placed"),
            ("*", ""),
            ("*.placed", "order.placed"),
            ("o*r.*ed", "order.placed"),
            ("order.placed", "order.placed"),
            ("order.placed*", "order.placed"),
            ("*a*a*", "aa"),
            ("a*ab", "aab"),
        ] {
            assert!(Glob::new(glob).matches(text), "{glob} {text}");
        }
        for (glob, text) in [
            ("order.*", "store.hours"),
            ("order", "order.placed"),
            ("a*a", "a"),
            ("*a*a*", "a"),
            ("", "a"),
            ("a*b*c", "acb"),
        ] {
            assert!(!Glob::new(glob).matches(text), "{glob} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_glob_matches_whatever_its_stars_are_filled_with(
            pieces in vec("[a-b.]{0,3}", 1..5),
            filling in vec("[a-b.*]{0,4}", 4),
        ) {
            let mut text = pieces[0].clone();
            for (piece, fill) in pieces[1..].iter().zip(&filling) {
                text.push_str(fill);
                text.push_str(piece);
            }
            prop_assert!(Glob::new(&pieces.join("*")).matches(&text));
        }

        #[test]
        fn a_glob_agrees_with_the_textbook_definition(glob in "[ab*]{0,6}", text in "[ab]{0,8}") {
            prop_assert_eq!(Glob::new(&glob).matches(&text), textbook(glob.as_bytes(), text.as_bytes()));
        }
    }

    fn textbook(glob: &[u8], text: &[u8]) -> bool {
        match glob {
            [] => text.is_empty(),
            [b'*', rest @ ..] => (0..=text.len()).any(|skip| textbook(rest, &text[skip..])),
            [byte, rest @ ..] => text.first() == Some(byte) && textbook(rest, &text[1..]),
        }
    }
}
