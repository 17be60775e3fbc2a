//! What came last of what somebody has tried by a button, for all who look: by name, and as long as the daemon runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

/// The last outcome for each name. Cloning shares them.
#[derive(Clone)]
pub struct LastOutcomes<T>(Arc<Mutex<BTreeMap<String, (Timestamp, T)>>>);

impl<T> Default for LastOutcomes<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> LastOutcomes<T> {
    pub fn keep(&self, name: &str, at: Timestamp, outcome: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), (at, outcome));
    }

    pub fn of(&self, name: &str) -> Option<(Timestamp, T)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}
