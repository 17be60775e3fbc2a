//! A message made by a command as the daemon makes it: the same templates, the same writer.

use std::path::Path;

use uuid::Uuid;

use crate::cli;
use crate::cli::Failure;
use crate::cli::output;
use crate::config::ConfiguredChannel;
use crate::config::parts::ChannelPart;
use crate::config::template_folder;
use crate::domain::compose;
use crate::domain::compose::View;
use crate::domain::event::DeliveryId;
use crate::domain::event::Event;
use crate::domain::message::Enclosed;
use crate::domain::message::Form;
use crate::domain::message::Message;
use crate::domain::message::Part;
use crate::domain::order::Order;
use crate::domain::template::Templates;

/// The merchant's templates before the built-in ones.
pub fn templates(folder: Option<&Path>) -> Result<Templates, Failure> {
    let failed = |text: String| Failure::Failed(format!("the templates cannot be used: {text}"));
    let overlay = folder.map(template_folder::read).transpose();
    let overlay = overlay.map_err(|error| failed(error.to_string()))?.unwrap_or_default();
    Templates::with_overlay(&overlay).map_err(|error| failed(error.to_string()))
}

/// The channel of this name.
pub fn channel<'a>(part: &'a ChannelPart, name: &str) -> Result<&'a ConfiguredChannel, Failure> {
    part.channels.get(name).ok_or_else(|| cli::unknown("channel", name, part.names.clone()))
}

/// The parts in which a channel would send an event, and the id of the delivery, which nothing else has. A template that fails is
/// said on standard error, and the plain form stands in for it, as in the daemon.
pub fn write(
    templates: &Templates,
    name: &str,
    channel: &ConfiguredChannel,
    language: &str,
    event: &Event,
    order: Option<&Order>,
) -> (DeliveryId, Vec<Part>) {
    let settings = &channel.settings;
    let way = channel.way.channel();
    let view =
        View { event, order, language, timezone: &settings.timezone.zone, channel: name, channel_kind: way.kind() };
    let composed = templates.compose(&view).unwrap_or_else(|error| {
        output::complain(format_args!("warning: {error}; the plain form goes out instead\n"));
        compose::plain(&view)
    });
    let delivery = DeliveryId(Uuid::now_v7());
    let message = Message {
        delivery,
        round: 0,
        event: event.clone(),
        order: order.cloned(),
        title: composed.title,
        markdown: composed.markdown,
        document: composed.document,
        enclosed: Enclosed::default(),
    };
    (delivery, way.write(&message, Form::Full))
}
