//! The daemon watches itself: it looks at how things stand, compares that with what the operator was told, and tells him what
//! has begun and what is over.

pub mod conditions;
pub mod mistakes;
pub mod observing;
pub mod reports;
pub mod told;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::flow::Clock;
use crate::flow::Current;
use crate::flow::Wake;
use crate::flow::far_clocks;
use crate::flow::far_clocks::FarClocks;
use crate::flow::intake::{Inlet, Reception};
use crate::flow::notice::Notices;
use crate::flow::notice::Topic;
use crate::flow::reports::Failures;
use crate::flow::signs::Signs;
use crate::flow::watch::conditions::Key;
use crate::flow::watch::conditions::Scene;
use crate::flow::watch::conditions::Space;
use crate::flow::watch::conditions::States;
use crate::flow::watch::mistakes::Mistakes;
use crate::flow::watch::observing::Observing;
use crate::flow::watch::reports::LastReport;
use crate::flow::watch::told::Change;
use crate::flow::watch::told::Memory;
use crate::flow::watch::told::Told;
use crate::store::Deaths;
use crate::store::Look;
use crate::store::Sight;
use crate::store::StoreError;
use crate::store::Telling;
use crate::store::Trouble;
use crate::store::Unheard;
use crate::store::sqlite::Sqlite;

/// By the daemon's clock.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(10);
/// How often it is asked what that clock says.
const TICK: Duration = Duration::from_secs(1);
/// Between the bell and the look: so that what happens together is told together, and a flood of rings is a few looks.
const BREATH: Duration = Duration::from_millis(200);
/// The dead are counted at each look, and looked at anew when their number has changed, or after so long.
const DEAD_ANEW: SignedDuration = SignedDuration::from_mins(5);

/// Asks how full the disk is; `None` when it cannot be asked.
pub type DiskGauge = Arc<dyn Fn() -> Option<Space> + Send + Sync>;

/// What it looks with.
#[derive(Clone)]
pub struct Instruments {
    pub store: Arc<Sqlite>,
    pub reception: Current<Reception>,
    pub notices: Notices,
    pub wake: Wake,
    pub signs: Signs,
    pub far_clocks: FarClocks,
    pub failures: Failures,
    pub mistakes: Mistakes,
    pub clock: Clock,
    /// The folder of the store, and its disk.
    pub disk: (String, DiskGauge),
}

