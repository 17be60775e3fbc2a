//! `orderbell backup`: a copy of the store, also while the daemon runs.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::{output, store};
use crate::config::context::SecretReading;
use crate::in_force;

#[derive(Args)]
pub struct Backup {
    /// The copy: a file that is not there yet
    #[arg(value_name = "FILE")]
    to: PathBuf,
}

pub async fn run(backup: Backup, file: &Path) -> Result<(), Failure> {
    let part = in_force::parts(file, SecretReading::Placeholders).map_err(Failure::Configuration)?;
    let (from, to) = (store::url(&part)?, backup.to);
    let what = format!("{from} is copied to {}", to.display());
    let copied = output::unless_soon(what, crate::store::back_up(from, &to)).await;
    let bytes = copied.map_err(store::failed)?.bytes;
    output::line(format_args!("{} is written: {} kB, readable for you alone", to.display(), bytes.div_ceil(1_000)))
}
