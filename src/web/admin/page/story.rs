//! A story as a template shows it: sections within sections, each with its sentences. What is known in the reader's language
//! stands in that; the rest is English, and marked as such.

use minijinja::{Value, context};

use crate::domain::{local_time, remedy};
use crate::flow::why::timeline::{TimelineEntry, TimelineSection};
use crate::web::admin::page::meaning::meaning;
use crate::web::admin::page::reader::Reader;

/// Sections, for `story.html`.
pub fn sections(sections: &[TimelineSection], reader: &Reader) -> Vec<Value> {
    sections.iter().map(|one| section(one, reader)).collect()
}

fn section(section: &TimelineSection, reader: &Reader) -> Value {
    let fact = |name| section.facts.get(name).and_then(|fact| fact.as_str());
    let (asides, lines): (Vec<_>, Vec<_>) = section.lines.iter().partition(|entry| entry.is_aside);
    let entries = |entries: Vec<&TimelineEntry>| entries.into_iter().map(|one| entry(one, reader)).collect::<Vec<_>>();
    context! {
        list => section.list,
        id => fact("id"),
        heading => section.heading.as_str(),
        summary => section.summary.as_deref(),
        lines => entries(lines),
        asides => entries(asides),
        chapters => sections(&section.chapters, reader),
        end => entries(section.end.iter().collect()),
    }
}

fn entry(entry: &TimelineEntry, reader: &Reader) -> Value {
    let (cause, change) = (entry.cause.as_deref(), entry.change.as_deref());
    let answer = entry.answer.as_ref().map(|answer| match reader.words() {
        Some(words) => remedy::localized(answer, words).into_owned(),
        None => answer.clone(),
    });
    context! {
        at => entry.at.map(|at| at.to_string()),
        shown_at => entry.at.map(|at| local_time::second(at, &reader.zone.zone)),
        says => entry.says.as_str(),
        answer => answer,
        // The same as at the line before need not be read twice.
        meaning => (!entry.is_known).then(|| meaning(reader, cause, change)).flatten(),
        change => change.filter(|_| cause.is_none()),
    }
}
