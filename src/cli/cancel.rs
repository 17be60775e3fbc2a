//! `orderbell cancel`: never mind a message that has not arrived.

use std::path::Path;

use clap::Args;

use crate::cli::change;
use crate::cli::failure::Failure;
use crate::cli::output::OutputFormat;
use crate::config::context::SecretReading;
use crate::in_force;
use crate::store::history::change::ChangeRequest;

#[derive(Args)]
pub struct Cancel {
    /// Deliveries by their ids, as far as `orderbell deliveries` shows them; or orders by their numbers or short numbers:
    /// everything of them that has not arrived
    #[arg(required = true, value_name = "ID|ORDER")]
    ids: Vec<String>,
    /// Do not ask, also for more than ten
    #[arg(long)]
    yes: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

pub async fn run(cancel: Cancel, file: &Path) -> Result<(), Failure> {
    let part = in_force::parts(file, SecretReading::Placeholders).map_err(Failure::Configuration)?;
    change::make(ChangeRequest::Cancel, &cancel.ids, cancel.yes, cancel.format, &part).await
}
