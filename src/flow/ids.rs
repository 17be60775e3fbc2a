//! New ids: the only place that makes one. They are UUIDs of version 7, so that their order is that of time and the store's
//! indexes grow at one end.

use uuid::Uuid;

use crate::domain::event::{DeliveryId, EventId};

/// An id that nothing else has.
#[expect(clippy::disallowed_methods, reason = "the one source of ids; their time is not compared with anything")]
pub fn unique() -> Uuid {
    Uuid::now_v7()
}

pub fn event() -> EventId {
    EventId(unique())
}

pub fn delivery() -> DeliveryId {
    DeliveryId(unique())
}
