//! `orderbell deliveries`: what is waiting, delivered and dead, read beside a running daemon.

mod rows;

use std::path::Path;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use crate::cli::deliveries::rows::RowLayout;
use crate::cli::failure::Failure;
use crate::cli::output::OutputFormat;
use crate::cli::{config_summary, configuration, moment, output, store};
use crate::config::context::SecretReading;
use crate::config::parts::Parts;
use crate::diagnostic::suggest;
use crate::domain::glob::Glob;
use crate::flow::delivery_list;
use crate::flow::delivery_list::NoSuchKind;
use crate::flow::why::setting::Setting;
use crate::in_force;
use crate::store::Store;
use crate::store::history::list::{DeliveryFilter, DeliveryRow, Start};

/// Rows that people get to see unless they ask for another number; the newest ones.
const ROWS: u64 = 50;
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
    /// Only those of this order, by its number or short number
    #[arg(long, value_name = "NUMBER")]
    order: Option<String>,
    /// Only those of events of this kind, or of these: order.placed, "order.*"
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only those made since then: how long ago (2h, 7d), today, yesterday, 19:54, 2026-11-22, "2026-11-22 19:54"
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// At most so many, the newest ones; 50 as text, all as JSON
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

pub async fn run(deliveries: Deliveries, file: &Path) -> Result<(), Failure> {
    let now = Timestamp::now();
    let part = in_force::parts(file, SecretReading::Read).map_err(Failure::Configuration)?;
    let kind = deliveries.kind.as_deref().map(kinds).transpose()?;
    let since = deliveries.since.as_deref().map(|text| moment::since(text, &part.timezone.zone, now)).transpose()?;
    let reader = store::open(&part).await?;
    if let Some(channel) = &deliveries.channel {
        known(&*reader, channel, &part).await?;
    }
    let orders = match &deliveries.order {
        Some(order) => Some(of_orders(&*reader, order).await?),
        None => None,
    };
    let wanted = DeliveryFilter {
        state: deliveries.state,
        channel: deliveries.channel,
        orders,
        kind,
        since,
        ..DeliveryFilter::default()
    };
    match deliveries.format {
        OutputFormat::Text => {
            let held = reader.holds().await.map_err(store::failed)?;
            let config = config_summary::of(&part);
            let hold = |row: &DeliveryRow| delivery_list::hold(row, &held, &Setting { config: &config, now });
            let layout = RowLayout { zone: &part.timezone.zone, now, hold: &hold, columns: None };
            print_table(&*reader, wanted, deliveries.limit.unwrap_or(ROWS), layout).await
        }
        OutputFormat::Json => print_json(&*reader, wanted, deliveries.limit).await,
    }
}

/// Refuses a channel that there is not. One that was taken out of the configuration may still have deliveries.
pub async fn known(reader: &dyn Store, channel: &str, part: &Parts) -> Result<(), Failure> {
    if part.channels.contains_key(channel) || reader.knows_channel(channel).await.map_err(store::failed)? {
        return Ok(());
    }
    Err(configuration::unknown("channel", channel, part.channel_names()))
}

/// A pattern over kinds that there may be.
fn kinds(text: &str) -> Result<Glob, Failure> {
    delivery_list::kinds(text).map_err(|NoSuchKind { text, all }| {
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        Failure::Misused(format!("there is no kind \"{text}\"; {}", suggest::meant(&text, &all)))
    })
}

async fn of_orders(reader: &dyn Store, asked: &str) -> Result<Vec<(String, String)>, Failure> {
    let orders = reader.orders(asked).await.map_err(store::failed)?;
    if orders.is_empty() {
        let what = "write its number or its short number, as its messages have it";
        return Err(Failure::Failed(format!("there is no order \"{asked}\"; {what}")));
    }
    Ok(orders)
}

/// Reads the newest so many, or all, page by page, and lets each page be printed before the next one is read.
async fn each_page(
    reader: &dyn Store,
    wanted: &DeliveryFilter,
    newest: Option<u64>,
    mut print: impl AsyncFnMut(&[DeliveryRow]) -> Result<(), Failure>,
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
        print(&page).await?;
    }
}

/// A list, one row a line.
async fn print_json(reader: &dyn Store, wanted: DeliveryFilter, newest: Option<u64>) -> Result<(), Failure> {
    let mut before = "[";
    each_page(reader, &wanted, newest, async |page| {
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

async fn print_table(
    reader: &dyn Store,
    wanted: DeliveryFilter,
    newest: u64,
    mut layout: RowLayout<'_>,
) -> Result<(), Failure> {
    let count = async |wanted| reader.count(wanted).await.map_err(store::failed);
    let found = count(wanted.clone()).await?;
    if found == 0 {
        return match count(DeliveryFilter::default()).await? {
            0 => output::line("no deliveries"),
            all => output::line(format_args!("no such deliveries; there are {all} others")),
        };
    }
    each_page(reader, &wanted, Some(newest), async |page| {
        let names = reader.short_names(page).await.map_err(store::failed)?;
        output::print(layout.text(page, &names))
    })
    .await?;
    if newest < found {
        output::line(format_args!("the newest {newest} of {found}; --limit shows more"))?;
    }
    Ok(())
}
