//! `orderbell report`: the figures of a day, shown or sent.

pub mod schedule;
mod terminal;

use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::app;
use crate::cli;
use crate::cli::Failure;
use crate::cli::Format;
use crate::cli::message;
use crate::cli::output;
use crate::cli::store;
use crate::config::parts;
use crate::config::parts::ReportPart;
use crate::domain::report;
use crate::domain::report::csv;
use crate::domain::report::facts::Facts;
use crate::domain::report::facts::Scope;
use crate::domain::report::figures;
use crate::domain::report::sheet;
use crate::domain::template::Templates;
use crate::flow::intake::Reception;
use crate::flow::reports;
use crate::flow::reports::Plan;
use crate::store::ReportRun;
use crate::store::sqlite;
use crate::store::sqlite::asked;
use crate::store::sqlite::read::Reader;

#[derive(Args)]
pub struct Report {
    /// The report, as the configuration names it: `daily` for [report.daily]
    name: String,
    /// The local day, such as 2026-11-21; yesterday where absent
    #[arg(long, value_name = "DAY", value_parser = day)]
    date: Option<Date>,
    /// Sends it to its channels, besides those that are sent by themselves
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
    format: Format,
}

pub async fn run(report: Report, file: &Path) -> Result<(), Failure> {
    let part = parts::report(file, &report.name).map_err(Failure::Configuration)?;
    let plan = part.report.as_ref().map(app::setup::plan).ok_or_else(|| unknown(&report.name, &part))?;
    let now = Timestamp::now();
    let today = now.to_zoned(plan.schedule.zone.clone()).date();
    let day = report.date.or_else(|| today.yesterday().ok()).unwrap_or(today);
    if day > today {
        return Err(Failure::Misused(format!("{day} has not come yet; today is {today}")));
    }
    let templates = message::templates(part.templates.as_deref())?;
    let language = report.language.as_deref().unwrap_or(&part.language);
    message::check_language(&templates, language)?;
    let path = store::path(&part.store)?;
    let scope = plan.scope(&report.name, day, day, false);
    let reader = Reader::open(path).map_err(store::failed)?;
    let reading = output::unless_soon("the figures are being read", reader.report_facts(scope.clone()));
    let mut facts = reading.await.map_err(store::failed)?;
    facts.note_observing(&scope, &part.observing);
    let made = figures::report(&scope, &facts, now);
    if let Some(doubt) = doubt(&scope, &facts) {
        output::complain(format_args!("warning: {doubt}\n"));
    }
    match report.format {
        Format::Json => {
            let json = serde_json::to_string_pretty(&made);
            output::line(json.map_err(|error| Failure::Failed(error.to_string()))?)?;
        }
        Format::Text => output::print(terminal::text(&made, &templates, language, &plan.schedule.zone))?,
    }
    if let Some(png) = &report.png {
        picture(&made, &templates, language, png)?;
    }
    if !report.send {
        return Ok(());
    }
    let channels = send(path, &app::setup::reception(cli::configuration(file)?), &scope, &plan, &facts, made, now)?;
    let when =
        if sqlite::lock::is_held(path) { "it is on its way" } else { "it goes out as soon as `orderbell serve` runs" };
    output::complain(format_args!(
        "to {}: {when}; `orderbell deliveries` says what becomes of it\n",
        channels.join(", ")
    ));
    Ok(())
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

fn day(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| "write the day like 2026-11-21".to_owned())
}

fn unknown(name: &str, part: &ReportPart) -> Failure {
    let help = match part.names.is_empty() {
        true => "there is none in the configuration; one begins with [report.daily]".to_owned(),
        false => format!("there are: {}", part.names.join(", ")),
    };
    Failure::Misused(format!("there is no report \"{name}\"; {help}"))
}

fn picture(made: &report::Report, templates: &Templates, language: &str, file: &Path) -> Result<(), Failure> {
    let words = templates.language(language).ok_or_else(|| Failure::Failed("there are no words".to_owned()))?;
    let png = sheet::png(made, words).map_err(|error| Failure::Failed(error.to_string()))?;
    std::fs::write(file, png).map_err(|error| Failure::Failed(format!("{} cannot be written: {error}", file.display())))
}

/// Leaves it in the store, from which the daemon takes it within a second; answers the channels that it goes to.
pub fn send(
    path: &Path,
    reception: &Reception,
    scope: &Scope,
    plan: &Plan,
    facts: &Facts,
    made: report::Report,
    now: Timestamp,
) -> Result<Vec<String>, Failure> {
    let picture = reports::picture(reception.public_url.as_deref(), now);
    let address = picture.as_ref().map(|picture| picture.address.clone());
    let mut record = reports::record(reception, report::Report { picture: address, ..made }, now);
    if plan.attach_csv {
        record.body = csv::orders(scope, facts).into_bytes();
    }
    let channels: Vec<String> = record.hearers.iter().map(|(hearer, _)| hearer.channel.clone()).collect();
    let run = ReportRun {
        report: scope.name.clone(),
        days: Vec::new(),
        ledger_seq: facts.ledger_seq,
        record,
        picture: picture.map(|picture| (picture.token, picture.expires_at)),
    };
    asked::report(path, &run).map_err(store::failed)?;
    Ok(channels)
}
