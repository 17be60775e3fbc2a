//! What programs ask to be done with deliveries, and what came of it.

use poem_openapi::{Enum, Object};
use uuid::Uuid;

use crate::flow::changes;
use crate::flow::config_summary::ConfigSummary;
use crate::flow::resources::delivery::DeliveryState;
use crate::flow::resources::moment::Moment;
use crate::flow::resources::query::DeliveryQuery;
use crate::flow::resources::values::FilterText;
use crate::store::history::change::{ChangeRequest, ChangeResult};

/// In which round a delivery is to be sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Object)]
pub struct RedeliverRequest {
    /// The `round` of the delivery as it was shown. Where it was asked for meanwhile, nothing is done: so two presses are one.
    #[oai(validator(minimum(value = "0"), maximum(value = "1000000")))]
    pub round: u32,
}

/// What came of a change; the same as `orderbell redeliver` and `cancel` print with `--format json`.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ChangeOutcome {
    pub id: Uuid,
    /// Of its event.
    pub kind: Option<String>,
    pub order: Option<String>,
    pub channel: Option<String>,
    /// Whether the delivery is now as it was to be.
    pub done: bool,
    /// What came of it, in words.
    pub says: String,
}

impl ChangeOutcome {
    pub fn of(id: Uuid, request: ChangeRequest, change: &ChangeResult, config: &ConfigSummary) -> Self {
        let named = change.delivery.as_ref();
        Self {
            id,
            kind: named.map(|named| named.kind.clone()),
            order: named.and_then(|named| named.order.clone()),
            channel: named.map(|named| named.channel.clone()),
            done: change.result.is_ok(),
            says: changes::words(request, change, config),
        }
    }
}

/// In which state the deliveries are that are to be cancelled together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum CancelledFrom {
    Waiting,
    Dead,
}

/// Which deliveries are to be cancelled together.
#[derive(Clone, Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct CancelManyRequest {
    pub state: CancelledFrom,
    pub channel: Option<FilterText>,
    /// A kind or a pattern over kinds, such as `order.*`.
    pub kind: Option<FilterText>,
    pub source: Option<FilterText>,
    /// Made since then.
    pub since: Option<Moment>,
    /// Made before then.
    pub until: Option<Moment>,
    /// How many they are: `count` of `/deliveries/count` with the same filter.
    #[oai(validator(minimum(value = "0"), maximum(value = "1000000000")))]
    pub expected: u64,
    /// Which ones they are: `token` of the same answer. Where the filter matches others by now, also where they are as many,
    /// the answer is 409, and nothing is changed.
    #[oai(validator(max_length = 200))]
    pub token: String,
}

/// Which dead deliveries are to be sent once more together.
#[derive(Clone, Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct RedeliverManyRequest {
    pub channel: Option<FilterText>,
    /// A kind or a pattern over kinds, such as `order.*`.
    pub kind: Option<FilterText>,
    pub source: Option<FilterText>,
    /// Made since then.
    pub since: Option<Moment>,
    /// Made before then.
    pub until: Option<Moment>,
    /// How many they are: `count` of `/deliveries/count?state=dead` with the same filter.
    #[oai(validator(minimum(value = "0"), maximum(value = "1000000000")))]
    pub expected: u64,
    /// Which ones they are: `token` of the same answer. Where the filter matches others by now, also where they are as many,
    /// the answer is 409, and nothing is changed.
    #[oai(validator(max_length = 200))]
    pub token: String,
}

/// How many deliveries a filter matches.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
pub struct DeliveryCount {
    pub count: u64,
    /// Stands for exactly those that are counted: `/deliveries/redeliver` and `/deliveries/cancel` change these and no others.
    pub token: String,
    /// Whether that is all of them. Of those that are dead or wait 5000 are counted, channel by channel; of others the newest,
    /// up to as many, or fewer where that takes long.
    pub complete: bool,
}

/// Which deliveries whoever asks for a change takes for granted, as they were counted.
#[derive(Clone, Debug)]
pub struct CountedDeliveries {
    pub count: u64,
    /// Of the same count.
    pub token: String,
}

/// What came of a change of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Object)]
pub struct ManyOutcome {
    /// So many were meant.
    pub matched: u64,
    /// So many were changed; the others were something else meanwhile, or are being sent just now.
    pub changed: u64,
    /// Whether there are none that the filter matches besides.
    pub complete: bool,
}

impl CancelManyRequest {
    /// Which deliveries, and what is taken for granted of them.
    pub fn parts(self) -> (DeliveryQuery, CountedDeliveries) {
        let state = match self.state {
            CancelledFrom::Waiting => DeliveryState::Waiting,
            CancelledFrom::Dead => DeliveryState::Dead,
        };
        let query = DeliveryQuery {
            state: Some(state),
            channel: self.channel.map(|text| text.0),
            kind: self.kind.map(|text| text.0),
            source: self.source.map(|text| text.0),
            since: self.since.map(|at| at.0),
            until: self.until.map(|at| at.0),
        };
        (query, CountedDeliveries { count: self.expected, token: self.token })
    }
}

impl RedeliverManyRequest {
    /// Which deliveries, and what is taken for granted of them.
    pub fn parts(self) -> (DeliveryQuery, CountedDeliveries) {
        let query = DeliveryQuery {
            state: Some(DeliveryState::Dead),
            channel: self.channel.map(|text| text.0),
            kind: self.kind.map(|text| text.0),
            source: self.source.map(|text| text.0),
            since: self.since.map(|at| at.0),
            until: self.until.map(|at| at.0),
        };
        (query, CountedDeliveries { count: self.expected, token: self.token })
    }
}
