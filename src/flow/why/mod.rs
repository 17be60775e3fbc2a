//! Why a message did or did not arrive, from the beginning: the story of an order, an event, a delivery, a source or a report.

mod delivery;
mod event;
pub mod meaning;
mod next;
pub mod report;
pub mod setting;
pub mod source;
mod step;
mod summary;
pub mod timeline;

use crate::flow::reports;
use crate::flow::why::setting::Setting;
use crate::flow::why::timeline::{TimelineEntry, TimelineSection};
use crate::store::history::found::{FoundHistory, HistoryAnswer, IdMatch, Question};
use crate::store::{Store, StoreError};

/// Of a source, so many refused webhooks are shown unless another number is asked for.
const REFUSED: u32 = 20;
/// And of a report so many of its runs, each with its deliveries.
const REPORTS: u32 = 3;

/// Why there is no story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoStory {
    /// Nothing is known by this name.
    Unknown,
    /// It is the name of a report, whose story is asked for by its kind.
    IsReport,
    /// It is the name of a channel, which has no story but its deliveries.
    IsChannel,
    /// Several events and deliveries have ids that begin like this.
    Several(Vec<IdMatch>),
    /// A moment was named, which goes with a source alone.
    NotASource,
    /// Neither the configuration nor the store knows a report of this name.
    UnknownReport(String),
}

/// How much is shown where no number is asked for.
pub fn usual_limit(asked: &str) -> u32 {
    if asked.starts_with("report.") { REPORTS } else { REFUSED }
}

/// Reads what is remembered and makes a story of it, or says why there is none.
///
/// # Errors
/// Those of [`Store::history`](crate::store::history::History::history).
pub async fn answer(
    reader: &dyn Store,
    question: Question,
    setting: &Setting<'_>,
) -> Result<Result<Vec<TimelineSection>, NoStory>, StoreError> {
    let (asked, has_moment) = (question.asked.clone(), question.around.is_some());
    let mut history = reader.history(question).await?;
    if let HistoryAnswer::Report(found) = &mut history.found
        && let Some(report) = setting.config.reports.as_ref().and_then(|reports| reports.get(&found.report))
    {
        found.past = reports::not_before_the_first(reader, found.past, &report.schedule(), setting.now).await?;
    }
    let has_report = |name: &str| setting.config.reports.as_ref().is_some_and(|reports| reports.contains_key(name));
    Ok(Err(match history.found {
        HistoryAnswer::Nothing if has_report(&asked) => NoStory::IsReport,
        HistoryAnswer::Nothing if setting.has(&asked) => NoStory::IsChannel,
        HistoryAnswer::Nothing => NoStory::Unknown,
        HistoryAnswer::Several(candidates) => NoStory::Several(candidates),
        HistoryAnswer::Orders { .. }
        | HistoryAnswer::Event(_)
        | HistoryAnswer::Delivery(_)
        | HistoryAnswer::Report(_)
            if has_moment =>
        {
            NoStory::NotASource
        }
        HistoryAnswer::Report(found) if report::is_unknown(&found, setting.config) => {
            NoStory::UnknownReport(found.report)
        }
        _ => return Ok(Ok(story(&history, setting))),
    }))
}

/// The story of what was found. Pure: the same history gives the same story.
pub fn story(history: &FoundHistory, setting: &Setting<'_>) -> Vec<TimelineSection> {
    match &history.found {
        HistoryAnswer::Nothing | HistoryAnswer::Several(_) => Vec::new(),
        HistoryAnswer::Orders { orders, more } => {
            let mut chapters: Vec<TimelineSection> =
                orders.iter().map(|order| event::of_order(order, history, setting)).collect();
            if let (Some(last), 1..) = (chapters.last_mut(), more) {
                last.end.push(TimelineEntry::says(format!("There are {more} older orders of this short number.")));
            }
            chapters
        }
        HistoryAnswer::Event(event) | HistoryAnswer::Delivery(event) => vec![event::of_event(event, history, setting)],
        HistoryAnswer::Source(source) => vec![source::of_source(source, setting)],
        HistoryAnswer::Report(report) => vec![report::of_report(report, history, setting)],
    }
}

/// That an id may stand for each of these.
pub fn several(asked: &str, candidates: &[IdMatch]) -> String {
    let rows: String = candidates.iter().map(|one| format!("\n{}", candidate(one))).collect();
    format!("several ids begin with \"{asked}\"; write more of one of these:{rows}")
}

/// What an id may stand for, as one line.
pub fn candidate(candidate: &IdMatch) -> String {
    let IdMatch { id, kind, order, channel } = candidate;
    let order = order.as_ref().map(|order| format!(" {order}")).unwrap_or_default();
    match channel {
        Some(channel) => format!("{id}  delivery of {kind}{order} to {channel}"),
        None => format!("{id}  event {kind}{order}"),
    }
}
