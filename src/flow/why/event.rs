//! The story of an order and of its events: when each came, whether it was believed, what each route made of it.

use serde_json::{Value, json};

use crate::domain::data::{OrderChanges, SampleOrigin};
use crate::domain::event::{Event, Kind, SignatureCheck};
use crate::domain::order::{Order, OrderState};
use crate::domain::route::Route;
use crate::domain::route_decision::RouteDecision;
use crate::domain::{route_decision, unreadable};
use crate::flow::why::setting::{Setting, count, span};
use crate::flow::why::timeline::{TimelineEntry, TimelineSection, facts};
use crate::flow::why::{delivery, summary};
use crate::store::history::found::{EventHistory, FoundHistory, OrderHistory};

/// So many places that could not be read are named.
const UNREADABLE_NAMED: usize = 20;

pub fn of_order(order: &OrderHistory, history: &FoundHistory, setting: &Setting<'_>) -> TimelineSection {
    let known = order.order.as_ref();
    let short = known.and_then(|order| order.short_number.as_ref());
    let called = short.map(|short| format!(" (#{short})")).unwrap_or_default();
    let shop = known.and_then(|order| order.shop.as_ref()).map(|shop| shop.name.as_ref().unwrap_or(&shop.id));
    let at_shop = shop.map(|shop| format!(", {shop}")).unwrap_or_default();
    TimelineSection {
        list: "orders",
        heading: format!("Order {}{called} of {}{at_shop}", order.number, order.source),
        summary: Some(summary::of(&order.events.iter().collect::<Vec<_>>(), history, setting)),
        facts: facts(json!({
            "source": order.source, "number": order.number, "short_number": short, "shop": shop,
            "state": known.map(|order| order.state), "total": known.and_then(|order| order.total.as_ref()),
            "revision": known.map(|order| order.revision),
            "unreadable": known.map(|order| &order.unreadable).filter(|unreadable| !unreadable.is_empty()),
        })),
        chapters: order.events.iter().map(|one| chapter(one.event.kind.to_string(), one, history, setting)).collect(),
        end: vec![stands(order, known)],
        ..TimelineSection::default()
    }
}

/// State and total at the end.
fn stands(order: &OrderHistory, known: Option<&Order>) -> TimelineEntry {
    let events = count(order.events.len() as u64, "event", "events");
    TimelineEntry::says(match known {
        None => format!("After {events} nothing is known of the order: what came of it was not proved genuine."),
        Some(order) => {
            let total = match (&order.total, order.total_is_approximate) {
                (None, _) => "its total is not known".to_owned(),
                (Some(total), false) => format!("its total is {total}"),
                (Some(total), true) => format!("its total is about {total}, the sum of its lines"),
            };
            let state = match order.state {
                OrderState::Unknown => "its state is not known".to_owned(),
                state => format!("the order is {}", state_word(state)),
            };
            format!("Now, after {events}, {state}, and {total}.")
        }
    })
}

fn state_word(state: OrderState) -> &'static str {
    match state {
        OrderState::Unknown => "unknown",
        OrderState::Placed => "placed",
        OrderState::Paid => "paid",
        OrderState::Accepted => "accepted",
        OrderState::Ready => "ready",
        OrderState::Completed => "completed",
        OrderState::Cancelled => "cancelled",
        OrderState::Refunded => "refunded",
    }
}

/// An event that stands by itself.
pub fn of_event(history: &EventHistory, whole: &FoundHistory, setting: &Setting<'_>) -> TimelineSection {
    let event = &history.event;
    let heading = format!("{} of {}{}", event.kind, event.source, about(event));
    TimelineSection {
        summary: Some(summary::of(&[history], whole, setting)),
        ..chapter(heading, history, whole, setting)
    }
}

/// An event under a heading.
pub fn chapter(
    heading: String,
    history: &EventHistory,
    whole: &FoundHistory,
    setting: &Setting<'_>,
) -> TimelineSection {
    let event = &history.event;
    let mut lines = vec![TimelineEntry::says(format!("event {}", event.id))];
    lines.extend(came(history));
    lines.extend(routes(history, setting));
    let applied = route_decision::read(&history.routes).is_none_or(|(_, decisions)| decisions.iter().any(applies));
    if history.deliveries.is_empty() && event.proof != SignatureCheck::Invalid {
        lines.push(match applied {
            false => TimelineEntry::says("So nobody is notified.")
                .meaning("no route applies to it", "add its kind, source or shop to a [[route]] if somebody should be"),
            true => TimelineEntry::says("There is no message for it."),
        });
    }
    let deliveries = history.deliveries.iter().map(|delivery| delivery::of_delivery(delivery, event, whole, setting));
    TimelineSection {
        list: "events",
        heading,
        facts: facts(json!({
            "id": event.id, "kind": event.kind, "source": event.source,
            "order": event.order.as_ref().map(|order| &order.number), "shop": event.shop.as_ref().map(|shop| &shop.id),
            "occurred_at": event.occurred_at, "received_at": event.received_at,
            "proof": proof(&event.proof), "late_by_seconds": event.data.late.as_ref().map(|late| late.by_seconds),
            "changed": event.data.changed.as_deref().map(changed_facts),
            "repeats": history.repeats, "last_repeat_at": history.last_repeat_at,
            "unreadable": Some(unreadable::of_event(event)).filter(|unreadable| !unreadable.is_empty()),
        })),
        lines,
        chapters: deliveries.collect(),
        ..TimelineSection::default()
    }
}

