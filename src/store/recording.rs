//! How webhooks are recorded, whatever the store.

pub mod packed;
