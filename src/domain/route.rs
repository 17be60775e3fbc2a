//! Routing: which channels could get an event, by its kind, source and shop; and which of them do, by their conditions.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::domain::condition::Condition;
use crate::domain::event::{Event, Kind, SignatureCheck};
use crate::domain::glob::Glob;
use crate::domain::id::Id;
use crate::domain::order::Order;
use crate::domain::route_decision::{RouteCondition, RouteDecision, RouteDecisions};

/// A rule: which events go to which channels. Every rule that matches applies; a channel gets an event once.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Kinds of events, or patterns over them; one that matches is enough.
    #[schemars(length(min = 1), example = ["order.*"])]
    pub events: Vec<Glob>,
    /// Only events of these sources; of all where absent.
    #[schemars(length(min = 1), example = ["keeta-hk"])]
    pub sources: Option<Vec<String>>,
    /// Only events of these shops; of all, and of none, where absent.
    #[serde(default, deserialize_with = "crate::domain::id::deserialize_list")]
    #[schemars(with = "Vec<Id>", length(min = 1), example = [145541])]
    pub shops: Option<Vec<String>>,
    /// A condition that must hold as well; it knows order, shop, kind, source and data, and amounts are in major units. It is
    /// judged when the event is recorded.
    #[schemars(with = "Option<String>", example = &"order.total >= 500")]
    pub when: Option<Condition>,
    /// The channels.
    #[schemars(length(min = 1), example = ["kitchen"])]
    pub to: Vec<String>,
}

impl Route {
    /// Judges an event by kind, source and shop; `text` is the kind as it is written.
    fn judge(&self, kind: &Kind, text: &str, source: &str, shop: Option<&str>) -> RouteDecision {
        let mut matching = self.events.iter().filter(|glob| glob.matches(text)).peekable();
        if matching.peek().is_none() {
            return RouteDecision::OtherKind;
        }
        if *kind == Kind::OperatorNotice && !matching.any(Glob::is_literal) {
            return RouteDecision::NotNamed;
        }
        if self.sources.as_ref().is_some_and(|sources| !sources.iter().any(|name| name == source)) {
            return RouteDecision::OtherSource;
        }
        match (&self.shops, shop) {
            (None, _) => RouteDecision::Applies,
            (Some(shops), Some(shop)) if shops.iter().any(|id| id == shop) => RouteDecision::Applies,
            _ => RouteDecision::OtherShop,
        }
    }
}

/// A channel that could get an event, and what must hold for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub channel: String,
    /// It gets the event when one of these holds; always, when there is none.
    pub rules: Vec<RouteCondition>,
}

impl Target {
    /// A channel that gets events without condition.
    pub fn always(channel: impl Into<String>) -> Self {
        Self { channel: channel.into(), rules: Vec::new() }
    }
}

/// Everything that says which channel gets what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// The channels that are notified about Orderbell itself.
    pub operator: Vec<String>,
    pub routes: Vec<Route>,
    /// The channels of each report, by its name.
    pub reports: BTreeMap<String, Vec<String>>,
}

impl Routes {
    /// The channels that could get an event if every `when` held, each once. Which of them do is decided in the commit
    /// of the event ([`choose`]), where its order is known; this is for lists and expectations.
    pub fn channels(&self, kind: &Kind, source: &str, shop: Option<&str>) -> Vec<String> {
        self.targets(kind, source, shop).into_iter().map(|target| target.channel).collect()
    }

    /// The channels that could get an event, each once, with what must hold: first those of the operator or of the
    /// report where the kind is theirs, then those of every route that applies, in the order of the routes.
    pub fn targets(&self, kind: &Kind, source: &str, shop: Option<&str>) -> Vec<Target> {
        self.judge(kind, source, shop, "").0
    }

    /// As [`Routes::targets`], and beside them what each route came to; `fingerprint` is that of these routes
    /// ([`fingerprint`]).
    pub fn judge(
        &self,
        kind: &Kind,
        source: &str,
        shop: Option<&str>,
        fingerprint: &str,
    ) -> (Vec<Target>, RouteDecisions) {
        let own: &[String] = match kind {
            Kind::OperatorNotice => &self.operator,
            Kind::Report(name) => self.reports.get(name).map_or(&[], Vec::as_slice),
            _ => &[],
        };
        let mut targets: Vec<Target> = Vec::new();
        let mut add = |channel: &String, rule: Option<RouteCondition>| {
            let known = targets.iter_mut().find(|target| target.channel == *channel);
            match (known, rule) {
                (None, rule) => targets.push(Target { channel: channel.clone(), rules: rule.into_iter().collect() }),
                (Some(target), None) => target.rules.clear(),
                // Without rules it gets the event whatever another route asks.
                (Some(target), Some(rule)) if !target.rules.is_empty() => target.rules.push(rule),
                (Some(_), Some(_)) => {}
            }
        };
        own.iter().for_each(|channel| add(channel, None));
        let text = kind.to_string();
        let mut decisions = RouteDecisions::new(fingerprint, self.routes.len());
        for (number, route) in self.routes.iter().enumerate() {
            let decision = route.judge(kind, &text, source, shop);
            if decision != RouteDecision::Applies {
                decisions.add(decision, None);
                continue;
            }
            let rule = route.when.clone().map(|condition| RouteCondition { route: number + 1, condition });
            for channel in &route.to {
                add(channel, rule.clone());
            }
            decisions.add(decision, rule);
        }
        (targets, decisions)
    }
}

