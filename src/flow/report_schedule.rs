//! When a report is sent, as people say it and as programs read it.

use jiff::civil::Weekday;
use serde_json::{Map, Value, json};

use crate::domain::report::settings::ReportSettings;

/// `every day at 08:57 (Asia/Hong_Kong), to owner, office`
pub fn words(report: &ReportSettings) -> String {
    let days = match &report.days {
        None => "every day".to_owned(),
        Some(days) => format!("on {}", days.iter().map(|day| name(*day)).collect::<Vec<_>>().join(", ")),
    };
    let at = report.at.strftime("%H:%M");
    format!("{days} at {at} ({}), to {}", report.timezone.name, report.to.join(", "))
}

/// The same by the keys of the configuration; `days` is absent where it is every day.
pub fn facts(report: &ReportSettings) -> Map<String, Value> {
    let days = report.days.as_ref().map(|days| days.iter().map(|day| key(*day)).collect::<Vec<_>>());
    let at = report.at.strftime("%H:%M").to_string();
    let facts = json!({ "at": at, "timezone": report.timezone.name, "days": days, "to": report.to });
    match facts {
        Value::Object(facts) => facts.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    }
}

fn name(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Mondays",
        Weekday::Tuesday => "Tuesdays",
        Weekday::Wednesday => "Wednesdays",
        Weekday::Thursday => "Thursdays",
        Weekday::Friday => "Fridays",
        Weekday::Saturday => "Saturdays",
        Weekday::Sunday => "Sundays",
    }
}

fn key(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "mon",
        Weekday::Tuesday => "tue",
        Weekday::Wednesday => "wed",
        Weekday::Thursday => "thu",
        Weekday::Friday => "fri",
        Weekday::Saturday => "sat",
        Weekday::Sunday => "sun",
    }
}
