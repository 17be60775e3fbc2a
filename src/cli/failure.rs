//! Why a command ends without having done its work, and with which exit code.

use crate::diagnostic::Diagnostic;

/// Why a command ends without having done its work.
pub enum Failure {
    /// It did not work: exit code 1.
    Failed(String),
    /// Wrong usage or configuration: exit code 2.
    Misused(String),
    /// The problems of the configuration: exit code 2.
    Configuration(Vec<Diagnostic>),
    /// Nobody reads what it prints any more, so there is nothing left to do: exit code 0.
    ReaderGone,
}
