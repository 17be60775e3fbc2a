//! The task that holds the leases of this instance: it announces the instance, renews what is held, gives back what is beyond
//! its share when another instance appears, and acquires what is free.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::domain::pace::Elapsed;
use crate::domain::spread::{Demand, spread};
use crate::flow::instance::Instance;
use crate::flow::leadership::{LEADER, Leadership};
use crate::flow::pacers::Pacers;
use crate::flow::tenure::{Tenure, Tenures};
use crate::flow::{Clock, Current};
use crate::store::StoreError;
use crate::store::fencing::FencingToken;
use crate::store::leases::{AcquiredLease, Announcement, Leases, Roster, WantedLease};

/// How often it is looked who runs and who holds what.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often an instance says that it runs: a third of the time after which it would be listed no more.
const ANNOUNCED_EVERY: SignedDuration = SignedDuration::from_secs(5);
/// What a lease has beyond the time-out of its channels: with the look of whoever takes it over, less than 30 seconds.
const MARGIN: SignedDuration = SignedDuration::from_secs(20);
/// How long the lease of the one who leads lasts.
const LEADING: SignedDuration = SignedDuration::from_secs(20);
/// A lease is renewed when so much of it has gone by.
pub const RENEWED_AT_PART: i32 = 3;
/// How long the workers may take at the end, before their leases are left to run out.
const HAND_OVER: Duration = Duration::from_secs(9);

/// What it works with. Cloning shares it.
#[derive(Clone)]
pub struct LeaseKeeper {
    pub leases: Arc<dyn Leases>,
    pub instance: Instance,
    pub tenures: Tenures,
    pub pacers: Pacers,
    pub leadership: Leadership,
    /// Who runs and who holds what, as of the last look.
    pub roster: Current<Roster>,
    pub clock: Clock,
    leading: Current<Option<Leading>>,
    announced: Current<Option<Announced>>,
}

/// What this instance has said of itself, and when.
#[derive(Clone)]
struct Announced {
    announcement: Announcement,
    at: Elapsed,
}

/// The lease by which this instance leads.
#[derive(Clone)]
struct Leading {
    token: FencingToken,
    renewed_at: Elapsed,
}

impl LeaseKeeper {
    pub fn new(leases: Arc<dyn Leases>, instance: Instance, pacers: Pacers, clock: Clock) -> Self {
        let (roster, leading, announced) = (Current::new(Roster::default()), Current::new(None), Current::new(None));
        let (tenures, leadership) = (Tenures::shared(), Leadership::among_others());
        Self { leases, instance, tenures, pacers, leadership, roster, clock, leading, announced }
    }

