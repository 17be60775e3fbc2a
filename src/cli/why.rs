//! `orderbell why`: why a message did or did not arrive, told from the beginning.

mod delivery;
mod event;
pub mod meaning;
mod next;
mod report;
pub mod setting;
pub mod source;
mod step;
pub mod timeline;

use std::path::Path;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;

use crate::app;
use crate::cli::why::setting::Setting;
use crate::cli::why::timeline::{TimelineEntry, TimelineSection};
use crate::cli::{Failure, Format, output, store};
use crate::config::{SecretReading, parts};
use crate::flow::reports;
use crate::store::history::{History, HistoryAnswer, IdMatch, Question};
use crate::store::sqlite::read::Reader;

/// So many refused webhooks of a source are shown unless another number is asked for.
const REFUSED: u32 = 20;
/// And so many of a report's runs, each with its deliveries.
const REPORTS: u32 = 3;

#[derive(Args)]
pub struct Why {
    /// An order by its number or short number, an event or a delivery by its id or the first 8
    /// digits of it or more, a source, or a report such as `report.daily`
    #[arg(value_name = "ORDER|EVENT|DELIVERY|SOURCE|REPORT")]
    asked: String,
    /// Of a source: the refused webhooks around this time, such as "2026-11-22 19:54", instead of the newest
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Of a source: so many refused webhooks at most, 20 where absent. Of a report: so many of those that were made, 3
    /// where absent
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) async fn run(why: Why, file: &Path) -> Result<(), Failure> {
    let part = parts::read(file, SecretReading::Read).map_err(Failure::Configuration)?;
    let setting = Setting { part: &part, now: Timestamp::now() };
    let around = why.at.as_deref().map(|text| moment(text, &part.timezone.zone, setting.now)).transpose()?;
    let reader = Reader::open(store::path(part.store().map_err(Failure::Configuration)?)?).map_err(store::failed)?;
    let (asked, sources) = (why.asked.clone(), part.source_names());
    let usual = if asked.starts_with("report.") { REPORTS } else { REFUSED };
    let question = Question { asked, sources, around, limit: why.limit.unwrap_or(usual) };
    let mut history = reader.history(question).await.map_err(store::failed)?;
    if let HistoryAnswer::Report(found) = &mut history.found
        && let Some(report) = part.reports().and_then(|reports| reports.get(&found.report).copied())
    {
        let schedule = app::setup::plan(report).schedule;
        let past = reports::not_before_the_first(&reader, found.past, &schedule, setting.now);
        found.past = past.await.map_err(store::failed)?;
    }
    let story = match &history.found {
        HistoryAnswer::Nothing if part.reports().is_some_and(|reports| reports.contains_key(&why.asked)) => {
            let asked = &why.asked;
            return Err(Failure::Failed(format!("\"{asked}\" is a report: ask for `orderbell why report.{asked}`")));
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
    match why.format {
        Format::Text => output::print(timeline::text(&story, &part.timezone)),
        Format::Json => output::line(timeline::json(&story, &part.timezone)),
    }
}

/// The story of what was found. Pure: the same history gives the same story.
pub fn story(history: &History, setting: &Setting<'_>) -> Vec<TimelineSection> {
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
        "there is no order, event, delivery or source \"{asked}\"\na webhook that was refused makes no event: `orderbell why SOURCE` lists those; and one that never came is known to nobody"
    )
}

fn several(asked: &str, candidates: &[IdMatch]) -> String {
    let row = |candidate: &IdMatch| {
        let IdMatch { id, kind, order, channel } = candidate;
        let order = order.as_ref().map(|order| format!(" {order}")).unwrap_or_default();
        match channel {
            Some(channel) => format!("\n{id}  delivery of {kind}{order} to {channel}"),
            None => format!("\n{id}  event {kind}{order}"),
        }
    };
    let rows: String = candidates.iter().map(row).collect();
    format!("several ids begin with \"{asked}\"; write more of one of these:{rows}")
}

/// A moment as people write it: with its offset, or in the zone; a time alone is today's.
fn moment(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, Failure> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let today = now.to_zoned(zone.clone()).date();
    let local = text.parse::<DateTime>().or_else(|_| text.parse::<Time>().map(|time| today.to_datetime(time)));
    let at = local.ok().and_then(|local| local.to_zoned(zone.clone()).ok()).map(|zoned| zoned.timestamp());
    at.ok_or_else(|| {
        Failure::Misused(format!("\"{text}\" is no time; write it like \"2026-11-22 19:54\", or \"19:54\" for today"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_people_write_it() {
        let zone = TimeZone::get("Asia/Hong_Kong").unwrap();
        let now: Timestamp = "2026-11-22T20:00:00Z".parse().unwrap();
        for (text, at) in [
            ("2026-11-22 19:54", "2026-11-22T11:54:00Z"),
            ("2026-11-22T19:54:08", "2026-11-22T11:54:08Z"),
            ("2026-11-22T19:54:08Z", "2026-11-22T19:54:08Z"),
            ("2026-11-22T19:54:08+09:00", "2026-11-22T10:54:08Z"),
            ("2026-11-22", "2026-11-21T16:00:00Z"),
            // In Hong Kong it is the 23rd already.
            ("01:30", "2026-11-22T17:30:00Z"),
        ] {
            let read = moment(text, &zone, now).ok().map(|at| at.to_string());
            assert_eq!(read.as_deref(), Some(at), "{text}");
        }
        assert!(matches!(moment("yesterday", &zone, now), Err(Failure::Misused(_))));
    }
}
