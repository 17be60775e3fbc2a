//! `orderbell report`: the figures of a day, shown or sent; without a name, when each report came last and comes next.

mod holds;
mod list;
pub mod terminal;

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::app;
use crate::cli::failure::Failure;
use crate::cli::output::OutputFormat;
use crate::cli::report::list::{Daemon, ListRow};
use crate::cli::{message, output, store};
use crate::config::context::SecretReading;
use crate::config::parts::Parts;
use crate::domain::event::Kind;
use crate::domain::figures::facts::{Facts, Scope};
use crate::domain::picture::theme::Theme;
use crate::domain::template::Templates;
use crate::domain::{figures, picture, report};
use crate::flow::{report_send, reports};
use crate::in_force;
use crate::store::history::found::ReportHistory;

#[derive(Args)]
pub struct ReportArgs {
    /// The report, as the configuration names it: `daily` for [report.daily]. Without a name all of them are listed, each
    /// with the last one, whether it was delivered, and when the next one is due
    name: Option<String>,
    /// The local day: today, yesterday, or such as 2026-11-21; yesterday where absent
    #[arg(long, value_name = "DAY", value_parser = day)]
    date: Option<Day>,
    /// Sends it to its channels, besides those that are sent by themselves, and says what will hold it there
    #[arg(long)]
    send: bool,
    /// In this language instead of the configuration's
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// Writes the picture to this file as well
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// A local day as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    Today,
    Yesterday,
    On(Date),
}

impl Day {
    fn date(self, today: Date) -> Date {
        match self {
            Day::Today => today,
            Day::Yesterday => today.yesterday().unwrap_or(today),
            Day::On(day) => day,
        }
    }
}

fn day(text: &str) -> Result<Day, String> {
    match text {
        "today" => Ok(Day::Today),
        "yesterday" => Ok(Day::Yesterday),
        _ => text.parse().map(Day::On).map_err(|_| "write the day as today, yesterday, or like 2026-11-21".to_owned()),
    }
}

pub async fn run(report: ReportArgs, file: &Path) -> Result<(), Failure> {
    let now = Timestamp::now();
    match &report.name {
        Some(name) => show(name, &report, file, now).await,
        None => all(&report, file, now).await,
    }
}

/// Lists all reports.
async fn all(report: &ReportArgs, file: &Path, now: Timestamp) -> Result<(), Failure> {
    let part = in_force::parts(file, SecretReading::Placeholders).map_err(Failure::Configuration)?;
    let given = [
        ("--date", report.date.is_some()),
        ("--send", report.send),
        ("--language", report.language.is_some()),
        ("--png", report.png.is_some()),
    ];
    if let Some((flag, _)) = given.iter().find(|(_, is_given)| *is_given) {
        return Err(Failure::Misused(format!("{flag} needs the name of a report; {}", known(&part))));
    }
    let url = &part.store().map_err(Failure::Configuration)?.url;
    let reader = match url.is_made() {
        true => Some(store::open(&part).await?),
        false => None,
    };
    let reports = part.all_reports().map_err(Failure::Configuration)?;
    let mut rows = Vec::new();
    for (name, report) in &reports {
        let history = match &reader {
            Some(reader) => {
                let history = reader.report_history(name, 1).await.map_err(store::failed)?;
                let schedule = report.schedule();
                let past = reports::not_before_the_first(&**reader, history.past, &schedule, now);
                Some(ReportHistory { past: past.await.map_err(store::failed)?, ..history })
            }
            None => None,
        };
        rows.push(ListRow { name, report, history });
    }
    let daemon = match &reader {
        Some(_) => Daemon::of(url).await.map_err(store::failed)?,
        None => Daemon::Stopped,
    };
    match report.format {
        OutputFormat::Text => output::print(list::text(&rows, daemon, now)),
        OutputFormat::Json => {
            let json = serde_json::to_string_pretty(&list::json(&rows, daemon, now));
            output::line(json.map_err(|error| Failure::Failed(error.to_string()))?)
        }
    }
}

