//! What happens to a delivery next, and when.

use crate::flow::why::meaning;
use crate::flow::why::setting::Setting;
use crate::flow::why::timeline::TimelineEntry;
use crate::store::history::found::{DeliveryHistory, FoundHistory, Other, ParkedHistory};
use crate::store::queue::pending::{PausedState, UNREADY};

pub fn lines(delivery: &DeliveryHistory, history: &FoundHistory, setting: &Setting<'_>) -> Vec<TimelineEntry> {
    match delivery.state.as_str() {
        "waiting" => vec![waiting(delivery, history, setting)],
        "dead" => vec![TimelineEntry {
            change: Some(format!(
                "mend the cause, then `orderbell redeliver {}`, or `orderbell redeliver --dead` for all",
                delivery.id
            )),
            ..TimelineEntry::says("Next: nothing, until a person asks for it once more.")
        }],
        _ => Vec::new(),
    }
    .into_iter()
    .map(|line| TimelineEntry { list: "next", ..line })
    .collect()
}

fn waiting(delivery: &DeliveryHistory, history: &FoundHistory, setting: &Setting<'_>) -> TimelineEntry {
    let channel = &delivery.channel;
    let due_at = delivery.due_at;
    // While it is being sent, it is due when its lease ends.
    if delivery.tries.iter().any(|one| one.ended_at.is_none()) {
        return TimelineEntry::says(match due_at > setting.now {
            true => "Next: it is being sent just now.".to_owned(),
            false => {
                "Next: the daemon was cut off while it was sending this. It is taken up at its next start.".to_owned()
            }
        });
    }
    if !setting.has(channel) {
        return TimelineEntry::says("Next: nothing.").meaning(
            format!("there is no channel \"{channel}\" in the configuration"),
            "give a channel that name again, or cancel the delivery",
        );
    }
    if let Some(carrier) = &delivery.carrier {
        let says = format!("Next: it goes out in the message of {}.", named(carrier));
        return match carrier.due_at > setting.now {
            true => TimelineEntry::at(carrier.due_at, says),
            false => TimelineEntry::says(says),
        };
    }
    if let Some(paused) = setting.paused(channel, history) {
        return self::paused(channel, paused, setting);
    }
    if let Some(parked) = setting.parked(channel, history) {
        return self::parked(parked, setting);
    }
    if let Some(limit) = setting.rate_limited(channel, history) {
        let says = format!("Next: the receiver of {channel} takes nothing until {}.", setting.time(limit.until));
        return TimelineEntry::at(limit.until, says).meaning(limit.reason.clone(), "nothing: what waits goes out then");
    }
    if due_at > setting.now {
        return TimelineEntry::at(due_at, "Next: it is tried.");
    }
    if let Some(used_up) = setting.paced(channel, delivery.is_urgent, history) {
        let says = format!("Next: {channel} waits for its rate limit: {}.", used_up.words(delivery.is_urgent));
        return match used_up.until {
            Some(until) => TimelineEntry::at(until, says),
            None => TimelineEntry::says(says),
        };
    }
    TimelineEntry::says("Next: it is due; it goes out as soon as the daemon runs and it is its turn.")
}

/// Why a delivery waits, and for how long, in a few words.
pub fn briefly(delivery: &DeliveryHistory, history: &FoundHistory, setting: &Setting<'_>) -> String {
    let channel = &delivery.channel;
    if delivery.tries.iter().any(|one| one.ended_at.is_none()) {
        return "it is being sent just now".to_owned();
    }
    if !setting.has(channel) {
        return "there is no such channel in the configuration".to_owned();
    }
    if let Some(carrier) = &delivery.carrier {
        return format!("it goes out with {}", carrier.order.as_ref().unwrap_or(&carrier.kind));
    }
    if let Some(paused) = setting.paused(channel, history) {
        return format!("the channel is paused by {}", paused.by);
    }
    if let Some(parked) = setting.parked(channel, history) {
        let meaning = meaning::of_answer(setting.kind(channel), "misconfigured", &parked.reason);
        let cause = meaning.map_or("its setting is wrong", |(cause, _)| cause);
        return format!("the channel is parked, {cause}; next try {}", setting.near(parked.next_probe_at));
    }
    if let Some(limit) = setting.rate_limited(channel, history) {
        return format!("its receiver takes nothing before {}", setting.near(limit.until).trim_start_matches("at "));
    }
    let when = match delivery.due_at > setting.now {
        true => format!("next try {}", setting.near(delivery.due_at)),
        false => match setting.paced(channel, delivery.is_urgent, history) {
            Some(used_up) => {
                let until = used_up.until.map(|until| format!("; next try {}", setting.near(until)));
                format!("rate limit: {}{}", used_up.words(delivery.is_urgent), until.unwrap_or_default())
            }
            None => "it is due".to_owned(),
        },
    };
    meaning::of_last_try(delivery, setting.kind(channel)).into_iter().chain([when]).collect::<Vec<_>>().join("; ")
}

/// A channel that a person has paused.
fn paused(channel: &str, paused: &PausedState, setting: &Setting<'_>) -> TimelineEntry {
    let (since, by) = (setting.time(paused.since), &paused.by);
    let says = format!(
        "Next: it waits, because {channel} is paused since {since} by {by}. When the channel is resumed, all that waits goes out."
    );
    TimelineEntry::says(says).with("paused_since", paused.since.to_string()).with("paused_by", by.clone())
}

/// A channel whose setting is wrong.
fn parked(parked: &ParkedHistory, setting: &Setting<'_>) -> TimelineEntry {
    let (channel, since) = (&parked.channel, setting.time(parked.since));
    if parked.reason.starts_with(UNREADY) {
        let says = format!("Next: {channel} waits for its secret since {since}; then it is sent. {}.", parked.reason);
        return TimelineEntry::says(says).with("parked_since", parked.since.to_string());
    }
    let says = format!(
        "Next: the oldest message that waits for {channel} is tried. The channel is parked since {since}, because its setting is wrong; when that one is accepted, all go out."
    );
    let meaning = meaning::of_answer(setting.kind(channel), "misconfigured", &parked.reason);
    let (cause, change) = meaning.unwrap_or(("its setting is wrong", "mend it"));
    let change = format!("{change}; then `orderbell test {channel}` resumes it at once");
    let line = TimelineEntry::at(parked.next_probe_at, says)
        .meaning(cause, change)
        .with("parked_since", parked.since.to_string());
    TimelineEntry { answer: Some(meaning::said(setting.kind(channel), &parked.reason)), ..line }
}

/// `order.placed 756823 to owner, delivery 01a2…`
pub fn named(other: &Other) -> String {
    let order = other.order.as_ref().map(|order| format!(" {order}")).unwrap_or_default();
    format!("{}{order} to {}, delivery {}", other.kind, other.channel, other.id)
}
