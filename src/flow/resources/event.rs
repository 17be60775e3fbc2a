//! Events as programs see them.

use poem_openapi::types::Any;
use poem_openapi::{Enum, Object};
use serde_json::Value;
use uuid::Uuid;

use crate::domain::event::SignatureCheck;
use crate::domain::route_decision;
use crate::domain::route_decision::RouteDecision;
use crate::flow::resources::delivery::DeliverySummary;
use crate::flow::resources::moment::Moment;
use crate::flow::resources::values::ShopName;
use crate::store::history::found::EventHistory;
use crate::store::history::pages::ListedEvent;

/// An event in a list.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct EventSummary {
    pub id: Uuid,
    /// Such as `order.placed`.
    pub kind: String,
    pub source: String,
    pub received_at: Moment,
    /// The id of the shop.
    pub shop: Option<String>,
    /// The number of the order that it is about.
    pub order: Option<String>,
    /// No signature fitted, and its source only observes: it is delivered to nobody.
    pub unproven: bool,
    /// How often it came again.
    pub duplicates: u64,
}

impl From<&ListedEvent> for EventSummary {
    fn from(row: &ListedEvent) -> Self {
        Self {
            id: row.id.0,
            kind: row.kind.clone(),
            source: row.source.clone(),
            received_at: Moment(row.received_at),
            shop: row.shop.clone(),
            order: row.order.clone(),
            unproven: row.is_unproven,
            duplicates: row.duplicates,
        }
    }
}

impl From<&EventHistory> for EventSummary {
    fn from(history: &EventHistory) -> Self {
        let event = &history.event;
        Self {
            id: event.id.0,
            kind: event.kind.to_string(),
            source: event.source.clone(),
            received_at: Moment(event.received_at),
            shop: event.shop.as_ref().map(|shop| shop.id.clone()),
            order: event.order.as_ref().map(|order| order.number.clone()),
            unproven: event.proof == SignatureCheck::Invalid,
            duplicates: history.repeats,
        }
    }
}

/// A page of events, those that came last first.
#[derive(Clone, Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct EventPage {
    /// There may be none although `next` is there: then none was found among those that were looked at.
    pub items: Vec<EventSummary>,
    /// The cursor of the next page; absent at the end.
    pub next: Option<String>,
}

/// Whether a signature fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum SignatureOutcome {
    /// One did.
    Valid,
    /// None did, and the source only observes.
    Invalid,
    /// Orderbell made the event itself.
    Own,
}

/// What a route made of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum RouteOutcome {
    Applies,
    OtherKind,
    /// The event is Orderbell's own, and the route does not name its kind.
    NotNamed,
    OtherSource,
    OtherShop,
    ConditionFails,
    /// Its condition could not be judged, so it applies.
    Unjudged,
}

impl From<RouteDecision> for RouteOutcome {
    fn from(decision: RouteDecision) -> Self {
        match decision {
            RouteDecision::Applies => Self::Applies,
            RouteDecision::OtherKind => Self::OtherKind,
            RouteDecision::NotNamed => Self::NotNamed,
            RouteDecision::OtherSource => Self::OtherSource,
            RouteDecision::OtherShop => Self::OtherShop,
            RouteDecision::ConditionFails => Self::ConditionFails,
            RouteDecision::Unjudged => Self::Unjudged,
        }
    }
}

/// An event with what became of it.
#[derive(Clone, Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct EventDetail {
    pub event: EventSummary,
    /// When it happened, by the platform's clock.
    pub occurred_at: Option<Moment>,
    pub shop: Option<ShopName>,
    pub signature: SignatureOutcome,
    /// The name of the way of signing that fitted.
    pub recipe: Option<String>,
    pub last_duplicate_at: Option<Moment>,
    /// What it says of its order.
    pub order_update: Option<Any<Value>>,
    /// What only its kind has.
    pub data: Any<Value>,
    /// What each route came to, in the sequence of the file at that time; absent where that was not kept.
    pub routes: Option<Vec<RouteOutcome>>,
    pub deliveries: Vec<DeliverySummary>,
}

impl From<&EventHistory> for EventDetail {
    fn from(history: &EventHistory) -> Self {
        let event = &history.event;
        let (signature, recipe) = match &event.proof {
            SignatureCheck::Valid(recipe) => (SignatureOutcome::Valid, Some(recipe.clone())),
            SignatureCheck::Invalid => (SignatureOutcome::Invalid, None),
            SignatureCheck::Own => (SignatureOutcome::Own, None),
        };
        let json = |value: serde_json::Result<Value>| Any(value.unwrap_or_default());
        let routes = route_decision::read(&history.routes);
        Self {
            event: EventSummary::from(history),
            occurred_at: event.occurred_at.map(Moment),
            shop: event.shop.as_ref().map(ShopName::from),
            signature,
            recipe,
            last_duplicate_at: history.last_repeat_at.map(Moment),
            order_update: event.order.as_ref().map(|order| json(serde_json::to_value(order))),
            data: json(serde_json::to_value(&event.data)),
            routes: routes.map(|(_, decisions)| decisions.into_iter().map(RouteOutcome::from).collect()),
            deliveries: history.deliveries.iter().map(|delivery| DeliverySummary::of(event, delivery)).collect(),
        }
    }
}
