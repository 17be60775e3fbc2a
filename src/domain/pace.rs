//! Pacing: how many messages a receiver takes within how long, as it counts them, and whether the next one goes alone, in a
//! digest, or later. Pure: times are readings of a clock that never goes back ([`Elapsed`]), given as arguments.
//!
//! A receiver counts a message at some moment between its begin and its end, which we do not know. So a permit is taken
//! before the send, and is free again one window after the send *ended*: then no rolling window of the receiver holds more
//! than `count`, however slow the sends are.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::domain::rate_limit::RateLimit;

/// Time since some beginning, by a clock that never goes back and is set by nobody.
pub type Elapsed = SignedDuration;

/// How far ahead it is looked whether the allowance will do for what is waiting.
const AHEAD: SignedDuration = SignedDuration::from_secs(30);

/// Names a permit, for whoever holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PermitId(u64);

#[derive(Clone, Copy, Debug)]
struct IssuedPermit {
    /// The attempt that it is taken for, once that is known.
    attempt: Option<i64>,
    /// `None` while the message is under way.
    ended: Option<Elapsed>,
}

impl IssuedPermit {
    /// When it is free again, as far as that is known by now.
    fn free_at(&self, per: SignedDuration) -> Option<Elapsed> {
        self.ended.map(|ended| ended + per)
    }

    fn is_held(&self, per: SignedDuration, now: Elapsed) -> bool {
        self.free_at(per).is_none_or(|at| at > now)
    }
}

/// The permits of one credential.
#[derive(Clone, Debug, Default)]
pub struct Window {
    issued: BTreeMap<PermitId, IssuedPermit>,
    next: u64,
    closed_until: Option<Elapsed>,
    /// How often in a row it was found shut.
    closings: u32,
    last_begin: Option<Elapsed>,
    /// Attempts whose permits are free again, and which the store need not hold any more.
    freed: Vec<i64>,
}

/// How many messages wait, each order and each retry as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    pub urgent: usize,
    pub ordinary: usize,
}

/// What is to be done with what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacingDecision {
    /// The first urgent message goes by itself, or the first one where none is urgent.
    Alone,
    /// What waits shares one message; only the urgent ones where some are.
    Gather,
    /// Nothing goes before that; sooner when a send ends.
    Later(Option<Elapsed>),
}

impl PacingDecision {
    /// What is to be done where two allowances must both be kept.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (PacingDecision::Later(one), PacingDecision::Later(other)) => {
                PacingDecision::Later(one.zip(other).map(|(one, other)| one.max(other)))
            }
            (later @ PacingDecision::Later(_), _) | (_, later @ PacingDecision::Later(_)) => later,
            (PacingDecision::Gather, _) | (_, PacingDecision::Gather) => PacingDecision::Gather,
            (PacingDecision::Alone, PacingDecision::Alone) => PacingDecision::Alone,
        }
    }
}

impl Window {
    /// Takes up, at a start, a permit that was taken before it. How much time has gone by since is known by no clock that can
    /// be trusted, so it is free one whole window from now.
    pub fn take_up(&mut self, attempt: i64, now: Elapsed) {
        let id = self.permit();
        self.issued.insert(id, IssuedPermit { attempt: Some(attempt), ended: Some(now) });
    }

    fn permit(&mut self) -> PermitId {
        self.next += 1;
        PermitId(self.next)
    }

    /// Takes a permit for a message that begins now. The caller has asked whether it may.
    pub fn take(&mut self, now: Elapsed) -> PermitId {
        let id = self.permit();
        self.issued.insert(id, IssuedPermit { attempt: None, ended: None });
        self.last_begin = Some(now);
        id
    }

    /// The attempt for which a permit is taken.
    pub fn bind(&mut self, id: PermitId, attempt: i64) {
        if let Some(permit) = self.issued.get_mut(&id) {
            permit.attempt = Some(attempt);
        }
    }

    /// The message has ended, however that was: its permit is free one window from now.
    pub fn ended(&mut self, id: PermitId, now: Elapsed) {
        if let Some(permit) = self.issued.get_mut(&id) {
            permit.ended = Some(now);
        }
    }

