//! `orderbell deliveries`: what is waiting, delivered and dead, read beside a running daemon.

use std::path::Path;

use clap::Args;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::cli;
use crate::cli::{Failure, Format, output, store};
use crate::config::parts::Parts;
use crate::config::{SecretReading, parts};
use crate::domain::text::cap;
use crate::store::sqlite::list::Start;
use crate::store::sqlite::read::Reader;
use crate::store::{DeliveryFilter, DeliveryRow};

/// Rows that people get to see unless they ask for another number; the newest ones.
const ROWS: u64 = 50;
/// Of an answer, people get to see so many characters; `--format json` has it whole.
const ANSWER: usize = 40;
/// Rows that are read at once.
const PAGE: u32 = 1000;

#[derive(Args)]
pub struct Deliveries {
    /// Only these: waiting, delivered, merged, dead or cancelled
    #[arg(long, value_parser = ["waiting", "delivered", "merged", "dead", "cancelled"])]
    state: Option<String>,
    /// Only those to this channel
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// At most so many, the newest ones; 50 as text, all as JSON
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub async fn run(deliveries: Deliveries, file: &Path) -> Result<(), Failure> {
    let part = parts::read(file, SecretReading::Placeholders).map_err(Failure::Configuration)?;
    let reader = Reader::open(store::path(part.store().map_err(Failure::Configuration)?)?).map_err(store::failed)?;
    if let Some(channel) = &deliveries.channel {
        known(&reader, channel, &part).await?;
    }
    let wanted = DeliveryFilter { state: deliveries.state, channel: deliveries.channel };
    match deliveries.format {
        Format::Text => print_table(&reader, wanted, deliveries.limit.unwrap_or(ROWS), &part.timezone.zone).await,
        Format::Json => print_json(&reader, wanted, deliveries.limit).await,
    }
}

/// Refuses a channel that there is not. One that was taken out of the configuration may still have deliveries.
pub async fn known(reader: &Reader, channel: &str, part: &Parts) -> Result<(), Failure> {
    if part.channels.contains_key(channel) || reader.knows_channel(channel).await.map_err(store::failed)? {
        return Ok(());
    }
    Err(cli::unknown("channel", channel, part.channel_names()))
}

/// Reads the newest so many, or all, page by page, and lets each page be printed before the next one is read.
async fn each_page(
    reader: &Reader,
    wanted: &DeliveryFilter,
    newest: Option<u64>,
    mut print: impl FnMut(&[DeliveryRow]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut start = match newest {
        Some(0) => return Ok(()),
        Some(newest) => reader.first_of_newest(wanted.clone(), newest).await.map_err(store::failed)?.map(Start::At),
        None => None,
    }
    .unwrap_or(Start::Beginning);
    // More may be made meanwhile.
    let mut left = newest.unwrap_or(u64::MAX);
    loop {
        let rows = u32::try_from(left).unwrap_or(PAGE).min(PAGE);
        let page = reader.page(wanted.clone(), start, rows).await.map_err(store::failed)?;
        let Some(last) = page.last() else { return Ok(()) };
        start = Start::After(last.id);
        left = left.saturating_sub(page.len() as u64);
        print(&page)?;
    }
}

/// A list, one row a line.
async fn print_json(reader: &Reader, wanted: DeliveryFilter, newest: Option<u64>) -> Result<(), Failure> {
    let mut before = "[";
    each_page(reader, &wanted, newest, |page| {
        let mut lines = String::new();
        for row in page {
            lines.push_str(before);
            lines.push_str(&row_json(row).to_string());
            before = ",\n";
        }
        output::print(lines)
    })
    .await?;
    output::line(if before == "[" { "[]" } else { "]" })
}

fn row_json(row: &DeliveryRow) -> serde_json::Value {
    json!({
        "id": row.id, "event": row.event, "kind": row.kind, "source": row.source, "order": row.order,
        "channel": row.channel, "state": row.state, "attempts": row.attempts, "due_at": row.due_at,
        "answer": row.answer, "digest": row.digest,
    })
}

async fn print_table(reader: &Reader, wanted: DeliveryFilter, newest: u64, zone: &TimeZone) -> Result<(), Failure> {
    let all = reader.count(wanted.clone()).await.map_err(store::failed)?;
    if all == 0 {
        return output::line("no deliveries");
    }
    output::line(format_args!(
        "{:<16} {:<20} {:<16} {:<12} {:<9} {:>5}  {:<16} {:<40} DELIVERY",
        "MADE", "KIND", "ORDER", "CHANNEL", "STATE", "TRIES", "NEXT TRY", "ANSWER"
    ))?;
    each_page(reader, &wanted, Some(newest), |page| {
        output::print(page.iter().map(|row| line(row, zone)).collect::<String>())
    })
    .await?;
    if newest < all {
        output::line(format_args!("the newest {newest} of {all}; --limit shows more"))?;
    }
    Ok(())
}

fn line(row: &DeliveryRow, zone: &TimeZone) -> String {
    let made = store::minute(row.created_at, zone);
    let next = match (row.state.as_str(), row.digest) {
        ("waiting", None) => store::minute(row.due_at, zone),
        ("waiting", Some(_)) => "with another".to_owned(),
        _ => "-".to_owned(),
    };
    let order = row.order.as_deref().unwrap_or("-");
    let answer = cap(row.answer.as_deref().unwrap_or("-"), ANSWER);
    format!(
        "{made:<16} {:<20} {order:<16} {:<12} {:<9} {:>5}  {next:<16} {answer:<40} {}\n",
        row.kind, row.channel, row.state, row.attempts, row.id
    )
}
