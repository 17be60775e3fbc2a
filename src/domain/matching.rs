//! Which of the channels whose routes match an event get it: those of whose routes one has a condition that holds.

use std::collections::BTreeMap;

use crate::domain::event::Event;
use crate::domain::order::Order;
use crate::domain::route::Hearer;
use crate::domain::route::Rule;
use crate::domain::verdict::Verdict;

/// A route's condition that could not be judged for an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unjudged {
    /// Which `[[route]]` of the file it is, from 1.
    pub route: usize,
    /// The condition as it is written.
    pub condition: String,
    /// Without any value of the event.
    pub reason: String,
}

/// Who hears, and how that came.
pub struct Hearing {
    pub channels: Vec<String>,
    pub unjudged: Vec<Unjudged>,
    pub judged: BTreeMap<usize, Verdict>,
}

/// The channels whose conditions hold; each condition is judged once.
pub fn hearing(event: &Event, order: Option<&Order>, hearers: &[Hearer]) -> Hearing {
    let mut judged: BTreeMap<usize, Verdict> = BTreeMap::new();
    let mut unjudged = Vec::new();
    let mut holds = |rule: &Rule| {
        let verdict = judged.entry(rule.route).or_insert_with(|| {
            judge(rule, event, order).unwrap_or_else(|error| {
                unjudged.push(error);
                Verdict::Unjudged
            })
        });
        *verdict != Verdict::ConditionFails
    };
    let hears = |hearer: &&Hearer| hearer.rules.is_empty() || hearer.rules.iter().any(&mut holds);
    let channels = hearers.iter().filter(hears).map(|hearer| hearer.channel.clone()).collect();
    Hearing { channels, unjudged, judged }
}

/// Whether a route applies by its condition. `order` is the order after the event.
///
/// # Errors
/// When the condition cannot be judged; then the route applies.
pub fn judge(rule: &Rule, event: &Event, order: Option<&Order>) -> Result<Verdict, Unjudged> {
    match rule.condition.holds(event, order) {
        Ok(true) => Ok(Verdict::Applies),
        Ok(false) => Ok(Verdict::ConditionFails),
        Err(error) => Err(Unjudged { route: rule.route, condition: rule.condition.to_string(), reason: error.message }),
    }
}
