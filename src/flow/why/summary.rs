//! A story in one line: what was delivered, what waits and why, what was given up.

use jiff::Timestamp;

use crate::domain::event::SignatureCheck;
use crate::domain::route_decision;
use crate::domain::route_decision::RouteDecision;
use crate::flow::why::setting::Setting;
use crate::flow::why::{meaning, next};
use crate::store::history::found::{DeliveryHistory, EventHistory, FoundHistory};

/// Of all deliveries of these events together.
pub fn of(events: &[&EventHistory], history: &FoundHistory, setting: &Setting<'_>) -> String {
    let deliveries: Vec<&DeliveryHistory> = events.iter().flat_map(|event| &event.deliveries).collect();
    let mut channels: Vec<&str> = Vec::new();
    for delivery in &deliveries {
        if !channels.contains(&delivery.channel.as_str()) {
            channels.push(&delivery.channel);
        }
    }
    let (mut arrived, mut rest) = (Vec::new(), Vec::new());
    for channel in channels {
        let of_channel: Vec<&DeliveryHistory> =
            deliveries.iter().copied().filter(|delivery| delivery.channel == channel).collect();
        let here = arrivals(channel, &of_channel, setting);
        let cancelled = of_channel.iter().all(|delivery| is_cancelled(delivery));
        match (cancelled, &here) {
            (true, None) => rest.push(format!("cancelled for {channel}")),
            (true, Some(_)) => rest.push(format!("sending it once more to {channel} was cancelled")),
            (false, _) => {}
        }
        arrived.extend(here);
        rest.extend(waiting(channel, &of_channel, history, setting));
        rest.extend(dead(channel, &of_channel, setting));
    }
    let arrived = (!arrived.is_empty()).then(|| format!("delivered {}", arrived.join(", ")));
    let all: Vec<String> = arrived.into_iter().chain(rest).collect();
    if all.is_empty() { nobody(events) } else { all.join("; ") }
}

/// `to kitchen at 19:54`
fn arrivals(channel: &str, deliveries: &[&DeliveryHistory], setting: &Setting<'_>) -> Option<String> {
    let times: Vec<Timestamp> = deliveries.iter().filter_map(|delivery| arrived_at(delivery, deliveries)).collect();
    let last = times.iter().max()?;
    let place = deliveries.iter().find_map(|delivery| delivery.instead_of.as_ref());
    let place = place.map(|original| format!(" in place of {}", original.channel)).unwrap_or_default();
    let count = if times.len() > 1 { format!(" (the last of {})", times.len()) } else { String::new() };
    Some(format!("to {channel}{place} {}{count}", setting.near(*last)))
}

/// When it arrived, alone or in the message of another delivery; what was sent to a fallback arrived there.
fn arrived_at(delivery: &DeliveryHistory, all: &[&DeliveryHistory]) -> Option<Timestamp> {
    let carrier = delivery.carrier.as_ref();
    match delivery.state.as_str() {
        "delivered" => Some(delivery.due_at),
        "cancelled" => before_it_was_asked_for_again(delivery),
        "merged" if is_cancelled(delivery) => {
            let leader = all.iter().find(|one| carrier.is_some_and(|carrier| carrier.id == one.id))?;
            before_it_was_asked_for_again(leader)
        }
        "merged" => carrier
            .filter(|carrier| carrier.state == "delivered" && carrier.instead_of != Some(delivery.id))
            .map(|carrier| carrier.due_at),
        _ => None,
    }
}

/// Whether it was cancelled, alone or with the message that it is part of.
fn is_cancelled(delivery: &DeliveryHistory) -> bool {
    let carrier = delivery.carrier.as_ref();
    let is_carriers = delivery.state == "merged" && carrier.is_some_and(|carrier| carrier.state == "cancelled");
    delivery.state == "cancelled" || is_carriers
}

/// When a message arrived that a person then asked for once more.
fn before_it_was_asked_for_again(delivery: &DeliveryHistory) -> Option<Timestamp> {
    let asked = delivery.steps.iter().filter(|step| step.step == "redelivered").map(|step| step.at);
    let last_before = |asked| delivery.tries.iter().rfind(|one| one.ended_at.is_some_and(|ended| ended <= asked));
    let arrived = asked.filter_map(last_before).filter(|one| one.outcome.as_deref() == Some("delivered"));
    arrived.filter_map(|one| one.ended_at).max()
}

fn waiting(
    channel: &str,
    deliveries: &[&DeliveryHistory],
    history: &FoundHistory,
    setting: &Setting<'_>,
) -> Option<String> {
    let waiting: Vec<_> = deliveries.iter().filter(|delivery| delivery.state == "waiting").collect();
    let first = waiting.first()?;
    let why = next::briefly(first, history, setting);
    Some(match waiting.len() {
        1 => format!("waits for {channel}: {why}"),
        count => format!("{count} wait for {channel}: {why}"),
    })
}

fn dead(channel: &str, deliveries: &[&DeliveryHistory], setting: &Setting<'_>) -> Option<String> {
    let dead: Vec<_> = deliveries.iter().filter(|delivery| delivery.state == "dead").collect();
    let last = dead.last()?;
    let why = meaning::of_last_try(last, setting.kind(channel)).map(|why| format!(": {why}")).unwrap_or_default();
    let count = if dead.len() > 1 { format!(" (the last of {})", dead.len()) } else { String::new() };
    Some(format!("given up for {channel} {}{count}{why}", setting.near(last.due_at)))
}

/// Why there is no delivery.
fn nobody(events: &[&EventHistory]) -> String {
    let applies = |event: &&EventHistory| {
        let decisions = route_decision::read(&event.routes);
        decisions.is_none_or(|(_, decisions)| {
            decisions.iter().any(|one| matches!(one, RouteDecision::Applies | RouteDecision::Unjudged))
        })
    };
    match () {
        () if events.iter().all(|event| event.event.proof == SignatureCheck::Invalid) => {
            "delivered to nobody: it was not proved genuine".to_owned()
        }
        () if !events.iter().any(applies) => "delivered to nobody: no route applies".to_owned(),
        () => "it makes no message".to_owned(),
    }
}
