//! E-mail: what the configuration says of a mailbox.

use std::path::PathBuf;

use serde::Deserialize;

use crate::domain::secret::Secret;

/// Who gets a mail, and through which server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Email {
    /// `smtps://` (implicit TLS), `smtp://` (STARTTLS required) or `smtp+plain://` (loopback and tests only).
    pub smtp: String,
    pub username: Option<String>,
    pub password: Option<Secret>,
    /// `Name <address>`, or the address alone.
    pub from: String,
    pub to: Vec<String>,
    #[serde(default)]
    pub cc: Vec<String>,
    pub reply_to: Option<String>,
    /// How we introduce ourselves to the server; the machine's name where absent.
    pub hello_name: Option<String>,
    /// Certificates in PEM that are trusted as well.
    pub ca_file: Option<PathBuf>,
    /// How many connections may be open at once.
    #[serde(default = "default_connections")]
    pub connections: u8,
}

fn default_connections() -> u8 {
    2
}