/// The watch. Whatever it has told is in the store with the notice, in one commit: so neither a restart nor a crash makes it
/// tell anything twice or never.
pub struct SelfWatch {
    with: Instruments,
    memory: Memory,
    dead: BTreeMap<String, Deaths>,
    dead_looked_at: Option<Timestamp>,
    began_at: Timestamp,
    /// When each report was due last, and since when it sees that.
    due_since: BTreeMap<String, (Timestamp, Timestamp)>,
    /// Whether the newest events were looked at: those of which nobody heard may have come just before a crash.
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
            memory: Memory::default(),
            dead: BTreeMap::new(),
            dead_looked_at: None,
            has_looked_back: false,
            is_blind: false,
        }
    }

    /// Looks every ten seconds, and at once when the bell rings, until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let bell = self.with.wake.watch();
        while !shutdown.is_cancelled() {
            let looked_at = self.with.clock.now();
            if shutdown.run_until_cancelled(self.look()).await.is_none() {
                return;
            }
            let rung = bell.notified();
            let due = async {
                while self.with.clock.now().duration_since(looked_at).abs() < LOOK_EVERY {
                    tokio::time::sleep(TICK).await;
                }
            };
            tokio::select! {
                () = rung => drop(shutdown.run_until_cancelled(tokio::time::sleep(BREATH)).await),
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
        let reception = self.with.reception.get();
        let sight = self.see(&reception, now).await?;
        let told: BTreeMap<Key, Told> = sight.troubles.iter().filter_map(Told::of).collect();
        for unheard in sight.unheard.iter().filter(|unheard| !is_routed(&reception, unheard)) {
            self.with.signs.unrouted(unheard.clone());
        }
        self.count_back(&reception, &told).await?;
        let unrouted = self.with.signs.untold();
        let reports = self.reports(&reception, now).await?;
        let states = self.states(&reception, &sight, &told, (&unrouted, &reports), now);
        for (key, change) in told::changes(states, &told, &mut self.memory, now) {
            self.make(&key, &change, &sight, now).await?;
            self.memory.keep(&key, &change, now);
        }
        self.has_looked_back = true;
        for unheard in unrouted {
            match is_routed(&reception, &unheard) {
                true => self.with.signs.forget(&unheard.kind),
                false => self.with.signs.told(&unheard.kind),
            }
        }
        Ok(())
    }

    fn states(
        &mut self,
        reception: &Reception,
        sight: &Sight,
        told: &BTreeMap<Key, Told>,
        (unrouted, reports): (&[Unheard], &[LastReport]),
        now: Timestamp,
    ) -> States {
        let (began_at, waits_since) = (self.began_at, self.with.clock.ago(conditions::URGENT_WAITS));
        let may_lag = |channel: &str| {
            let parked = Key { topic: Topic::Parked, subject: channel.to_owned() };
            let lags = |at: Timestamp| at >= waits_since && at.duration_since(now) < conditions::URGENT_WAITS;
            lags(began_at) || told.contains_key(&parked) || self.memory.ended(&parked).is_some_and(lags)
        };
        let readings = self.with.far_clocks.latest(now);
        conditions::states(&Scene {
            now,
            sight,
            told,
            channels: &reception.channels.keys().cloned().collect(),
            may_lag: &may_lag,
            sources: &self.sources(reception, sight, now),
            clock: far_clocks::judge(&readings, |channel| reception.far_hosts.get(channel).map(String::as_str)),
            disk: (&self.with.disk.0, (self.with.disk.1)()),
            unrouted,
            is_routed: &|unheard| is_routed(reception, unheard),
            reports,
            mistakes: &self.with.mistakes.now(),
            observing: &self.observing(reception),
            closed: &reception.inlets.keys().map(|name| (name.clone(), reception.closed.get(name).cloned())).collect(),
        })
    }

    /// The sources that observe.
    fn observing(&self, reception: &Reception) -> Vec<Observing> {
        let observes = |name: &String, inlet: &Inlet| {
            let checked_with = inlet.source.platform().observes(&inlet.address)?;
            Some(Observing { source: name.clone(), checked_with, signatures: self.with.signs.signatures(name) })
        };
        let observing: Vec<_> = reception.inlets.iter().filter_map(|(name, inlet)| observes(name, inlet)).collect();
        self.with.signs.keep_signatures_of(|source| observing.iter().any(|one| one.source == source));
        observing
    }

    /// Counts, once, what came before the start to a source that observes, and of which the operator may not know.
    async fn count_back(&self, reception: &Reception, told: &BTreeMap<Key, Told>) -> Result<(), StoreError> {
        let Some(began_at) = self.with.signs.uncounted_before() else { return Ok(()) };
        let (reader, mut found) = (self.with.store.reader(), Vec::new());
        let sources = reception.observing();
        if !sources.is_empty()
            && let Some(last) = reader.last_event(began_at).await?
        {
            for source in sources {
                let key = Key { topic: Topic::Unproven, subject: source.clone() };
                let (after, before) = observing::unknown(told.get(&key), last, began_at);
                found.extend(reader.unproven(&source, after, before).await?.map(|unproven| (source, unproven)));
            }
        }
        self.with.signs.did_not_fit(found);
        Ok(())
    }

    /// The report of each name that was due last.
    async fn reports(&mut self, reception: &Reception, now: Timestamp) -> Result<Vec<LastReport>, StoreError> {
        let mut reports = Vec::new();
        for (name, plan) in &reception.reports {
            let Some((_, due_at)) = plan.schedule.latest(now) else { continue };
            let Some(day) = plan.schedule.covered_by(now) else { continue };
            let standing = self.with.store.reader().report_standing(name, day).await?;
            let seen = self.due_since.entry(name.clone()).or_insert((due_at, now));
            // Another one is due, or its time is another now.
            if seen.0 != due_at {
                *seen = (due_at, now);
            }
            let watched_since = seen.1;
            let (name, failure) = (name.clone(), self.with.failures.of(name));
            reports.push(LastReport { name, due_at, watched_since, standing, failure });
        }
        Ok(reports)
    }

    async fn see(&mut self, reception: &Reception, now: Timestamp) -> Result<Sight, StoreError> {
        if self.dead_looked_at.is_none_or(|at| now.duration_since(at).abs() >= DEAD_ANEW) {
            self.dead.clear();
            self.dead_looked_at = Some(now);
        }
        let look = Look {
            channels: reception.channels.keys().cloned().collect(),
            waits_since: self.with.clock.ago(conditions::URGENT_WAITS),
            dead: std::mem::take(&mut self.dead),
            newest: !self.has_looked_back,
        };
        let sight = self.with.store.reader().look_around(look).await?;
        self.dead = sight.dead.clone();
        Ok(sight)
    }

    /// The sources that are watched: since when something should have come, and when they were heard of last. One that was never heard of counts from now on.
    fn sources(&self, reception: &Reception, sight: &Sight, now: Timestamp) -> Vec<(String, Timestamp, Timestamp)> {
        let Instruments { store, signs, clock, .. } = &self.with;
        for gone in sight.signs.keys().filter(|source| !reception.inlets.contains_key(*source)) {
            signs.gone(gone);
            store.sign_of_life(gone, None);
        }
        // Nothing comes from tomorrow: the clock was put back.
        let possible = |at: &Timestamp| at.duration_since(now) < SignedDuration::from_mins(1);
        let mut sources = Vec::new();
        for name in reception.inlets.keys() {
            let written = sight.signs.get(name).copied().filter(possible);
            let last = written.max(signs.last(name).filter(possible)).unwrap_or_else(|| {
                store.sign_of_life(name, Some(now));
                now
            });
            if let Some(silent_after) = reception.silent_after.get(name) {
                sources.push((name.clone(), clock.ago(*silent_after), last));
            }
        }
        sources
    }

    /// Makes a change of what the operator knows.
    async fn make(&self, key: &Key, change: &Change, sight: &Sight, now: Timestamp) -> Result<(), StoreError> {
        let (topic, subject) = (key.topic.as_str(), key.subject.as_str());
        let (after, notice) = match change {
            Change::Begins(told) | Change::Again(told) => (Some(told.row(key)), Some(&told.notice)),
            Change::Noted(told) => (Some(told.row(key)), None),
            Change::Ends(notice) => (None, Some(notice)),
            Change::Lapses => (None, None),
        };
        let is_this = |trouble: &&Trouble| trouble.topic == topic && trouble.subject == subject;
        let before = sight.troubles.iter().find(is_this).cloned();
        let known = before.as_ref().and_then(Told::of).and_then(|(_, told)| told.notice.count).unwrap_or(0);
        let telling =
            Telling { before, after, notice: notice.map(|notice| self.with.notices.record(notice.clone(), now)) };
        if !self.with.notices.change(telling).await? {
            return Ok(());
        }
        let detail = notice.and_then(|notice| notice.detail.as_deref());
        let count = notice.and_then(|notice| notice.count);
        let lasted_seconds = notice.and_then(|notice| notice.lasted_seconds);
        let off_by_seconds = notice.and_then(|notice| notice.off_by_seconds);
        match change {
            Change::Begins(_) => {
                tracing::warn!(topic, subject, detail, count, lasted_seconds, off_by_seconds, "the operator is told")
            }
            Change::Noted(_) => {}
            Change::Again(_) if key.topic == Topic::Observing => observing::log(subject),
            Change::Again(_) if count.is_some() => {
                tracing::warn!(topic, subject, detail, count, "the operator is told that there is more")
            }
            Change::Again(_) => {
                tracing::warn!(topic, subject, detail, lasted_seconds, "the operator is notified again")
            }
            Change::Ends(_) => tracing::info!(topic, subject, lasted_seconds, "the operator is told that it is over"),
            Change::Lapses => tracing::info!(topic, subject, "a trouble means nothing any more"),
        }
        if key.topic == Topic::Unproven {
            self.with.signs.notified_of_unfit(subject, count.unwrap_or(0).saturating_sub(known));
        }
        if key.topic == Topic::Unrouted
            && matches!(change, Change::Ends(_) | Change::Lapses)
            && let Ok(kind) = subject.parse()
        {
            self.with.signs.forget(&kind);
        }
        Ok(())
    }
}

/// Whether a route matches such an event.
fn is_routed(reception: &Reception, unheard: &Unheard) -> bool {
    !reception.routes.hearers(&unheard.kind, &unheard.source, unheard.shop.as_deref()).is_empty()
}
