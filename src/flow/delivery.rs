//! One message on its way: composed, sent part by part, each attempt in the store before it is made, and settled by what the
//! receiver answered.

mod compose;
mod leased;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;

use crate::channel::Attempt;
use crate::domain::event::{Kind, OWN_SOURCE};
use crate::domain::message::{Part, idempotency_key};
use crate::domain::retry;
use crate::domain::retry::{Answer, DeliveryProgress, Outcome, Step};
use crate::flow::context::{LEASE_MARGIN, SendContext};
use crate::flow::delivery::compose::OutgoingMessage;
use crate::flow::delivery::leased::{Kept, keep, unleased, unsent, within};
use crate::flow::metrics::DeliveryEnd;
use crate::flow::notice::Topic;
use crate::flow::pacers::Permit;
use crate::flow::recipient_round::{FollowUp, RecipientRound, RoundResult};
use crate::flow::{delivery_log, render};
use crate::store::StoreError;
use crate::store::queue::attempt::{Claim, Claimed, PacingFeedback, Settle};
use crate::store::queue::pending::PendingDelivery;

/// After what could not be read or stored, before it is looked at again.
const AGAIN: Duration = Duration::from_secs(1);

/// How a send has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendEnd {
    /// Its delivery is over.
    Done,
    /// It waits until then.
    Later(Timestamp),
    /// It must not be made as it was loaded: the delivery has changed, or another one comes first.
    Refused,
    /// What waits is to be looked at.
    Look,
}

/// Makes one attempt at each part of a message that is still to send, as far as the allowance goes. `carried` is what the
/// message carries beside its leader, when it is composed now.
pub async fn deliver(
    sending: SendContext,
    leader: PendingDelivery,
    carried: Vec<PendingDelivery>,
    permit: Permit,
) -> SendEnd {
    let id = leader.id;
    let outgoing = match compose::compose(&sending, leader, carried).await {
        Ok(outgoing) => outgoing,
        Err(error) => {
            // Without what it carries it would show itself alone, and the others would be taken for delivered.
            tracing::error!(delivery = %id, channel = sending.channel.name, %error, "what a message carries cannot be read, so it is not sent");
            permit.give_back();
            tokio::time::sleep(AGAIN).await;
            return SendEnd::Look;
        }
    };
    if let Some(why) = unsendable(&sending, &outgoing) {
        permit.give_back();
        give_up(&sending, &outgoing, why).await;
        return SendEnd::Look;
    }
    let mut next = Some(permit);
    let mut round = sending.channel.channel.per_recipient().then(|| RecipientRound::new(outgoing.leader.accepted));
    for (attempts, position) in (outgoing.leader.attempts + 1..).zip(0..outgoing.parts.len()) {
        // What is left of it goes on when the allowance lets it.
        let Some(permit) = next.take().or_else(|| sending.go_on()) else { return SendEnd::Look };
        if sending.retire.is_cancelled() || !sending.is_leased() {
            // Whoever works the channel next goes on from here.
            permit.give_back();
            return SendEnd::Look;
        }
        let part = PartAttempt { sending: &sending, outgoing: &outgoing, position, attempts };
        match part.attempt(permit, &mut round).await {
            Going::On(permit) => next = permit,
            Going::Ends(end) => return end,
        }
    }
    SendEnd::Done
}

/// Whether the next part has its turn.
enum Going {
    /// With a permit, where one was taken for it already.
    On(Option<Permit>),
    Ends(SendEnd),
}

/// The turn of one part.
struct PartAttempt<'a> {
    sending: &'a SendContext,
    outgoing: &'a OutgoingMessage,
    position: usize,
    /// This one included.
    attempts: u32,
}

