//! One running daemon among others on the same store: how it is known, and what it says of itself.

use uuid::Uuid;

use crate::flow::Current;
use crate::store::leases::Announcement;

/// This instance. Cloning shares it.
#[derive(Clone)]
pub struct Instance {
    /// Another one at each start, so that nobody takes it for one that was there before.
    pub id: String,
    /// By which people know it: the host, and the port at which it takes webhooks.
    pub name: String,
    /// Of the configuration in force.
    pub fingerprint: Current<String>,
}

impl Instance {
    /// `unique`: an id that nothing else has.
    pub fn new(host: &str, port: u16, fingerprint: String, unique: Uuid) -> Self {
        let name = format!("{host}:{port}");
        Self { id: format!("{name} {}", unique.simple()), name, fingerprint: Current::new(fingerprint) }
    }

    /// What it says of itself; `credentials`: those that it could work.
    pub fn announcement(&self, credentials: Vec<String>) -> Announcement {
        Announcement {
            id: self.id.clone(),
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            fingerprint: self.fingerprint.get().as_str().to_owned(),
            credentials,
        }
    }
}