/// By what routes as they are written can be told from others: eight hex digits.
pub fn fingerprint(routes: &[Route]) -> String {
    let mut hash = Sha256::new();
    for Route { events, sources, shops, when, to } in routes {
        // Tags keep lists apart, lengths keep texts apart.
        let mut list = |tag: u8, texts: &mut dyn Iterator<Item = String>| {
            hash.update([tag]);
            for text in texts {
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text);
            }
        };
        list(b'e', &mut events.iter().map(ToString::to_string));
        list(b's', &mut sources.iter().flatten().cloned());
        list(b'h', &mut shops.iter().flatten().cloned());
        list(b'w', &mut when.iter().map(ToString::to_string));
        list(b't', &mut to.iter().cloned());
    }
    hex::encode(&hash.finalize()[..4])
}

/// A route's condition that could not be judged for an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndecidedCondition {
    /// Which `[[route]]` of the file it is, from 1.
    pub route: usize,
    /// The condition as it is written.
    pub condition: String,
    /// Without any value of the event.
    pub reason: String,
}

/// Which channels get an event, and how that came.
#[derive(Debug, Default)]
pub struct RouteMatch {
    /// Each once, in the sequence of the routes.
    pub channels: Vec<String>,
    /// The conditions that could not be judged, each once; the event was let through.
    pub unjudged: Vec<UndecidedCondition>,
    /// What the conditions came to that were judged, by the numbers of their routes.
    pub judged: BTreeMap<usize, RouteDecision>,
}

/// The targets whose conditions hold; each condition is judged once. `order` is the order after the event, so it is called
/// inside the commit.
///
/// An event that nobody proved goes to nobody. A condition that cannot be judged lets the event through: one message too
/// many is better than one too few.
pub fn choose<'a>(event: &Event, order: Option<&Order>, targets: impl IntoIterator<Item = &'a Target>) -> RouteMatch {
    if event.proof == SignatureCheck::Invalid {
        return RouteMatch::default();
    }
    let mut judged: BTreeMap<usize, RouteDecision> = BTreeMap::new();
    let mut unjudged = Vec::new();
    let mut holds = |rule: &RouteCondition| {
        let decision = judged.entry(rule.route).or_insert_with(|| {
            judge(rule, event, order).unwrap_or_else(|error| {
                unjudged.push(error);
                RouteDecision::Unjudged
            })
        });
        *decision != RouteDecision::ConditionFails
    };
    let chosen = targets.into_iter().filter(|target| target.rules.is_empty() || target.rules.iter().any(&mut holds));
    let channels = chosen.map(|target| target.channel.clone()).collect();
    RouteMatch { channels, unjudged, judged }
}

