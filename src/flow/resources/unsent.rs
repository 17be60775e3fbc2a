//! A message that somebody looks at before it is sent, or without: composed in a process of its own where it is a merchant's, never by
//! what the daemon composes its messages with, so that no look keeps a message back.

use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::domain::compose;
use crate::domain::message_context::MessageContext;
use crate::domain::preview::{Preview, PreviewContent, markdown};
use crate::domain::scene::Scene;
use crate::domain::template::Templates;
use crate::domain::template::fault::{ComposeError, TemplateErrors};
use crate::flow::render::unsent::UnsentMessage;
use crate::flow::resources::preview::{PartPreview, of_composed};
use crate::flow::resources::turns::Turn;
use crate::flow::resources::{ResourceError, Resources};
use crate::flow::routing::RoutingSnapshot;
use crate::render;

/// As large as a file of the merchant's folder may be.
const LONGEST_BYTES: usize = 256 * 1024;

/// What is looked at.
pub struct LookRequest {
    pub scene: Scene,
    /// The orders of a report, where they go along.
    pub table: Option<String>,
    pub language: String,
    /// As it is written, and no channel's dialect, where absent.
    pub channel: Option<String>,
}

/// A text in the place of a template's, by one who may try one.
pub struct TemplateDraft {
    source: String,
    _turn: Turn,
    _permit: OwnedSemaphorePermit,
}

impl TemplateDraft {
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// A message as its reader would see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShownMessage {
    /// The template that it is made of, below the folder of templates.
    pub template: String,
    /// In its plain form where the template fails.
    pub parts: Vec<PartPreview>,
    /// Why the template fails.
    pub failure: Option<ComposeError>,
    /// What it asks for that is not there, where it does not fail by that.
    pub doubt: Option<ComposeError>,
    /// Why there is no picture.
    pub undrawn: Option<String>,
}

impl Resources {
    /// Lets somebody try a template: one at a time each, and few in all.
    pub(super) fn draft(&self, caller: &str, source: String) -> Result<TemplateDraft, ResourceError> {
        if source.len() > LONGEST_BYTES {
            return Err(ResourceError::Senseless(format!("a template has at most {} KiB", LONGEST_BYTES / 1024)));
        }
        let busy = |who: &str| ResourceError::Busy(format!("{who} just now: wait for that, and try it again"));
        let turn = self.trying.take(caller).ok_or_else(|| busy("you try another template"))?;
        let permit = self.trials.clone().try_acquire_owned().map_err(|_| busy("others try templates"))?;
        // Browsers end the lines of a form in their own way.
        Ok(TemplateDraft { source: source.replace("\r\n", "\n"), _turn: turn, _permit: permit })
    }

    /// Composes what is looked at; with a text in the place of the file of this path, where something is tried.
    pub(super) async fn looked_at(
        &self,
        look: LookRequest,
        draft: Option<(String, TemplateDraft)>,
    ) -> Result<ShownMessage, ResourceError> {
        let (templates, routing) = (self.templates.get(), self.routing.get());
        let is_apart =
            draft.is_none() && templates.choose(&look.context(&routing)).is_ok_and(|chosen| chosen.is_apart());
        // It is never closed.
        let waited = if is_apart { self.trials.clone().acquire_owned().await.ok() } else { None };
        let work = move || {
            let _permit = waited;
            let mut overlay = templates.overlay().clone();
            let tried = match &draft {
                Some((path, draft)) => {
                    overlay.insert(path.clone(), draft.source.clone());
                    render::trial(&overlay, &routing.own_templates.isolation)
                }
                None if is_apart => render::trial(&overlay, &routing.own_templates.isolation),
                None => Ok(Templates::clone(&templates)),
            };
            let shown = match tried {
                Ok(templates) => look.shown(&templates, &routing),
                Err(TemplateErrors(errors)) => look.failed(errors, &templates, &routing),
            };
            drop(draft);
            shown
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| ResourceError::internal())
    }
}

impl LookRequest {
    fn context<'a>(&'a self, routing: &'a RoutingSnapshot) -> MessageContext<'a> {
        let writer = self.channel.as_ref().and_then(|name| routing.writers.get(name));
        MessageContext {
            event: &self.scene.event,
            order: self.scene.order.as_ref(),
            language: &self.language,
            timezone: &writer.map_or(&routing.summary.timezone, |writer| &writer.timezone).zone,
            channel: self.channel.as_deref().unwrap_or_default(),
            channel_kind: writer.map_or("", |writer| writer.channel.kind()),
        }
    }

    fn shown(&self, templates: &Templates, routing: &RoutingSnapshot) -> ShownMessage {
        let context = self.context(routing);
        let template = templates.choose(&context).map(|chosen| chosen.path().to_owned());
        let (parts, failure, undrawn) = match self.channel.as_ref().and_then(|name| routing.writers.get(name)) {
            Some(writer) => {
                let written = UnsentMessage {
                    templates,
                    channel: (context.channel, writer.channel.as_ref()),
                    language: &self.language,
                    timezone: context.timezone,
                    event: &self.scene.event,
                    order: self.scene.order.as_ref(),
                    table: self.table.as_deref(),
                }
                .written();
                (of_composed(&written.parts), written.failures.into_iter().next(), written.undrawn)
            }
            None => {
                let composed = templates.compose(&context);
                let failure = composed.as_ref().err().cloned();
                let composed = composed.unwrap_or_else(|_| compose::plain(&context));
                let content = PreviewContent::Html(markdown::html(&composed.markdown));
                let preview = Preview { title: Some(composed.title), ..Preview::of(content) };
                (vec![PartPreview { parts: vec![1], form: "full".to_owned(), preview }], failure, None)
            }
        };
        let strict = || templates.clone().strict().compose(&context).err();
        let doubt = if failure.is_none() { strict() } else { None };
        ShownMessage { template: template.unwrap_or_default(), parts, failure, doubt, undrawn }
    }

    /// Where the files cannot be parsed.
    fn failed(&self, errors: Vec<ComposeError>, in_force: &Templates, routing: &RoutingSnapshot) -> ShownMessage {
        let template = in_force.choose(&self.context(routing)).map(|chosen| chosen.path().to_owned());
        let failure = errors.into_iter().next();
        ShownMessage { template: template.unwrap_or_default(), parts: Vec::new(), failure, doubt: None, undrawn: None }
    }
}
