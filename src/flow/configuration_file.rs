//! The file of the configuration beside the one that is in force: how both are shown to people.

use std::sync::Arc;

use jiff::Timestamp;

/// The file of the configuration, for whoever shows it.
pub trait ConfigurationFile: Send + Sync {
    /// What is in force.
    fn in_force(&self) -> Arc<ShownConfiguration>;

    /// Reads the file anew, and says what it comes to; `None` where no file is read while the daemon runs. It takes a while, and
    /// blocks.
    fn examine(&self) -> Option<FileExamination>;
}

/// The configuration that is in force, as it may be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShownConfiguration {
    /// Its keys and values, without comments, `***` in the place of whatever may be a secret.
    pub text: String,
    /// Since when it is in force.
    pub since: Timestamp,
    /// Which database the store is on, and where, without a password.
    pub store: &'static str,
    pub store_place: String,
}

/// What the file on disk comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileExamination {
    /// As it was named.
    pub file: String,
    /// The first of what is wrong or odd.
    pub problems: Vec<FileProblem>,
    /// How many more there are.
    pub left_out: usize,
    /// Whether a daemon would start with it.
    pub starts: bool,
    /// Whether its text is the one that is in force.
    pub is_in_force: bool,
    /// When it was written last.
    pub written_at: Option<Timestamp>,
    /// What it says otherwise than is in force, and comes in force at a restart alone.
    pub pending: Vec<PendingKey>,
}

/// Something that is wrong or odd about the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblem {
    pub severity: FileSeverity,
    /// As `orderbell check` prints it, with its line.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSeverity {
    Error,
    Warning,
    Note,
}

/// A key that only a restart can change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingKey {
    /// Such as `server.listen`.
    pub key: &'static str,
    pub in_force: String,
    pub in_file: String,
}
