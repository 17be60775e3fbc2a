//! What goes to a channel: the composed message, and the parts that it is sent in.

use std::sync::Arc;

use serde::Serialize;
use serde_with::skip_serializing_none;

use crate::domain::document::lazy::LazyDocument;
use crate::domain::event::{DeliveryId, Event};
use crate::domain::order::{Order, OrderLine, OrderState};
use crate::domain::payload::Data;
use crate::domain::unreadable;

/// A composed message: everything that a channel needs to write it in its own dialect.
#[derive(Clone, Debug)]
pub struct Message {
    pub delivery: DeliveryId,
    /// How often a person asked for it once more, or it was made anew after the digest that carried it died.
    pub round: u32,
    pub event: Arc<Event>,
    /// The order as it stands at the time of composing.
    pub order: Option<Arc<Order>>,
    /// The first heading, as plain text.
    pub title: String,
    /// The whole message in Markdown, in the channel's language, values escaped.
    pub markdown: String,
    /// The same, read into blocks.
    pub document: LazyDocument,
    pub enclosed: Attachments,
}

/// What goes along with a message, where the channel can.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachments {
    /// The picture of a report, a PNG; in the document its address is [`crate::domain::document::PICTURE`].
    pub picture: Option<Arc<[u8]>>,
    /// The same for readers in the dark, where the channel can show both.
    pub dark_picture: Option<Arc<[u8]>>,
    pub table: Option<TableFile>,
}

/// A table as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFile {
    pub file: String,
    /// CSV.
    pub content: String,
}

/// In which form a part is written. Each form but the first has an idempotency key of its own, because its bytes differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PartForm {
    /// As composed.
    #[default]
    Full,
    /// Without free text, links and pictures, after the receiver refused the content.
    Reduced,
    /// Composed within half of what was refused, after the provider found it too long that many times; where it is not known
    /// what was refused, within the provider's limit that many times halved.
    Halved(u8),
}

/// One request's worth of a message: the exact bytes, kept with the delivery so that a retry sends the same. Only where the
/// receiver knows no keys does a repeat differ: by the mark that it may be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 0.
    pub index: u16,
    pub form: PartForm,
    pub body: String,
}

/// The idempotency key of a part, the same in every attempt: made of delivery, round, part and form. A receiver that
/// remembers the keys of an earlier round would keep silent about a message that a person has asked for once more.
pub fn idempotency_key(delivery: DeliveryId, round: u32, index: u16, form: PartForm) -> String {
    let round = if round == 0 { String::new() } else { format!("-again{round}") };
    let part = if index == 0 { String::new() } else { format!("-{}", index + 1) };
    let form = match form {
        PartForm::Full => String::new(),
        PartForm::Reduced => "-reduced".to_owned(),
        PartForm::Halved(times) => format!("-halved{times}"),
    };
    format!("{delivery}{round}{part}{form}")
}

/// The JSON object of the WebHook channel: the contract, one object per event. A key is absent when unknown.
#[skip_serializing_none]
#[derive(Serialize)]
pub struct EventJson<'a> {
    pub id: String,
    pub kind: String,
    pub source: &'a str,
    pub occurred_at: Option<String>,
    pub received_at: String,
    pub shop: Option<&'a crate::domain::shop::Shop>,
    pub order: Option<OrderJson<'a>>,
    pub data: &'a Data,
    pub title: &'a str,
    pub text: &'a str,
}

/// The order as receivers of the WebHook channel see it.
#[skip_serializing_none]
#[derive(Serialize)]
pub struct OrderJson<'a> {
    pub number: &'a str,
    pub short_number: Option<&'a str>,
    pub state: OrderState,
    pub revision: u64,
    pub placed_at: Option<String>,
    pub total: Option<&'a crate::domain::money::Money>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub total_is_approximate: bool,
    #[serde(skip_serializing_if = "<[OrderLine]>::is_empty")]
    pub lines: &'a [OrderLine],
    /// JSON pointers into the order: what came and could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
}

impl Message {
    /// Whom it is about: the shop by its name, else the source.
    pub fn place(&self) -> &str {
        let shop = self.order.as_ref().and_then(|order| order.shop.as_ref()).or(self.event.shop.as_ref());
        shop.map_or(&self.event.source, |shop| shop.name.as_ref().unwrap_or(&shop.id))
    }

    /// The message as the JSON of the WebHook channel. Times are UTC with milliseconds.
    pub fn json(&self) -> EventJson<'_> {
        let event = &self.event;
        EventJson {
            id: event.id.to_string(),
            kind: event.kind.to_string(),
            source: &event.source,
            occurred_at: event.occurred_at.map(milliseconds),
            received_at: milliseconds(event.received_at),
            shop: self.order.as_ref().and_then(|order| order.shop.as_ref()).or(event.shop.as_ref()),
            order: self.order.as_ref().map(|order| OrderJson {
                number: &order.number,
                short_number: order.short_number.as_deref(),
                state: order.state,
                revision: order.revision,
                placed_at: order.placed_at.map(milliseconds),
                total: order.total.as_ref(),
                total_is_approximate: order.total_is_approximate,
                lines: &order.lines,
                unreadable: unreadable::shown(Some(order), event),
            }),
            data: &event.data,
            title: &self.title,
            text: &self.markdown,
        }
    }
}

/// `2025-06-04T03:35:38.025Z`: always three decimals, so that receivers may compare texts.
fn milliseconds(at: jiff::Timestamp) -> String {
    format!("{at:.3}")
}
