//! A text that must not be shown: it prints as `***` and is wiped from memory when dropped.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use schemars::Schema;
use schemars::SchemaGenerator;
use schemars::json_schema;
use secrecy::ExposeSecret;
use secrecy::SecretString;
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
                        "file": { "description": "A file that holds the secret; its last newline is taken off.", "type": "string" },
                    },
                    "required": ["file"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}
