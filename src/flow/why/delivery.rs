//! The story of one delivery: each try with what was answered, each hold, what carried it or was delivered in its place, and what
//! happens next.

use serde_json::json;

use crate::domain::event::Event;
use crate::flow::why::next::named;
use crate::flow::why::setting::{Setting, count};
use crate::flow::why::timeline::{TimelineEntry, TimelineSection, facts};
use crate::flow::why::{meaning, next, step};
use crate::store::history::found::{AttemptHistory, DeliveryHistory, FoundHistory, Other};

/// Of the others in a message so many are named.
const NAMED: usize = 20;

pub fn of_delivery(
    delivery: &DeliveryHistory,
    event: &Event,
    history: &FoundHistory,
    setting: &Setting<'_>,
) -> TimelineSection {
    let kind = setting.kind(&delivery.channel);
    let kind_words = kind.map(|kind| format!(" ({kind})")).unwrap_or_default();
    let mut story = vec![];
    story.extend(stands_in(delivery, setting));
    story.extend(tries(delivery, kind));
    story.extend(delivery.steps.iter().map(|taken| step::line(taken, setting)));
    // Those of one moment stay in the sequence in which they are listed.
    story.sort_by_key(|line| line.at);
    let mut lines = vec![TimelineEntry::says(format!("delivery {}", delivery.id))];
    lines.extend(story);
    lines.extend(together(delivery));
    lines.extend(next::lines(delivery, history, setting));
    TimelineSection {
        list: "deliveries",
        heading: format!("To {}{kind_words}: {}", delivery.channel, outcome(delivery, event, setting)),
        facts: facts(json!({
            "id": delivery.id, "channel": delivery.channel, "channel_kind": kind, "state": delivery.state,
            "attempts": delivery.attempts, "due_at": delivery.due_at, "answer": delivery.answer,
            "digest": delivery.carrier.as_ref().map(|carrier| carrier.id),
            "carries": others(&delivery.carried),
            "instead_of": delivery.instead_of.as_ref().map(|other| other.id),
            "unreached": (!delivery.unreached.is_empty()).then(|| delivery.unreached.iter().map(|unreached| {
                json!({ "channel": unreached.channel, "since": unreached.since })
            }).collect::<Vec<_>>()),
            "stand_ins": others(&delivery.stand_ins),
        })),
        lines,
        ..TimelineSection::default()
    }
}

fn others(others: &[Other]) -> Option<Vec<serde_json::Value>> {
    let row = |other: &Other| {
        json!({ "id": other.id, "event": other.event, "kind": other.kind, "order": other.order,
            "channel": other.channel, "state": other.state })
    };
    (!others.is_empty()).then(|| others.iter().map(row).collect())
}

/// What became of it, in one sentence.
fn outcome(delivery: &DeliveryHistory, event: &Event, setting: &Setting<'_>) -> String {
    let when = setting.time(delivery.due_at);
    match delivery.state.as_str() {
        "delivered" => format!("delivered on {when}{}.", with_others(delivery)),
        "merged" => merged(delivery, event, setting),
        "dead" => format!("given up on {when}{}.", stood_in(delivery)),
        "cancelled" => format!("cancelled{}.", stood_in(delivery)),
        "waiting" if delivery.tries.is_empty() => "it waits; no try was made yet.".to_owned(),
        "waiting" => format!("not delivered yet, after {}.", count(delivery.tries.len() as u64, "try", "tries")),
        other => format!("{other}."),
    }
}

fn with_others(delivery: &DeliveryHistory) -> String {
    match carried(delivery).len() {
        0 => String::new(),
        others => format!(", in one message with {}", count(others as u64, "other", "others")),
    }
}

/// The channels that were notified in its place.
fn stood_in(delivery: &DeliveryHistory) -> String {
    let notified = delivery.stand_ins.iter().filter(|other| other.state == "delivered");
    let notified: Vec<&str> = notified.map(|other| other.channel.as_str()).collect();
    if notified.is_empty() { String::new() } else { format!("; delivered to {} in its place", notified.join(", ")) }
}

/// What its message carries beside itself; not what it stands in for.
fn carried(delivery: &DeliveryHistory) -> Vec<&Other> {
    let original = delivery.instead_of.as_ref().map(|original| original.id);
    delivery.carried.iter().filter(|other| Some(other.id) != original).collect()
}

