//! Deliveries: listed, shown, sent once more, cancelled.

use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use uuid::Uuid;

use crate::flow::resources::Resources;
use crate::flow::resources::change::{
    CancelManyRequest, ChangeOutcome, DeliveryCount, ManyOutcome, RedeliverManyRequest, RedeliverRequest,
};
use crate::flow::resources::delivery::{DeliveryDetail, DeliveryList, DeliveryState};
use crate::flow::resources::moment::Moment;
use crate::flow::resources::query::DeliveryQuery;
use crate::flow::resources::values::FilterText;
use crate::web::admin::api::answer::ApiAnswer;
use crate::web::admin::api::history::{page, text};
use crate::web::admin::api::part::ApiSection;

pub struct DeliveriesApi(pub Resources);

#[OpenApi]
impl DeliveriesApi {
    /// Deliveries, the newest first
    #[oai(path = "/deliveries", method = "get", operation_id = "list_deliveries", tag = "ApiSection::Deliveries")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the address")]
    async fn deliveries(
        &self,
        state: Query<Option<DeliveryState>>,
        channel: Query<Option<FilterText>>,
        /// Only of events of this kind, or of kinds that this pattern matches, such as `order.*`.
        kind: Query<Option<FilterText>>,
        source: Query<Option<FilterText>>,
        /// Only those made since then.
        since: Query<Option<Moment>>,
        /// Only those made before then.
        until: Query<Option<Moment>>,
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))] limit: Query<Option<u32>>,
        /// Where the list goes on: `next` of the page before.
        cursor: Query<Option<String>>,
    ) -> ApiAnswer<DeliveryList> {
        let filter = query(state, channel, kind, source, since, until);
        Ok(Json(self.0.deliveries(filter, page(limit, cursor)).await?))
    }

    /// How many deliveries a filter matches
    #[oai(
        path = "/deliveries/count",
        method = "get",
        operation_id = "count_deliveries",
        tag = "ApiSection::Deliveries"
    )]
    async fn count(
        &self,
        state: Query<Option<DeliveryState>>,
        channel: Query<Option<FilterText>>,
        /// Only of events of this kind, or of kinds that this pattern matches, such as `order.*`.
        kind: Query<Option<FilterText>>,
        source: Query<Option<FilterText>>,
        /// Only those made since then.
        since: Query<Option<Moment>>,
        /// Only those made before then.
        until: Query<Option<Moment>>,
    ) -> ApiAnswer<DeliveryCount> {
        Ok(Json(self.0.count(query(state, channel, kind, source, since, until)).await?))
    }

    /// A delivery with what was sent and every attempt
    #[oai(path = "/deliveries/:id", method = "get", operation_id = "get_delivery", tag = "ApiSection::Deliveries")]
    async fn delivery(&self, id: Path<Uuid>) -> ApiAnswer<DeliveryDetail> {
        Ok(Json(self.0.delivery(id.0).await?))
    }

    /// Sends a delivery once more, composed anew; asked for twice in one round, it is sent once
    #[oai(
        path = "/deliveries/:id/redeliver",
        method = "post",
        operation_id = "redeliver",
        tag = "ApiSection::Deliveries"
    )]
    async fn redeliver(&self, id: Path<Uuid>, request: Json<RedeliverRequest>) -> ApiAnswer<ChangeOutcome> {
        Ok(Json(self.0.redeliver(id.0, request.0.round).await?))
    }

    /// Cancels a delivery that has not arrived
    #[oai(path = "/deliveries/:id/cancel", method = "post", operation_id = "cancel", tag = "ApiSection::Deliveries")]
    async fn cancel(&self, id: Path<Uuid>) -> ApiAnswer<ChangeOutcome> {
        Ok(Json(self.0.cancel(id.0).await?))
    }

    /// Sends dead deliveries once more that a filter matches, after a count
    #[oai(
        path = "/deliveries/redeliver",
        method = "post",
        operation_id = "redeliver_many",
        tag = "ApiSection::Deliveries"
    )]
    async fn redeliver_many(&self, request: Json<RedeliverManyRequest>) -> ApiAnswer<ManyOutcome> {
        let (filter, counted) = request.0.parts();
        Ok(Json(self.0.redeliver_many(filter, counted).await?))
    }

    /// Cancels deliveries that a filter matches, after a count
    #[oai(path = "/deliveries/cancel", method = "post", operation_id = "cancel_many", tag = "ApiSection::Deliveries")]
    async fn cancel_many(&self, request: Json<CancelManyRequest>) -> ApiAnswer<ManyOutcome> {
        let (filter, counted) = request.0.parts();
        Ok(Json(self.0.cancel_many(filter, counted).await?))
    }
}

fn query(
    state: Query<Option<DeliveryState>>,
    channel: Query<Option<FilterText>>,
    kind: Query<Option<FilterText>>,
    source: Query<Option<FilterText>>,
    since: Query<Option<Moment>>,
    until: Query<Option<Moment>>,
) -> DeliveryQuery {
    let (since, until) = (since.0.map(|at| at.0), until.0.map(|at| at.0));
    DeliveryQuery { state: state.0, channel: text(channel), kind: text(kind), source: text(source), since, until }
}
