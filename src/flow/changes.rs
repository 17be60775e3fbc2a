//! What came of a change that a person asked for, in words.

use jiff::tz::TimeZone;

use crate::domain::local_time;
use crate::flow::config_summary::ConfigSummary;
use crate::flow::why;
use crate::store::history::change::{Applied, ChangeRequest, ChangeResult, Obstacle};

/// What came of a change, and why not, in a sentence or several.
pub fn words(wish: ChangeRequest, change: &ChangeResult, config: &ConfigSummary) -> String {
    let done = match &change.result {
        Err(hindrance) => return hindered(wish, hindrance, &config.timezone.zone),
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
        .filter(|named| wish == ChangeRequest::Redeliver && !config.channels.contains_key(&named.channel));
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
        Obstacle::Delivered(at) => format!("it arrived on {}", local_time::second(*at, zone)),
        Obstacle::Carried(None) => "it went out in another message".to_owned(),
        Obstacle::Carried(Some(other)) => format!("it went out in the message of {other}"),
        Obstacle::UnderWay => "it is being sent just now; try again in a moment".to_owned(),
        Obstacle::LaterRound(round) => format!("it is in round {round}, which is before the one that was given"),
        Obstacle::Inside(leader) => {
            format!("it waits to go out in the message of {leader}; `orderbell redeliver {leader}` begins that anew")
        }
    };
    format!("not {verb}: {why}")
}
