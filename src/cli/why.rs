//! `orderbell why`: why a message did or did not arrive, from the beginning.

mod delivery;
mod event;
pub mod meaning;
mod next;
mod report;
pub mod setting;
pub mod source;
mod step;
mod summary;
pub mod timeline;

use std::path::Path;

use clap::Args;
use jiff::Timestamp;

use crate::cli::failure::Failure;
use crate::cli::output::OutputFormat;
use crate::cli::why::setting::Setting;
use crate::cli::why::timeline::{TimelineEntry, TimelineSection, Verbosity};
use crate::cli::{moment, output, store};
use crate::config::context::SecretReading;
use crate::domain::text::narrow;
use crate::flow::reports;
use crate::in_force;
use crate::store::history::found::{FoundHistory, HistoryAnswer, IdMatch, Question};

/// So many refused webhooks of a source are shown unless another number is asked for.
const REFUSED: u32 = 20;
/// And so many of a report's runs, each with its deliveries.
const REPORTS: u32 = 3;

#[derive(Args)]
pub struct Why {
    /// An order by its number or short number, an event or a delivery by its id, as far as `orderbell deliveries` shows it, a
    /// source, or a report such as `report.daily`
    #[arg(value_name = "ORDER|EVENT|DELIVERY|SOURCE|REPORT")]
    asked: String,
    /// Of a source: the refused webhooks around this time, such as "2026-11-22 19:54", instead of the newest
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Of a source: so many refused webhooks at most, 20 where absent. Of a report: so many of those that were made, 3
    /// where absent
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Also the routes that did not apply, each with its reason
    #[arg(long)]
    all: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

pub(super) async fn run(why: Why, file: &Path) -> Result<(), Failure> {
    let part = in_force::parts(file, SecretReading::Read).map_err(Failure::Configuration)?;
    let setting = Setting { part: &part, now: Timestamp::now() };
    let around = why.at.as_deref().map(|text| moment::at(text, &part.timezone.zone, setting.now)).transpose()?;
    let reader = store::open(&part).await?;
    let (asked, sources) = (narrow(&why.asked), part.source_names());
    let usual = if asked.starts_with("report.") { REPORTS } else { REFUSED };
    let question = Question { asked, sources, around, limit: why.limit.unwrap_or(usual) };
    let mut history = reader.history(question).await.map_err(store::failed)?;
    if let HistoryAnswer::Report(found) = &mut history.found
        && let Some(report) = part.reports().and_then(|reports| reports.get(&found.report).copied())
    {
        let schedule = report.schedule();
        let past = reports::not_before_the_first(&*reader, found.past, &schedule, setting.now);
        found.past = past.await.map_err(store::failed)?;
    }
    let story = match &history.found {
        HistoryAnswer::Nothing if part.reports().is_some_and(|reports| reports.contains_key(&why.asked)) => {
            let asked = &why.asked;
            return Err(Failure::Failed(format!("\"{asked}\" is a report: ask for `orderbell why report.{asked}`")));
        }
        HistoryAnswer::Nothing if setting.has(&why.asked) => {
            let asked = &why.asked;
            let what = format!("`orderbell deliveries --channel {asked}` lists its messages");
            return Err(Failure::Failed(format!("\"{asked}\" is a channel: {what}")));
        }
        HistoryAnswer::Nothing => return Err(Failure::Failed(unknown(&why.asked))),
        HistoryAnswer::Several(candidates) => return Err(Failure::Failed(several(&why.asked, candidates))),
        HistoryAnswer::Orders { .. }
        | HistoryAnswer::Event(_)
        | HistoryAnswer::Delivery(_)
        | HistoryAnswer::Report(_)
            if why.at.is_some() =>
        {
            return Err(Failure::Misused(format!("--at goes with a source, and \"{}\" is none", why.asked)));
        }
        HistoryAnswer::Report(found) if report::is_unknown(found, &part) => {
            return Err(Failure::Failed(report::unknown(&found.report, &part)));
        }
        _ => story(&history, &setting),
    };
    let extent = if why.all { Verbosity::All } else { Verbosity::Brief };
    match why.format {
        OutputFormat::Text => output::print(timeline::text(&story, &part.timezone, extent)),
        OutputFormat::Json => output::line(timeline::json(&story, &part.timezone)),
    }
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

fn unknown(asked: &str) -> String {
    format!(
        "there is no order, event, delivery, source or report \"{asked}\"\na webhook that was refused makes no event: `orderbell why SOURCE` lists those; and one that never came is known to nobody"
    )
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
