//! Why the daemon does not start, or does not go on.

use crate::domain::template::fault::TemplateErrors;
use crate::store::StoreError;

/// Why the daemon does not start, or does not go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("channel {channel}: {reason}")]
    Channel { channel: String, reason: String },
    #[error("the templates do not compile: {0}")]
    Templates(#[from] TemplateErrors),
    /// A person has stopped a test send.
    #[error("it was interrupted; a message that was under way may have arrived, and is not sent again")]
    Interrupted,
    /// It ran, and stopped by itself.
    #[error("the task \"{task}\" ended again and again; the log says why")]
    GivenUp { task: String },
}
