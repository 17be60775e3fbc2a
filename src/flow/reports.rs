//! The daily reports: made when they are due, from one state of the store, and recorded with the days that they cover in one
//! commit. So a crash at any moment makes no second one and loses none.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::domain::event::{Event, Kind, OWN_SOURCE, SignatureCheck};
use crate::domain::figures;
use crate::domain::figures::csv;
use crate::domain::figures::facts::Scope;
use crate::domain::payload::Payload;
use crate::domain::report::Report;
use crate::domain::report::calendar::{DueReport, Schedule};
use crate::domain::report::settings::ReportSettings;
use crate::domain::report::upcoming::{Past, Skipped, SkippedFor, Upcoming};
use crate::flow::leadership::Leadership;
use crate::flow::metrics::{Metrics, ReportResult};
use crate::flow::notifier::Notifier;
use crate::flow::routing::RoutingSnapshot;
use crate::flow::{Clock, Current, ids};
use crate::store::ingest::{Record, Recorded};
use crate::store::reports::ReportRun;
use crate::store::{Store, StoreError};

/// How often it is asked whether one is due.
const TICK: Duration = Duration::from_secs(1);
/// After one could not be made, it is tried again so much later, by the daemon's clock.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(10);
/// Where the last day covered is so far ahead of today, the clock was wrong; where it is so far behind, it is looked whether
/// there is anything to report of those between.
const FAR_OFF: SignedDuration = SignedDuration::from_hours(7 * 24);
/// So long a picture can be fetched.
const PICTURE_LASTS: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Why reports could not be made that are due, by name: for the watch.
#[derive(Clone, Default)]
pub struct ReportFailures(Arc<Mutex<BTreeMap<String, String>>>);

impl ReportFailures {
    pub fn of(&self, report: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(report).cloned()
    }

    fn note(&self, report: &str, failure: Option<String>) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match failure {
            Some(failure) => drop(failures.insert(report.to_owned(), failure)),
            None => drop(failures.remove(report)),
        }
    }
}

/// What makes reports.
#[derive(Clone)]
pub struct ReportMaker {
    pub store: Arc<dyn Store>,
    pub routing: Current<RoutingSnapshot>,
    pub notifier: Notifier,
    /// Of several instances, the one that leads makes them.
    pub leadership: Leadership,
    pub clock: Clock,
    pub failures: ReportFailures,
    pub metrics: Metrics,
    /// What each report has covered, as far as it was read.
    past: BTreeMap<String, Past>,
    /// The next one of each report as it stands in the log.
    announced: BTreeMap<String, Upcoming>,
    /// When those that could not be made are tried again.
    again_at: BTreeMap<String, Timestamp>,
}

impl ReportMaker {
    pub fn new(
        store: Arc<dyn Store>,
        routing: Current<RoutingSnapshot>,
        notifier: Notifier,
        leadership: Leadership,
        clock: Clock,
    ) -> Self {
        let (failures, past) = (ReportFailures::default(), BTreeMap::new());
        let (announced, again_at) = (BTreeMap::new(), BTreeMap::new());
        let metrics = Metrics::default();
        Self { store, routing, notifier, leadership, clock, failures, metrics, past, announced, again_at }
    }

