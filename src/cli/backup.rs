//! `orderbell backup`: a copy of the store, also while the daemon runs.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::{output, store};
use crate::config::context::SecretReading;
use crate::in_force;
use crate::store::sqlite::backup;

#[derive(Args)]
pub struct Backup {
    /// The copy: a file that is not there yet
    #[arg(value_name = "FILE")]
    to: PathBuf,
}

pub async fn run(backup: Backup, file: &Path) -> Result<(), Failure> {
    let part = in_force::parts(file, SecretReading::Placeholders).map_err(Failure::Configuration)?;
    let (from, to) = (store::path(part.store().map_err(Failure::Configuration)?)?.to_owned(), backup.to);
    let what = format!("{} is copied to {}", from.display(), to.display());
    let copy = tokio::task::spawn_blocking(move || backup::copy(&from, &to).map(|bytes| (to, bytes)));
    let copied = output::unless_soon(what, copy).await;
    let copied = copied.map_err(|error| Failure::Failed(format!("the copy was broken off: {error}")))?;
    let (to, bytes) = copied.map_err(store::failed)?;
    output::line(format_args!("{} is written: {} kB, readable for you alone", to.display(), bytes.div_ceil(1_000)))
}
