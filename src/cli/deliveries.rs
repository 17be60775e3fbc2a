//! `orderbell deliveries`: what is waiting, delivered and dead, read beside a running daemon.

use std::path::Path;

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::cli::Failure;
use crate::cli::Format;
use crate::cli::output;
use crate::config::StoreUrl;
use crate::config::parts;
use crate::config::parts::StorePart;
use crate::domain::text::cap;
use crate::store::Standing;
use crate::store::sqlite::read::Reader;

/// Rows that people get to see unless they ask for another number; the newest ones.
const ROWS: usize = 50;
/// Of an answer, people get to see so many characters; `--format json` has it whole.
const ANSWER: usize = 40;

#[derive(Args)]
pub struct Deliveries {
    /// Only these: waiting, delivered, merged, dead or cancelled
    #[arg(long, value_parser = ["waiting", "delivered", "merged", "dead", "cancelled"])]
    state: Option<String>,
    /// Only those to this channel
    #[arg(long)]
    channel: Option<String>,
    /// At most so many, the newest ones; 50 as text, all as JSON
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub async fn run(deliveries: Deliveries, file: &Path) -> Result<(), Failure> {
    let StorePart { store, channels } = parts::store(file).map_err(Failure::Configuration)?;
    let StoreUrl::Sqlite(path) = &store.url;
    if !path.exists() {
        return Err(Failure::Failed(format!(
            "there is no store at {} yet; `orderbell serve` makes it",
            path.display()
        )));
    }
    let failed = |error: crate::store::StoreError| Failure::Failed(error.to_string());
    let reader = Reader::open(path).map_err(failed)?;
    // A channel that was taken out of the configuration may still have deliveries.
    if let Some(channel) = deliveries.channel.as_ref().filter(|name| !channels.contains(name))
        && !reader.knows_channel(channel).await.map_err(failed)?
    {
        let names = channels.join(", ");
        return Err(Failure::Misused(format!("there is no channel \"{channel}\"; there are: {names}")));
    }
    let mut rows = reader.deliveries(deliveries.state.as_deref()).await.map_err(failed)?;
    rows.retain(|row| deliveries.channel.as_ref().is_none_or(|channel| *channel == row.channel));
    let all = rows.len();
    let limit = deliveries.limit.unwrap_or(match deliveries.format {
        Format::Text => ROWS,
        Format::Json => usize::MAX,
    });
    rows.drain(..all.saturating_sub(limit));
    match deliveries.format {
        Format::Json => output::line(rows.iter().map(row_json).collect::<serde_json::Value>()),
        Format::Text => print_table(&rows, all),
    }
}

/// `2025-06-04 11:35`, in this machine's time zone.
fn minute(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

fn row_json(row: &Standing) -> serde_json::Value {
    json!({
        "id": row.id, "event": row.event, "kind": row.kind, "source": row.source, "order": row.order,
        "channel": row.channel, "state": row.state, "attempts": row.attempts, "due_at": row.due_at,
        "answer": row.answer, "digest": row.digest,
    })
}

fn print_table(rows: &[Standing], all: usize) -> Result<(), Failure> {
    if all == 0 {
        return output::line("no deliveries");
    }
    output::line(format_args!(
        "{:<16} {:<20} {:<16} {:<12} {:<9} {:>5}  {:<16} {:<40} DELIVERY",
        "MADE", "KIND", "ORDER", "CHANNEL", "STATE", "TRIES", "NEXT TRY", "ANSWER"
    ))?;
    for row in rows {
        let made = minute(row.created_at);
        let next = if row.state == "waiting" { minute(row.due_at) } else { "-".to_owned() };
        let order = row.order.as_deref().unwrap_or("-");
        let answer = cap(row.answer.as_deref().unwrap_or("-"), ANSWER);
        output::line(format_args!(
            "{made:<16} {:<20} {order:<16} {:<12} {:<9} {:>5}  {next:<16} {answer:<40} {}",
            row.kind, row.channel, row.state, row.attempts, row.id
        ))?;
    }
    if rows.len() < all {
        output::line(format_args!("{} of {all}; --limit shows more", rows.len()))?;
    }
    Ok(())
}
