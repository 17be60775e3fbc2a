//! Reading: lists page by page, and single things with all that is remembered of them.

use std::sync::Arc;

use jiff::Timestamp;
use poem_openapi::types::Any;
use uuid::Uuid;

use crate::domain::event::{DeliveryId, EventId};
use crate::domain::report::Report;
use crate::flow::resources::channel::{ChannelList, ChannelStatus};
use crate::flow::resources::cursor;
use crate::flow::resources::cursor::CursorKey;
use crate::flow::resources::delivery::{DeliveryDetail, DeliveryList};
use crate::flow::resources::event::{EventDetail, EventPage};
use crate::flow::resources::order::{OrderDetail, OrderPage};
use crate::flow::resources::overview::{ConfigurationDetail, NoticeInForce, NoticeList, Story};
use crate::flow::resources::query::{DeliveryQuery, EventQuery, OrderQuery, PageRequest};
use crate::flow::resources::report::{ReportEntry, ReportList};
use crate::flow::resources::source::{SourceList, SourceStatus};
use crate::flow::resources::{ResourceError, Resources};
use crate::flow::why::NoStory;
use crate::flow::why::setting::Setting;
use crate::flow::why::timeline::Verbosity;
use crate::flow::{reports, why};
use crate::store::history::found::Question;
use crate::store::history::pages::ListPage;

type Answer<T> = Result<T, ResourceError>;

/// So many of a report's runs are shown.
const RUNS: u32 = 10;

fn before<K: CursorKey>(page: &PageRequest, wanted: &str) -> Answer<Option<K>> {
    let read = |text: &String| cursor::read(wanted, text).ok_or(ResourceError::Cursor);
    page.cursor.as_ref().filter(|text| !text.is_empty()).map(read).transpose()
}

/// The rows of a page as they are shown, and the cursor of the next one.
fn shown<'p, R, K: CursorKey, T: From<&'p R>>(page: &'p ListPage<R, K>, wanted: &str) -> (Vec<T>, Option<String>) {
    (page.rows.iter().map(T::from).collect(), page.next.as_ref().map(|key| cursor::write(wanted, key)))
}

impl Resources {
    pub async fn events(&self, filter: EventQuery, page: PageRequest) -> Answer<EventPage> {
        let wanted = format!("events {filter:?}");
        let found = self.store.events_page(filter.into(), before(&page, &wanted)?, page.rows).await?;
        let (items, next) = shown(&found, &wanted);
        Ok(EventPage { items, next })
    }

    pub async fn event(&self, id: Uuid) -> Answer<EventDetail> {
        let found = self.store.event_history(EventId(id)).await?;
        found.as_ref().map(EventDetail::from).ok_or_else(|| ResourceError::Missing("such event".to_owned()))
    }

    pub async fn orders(&self, filter: OrderQuery, page: PageRequest) -> Answer<OrderPage> {
        let wanted = format!("orders {filter:?}");
        let found = self.store.orders_page(filter.into(), before(&page, &wanted)?, page.rows).await?;
        let (items, next) = shown(&found, &wanted);
        Ok(OrderPage { items, next })
    }

    pub async fn order(&self, source: &str, number: &str) -> Answer<OrderDetail> {
        let found = self.store.order_history(source, number).await?;
        found.as_ref().map(OrderDetail::from).ok_or_else(|| ResourceError::Missing("such order".to_owned()))
    }

    pub async fn deliveries(&self, filter: DeliveryQuery, page: PageRequest) -> Answer<DeliveryList> {
        let wanted = format!("deliveries {filter:?}");
        let found = self.store.deliveries_page(filter.into(), before(&page, &wanted)?, page.rows).await?;
        let (items, next) = shown(&found, &wanted);
        Ok(DeliveryList { items, next })
    }

    pub async fn delivery(&self, id: Uuid) -> Answer<DeliveryDetail> {
        let missing = || ResourceError::Missing("such delivery".to_owned());
        let history = self.store.delivery_history(DeliveryId(id)).await?.ok_or_else(missing)?;
        let sent = self.store.sent(DeliveryId(id)).await?.ok_or_else(missing)?;
        let (config, now) = (self.config(), self.clock.now());
        let setting = Setting { config: &config, now };
        let kind = history.deliveries.first().and_then(|delivery| setting.kind(&delivery.channel));
        DeliveryDetail::of(&history, sent, kind).ok_or_else(missing)
    }

