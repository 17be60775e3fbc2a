//! Pacing among workers: one window of slots per credential, shared by all channels that use it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use crate::domain::pace::{Backlog, Elapsed, PacingDecision, PermitId, Window};
use crate::domain::rate_limit::RateLimit;
use crate::flow::Clock;
use crate::store::queue::attempt::PacingState;

/// Where there is no limit.
const UNLIMITED: RateLimit = RateLimit { count: u32::MAX, per: SignedDuration::ZERO };

/// A closing that was found before a start is believed for so long at most: the clock may have been set since.
const LONGEST_CLOSING: SignedDuration = SignedDuration::from_hours(24);

/// The pacers of all credentials.
#[derive(Clone, Default)]
pub struct Pacers(Arc<Mutex<BTreeMap<String, Arc<Pacer>>>>);

/// The pacing of one credential.
pub struct Pacer {
    credential: String,
    state: Mutex<State>,
    /// Rung when a slot is free, or when it is known when one will be.
    changed: Notify,
}

#[derive(Default)]
struct State {
    window: Window,
    /// What each channel that uses the credential is allowed.
    allowances: BTreeMap<String, RateLimit>,
    /// Attempts before the start whose slots are still to be taken up.
    left: Vec<i64>,
}

impl State {
    /// Every allowance is kept: neither of two need be the stricter one, such as forty in two hours and eighteen in a minute.
    fn plan(&self, waiting: Backlog, now: Elapsed) -> PacingDecision {
        let plans = self.allowances.values().map(|allowance| self.window.plan(*allowance, waiting, now));
        plans.reduce(PacingDecision::and).unwrap_or_else(|| self.window.plan_unlimited(waiting, now))
    }

    fn may_go_on(&self, now: Elapsed) -> bool {
        let mut allowances = self.allowances.values();
        self.window.may_go_on(UNLIMITED, now) && allowances.all(|allowance| self.window.may_go_on(*allowance, now))
    }

    fn longest(&self) -> SignedDuration {
        self.allowances.values().map(|allowance| allowance.per).max().unwrap_or(SignedDuration::ZERO)
    }
}

impl Pacers {
    /// Takes up what was known before a start.
    pub fn take_up(taken: PacingState, now: Timestamp, elapsed: Elapsed) -> Self {
        let pacers = Self::default();
        pacers.load(taken, now, elapsed);
        pacers
    }

    /// Takes up what another instance knew of a credential, which this one works from now on.
    pub fn load(&self, taken: PacingState, now: Timestamp, elapsed: Elapsed) {
        for (credential, attempt) in taken.slots {
            self.of(&credential).state().left.push(attempt);
        }
        for (credential, until, closings) in taken.closed {
            let left = until.duration_since(now).min(LONGEST_CLOSING);
            self.of(&credential).state().window.take_up_closing(left, closings, elapsed);
        }
    }

    /// This instance works a credential no more; what another one does with it is known in the store.
    pub fn forget(&self, credential: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(credential);
    }

    fn of(&self, credential: &str) -> Arc<Pacer> {
        let mut pacers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Pacer { credential: credential.to_owned(), state: Mutex::default(), changed: Notify::new() };
        pacers.entry(credential.to_owned()).or_insert_with(|| Arc::new(new())).clone()
    }

    /// The pacer of a credential for a channel that uses it from now on.
    pub fn join(&self, credential: &str, channel: &str, allowance: Option<RateLimit>, now: Elapsed) -> Arc<Pacer> {
        let pacer = self.of(credential);
        let mut state = pacer.state();
        state.allowances.remove(channel);
        if let Some(allowance) = allowance {
            state.allowances.insert(channel.to_owned(), allowance);
        }
        for attempt in std::mem::take(&mut state.left) {
            state.window.take_up(attempt, now);
        }
        drop(state);
        pacer
    }
}

impl Pacer {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the store remembers slots under; `None` where there is no limit.
    pub fn credential(&self) -> Option<String> {
        (!self.state().allowances.is_empty()).then(|| self.credential.clone())
    }

    /// The channel does not use it any more, and its last send has ended: until then its allowance counts.
    pub fn leave(&self, channel: &str) {
        self.state().allowances.remove(channel);
    }

    /// What is to be done with what waits; a permit goes with whatever is to be sent.
    pub fn admit(&self, waiting: Backlog, now: Elapsed) -> (PacingDecision, Option<PermitId>) {
        let mut state = self.state();
        let plan = state.plan(waiting, now);
        let id = match plan {
            PacingDecision::Alone | PacingDecision::Gather => Some(state.window.take(now)),
            PacingDecision::Later(_) => None,
        };
        (plan, id)
    }

    /// Until when nothing at all can be sent, so that nobody need look what waits.
    pub fn rate_limited(&self, now: Elapsed) -> Option<PacingDecision> {
        let state = self.state();
        let one = Backlog { urgent: 1, ordinary: 0 };
        match state.plan(one, now) {
            plan @ PacingDecision::Later(_) => Some(plan),
            PacingDecision::Alone | PacingDecision::Gather => None,
        }
    }

    /// A permit for a further part of a message that was begun.
    pub fn go_on(&self, now: Elapsed) -> Option<PermitId> {
        let mut state = self.state();
        state.may_go_on(now).then(|| state.window.take(now))
    }

    pub fn bind(&self, id: PermitId, attempt: i64) {
        self.state().window.bind(id, attempt);
    }

    /// The send has ended.
    pub fn ended(&self, id: PermitId, now: Elapsed) {
        self.state().window.ended(id, now);
        self.changed.notify_waiters();
    }

    /// Nothing was sent.
    pub fn give_back(&self, id: PermitId) {
        self.state().window.give_back(id);
        self.changed.notify_waiters();
    }

    /// The receiver says that the credential is shut. Answers for how long it rests, and how often in a row it was shut.
    pub fn close(&self, wait: SignedDuration, now: Elapsed) -> (SignedDuration, u32) {
        let mut state = self.state();
        let wait = state.window.close(wait, now);
        (wait, state.window.closings())
    }

    /// The receiver accepted. Answers whether that opens what was shut before.
    pub fn accepted(&self, now: Elapsed) -> bool {
        self.state().window.accepted(now)
    }

    /// The attempts whose slots are free by now.
    pub fn freed(&self, now: Elapsed) -> Vec<i64> {
        let mut state = self.state();
        let longest = state.longest();
        state.window.freed(longest, now)
    }

    pub fn not_forgotten(&self, attempts: Vec<i64>) {
        self.state().window.not_forgotten(attempts);
    }

    /// Waits until another channel on this credential has ended a send.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    pub fn name(&self) -> &str {
        &self.credential
    }
}

/// The right to send one message. Whatever becomes of the send, and be it cut short, it is free again one window later.
pub struct Permit {
    pacer: Arc<Pacer>,
    clock: Clock,
    /// `None` when it was given back.
    id: Option<PermitId>,
}

impl Permit {
    pub fn new(pacer: Arc<Pacer>, clock: Clock, id: PermitId) -> Self {
        Self { pacer, clock, id: Some(id) }
    }

    pub fn bind(&self, attempt: i64) {
        if let Some(id) = self.id {
            self.pacer.bind(id, attempt);
        }
    }

    /// The send has ended.
    pub fn ended(self) {
        drop(self);
    }

    /// Nothing was sent.
    pub fn give_back(mut self) {
        if let Some(id) = self.id.take() {
            self.pacer.give_back(id);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.pacer.ended(id, self.clock.elapsed());
        }
    }
}
