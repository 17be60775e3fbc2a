//! Whether this instance leads: what is done once for all instances, such as reports, is done by the one that does.

use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::pace::Elapsed;

/// By which lease an instance leads.
pub const LEADER: &str = "leader";

/// Until when this instance leads. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Leadership(Arc<Mutex<Elapsed>>);

impl Leadership {
    /// Of a daemon that holds its store alone.
    pub fn alone() -> Self {
        Self(Arc::new(Mutex::new(Elapsed::MAX)))
    }

    /// Of an instance among others: it does not lead yet.
    pub fn among_others() -> Self {
        Self(Arc::new(Mutex::new(Elapsed::MIN)))
    }

    pub fn leads(&self, now: Elapsed) -> bool {
        now < *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It leads until then, unless the lease is renewed.
    pub fn set_until(&self, until: Elapsed) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}
