//! Routing: which channels could hear of an event, as a pure function of its kind, source and shop.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::domain::condition::Condition;
use crate::domain::event::Kind;
use crate::domain::id::Id;
use crate::domain::route_decision::{RouteDecision, RouteDecisions};

/// A pattern over a whole text: `*` stands for any run of characters, dots and none included; all else for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    /// What stands between the stars; never empty.
    pieces: Vec<String>,
}

impl Glob {
    pub fn new(text: &str) -> Self {
        Self { pieces: text.split('*').map(str::to_owned).collect() }
    }

    /// Whether the pattern has no star, and so names one thing.
    pub fn is_literal(&self) -> bool {
        self.pieces.len() == 1
    }

    pub fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.pieces.as_slice() else {
            return self.pieces.iter().all(|whole| whole == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else {
            return false;
        };
        // The leftmost place for each piece leaves the most room for the next ones.
        for piece in middle {
            let Some(at) = rest.find(piece.as_str()) else {
                return false;
            };
            rest = &rest[at + piece.len()..];
        }
        rest.ends_with(last.as_str())
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pieces.join("*"))
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Err(D::Error::custom("an empty pattern matches nothing; \"*\" matches everything"));
        }
        Ok(Self::new(&text))
    }
}

impl JsonSchema for Glob {
    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A kind of event, or a pattern over kinds: * stands for any run of characters, dots included.",
            "type": "string",
            "minLength": 1,
            "examples": ["order.placed", "order.*", "*"],
        })
    }
}

/// A rule: which events go to which channels. Every rule that matches applies; a channel hears of an event once.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Kinds of events, or patterns over them; one that matches is enough.
    #[schemars(length(min = 1))]
    pub events: Vec<Glob>,
    /// Only events of these sources; of all where absent.
    #[schemars(length(min = 1))]
    pub sources: Option<Vec<String>>,
    /// Only events of these shops; of all, and of none, where absent.
    #[serde(default, deserialize_with = "crate::domain::id::deserialize_list")]
    #[schemars(with = "Vec<Id>", length(min = 1))]
    pub shops: Option<Vec<String>>,
    /// A condition that must hold as well; it knows order, shop, kind, source and data. It is judged where the order is
    /// known, not here.
    #[schemars(with = "Option<String>", example = &"order.total >= 500")]
    pub when: Option<Condition>,
    /// The channels.
    #[schemars(length(min = 1))]
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

/// A channel that could hear of an event, and what must hold for it to hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub channel: String,
    /// It hears when one of these holds; always, when there is none.
    pub rules: Vec<RouteCondition>,
}

impl Target {
    /// A channel that hears without condition.
    pub fn always(channel: impl Into<String>) -> Self {
        Self { channel: channel.into(), rules: Vec::new() }
    }
}

/// The condition of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteCondition {
    /// Which `[[route]]` of the file it is, from 1.
    pub route: usize,
    pub condition: Condition,
}

/// Everything that says who hears of what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// The channels that hear of Orderbell itself.
    pub operator: Vec<String>,
    pub routes: Vec<Route>,
    /// The channels of each report, by its name.
    pub reports: BTreeMap<String, Vec<String>>,
}

impl Routes {
    /// The channels that could hear of an event if every `when` held, each once. Who does hear is decided in the commit
    /// of the event ([`crate::domain::order::decide`]), where its order is known; this is for lists and expectations.
    pub fn channels(&self, kind: &Kind, source: &str, shop: Option<&str>) -> Vec<String> {
        self.targets(kind, source, shop).into_iter().map(|target| target.channel).collect()
    }

    /// The channels that could hear of an event, each once, with what must hold: first those of the operator or of the
    /// report where the kind is theirs, then those of every route that applies, in the order of the routes.
    pub fn targets(&self, kind: &Kind, source: &str, shop: Option<&str>) -> Vec<Target> {
        self.judge(kind, source, shop, "").0
    }

    /// As [`Routes::targets`], and beside them what each route came to; `fingerprint` is that of these routes
    /// ([`crate::domain::route_decision::fingerprint`]).
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
                // Without rules it hears whatever another route asks.
                (Some(target), Some(rule)) if !target.rules.is_empty() => target.rules.push(rule),
                (Some(_), Some(_)) => {}
            }
        };
        own.iter().for_each(|channel| add(channel, None));
        let text = kind.to_string();
        let mut verdicts = RouteDecisions::new(fingerprint, self.routes.len());
        for (number, route) in self.routes.iter().enumerate() {
            let verdict = route.judge(kind, &text, source, shop);
            if verdict != RouteDecision::Applies {
                verdicts.add(verdict, None);
                continue;
            }
            let rule = route.when.clone().map(|condition| RouteCondition { route: number + 1, condition });
            for channel in &route.to {
                add(channel, rule.clone());
            }
            verdicts.add(verdict, rule);
        }
        (targets, verdicts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::{prop_assert, prop_assert_eq, proptest};

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
    fn a_star_matches_any_run_of_characters_dots_included() {
        for (glob, text) in [
            ("order.*", "order.placed"),
            ("*", "order.placed"),
            ("*", ""),
            ("*.placed", "order.placed"),
            ("o*r.*ed", "order.placed"),
            ("order.placed", "order.placed"),
            ("order.placed*", "order.placed"),
            ("*a*a*", "aa"),
            ("a*ab", "aab"),
        ] {
            assert!(Glob::new(glob).matches(text), "{glob} {text}");
        }
        for (glob, text) in [
            ("order.*", "store.hours"),
            ("order", "order.placed"),
            ("a*a", "a"),
            ("*a*a*", "a"),
            ("", "a"),
            ("a*b*c", "acb"),
        ] {
            assert!(!Glob::new(glob).matches(text), "{glob} {text}");
        }
    }

    #[test]
    fn every_matching_route_applies_and_a_channel_hears_once() {
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
    fn a_channel_hears_without_condition_when_one_of_its_routes_has_none() {
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

    proptest! {
        #[test]
        fn a_glob_matches_whatever_its_stars_are_filled_with(
            pieces in vec("[a-b.]{0,3}", 1..5),
            filling in vec("[a-b.*]{0,4}", 4),
        ) {
            let mut text = pieces[0].clone();
            for (piece, fill) in pieces[1..].iter().zip(&filling) {
                text.push_str(fill);
                text.push_str(piece);
            }
            prop_assert!(Glob::new(&pieces.join("*")).matches(&text));
        }

        #[test]
        fn a_glob_agrees_with_the_textbook_definition(glob in "[ab*]{0,6}", text in "[ab]{0,8}") {
            prop_assert_eq!(Glob::new(&glob).matches(&text), textbook(glob.as_bytes(), text.as_bytes()));
        }

        #[test]
        fn no_channel_hears_twice(first in vec("[a-c]", 0..6), second in vec("[a-c]", 0..6)) {
            let rule = |to: Vec<String>| Route { to, ..route(&["*"], &[]) };
            let routes = Routes { routes: vec![rule(first), rule(second)], ..Routes::default() };
            let mut heard = routes.channels(&Kind::OrderPlaced, "any", None);
            let count = heard.len();
            heard.sort();
            heard.dedup();
            prop_assert_eq!(heard.len(), count);
        }
    }

    fn textbook(glob: &[u8], text: &[u8]) -> bool {
        match glob {
            [] => text.is_empty(),
            [b'*', rest @ ..] => (0..=text.len()).any(|skip| textbook(rest, &text[skip..])),
            [byte, rest @ ..] => text.first() == Some(byte) && textbook(rest, &text[1..]),
        }
    }
}
