//! What a worker does beside sending: probes a parked channel, holds back in quiet hours, asks the fallback, forgets slots.

use jiff::Timestamp;

use crate::domain::digest_group;
use crate::domain::digest_group::Candidate;
use crate::domain::event::Kind;
use crate::domain::pace::{Backlog, Elapsed, PacingDecision};
use crate::domain::quiet::Quiet;
use crate::flow::worker::{ChannelWorker, Next};
use crate::store::queue::pending::ParkedState;

impl ChannelWorker {
    /// What a worker does before its first turn.
    pub async fn prepare(&self) {
        if let Err(error) = self.context.store.rank(&self.channel.name, self.channel.settings.urgent.clone()).await {
            tracing::error!(channel = self.channel.name, %error, "which of the waiting messages are urgent could not be stored");
        }
        let (now, unready) = (self.context.clock.now(), self.channel.channel.unready());
        if let Err(error) = self.context.store.note_readiness(&self.channel.name, unready, now).await {
            tracing::error!(channel = self.channel.name, %error, "whether the channel waits for a secret could not be stored");
        }
        if let Some(reason) = unready {
            tracing::error!(channel = self.channel.name, reason, "the channel is parked: its messages wait");
            self.context.notifier.watch().notify_one();
        }
    }

    /// Where the clock was put back, no wait lasts longer than it was made for that. At the start it may have been, and the
    /// quiet hours may be others.
    pub(super) async fn heed_the_clock(&mut self, now: Timestamp, elapsed: Elapsed) {
        let was_put_back = self.timeline.note(now, elapsed).is_some_and(|by| by.is_negative());
        if !was_put_back && !self.waits_may_be_wrong {
            return;
        }
        self.table.is_to_be_looked_at();
        let (store, name) = (&self.context.store, &self.channel.name);
        let released = store.release_held(name, self.quiet_hours(now), now).await;
        let cut = match released {
            Ok(()) => store.cut_waits(name, self.pacer.name(), now).await,
            Err(error) => Err(error),
        };
        self.waits_may_be_wrong = cut.is_err();
        match cut {
            Ok(0) => {}
            Ok(deliveries) => tracing::warn!(
                channel = name,
                deliveries,
                "the clock was put back; what waits is due after its own wait at the latest"
            ),
            Err(error) => {
                tracing::error!(channel = name, %error, "waits that have become too long could not be cut; tried again")
            }
        }
    }

    /// While the channel is parked, one message now and then finds out whether its setting is mended: the oldest, with what
    /// else waits of its order, what the channel catches up with, or a test that a person asked for.
    pub(super) async fn probe(
        &mut self,
        due: &[Candidate],
        parked: &ParkedState,
        now: Timestamp,
        elapsed: Elapsed,
    ) -> Next {
        let test = due.iter().find(|candidate| candidate.kind == Kind::Test);
        let oldest = || due.iter().min_by_key(|candidate| candidate.event_seq);
        let is_time = parked.next_probe_at <= now;
        let Some(candidate) = test.or_else(|| oldest().filter(|_| is_time)) else {
            return if is_time { Next::Change } else { Next::On(parked.next_probe_at) };
        };
        if self.under_way.is_empty()
            && let (PacingDecision::Alone, Some(permit_id)) =
                self.pacer.admit(Backlog { urgent: 1, ordinary: 0 }, elapsed)
        {
            let catches_up =
                |one: &&Candidate| one.catches_up && !one.returned && self.channel.channel.supports_digest();
            if catches_up(&candidate) {
                let behind: Vec<_> = due.iter().filter(catches_up).map(|one| one.id).collect();
                self.catch_up(&behind, permit_id, parked.probes, now).await;
            } else {
                let groups = digest_group::digest_groups(due.to_vec(), self.channel.channel.supports_digest());
                let chosen: Vec<_> = groups.into_iter().filter(|group| group.ids.contains(&candidate.id)).collect();
                let ids = self.ids(&chosen).await;
                self.start(ids, self.permit(permit_id), parked.probes).await;
            }
        }
        Next::Change
    }

    /// Holds back what may not go out in quiet hours; answers what may. A message goes when anything that it carries may.
    pub(super) async fn hold(&self, mut candidates: Vec<Candidate>, now: Timestamp) -> Vec<Candidate> {
        let Some((quiet, until)) = self.quiet_hours(now) else { return candidates };
        let passes = |candidate: &Candidate| quiet.passes(&candidate.kind.to_string());
        let held: Vec<_> = candidates.iter().filter(|one| !passes(one)).map(|one| one.id).collect();
        if held.is_empty() {
            return candidates;
        }
        let going = self.context.store.hold(held, (quiet.clone(), until), now).await.unwrap_or_else(|error| {
            tracing::error!(channel = self.channel.name, %error, "that messages are held until the quiet hours end could not be stored");
            Vec::new()
        });
        candidates.retain(|candidate| passes(candidate) || going.contains(&candidate.id));
        candidates
    }

    /// The quiet hours in which `now` is, and when they end.
    pub(super) fn quiet_hours(&self, now: Timestamp) -> Option<(Quiet, Timestamp)> {
        let quiet = self.channel.settings.quiet.as_ref()?;
        quiet.until(now, &self.channel.settings.timezone.zone).map(|until| (quiet.clone(), until))
    }

    /// Asks the fallback for what has waited too long, or for everything urgent while the channel is parked.
    pub(super) async fn fall_back(&mut self, now: Timestamp, elapsed: Elapsed) {
        let Some(to) = &self.channel.fallback() else { return };
        if !self.table.may_fall_back(elapsed) {
            return;
        }
        let before = self.context.clock.ago(self.channel.settings.fallback_after);
        let quiet = self.quiet_hours(now).map(|(quiet, _)| quiet);
        let reader = &self.context.store;
        if !matches!(reader.wants_fallback(&self.channel.name, before, now, quiet.clone()).await, Ok(true)) {
            return;
        }
        match self.context.store.fall_back(to.clone(), before, now, quiet).await {
            Ok(0) => {}
            Ok(asked) => {
                tracing::warn!(
                    channel = self.channel.name,
                    fallback = to.to,
                    deliveries = asked,
                    "urgent messages go to the fallback"
                );
                self.context.notifier.wake(std::slice::from_ref(&to.to));
            }
            Err(error) => tracing::error!(channel = self.channel.name, %error, "the fallback could not be asked"),
        }
    }

    /// Slots that are free again need not be remembered.
    pub(super) async fn forget_slots(&self, elapsed: Elapsed) {
        let freed = self.pacer.freed(elapsed);
        if !freed.is_empty() && self.context.store.forget_slots(freed.clone()).await.is_err() {
            self.pacer.not_forgotten(freed);
        }
    }
}
