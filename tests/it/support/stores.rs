//! Stores as the daemon and the commands open them, of one file.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use orderbell::store::sqlite::Sqlite;
use orderbell::store::{Store, StoreError};

/// As the daemon does.
pub fn open(path: &Path, now: Timestamp) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(Sqlite::open(path, now)?))
}

/// As a command does, which leaves the daemon alone.
pub fn open_beside(path: &Path) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(Sqlite::open_beside(path)?))
}