impl PartAttempt<'_> {
    fn part(&self) -> &Part {
        &self.outgoing.parts[self.position]
    }

    fn more_parts(&self) -> bool {
        self.position + 1 < self.outgoing.parts.len()
    }

    async fn attempt(&self, permit: Permit, round: &mut Option<RecipientRound>) -> Going {
        let SendContext { channel, context, pacer, .. } = self.sending;
        let credential = pacer.credential();
        let attempt = match self.claim(credential.clone()).await {
            Ok(attempt) => attempt,
            Err(end) => {
                permit.give_back();
                return Going::Ends(end);
            }
        };
        // Where there is no limit, nothing of it is stored.
        if credential.is_some() {
            permit.bind(attempt);
        }
        let due = &self.outgoing.leader;
        let sent = self.send().await;
        let ended = context.clock.now();
        channel.http.clock_ahead().into_iter().for_each(|ahead| context.clock_skews.note(&channel.name, ended, ahead));
        permit.ended();
        sent.iter().for_each(|answer| context.metrics.attempted(&channel.name, answer));
        let is_unsent = sent.is_none();
        let (answer, pacing) = self.learn(sent.unwrap_or_else(unsent), ended);
        let progress = DeliveryProgress {
            delivery: due.id,
            attempts: self.attempts,
            spent: due.spent,
            form: self.part().form,
            late: due.late.contains(&self.part().index),
            probes: self.sending.probes,
        };
        let step = match is_unsent {
            // The receiver was not asked, so nothing of the schedule is used up.
            true => Step::Wait { until: ended, spends: false },
            false => retry::next(&answer.outcome, progress, &channel.settings.retry, ended),
        };
        // Where recipients are attempted one by one, the delivery ends with the last.
        let next = round.as_ref().filter(|_| self.more_parts()).and_then(|_| self.sending.go_on());
        let behind = match (self.more_parts(), &next) {
            (false, _) => FollowUp::Nobody,
            (true, None) => FollowUp::NoRoom,
            (true, Some(_)) => FollowUp::Next,
        };
        let after = round.as_mut().map(|round| round.turn(&answer, &step, behind));
        if after.is_some() {
            delivery_log::log_recipient(channel, due, &answer, &step);
        }
        let whole = |after: &RoundResult| match after {
            RoundResult::Next(spends) => (answer.clone(), Step::Wait { until: ended, spends: *spends }),
            RoundResult::Ends(answer, step) => (answer.clone(), step.clone()),
        };
        let settle = Settle {
            delivery: due.id,
            channel: channel.name.clone(),
            purpose: due.purpose(),
            attempt,
            part: self.part().index,
            form: self.part().form,
            more_parts: self.more_parts(),
            at: ended,
            answer: answer.clone(),
            step: step.clone(),
            whole: after.as_ref().map(whole),
            clock_ahead_s: channel.http.clock_ahead().map(|ahead| ahead.as_secs()),
            pacing,
            fallback: channel.fallback(),
            token: self.sending.tenure.token().clone(),
        };
        if keep(self.sending, settle).await == Kept::ByAnother {
            next.into_iter().for_each(Permit::give_back);
            return Going::Ends(SendEnd::Look);
        }
        let (answer, step) = match after {
            Some(RoundResult::Next(_)) => return Going::On(next),
            Some(RoundResult::Ends(answer, step)) => (answer, step),
            None => (answer, step),
        };
        next.into_iter().for_each(Permit::give_back);
        let more_parts = self.more_parts() && round.is_none();
        delivery_log::log(channel, due, self.attempts, &answer, &step, more_parts, ended);
        self.count(&step, more_parts, ended);
        self.tell(&answer, &step, round.as_ref(), ended).await;
        match step {
            Step::Delivered if round.is_none() => Going::On(None),
            Step::Delivered | Step::Dead => Going::Ends(SendEnd::Done),
            Step::Wait { until, .. } => Going::Ends(SendEnd::Later(until)),
            Step::Park { .. } | Step::Recompose(_) => Going::Ends(SendEnd::Look),
        }
    }

    fn count(&self, step: &Step, more_parts: bool, now: Timestamp) {
        let SendContext { channel, context, .. } = self.sending;
        let event = &self.outgoing.leader.event;
        match step {
            Step::Delivered if !more_parts => {
                context.metrics.ended(&channel.name, DeliveryEnd::Delivered);
                if event.source != OWN_SOURCE {
                    context.metrics.delivered(&channel.name, now.duration_since(event.received_at));
                }
            }
            Step::Dead => context.metrics.ended(&channel.name, DeliveryEnd::Dead),
            _ => {}
        }
    }

    /// Begins the attempt in the store, which takes a slot of the credential.
    ///
    /// # Errors
    /// How the send ends: the attempt must not be made.
    async fn claim(&self, credential: Option<String>) -> Result<i64, SendEnd> {
        let SendContext { channel, context, pacer, tenure, .. } = self.sending;
        let OutgoingMessage { leader: due, carries, released, parts, fresh } = self.outgoing;
        let (part, is_first) = (self.part(), self.position == 0);
        let (now, longest) = (context.clock.now(), channel.channel.longest(channel.settings.timeout));
        let freed = pacer.freed(context.clock.elapsed());
        let claim = Claim {
            delivery: due.id,
            channel: channel.name.clone(),
            purpose: due.purpose(),
            attempts: self.attempts - 1,
            round: due.round,
            begins: is_first,
            in_order: channel.channel.in_order(),
            carries: if is_first { carries.clone() } else { Vec::new() },
            released: if is_first { released.clone() } else { Vec::new() },
            composed: if *fresh && is_first { parts.clone() } else { Vec::new() },
            part: part.index,
            form: part.form,
            at: now,
            lease_until: now.checked_add(longest + LEASE_MARGIN).unwrap_or(now),
            credential,
            freed: freed.clone(),
            token: tenure.token().clone(),
        };
        match context.store.claim(claim).await {
            Ok(Claimed::Yes(attempt)) => Ok(attempt),
            Ok(Claimed::Paused) => Err(SendEnd::Look),
            Ok(Claimed::No) => Err(SendEnd::Refused),
            Err(StoreError::NotLeased) => {
                pacer.not_forgotten(freed);
                tenure.has_ended(context.clock.elapsed());
                Err(SendEnd::Look)
            }
            Err(error) => {
                pacer.not_forgotten(freed);
                tracing::error!(delivery = %due.id, channel = channel.name, %error, "an attempt cannot be stored, so it is not made");
                tokio::time::sleep(AGAIN).await;
                Err(SendEnd::Look)
            }
        }
    }

    /// `None`: the lease ended while the attempt was begun, so nothing was sent.
    async fn send(&self) -> Option<Answer> {
        let SendContext { channel, context, .. } = self.sending;
        let (due, part) = (&self.outgoing.leader, self.part());
        if !self.sending.is_leased() {
            return None;
        }
        let key = idempotency_key(due.id, render::round(channel, due), part.index, part.form);
        let context = Attempt { key, kind: due.event.kind.clone(), now: context.clock.now() };
        let sent = AssertUnwindSafe(channel.channel.send(&channel.http, part, &context)).catch_unwind();
        Some(match within(self.sending, sent).await {
            Some(sent) => sent.unwrap_or_else(|_| own_fault(Outcome::Unknown, "sending")),
            None => unleased(),
        })
    }

    /// What the answer says of the credential.
    fn learn(&self, answer: Answer, now: Timestamp) -> (Answer, Option<PacingFeedback>) {
        let (pacer, elapsed) = (&self.sending.pacer, self.sending.context.clock.elapsed());
        let credential = pacer.name().to_owned();
        match answer.outcome {
            Outcome::Throttled { wait } => {
                let (wait, closings) = pacer.close(wait, elapsed);
                let until = now.checked_add(wait).unwrap_or(Timestamp::MAX);
                let reason = answer.redacted_detail().to_owned();
                let answer = Answer { outcome: Outcome::Throttled { wait }, ..answer };
                (answer, Some(PacingFeedback::Closed { credential, until, closings, reason }))
            }
            Outcome::Delivered | Outcome::Partial { .. } if pacer.accepted(elapsed) => {
                (answer, Some(PacingFeedback::Open { credential }))
            }
            _ => (answer, None),
        }
    }

    async fn tell(&self, answer: &Answer, step: &Step, round: Option<&RecipientRound>, now: Timestamp) {
        let SendContext { channel, context, .. } = self.sending;
        let due = &self.outgoing.leader;
        delivery_log::notify_operator(channel, context, due, answer, step, now).await;
        if *step == Step::Delivered {
            // They are to catch up with it.
            let behind: Vec<String> = due.unreached.iter().map(|unreached| unreached.channel.clone()).collect();
            context.notifier.wake(&behind);
        }
        if *step == Step::Dead
            && let Some(fallback) = channel.fallback()
        {
            context.notifier.wake(std::slice::from_ref(&fallback.to));
        }
        if let Some(refused) = round.map(RecipientRound::refused).filter(|refused| !refused.is_empty())
            && *step != Step::Dead
            && due.event.kind != Kind::OperatorNotice
        {
            context.notices.notify(Topic::Recipient, &channel.name, refused.join("; "), now).await;
        }
    }
}