/// Delivered by another message: an alternative channel's, a newer one of its order, or one for several.
fn merged(delivery: &DeliveryHistory, event: &Event, setting: &Setting<'_>) -> String {
    let Some(carrier) = &delivery.carrier else { return "delivered in another message.".to_owned() };
    let when = match carrier.state.as_str() {
        "delivered" => format!(" on {}", setting.time(carrier.due_at)),
        _ => String::new(),
    };
    let number = event.order.as_ref().map(|order| &order.number);
    if carrier.instead_of == Some(delivery.id) {
        let caught_up = delivery.steps.iter().find(|taken| taken.step == "caught_up");
        let as_well = caught_up.map(|taken| format!(", and to this channel on {}", setting.time(taken.at)));
        format!("delivered to {} in its place{when}{}.", carrier.channel, as_well.unwrap_or_default())
    } else if number.is_some() && number == carrier.order.as_ref() && carrier.event != event.id {
        format!("delivered{when} in a newer message about the same order.")
    } else {
        format!("delivered{when}, in one message with others.")
    }
}

/// Where it is a fallback: for whom.
fn stands_in(delivery: &DeliveryHistory, setting: &Setting<'_>) -> Option<TimelineEntry> {
    let original = delivery.instead_of.as_ref()?;
    let since = |unreached: &crate::store::history::found::ChannelOutage| {
        format!("{} could not be reached since {}", unreached.channel, setting.time(unreached.since))
    };
    let unreached: Vec<String> = delivery.unreached.iter().map(since).collect();
    let why = match unreached.is_empty() {
        true => format!("{} could not be reached", original.channel),
        false => unreached.join(", and "),
    };
    let says = format!("It stands in for delivery {} to {}, because {why}.", original.id, original.channel);
    Some(TimelineEntry::at(delivery.created_at, says))
}

/// Each try with what was answered, and what that means unless the try before was answered the same.
fn tries(delivery: &DeliveryHistory, kind: Option<&str>) -> Vec<TimelineEntry> {
    let in_parts = delivery.tries.iter().any(|one| one.part > 0);
    let mut lines: Vec<TimelineEntry> = Vec::new();
    let mut before: Option<&AttemptHistory> = None;
    for (index, one) in delivery.tries.iter().enumerate() {
        let part = if in_parts { format!(", part {}", one.part + 1) } else { String::new() };
        let (outcome, answer) = (one.outcome.as_deref(), one.answer.clone());
        let says =
            format!("Try {}{part}{}: {}.", index + 1, form(&one.form), outcome.map_or("under way", meaning::outcome));
        let is_same = before.is_some_and(|before| (&before.outcome, &before.answer) == (&one.outcome, &one.answer));
        let mut line = TimelineEntry::at(one.at, says).with("try", index + 1).with("part", one.part + 1);
        line = line.with("form", one.form.clone());
        if let Some(outcome) = outcome {
            line = line.with("outcome", outcome);
            if let Some((cause, change)) = meaning::of_answer(kind, outcome, answer.as_deref().unwrap_or_default()) {
                line = TimelineEntry { is_known: is_same, ..line.meaning(cause, change) };
            }
        }
        lines.push(TimelineEntry { answer: answer.map(|answer| meaning::said(kind, &answer)), ..line });
        before = Some(one);
    }
    lines
}

/// How a form is said; the ordinary one is not.
fn form(form: &str) -> String {
    match form {
        "full" => String::new(),
        "reduced" => ", without free text, links and pictures".to_owned(),
        _ if form.starts_with("halved") => ", in smaller pieces".to_owned(),
        other => format!(", in the form {other}"),
    }
}

/// What went out in one message with it, and what stands in for it.
fn together(delivery: &DeliveryHistory) -> Vec<TimelineEntry> {
    let mut lines = Vec::new();
    let carried = carried(delivery);
    if !carried.is_empty() {
        lines.push(TimelineEntry::says("Its message carries these others as well:"));
        lines.extend(carried.iter().take(NAMED).map(|other| TimelineEntry::says(format!("  {}", named(other)))));
        if carried.len() > NAMED {
            lines.push(TimelineEntry::says(format!("  and {} more", carried.len() - NAMED)));
        }
    }
    // Where it still waits for that message, it is what happens next.
    if let Some(carrier) = delivery.carrier.as_ref().filter(|_| delivery.state != "waiting") {
        lines.push(TimelineEntry::says(match carrier.instead_of == Some(delivery.id) {
            true => format!("It was delivered by {}.", named(carrier)),
            false => format!("Its message was that of {}.", named(carrier)),
        }));
    }
    let another = |other: &&Other| Some(other.id) != delivery.carrier.as_ref().map(|carrier| carrier.id);
    for other in delivery.stand_ins.iter().filter(another) {
        lines.push(TimelineEntry::says(format!("In its place there is {}, which is {}.", named(other), other.state)));
    }
    lines
}
