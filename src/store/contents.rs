//! What stands in a store that is a file, for whoever copies it or puts a copy back.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::event::DeliveryId;

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

/// What becomes of deliveries that waited when the backup was made: they may have arrived since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingChoice {
    /// They go out; what was attempted, or may have been, as a possible repeat.
    Send,
    /// They are cancelled.
    Cancel,
}

/// What a backup and the present store hold.
#[derive(Debug)]
pub struct RestoreFindings {
    pub backup: StoreContents,
    /// Absent where there is no store; an error where it cannot be read.
    pub present: Option<Result<PresentStore, String>>,
}

/// What the present store has that the backup has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentStore {
    pub contents: StoreContents,
    /// Whether the backup is one of this store.
    pub lineage: Lineage,
    /// How many events came since the backup was made; without them as many orders may be unknown.
    pub newer_events: u64,
    /// How many deliveries of such events wait: with the backup nobody sends them.
    pub lost_waiting: u64,
    /// How many deliveries that wait in the backup were ended since: they arrived, or were given up or cancelled.
    pub ended_since: u64,
    /// Deliveries that wait in the backup and were attempted, before or since.
    pub attempted: BTreeSet<DeliveryId>,
}

/// Whether two stores have one history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lineage {
    Same,
    Another,
}