/// Whether a route applies by its condition. `order` is the order after the event.
///
/// # Errors
/// When the condition cannot be judged; then the route applies.
pub fn judge(rule: &RouteCondition, event: &Event, order: Option<&Order>) -> Result<RouteDecision, UndecidedCondition> {
    match rule.condition.holds(event, order) {
        Ok(true) => Ok(RouteDecision::Applies),
        Ok(false) => Ok(RouteDecision::ConditionFails),
        Err(error) => {
            Err(UndecidedCondition { route: rule.route, condition: rule.condition.to_string(), reason: error.message })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::{prop_assert_eq, proptest};

    fn route(events: &[&str], to: &[&str]) -> Route {
        Route {
            events: events.iter().map(|text| Glob::new(text)).collect(),
            sources: None,
            shops: None,
            when: None,
            to: names(to),
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn every_matching_route_applies_and_a_channel_gets_it_once() {
        let routes = Routes {
            routes: vec![
                route(&["order.*"], &["kitchen", "erp"]),
                route(&["stock.*"], &["owner"]),
                route(&["*.placed"], &["owner", "kitchen"]),
            ],
            ..Routes::default()
        };
        assert_eq!(routes.channels(&Kind::OrderPlaced, "keeta-hk", None), names(&["kitchen", "erp", "owner"]));
        assert_eq!(routes.channels(&Kind::StoreHours, "keeta-hk", None), names(&[]));
    }

    #[test]
    fn a_channel_gets_it_without_condition_when_one_of_its_routes_has_none() {
        let when = |text: &str, to: &[&str]| Route { when: Condition::parse(text).ok(), ..route(&["*"], to) };
        let routes = Routes {
            routes: vec![
                when("order.total > 1", &["kitchen", "owner"]),
                route(&["*"], &["erp", "owner"]),
                when("order.total > 2", &["kitchen", "owner", "erp", "kitchen"]),
            ],
            ..Routes::default()
        };
        let targets = routes.targets(&Kind::OrderPlaced, "keeta-hk", None);
        let shown: Vec<_> = targets
            .iter()
            .map(|target| (target.channel.as_str(), target.rules.iter().map(|rule| rule.route).collect::<Vec<_>>()))
            .collect();
        assert_eq!(shown, [("kitchen", vec![1, 3, 3]), ("owner", vec![]), ("erp", vec![])]);
        assert_eq!(routes.channels(&Kind::OrderPlaced, "keeta-hk", None), names(&["kitchen", "owner", "erp"]));
    }

    #[test]
    fn sources_and_shops_narrow_a_route() {
        let narrow = Route {
            sources: Some(names(&["keeta-hk"])),
            shops: Some(names(&["145541"])),
            ..route(&["order.*"], &["kitchen"])
        };
        let judge = |source, shop| narrow.judge(&Kind::OrderPlaced, "order.placed", source, shop);
        assert_eq!(judge("keeta-hk", Some("145541")), RouteDecision::Applies);
        assert_eq!(judge("keeta-hk", Some("2")), RouteDecision::OtherShop);
        assert_eq!(judge("keeta-hk", None), RouteDecision::OtherShop);
        assert_eq!(judge("licences", Some("145541")), RouteDecision::OtherSource);
        assert_eq!(narrow.judge(&Kind::StockLow, "stock.low", "keeta-hk", Some("145541")), RouteDecision::OtherKind);
    }

    #[test]
    fn operator_notices_go_to_the_operator_and_to_routes_that_name_them() {
        let routes = Routes {
            operator: names(&["owner"]),
            routes: vec![
                route(&["*"], &["everything"]),
                route(&["operator.*"], &["family"]),
                route(&["order.*", "operator.notice"], &["named"]),
            ],
            ..Routes::default()
        };
        assert_eq!(routes.channels(&Kind::OperatorNotice, "orderbell", None), names(&["owner", "named"]));
        assert_eq!(routes.channels(&Kind::OrderPlaced, "keeta-hk", None), names(&["everything", "named"]));
    }

    #[test]
    fn a_report_goes_to_its_own_channels_and_to_routes_that_match_it() {
        let routes = Routes {
            reports: BTreeMap::from([("daily".to_owned(), names(&["owner"]))]),
            routes: vec![route(&["report.*"], &["erp", "owner"])],
            ..Routes::default()
        };
        assert_eq!(routes.channels(&Kind::Report("daily".to_owned()), "orderbell", None), names(&["owner", "erp"]));
        assert_eq!(routes.channels(&Kind::Report("weekly".to_owned()), "orderbell", None), names(&["erp", "owner"]));
    }

    #[test]
    fn routes_that_say_something_else_have_another_fingerprint() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let route = Route {
            events: vec![Glob::new("order.*")],
            sources: None,
            shops: None,
            when: None,
            to: texts(&["kitchen", "owner"]),
        };
        let others = [
            Route { events: vec![Glob::new("order.placed")], ..route.clone() },
            Route { sources: Some(texts(&["s"])), ..route.clone() },
            Route { shops: Some(texts(&["s"])), ..route.clone() },
            Route { when: Condition::parse("order.total > 1").ok(), ..route.clone() },
            Route { to: texts(&["kitchenowner"]), ..route.clone() },
            Route { to: texts(&["owner", "kitchen"]), ..route.clone() },
        ];
        let mut prints: Vec<String> = others.iter().map(|other| fingerprint(std::slice::from_ref(other))).collect();
        let same = fingerprint(std::slice::from_ref(&route));
        // Were it another one, `why` would say of all that is stored that the routes have changed since.
        assert_eq!(same, "0561d120");
        prints.extend([same, fingerprint(&[route.clone(), route]), fingerprint(&[])]);
        prints.sort();
        prints.dedup();
        assert_eq!(prints.len(), others.len() + 3);
    }

    proptest! {
        #[test]
        fn no_channel_is_chosen_twice(first in vec("[a-c]", 0..6), second in vec("[a-c]", 0..6)) {
            let rule = |to: Vec<String>| Route { to, ..route(&["*"], &[]) };
            let routes = Routes { routes: vec![rule(first), rule(second)], ..Routes::default() };
            let mut chosen = routes.channels(&Kind::OrderPlaced, "any", None);
            let count = chosen.len();
            chosen.sort();
            chosen.dedup();
            prop_assert_eq!(chosen.len(), count);
        }
    }
}
