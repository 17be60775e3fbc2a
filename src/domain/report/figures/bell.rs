//! How Orderbell itself did on the days of a report.

use crate::domain::report::Bell;
use crate::domain::report::facts::Facts;
use crate::domain::report::facts::Scope;

/// The store has counted all but what came.
pub fn bell(scope: &Scope, facts: &Facts) -> Bell {
    let came = facts.arrivals.iter().filter(|(source, _)| scope.has_source(source)).count();
    let events = i64::try_from(came).unwrap_or(i64::MAX);
    Bell { received: events.saturating_add(facts.bell.repeats), ..facts.bell.clone() }
}
