//! What each route came to for an event, kept in a few bytes beside it: the fingerprint of the routes, a colon, and a letter
//! for each route in the sequence of the file.

use std::borrow::Cow;

use crate::domain::condition::Condition;

/// Why a route applies to an event or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteDecision {
    Applies,
    /// None of its patterns matches the kind.
    OtherKind,
    /// The event is Orderbell's own, and the route does not name it literally.
    NotNamed,
    OtherSource,
    OtherShop,
    /// Its condition did not hold.
    ConditionFails,
    /// Its condition could not be judged, so the event was let through.
    Unjudged,
}

const LETTERS: [(RouteDecision, char); 7] = [
    (RouteDecision::Applies, 'y'),
    (RouteDecision::OtherKind, 'k'),
    (RouteDecision::NotNamed, 'n'),
    (RouteDecision::OtherSource, 's'),
    (RouteDecision::OtherShop, 'h'),
    (RouteDecision::ConditionFails, 'w'),
    (RouteDecision::Unjudged, 'u'),
];

impl RouteDecision {
    fn letter(self) -> char {
        LETTERS.iter().find(|(decision, _)| *decision == self).map_or('?', |(_, letter)| *letter)
    }

    fn of_letter(letter: char) -> Option<Self> {
        LETTERS.iter().find(|(_, known)| *known == letter).map(|(decision, _)| *decision)
    }
}

/// The condition of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteCondition {
    /// Which `[[route]]` of the file it is, from 1.
    pub route: usize,
    pub condition: Condition,
}

/// The decisions of all routes about one event. Those that hang on a condition are open until the order is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteDecisions {
    text: String,
    /// The conditions of routes that otherwise apply.
    open: Vec<RouteCondition>,
}

impl RouteDecisions {
    /// None yet, of so many routes.
    pub fn new(fingerprint: &str, routes: usize) -> Self {
        let mut text = String::with_capacity(fingerprint.len() + 1 + routes);
        text.push_str(fingerprint);
        text.push(':');
        Self { text, open: Vec::new() }
    }

    /// The decision about the next route; a route that applies may have a condition that must hold as well.
    pub fn add(&mut self, decision: RouteDecision, condition: Option<RouteCondition>) {
        self.text.push(decision.letter());
        self.open.extend(condition);
    }

    /// As it is kept, with the decisions that hung on a condition.
    pub fn settled(&self, mut judge: impl FnMut(&RouteCondition) -> RouteDecision) -> Cow<'_, str> {
        if self.open.is_empty() {
            return Cow::Borrowed(&self.text);
        }
        let mut text = self.text.clone();
        let first = text.find(':').map_or(0, |colon| colon + 1);
        for rule in &self.open {
            let at = first + rule.route - 1;
            text.replace_range(at..=at, judge(rule).letter().encode_utf8(&mut [0; 4]));
        }
        Cow::Owned(text)
    }
}

/// Reads what was kept: the fingerprint, and the decision about each route. `None` where none were kept, or by a version that
/// knows more of them.
pub fn read(kept: &str) -> Option<(&str, Vec<RouteDecision>)> {
    let (fingerprint, letters) = kept.split_once(':')?;
    Some((fingerprint, letters.chars().map(RouteDecision::of_letter).collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(route: usize) -> RouteCondition {
        RouteCondition { route, condition: Condition::parse("order.total > 1").unwrap() }
    }

    #[test]
    fn what_is_kept_reads_back_with_the_conditions_judged() {
        let mut decisions = RouteDecisions::new("0123abcd", 4);
        decisions.add(RouteDecision::OtherKind, None);
        decisions.add(RouteDecision::Applies, Some(rule(2)));
        decisions.add(RouteDecision::Applies, None);
        decisions.add(RouteDecision::Applies, Some(rule(4)));
        let judge = |rule: &RouteCondition| {
            if rule.route == 2 { RouteDecision::ConditionFails } else { RouteDecision::Unjudged }
        };
        assert_eq!(decisions.settled(judge), "0123abcd:kwyu");
        let all = vec![
            RouteDecision::OtherKind,
            RouteDecision::ConditionFails,
            RouteDecision::Applies,
            RouteDecision::Unjudged,
        ];
        assert_eq!(read("0123abcd:kwyu"), Some(("0123abcd", all)));
        assert_eq!(read("0123abcd:"), Some(("0123abcd", Vec::new())));
        assert_eq!((read(""), read("0123abcd:y!")), (None, None));
        for (decision, letter) in LETTERS {
            assert_eq!((decision.letter(), RouteDecision::of_letter(letter)), (letter, Some(decision)));
        }
    }
}
