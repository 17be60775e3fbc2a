//! What is remembered, for whoever asks why a message did or did not arrive, and what a person changes of it.
//!
//! The answers stand in [`found`], lists in [`list`] and [`pages`], changes in [`change`].

pub mod change;
pub mod found;
pub mod list;
pub mod pages;

use jiff::Timestamp;

use crate::domain::event::{DeliveryId, Event, EventId};
use crate::domain::order::Order;
use crate::store::StoreFuture;
use crate::store::history::change::{ChangeRequest, ChangeResult, Meant};
use crate::store::history::found::{EventHistory, FoundHistory, OrderHistory, Question};
use crate::store::history::list::{DeliveryFilter, DeliveryRow, ShortName, Start};
use crate::store::history::pages::{
    ChannelLoad, DeliveryPage, EventFilter, ListPage, ListedEvent, ListedOrder, OrderFilter, SentMessage, SourceState,
};

/// The way back.
///
/// # Errors
/// Each fails with [`StoreError::Unavailable`](crate::store::StoreError::Unavailable): then nothing was changed.
pub trait History: Send + Sync {
    /// Everything that is remembered of what a person asks for, as of one moment.
    fn history(&self, question: Question) -> StoreFuture<'_, FoundHistory>;

    /// An event by its key, with what became of it.
    fn event_history(&self, event: EventId) -> StoreFuture<'_, Option<EventHistory>>;

    /// A delivery by its key: its event with that one alone.
    fn delivery_history(&self, delivery: DeliveryId) -> StoreFuture<'_, Option<EventHistory>>;

    /// An order by its key, where there are events about it.
    fn order_history(&self, source: &str, number: &str) -> StoreFuture<'_, Option<OrderHistory>>;

    /// What holds deliveries back at this moment, and nothing else.
    fn holds(&self) -> StoreFuture<'_, FoundHistory>;

    /// An event as it was recorded.
    fn event(&self, event: EventId) -> StoreFuture<'_, Option<Event>>;

    /// How often an event came again; `None` where there is no such event.
    fn duplicates(&self, event: EventId) -> StoreFuture<'_, Option<u64>>;

    /// An order as it stands.
    fn order(&self, source: &str, number: &str) -> StoreFuture<'_, Option<Order>>;

    /// The orders of this number or short number: source and number of each.
    fn orders(&self, asked: &str) -> StoreFuture<'_, Vec<(String, String)>>;

    /// Whether the store holds a delivery to a channel of this name, in whatever state.
    fn knows_channel(&self, channel: &str) -> StoreFuture<'_, bool>;

    /// All deliveries in the sequence of their making, or those in one state.
    fn deliveries(&self, state: Option<&str>) -> StoreFuture<'_, Vec<DeliveryRow>>;

    /// How many deliveries there are of those that are wanted.
    fn count(&self, wanted: DeliveryFilter) -> StoreFuture<'_, u64>;

    /// The first of the newest so many deliveries, in the sequence of their making; `None` where there are no more than that.
    fn first_of_newest(&self, wanted: DeliveryFilter, newest: u64) -> StoreFuture<'_, Option<DeliveryId>>;

    /// The next so many deliveries in the sequence of their making.
    fn page(&self, wanted: DeliveryFilter, start: Start, rows: u32) -> StoreFuture<'_, Vec<DeliveryRow>>;

    /// Events before one, by their places in the sequence of arrival, or the newest: so many at most.
    fn events_page(
        &self,
        wanted: EventFilter,
        before: Option<i64>,
        rows: u32,
    ) -> StoreFuture<'_, ListPage<ListedEvent, i64>>;

    /// Events after one, by its place in the sequence of arrival, the oldest first: so many at most.
    fn events_after(&self, seq: i64, rows: u32) -> StoreFuture<'_, Vec<ListedEvent>>;

    /// Orders before one, by their places in the sequence of the first arrival, or the newest: so many at most.
    fn orders_page(
        &self,
        wanted: OrderFilter,
        before: Option<i64>,
        rows: u32,
    ) -> StoreFuture<'_, ListPage<ListedOrder, i64>>;

    /// Deliveries before one, or the newest: so many at most.
    fn deliveries_page(
        &self,
        wanted: DeliveryFilter,
        before: Option<DeliveryId>,
        rows: u32,
    ) -> StoreFuture<'_, DeliveryPage>;

    /// So many of those that wait or are dead and that are wanted, channel by channel, those first that are due first, in the
    /// sequence of their making; `None` where others are wanted.
    fn first_held(&self, wanted: DeliveryFilter, most: u32) -> StoreFuture<'_, Option<Vec<DeliveryId>>>;

    /// What a delivery's message is made of, as far as it was composed; `None` where there is no such delivery.
    fn sent(&self, delivery: DeliveryId) -> StoreFuture<'_, Option<SentMessage>>;

    /// How much waits for each of these channels, in their sequence.
    fn channel_loads(&self, channels: Vec<String>) -> StoreFuture<'_, Vec<ChannelLoad>>;

    /// What is known of each of these sources, counted since a moment, in their sequence.
    fn source_states(&self, sources: Vec<String>, since: Timestamp) -> StoreFuture<'_, Vec<SourceState>>;

    /// For people: the id of each delivery as far as it has to be written, and what its order is called.
    fn short_names(&self, rows: &[DeliveryRow]) -> StoreFuture<'_, Vec<ShortName>>;

    /// What is meant to be changed, each delivery once: a name is that of a delivery by its id, or of those of an order by its
    /// number. A look through the store, which keeps nobody from writing.
    fn resolve(&self, request: ChangeRequest, names: &[String]) -> StoreFuture<'_, Vec<Meant>>;

    /// Does with each delivery what is wished, as far as it can be done, in one transaction.
    fn make_changes(
        &self,
        request: ChangeRequest,
        meant: &[Meant],
        now: Timestamp,
    ) -> StoreFuture<'_, Vec<ChangeResult>>;

    /// Sends a delivery once more, unless that was asked for meanwhile: `round` is how often it was when somebody last looked;
    /// [`Obstacle::LaterRound`](change::Obstacle::LaterRound) where it was not so often.
    /// `None` where there is no such delivery.
    fn redeliver_once(&self, delivery: DeliveryId, round: u32, now: Timestamp)
    -> StoreFuture<'_, Option<ChangeResult>>;

    /// The dead deliveries, the oldest first.
    fn dead(&self, channel: Option<&str>) -> StoreFuture<'_, Vec<DeliveryId>>;

    /// Sends these once more, in one transaction, as far as they still are dead. Answers how many.
    fn revive(&self, dead: &[DeliveryId], now: Timestamp) -> StoreFuture<'_, u64>;
}
