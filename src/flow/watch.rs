//! The daemon watches itself: it looks at how things stand, compares that with what the operator knows, and sends notices of what
//! has begun and what is over.

mod backups;
pub mod condition_state;
pub mod conditions;
pub mod incidents;
pub mod instances;
pub mod mistakes;
pub mod observing;
pub mod reports;
pub mod scope;
mod update;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::flow::backups::BackupStatus;
use crate::flow::clock_skew::{ClockSkews, ClockVerdict};
use crate::flow::leadership::Leadership;
use crate::flow::notice::{Notices, Topic};
use crate::flow::notifier::Notifier;
use crate::flow::reports::ReportFailures;
use crate::flow::routing::{RoutingSnapshot, SourceEndpoint};
use crate::flow::source_activity::SourceActivity;
use crate::flow::watch::condition_state::{ConditionStates, IncidentKey};
use crate::flow::watch::conditions::{Space, WatchInput};
use crate::flow::watch::incidents::{KnownIncident, WatchMemory};
use crate::flow::watch::instances::Differences;
use crate::flow::watch::mistakes::Mistakes;
use crate::flow::watch::observing::Observing;
use crate::flow::watch::reports::LastReport;
use crate::flow::watch::scope::{Absences, Company, Leads, WatchScope};
use crate::flow::{Clock, Current, clock_skew};
use crate::store::health::{DeadLetterStats, HealthQuery, HealthSnapshot, UnroutedEvent};
use crate::store::{Store, StoreError};

/// By the daemon's clock.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(10);
/// How often it is asked what that clock says.
const TICK: Duration = Duration::from_secs(1);
/// Between a notification and the look: so that what happens together is said together, and a flood of them is a few looks.
const BREATH: Duration = Duration::from_millis(200);
/// The dead are counted at each look, and looked at anew when their number has changed, or after so long.
const DEAD_ANEW: SignedDuration = SignedDuration::from_mins(5);

/// Asks how full the disk is; `None` when it cannot be asked.
pub type DiskGauge = Arc<dyn Fn() -> Option<Space> + Send + Sync>;

/// What it looks with.
#[derive(Clone)]
pub struct Instruments {
    pub store: Arc<dyn Store>,
    pub routing: Current<RoutingSnapshot>,
    pub notices: Notices,
    pub notifier: Notifier,
    pub source_activity: SourceActivity,
    pub clock_skews: ClockSkews,
    pub failures: ReportFailures,
    pub mistakes: Mistakes,
    pub backups: BackupStatus,
    pub leadership: Leadership,
    /// Where other instances share the store.
    pub company: Option<Company>,
    pub clock: Clock,
    /// The folder of the store, and its disk.
    pub disk: (String, DiskGauge),
}

/// The watch. Whatever it has said is in the store with the notice, in one commit: so neither a restart nor a crash makes it
/// tell anything twice or never.
pub struct SelfWatch {
    with: Instruments,
    memory: WatchMemory,
    dead: BTreeMap<String, DeadLetterStats>,
    dead_looked_at: Option<Timestamp>,
    began_at: Timestamp,
    /// When each report was due last, and since when it sees that.
    due_since: BTreeMap<String, (Timestamp, Timestamp)>,
    absences: Absences,
    differences: Differences,
    /// Whether the newest events were looked at: those that no route matched may have come just before a crash.
    has_looked_back: bool,
    /// Whether the last look failed, which is said once.
    is_blind: bool,
}

/// A gauge of the disk on which a folder lies.
pub fn gauge(folder: &Path) -> DiskGauge {
    let folder = folder.to_owned();
    Arc::new(move || {
        let disk = rustix::fs::statvfs(&folder).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        Some(Space { free: bytes(disk.f_bavail), total: bytes(disk.f_blocks) })
    })
}

impl SelfWatch {
    pub fn new(with: Instruments) -> Self {
        Self {
            began_at: with.clock.now(),
            due_since: BTreeMap::new(),
            with,
            memory: WatchMemory::default(),
            dead: BTreeMap::new(),
            dead_looked_at: None,
            absences: Absences::default(),
            differences: Differences::default(),
            has_looked_back: false,
            is_blind: false,
        }
    }

