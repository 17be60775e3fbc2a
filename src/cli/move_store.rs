//! `orderbell move-store`: a whole store into another database.

use std::time::Duration;

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::{output, store};
use crate::store::moving::{MoveProgress, move_store};

/// How often it is said how far it has come.
const SAY_EVERY: Duration = Duration::from_secs(2);

#[derive(Args)]
pub struct MoveStore {
    /// The store that there is, such as sqlite:orderbell.db; no daemon may run on it meanwhile, and it stays as it is
    #[arg(long, value_name = "URL")]
    from: String,
    /// The place for the new one, in which there is none yet
    #[arg(long, value_name = "URL")]
    to: String,
}

pub async fn run(command: MoveStore) -> Result<(), Failure> {
    let (from, to) = (store::named("--from", &command.from)?, store::named("--to", &command.to)?);
    let progress = MoveProgress::default();
    let mut moving = std::pin::pin!(move_store(&from, &to, progress.clone()));
    let moved = loop {
        match tokio::time::timeout(SAY_EVERY, &mut moving).await {
            Ok(moved) => break moved.map_err(store::failed)?,
            Err(_) => say(&progress),
        }
    };
    for (table, rows) in &moved.tables {
        output::line(format_args!("{rows:>12} {table}"))?;
    }
    output::line(format_args!(
        "moved to {to} and compared, row by row; {} there\n\
         next: set url in [store] to the new place, and do not start orderbell on {from} any more: it would send what waits once more",
        output::counted(moved.waiting, "delivery waits", "deliveries wait")
    ))
}

fn say(progress: &MoveProgress) {
    let (done, all) = progress.rows();
    output::complain(format_args!("{done} of {all} rows are copied …\n"));
}
