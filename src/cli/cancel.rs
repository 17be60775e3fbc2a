//! `orderbell cancel`: never mind a message that has not arrived.

use std::path::Path;

use clap::Args;

use crate::cli::{Failure, Format, change};
use crate::config::{SecretReading, parts};
use crate::store::change::ChangeRequest;

#[derive(Args)]
pub struct Cancel {
    /// The deliveries, by their ids or the first 8 digits of them or more; `orderbell deliveries` has them
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(cancel: &Cancel, file: &Path) -> Result<(), Failure> {
    let part = parts::read(file, SecretReading::Placeholders).map_err(Failure::Configuration)?;
    change::make(ChangeRequest::Cancel, &cancel.ids, cancel.format, &part)
}
