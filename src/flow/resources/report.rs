//! Reports as programs see them: when each is sent, those that were made, and the next one.

use jiff::Timestamp;
use poem_openapi::Object;
use poem_openapi::types::Any;
use serde_json::Value;
use uuid::Uuid;

use crate::domain::report::settings::ReportSettings;
use crate::flow::resources::delivery::DeliverySummary;
use crate::flow::resources::moment::Moment;
use crate::flow::why::source::sentence;
use crate::flow::{report_schedule, reports};
use crate::store::history::found::{EventHistory, ReportHistory, RunHistory};

/// A report that was made.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "ReportRun", skip_serializing_if_is_none)]
pub struct MadeReport {
    pub event: Uuid,
    /// The first and the last day that it covers; absent where its event is removed already.
    pub from: Option<String>,
    pub to: Option<String>,
    pub made_at: Option<Moment>,
    /// A person had it sent.
    pub by_hand: bool,
    /// What became of it at each channel; absent where it is removed already, because it is old.
    pub deliveries: Option<Vec<DeliverySummary>>,
}

impl MadeReport {
    fn when_due(run: &RunHistory) -> Self {
        Self {
            event: run.event.0,
            from: Some(run.from.to_string()),
            to: Some(run.to.to_string()),
            made_at: run.made_at.map(Moment),
            by_hand: false,
            deliveries: run.history.as_ref().map(deliveries),
        }
    }

    fn by_hand(history: &EventHistory) -> Self {
        let report = history.event.data.report();
        Self {
            event: history.event.id.0,
            from: report.map(|report| report.from.to_string()),
            to: report.map(|report| report.to.to_string()),
            made_at: Some(Moment(history.event.received_at)),
            by_hand: true,
            deliveries: Some(deliveries(history)),
        }
    }
}

fn deliveries(history: &EventHistory) -> Vec<DeliverySummary> {
    history.deliveries.iter().map(|delivery| DeliverySummary::of(&history.event, delivery)).collect()
}

/// The report that comes next.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct NextReport {
    /// In the past where it is due and not made yet.
    pub due_at: Moment,
    pub from: String,
    pub to: String,
    /// Why none comes today, where one might be waited for.
    pub note: Option<String>,
}

/// A report of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "Report", skip_serializing_if_is_none)]
pub struct ReportEntry {
    pub name: String,
    /// When it is sent, in words.
    pub schedule: String,
    /// The channels that get it.
    pub to: Vec<String>,
    /// IANA name.
    pub timezone: String,
    /// How often it was made when it was due.
    pub made: u64,
    /// The newest of those, and what persons have sent in the last days; the newest first.
    pub past: Vec<MadeReport>,
    pub next: Option<NextReport>,
}

impl ReportEntry {
    pub fn of(name: &str, settings: &ReportSettings, history: &ReportHistory, now: Timestamp) -> Self {
        let schedule = settings.schedule();
        let next = schedule.upcoming(&history.past, now).map(|next| NextReport {
            due_at: Moment(next.due_at),
            from: next.from.to_string(),
            to: next.to.to_string(),
            note: reports::skipped_words(&next, name, &schedule.zone).map(|words| sentence(&words)),
        });
        let runs = history.runs.iter().map(MadeReport::when_due);
        let mut past: Vec<MadeReport> = runs.chain(history.by_hand.iter().map(MadeReport::by_hand)).collect();
        past.sort_by_key(|made| std::cmp::Reverse(made.made_at));
        Self {
            name: name.to_owned(),
            schedule: report_schedule::words(settings),
            to: settings.to.clone(),
            timezone: settings.timezone.name.clone(),
            made: history.count,
            past,
            next,
        }
    }
}

/// All reports of the configuration, by name.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
pub struct ReportList {
    pub items: Vec<ReportEntry>,
}

/// The figures of a day, as `orderbell report NAME --format json` prints them.
#[derive(Clone, Debug, Object)]
pub struct DayReport {
    pub name: String,
    /// The day, in the report's time zone.
    pub day: String,
    pub figures: Any<Value>,
}
