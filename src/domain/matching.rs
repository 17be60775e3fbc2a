//! Which of the channels whose routes match an event get it: those of whose routes one has a condition that holds.

use std::collections::BTreeMap;

use crate::domain::event::Event;
use crate::domain::order::Order;
use crate::domain::route::{RouteCondition, Target};
use crate::domain::route_decision::RouteDecision;

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

/// Who hears, and how that came.
pub struct RouteMatch {
    pub channels: Vec<String>,
    pub unjudged: Vec<UndecidedCondition>,
    pub judged: BTreeMap<usize, RouteDecision>,
}

/// The channels whose conditions hold; each condition is judged once.
pub fn match_routes(event: &Event, order: Option<&Order>, targets: &[Target]) -> RouteMatch {
    let mut judged: BTreeMap<usize, RouteDecision> = BTreeMap::new();
    let mut unjudged = Vec::new();
    let mut holds = |rule: &RouteCondition| {
        let verdict = judged.entry(rule.route).or_insert_with(|| {
            judge(rule, event, order).unwrap_or_else(|error| {
                unjudged.push(error);
                RouteDecision::Unjudged
            })
        });
        *verdict != RouteDecision::ConditionFails
    };
    let hears = |target: &&Target| target.rules.is_empty() || target.rules.iter().any(&mut holds);
    let channels = targets.iter().filter(hears).map(|target| target.channel.clone()).collect();
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
