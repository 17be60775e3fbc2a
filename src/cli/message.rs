//! A message made by a command as the daemon makes it: the same templates, the same pictures, the same writer.

use std::fmt::Display;
use std::path::Path;

use crate::cli::failure::Failure;
use crate::cli::{configuration, output};
use crate::config::configured::ConfiguredChannel;
use crate::config::parts::Parts;
use crate::diagnostic::suggest;
use crate::domain::event::{DeliveryId, Event};
use crate::domain::message::Part;
use crate::domain::order::Order;
use crate::domain::template::Templates;
use crate::domain::template::fault::TemplateErrors;
use crate::flow::render::unsent::{UnsentMessage, UnsentParts};
use crate::render;
use crate::render::Isolation;
use crate::template_check::folder;
use crate::template_check::folder::FolderContent;

/// The merchant's templates before the built-in ones. As in the daemon, a built-in one stands in for each that cannot be
/// used; which those are is said on standard error.
pub fn templates(folder: Option<&Path>) -> Result<Templates, Failure> {
    let content = folder.map(folder::content).unwrap_or_else(|| Ok(FolderContent::default()));
    let content = content.unwrap_or_else(|error| FolderContent { unusable: vec![error], ..FolderContent::default() });
    let said = |error: &dyn Display| output::complain(format_args!("warning: {error}; built-in words stand in\n"));
    content.unusable.iter().for_each(|error| said(error));
    let mut overlay = content.sources;
    loop {
        let TemplateErrors(errors) = match render::parsed(&overlay, &Isolation::of_this_program()) {
            Ok(templates) => return Ok(templates),
            Err(errors) => errors,
        };
        errors.iter().for_each(|error| said(error));
        let before = overlay.len();
        overlay.retain(|path, _| !errors.iter().any(|error| error.template == *path));
        if overlay.len() == before {
            return Err(Failure::Failed(TemplateErrors(errors).to_string()));
        }
    }
}

/// The channel of this name.
pub fn channel<'a>(part: &'a Parts, name: &str) -> Result<&'a ConfiguredChannel, Failure> {
    let channel = part.channel(name).map_err(Failure::Configuration)?;
    channel.ok_or_else(|| configuration::unknown("channel", name, part.channel_names()))
}

/// As [`channel`], also where its secrets cannot be read.
pub fn written_channel<'a>(part: &'a Parts, name: &str) -> Result<&'a ConfiguredChannel, Failure> {
    let channel = part.channels.get(name).and_then(|known| known.channel.as_ref());
    channel.ok_or_else(|| configuration::unknown("channel", name, part.channel_names()))
}

/// Whether there are templates in a language.
///
/// # Errors
/// [`Failure::Misused`], with the language that was probably meant, or those that there are.
pub fn check_language(templates: &Templates, language: &str) -> Result<(), Failure> {
    let known = templates.languages();
    match known.iter().any(|known| known == language) {
        true => Ok(()),
        false => {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let help = suggest::language(language, &known);
            Err(Failure::Misused(format!("there are no templates in \"{language}\"; {help}")))
        }
    }
}

/// The parts in which a channel would send an event, and the id of the delivery, which nothing else has; with the orders of a
/// report as a table, where there is one. A template that fails is said on standard error, and the plain form stands in for it,
/// as in the daemon.
pub fn write(
    templates: &Templates,
    name: &str,
    channel: &ConfiguredChannel,
    language: &str,
    event: &Event,
    order: Option<&Order>,
    table: Option<&str>,
) -> (DeliveryId, Vec<Part>) {
    let (channel, timezone) = ((name, channel.way.channel()), &channel.settings.timezone.zone);
    let message = UnsentMessage { templates, channel, language, timezone, event, order, table };
    let UnsentParts { delivery, parts, failures, undrawn } = message.written();
    let failures = failures.iter().map(|error| format!("{error}; the plain form goes out instead"));
    for failure in failures.chain(undrawn) {
        output::complain(format_args!("warning: {failure}\n"));
    }
    (delivery, parts)
}