/// Why a message cannot be sent at all: it could not be written, or not shorter than what was too long.
fn unsendable(sending: &SendContext, outgoing: &OutgoingMessage) -> Option<Answer> {
    let channel = &sending.channel.channel;
    let largest = outgoing.parts.iter().map(|part| channel.size(part)).max();
    let Some(largest) = largest else { return Some(own_fault(Outcome::Bug, "writing")) };
    let is_no_shorter = outgoing.leader.refused.as_ref().is_some_and(|refused| channel.size(refused) <= largest);
    let detail = "it was too long, and cannot be made shorter".to_owned();
    is_no_shorter.then_some(Answer { outcome: Outcome::TooLong, detail })
}

/// Gives up a delivery of which no message can be made, visibly.
async fn give_up(sending: &SendContext, outgoing: &OutgoingMessage, answer: Answer) {
    let SendContext { channel, context, .. } = sending;
    let (at, due) = (context.clock.now(), &outgoing.leader);
    let (delivery, part) = (due.id, render::nothing(due.form));
    let claim = Claim {
        delivery,
        channel: channel.name.clone(),
        purpose: due.purpose(),
        attempts: due.attempts,
        round: due.round,
        begins: true,
        in_order: channel.channel.in_order(),
        carries: Vec::new(),
        released: Vec::new(),
        composed: Vec::new(),
        part: part.index,
        form: part.form,
        at,
        lease_until: at,
        credential: None,
        freed: Vec::new(),
        token: sending.tenure.token().clone(),
    };
    let Ok(Claimed::Yes(attempt)) = context.store.claim(claim).await else {
        return tokio::time::sleep(AGAIN).await;
    };
    let step = Step::Dead;
    context.metrics.ended(&channel.name, DeliveryEnd::Dead);
    delivery_log::log(channel, due, due.attempts + 1, &answer, &step, false, at);
    delivery_log::notify_operator(channel, context, due, &answer, &step, at).await;
    let settle = Settle {
        delivery,
        channel: channel.name.clone(),
        purpose: due.purpose(),
        attempt,
        part: part.index,
        form: part.form,
        more_parts: false,
        at,
        answer,
        step,
        whole: None,
        clock_ahead_s: None,
        pacing: None,
        fallback: channel.fallback(),
        token: sending.tenure.token().clone(),
    };
    keep(sending, settle).await;
}

/// What is said when the fault is ours; the panic itself has said where.
fn own_fault(outcome: Outcome, while_doing: &str) -> Answer {
    Answer { outcome, detail: format!("orderbell met an internal error while {while_doing} the message") }
}
