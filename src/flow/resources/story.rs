//! Orders, events and deliveries with their stories, as `orderbell why` tells them, in sections that a page can show.

use uuid::Uuid;

use crate::domain::event::{DeliveryId, EventId};
use crate::domain::payload::{Payload, Placement};
use crate::flow::resources::delivery::DeliveryDetail;
use crate::flow::resources::event::EventDetail;
use crate::flow::resources::order::OrderDetail;
use crate::flow::resources::{ResourceError, Resources};
use crate::flow::why;
use crate::flow::why::setting::Setting;
use crate::flow::why::timeline::TimelineSection;
use crate::store::history::found::{FoundHistory, HistoryAnswer};

/// An order with its story.
#[derive(Clone, Debug)]
pub struct OrderStory {
    pub detail: OrderDetail,
    /// How it is handed over and paid, as its newest message says it.
    pub placement: Option<Placement>,
    pub sections: Vec<TimelineSection>,
}

/// A delivery with its story and that of its event.
#[derive(Clone, Debug)]
pub struct DeliveryStory {
    pub detail: DeliveryDetail,
    pub sections: Vec<TimelineSection>,
}

/// An event with its story.
#[derive(Clone, Debug)]
pub struct EventStory {
    pub detail: EventDetail,
    pub sections: Vec<TimelineSection>,
}

impl Resources {
    pub async fn event_story(&self, id: Uuid) -> Result<EventStory, ResourceError> {
        let missing = || ResourceError::Missing("such event".to_owned());
        let found = self.store.event_history(EventId(id)).await?.ok_or_else(missing)?;
        let (holds, config) = (self.store.holds().await?, self.config());
        let (detail, setting) = (EventDetail::from(&found), Setting { config: &config, now: self.clock.now() });
        let history = FoundHistory { found: HistoryAnswer::Event(found), ..holds };
        Ok(EventStory { detail, sections: why::story(&history, &setting) })
    }

    pub async fn order_story(&self, source: &str, number: &str) -> Result<OrderStory, ResourceError> {
        let missing = || ResourceError::Missing("such order".to_owned());
        let found = self.store.order_history(source, number).await?.ok_or_else(missing)?;
        let (holds, config) = (self.store.holds().await?, self.config());
        let detail = OrderDetail::from(&found);
        let placements = found.events.iter().rev().filter_map(|history| match &history.event.data.payload {
            Payload::Placed(placement) => Some(placement.clone()),
            _ => None,
        });
        let placement = placements.into_iter().next();
        let history = FoundHistory { found: HistoryAnswer::Orders { orders: vec![found], more: 0 }, ..holds };
        let setting = Setting { config: &config, now: self.clock.now() };
        Ok(OrderStory { detail, placement, sections: why::story(&history, &setting) })
    }

    pub async fn delivery_story(&self, id: Uuid) -> Result<DeliveryStory, ResourceError> {
        let missing = || ResourceError::Missing("such delivery".to_owned());
        let found = self.store.delivery_history(DeliveryId(id)).await?.ok_or_else(missing)?;
        let sent = self.store.sent(DeliveryId(id)).await?.ok_or_else(missing)?;
        let (holds, config) = (self.store.holds().await?, self.config());
        let setting = Setting { config: &config, now: self.clock.now() };
        let kind = found.deliveries.first().and_then(|delivery| setting.kind(&delivery.channel));
        let detail = DeliveryDetail::of(&found, sent, kind).ok_or_else(missing)?;
        let history = FoundHistory { found: HistoryAnswer::Delivery(found), ..holds };
        Ok(DeliveryStory { detail, sections: why::story(&history, &setting) })
    }
}