    /// Nothing was sent after all.
    pub fn give_back(&mut self, id: PermitId) {
        if let Some(attempt) = self.issued.remove(&id).and_then(|permit| permit.attempt) {
            self.freed.push(attempt);
        }
    }

    /// The receiver said that the credential is shut. Answers for how long it is not used: `wait`, doubled each time that it
    /// is found shut again without a yes in between, up to an hour.
    pub fn close(&mut self, wait: SignedDuration, now: Elapsed) -> SignedDuration {
        const LONGEST: SignedDuration = SignedDuration::from_hours(1);
        // Several messages under way meet the same closing.
        let again = self.closed_until.is_none_or(|until| until <= now);
        if again {
            self.closings = self.closings.saturating_add(1);
        }
        let doublings = self.closings.saturating_sub(1).min(6);
        let wait = wait.saturating_mul(1 << doublings).min(wait.max(LONGEST));
        self.closed_until = self.closed_until.max(Some(now + wait));
        wait
    }

    /// Takes up a closing that was found before a start.
    pub fn take_up_closing(&mut self, left: SignedDuration, closings: u32, now: Elapsed) {
        self.closed_until = Some(now + left.max(SignedDuration::ZERO));
        self.closings = closings;
    }

    /// The receiver accepted. Answers whether that opens a credential that was shut before.
    ///
    /// While it is shut, a yes is the answer to a message that came before the closing, and says nothing of it.
    pub fn accepted(&mut self, now: Elapsed) -> bool {
        let opens = self.closings > 0 && self.closed(now).is_none();
        if opens {
            self.closings = 0;
        }
        opens
    }

    pub fn closings(&self) -> u32 {
        self.closings
    }

    /// Until when the credential is shut.
    pub fn closed(&self, now: Elapsed) -> Option<Elapsed> {
        self.closed_until.filter(|until| *until > now)
    }

    /// The attempts whose permits are free by now, however long the longest window is, each once.
    pub fn freed(&mut self, longest: SignedDuration, now: Elapsed) -> Vec<i64> {
        let freed = &mut self.freed;
        self.issued.retain(|_, permit| {
            let held = permit.is_held(longest, now);
            if !held {
                freed.extend(permit.attempt);
            }
            held
        });
        std::mem::take(freed)
    }

    /// Puts back what [`Window::freed`] answered and could not be stored.
    pub fn not_forgotten(&mut self, attempts: Vec<i64>) {
        self.freed.extend(attempts);
    }

    /// How many permits are free.
    pub fn free(&self, allowance: RateLimit, now: Elapsed) -> u32 {
        let held = self.issued.values().filter(|permit| permit.is_held(allowance.per, now)).count();
        allowance.count.saturating_sub(u32::try_from(held).unwrap_or(u32::MAX))
    }

    /// When so many permits are free, as far as that is known by now.
    fn when_free(&self, wanted: u32, allowance: RateLimit, now: Elapsed) -> Option<Elapsed> {
        let free_at = self.issued.values().filter_map(|permit| permit.free_at(allowance.per));
        let mut times: Vec<Elapsed> = free_at.filter(|at| *at > now).collect();
        times.sort_unstable();
        let missing = wanted.saturating_sub(self.free(allowance, now));
        match missing {
            0 => Some(now),
            _ => times.get(missing as usize - 1).copied(),
        }
    }

    /// Whether a further part of a message that was begun may go now; it may use the reserve.
    pub fn may_go_on(&self, allowance: RateLimit, now: Elapsed) -> bool {
        self.closed(now).is_none() && self.free(allowance, now) > 0
    }

    /// What is to be done with what waits, where there is no limit: permits need not be counted.
    pub fn plan_unlimited(&self, waiting: Backlog, now: Elapsed) -> PacingDecision {
        match self.closed(now) {
            _ if waiting.urgent + waiting.ordinary == 0 => PacingDecision::Later(None),
            Some(until) => PacingDecision::Later(Some(until)),
            None => PacingDecision::Alone,
        }
    }

