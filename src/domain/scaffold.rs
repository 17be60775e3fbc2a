//! What one kind of source or of channel looks like to begin with, and what a merchant has to do for it: the content of its
//! `setup.toml`.

use serde::Deserialize;

/// In its texts `<NAME>` stands for the name of the table, `<ADDRESS>` for the address of a source, `<ORDERBELL>` for the
/// command with its options, and `<SECRET>` and the like for the environment variable whose name ends so.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaffold {
    pub role: Role,
    /// The currency of what a platform sends without one, if it does.
    pub currency: Option<String>,
    /// What it is to people.
    pub what: String,
    /// The table without its header and its tag. A comment stands two blanks behind the value that it explains.
    pub table: String,
    pub variables: Vec<Variable>,
    /// What a form asks for, in its order.
    pub fields: Vec<FormField>,
    /// Where its values come from. Lines that begin with four blanks are typed as they stand.
    pub before: String,
    /// What is left to do when the daemon runs; may be empty.
    #[serde(default)]
    pub after: String,
}

/// An environment variable that holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// How its name ends.
    pub ending: String,
    /// What its value looks like.
    pub sample: String,
}

/// A value that a form asks for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormField {
    /// The key of the table; below another one with a dot between them.
    pub key: String,
    #[serde(default)]
    pub form: FieldForm,
    /// How the name of its environment variable ends; a secret has one.
    pub variable: Option<String>,
    /// Whether it may be left out.
    #[serde(default)]
    pub optional: bool,
    /// What it looks like.
    #[serde(default)]
    pub sample: String,
}

/// How a value is written in the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldForm {
    #[default]
    Text,
    Number,
    /// Several texts, with commas between them.
    List,
    /// True or absent.
    Switch,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Platform,
    People,
    Program,
}

impl Scaffold {
    /// Reads a kind's `setup.toml`, which is built into the program.
    ///
    /// # Panics
    /// Where it is none; a test reads that of each kind.
    pub fn read(text: &str) -> Self {
        toml::from_str(text).expect("each kind's setup.toml is a scaffold")
    }
}
