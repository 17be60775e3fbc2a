//! The story of a report: when it was due and made, what became of it at each channel, and when it is due next.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::domain::report::calendar::{LATE_AFTER, Schedule};
use crate::domain::report::settings::ReportSettings;
use crate::flow::config_summary::ConfigSummary;
use crate::flow::why::setting::{Setting, count, span};
use crate::flow::why::source::sentence;
use crate::flow::why::timeline::{TimelineEntry, TimelineSection};
use crate::flow::why::{event, summary, timeline};
use crate::flow::{report_schedule, reports};
use crate::store::history::found::{EventHistory, FoundHistory, ReportHistory, RunHistory};

/// Whether neither the configuration nor the store knows a report.
pub fn is_unknown(report: &ReportHistory, config: &ConfigSummary) -> bool {
    let configured = config.reports.as_ref().is_none_or(|reports| reports.contains_key(&report.report));
    !configured && report.past.covered.is_none() && report.runs.is_empty() && report.by_hand.is_empty()
}

pub fn unknown(name: &str, config: &ConfigSummary) -> String {
    let names: Vec<String> =
        config.reports.iter().flatten().map(|(name, _)| name).map(|name| format!("report.{name}")).collect();
    let others = match names.is_empty() {
        true => "there is none in the configuration; one begins with [report.daily]".to_owned(),
        false => format!("there are: {}", names.join(", ")),
    };
    format!("there is no report \"report.{name}\", nor was there one; {others}")
}

pub fn of_report(report: &ReportHistory, whole: &FoundHistory, setting: &Setting<'_>) -> TimelineSection {
    let name = &report.report;
    let configured = setting.config.reports.as_ref().map(|reports| reports.get(name));
    let heading = match configured {
        Some(Some(configured)) => format!("report.{name}, {}", report_schedule::words(configured)),
        Some(None) => format!("report.{name}, which is not in the configuration any more"),
        None => format!("report.{name}, whose setting cannot be read now; `orderbell check` says why"),
    };
    let configured = configured.flatten();
    let schedule = configured.map(ReportSettings::schedule);
    let mut facts =
        timeline::facts(json!({ "name": name, "runs_in_all": report.count, "covered": report.past.covered }));
    facts.extend(configured.into_iter().flat_map(report_schedule::facts));
    let by_hand = report.by_hand.iter().map(|event| (event.event.received_at, sent(event, whole, setting)));
    let runs = report.runs.iter().map(|run| (made_at(run), ran(run, schedule.as_ref(), whole, setting)));
    let mut chapters: Vec<(Timestamp, TimelineSection)> = runs.chain(by_hand).collect();
    chapters.sort_by_key(|(at, _)| *at);
    TimelineSection {
        list: "reports",
        heading,
        summary: newest(report, whole, setting),
        facts,
        lines: so_far(report),
        chapters: chapters.into_iter().map(|(_, chapter)| chapter).collect(),
        end: next(report, configured, setting),
    }
}

/// What became of the newest one.
fn newest(report: &ReportHistory, whole: &FoundHistory, setting: &Setting<'_>) -> Option<String> {
    let run = report.runs.last()?;
    let history = run.history.as_ref()?;
    Some(format!("the last, about {}: {}", reports::days(run.from, run.to), summary::of(&[history], whole, setting)))
}

fn made_at(run: &RunHistory) -> Timestamp {
    run.made_at.unwrap_or(Timestamp::MIN)
}

fn so_far(report: &ReportHistory) -> Vec<TimelineEntry> {
    let says = match (report.runs.len() as u64, report.count) {
        (0, 0) => "It was not made yet.".to_owned(),
        (shown, all) if shown < all => {
            format!("It was made {} when it was due; the newest {shown}:", count(all, "time", "times"))
        }
        _ => return Vec::new(),
    };
    vec![TimelineEntry::says(says)]
}

