//! Which events, orders and deliveries programs ask for, and which page of them.

use jiff::Timestamp;

use crate::domain::glob::Glob;
use crate::flow::resources::delivery::DeliveryState;
use crate::store::history::list::DeliveryFilter;
use crate::store::history::pages::{EventFilter, OrderFilter};

/// Which page of a list.
#[derive(Clone, Debug)]
pub struct PageRequest {
    pub rows: u32,
    /// Where it goes on; the newest where absent.
    pub cursor: Option<String>,
}

/// Which events.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// A kind or a pattern over kinds.
    pub kind: Option<String>,
    pub source: Option<String>,
    /// The id of a shop.
    pub shop: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

impl From<EventQuery> for EventFilter {
    fn from(EventQuery { kind, source, shop, since, until }: EventQuery) -> Self {
        Self { kind: kind.as_deref().map(Glob::new), source, shop, since, until }
    }
}

/// Which orders.
#[derive(Clone, Debug, Default)]
pub struct OrderQuery {
    /// A number or a short number.
    pub number: Option<String>,
    pub source: Option<String>,
    /// The id of a shop.
    pub shop: Option<String>,
}

impl From<OrderQuery> for OrderFilter {
    fn from(OrderQuery { number, source, shop }: OrderQuery) -> Self {
        Self { source, shop, number }
    }
}

/// Which deliveries.
#[derive(Clone, Debug, Default)]
pub struct DeliveryQuery {
    pub state: Option<DeliveryState>,
    pub channel: Option<String>,
    /// A kind or a pattern over kinds.
    pub kind: Option<String>,
    pub source: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

impl From<DeliveryQuery> for DeliveryFilter {
    fn from(DeliveryQuery { state, channel, kind, source, since, until }: DeliveryQuery) -> Self {
        let (state, kind) = (state.map(|state| state.as_str().to_owned()), kind.as_deref().map(Glob::new));
        Self { state, channel, orders: None, kind, source, since, until }
    }
}