    /// Sends each report when it is due, until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        loop {
            if shutdown.run_until_cancelled(self.look()).await.is_none() {
                return;
            }
            if shutdown.run_until_cancelled(tokio::time::sleep(TICK)).await.is_none() {
                return;
            }
        }
    }

    /// Looks once which reports are due, and makes those.
    pub async fn look(&mut self) {
        if !self.leadership.leads(self.clock.elapsed()) {
            // Whoever leads meanwhile may make some.
            self.past.clear();
            return;
        }
        let routing = self.routing.get();
        self.past.retain(|name, _| routing.reports.contains_key(name));
        self.announced.retain(|name, _| routing.reports.contains_key(name));
        for (name, settings) in &routing.reports {
            let now = self.clock.now();
            // Also where the clock was put back meanwhile.
            if self.again_at.get(name).is_some_and(|at| now < *at && *at <= now + AGAIN_AFTER) {
                continue;
            }
            let looking = AssertUnwindSafe(self.look_at(name, settings, &routing, now)).catch_unwind();
            let fault = |_| StoreError::Unavailable("orderbell met an internal error".to_owned());
            match looking.await.map_err(fault).flatten() {
                Ok(()) => {
                    self.again_at.remove(name);
                    self.failures.note(name, None);
                }
                Err(error) => {
                    tracing::error!(report = name, %error, "a report that is due cannot be made; it is tried again");
                    self.again_at.insert(name.clone(), now + AGAIN_AFTER);
                    self.metrics.report(name, ReportResult::Failed);
                    self.failures.note(name, Some(error.to_string()));
                    self.notifier.watch().notify_one();
                }
            }
        }
    }

    async fn look_at(
        &mut self,
        name: &str,
        settings: &ReportSettings,
        routing: &RoutingSnapshot,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let schedule = &settings.schedule();
        let past = match self.past.get(name) {
            Some(past) => *past,
            None => self.begun(name, schedule, now).await?,
        };
        let covered = past.covered.unwrap_or(Date::MIN);
        let today = now.to_zoned(schedule.zone.clone()).date();
        if covered.duration_since(today) > FAR_OFF {
            tracing::warn!(report = name, %covered, "the clock was ahead: days that have not come yet are covered anew");
            self.past.remove(name);
            return self.store.forget_report_days(name, today).await;
        }
        let past = not_before_the_first(&*self.store, past, schedule, now).await?;
        let Some(owed) = schedule.owed(past.covered.unwrap_or(covered), now) else {
            self.announce(name, schedule, &past, now);
            return Ok(());
        };
        let recorded = self.make(name, settings, routing, owed, now).await?;
        // Another instance may have been first; then what it has covered is read anew.
        self.past.remove(name);
        if let Some(Recorded::New { channels, .. }) = recorded {
            let (from, to) = (owed.from.to_string(), owed.to.to_string());
            tracing::info!(report = name, from, to, late = owed.late, "a report was made");
            self.notifier.wake(&channels);
        }
        Ok(())
    }

    /// What was covered. A report that is new begins with the day for which the next one is due.
    async fn begun(&mut self, name: &str, schedule: &Schedule, now: Timestamp) -> Result<Past, StoreError> {
        let mut past = self.store.report_past(name).await?;
        if past.covered.is_none() {
            let before = schedule.covered_by(now).unwrap_or(Date::MIN);
            self.store.begin_report(name, before).await?;
            past = self.store.report_past(name).await?;
        }
        if past.covered.is_none() {
            return Err(StoreError::Unavailable("its beginning cannot be stored".to_owned()));
        }
        self.past.insert(name.to_owned(), past);
        Ok(past)
    }

    /// Says in the log when the next one is due: at the start, after each run, and when the configuration has changed it.
    fn announce(&mut self, name: &str, schedule: &Schedule, past: &Past, now: Timestamp) {
        let Some(next) = schedule.upcoming(past, now) else { return };
        // Its time of today may have passed meanwhile; that is no news.
        let is_known = |known: &Upcoming| (known.from, known.to, known.due_at) == (next.from, next.to, next.due_at);
        if self.announced.get(name).is_some_and(is_known) {
            return;
        }
        let (due_at, from, to) = (next.due_at.to_string(), next.from.to_string(), next.to.to_string());
        let says = next_words(&next, name, &schedule.zone);
        tracing::info!(report = name, due_at, from, to, "the next report is due {says}");
        self.announced.insert(name.to_owned(), next);
    }

    async fn make(
        &self,
        name: &str,
        settings: &ReportSettings,
        routing: &RoutingSnapshot,
        owed: DueReport,
        now: Timestamp,
    ) -> Result<Option<Recorded>, StoreError> {
        let scope = Scope::of(settings, name, owed.from, owed.to, owed.late);
        let mut facts = self.store.report_facts(scope.clone()).await?;
        facts.note_observing(&scope, &routing.observing());
        let report = figures::report(&scope, &facts, now);
        let (ledger_seq, days) = (facts.ledger_seq, scope.days().iter().map(|day| day.day).collect());
        let body = if settings.attach_csv { csv::orders(&scope, &facts).into_bytes() } else { Vec::new() };
        let picture = picture(routing.public_url.as_deref(), now);
        let address = picture.as_ref().map(|picture| picture.address.clone());
        let report = Report { picture: address, ..report };
        let record = Record { body, ..record(routing, report, now) };
        let picture = picture.map(|picture| (picture.token, picture.expires_at));
        let run = ReportRun { report: name.to_owned(), days, ledger_seq, record, picture };
        let made = self.store.record_report(run).await?;
        self.metrics.report(name, ReportResult::Made);
        Ok(made)
    }
}

