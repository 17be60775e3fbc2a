//! The figures of today so far, over all sources and shops. Many look at once, and again each time something happens: they are
//! made once for all of them, and the dearer they are, the less often.

use std::sync::Arc;

use jiff::SignedDuration;
use jiff::civil::Date;
use tokio::sync::Mutex;

use crate::domain::figures;
use crate::domain::figures::facts::Scope;
use crate::domain::pace::Elapsed;
use crate::domain::report::Report;
use crate::flow::Clock;
use crate::flow::routing::RoutingSnapshot;
use crate::store::{Store, StoreError};

/// So many times as long as they took to make, figures are shown before they are made again.
const REST: i32 = 20;
/// And at most so long.
const LONGEST_REST: SignedDuration = SignedDuration::from_secs(60);

/// The figures that were made last.
#[derive(Default)]
pub struct TodayFigures {
    /// Locked by the one who makes them.
    known: Mutex<Option<KnownFigures>>,
}

struct KnownFigures {
    report: Arc<Report>,
    /// That of the store that they are of.
    version: i64,
    day: Date,
    /// Until then they are shown whatever happens.
    rest_until: Elapsed,
}

impl TodayFigures {
    /// Those of the day that it is in the time zone of the configuration; a little old where they take long to make.
    ///
    /// # Errors
    /// As [`Reports::report_facts`](crate::store::reports::Reports::report_facts).
    pub async fn get(
        &self,
        store: &dyn Store,
        routing: &RoutingSnapshot,
        clock: &Clock,
    ) -> Result<Arc<Report>, StoreError> {
        let (zone, now) = (routing.summary.timezone.zone.clone(), clock.now());
        let day = now.to_zoned(zone.clone()).date();
        let mut known = self.known.lock().await;
        let version = store.version().await?;
        if let Some(known) = &*known
            && known.day == day
            && (known.version == version || clock.elapsed() < known.rest_until)
        {
            return Ok(known.report.clone());
        }
        let begun = clock.elapsed();
        let scope = Scope { name: String::new(), from: day, to: day, zone, sources: None, shops: None, late: false };
        let mut facts = store.report_facts(scope.clone()).await?;
        facts.note_observing(&scope, &routing.observing());
        let made = tokio::task::spawn_blocking(move || figures::report(&scope, &facts, now)).await;
        let report = Arc::new(made.map_err(|error| StoreError::Unavailable(error.to_string()))?);
        let ended = clock.elapsed();
        let rest_until = ended + (ended - begun).saturating_mul(REST).min(LONGEST_REST);
        *known = Some(KnownFigures { report: report.clone(), version, day, rest_until });
        Ok(report)
    }
}
