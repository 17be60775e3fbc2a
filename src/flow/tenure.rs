//! The time in which this instance holds the lease of a credential: its channels are worked only then, and a message is sent
//! only while the lease outlasts the time-out by a clock that nobody sets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::SignedDuration;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::domain::pace::Elapsed;
use crate::store::fencing::FencingToken;

/// One tenure of one credential, shared by the workers of its channels and whoever renews the lease.
pub struct Tenure {
    token: FencingToken,
    state: Mutex<TenureState>,
    /// It ends: nothing new is begun.
    over: CancellationToken,
    /// Another instance has acquired the lease: what is under way is broken off.
    lost: CancellationToken,
    workers: TaskTracker,
}

struct TenureState {
    /// When the lease ends at the latest.
    until: Elapsed,
    renewed_at: Elapsed,
    /// The channels at which everything is taken up that was left under way before; `None`: at each.
    taken_up: Option<BTreeSet<String>>,
}

impl Tenure {
    /// Without an end, of a store that one daemon holds.
    pub fn unlimited(credential: &str) -> Arc<Self> {
        let token = FencingToken { lease: credential.to_owned(), number: 0 };
        Self::made(token, TenureState { until: Elapsed::MAX, renewed_at: Elapsed::ZERO, taken_up: None })
    }

    /// Until then, unless it is renewed; the lease was asked for at `now`. What was left under way at `channels` is taken up.
    pub fn until(token: FencingToken, until: Elapsed, now: Elapsed, channels: BTreeSet<String>) -> Arc<Self> {
        Self::made(token, TenureState { until, renewed_at: now, taken_up: Some(channels) })
    }

    fn made(token: FencingToken, state: TenureState) -> Arc<Self> {
        let (over, lost, workers) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
        workers.close();
        Arc::new(Self { token, state: Mutex::new(state), over, lost, workers })
    }

    /// What claims and settles carry.
    pub fn token(&self) -> &FencingToken {
        &self.token
    }

    /// Whether the lease runs for so long yet.
    pub fn outlasts(&self, time: SignedDuration, now: Elapsed) -> bool {
        !self.lost.is_cancelled() && now.saturating_add(time) < self.state().until
    }

    /// How long the lease runs yet; `None`: without end.
    pub fn remaining(&self, now: Elapsed) -> Option<SignedDuration> {
        let until = self.state().until;
        (until != Elapsed::MAX).then(|| until.saturating_sub(now))
    }

    /// The lease was renewed, as asked for at `now`.
    pub fn renewed(&self, until: Elapsed, now: Elapsed) {
        let mut state = self.state();
        (state.until, state.renewed_at) = (until, now);
    }

    pub fn renewed_at(&self) -> Elapsed {
        self.state().renewed_at
    }

    /// By the database's clock the lease has ended. It may be renewed yet, which is due.
    pub fn has_ended(&self, now: Elapsed) {
        let mut state = self.state();
        (state.until, state.renewed_at) = (state.until.min(now), Elapsed::ZERO);
    }

    /// Another instance has acquired the lease.
    pub fn lose(&self) {
        self.lost.cancel();
        self.over.cancel();
    }

    pub fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }

    /// Cancelled when another instance has acquired the lease.
    pub fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Nothing new is begun; when the workers have ended the lease may be released.
    pub fn end(&self) {
        self.over.cancel();
    }

    /// Cancelled when nothing new is to be begun.
    pub fn over(&self) -> &CancellationToken {
        &self.over
    }

    /// A worker begins; it has ended when this is dropped.
    pub fn enter(&self) -> TaskTrackerToken {
        self.workers.token()
    }

    /// Whether it is over and no worker goes on.
    pub fn is_left(&self) -> bool {
        self.over.is_cancelled() && self.workers.is_empty()
    }

    /// Returns when no worker goes on.
    pub async fn left(&self) {
        self.workers.wait().await;
    }

    /// Whether what was left under way at a channel is taken up.
    pub fn has_taken_up(&self, channel: &str) -> bool {
        self.state().taken_up.as_ref().is_none_or(|channels| channels.contains(channel))
    }

    pub fn took_up(&self, channels: Vec<String>) {
        if let Some(taken_up) = &mut self.state().taken_up {
            taken_up.extend(channels);
        }
    }

    fn state(&self) -> MutexGuard<'_, TenureState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The credentials of this instance's channels, and which of them it works now. Cloning shares it.
#[derive(Clone)]
pub struct Tenures(Arc<Shared>);

struct Shared {
    /// Whether other instances may work some.
    is_shared: bool,
    credentials: Mutex<BTreeMap<String, Credential>>,
    /// Somebody has come or gone.
    changed: Notify,
}

struct Credential {
    /// Its channels and their time-outs, by a number for each that has joined: of one channel two may have, for a moment.
    joined: BTreeMap<u64, (String, SignedDuration)>,
    next: u64,
    tenure: watch::Sender<Option<Arc<Tenure>>>,
}

