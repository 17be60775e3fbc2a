//! A text that must not be shown: it prints as `***` and is wiped from memory when dropped.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// A credential: a signing secret, a password, a token, or an address that holds one.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text itself. Whoever calls this must not log, store or answer it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Why a text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidSecret {
    /// There is nothing in it but blanks.
    Empty,
    SeveralLines,
    Control(char),
}

impl InvalidSecret {
    /// What it does to a key, or to what the secret comes from.
    pub fn words(self) -> String {
        match self {
            InvalidSecret::Empty => "is empty".to_owned(),
            InvalidSecret::SeveralLines => "has several lines; a secret is one line".to_owned(),
            InvalidSecret::Control(control) => {
                format!("holds the control character U+{:04X}; a secret has none", u32::from(control))
            }
        }
    }
}

/// A secret as it stands in a file, an environment variable or a text: without the line ends and the byte order marks that
/// programs leave at its rim. No platform and no provider gives out a secret with one.
///
/// # Errors
/// [`InvalidSecret`] when what is left is no secret.
pub fn read(text: &str) -> Result<&str, InvalidSecret> {
    let secret = text.trim_matches(['\r', '\n', '\u{feff}']);
    if secret.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').is_empty() {
        return Err(InvalidSecret::Empty);
    }
    match secret.chars().find(|c| c.is_control() && *c != '\t') {
        Some('\r' | '\n') => Err(InvalidSecret::SeveralLines),
        Some(control) => Err(InvalidSecret::Control(control)),
        None => Ok(secret),
    }
}

/// What stands at the rim of a secret and may be a part of it, but mostly is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretEdge {
    Blank,
    Quote,
    /// Neither seen nor typed, at the rim or within.
    Unseen,
}

impl SecretEdge {
    pub fn of(secret: &str) -> Option<Self> {
        const QUOTES: [char; 10] = ['"', '\'', '`', '“', '”', '‘', '’', '„', '«', '»'];
        const UNSEEN: [char; 6] = ['\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}', '\u{ad}'];
        let rim = [secret.chars().next()?, secret.chars().next_back()?];
        match () {
            () if rim.iter().any(|c| c.is_whitespace()) => Some(SecretEdge::Blank),
            () if rim.iter().any(|c| QUOTES.contains(c)) => Some(SecretEdge::Quote),
            () if secret.contains(UNSEEN) => Some(SecretEdge::Unseen),
            () => None,
        }
    }

    /// What of it is odd, behind the name of its key.
    pub fn words(self) -> &'static str {
        match self {
            SecretEdge::Blank => "begins or ends with a blank",
            SecretEdge::Quote => "begins or ends with a quote",
            SecretEdge::Unseen => "holds a character that cannot be seen",
        }
    }

    pub fn help(self) -> &'static str {
        match self {
            SecretEdge::Blank => "it is used as it stands; take the blank off unless it belongs to the secret",
            SecretEdge::Quote => {
                "it is used as it stands; take the quotes off unless they belong to it: `docker --env-file` leaves them there"
            }
            SecretEdge::Unseen => "it is used as it stands; copy the secret anew unless it belongs there",
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// For comparing what we ourselves were given twice. What a stranger sends is compared in constant time instead, with
/// [`crate::domain::sign`].
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Err(serde::de::Error::custom("a secret must not be empty"));
        }
        Ok(Self::new(text))
    }
}

/// As it is written in the configuration, which puts the text in the place of a reference before it is read.
impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A secret: a text, { env = \"NAME\" } for the value of an environment variable, or { file = \"path\" } for the content of a file, relative to the folder of the configuration.",
            "anyOf": [
                { "type": "string", "pattern": "\\S" },
                {
                    "type": "object",
                    "properties": {
                        "env": {
                            "description": "The name of an environment variable that holds the secret.",
                            "type": "string",
                            "pattern": "^[A-Za-z0-9_]+$",
                        },
                    },
                    "required": ["env"],
                    "additionalProperties": false,
                },
                {
                    "type": "object",
                    "properties": {
                        "file": { "description": "A file that holds the secret; line ends and a byte order mark around it are taken off.", "type": "string" },
                    },
                    "required": ["file"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_and_byte_order_marks_are_taken_off_and_nothing_else() {
        assert_eq!(read("\u{feff}\r\n a b\t\r\n\n"), Ok(" a b\t"));
        assert_eq!(read("\"a\""), Ok("\"a\""));
        for (text, flaw) in [
            ("\u{feff} \r\n", InvalidSecret::Empty),
            ("a\r\nb", InvalidSecret::SeveralLines),
            ("a\0", InvalidSecret::Control('\0')),
            ("\u{1b}a", InvalidSecret::Control('\u{1b}')),
        ] {
            assert_eq!(read(text), Err(flaw));
        }
        assert_eq!(InvalidSecret::Control('\0').words(), "holds the control character U+0000; a secret has none");
    }

    #[test]
    fn what_is_odd_at_the_rim_of_a_secret_is_seen() {
        for (secret, rim) in [
            ("a b", None),
            ("a\u{a0}", Some(SecretEdge::Blank)),
            ("'a", Some(SecretEdge::Quote)),
            ("it's", None),
            ("a\u{200b}b", Some(SecretEdge::Unseen)),
        ] {
            assert_eq!(SecretEdge::of(secret), rim);
        }
    }
}
