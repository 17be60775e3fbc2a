//! E-mail: what the configuration says of a mailbox.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::secret::Secret;

/// Who gets a mail, and through which server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("dependentRequired" = { "username": ["password"], "password": ["username"] }))]
pub struct Email {
    /// `smtps://` (implicit TLS), `smtp://` (STARTTLS required) or `smtp+plain://` (loopback and tests only).
    #[schemars(example = &"smtps://smtp.example.com:465")]
    pub smtp: String,
    /// The name to log in with; belongs together with `password`.
    pub username: Option<String>,
    /// The password to log in with.
    pub password: Option<Secret>,
    /// `Name <address>`, or the address alone.
    #[schemars(example = &"Harbour Noodle House <orders@example.com>")]
    pub from: String,
    /// Who gets the mails.
    #[schemars(length(min = 1), example = ["owner@example.com"])]
    pub to: Vec<String>,
    /// Who gets a copy.
    #[serde(default)]
    pub cc: Vec<String>,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// How we introduce ourselves to the server; the machine's name where absent.
    pub hello_name: Option<String>,
    /// Certificates in PEM that are trusted as well.
    pub ca_file: Option<PathBuf>,
    /// How many connections may be open at once.
    #[serde(default = "default_connections")]
    #[schemars(range(min = 1, max = 10))]
    pub connections: u8,
}

fn default_connections() -> u8 {
    2
}
