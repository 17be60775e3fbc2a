//! What `cancel` and `redeliver` share: the change itself, and a line for each delivery that says what came of it.

use std::io;
use std::io::IsTerminal;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::output::OutputFormat;
use crate::cli::{output, store, why};
use crate::config::parts::Parts;
use crate::store::history::change::{Applied, ChangeRequest, ChangeResult, Meant, Obstacle};

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
    match format {
        OutputFormat::Json => output::line(made.iter().map(|change| as_json(wish, change, part)).collect::<Value>())?,
        OutputFormat::Text => {
            for change in &made {
                output::line(line(wish, change, part))?;
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

fn line(wish: ChangeRequest, change: &ChangeResult, part: &Parts) -> String {
    let about = change.delivery.as_ref().map(|named| {
        let order = named.order.as_ref().map(|order| format!(" {order}")).unwrap_or_default();
        format!(" ({}{order} to {})", named.kind, named.channel)
    });
    let id = change.delivery.as_ref().map_or(change.given.clone(), |named| named.id.to_string());
    format!("{id}{}: {}", about.unwrap_or_default(), words(wish, change, part))
}

fn as_json(wish: ChangeRequest, change: &ChangeResult, part: &Parts) -> Value {
    let named = change.delivery.as_ref();
    json!({
        "id": named.map_or(change.given.clone(), |named| named.id.to_string()),
        "kind": named.map(|named| &named.kind), "order": named.and_then(|named| named.order.as_ref()),
        "channel": named.map(|named| &named.channel), "done": change.result.is_ok(),
        "says": words(wish, change, part),
    })
}

fn words(wish: ChangeRequest, change: &ChangeResult, part: &Parts) -> String {
    let done = match &change.result {
        Err(hindrance) => return hindered(wish, hindrance, &part.timezone.zone),
        Ok(done) => done,
    };
    let released = |count: &u64| match count {
        1 => "1 other that was to go out in its message goes by itself".to_owned(),
        count => format!("{count} others that were to go out in its message go by themselves"),
    };
    let (did, more) = match (wish, done) {
        (ChangeRequest::Cancel, Applied::Already) => ("was cancelled already", None),
        (ChangeRequest::Cancel, Applied::WhileUnderWay) => {
            ("cancelled", Some("it is being sent just now, so it may still arrive".to_owned()))
        }
        (ChangeRequest::Cancel, Applied::Inside(leader)) => {
            ("cancelled", Some(format!("it may still arrive in the message of {leader}, which carries it with others")))
        }
        (ChangeRequest::Cancel, Applied::Releasing(count)) => ("cancelled", Some(released(count))),
        (ChangeRequest::Cancel, Applied::Plainly) => ("cancelled", None),
        (ChangeRequest::Redeliver, Applied::Already) => ("it waits already", None),
        (ChangeRequest::Redeliver, Applied::Inside(leader)) => {
            ("left out", Some(format!("it went out in the message of {leader}, which goes out once more")))
        }
        (ChangeRequest::Redeliver, Applied::Releasing(count)) => ("goes out once more", Some(released(count))),
        (ChangeRequest::Redeliver, _) => ("goes out once more", None),
    };
    let gone = change
        .delivery
        .as_ref()
        .filter(|named| wish == ChangeRequest::Redeliver && !part.channels.contains_key(&named.channel));
    let gone = gone.map(|named| format!("it waits until the configuration has a channel \"{}\" again", named.channel));
    std::iter::once(did.to_owned()).chain(more).chain(gone).collect::<Vec<_>>().join("; ")
}

/// Why not, and what to do instead.
fn hindered(wish: ChangeRequest, hindrance: &Obstacle, zone: &TimeZone) -> String {
    let verb = match wish {
        ChangeRequest::Cancel => "cancelled",
        ChangeRequest::Redeliver => "sent once more",
    };
    let why = match hindrance {
        Obstacle::NoId => "that is neither an order's number nor a delivery's id, of which the first 8 digits or more are needed; `orderbell deliveries` shows both".to_owned(),
        Obstacle::Unknown => "there is no such delivery or order; `orderbell deliveries` shows those that there are".to_owned(),
        Obstacle::IsEvent => "that is an event, not a delivery; `orderbell why` shows its deliveries".to_owned(),
        Obstacle::Ambiguous(candidates) => {
            let named: String = candidates.iter().map(|one| format!("\n    {}", why::candidate(one))).collect();
            format!("several deliveries begin like that; write more of the id:{named}")
        }
        Obstacle::SeveralOrders(orders, more) => {
            let named: String = orders.iter().map(|(source, number)| format!("\n    {source}/{number}")).collect();
            let more = if *more > 0 { format!("\n    and {more} older ones") } else { String::new() };
            format!("several orders are called so; write one of these:{named}{more}")
        }
        Obstacle::NothingToDo if wish == ChangeRequest::Cancel => "of this order nothing waits and nothing is dead".to_owned(),
        Obstacle::NothingToDo => "this order has no deliveries; `orderbell why` says why".to_owned(),
        Obstacle::Delivered(at) => format!("it arrived on {}", store::second(*at, zone)),
        Obstacle::Carried(None) => "it went out in another message".to_owned(),
        Obstacle::Carried(Some(other)) => format!("it went out in the message of {other}"),
        Obstacle::UnderWay => "it is being sent just now; try again in a moment".to_owned(),
        Obstacle::Inside(leader) => {
            format!("it waits to go out in the message of {leader}; `orderbell redeliver {leader}` begins that anew")
        }
    };
    format!("not {verb}: {why}")
}
