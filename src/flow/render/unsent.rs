//! A message that is composed to be looked at, and not sent: as the daemon would compose it for a channel now.

use std::convert::Infallible;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::channel::Channel;
use crate::domain::compose;
use crate::domain::compose::Composed;
use crate::domain::event::{DeliveryId, Event};
use crate::domain::message::{Attachments, Message, Part, PartForm};
use crate::domain::message_context::MessageContext;
use crate::domain::order::Order;
use crate::domain::payload::{Data, Payload};
use crate::domain::template::Templates;
use crate::domain::template::fault::ComposeError;
use crate::flow::ids;
use crate::flow::render::report::ReportAudience;

/// What a message is made of.
#[derive(Clone, Copy)]
pub struct UnsentMessage<'a> {
    pub templates: &'a Templates,
    /// The channel, and as the configuration calls it.
    pub channel: (&'a str, &'a dyn Channel),
    pub language: &'a str,
    pub timezone: &'a TimeZone,
    pub event: &'a Event,
    pub order: Option<&'a Order>,
    /// The orders of a report, where they go along.
    pub table: Option<&'a str>,
}

/// The parts in which a channel would send it.
pub struct UnsentParts {
    /// The id of the delivery, which nothing else has.
    pub delivery: DeliveryId,
    pub parts: Vec<Part>,
    /// Why the plain form stands in for the template.
    pub failures: Vec<ComposeError>,
    /// Why there is no picture.
    pub undrawn: Option<String>,
}

impl UnsentMessage<'_> {
    pub fn context(&self) -> MessageContext<'_> {
        let (channel, way) = self.channel;
        let Self { event, order, language, timezone, .. } = *self;
        MessageContext { event, order, language, timezone, channel, channel_kind: way.kind() }
    }

    /// Composes and writes it. A template that fails is no error: the plain form stands in for it, as in the daemon.
    pub fn written(&self) -> UnsentParts {
        let (_, way) = self.channel;
        let delivery = ids::delivery();
        let mut failures: Vec<ComposeError> = Vec::new();
        let mut compose = |event: Event, enclosed: Attachments| {
            let view = MessageContext { event: &event, ..self.context() };
            let composed = self.templates.compose(&view).unwrap_or_else(|error| {
                failures.push(error);
                compose::plain(&view)
            });
            let Composed { title, markdown, document } = composed;
            let (event, order) = (Arc::new(event), self.order.cloned().map(Arc::new));
            way.write(
                &Message { delivery, round: 0, event, order, title, markdown, document, enclosed },
                PartForm::Full,
            )
        };
        let mut undrawn = None;
        let parts = match self.event.data.report() {
            Some(report) => {
                let with = |report, enclosed| {
                    let data = Data { payload: Payload::Report(Box::new(report)), ..self.event.data.clone() };
                    Ok::<_, Infallible>(compose(Event { data, ..self.event.clone() }, enclosed))
                };
                let (language, templates) = (self.language, self.templates);
                let reader = ReportAudience { channel: way, language, templates, form: PartForm::Full };
                reader.written(report, self.table, &mut undrawn, with).unwrap_or_default()
            }
            None => compose(self.event.clone(), Attachments::default()),
        };
        failures.dedup();
        UnsentParts { delivery, parts, failures, undrawn }
    }
}
