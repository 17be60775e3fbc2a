//! `[operator]`, `[[route]]` and `[report.<name>]`: who is notified of what, and what these tables name.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::globals::Globals;
use crate::config::section::Section;
use crate::config::values;
use crate::diagnostic::ConfigPart;
use crate::diagnostic::collect::Diagnostics;
use crate::domain::condition::Condition;
use crate::domain::event::Kind;
use crate::domain::report::settings::ReportSettings;
use crate::domain::route::{Route, Routes};
use crate::domain::settings::{ReadSettings, SettingsTable};

/// What was read, and every name in it with its place.
#[derive(Default)]
pub struct ReadRoutes {
    pub routes: Option<Routes>,
    /// By name, as far as they could be read.
    pub reports: Vec<(String, Option<ReportSettings>)>,
    pub channels: Vec<Spanned<String>>,
    pub sources: Vec<Spanned<String>>,
    /// Each pattern over kinds, with the sources that its route is limited to.
    pub events: Vec<Pattern>,
    pub report_names: Vec<String>,
    /// The channels of `[operator]`.
    pub operator: Vec<Spanned<String>>,
    pub has_operator: bool,
}

/// A pattern over kinds.
pub struct Pattern {
    pub text: Spanned<String>,
    /// Of all where absent.
    pub sources: Option<Vec<String>>,
}

/// Who is notified when something is wrong with Orderbell itself.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// Channels; other routes reach `operator.notice` only by naming it.
    #[serde(default)]
    #[schemars(example = ["owner"])]
    to: Vec<String>,
}

pub fn read(
    mut operator: Section<'_>,
    rules: Vec<Section<'_>>,
    reports: Vec<(Spanned<String>, Section<'_>)>,
    globals: &Globals,
    problems: &Diagnostics<'_>,
) -> ReadRoutes {
    let mut read = ReadRoutes::default();
    problems.enter(ConfigPart::Rest);
    read.note(&operator);
    read.operator = operator.spanned_texts(&["to"]);
    let to = operator.value(&["to"]).map(|to| to.get_ref());
    read.has_operator = to.is_some_and(|to| to.as_array().is_none_or(|list| !list.is_empty()));
    read.report_names = reports.iter().map(|(name, _)| name.get_ref().clone()).collect();
    let operator = operator.read::<Operator>();
    let routes: Vec<Option<Route>> = rules.into_iter().map(|rule| route(rule, &mut read, problems)).collect();
    let routes: Option<Vec<Route>> = routes.into_iter().collect();
    for (name, section) in reports {
        read.note(&section);
        problems.enter(ConfigPart::Report(name.get_ref().clone()));
        read.reports.push((name.into_inner(), report(section, globals, problems)));
    }
    let to = |(name, report): &(String, Option<ReportSettings>)| Some((name.clone(), report.as_ref()?.to.clone()));
    let reports = read.reports.iter().map(to).collect::<Option<BTreeMap<_, _>>>();
    read.routes = operator.zip(routes).zip(reports).map(|((operator, routes), reports)| Routes {
        operator: operator.to,
        routes,
        reports,
    });
    read
}

impl ReadRoutes {
    /// Every kind that an event may have, as it is written.
    pub fn kinds(&self) -> Vec<String> {
        let reports = self.report_names.iter().map(|name| Kind::Report(name.clone()));
        Kind::ALL.iter().cloned().chain(reports).map(|kind| kind.to_string()).collect()
    }

    /// Keeps the names that a table mentions.
    fn note(&mut self, section: &Section<'_>) {
        self.channels.extend(section.spanned_texts(&["to"]));
        self.sources.extend(section.spanned_texts(&["sources"]));
    }
}

fn route(mut section: Section<'_>, read: &mut ReadRoutes, problems: &Diagnostics<'_>) -> Option<Route> {
    let section = &mut section;
    read.note(section);
    when(section, problems);
    let route: Option<Route> = section.read();
    let sources = route.as_ref().and_then(|route| route.sources.clone());
    let texts = section.spanned_texts(&["events"]).into_iter();
    read.events.extend(texts.map(|text| Pattern { text, sources: sources.clone() }));
    for (key, message, help) in [
        ("events", "this route matches no event", "name kinds, such as events = [\"order.*\"]"),
        ("to", "this route leads nowhere", "name channels, such as to = [\"kitchen\"]"),
        ("sources", "this route matches no source", "leave \"sources\" out for all of them"),
        ("shops", "this route matches no shop", "leave \"shops\" out for all of them"),
    ] {
        empty(section, key, message, help, problems);
    }
    route
}

/// Judges the condition of a route; the caret stands under the part that is wrong.
fn when(section: &mut Section<'_>, problems: &Diagnostics<'_>) {
    let Some(Err(error)) = section.text(&["when"]).map(Condition::parse) else { return };
    let whole = section.at(&["when"]);
    let text = section.text(&["when"]).unwrap_or_default();
    let inner = whole.start + 1..whole.end.saturating_sub(1);
    // Only where it stands there letter by letter, without escapes or several quotes.
    let literal = problems.text().get(inner.clone()).is_some_and(|written| written == text);
    let at = if literal && error.offset < text.len() { inner.start + error.offset..inner.end } else { whole };
    let help = "for example when = \"order.total >= 500 and order.currency == 'HKD'\"";
    problems.error(at, format!("this is no condition: {}", error.message), help);
    section.drop_wrong(&["when"]);
}

fn report(mut section: Section<'_>, globals: &Globals, problems: &Diagnostics<'_>) -> Option<ReportSettings> {
    section.check(&["timezone"], &|name| values::zone(name).map(drop));
    for (key, message, help) in [
        ("to", "this report leads nowhere", "name channels, such as to = [\"owner\"]"),
        ("days", "this report has no day", "leave \"days\" out for every day"),
        ("sources", "this report is of no source", "leave \"sources\" out for all of them"),
        ("shops", "this report is of no shop", "leave \"shops\" out for all of them"),
    ] {
        empty(&section, key, message, help, problems);
    }
    section.inherit("timezone", &globals.timezone.name);
    section.read()
}

/// Complains of an empty list.
fn empty(section: &Section<'_>, key: &str, message: &str, help: &str, problems: &Diagnostics<'_>) {
    let list = section.value(&[key]).and_then(|value| value.get_ref().as_array());
    if list.is_some_and(|list| list.is_empty()) {
        problems.error(section.at(&[key]), message, help);
    }
}