/// Shows a day, and sends it where that is asked for.
async fn show(name: &str, report: &ReportArgs, file: &Path, now: Timestamp) -> Result<(), Failure> {
    let part = in_force::parts(file, SecretReading::Placeholders).map_err(Failure::Configuration)?;
    let found = part.report(name).map_err(Failure::Configuration)?;
    let settings = found.ok_or_else(|| unknown(name, &part))?;
    let today = now.to_zoned(settings.timezone.zone.clone()).date();
    let day = report.date.unwrap_or(Day::Yesterday).date(today);
    if day > today {
        return Err(Failure::Misused(format!("{day} has not come yet; today is {today}")));
    }
    let templates = message::templates(part.templates.as_deref())?;
    let language = report.language.as_deref().unwrap_or(&part.language);
    message::check_language(&templates, language)?;
    let scope = Scope::of(settings, name, day, day, false);
    let reader = store::open(&part).await?;
    let reading = output::unless_soon("the figures are being read", reader.report_facts(scope.clone()));
    let mut facts = reading.await.map_err(store::failed)?;
    facts.note_observing(&scope, &part.observing());
    let made = figures::report(&scope, &facts, now);
    if let Some(doubt) = doubt(&scope, &facts) {
        output::complain(format_args!("warning: {doubt}\n"));
    }
    match report.format {
        OutputFormat::Json => {
            let json = serde_json::to_string_pretty(&made);
            output::line(json.map_err(|error| Failure::Failed(error.to_string()))?)?;
        }
        OutputFormat::Text => output::print(terminal::text(&made, &templates, language, &settings.timezone.zone))?,
    }
    if let Some(png) = &report.png {
        picture(&made, &templates, language, png)?;
    }
    if !report.send {
        return Ok(());
    }
    let configuration = in_force::read(file).map_err(Failure::Configuration)?;
    let configured = configuration.channels.clone();
    // Before it is sent: it must not be taken for what holds it.
    let mut held = Vec::new();
    for (channel, configured) in &configured {
        let kind = Kind::Report(name.to_owned());
        held.push((channel.clone(), holds::of_channel(channel, configured, &kind, &*reader, now).await?));
    }
    let daemon = Daemon::of(store::url(&part)?).await.map_err(store::failed)?;
    let routing = app::setup::routing(configuration);
    let sent_to = report_send::send(&*reader, &routing, (&scope, settings), &facts, made, now).await;
    let channels = sent_to.map_err(store::failed)?;
    held.retain(|(channel, holds)| channels.contains(channel) && !holds.is_empty());
    output::complain(sent(&channels, &held, daemon));
    Ok(())
}

/// What becomes of a report that was sent, channel by channel where something holds it.
fn sent(channels: &[String], held: &[(String, Vec<String>)], daemon: Daemon) -> String {
    let is_held = |channel: &&String| held.iter().any(|(held, _)| held == *channel);
    let free: Vec<&str> = channels.iter().filter(|channel| !is_held(channel)).map(String::as_str).collect();
    let when = match daemon {
        Daemon::Running => "it is on its way",
        Daemon::Stopped => "it goes out as soon as `orderbell serve` runs",
    };
    let mut text = String::new();
    if channels.is_empty() {
        text.push_str("no channel gets it: name some in its `to`\n");
    }
    if !free.is_empty() {
        text.push_str(&format!("to {}: {when}; `orderbell deliveries` says what becomes of it\n", free.join(", ")));
    }
    for (channel, holds) in held {
        text.push_str(&format!("to {channel}: it is held: {}\n", holds.join("; and ")));
    }
    if daemon == Daemon::Stopped && free.is_empty() {
        text.push_str("the daemon does not run: nothing goes out before `orderbell serve` does\n");
    }
    text
}

/// Why figures of nothing need not mean that there was nothing.
fn doubt(scope: &Scope, facts: &Facts) -> Option<String> {
    let day = scope.days().pop()?;
    match facts.begun_at {
        None => Some("no webhook has come yet".to_owned()),
        Some(at) if at < day.until => None,
        Some(at) => {
            let first = at.to_zoned(scope.zone.clone()).date();
            Some(format!("nothing is known of {}: the first webhook came on {first}", day.day))
        }
    }
}

fn unknown(name: &str, part: &Parts) -> Failure {
    Failure::Misused(format!("there is no report \"{name}\"; {}", known(part)))
}

/// Which reports there are.
fn known(part: &Parts) -> String {
    let names = part.report_names();
    match names.is_empty() {
        true => "there is none in the configuration; one begins with [report.daily]".to_owned(),
        false => format!("there are: {}", names.join(", ")),
    }
}

/// Writes the picture of a report to a file.
pub fn picture(made: &report::Report, templates: &Templates, language: &str, file: &Path) -> Result<(), Failure> {
    let words = templates.language(language).ok_or_else(|| Failure::Failed("there are no words".to_owned()))?;
    let png = picture::report::png(made, words, Theme::Light).map_err(|error| Failure::Failed(error.to_string()))?;
    std::fs::write(file, png).map_err(|error| Failure::Failed(format!("{} cannot be written: {error}", file.display())))
}