    pub async fn channels(&self) -> Answer<ChannelList> {
        let (config, now) = (self.config(), self.clock.now());
        let names: Vec<String> = config.channels.keys().cloned().collect();
        let loads = self.store.channel_loads(names.clone()).await?;
        let holds = self.store.holds().await?;
        let setting = Setting { config: &config, now };
        let status = |(name, load): (&String, _)| ChannelStatus::of(name, load, &holds, &setting);
        Ok(ChannelList { items: names.iter().zip(&loads).map(status).collect() })
    }

    pub async fn channel(&self, name: &str) -> Answer<ChannelStatus> {
        let config = self.config();
        let missing = || ResourceError::Missing("such channel in the configuration".to_owned());
        if !config.channels.contains_key(name) {
            return Err(missing());
        }
        let loads = self.store.channel_loads(vec![name.to_owned()]).await?;
        let holds = self.store.holds().await?;
        let setting = Setting { config: &config, now: self.clock.now() };
        Ok(ChannelStatus::of(name, loads.first().ok_or_else(missing)?, &holds, &setting))
    }

    pub async fn sources(&self) -> Answer<SourceList> {
        let routing = self.routing.get();
        let names: Vec<String> = routing.endpoints.keys().cloned().collect();
        let states = self.source_states.get(&*self.store, names, self.clock.now()).await?;
        let status = |((name, endpoint), state): ((&String, _), _)| SourceStatus::of(name, endpoint, state);
        Ok(SourceList { items: routing.endpoints.iter().zip(states).map(status).collect() })
    }

    pub async fn reports(&self) -> Answer<ReportList> {
        let (routing, now) = (self.routing.get(), self.clock.now());
        let mut items = Vec::new();
        for (name, settings) in &routing.reports {
            let mut history = self.store.report_history(name, RUNS).await?;
            let schedule = settings.schedule();
            history.past = reports::not_before_the_first(&*self.store, history.past, &schedule, now).await?;
            items.push(ReportEntry::of(name, settings, &history, now));
        }
        Ok(ReportList { items })
    }

    /// The figures of today so far, over all sources and shops.
    pub async fn today(&self) -> Answer<Arc<Report>> {
        Ok(self.today.get(&*self.store, &self.routing.get(), &self.clock).await?)
    }

    pub async fn notices(&self) -> Answer<NoticeList> {
        let mut incidents = self.store.incidents().await?;
        incidents.sort_by(|one, other| (one.since, &one.topic).cmp(&(other.since, &other.topic)));
        Ok(NoticeList { items: incidents.iter().map(NoticeInForce::from).collect() })
    }

    pub fn configuration(&self) -> ConfigurationDetail {
        ConfigurationDetail::of(&self.routing.get())
    }

    /// Why a message did or did not arrive.
    pub async fn why(&self, asked: String, around: Option<Timestamp>, limit: Option<u32>) -> Answer<Story> {
        let config = self.config();
        let setting = Setting { config: &config, now: self.clock.now() };
        let limit = limit.unwrap_or_else(|| why::usual_limit(&asked));
        let question = Question { asked: asked.clone(), sources: config.sources.clone(), around, limit };
        let story = why::answer(&*self.store, question, &setting).await?.map_err(|none| why_not(&asked, none))?;
        Ok(Story {
            story: Any(why::timeline::json(&story, &config.timezone)),
            text: why::timeline::text(&story, &config.timezone, Verbosity::All),
        })
    }
}

/// Why there is no story.
fn why_not(asked: &str, none: NoStory) -> ResourceError {
    match none {
        NoStory::Unknown => ResourceError::Missing("order, event, delivery, source or report of this name".to_owned()),
        NoStory::IsReport => ResourceError::Senseless(format!("\"{asked}\" is a report: ask for report.{asked}")),
        NoStory::IsChannel => {
            ResourceError::Senseless(format!("\"{asked}\" is a channel: its deliveries are listed by it"))
        }
        NoStory::Several(candidates) => ResourceError::Senseless(why::several(asked, &candidates)),
        NoStory::NotASource => {
            ResourceError::Senseless(format!("a moment goes with a source, and \"{asked}\" is none"))
        }
        NoStory::UnknownReport(_) => ResourceError::Missing("such report, nor was there one".to_owned()),
    }
}
