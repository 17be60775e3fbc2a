//! What is remembered, of every database.

use jiff::Timestamp;

use crate::domain::event::{DeliveryId, Event, EventId};
use crate::domain::order::Order;
use crate::store::StoreFuture;
use crate::store::history::History;
use crate::store::history::change::{ChangeRequest, ChangeResult, Meant};
use crate::store::history::found::{EventHistory, FoundHistory, HistoryAnswer, OrderHistory, Question};
use crate::store::history::list::{DeliveryFilter, DeliveryRow, ShortName, Start};
use crate::store::history::pages::{
    ChannelLoad, DeliveryPage, EventFilter, ListPage, ListedEvent, ListedOrder, OrderFilter, SentMessage, SourceState,
};
use crate::store::sql::database::Database;
use crate::store::sql::{change, due, find, history, list, named, pages, parts, record, states};

impl<D: Database> History for D {
    fn history(&self, question: Question) -> StoreFuture<'_, FoundHistory> {
        // One state of the store, although it is read in several steps and the daemon goes on meanwhile.
        Box::pin(self.look_up(move |connection| history::history(connection, &question)))
    }

    fn event_history(&self, event: EventId) -> StoreFuture<'_, Option<EventHistory>> {
        Box::pin(self.look_up(move |connection| history::event(connection, event)))
    }

    fn delivery_history(&self, delivery: DeliveryId) -> StoreFuture<'_, Option<EventHistory>> {
        Box::pin(self.look_up(move |connection| history::delivery(connection, delivery)))
    }

    fn order_history(&self, source: &str, number: &str) -> StoreFuture<'_, Option<OrderHistory>> {
        let (source, number) = (source.to_owned(), number.to_owned());
        Box::pin(self.look_up(move |connection| history::order(connection, &source, &number)))
    }

    fn holds(&self) -> StoreFuture<'_, FoundHistory> {
        Box::pin(self.look_up(|connection| history::with_holds(connection, HistoryAnswer::Nothing)))
    }

    fn event(&self, event: EventId) -> StoreFuture<'_, Option<Event>> {
        Box::pin(self.look(move |connection| record::load_event(connection, event)))
    }

    fn duplicates(&self, event: EventId) -> StoreFuture<'_, Option<u64>> {
        Box::pin(self.look(move |connection| record::duplicates(connection, event)))
    }

    fn order(&self, source: &str, number: &str) -> StoreFuture<'_, Option<Order>> {
        let (source, number) = (source.to_owned(), number.to_owned());
        Box::pin(self.look(move |connection| record::load_order(connection, &source, &number)))
    }

    fn orders(&self, asked: &str) -> StoreFuture<'_, Vec<(String, String)>> {
        let asked = asked.to_owned();
        Box::pin(self.look_up(move |connection| find::orders(connection, &asked)))
    }

    fn knows_channel(&self, channel: &str) -> StoreFuture<'_, bool> {
        let channel = channel.to_owned();
        Box::pin(self.look(move |connection| due::knows(connection, &channel)))
    }

    fn deliveries(&self, state: Option<&str>) -> StoreFuture<'_, Vec<DeliveryRow>> {
        let state = state.map(str::to_owned);
        Box::pin(self.look_up(move |connection| list::in_state(connection, state.as_deref())))
    }

    fn count(&self, wanted: DeliveryFilter) -> StoreFuture<'_, u64> {
        Box::pin(self.look_up(move |connection| list::count(connection, &wanted)))
    }

    fn first_of_newest(&self, wanted: DeliveryFilter, newest: u64) -> StoreFuture<'_, Option<DeliveryId>> {
        Box::pin(self.look_up(move |connection| list::first_of_newest(connection, &wanted, newest)))
    }

    fn page(&self, wanted: DeliveryFilter, start: Start, rows: u32) -> StoreFuture<'_, Vec<DeliveryRow>> {
        Box::pin(self.look_up(move |connection| list::page(connection, &wanted, start, rows)))
    }

    fn events_page(
        &self,
        wanted: EventFilter,
        before: Option<i64>,
        rows: u32,
    ) -> StoreFuture<'_, ListPage<ListedEvent, i64>> {
        Box::pin(self.look_up(move |connection| pages::events(connection, &wanted, before, rows)))
    }

    fn events_after(&self, seq: i64, rows: u32) -> StoreFuture<'_, Vec<ListedEvent>> {
        Box::pin(self.look_up(move |connection| pages::events_after(connection, seq, rows)))
    }

    fn orders_page(
        &self,
        wanted: OrderFilter,
        before: Option<i64>,
        rows: u32,
    ) -> StoreFuture<'_, ListPage<ListedOrder, i64>> {
        Box::pin(self.look_up(move |connection| pages::orders(connection, &wanted, before, rows)))
    }

    fn deliveries_page(
        &self,
        wanted: DeliveryFilter,
        before: Option<DeliveryId>,
        rows: u32,
    ) -> StoreFuture<'_, DeliveryPage> {
        Box::pin(self.look_up(move |connection| pages::deliveries(connection, &wanted, before, rows)))
    }

    fn first_held(&self, wanted: DeliveryFilter, most: u32) -> StoreFuture<'_, Option<Vec<DeliveryId>>> {
        Box::pin(self.look(move |connection| list::first_held(connection, &wanted, most)))
    }

    fn sent(&self, delivery: DeliveryId) -> StoreFuture<'_, Option<SentMessage>> {
        Box::pin(self.look_up(move |connection| parts::sent(connection, delivery)))
    }

    fn channel_loads(&self, channels: Vec<String>) -> StoreFuture<'_, Vec<ChannelLoad>> {
        Box::pin(
            self.look_up(move |connection| channels.iter().map(|name| states::of_channel(connection, name)).collect()),
        )
    }

    fn source_states(&self, sources: Vec<String>, since: Timestamp) -> StoreFuture<'_, Vec<SourceState>> {
        Box::pin(
            self.look_up(move |connection| {
                sources.iter().map(|name| states::of_source(connection, name, since)).collect()
            }),
        )
    }

    fn short_names(&self, rows: &[DeliveryRow]) -> StoreFuture<'_, Vec<ShortName>> {
        let rows: Vec<_> = rows.iter().map(|row| (row.id, row.source.clone(), row.order.clone())).collect();
        Box::pin(self.look_up(move |connection| rows.iter().map(|row| list::short_name(connection, row)).collect()))
    }

    fn resolve(&self, request: ChangeRequest, names: &[String]) -> StoreFuture<'_, Vec<Meant>> {
        let names = names.to_owned();
        Box::pin(self.look_up(move |connection| named::resolve(connection, request, &names)))
    }

    fn make_changes(
        &self,
        request: ChangeRequest,
        meant: &[Meant],
        now: Timestamp,
    ) -> StoreFuture<'_, Vec<ChangeResult>> {
        let meant = meant.to_owned();
        Box::pin(self.change(move |connection| change::make(connection, request, &meant, now)))
    }

    fn redeliver_once(
        &self,
        delivery: DeliveryId,
        round: u32,
        now: Timestamp,
    ) -> StoreFuture<'_, Option<ChangeResult>> {
        Box::pin(self.change(move |connection| change::redeliver_once(connection, delivery, round, now)))
    }

    fn dead(&self, channel: Option<&str>) -> StoreFuture<'_, Vec<DeliveryId>> {
        let channel = channel.map(str::to_owned);
        Box::pin(self.look_up(move |connection| change::dead(connection, channel.as_deref())))
    }

    fn revive(&self, dead: &[DeliveryId], now: Timestamp) -> StoreFuture<'_, u64> {
        let dead = dead.to_owned();
        Box::pin(self.change(move |connection| change::revive(connection, &dead, now)))
    }
}
