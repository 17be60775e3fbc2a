//! `orderbell deliveries`: what is waiting, delivered and dead, read beside a running daemon.

use std::path::Path;

use clap::Args;
use serde_json::json;

use crate::cli::Failure;
use crate::cli::Format;
use crate::cli::configuration;
use crate::config::StoreUrl;
use crate::store::Standing;
use crate::store::sqlite::read::Reader;

/// Rows that people get to see unless they ask for another number; the newest ones.
const ROWS: usize = 50;

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
    let config = configuration(file)?.config;
    let StoreUrl::Sqlite(path) = &config.store.url;
    let failed = |error: crate::store::StoreError| Failure::Failed(error.to_string());
    let reader = Reader::open(path).map_err(failed)?;
    let mut rows = reader.deliveries(deliveries.state.as_deref()).await.map_err(failed)?;
    rows.retain(|row| deliveries.channel.as_ref().is_none_or(|channel| *channel == row.channel));
    let all = rows.len();
    let limit = deliveries.limit.unwrap_or(match deliveries.format {
        Format::Text => ROWS,
        Format::Json => usize::MAX,
    });
    rows.drain(..all.saturating_sub(limit));
    match deliveries.format {
        Format::Json => println!("{}", rows.iter().map(row_json).collect::<serde_json::Value>()),
        Format::Text => print_table(&rows, all),
    }
    Ok(())
}

fn row_json(row: &Standing) -> serde_json::Value {
    json!({
        "id": row.id, "event": row.event, "kind": row.kind, "source": row.source, "order": row.order,
        "channel": row.channel, "state": row.state, "attempts": row.attempts, "due_at": row.due_at,
        "answer": row.answer, "digest": row.digest,
    })
}

fn print_table(rows: &[Standing], all: usize) {
    if all == 0 {
        println!("no deliveries");
        return;
    }
    println!(
        "{:<36}  {:<20} {:<18} {:<14} {:<9} {:>5}  ANSWER",
        "DELIVERY", "KIND", "ORDER", "CHANNEL", "STATE", "TRIES"
    );
    for row in rows {
        let order = row.order.as_deref().unwrap_or("-");
        let answer = row.answer.as_deref().unwrap_or("-");
        println!(
            "{}  {:<20} {order:<18} {:<14} {:<9} {:>5}  {answer}",
            row.id, row.kind, row.channel, row.state, row.attempts
        );
    }
    if rows.len() < all {
        println!("{} of {all}; --limit shows more", rows.len());
    }
}