    /// Looks every ten seconds, and at once when notified, until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let signal = self.with.notifier.watch();
        while !shutdown.is_cancelled() {
            let looked_at = self.with.clock.now();
            if shutdown.run_until_cancelled(self.look()).await.is_none() {
                return;
            }
            let notified = signal.notified();
            let due = async {
                while self.with.clock.now().duration_since(looked_at).abs() < LOOK_EVERY {
                    tokio::time::sleep(TICK).await;
                }
            };
            tokio::select! {
                () = notified => drop(shutdown.run_until_cancelled(tokio::time::sleep(BREATH)).await),
                () = due => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// Looks once, and tells what there is to tell.
    pub async fn look(&mut self) {
        match self.try_to_look().await {
            Ok(()) if self.is_blind => {
                tracing::info!("the watch sees again, and tells what it could not");
                self.is_blind = false;
            }
            Ok(()) => {}
            Err(error) if !self.is_blind => {
                tracing::error!(%error, "the watch cannot see how things stand, or not tell; it tries again and again");
                self.is_blind = true;
            }
            Err(_) => {}
        }
    }

    async fn try_to_look(&mut self) -> Result<(), StoreError> {
        let now = self.with.clock.now();
        let routing = self.with.routing.get();
        let sight = self.see(&routing, now).await?;
        let database_clock = self.database_clock().await?;
        let scope = self.scope();
        let known: BTreeMap<IncidentKey, KnownIncident> =
            sight.incidents.iter().filter_map(|row| scope.known(row)).collect();
        for unrouted in sight.unrouted.iter().filter(|unrouted| !is_routed(&routing, unrouted)) {
            self.with.source_activity.unrouted(unrouted.clone());
        }
        self.count_back(&routing, &known).await?;
        let unrouted = self.with.source_activity.unnotified();
        let reports = self.reports(&routing, now).await?;
        let mut states = self.states(&routing, &sight, &known, (&unrouted, &reports), (database_clock, now));
        backups::note(self.with.backups.now(), &known, &mut states);
        if let Some(company) = &self.with.company {
            self.differences.note(&company.roster.get(), now, &mut states);
        }
        states.retain(|key, _| scope.covers(key.topic));
        for (key, change) in incidents::changes(states, &known, &mut self.memory, now) {
            if scope.makes(&key, &change) {
                self.make(&key, &change, &scope, &sight, now).await?;
                self.memory.keep(&key, &change, now);
            }
        }
        self.clear_left_behind(&sight).await?;
        self.has_looked_back = true;
        for unrouted in unrouted {
            match is_routed(&routing, &unrouted) {
                true => self.with.source_activity.forget(&unrouted.kind),
                false => self.with.source_activity.mark_notified(&unrouted.kind),
            }
        }
        Ok(())
    }

    /// What this instance watches now.
    fn scope(&self) -> WatchScope {
        let leads = self.with.leadership.leads(self.with.clock.elapsed());
        let name = self.with.company.as_ref().map(|company| company.instance.name.clone());
        WatchScope::new(name, if leads { Leads::Yes } else { Leads::No })
    }

    fn states(
        &mut self,
        routing: &RoutingSnapshot,
        sight: &HealthSnapshot,
        known: &BTreeMap<IncidentKey, KnownIncident>,
        (unrouted, reports): (&[UnroutedEvent], &[LastReport]),
        (database_clock, now): (ClockVerdict, Timestamp),
    ) -> ConditionStates {
        let (began_at, waits_since) = (self.began_at, self.with.clock.ago(conditions::URGENT_WAITS));
        let may_lag = |channel: &str| {
            let parked = IncidentKey { topic: Topic::Parked, subject: channel.to_owned() };
            let lags = |at: Timestamp| at >= waits_since && at.duration_since(now) < conditions::URGENT_WAITS;
            lags(began_at) || known.contains_key(&parked) || self.memory.ended(&parked).is_some_and(lags)
        };
        let readings = self.with.clock_skews.latest(now);
        conditions::states(&WatchInput {
            now,
            health: sight,
            known,
            channels: &routing.channels.keys().cloned().collect(),
            may_lag: &may_lag,
            sources: &self.sources(routing, sight, now),
            clock: clock_skew::judge(&readings, |channel| routing.far_hosts.get(channel).map(String::as_str)),
            database_clock,
            disk: (&self.with.disk.0, (self.with.disk.1)()),
            unrouted,
            is_routed: &|unrouted| is_routed(routing, unrouted),
            reports,
            mistakes: &self.with.mistakes.now(),
            observing: &self.observing(routing),
            closed: &routing.endpoints.iter().map(|(name, endpoint)| (name.clone(), endpoint.closed.clone())).collect(),
        })
    }

    /// What the database says of this machine's clock.
    async fn database_clock(&self) -> Result<ClockVerdict, StoreError> {
        let clock = &self.with.clock;
        let asked_at = clock.elapsed();
        let theirs = self.with.store.database_time().await?;
        Ok(clock_skew::judge_by_database(clock.now(), theirs, clock.elapsed() - asked_at))
    }

    /// The sources that observe.
    fn observing(&self, routing: &RoutingSnapshot) -> Vec<Observing> {
        let observes = |name: &String, endpoint: &SourceEndpoint| {
            let checked_with = endpoint.source.platform().observes(&endpoint.address)?;
            Some(Observing {
                source: name.clone(),
                checked_with,
                signatures: self.with.source_activity.signatures(name),
            })
        };
        let observing: Vec<_> =
            routing.endpoints.iter().filter_map(|(name, endpoint)| observes(name, endpoint)).collect();
        self.with.source_activity.keep_signatures_of(|source| observing.iter().any(|one| one.source == source));
        observing
    }

    /// Counts, once, what came before the start to a source that observes, and of which the operator may not know.
    async fn count_back(
        &self,
        routing: &RoutingSnapshot,
        known: &BTreeMap<IncidentKey, KnownIncident>,
    ) -> Result<(), StoreError> {
        let Some(began_at) = self.with.source_activity.uncounted_before() else { return Ok(()) };
        let (reader, mut found) = (&self.with.store, Vec::new());
        let sources = routing.observing();
        if !sources.is_empty()
            && let Some(last) = reader.last_event(began_at).await?
        {
            for source in sources {
                let key = IncidentKey { topic: Topic::Unproven, subject: source.clone() };
                let (after, before) = observing::unknown(known.get(&key), last, began_at);
                found.extend(reader.unproven(&source, after, before).await?.map(|unproven| (source, unproven)));
            }
        }
        self.with.source_activity.did_not_fit(found);
        Ok(())
    }

    /// The report of each name that was due last.
    async fn reports(&mut self, routing: &RoutingSnapshot, now: Timestamp) -> Result<Vec<LastReport>, StoreError> {
        let mut reports = Vec::new();
        for (name, report) in &routing.reports {
            let schedule = report.schedule();
            let Some((_, due_at)) = schedule.latest(now) else { continue };
            let Some(day) = schedule.covered_by(now) else { continue };
            let status = self.with.store.report_status(name, day).await?;
            let seen = self.due_since.entry(name.clone()).or_insert((due_at, now));
            // Another one is due, or its time is another now.
            if seen.0 != due_at {
                *seen = (due_at, now);
            }
            let watched_since = seen.1;
            let (name, failure) = (name.clone(), self.with.failures.of(name));
            reports.push(LastReport { name, due_at, watched_since, status, failure });
        }
        Ok(reports)
    }

    async fn see(&mut self, routing: &RoutingSnapshot, now: Timestamp) -> Result<HealthSnapshot, StoreError> {
        if self.dead_looked_at.is_none_or(|at| now.duration_since(at).abs() >= DEAD_ANEW) {
            self.dead.clear();
            self.dead_looked_at = Some(now);
        }
        let look = HealthQuery {
            channels: routing.channels.keys().cloned().collect(),
            waits_since: self.with.clock.ago(conditions::URGENT_WAITS),
            dead: std::mem::take(&mut self.dead),
            newest: !self.has_looked_back,
        };
        let sight = self.with.store.query_health(look).await?;
        self.dead = sight.dead.clone();
        Ok(sight)
    }

    /// The sources that are watched: since when something should have come, and when the last one came. One from which nothing ever came counts from now on.
    fn sources(
        &self,
        routing: &RoutingSnapshot,
        sight: &HealthSnapshot,
        now: Timestamp,
    ) -> Vec<(String, Timestamp, Timestamp)> {
        let Instruments { store, source_activity: activity, clock, .. } = &self.with;
        let leads = self.with.leadership.leads(clock.elapsed());
        for gone in sight.source_activity.keys().filter(|source| !routing.endpoints.contains_key(*source)) {
            activity.gone(gone);
            if leads {
                store.sign_of_life(gone, None);
            }
        }
        // Nothing comes from tomorrow: the clock was put back.
        let possible = |at: &Timestamp| at.duration_since(now) < SignedDuration::from_mins(1);
        let mut sources = Vec::new();
        for (name, endpoint) in &routing.endpoints {
            let written = sight.source_activity.get(name).copied().filter(possible);
            let last = written.max(activity.last(name).filter(possible)).unwrap_or_else(|| {
                store.sign_of_life(name, Some(now));
                now
            });
            if let Some(silent_after) = endpoint.silent_after.filter(SignedDuration::is_positive) {
                sources.push((name.clone(), clock.ago(silent_after), last));
            }
        }
        sources
    }
}

/// Whether a route matches such an event.
fn is_routed(routing: &RoutingSnapshot, unrouted: &UnroutedEvent) -> bool {
    !routing.routes.targets(&unrouted.kind, &unrouted.source, unrouted.shop.as_deref()).is_empty()
}
