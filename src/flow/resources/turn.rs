//! That something is done for one name by one at a time: a channel is tested, a report is sent, a template is tried.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The names for which it is done right now.
pub type Taken = Arc<Mutex<BTreeSet<String>>>;

/// The right to do it for a name; given back when it is dropped.
pub struct Turn {
    taken: Taken,
    name: String,
}

impl Turn {
    pub fn take(taken: &Taken, name: &str) -> Option<Self> {
        let is_free = taken.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        is_free.then(|| Self { taken: taken.clone(), name: name.to_owned() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}