impl Credential {
    fn new(tenure: Option<Arc<Tenure>>) -> Self {
        Self { joined: BTreeMap::new(), next: 0, tenure: watch::Sender::new(tenure) }
    }
}

impl Tenures {
    /// Of a store that one daemon holds: whoever asks may begin.
    pub fn unlimited() -> Self {
        Self::new(false)
    }

    /// Of a store that several instances work on: whoever asks waits for a lease.
    pub fn shared() -> Self {
        Self::new(true)
    }

    fn new(is_shared: bool) -> Self {
        Self(Arc::new(Shared { is_shared, credentials: Mutex::default(), changed: Notify::new() }))
    }

    /// A channel of a credential is to be worked from now on.
    pub fn join(&self, credential: &str, channel: &str, timeout: SignedDuration) -> Membership {
        let mut credentials = self.credentials();
        let first = || (!self.0.is_shared).then(|| Tenure::unlimited(credential));
        let entry = credentials.entry(credential.to_owned()).or_insert_with(|| Credential::new(first()));
        entry.next += 1;
        let number = entry.next;
        entry.joined.insert(number, (channel.to_owned(), timeout));
        let tenure = entry.tenure.subscribe();
        drop(credentials);
        self.0.changed.notify_one();
        let (tenures, credential, channel) = (self.clone(), credential.to_owned(), channel.to_owned());
        Membership { tenures, credential, number, channel, tenure }
    }

    /// Waits until a channel has come or gone, or a worker has ended whose tenure is over.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// The credentials of channels that are to be worked, with the channels and the longest of their time-outs.
    pub fn wanted(&self) -> BTreeMap<String, (BTreeSet<String>, SignedDuration)> {
        let wanted = |(credential, entry): (&String, &Credential)| {
            let longest = entry.joined.values().map(|(_, timeout)| *timeout).max()?;
            let channels = entry.joined.values().map(|(channel, _)| channel.clone()).collect();
            Some((credential.clone(), (channels, longest)))
        };
        self.credentials().iter().filter_map(wanted).collect()
    }

    /// The tenures, those that are over among them until they are left.
    pub fn held(&self) -> Vec<Arc<Tenure>> {
        self.credentials().values().filter_map(|entry| entry.tenure.borrow().clone()).collect()
    }

    /// A tenure begins.
    pub fn begin(&self, tenure: Arc<Tenure>) {
        let mut credentials = self.credentials();
        let entry = credentials.entry(tenure.token.lease.clone()).or_insert_with(|| Credential::new(None));
        entry.tenure.send_replace(Some(tenure));
    }

    /// A tenure is left, and its lease is released or lost.
    pub fn forget(&self, tenure: &Tenure) {
        let mut credentials = self.credentials();
        if let Some(entry) = credentials.get_mut(&tenure.token.lease) {
            entry.tenure.send_replace(None);
            if entry.joined.is_empty() {
                credentials.remove(&tenure.token.lease);
            }
        }
    }

    /// What was left under way at these channels is taken up within a tenure that runs already.
    pub fn took_up(&self, tenure: &Tenure, channels: Vec<String>) {
        tenure.took_up(channels);
        if let Some(entry) = self.credentials().get(&tenure.token.lease) {
            entry.tenure.send_modify(|_| {});
        }
    }

    fn leave(&self, credential: &str, number: u64) {
        let mut credentials = self.credentials();
        if let Some(entry) = credentials.get_mut(credential) {
            entry.joined.remove(&number);
            if entry.joined.is_empty() && (!self.0.is_shared || entry.tenure.borrow().is_none()) {
                credentials.remove(credential);
            }
        }
        drop(credentials);
        self.0.changed.notify_one();
    }

    fn credentials(&self) -> MutexGuard<'_, BTreeMap<String, Credential>> {
        self.0.credentials.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That a channel is to be worked, until this is dropped.
pub struct Membership {
    tenures: Tenures,
    credential: String,
    number: u64,
    channel: String,
    tenure: watch::Receiver<Option<Arc<Tenure>>>,
}

impl Membership {
    /// Waits until the channel may be worked.
    pub async fn tenure(&mut self) -> Arc<Tenure> {
        let channel = self.channel.clone();
        let may_begin = |tenure: &Arc<Tenure>| !tenure.over().is_cancelled() && tenure.has_taken_up(&channel);
        let begun = self.tenure.wait_for(|tenure| tenure.as_ref().is_some_and(may_begin)).await;
        match begun.ok().and_then(|tenure| tenure.clone()) {
            Some(tenure) => tenure,
            // It is kept as long as this membership.
            None => std::future::pending().await,
        }
    }

    /// The channel's worker has ended.
    pub fn ended(&self) {
        self.tenures.0.changed.notify_one();
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.tenures.leave(&self.credential, self.number);
    }
}
