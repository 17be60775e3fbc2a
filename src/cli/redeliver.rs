//! `orderbell redeliver`: a message once more, composed anew; or all that were given up.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output::OutputFormat;
use crate::cli::{change, deliveries, output, store};
use crate::config::context::SecretReading;
use crate::config::parts::Parts;
use crate::in_force;
use crate::store::history::change::ChangeRequest;

/// So many in one transaction, so that the daemon never waits for long.
const LOT: usize = 500;
/// What takes longer says how far it is, this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

#[derive(Args)]
#[command(
    override_usage = "orderbell redeliver [OPTIONS] <ID|ORDER>...\n       orderbell redeliver [OPTIONS] --dead [--channel <NAME>]"
)]
pub struct Redeliver {
    /// Deliveries by their ids, as far as `orderbell deliveries` shows them; or orders by their numbers or short numbers: all
    /// their messages, but those that are part of another, and those that were cancelled unless there are no others
    #[arg(required_unless_present = "dead", value_name = "ID|ORDER")]
    ids: Vec<String>,
    /// All that were given up
    #[arg(long, conflicts_with = "ids")]
    dead: bool,
    /// Of the dead, only those to this channel
    #[arg(long, value_name = "NAME", requires = "dead", conflicts_with = "ids")]
    channel: Option<String>,
    /// Do not ask, also for more than ten
    #[arg(long)]
    yes: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

pub async fn run(redeliver: Redeliver, file: &Path) -> Result<(), Failure> {
    let part = in_force::parts(file, SecretReading::Placeholders).map_err(Failure::Configuration)?;
    match redeliver.dead {
        true => revive(&redeliver, &part).await,
        false => change::make(ChangeRequest::Redeliver, &redeliver.ids, redeliver.yes, redeliver.format, &part).await,
    }
}

/// Sends all dead ones once more, lot by lot. What dies again meanwhile stays dead.
async fn revive(redeliver: &Redeliver, part: &Parts) -> Result<(), Failure> {
    let channel = redeliver.channel.as_deref();
    let changed = store::open(part).await?;
    if let Some(channel) = channel {
        deliveries::known(&*changed, channel, part).await?;
    }
    let dead = changed.dead(channel).await.map_err(store::failed)?;
    change::confirm(ChangeRequest::Redeliver, dead.len(), redeliver.yes)?;
    let (mut revived, mut said) = (0, Instant::now());
    for lot in dead.chunks(LOT) {
        revived += changed.revive(lot, Timestamp::now()).await.map_err(store::failed)?;
        if said.elapsed() >= PROGRESS_EVERY {
            output::complain(format_args!("{revived} of {} so far\n", dead.len()));
            said = Instant::now();
        }
    }
    match redeliver.format {
        OutputFormat::Json => output::line(json!({ "dead": dead.len(), "redelivered": revived })),
        OutputFormat::Text if dead.is_empty() => output::line("nothing is dead"),
        OutputFormat::Text if revived == 1 => output::line("1 dead delivery goes out once more"),
        OutputFormat::Text => output::line(format_args!("{revived} dead deliveries go out once more")),
    }
}
