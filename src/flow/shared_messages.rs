//! Messages that several channels get alike, of one event in one language: composed once, and kept for a moment, because their
//! channels send at about the same time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::tz::TimeZone;

use crate::domain::compose::Composed;
use crate::domain::event::Event;
use crate::domain::message_context::MessageContext;
use crate::domain::order::Order;
use crate::domain::template::fault::ComposeError;
use crate::domain::template::{Audience, Templates};
use crate::store::queue::pending::PendingDelivery;

/// So many messages are kept at most.
const MOST: usize = 64;
/// None whose webhook, or whose text, is larger than this, in bytes.
const MOST_BYTES: usize = 16 * 1024;

/// The messages that were composed last. Cloning shares them.
#[derive(Clone, Default)]
pub struct SharedMessages(Arc<Mutex<VecDeque<Arc<SharedMessage>>>>);

/// One message, from everything that its text depends on.
struct SharedMessage {
    event: Arc<Event>,
    order: Option<Arc<Order>>,
    language: String,
    timezone: TimeZone,
    /// The template by which it is composed, and its files as they are.
    path: String,
    version: String,
    /// Empty where others do not get the same.
    composed: OnceLock<Option<Composed>>,
}

impl SharedMessages {
    /// Composes the message of a delivery, or takes it as it was composed for another channel.
    ///
    /// # Errors
    /// As [`Templates::compose`].
    pub fn compose(
        &self,
        templates: &Templates,
        due: &PendingDelivery,
        view: &MessageContext<'_>,
    ) -> Result<Composed, ComposeError> {
        let chosen = templates.choose(view)?;
        if !due.is_for_several || due.bytes > MOST_BYTES || chosen.is_apart() {
            return templates.compose_by(&chosen, view).map(|(composed, _)| composed);
        }
        let shared = self.of(due, view, chosen.path(), templates.version());
        let mut own = None;
        // Whoever wants the same at the same time waits for it.
        let kept = shared.composed.get_or_init(|| {
            let composed = templates.compose_by(&chosen, view);
            let is_shared = |(composed, audience): &(Composed, Audience)| {
                *audience == Audience::Everyone && composed.markdown.len() <= MOST_BYTES
            };
            let kept =
                composed.as_ref().ok().filter(|composed| is_shared(composed)).map(|(composed, _)| composed.clone());
            own = Some(composed.map(|(composed, _)| composed));
            kept
        });
        match (own, kept) {
            (Some(own), _) => own,
            (None, Some(kept)) => Ok(kept.clone()),
            (None, None) => templates.compose_by(&chosen, view).map(|(composed, _)| composed),
        }
    }

    /// The message that is known of these, or that is known from now on.
    fn of(&self, due: &PendingDelivery, view: &MessageContext<'_>, path: &str, version: &str) -> Arc<SharedMessage> {
        let mut messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |message: &&Arc<SharedMessage>| {
            message.event.id == due.event.id
                && (message.path == path && message.version == version && message.language == view.language)
                && message.timezone == *view.timezone
                && is_same(Some(&message.event), Some(&due.event))
                && is_same(message.order.as_ref(), due.order.as_ref())
        };
        if let Some(known) = messages.iter().rev().find(is_it) {
            return known.clone();
        }
        let message = Arc::new(SharedMessage {
            event: due.event.clone(),
            order: due.order.clone(),
            language: view.language.to_owned(),
            timezone: view.timezone.clone(),
            path: path.to_owned(),
            version: version.to_owned(),
            composed: OnceLock::new(),
        });
        if messages.len() >= MOST {
            messages.pop_front();
        }
        messages.push_back(message.clone());
        message
    }
}

/// Whether two of them say the same; mostly they are the same.
fn is_same<T: PartialEq>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one == other,
        (None, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::compose::plain;
    use crate::domain::event::{DeliveryId, EventId, Kind, SignatureCheck};
    use crate::domain::payload::Data;
    use crate::store::ingest::{Committed, NewDelivery};

    static UTC: TimeZone = TimeZone::UTC;

    fn due(kind: Kind, revision: u64) -> PendingDelivery {
        let event = Event {
            id: EventId(Uuid::from_u128(1)),
            kind,
            source: "s".to_owned(),
            occurred_at: None,
            received_at: jiff::Timestamp::UNIX_EPOCH,
            shop: None,
            order: None,
            data: Data::default(),
            proof: SignatureCheck::Own,
        };
        let order = Order { number: format!("7-{revision}"), revision, ..Order::default() };
        let (event, order) = (Arc::new(event), Some(Arc::new(order)));
        let new = NewDelivery { id: DeliveryId(Uuid::from_u128(2)), channel: "a".to_owned(), urgent: true };
        let deliveries = vec![new.clone(), NewDelivery { channel: "b".to_owned(), ..new.clone() }];
        PendingDelivery::fresh(&new, &Committed { seq: 1, event, order, deliveries, bytes: 300 })
    }

    fn view<'a>(due: &'a PendingDelivery, language: &'a str, channel: &'a str) -> MessageContext<'a> {
        let (event, order) = (&*due.event, due.order.as_deref());
        MessageContext { event, order, language, timezone: &UTC, channel, channel_kind: "webhook" }
    }

    #[test]
    fn what_was_composed_for_one_channel_is_not_composed_again_for_another() {
        let (shared, templates) = (SharedMessages::default(), Templates::built_in().unwrap());
        let compose = |due: &PendingDelivery, language, channel| {
            shared.compose(&templates, due, &view(due, language, channel)).unwrap()
        };
        let first = compose(&due(Kind::OrderPlaced, 1), "en", "a");
        let due_to_b = due(Kind::OrderPlaced, 1);
        assert_eq!(compose(&due_to_b, "en", "b"), first);
        assert_eq!(shared.0.lock().unwrap().len(), 1);
        // Whatever stands there is taken.
        let marked = plain(&view(&due_to_b, "ar", "b"));
        let mut messages = shared.0.lock().unwrap();
        Arc::get_mut(&mut messages[0]).unwrap().composed = OnceLock::from(Some(marked.clone()));
        drop(messages);
        assert_eq!(compose(&due_to_b, "en", "b"), marked);
        // Another language, and the order as it stands later.
        assert_ne!(compose(&due_to_b, "zh-CN", "b"), first);
        assert!(compose(&due(Kind::OrderPlaced, 2), "en", "b").title.contains("7-2"));
    }

    #[test]
    fn a_message_that_names_its_channel_is_composed_for_each() {
        let (shared, templates) = (SharedMessages::default(), Templates::built_in().unwrap());
        let due = due(Kind::Test, 1);
        for channel in ["kitchen", "erp"] {
            let composed = shared.compose(&templates, &due, &view(&due, "en", channel)).unwrap();
            assert!(composed.markdown.contains(channel), "{}", composed.markdown);
        }
    }

    #[test]
    fn so_many_are_kept_and_none_that_is_large() {
        let (shared, templates) = (SharedMessages::default(), Templates::built_in().unwrap());
        for revision in 0..2 * MOST as u64 {
            let due = due(Kind::OrderPlaced, revision);
            shared.compose(&templates, &due, &view(&due, "en", "a")).unwrap();
        }
        assert_eq!(shared.0.lock().unwrap().len(), MOST);
        let large = PendingDelivery { bytes: MOST_BYTES + 1, ..due(Kind::OrderPlaced, 1000) };
        shared.compose(&templates, &large, &view(&large, "en", "a")).unwrap();
        let messages = shared.0.lock().unwrap();
        assert!(messages.iter().all(|message| message.order.as_ref().is_some_and(|order| order.revision < 1000)));
    }
}