/// One that was made when it was due, or late.
fn ran(run: &RunHistory, schedule: Option<&Schedule>, whole: &FoundHistory, setting: &Setting<'_>) -> TimelineSection {
    let heading = format!("About {}", reports::days(run.from, run.to));
    let mut chapter = match &run.history {
        Some(history) => made(heading, history, whole, setting),
        None => {
            let says = "It was made. What became of it is not known any more: it is older than [store] keep.";
            let line = run.made_at.map_or_else(|| TimelineEntry::says(says), |at| TimelineEntry::at(at, says));
            let lines = vec![TimelineEntry::says(format!("event {}", run.event)), line];
            TimelineSection {
                heading,
                facts: timeline::facts(json!({ "id": run.event })),
                lines,
                ..TimelineSection::default()
            }
        }
    };
    let due = run.made_at.and_then(|made_at| Some((made_at, due_at(run, schedule?, made_at)?)));
    if let Some((made_at, due_at)) = due {
        let later = made_at.duration_since(due_at);
        let says = match later > LATE_AFTER {
            false => "It was due.".to_owned(),
            true => format!(
                "It was due, and was made {} later: no daemon ran until then, it could not make it (its log says why), or the report was set to this time only later.",
                span(later)
            ),
        };
        chapter.lines.insert(1, TimelineEntry::at(due_at, says));
        chapter.facts.insert("due_at".to_owned(), due_at.to_string().into());
    }
    chapter.facts.extend(timeline::facts(json!({ "from": run.from, "to": run.to, "sent_by": "schedule" })));
    TimelineSection { list: "runs", ..chapter }
}

/// Its event, without the routes that are not for it: it goes to its own channels anyway.
fn made(heading: String, history: &EventHistory, whole: &FoundHistory, setting: &Setting<'_>) -> TimelineSection {
    let mut chapter = event::chapter(heading, history, whole, setting);
    let applies = |line: &TimelineEntry| {
        matches!(line.facts.get("verdict").and_then(Value::as_str), Some("applies" | "unjudged"))
    };
    chapter.lines.retain(|line| line.list != "routes" || applies(line));
    chapter
}

/// When it was due by today's schedule; unknown where it was another one then.
fn due_at(run: &RunHistory, schedule: &Schedule, made_at: Timestamp) -> Option<Timestamp> {
    let (day, due_at) = schedule.latest(made_at)?;
    Schedule::covers(day).filter(|to| *to == run.to).map(|_| due_at)
}

/// One that a person has sent besides.
fn sent(history: &EventHistory, whole: &FoundHistory, setting: &Setting<'_>) -> TimelineSection {
    let report = history.event.data.report();
    let about = report.map(|report| format!("About {}, sent", reports::days(report.from, report.to)));
    let about = about.unwrap_or_else(|| "Sent".to_owned());
    let chapter = made(format!("{about} by hand with `orderbell report --send`"), history, whole, setting);
    let mut facts = chapter.facts;
    facts.extend(timeline::facts(json!({
        "from": report.map(|report| report.from), "to": report.map(|report| report.to), "sent_by": "hand",
    })));
    TimelineSection { list: "runs", facts, ..chapter }
}

fn next(report: &ReportHistory, configured: Option<&ReportSettings>, setting: &Setting<'_>) -> Vec<TimelineEntry> {
    let Some(configured) = configured else {
        let says = match setting.config.reports {
            Some(_) => format!("Next: nothing. There is no [report.{}] in the configuration any more.", report.report),
            None => "Next: not known, because its setting cannot be read.".to_owned(),
        };
        return vec![TimelineEntry::says(says).in_list("next")];
    };
    let schedule = configured.schedule();
    let Some(next) = schedule.upcoming(&report.past, setting.now) else { return Vec::new() };
    let about = reports::days(next.from, next.to);
    let local = match configured.timezone.name == setting.config.timezone.name {
        true => String::new(),
        false => format!(" That is {}.", reports::local(next.due_at, &schedule.zone)),
    };
    let note = |says: String| TimelineEntry::says(says).in_list("notes");
    let mut lines = Vec::new();
    let line = if next.due_at > setting.now {
        if report.past.covered.is_none() {
            lines.push(note("No daemon has taken it up yet. `orderbell serve` does so when it starts, or within seconds of a change of the configuration.".to_owned()));
        } else if report.past.made_at.is_none() {
            lines.push(note(format!("It has not been due yet: it begins with {}.", next.from)));
        }
        TimelineEntry::at(next.due_at, format!("Next: it is due, about {about}.{local}"))
    } else {
        let since = setting.time(next.due_at);
        TimelineEntry::says(format!(
            "Next: it is due since {since}, about {about}.{local} It is made within seconds while `orderbell serve` runs; where that fails, its log says why."
        ))
    };
    let facts = json!({ "from": next.from, "to": next.to, "due_at": next.due_at });
    lines.push(TimelineEntry { list: "next", facts: timeline::facts(facts), ..line });
    let skipped = reports::skipped_words(&next, &report.report, &schedule.zone);
    lines.extend(skipped.map(|skipped| note(format!("{}.", sentence(&skipped)))));
    lines
}