    /// Holds the leases until `shutdown`; then hands them over, as soon as the workers have ended.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut is_blind = false;
        while !shutdown.is_cancelled() {
            let looking = shutdown.run_until_cancelled(self.look()).await;
            match looking {
                Some(Err(error)) if !is_blind => {
                    tracing::error!(%error, "the leases of this instance cannot be renewed; it sends as long as they last, and tries again");
                    is_blind = true;
                }
                Some(Ok(())) if is_blind => {
                    tracing::info!("the leases of this instance are renewed again");
                    is_blind = false;
                }
                _ => {}
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.tenures.changed() => {}
                () = shutdown.cancelled() => {}
            }
        }
        if tokio::time::timeout(HAND_OVER, self.hand_over()).await.is_err() {
            tracing::warn!("not all leases could be handed over; another instance takes them when they have ended");
        }
    }

    /// Looks once, and does what there is to do.
    ///
    /// # Errors
    /// [`StoreError`]: something is left to be done at the next look.
    pub async fn look(&self) -> Result<(), StoreError> {
        self.renew().await?;
        let wanted = self.tenures.wanted();
        let roster = self.announce(wanted.keys().cloned().collect()).await?;
        self.roster.replace(roster.clone());
        let spread = self.spread(&wanted, &roster);
        self.give_back(&spread);
        self.release_left().await?;
        self.take_up_left(&wanted, &roster.left).await?;
        let held: BTreeSet<String> = self.tenures.held().iter().map(|tenure| tenure.token().lease.clone()).collect();
        let is_mine =
            |credential: &String| spread.get(credential).is_some_and(|instance| *instance == self.instance.id);
        let is_free = |credential: &String| !held.contains(credential) && self.is_free(credential, &roster);
        let free = wanted.into_iter().filter(|(credential, _)| is_mine(credential) && is_free(credential));
        self.acquire(free.map(|(credential, (channels, timeout))| lease_for(credential, channels, timeout)).collect())
            .await?;
        self.lead(&roster).await
    }

    /// Who runs and who holds what. That this one runs is said now and then, because each time is a commit.
    async fn announce(&self, credentials: Vec<String>) -> Result<Roster, StoreError> {
        let (at, announcement) = (self.clock.elapsed(), self.instance.announcement(credentials));
        let is_said = self.announced.get().as_ref().as_ref().is_some_and(|last: &Announced| {
            last.announcement == announcement && at - last.at < self.clock.of_real(ANNOUNCED_EVERY)
        });
        if is_said {
            return self.leases.roster().await;
        }
        let roster = self.leases.announce(announcement.clone()).await?;
        self.announced.replace(Some(Announced { announcement, at }));
        Ok(roster)
    }

    /// Which instance is to work which credential.
    fn spread(
        &self,
        wanted: &BTreeMap<String, (BTreeSet<String>, SignedDuration)>,
        roster: &Roster,
    ) -> BTreeMap<String, String> {
        let mut demands: BTreeMap<String, Demand> = BTreeMap::new();
        for listed in &roster.instances {
            for credential in &listed.announcement.credentials {
                let demand = demands.entry(credential.clone()).or_default();
                demand.candidates.insert(listed.announcement.id.clone());
            }
        }
        for credential in wanted.keys() {
            demands.entry(credential.clone()).or_default().candidates.insert(self.instance.id.clone());
        }
        for held in &roster.leases {
            if let Some(demand) = demands.get_mut(&held.token.lease) {
                demand.holder = Some(held.instance.clone());
            }
        }
        spread(&demands)
    }

    fn is_free(&self, lease: &str, roster: &Roster) -> bool {
        let holder = roster.leases.iter().find(|held| held.token.lease == lease);
        holder.is_none_or(|held| held.instance == self.instance.id)
    }

    /// Renews what a third has gone by of.
    async fn renew(&self) -> Result<(), StoreError> {
        let now = self.clock.elapsed();
        let wanted = self.tenures.wanted();
        let lasts =
            |tenure: &Arc<Tenure>| wanted.get(&tenure.token().lease).map_or(MARGIN, |(_, timeout)| lease_of(*timeout));
        let is_due = |tenure: &Arc<Tenure>| {
            !tenure.is_lost() && now - tenure.renewed_at() >= self.clock.of_real(lasts(tenure)) / RENEWED_AT_PART
        };
        let due: Vec<Arc<Tenure>> = self.tenures.held().into_iter().filter(is_due).collect();
        if due.is_empty() {
            return Ok(());
        }
        let tokens = due.iter().map(|tenure| tenure.token().clone()).collect();
        let granted = self.leases.renew(tokens, due.iter().map(lasts).collect()).await?;
        for (tenure, grant) in due.iter().zip(granted) {
            match grant {
                Some(grant) => tenure.renewed(end_of(grant.lasts, now, &self.clock), now),
                None => {
                    tracing::warn!(lease = tenure.token().lease, "another instance has acquired a lease of this one");
                    tenure.lose();
                }
            }
        }
        Ok(())
    }

    /// What another instance is to work, this one begins no more.
    fn give_back(&self, spread: &BTreeMap<String, String>) {
        for tenure in self.tenures.held().into_iter().filter(|tenure| !tenure.over().is_cancelled()) {
            let lease = &tenure.token().lease;
            if spread.get(lease).is_none_or(|instance| *instance != self.instance.id) {
                tracing::info!(lease, "a lease is given back, for another instance to take");
                tenure.end();
            }
        }
    }

    /// Releases the leases whose workers have ended.
    async fn release_left(&self) -> Result<(), StoreError> {
        let left: Vec<Arc<Tenure>> = self.tenures.held().into_iter().filter(|tenure| tenure.is_left()).collect();
        if left.is_empty() {
            return Ok(());
        }
        self.leases.release(left.iter().map(|tenure| tenure.token().clone()).collect()).await?;
        for tenure in left {
            self.pacers.forget(&tenure.token().lease);
            self.tenures.forget(&tenure);
        }
        Ok(())
    }

    /// Takes up what was left under way at channels that have joined since the lease was acquired, and what was since by whoever
    /// worked a channel under another lease that has ended.
    async fn take_up_left(
        &self,
        wanted: &BTreeMap<String, (BTreeSet<String>, SignedDuration)>,
        left: &BTreeSet<String>,
    ) -> Result<(), StoreError> {
        for tenure in self.tenures.held().into_iter().filter(|tenure| !tenure.over().is_cancelled()) {
            let Some((channels, _)) = wanted.get(&tenure.token().lease) else { continue };
            let is_to_be = |channel: &&String| !tenure.has_taken_up(channel) || left.contains(*channel);
            let channels: Vec<String> = channels.iter().filter(is_to_be).cloned().collect();
            if channels.is_empty() {
                continue;
            }
            match self.leases.take_over(tenure.token().clone(), channels.clone(), self.clock.now()).await? {
                Some(_) => self.tenures.took_up(&tenure, channels),
                None => tenure.has_ended(self.clock.elapsed()),
            }
        }
        Ok(())
    }

    async fn acquire(&self, wanted: Vec<WantedLease>) -> Result<(), StoreError> {
        if wanted.is_empty() {
            return Ok(());
        }
        let asked = self.clock.elapsed();
        let acquired = self.leases.acquire(wanted.clone(), &self.instance.id, self.clock.now()).await?;
        for (wanted, acquired) in wanted.into_iter().zip(acquired) {
            let Some(AcquiredLease { grant, pacing }) = acquired else { continue };
            self.pacers.forget(&wanted.lease);
            self.pacers.load(pacing, self.clock.now(), self.clock.elapsed());
            tracing::info!(
                lease = wanted.lease,
                fence = grant.token.number,
                channels = wanted.channels.join(", "),
                "this instance works the channels from now on"
            );
            let until = end_of(grant.lasts, asked, &self.clock);
            self.tenures.begin(Tenure::until(grant.token, until, asked, wanted.channels.into_iter().collect()));
        }
        Ok(())
    }

    /// Leads on, or begins to where nobody does.
    async fn lead(&self, roster: &Roster) -> Result<(), StoreError> {
        let now = self.clock.elapsed();
        let grant = match &*self.leading.get() {
            Some(leading) if now - leading.renewed_at < self.clock.of_real(LEADING) / RENEWED_AT_PART => return Ok(()),
            Some(leading) => self.leases.renew(vec![leading.token.clone()], vec![LEADING]).await?.pop().flatten(),
            None if self.is_free(LEADER, roster) => {
                let wanted = WantedLease { lease: LEADER.to_owned(), lasts: LEADING, channels: Vec::new() };
                let acquired = self.leases.acquire(vec![wanted], &self.instance.id, self.clock.now()).await?.pop();
                let grant = acquired.flatten().map(|acquired| acquired.grant);
                if grant.is_some() {
                    tracing::info!("this instance makes the reports and watches for all from now on");
                }
                grant
            }
            None => return Ok(()),
        };
        let until = grant.as_ref().map_or(Elapsed::MIN, |grant| end_of(grant.lasts, now, &self.clock));
        self.leadership.set_until(until);
        self.leading.replace(grant.map(|grant| Leading { token: grant.token, renewed_at: now }));
        Ok(())
    }

    /// The instance ends: its leases are free as soon as its workers have ended.
    async fn hand_over(&self) {
        self.leadership.set_until(Elapsed::MIN);
        let leading = self.leading.replace(None);
        let leading = leading.as_ref().as_ref().map(|leading| leading.token.clone());
        let released = self.leases.release(leading.into_iter().collect()).await;
        self.tenures.held().iter().for_each(|tenure| tenure.end());
        let mut failed = released.err();
        for tenure in self.tenures.held() {
            tenure.left().await;
            failed = failed.or(self.release_left().await.err());
        }
        failed = failed.or(self.leases.withdraw(&self.instance.id).await.err());
        if let Some(error) = failed {
            tracing::warn!(%error, "not all leases could be handed over; another instance takes them when they have ended");
        }
    }
}

/// Until when a lease runs that was asked for at `asked`.
pub fn end_of(lasts: Option<SignedDuration>, asked: Elapsed, clock: &Clock) -> Elapsed {
    lasts.map_or(Elapsed::MAX, |lasts| asked.saturating_add(clock.of_real(lasts)))
}

fn lease_for(credential: String, channels: BTreeSet<String>, timeout: SignedDuration) -> WantedLease {
    WantedLease { lease: credential, lasts: lease_of(timeout), channels: channels.into_iter().collect() }
}

/// How long the lease of channels with such a time-out lasts.
pub fn lease_of(timeout: SignedDuration) -> SignedDuration {
    timeout.saturating_add(MARGIN)
}
