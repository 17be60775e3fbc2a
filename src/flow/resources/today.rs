//! The figures of today so far, over all sources and shops. Many look at once, and again each time something happens: they are
//! made once for all of them, and the dearer they are, the less often.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::civil::Date;
use tokio::sync::Mutex;

use crate::domain::figures;
use crate::domain::figures::facts::Scope;
use crate::domain::report::Report;
use crate::flow::resources::{ResourceError, Resources};

/// So many times as long as they took to make, figures are shown before they are made again.
const REST: u32 = 20;

/// The figures that were made last.
#[derive(Default)]
pub struct TodayCache(Mutex<Option<Made>>);

struct Made {
    report: Arc<Report>,
    /// That of the store that they are of.
    version: i64,
    day: Date,
    /// Until then they are shown whatever happens.
    rest_until: Instant,
}

impl Resources {
    /// The figures of today so far, in the time zone of the configuration; a little old where they take long to make.
    pub async fn today(&self) -> Result<Arc<Report>, ResourceError> {
        let (routing, now) = (self.routing.get(), self.clock.now());
        let zone = routing.summary.timezone.zone.clone();
        let day = now.to_zoned(zone.clone()).date();
        let mut made = self.today.0.lock().await;
        let version = self.store.version().await?;
        if let Some(known) = &*made
            && known.day == day
            && (known.version == version || Instant::now() < known.rest_until)
        {
            return Ok(known.report.clone());
        }
        let begun = Instant::now();
        let scope = Scope { name: String::new(), from: day, to: day, zone, sources: None, shops: None, late: false };
        let mut facts = self.store.report_facts(scope.clone()).await?;
        facts.note_observing(&scope, &routing.observing());
        let report = Arc::new(figures::report(&scope, &facts, now));
        let rest_until = Instant::now() + begun.elapsed().saturating_mul(REST).min(Duration::from_secs(60));
        *made = Some(Made { report: report.clone(), version, day, rest_until });
        Ok(report)
    }
}
