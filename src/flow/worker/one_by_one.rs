//! How a channel whose receiver gets each event by itself is sent to: from memory what was just committed, from the store what is
//! not there.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::digest_group::Candidate;
use crate::domain::pace::{Elapsed, PacingDecision};
use crate::flow::channel_queue::QueuedDelivery;
use crate::flow::worker::table::LookReason;
use crate::flow::worker::{ChannelWorker, Next};

/// So many are read from the store for each send that may be under way.
const AHEAD: usize = 4;
/// And so many at most.
const MOST_AHEAD: usize = 256;
/// What was in memory for longer is read again, because its order may have changed without an event for this channel.
const FRESH: SignedDuration = SignedDuration::from_secs(1);

impl ChannelWorker {
    /// Starts what may be sent now.
    pub(super) async fn send_one_by_one(&mut self, now: Timestamp, elapsed: Elapsed) -> Next {
        if self.quiet_hours(now).is_some() {
            // Each is asked whether it passes them.
            self.signal.queue().clear();
        }
        loop {
            if self.wants_look(now, elapsed).await
                && let Some(next) = self.read_ahead(now, elapsed).await
            {
                return next;
            }
            while self.room() > 0 {
                let backlog = self.signal.queue().backlog();
                let (plan, permit) = match backlog.urgent + backlog.ordinary {
                    0 => break,
                    _ => self.pacer.admit(backlog, elapsed),
                };
                let Some(permit) = permit.map(|permit| self.permit(permit)) else {
                    let PacingDecision::Later(until) = plan else { return Next::Change };
                    return until.map_or(Next::Change, Next::At);
                };
                let next = self.signal.queue().pop();
                match next {
                    None => permit.give_back(),
                    Some(QueuedDelivery { due, since }) if elapsed - since <= FRESH => {
                        self.start_loaded(due, Vec::new(), permit, 0);
                    }
                    Some(QueuedDelivery { due, .. }) => {
                        let order_key = due.order_key.clone();
                        if !self.start(vec![due.id], permit, 0).await
                            && let Some(key) = order_key
                        {
                            self.signal.queue().ended(&key);
                        }
                    }
                }
            }
            let is_drained = self.room() > 0 && self.table.has_more();
            if !is_drained {
                return Next::Change;
            }
        }
    }

    /// Whether the store is to be looked at: because something changed there, or because there is more than in memory.
    async fn wants_look(&mut self, now: Timestamp, elapsed: Elapsed) -> bool {
        if self.table.is_stale() {
            return true;
        }
        let is_low = self.signal.queue().len() < self.channel.channel.at_once();
        if self.table.has_more() {
            return is_low;
        }
        if self.signal.take_look() || !self.signal.queue().is_complete() && is_low {
            return true;
        }
        match self.table.reason(now, elapsed) {
            LookReason::Now => true,
            LookReason::No => false,
            LookReason::Change => match self.context.store.version().await {
                Ok(version) => self.table.is_changed(version, elapsed),
                Err(_) => true,
            },
        }
    }

    /// Reads what waits into memory, as far as there is room. Answers what there is to do where nothing of it is to be sent.
    async fn read_ahead(&mut self, now: Timestamp, elapsed: Elapsed) -> Option<Next> {
        self.signal.take_look();
        if self.quiet_hours(now).is_none() {
            self.signal.queue().open();
        }
        let limit = (AHEAD * self.channel.channel.at_once()).min(MOST_AHEAD);
        let Some(batch) = self.look(now, elapsed, limit).await else {
            self.signal.queue().clear();
            return Some(Next::Change);
        };
        let candidates = match self.quiet_hours(now) {
            None => batch.candidates,
            Some(_) => self.hold(first_of_orders(batch.candidates), now).await,
        };
        if batch.paused.is_some() {
            // What was committed before waits in the store.
            self.signal.queue().clear();
        }
        if let Some(parked) = batch.parked {
            self.signal.queue().clear();
            return Some(self.probe(&candidates, &parked, now, elapsed).await);
        }
        let unknown = |id| !self.signal.queue().has(id);
        let ids = candidates.into_iter().map(|candidate| candidate.id).filter(|id| unknown(*id)).collect();
        match self.context.store.load(ids, now).await {
            Ok((known, unreadable)) => {
                self.say_unreadable(unreadable);
                let mut queue = self.signal.queue();
                let mut has_room = true;
                for due in known {
                    has_room &= queue.push(due, elapsed);
                }
                if !has_room || self.table.has_more() {
                    queue.close();
                }
            }
            Err(error) => {
                tracing::error!(channel = self.channel.name, %error, "what is due cannot be read");
                self.signal.queue().clear();
                self.table.forget();
                return Some(Next::Change);
            }
        }
        None
    }
}

/// Of each order the earliest event: whether a later one is held is asked when that is done.
fn first_of_orders(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut first: HashMap<String, i64> = HashMap::new();
    for one in &candidates {
        if let Some(key) = &one.order_key {
            let seq = first.entry(key.clone()).or_insert(one.event_seq);
            *seq = one.event_seq.min(*seq);
        }
    }
    candidates.retain(|one| one.order_key.as_ref().is_none_or(|key| first[key] == one.event_seq));
    candidates
}
