//! How Orderbell itself did on the days of a report.

use crate::domain::figures::facts::{Facts, Scope};
use crate::domain::report::ServiceHealth;

/// The store has counted all but what came.
pub fn service_health(scope: &Scope, facts: &Facts) -> ServiceHealth {
    let came = facts.arrivals.iter().filter(|(source, _)| scope.has_source(source)).count();
    let events = i64::try_from(came).unwrap_or(i64::MAX);
    ServiceHealth { received: events.saturating_add(facts.service.repeats), ..facts.service.clone() }
}
