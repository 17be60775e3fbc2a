//! Whether a merchant's templates do what they should: each is rendered with every sample of every source, for every channel
//! in every language, and so is each built-in one, which may bring theirs in. Without any there is nothing to try.

pub mod folder;
mod hiding;
mod languages;
pub mod overlay;
pub mod scope;
mod words;

use std::collections::BTreeSet;

use jiff::tz::TimeZone;

use crate::diagnostic::collect::Diagnostics;
use crate::diagnostic::{Diagnostic, Severity};
use crate::domain::event::Kind;
use crate::domain::message_context::MessageContext;
use crate::domain::scene::Scene;
use crate::domain::template::Templates;
use crate::domain::template::fault::{ComposeError, TemplateFault};
use crate::domain::{scene, template};
use crate::platform::kinds::Source;
use crate::platform::scenes;
use crate::template_check::overlay::Overlay;
use crate::template_check::scope::CheckScope;

/// Where a message could go.
#[derive(Clone, Copy)]
struct Stage<'a> {
    channel: &'a str,
    kind: &'a str,
    timezone: &'a TimeZone,
}

/// A mistake, and the first kind of event with which it showed.
struct Failure {
    severity: Severity,
    error: ComposeError,
    kind: Kind,
}

/// Renders everything that could be compiled, and reports each mistake once.
pub fn check(scope: &CheckScope<'_>, overlay: &Overlay, problems: &Diagnostics<'_>) {
    let stages = stages(scope);
    let endings: BTreeSet<&str> = stages.iter().flat_map(|stage| [stage.channel, stage.kind]).collect();
    let endings: Vec<&str> = endings.into_iter().filter(|ending| !ending.is_empty()).collect();
    let own = scope.channels.iter().filter_map(|channel| channel.language);
    let used: BTreeSet<&str> = own.chain([scope.language]).collect();
    let used: Vec<&str> = used.into_iter().collect();
    problems.of_templates(overlay.unused(&endings, scope.reports, &used));
    problems.of_templates(languages::notes(overlay, &used));
    if overlay.files().is_empty() {
        return;
    }
    let hidden = hiding::hidden(overlay.files(), scope).into_iter();
    problems.of_templates(hidden.map(|(path, said)| overlay.warning(path, said)).collect::<Vec<_>>());
    // The templates as the daemon uses them, and the same ones without any tolerance.
    if let Some(lenient) = overlay.working() {
        problems.of_templates(failures(&scenes(scope), &stages, overlay, &lenient));
    }
}

fn failures(scenes: &[Scene], stages: &[Stage<'_>], overlay: &Overlay, lenient: &Templates) -> Vec<Diagnostic> {
    let strict = lenient.clone().strict();
    let languages = strict.languages();
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut failures: Vec<Failure> = Vec::new();
    for scene in scenes {
        let event = &scene.event;
        for stage in stages {
            for language in &languages {
                let view = MessageContext {
                    event,
                    order: scene.order.as_ref(),
                    language,
                    timezone: stage.timezone,
                    channel: stage.channel,
                    channel_kind: stage.kind,
                };
                names.extend(template::names(&view));
                let Err(error) = strict.compose(&view) else { continue };
                if error.fault == TemplateFault::Unavailable {
                    continue;
                }
                let severity = if lenient.compose(&view).is_err() { Severity::Error } else { Severity::Warning };
                match failures.iter_mut().find(|known| known.error == error) {
                    Some(known) => known.severity = known.severity.min(severity),
                    None => failures.push(Failure { severity, error, kind: event.kind.clone() }),
                }
            }
        }
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    failures.sort_by(|a, b| (&a.error.template, a.error.line).cmp(&(&b.error.template, b.error.line)));
    let problem = |failure: &Failure| overlay.failure(failure.severity, &failure.error, &failure.kind, &names);
    failures.iter().map(problem).collect()
}

/// Every channel, and each kind of channel for the templates that are written for a kind.
fn stages<'a>(scope: &CheckScope<'a>) -> Vec<Stage<'a>> {
    let channels = scope.channels.iter();
    let channels =
        channels.map(|channel| Stage { channel: channel.name, kind: channel.kind, timezone: channel.timezone });
    channels.chain(scope.kinds.iter().map(|kind| Stage { channel: "", kind, timezone: scope.timezone })).collect()
}

/// The samples of every source, and events of our own kinds made by hand.
fn scenes(scope: &CheckScope<'_>) -> Vec<Scene> {
    let of_source = |(name, source): &(&str, &Source)| scenes::of_source(name, source.platform(), scope.currency);
    let mut scenes: Vec<Scene> = scope.sources.iter().flat_map(of_source).collect();
    scenes.extend(scene::own(scope.reports));
    scenes
}
