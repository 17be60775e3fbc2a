//! `orderbell why`: why a message did or did not arrive, from the beginning.

use std::path::Path;

use clap::Args;
use jiff::Timestamp;

use crate::cli::failure::Failure;
use crate::cli::output::OutputFormat;
use crate::cli::{config_summary, moment, output, store};
use crate::config::context::SecretReading;
use crate::domain::text::narrow;
use crate::flow;
use crate::flow::config_summary::ConfigSummary;
use crate::flow::why::setting::Setting;
use crate::flow::why::timeline::Verbosity;
use crate::flow::why::{NoStory, report, timeline};
use crate::in_force;
use crate::store::history::found::Question;

#[derive(Args)]
pub struct Why {
    /// An order by its number or short number, an event or a delivery by its id, as far as `orderbell deliveries` shows it, a
    /// source, or a report such as `report.daily`
    #[arg(value_name = "ORDER|EVENT|DELIVERY|SOURCE|REPORT")]
    asked: String,
    /// Of a source: the refused webhooks around this time, such as "2026-11-22 19:54", instead of the newest
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Of a source: so many refused webhooks at most, 20 where absent. Of a report: so many of those that were made, 3
    /// where absent
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Also the routes that did not apply, each with its reason
    #[arg(long)]
    all: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

pub(super) async fn run(why: Why, file: &Path) -> Result<(), Failure> {
    let part = in_force::parts(file, SecretReading::Read).map_err(Failure::Configuration)?;
    let (config, now) = (config_summary::of(&part), Timestamp::now());
    let around = why.at.as_deref().map(|text| moment::at(text, &part.timezone.zone, now)).transpose()?;
    let reader = store::open(&part).await?;
    let (asked, sources) = (narrow(&why.asked), part.source_names());
    let limit = why.limit.unwrap_or_else(|| flow::why::usual_limit(&asked));
    let question = Question { asked, sources, around, limit };
    let answer = flow::why::answer(&*reader, question, &Setting { config: &config, now }).await;
    let story = answer.map_err(store::failed)?.map_err(|none| no_story(&why.asked, none, &config))?;
    let extent = if why.all { Verbosity::All } else { Verbosity::Brief };
    match why.format {
        OutputFormat::Text => output::print(timeline::text(&story, &part.timezone, extent)),
        OutputFormat::Json => output::line(timeline::json(&story, &part.timezone)),
    }
}

fn no_story(asked: &str, none: NoStory, config: &ConfigSummary) -> Failure {
    match none {
        NoStory::IsReport => {
            Failure::Failed(format!("\"{asked}\" is a report: ask for `orderbell why report.{asked}`"))
        }
        NoStory::IsChannel => {
            let what = format!("`orderbell deliveries --channel {asked}` lists its messages");
            Failure::Failed(format!("\"{asked}\" is a channel: {what}"))
        }
        NoStory::Unknown => Failure::Failed(unknown(asked)),
        NoStory::Several(candidates) => Failure::Failed(flow::why::several(asked, &candidates)),
        NoStory::NotASource => Failure::Misused(format!("--at goes with a source, and \"{asked}\" is none")),
        NoStory::UnknownReport(name) => Failure::Failed(report::unknown(&name, config)),
    }
}

fn unknown(asked: &str) -> String {
    format!(
        "there is no order, event, delivery, source or report \"{asked}\"\na webhook that was refused makes no event: `orderbell why SOURCE` lists those; and one that never came is known to nobody"
    )
}