/// Days before the first webhook are nothing to report: a clock that was behind at the first start would owe years of them.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn not_before_the_first(
    reader: &dyn Store,
    past: Past,
    schedule: &Schedule,
    now: Timestamp,
) -> Result<Past, StoreError> {
    let due = schedule.covered_by(now);
    let Some((covered, to)) = past.covered.zip(due).filter(|(covered, to)| to.duration_since(*covered) > FAR_OFF)
    else {
        return Ok(past);
    };
    let first = reader.first_arrival().await?;
    let first = first.map_or(to, |at| at.to_zoned(schedule.zone.clone()).date());
    let begun = first.yesterday().unwrap_or(covered);
    // Between the last one that was made and that day there is none.
    Ok(if begun > covered { Past { covered: Some(begun), made_at: None } } else { past })
}

/// A moment by the clock of a report, with its zone: `2026-11-30 08:57 +08:00 (Asia/Hong_Kong)`.
pub fn local(at: Timestamp, zone: &TimeZone) -> String {
    let local = at.to_zoned(zone.clone());
    let name = zone.iana_name().map(|name| format!(" ({name})")).unwrap_or_default();
    format!("{}{name}", local.strftime("%Y-%m-%d %H:%M %:z"))
}

/// The days that a report is about: `2026-11-29`, `2026-11-27 to 2026-11-29`.
pub fn days(from: Date, to: Date) -> String {
    if from == to { from.to_string() } else { format!("{from} to {to}") }
}

/// When the next report is due and what it is about, and why none comes today where one might be waited for.
fn next_words(next: &Upcoming, report: &str, zone: &TimeZone) -> String {
    let says = format!("{}, about {}", local(next.due_at, zone), days(next.from, next.to));
    match skipped_words(next, report, zone) {
        None => says,
        Some(skipped) => format!("{says}; {skipped}"),
    }
}

/// Why no report comes at a time of today, and what to do; absent where none is waited for.
pub fn skipped_words(next: &Upcoming, report: &str, zone: &TimeZone) -> Option<String> {
    let Skipped { at, day, why } = next.skipped?;
    let at = at.to_zoned(zone.clone()).strftime("%H:%M").to_string();
    let why = match why {
        SkippedFor::Beginning => format!(
            "the report is new, and a new report begins with the day that is due next, which was {} when it was set up; {day} lies before that",
            next.from
        ),
        SkippedFor::Reported { made_at } => {
            let made_at = made_at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
            format!("{day} was reported on {made_at} already, and no day comes twice")
        }
    };
    Some(format!("none comes at {at} today: {why}. `orderbell report {report} --date {day} --send` sends that day now"))
}

/// Where a picture can be fetched, and until when.
pub struct PictureLink {
    pub token: String,
    pub address: String,
    pub expires_at: Timestamp,
}

/// An address that nobody can guess, below ours; none where ours is not encrypted.
#[expect(clippy::disallowed_methods, reason = "the one name that nobody may guess")]
pub fn picture(public_url: Option<&str>, now: Timestamp) -> Option<PictureLink> {
    let public_url = public_url.filter(|url| url.starts_with("https://"))?;
    let mut random = [0; 16];
    getrandom::fill(&mut random).ok()?;
    let token = hex::encode(random);
    let address = format!("{public_url}/charts/{token}.png");
    Some(PictureLink { token, address, expires_at: now.checked_add(PICTURE_LASTS).unwrap_or(now) })
}

/// The event of a report, to whom it may concern.
pub fn record(routing: &RoutingSnapshot, report: Report, now: Timestamp) -> Record {
    let kind = Kind::Report(report.name.clone());
    let ((targets, decisions), urgent) = (routing.judge(&kind, OWN_SOURCE, None), routing.urgent(&kind));
    Record {
        event: Event {
            id: ids::event(),
            kind,
            source: OWN_SOURCE.to_owned(),
            occurred_at: Some(now),
            received_at: now,
            shop: None,
            order: None,
            data: Payload::Report(Box::new(report)).into(),
            proof: SignatureCheck::Own,
        },
        body: Vec::new(),
        dedupe_keys: Vec::new(),
        targets: targets.into_iter().map(|target| (target, ids::delivery())).collect(),
        urgent,
        decisions,
    }
}
