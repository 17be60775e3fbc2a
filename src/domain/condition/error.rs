//! What is wrong with a condition.

/// A condition that cannot be used, or cannot be judged for an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConditionError {
    /// What is wrong; it may quote the condition, never a value.
    pub message: String,
    /// Where in the condition, in bytes; 0 where that is not known.
    pub offset: usize,
}
