//! Events and orders, and why a message did or did not arrive.

use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use uuid::Uuid;

use crate::flow::resources::Resources;
use crate::flow::resources::event::{EventDetail, EventPage};
use crate::flow::resources::moment::Moment;
use crate::flow::resources::order::{OrderDetail, OrderPage};
use crate::flow::resources::overview::Story;
use crate::flow::resources::query::{EventQuery, OrderQuery, PageRequest};
use crate::flow::resources::values::FilterText;
use crate::web::admin::api::answer::ApiAnswer;
use crate::web::admin::api::part::ApiSection;

/// Rows of a page unless another number is asked for.
pub const ROWS: u32 = 50;

pub struct HistoryApi(pub Resources);

#[OpenApi]
impl HistoryApi {
    /// Events, those that came last first
    #[oai(path = "/events", method = "get", operation_id = "list_events", tag = "ApiSection::History")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the address")]
    async fn events(
        &self,
        /// Only of this kind, or of kinds that this pattern matches, such as `order.*`.
        kind: Query<Option<FilterText>>,
        source: Query<Option<FilterText>>,
        /// Only of the shop with this id.
        shop: Query<Option<FilterText>>,
        /// Only those received since then.
        since: Query<Option<Moment>>,
        /// Only those received before then.
        until: Query<Option<Moment>>,
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))] limit: Query<Option<u32>>,
        /// Where the list goes on: `next` of the page before.
        cursor: Query<Option<String>>,
    ) -> ApiAnswer<EventPage> {
        let (since, until) = (since.0.map(|at| at.0), until.0.map(|at| at.0));
        let filter = EventQuery { kind: text(kind), source: text(source), shop: text(shop), since, until };
        Ok(Json(self.0.events(filter, page(limit, cursor)).await?))
    }

    /// An event with what became of it
    #[oai(path = "/events/:id", method = "get", operation_id = "get_event", tag = "ApiSection::History")]
    async fn event(&self, id: Path<Uuid>) -> ApiAnswer<EventDetail> {
        Ok(Json(self.0.event(id.0).await?))
    }

    /// Orders, those that came last first
    #[oai(path = "/orders", method = "get", operation_id = "list_orders", tag = "ApiSection::History")]
    async fn orders(
        &self,
        /// Only of this number or short number.
        number: Query<Option<FilterText>>,
        source: Query<Option<FilterText>>,
        /// Only of the shop with this id.
        shop: Query<Option<FilterText>>,
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))] limit: Query<Option<u32>>,
        /// Where the list goes on: `next` of the page before.
        cursor: Query<Option<String>>,
    ) -> ApiAnswer<OrderPage> {
        let filter = OrderQuery { number: text(number), source: text(source), shop: text(shop) };
        Ok(Json(self.0.orders(filter, page(limit, cursor)).await?))
    }

    /// An order with its events and their deliveries
    #[oai(path = "/orders/:source/:number", method = "get", operation_id = "get_order", tag = "ApiSection::History")]
    async fn order(
        &self,
        #[oai(validator(min_length = 1))] source: Path<FilterText>,
        #[oai(validator(min_length = 1))] number: Path<FilterText>,
    ) -> ApiAnswer<OrderDetail> {
        Ok(Json(self.0.order(&source.0.0, &number.0.0).await?))
    }

    /// Why a message did or did not arrive, from the beginning
    #[oai(path = "/why", method = "get", operation_id = "why", tag = "ApiSection::History")]
    async fn why(
        &self,
        /// An order by its number or short number, an event or a delivery by its id, a source, or a report such as
        /// `report.daily`.
        #[oai(validator(min_length = 1))]
        about: Query<FilterText>,
        /// Of a source: the refused webhooks around this time instead of the newest.
        at: Query<Option<Moment>>,
        /// Of a source: so many refused webhooks. Of a report: so many of those that were made.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<u32>>,
    ) -> ApiAnswer<Story> {
        Ok(Json(self.0.why(about.0.0, at.0.map(|at| at.0), limit.0).await?))
    }
}

/// What a parameter filters by.
pub fn text(parameter: Query<Option<FilterText>>) -> Option<String> {
    parameter.0.map(|text| text.0)
}

pub fn page(limit: Query<Option<u32>>, cursor: Query<Option<String>>) -> PageRequest {
    PageRequest { rows: limit.0.unwrap_or(ROWS), cursor: cursor.0 }
}
