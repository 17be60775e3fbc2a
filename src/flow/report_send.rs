//! A report that a person has sent, besides those that are made when they are due: it goes the way of those, but covers no day.

use jiff::Timestamp;

use crate::domain::figures::csv;
use crate::domain::figures::facts::{Facts, Scope};
use crate::domain::report::Report;
use crate::domain::report::settings::ReportSettings;
use crate::flow::reports;
use crate::flow::routing::RoutingSnapshot;
use crate::store::reports::ReportRun;
use crate::store::{Store, StoreError};

/// Leaves it in the store, from which the daemon takes it within a second; answers the channels that it goes to.
///
/// # Errors
/// [`StoreError`]: nothing is sent.
pub async fn send(
    store: &dyn Store,
    routing: &RoutingSnapshot,
    (scope, settings): (&Scope, &ReportSettings),
    facts: &Facts,
    made: Report,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let picture = reports::picture(routing.public_url.as_deref(), now);
    let address = picture.as_ref().map(|picture| picture.address.clone());
    let mut record = reports::record(routing, Report { picture: address, ..made }, now);
    if settings.attach_csv {
        record.body = csv::orders(scope, facts).into_bytes();
    }
    let channels: Vec<String> = record.targets.iter().map(|(target, _)| target.channel.clone()).collect();
    let run = ReportRun {
        report: scope.name.clone(),
        days: Vec::new(),
        ledger_seq: facts.ledger_seq,
        record,
        picture: picture.map(|picture| (picture.token, picture.expires_at)),
    };
    store.record_report(run).await?;
    Ok(channels)
}
