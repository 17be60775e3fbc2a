//! What stands in a store that is a file, for whoever copies it or puts a copy back.

use jiff::Timestamp;

/// What a store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreContents {
    pub bytes: u64,
    /// The number of its newest migration.
    pub schema: i64,
    pub events: u64,
    /// When the newest of them came.
    pub newest_at: Option<Timestamp>,
    /// How many deliveries wait.
    pub waiting: u64,
}

/// How the name of a copy begins that is not whole yet; a kill leaves it behind.
pub const HALF_COPY: &str = ".orderbell-backup-";
