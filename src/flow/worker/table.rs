//! What a worker knows of what waits in the store, so that it reads it only when it may find something else.

use std::collections::HashSet;

use jiff::Timestamp;

use crate::domain::pace::Elapsed;
use crate::flow::delivery::SendEnd;
use crate::store::queue::pending::DueBatch;

/// So long nothing but a commit of a command is looked for.
const LOOK_EVERY: Elapsed = Elapsed::from_secs(1);
/// So many orders are known to wait behind one of theirs; of more, the store is asked.
const MOST_BEHIND: usize = 1000;

/// What is known of the deliveries of one channel in the store.
#[derive(Default)]
pub struct TableView {
    looked_at: Option<Elapsed>,
    fell_back_at: Option<Elapsed>,
    /// Of the store, when it was looked at.
    version: Option<i64>,
    /// When the next one falls due.
    next_due: Option<Timestamp>,
    /// When a parked channel is probed next.
    parked: Option<Timestamp>,
    /// There was more than was asked for.
    has_more: bool,
    /// Something has changed since.
    is_stale: bool,
    /// The worker has waited for as long as it ever does.
    has_waited: bool,
    /// Orders of which a later event was refused, because an earlier one waits.
    behind: HashSet<String>,
}

/// Whether the store is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookReason {
    Now,
    /// If the store has changed.
    Change,
    No,
}

impl TableView {
    /// Nothing is known.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    pub fn next_due(&self) -> Option<Timestamp> {
        self.next_due
    }

    pub fn is_stale(&self) -> bool {
        self.is_stale
    }

    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// Whether the store is to be looked at.
    pub fn reason(&self, now: Timestamp, elapsed: Elapsed) -> LookReason {
        match self.looked_at {
            None => LookReason::Now,
            Some(_) if self.is_stale || self.next_due.is_some_and(|due| due <= now) => LookReason::Now,
            Some(at) if self.has_waited || elapsed - at >= LOOK_EVERY => LookReason::Change,
            Some(_) => LookReason::No,
        }
    }

    /// Whether the store has changed since it was looked at, of which this is the version now.
    pub fn is_changed(&mut self, version: i64, elapsed: Elapsed) -> bool {
        (self.looked_at, self.has_waited) = (Some(elapsed), false);
        self.version.replace(version) != Some(version)
    }

    /// When a parked channel is probed next, unless it is to be looked at before.
    pub fn rests_until(&self, now: Timestamp, elapsed: Elapsed) -> Option<Timestamp> {
        let is_fresh = !self.has_waited && self.looked_at.is_some_and(|at| elapsed - at < LOOK_EVERY);
        self.parked.filter(|probe_at| is_fresh && !self.is_stale && *probe_at > now)
    }

    /// Whether it is time to ask whether the fallback is wanted; where the channel is parked it always is.
    pub fn may_fall_back(&mut self, elapsed: Elapsed) -> bool {
        let is_time = self.has_waited || self.fell_back_at.is_none_or(|at| elapsed - at >= LOOK_EVERY);
        if is_time {
            self.fell_back_at = Some(elapsed);
        }
        is_time || self.is_stale || self.parked.is_some()
    }

    pub fn begin_look(&mut self, elapsed: Elapsed) {
        self.looked_at = Some(elapsed);
        (self.is_stale, self.has_waited) = (false, false);
    }

    pub fn looked(&mut self, batch: &DueBatch, limit: usize) {
        let found = batch.candidates.len() + batch.unreadable.len();
        self.next_due = batch.next_due;
        self.parked = batch.parked.as_ref().map(|parked| parked.next_probe_at);
        self.has_more = found >= limit;
    }

    /// The worker has waited, and nothing woke it.
    pub fn time_has_passed(&mut self) {
        self.has_waited = true;
    }

    /// Something has changed.
    pub fn is_to_be_looked_at(&mut self) {
        self.is_stale = true;
    }

    /// A send has ended, of a delivery of this order.
    pub fn ended(&mut self, end: SendEnd, order_key: Option<String>) {
        let was_behind = order_key.as_ref().is_some_and(|key| self.behind.remove(key));
        match end {
            SendEnd::Done => self.is_stale |= self.parked.is_some() || was_behind,
            SendEnd::Later(at) => self.next_due = Some(self.next_due.map_or(at, |due| due.min(at))),
            SendEnd::Refused if self.behind.len() < MOST_BEHIND => self.behind.extend(order_key),
            SendEnd::Refused => {}
            SendEnd::Look => self.is_stale = true,
        }
    }
}