    /// What is to be done with what waits.
    pub fn plan(&self, allowance: RateLimit, waiting: Backlog, now: Elapsed) -> PacingDecision {
        let Backlog { urgent, ordinary } = waiting;
        if urgent + ordinary == 0 {
            return PacingDecision::Later(None);
        }
        if let Some(until) = self.closed(now) {
            return PacingDecision::Later(Some(until));
        }
        let free = self.free(allowance, now);
        // An urgent one may take any permit, an ordinary one leaves the reserve alone.
        let kept = if urgent > 0 { 0 } else { allowance.reserve() };
        if free <= kept {
            return PacingDecision::Later(self.when_free(kept + 1, allowance, now));
        }
        if free <= allowance.last()
            && let Some(next) = self.last_begin.map(|begin| begin + allowance.spread())
            && next > now
        {
            return PacingDecision::Later(Some(next));
        }
        let soon = self.free(allowance, now + AHEAD);
        let is_short = urgent + ordinary > soon as usize;
        let has_room = urgent > 0 && urgent <= free.min(allowance.reserve()) as usize;
        if is_short && !has_room { PacingDecision::Gather } else { PacingDecision::Alone }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROBOT: RateLimit = RateLimit { count: 18, per: SignedDuration::from_mins(1) };

    fn at(seconds: i64) -> Elapsed {
        SignedDuration::from_secs(seconds)
    }

    /// Sends one message that ends as it begins.
    fn send(window: &mut Window, now: Elapsed) {
        let id = window.take(now);
        window.ended(id, now);
    }

    #[test]
    fn without_a_limit_it_is_decided_as_with_one_that_nobody_reaches() {
        let most = RateLimit { count: u32::MAX, per: SignedDuration::ZERO };
        let mut window = Window::default();
        let check = |window: &Window, seconds: i64| {
            for waiting in [urgent(0), urgent(1), urgent(500), ordinary(1), ordinary(500)] {
                let unlimited = window.plan_unlimited(waiting, at(seconds));
                assert_eq!(unlimited, window.plan(most, waiting, at(seconds)), "{waiting:?} at {seconds}");
            }
        };
        check(&window, 0);
        for _ in 0..100 {
            window.take(at(1));
        }
        check(&window, 1);
        window.close(SignedDuration::from_secs(10), at(2));
        check(&window, 3);
        check(&window, 12);
    }

    fn urgent(urgent: usize) -> Backlog {
        Backlog { urgent, ordinary: 0 }
    }

    fn ordinary(ordinary: usize) -> Backlog {
        Backlog { urgent: 0, ordinary }
    }

    #[test]
    fn a_permit_is_free_one_window_after_the_send_ended() {
        let mut window = Window::default();
        let slow = window.take(at(0));
        for _ in 0..17 {
            send(&mut window, at(0));
        }
        assert_eq!(window.plan(ROBOT, urgent(1), at(1)), PacingDecision::Later(Some(at(60))));
        window.ended(slow, at(40));
        assert_eq!(window.free(ROBOT, at(59)), 0);
        assert_eq!(window.free(ROBOT, at(60)), 17);
        assert_eq!(window.free(ROBOT, at(99)), 17);
        assert_eq!(window.free(ROBOT, at(100)), 18);
    }

    #[test]
    fn few_go_alone_and_many_share() {
        let mut window = Window::default();
        assert_eq!(window.plan(ROBOT, ordinary(18), at(0)), PacingDecision::Alone);
        assert_eq!(window.plan(ROBOT, ordinary(19), at(0)), PacingDecision::Gather);
        (0..10).for_each(|_| send(&mut window, at(0)));
        assert_eq!(window.plan(ROBOT, ordinary(8), at(1)), PacingDecision::Alone);
        assert_eq!(window.plan(ROBOT, ordinary(9), at(1)), PacingDecision::Gather);
        assert_eq!(
            window.plan(ROBOT, ordinary(9), at(31)),
            PacingDecision::Alone,
            "ten more are free within half a minute"
        );
    }

    #[test]
    fn the_last_third_is_for_urgent_ones_which_go_alone_while_it_lasts() {
        let mut window = Window::default();
        (0..12).for_each(|_| send(&mut window, at(0)));
        assert_eq!(window.plan(ROBOT, ordinary(1), at(1)), PacingDecision::Later(Some(at(60))));
        assert_eq!(window.plan(ROBOT, Backlog { urgent: 6, ordinary: 50 }, at(1)), PacingDecision::Alone);
        assert_eq!(window.plan(ROBOT, Backlog { urgent: 7, ordinary: 50 }, at(1)), PacingDecision::Gather);
    }

    #[test]
    fn the_last_permits_are_spread_over_the_window() {
        let mut window = Window::default();
        (0..15).for_each(|_| send(&mut window, at(0)));
        assert_eq!(window.plan(ROBOT, urgent(1), at(1)), PacingDecision::Later(Some(at(15))));
        assert_eq!(window.plan(ROBOT, urgent(1), at(15)), PacingDecision::Alone);
        assert_eq!(window.plan(ROBOT, urgent(40), at(15)), PacingDecision::Gather);
    }

    #[test]
    fn a_shut_credential_rests_and_longer_each_time() {
        let mut window = Window::default();
        let wait = at(60);
        assert_eq!(window.close(wait, at(0)), at(60));
        assert_eq!(window.close(wait, at(1)), at(60), "the same closing, met by another message under way");
        assert_eq!(window.plan(ROBOT, urgent(1), at(30)), PacingDecision::Later(Some(at(61))));
        assert_eq!(window.close(wait, at(61)), at(120));
        assert_eq!(window.close(wait, at(181)), at(240));
        assert!(window.accepted(at(500)));
        assert!(!window.accepted(at(501)), "it is open already");
        assert_eq!(window.close(wait, at(1000)), at(60));
        assert_eq!(window.close(SignedDuration::from_hours(6), at(5000)), SignedDuration::from_hours(6));
    }

    #[test]
    fn a_yes_to_what_came_before_the_closing_opens_nothing() {
        let mut window = Window::default();
        let wait = at(60);
        assert_eq!(window.close(wait, at(0)), at(60));
        assert!(!window.accepted(at(1)));
        assert_eq!(window.plan(ROBOT, urgent(1), at(30)), PacingDecision::Later(Some(at(60))));
        assert_eq!(window.close(wait, at(60)), at(120), "shut again, with no yes to what came after it");
        assert!(window.accepted(at(180)));
    }

    #[test]
    fn what_was_taken_before_a_start_is_held_for_a_whole_window() {
        let mut window = Window::default();
        (0..18).for_each(|attempt| window.take_up(attempt, at(0)));
        assert_eq!(window.plan(ROBOT, urgent(1), at(59)), PacingDecision::Later(Some(at(60))));
        assert_eq!(window.plan(ROBOT, urgent(1), at(60)), PacingDecision::Alone);
        assert_eq!(window.freed(ROBOT.per, at(60)).len(), 18);
        assert_eq!(window.freed(ROBOT.per, at(60)), Vec::<i64>::new());
    }

    #[test]
    fn of_two_allowances_both_are_kept() {
        let (at_6, at_9) = (PacingDecision::Later(Some(at(6))), PacingDecision::Later(Some(at(9))));
        assert_eq!(at_6.and(at_9), at_9);
        assert_eq!(at_9.and(PacingDecision::Later(None)), PacingDecision::Later(None), "until a send ends");
        assert_eq!(PacingDecision::Alone.and(at_6), at_6);
        assert_eq!(PacingDecision::Alone.and(PacingDecision::Gather), PacingDecision::Gather);
        assert_eq!(PacingDecision::Alone.and(PacingDecision::Alone), PacingDecision::Alone);
    }

    #[test]
    fn an_allowance_of_one_still_sends() {
        let one = RateLimit { count: 1, per: at(10) };
        let mut window = Window::default();
        assert_eq!(window.plan(one, ordinary(1), at(0)), PacingDecision::Alone);
        let id = window.take(at(0));
        assert_eq!(window.plan(one, ordinary(1), at(0)), PacingDecision::Later(None), "until the send ends");
        window.ended(id, at(1));
        assert_eq!(window.plan(one, ordinary(1), at(2)), PacingDecision::Later(Some(at(11))));
        assert_eq!(window.plan(one, ordinary(2), at(11)), PacingDecision::Gather);
    }
}
