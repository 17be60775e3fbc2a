//! What is wrong with a template, and how much one may print.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A rendered message may not be longer; the widest channel takes 20 000 bytes a part.
pub(super) const OUTPUT_BYTES: usize = 256 * 1024;

pub(super) const TOO_LONG: &str = "the message is longer than 256 KiB";

/// A template that cannot be used, or that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("templates/{template}{}: {message}", line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct ComposeError {
    /// The path below `templates/`.
    pub template: String,
    /// From 1.
    pub line: Option<usize>,
    /// Bytes of the template's source, where that is known.
    pub span: Option<Range<usize>>,
    pub fault: TemplateFault,
    /// What is wrong; it may quote the template, never a value.
    pub message: String,
}

/// What sort of mistake a template has: whoever mends it needs another hint for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TemplateFault {
    /// It cannot be read as a template, or as a language file.
    Syntax,
    /// It asks for a value that is not there.
    Undefined,
    UnknownFilter,
    /// It includes or imports a file that is not there.
    UnknownFile,
    /// A filter or an operation does not take this value, or a limit is passed.
    Operation,
    /// It took more memory, stack or time than it may, and was stopped.
    Exhausted,
    /// Nothing of the merchant's can be rendered now; that is no fault of the template's.
    Unavailable,
}

/// Every template that does not parse, so that all can be mended at once.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct TemplateErrors(pub Vec<ComposeError>);