/// What the event is about.
fn about(event: &Event) -> String {
    let order = event.order.as_ref().map(|order| format!(", order {}", order.number));
    let shop = event.shop.as_ref().map(|shop| format!(", shop {}", shop.name.as_ref().unwrap_or(&shop.id)));
    let notice = event.data.notice().map(|notice| {
        let subject = notice.subject.as_ref().map(|subject| format!(" of {subject}")).unwrap_or_default();
        format!(", about \"{}\"{subject}", notice.topic)
    });
    [order, shop, notice].into_iter().flatten().collect()
}

fn proof(proof: &SignatureCheck) -> &str {
    match proof {
        SignatureCheck::Valid(recipe) => recipe,
        SignatureCheck::Invalid => "none",
        SignatureCheck::Own => "own",
    }
}

/// When it happened and came, whether it was believed, and whether it came again.
fn came(history: &EventHistory) -> Vec<TimelineEntry> {
    let event = &history.event;
    let mut lines = Vec::new();
    if event.proof == SignatureCheck::Own {
        lines.push(TimelineEntry::at(event.received_at, "Orderbell made it."));
        return lines;
    }
    if let Some(SampleOrigin { source, kind }) = event.data.sample() {
        let says = format!("It is a signed sample of {kind} that somebody had sent through the source {source}.");
        lines.push(TimelineEntry::says(says));
    }
    let lateness = event.occurred_at.map(|at| event.received_at.duration_since(at));
    if let Some(at) = event.occurred_at {
        lines.push(TimelineEntry::at(at, "It happened, by the platform's clock."));
    }
    let after = match lateness {
        None => String::new(),
        Some(after) if after.is_negative() => format!(", {} before that by our clock", span(after)),
        Some(after) => format!(", {} later", span(after)),
    };
    lines.push(match &event.proof {
        SignatureCheck::Valid(recipe) => {
            TimelineEntry::at(event.received_at, format!("It came{after}, and was proved genuine: {recipe}."))
        }
        _ => TimelineEntry::at(
            event.received_at,
            format!(
                "It came{after}, but its signature fits none of the ways that we know. It is kept, and delivered to nobody."
            ),
        )
        .meaning(
            "the address registered at the platform is not the configured one, or the secret is another application's",
            "compare them with `public_url` or `registered_url`, and with `app_secret`",
        ),
    });
    if let [first, rest @ ..] = unreadable::of_event(event) {
        let named: Vec<&str> = std::iter::once(first).chain(rest).take(UNREADABLE_NAMED).map(String::as_str).collect();
        let more = (rest.len() + 1).saturating_sub(named.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let says = format!("Of the order came, and could not be read: {}{more}.", named.join(", "));
        lines.push(TimelineEntry::says(says).meaning(
            "the platform sent a value of another form than it documents, or half of a character",
            "look the order up at the platform; the message says what is missing",
        ));
    }
    if let Some(late) = &event.data.late {
        let state = state_word(late.order_state);
        lines.push(TimelineEntry::says(format!("It is out of order: the order was {state} already, and stays so.")));
    }
    lines.extend(event.data.changed.as_deref().map(changes));
    if let Some(at) = history.last_repeat_at.filter(|_| history.repeats > 0) {
        let times = count(history.repeats, "time", "times");
        lines.push(TimelineEntry::at(
            at,
            format!(
                "The platform sent it again, {times} so far; this is the last of them. A duplicate makes no message."
            ),
        ));
    }
    lines
}

/// What it changes of the order. What the buyer chose and wrote is the buyer's, and stands in the message alone.
fn changes(changed: &OrderChanges) -> TimelineEntry {
    let total = changed.total.as_ref().map(|total| match (&total.was, &total.is) {
        (Some(was), Some(is)) => format!("the total was {was} and is {is}"),
        _ => "the total is another".to_owned(),
    });
    let [new, gone, other] = counts(changed);
    let items = [(new, "new"), (gone, "gone"), (other, "other than before")];
    let items = items.into_iter().filter(|(number, _)| *number > 0);
    let items = items.map(|(number, what)| format!("{} {what}", count(number, "item", "items")));
    let note = changed.note.as_ref().map(|_| "the buyer's note is another".to_owned());
    let all: Vec<String> = total.into_iter().chain(items).chain(note).collect();
    TimelineEntry::says(format!("It sends the order again, and changes it: {}.", all.join(", ")))
}

/// How many items are new, gone, and other than they were.
fn counts(changed: &OrderChanges) -> [u64; 3] {
    let count = |wanted: (bool, bool)| {
        changed.lines.iter().filter(|line| (line.was.is_some(), line.is.is_some()) == wanted).count() as u64
    };
    [count((false, true)), count((true, false)), count((true, true))]
}

fn changed_facts(changed: &OrderChanges) -> Value {
    let [new, gone, other] = counts(changed);
    let total = changed.total.as_ref().map(|total| json!({ "was": total.was, "is": total.is }));
    let lines = json!({ "new": new, "gone": gone, "other": other });
    Value::Object(facts(json!({ "total": total, "lines": lines, "note": changed.note.as_ref().map(|_| true) })))
}

/// For each route why it matched or not.
fn routes(history: &EventHistory, setting: &Setting<'_>) -> Vec<TimelineEntry> {
    let event = &history.event;
    if event.proof == SignatureCheck::Invalid {
        return Vec::new();
    }
    if event.kind == Kind::Test && event.data.sample().is_none() {
        return vec![
            TimelineEntry::says("Somebody asked for it with `orderbell test`, whatever the routes say.")
                .in_list("routes"),
        ];
    }
    let Some((fingerprint, decisions)) = route_decision::read(&history.routes) else {
        let why = "Which routes applied was not kept by the version of that time.";
        return vec![TimelineEntry::says(why).in_list("routes")];
    };
    let today = setting.routes(fingerprint);
    let mut lines = Vec::new();
    if today.is_none() && !decisions.is_empty() {
        lines.push(match setting.config.routes {
            Some(_) => "The routes have changed since. Those of that time, as they were numbered in the file:",
            None => "The routes cannot be read now; `orderbell check` says why. By their numbers in the file:",
        });
    }
    match &event.kind {
        Kind::OperatorNotice => lines.insert(0, "It goes to the channels of [operator] whatever the routes say."),
        Kind::Report(_) => lines.insert(0, "It goes to the channels of its [report] whatever the routes say."),
        _ => {}
    }
    // Where no route applied, why each did not is the answer.
    let is_answered = decisions.iter().any(applies) || event.proof == SignatureCheck::Own;
    let mut lines: Vec<TimelineEntry> =
        lines.into_iter().map(|says| TimelineEntry::says(says).in_list("routes")).collect();
    for (index, decision) in decisions.into_iter().enumerate() {
        let route = today.and_then(|routes| routes.get(index));
        let number = index + 1;
        let written = route.map(|route| format!(" ({})", written(route))).unwrap_or_default();
        let says = format!("Route {number}{written} {}.", decision_words(decision, route, event));
        let line =
            TimelineEntry::says(says).in_list("routes").with("route", number).with("verdict", decision_name(decision));
        lines.push(TimelineEntry { is_aside: is_answered && !applies(&decision), ..line });
    }
    lines
}

/// Whether a route leads to its channels.
fn applies(decision: &RouteDecision) -> bool {
    matches!(decision, RouteDecision::Applies | RouteDecision::Unjudged)
}

/// A route in one line.
fn written(route: &Route) -> String {
    let Route { events, sources, shops, when, to } = route;
    let mut pieces = vec![events.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")];
    pieces.extend(sources.as_ref().map(|sources| format!("of {}", sources.join(", "))));
    pieces.extend(shops.as_ref().map(|shops| format!("of shop {}", shops.join(", "))));
    pieces.extend(when.as_ref().map(|when| format!("when {when}")));
    format!("{} to {}", pieces.join(" "), to.join(", "))
}

fn decision_words(decision: RouteDecision, route: Option<&Route>, event: &Event) -> String {
    let has_condition = route.is_some_and(|route| route.when.is_some());
    match decision {
        RouteDecision::Applies if has_condition => "applied: its condition held".to_owned(),
        RouteDecision::Applies => "applied".to_owned(),
        RouteDecision::OtherKind => format!("did not apply: it is not for {}", event.kind),
        RouteDecision::NotNamed => format!("did not apply: {} reaches a route only by its full name", event.kind),
        RouteDecision::OtherSource => format!("did not apply: it is not for the source {}", event.source),
        RouteDecision::OtherShop => match &event.shop {
            Some(shop) => format!("did not apply: it is not for the shop {}", shop.id),
            None => "did not apply: it is for certain shops, and this is about none".to_owned(),
        },
        RouteDecision::ConditionFails => "did not apply: its condition did not hold".to_owned(),
        RouteDecision::Unjudged => {
            "applied: its condition could not be judged, and so lets everything through".to_owned()
        }
    }
}

fn decision_name(decision: RouteDecision) -> &'static str {
    match decision {
        RouteDecision::Applies => "applies",
        RouteDecision::OtherKind => "other_kind",
        RouteDecision::NotNamed => "not_named",
        RouteDecision::OtherSource => "other_source",
        RouteDecision::OtherShop => "other_shop",
        RouteDecision::ConditionFails => "condition_fails",
        RouteDecision::Unjudged => "unjudged",
    }
}
