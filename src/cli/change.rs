//! What `cancel` and `redeliver` share: the change itself, and a line for each delivery that says what came of it.

use std::io;
use std::io::IsTerminal;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::output::OutputFormat;
use crate::cli::{config_summary, output, store};
use crate::config::parts::Parts;
use crate::flow::changes::words;
use crate::flow::config_summary::ConfigSummary;
use crate::store::history::change::{ChangeRequest, ChangeResult, Meant};

/// More than so many are changed only when that is confirmed.
const ASKED_ABOVE: usize = 10;

/// Does with each of these what is wished, in one transaction, and prints what came of it.
pub async fn make(
    wish: ChangeRequest,
    given: &[String],
    yes: bool,
    format: OutputFormat,
    part: &Parts,
) -> Result<(), Failure> {
    let changed = store::open(part).await?;
    let meant = changed.resolve(wish, given).await.map_err(store::failed)?;
    let count = meant.iter().filter(|one| matches!(one, Meant::Delivery(_))).count();
    confirm(wish, count, yes)?;
    let made = changed.make_changes(wish, &meant, Timestamp::now()).await.map_err(store::failed)?;
    let config = config_summary::of(part);
    match format {
        OutputFormat::Json => {
            output::line(made.iter().map(|change| as_json(wish, change, &config)).collect::<Value>())?
        }
        OutputFormat::Text => {
            for change in &made {
                output::line(line(wish, change, &config))?;
            }
        }
    }
    let verb = match wish {
        ChangeRequest::Cancel => "cancelled",
        ChangeRequest::Redeliver => "sent once more",
    };
    match made.iter().filter(|change| change.result.is_err()).count() {
        0 => Ok(()),
        not => Err(Failure::Failed(format!("{not} of {} could not be {verb}", made.len()))),
    }
}

/// Asks before many are changed.
///
/// # Errors
/// [`Failure::Misused`] where nobody can be asked; [`Failure::Failed`] where the answer is no.
pub fn confirm(wish: ChangeRequest, count: usize, yes: bool) -> Result<(), Failure> {
    if yes || count <= ASKED_ABOVE {
        return Ok(());
    }
    let would = match wish {
        ChangeRequest::Cancel => format!("this cancels {count} deliveries"),
        ChangeRequest::Redeliver => format!("this sends {count} messages once more"),
    };
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::Misused(format!("{would}; add --yes if that is meant")));
    }
    output::complain(format_args!("{would}. Go on? [y/N] "));
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    match read.is_ok() && ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
        true => Ok(()),
        false => Err(Failure::Failed("nothing was changed".to_owned())),
    }
}

fn line(wish: ChangeRequest, change: &ChangeResult, config: &ConfigSummary) -> String {
    let about = change.delivery.as_ref().map(|named| {
        let order = named.order.as_ref().map(|order| format!(" {order}")).unwrap_or_default();
        format!(" ({}{order} to {})", named.kind, named.channel)
    });
    let id = change.delivery.as_ref().map_or(change.given.clone(), |named| named.id.to_string());
    format!("{id}{}: {}", about.unwrap_or_default(), words(wish, change, config))
}

fn as_json(wish: ChangeRequest, change: &ChangeResult, config: &ConfigSummary) -> Value {
    let named = change.delivery.as_ref();
    json!({
        "id": named.map_or(change.given.clone(), |named| named.id.to_string()),
        "kind": named.map(|named| &named.kind), "order": named.and_then(|named| named.order.as_ref()),
        "channel": named.map(|named| &named.channel), "done": change.result.is_ok(),
        "says": words(wish, change, config),
    })
}
