//! What one platform's samples become, for trying templates: alone, and with the order as it was placed.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::domain::data::OrderChanges;
use crate::domain::event::{Event, Kind};
use crate::domain::money::Money;
use crate::domain::order::{Order, OrderLine};
use crate::domain::scene::{Scene, event, moment};
use crate::domain::{changed, fold};
use crate::platform::{Incoming, Method, Platform, WebhookRequest};

/// What one platform's samples become. Those of an order are shown alone and with the order as it was placed.
pub fn of_source(name: &str, platform: &dyn Platform, currency: &str) -> Vec<Scene> {
    let now = moment(0).unwrap_or_default();
    let address = format!("https://bell.example.com/hooks/{name}");
    let mut events = Vec::new();
    for kind in platform.kinds() {
        for sample in platform.samples(&kind, &address, 1, now) {
            let mut headers = HeaderMap::new();
            for (name, value) in &sample.headers {
                if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                    headers.insert(name, value);
                }
            }
            let (method, headers, body) = (Method::Post, &headers, sample.body.as_slice());
            let request = WebhookRequest { method, query: None, headers, body, address: &address, currency, now };
            if let Ok(Incoming::Webhook(webhook)) = platform.receive(&request) {
                let Scene { event, .. } = event(webhook.kind, name, webhook.data);
                let (shop, order, proof) = (webhook.shop, webhook.order, webhook.signature);
                events.push(Event { occurred_at: webhook.occurred_at, shop, order, proof, ..event });
            }
        }
    }
    let placed = events.iter().find(|event| event.kind == Kind::OrderPlaced).map(|event| fold::merge(None, event));
    let mut scenes = Vec::new();
    for event in events {
        if let (Some(placed), Some(_)) = (&placed, &event.order) {
            let order = Some(fold::merge(Some(placed), &event));
            scenes.push(Scene { event: event.clone(), order });
            scenes.extend(changes(placed, &event));
        }
        scenes.push(Scene { event, order: None });
    }
    scenes
}

/// A message of the whole order once more, after it has changed: a line that is other than it was, one that is new, one that
/// is gone; and after it has changed back.
fn changes(placed: &Order, event: &Event) -> Vec<Scene> {
    let mut event = event.clone();
    let Some(news) = event.order.as_mut().filter(|news| news.as_of.is_some()) else { return Vec::new() };
    let Some(line) = news.lines.first().cloned() else { return Vec::new() };
    let quantity = line.quantity.map_or(2, |quantity| quantity.saturating_add(1));
    let changed = OrderLine { quantity: Some(quantity), note: Some("no peanuts".to_owned()), ..line.clone() };
    let new = OrderLine { name: format!("{} +", line.name), ..line };
    news.lines = vec![changed, new];
    news.total = news.total.as_ref().map(|total| Money::new(total.minor.saturating_add(100), &total.currency));
    let mut scenes = Vec::new();
    for changed in [changed::by(placed, &event), Some(OrderChanges::default())] {
        event.data.changed = changed.map(Box::new);
        let order = Some(fold::merge(Some(placed), &event));
        scenes.push(Scene { event: event.clone(), order });
    }
    scenes
}
