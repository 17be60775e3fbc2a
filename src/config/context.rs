//! What reading a configuration depends on besides its text.

use std::path::Path;
use std::sync::LazyLock;

use crate::domain::language::folders::built_in_folders;

/// What reading a text depends on besides the text.
pub struct LoadContext<'a> {
    /// The file; relative paths are relative to its folder.
    pub file: &'a Path,
    /// The value of an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The languages that there are templates for.
    pub languages: &'a [&'a str],
    pub secrets: SecretReading,
}

/// What becomes of the references to secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretReading {
    /// They are read; one that is missing is an error.
    Read,
    /// Something of the same shape takes their place, for commands that use none.
    Placeholders,
}

impl<'a> LoadContext<'a> {
    /// With the environment of this process, and the built-in languages.
    pub fn of(file: &'a Path, secrets: SecretReading) -> Self {
        Self { file, env: &|name| std::env::var(name).ok(), languages: languages(), secrets }
    }

    pub fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }
}

/// The languages that there are templates for.
pub fn languages() -> &'static [&'static str] {
    static LANGUAGES: LazyLock<Vec<&str>> = LazyLock::new(|| built_in_folders().iter().map(String::as_str).collect());
    &LANGUAGES
}

/// How far a configuration is looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// As far as the daemon needs it to start.
    Start,
    /// And whether the merchant's own templates do what they should.
    WithTemplates,
}
