//! What is done for one name at a time: whoever comes second is refused.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The names for which something is under way. Cloning shares them.
#[derive(Clone, Default)]
pub struct Turns(Arc<Mutex<BTreeSet<String>>>);

/// The right to do it for a name; given back when it is dropped.
pub struct Turn {
    turns: Turns,
    name: String,
}

impl Turns {
    /// The turn of a name, unless somebody has it.
    pub fn take(&self, name: &str) -> Option<Turn> {
        let is_free = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        is_free.then(|| Turn { turns: self.clone(), name: name.to_owned() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}
