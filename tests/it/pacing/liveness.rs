//! What waits is sent within a bounded time once the credential is open, the urgent first and alone while their reserve
//! lasts.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use orderbell::domain::digest_group::Candidate;
use orderbell::domain::event::{DeliveryId, Kind};
use orderbell::domain::pace::{Backlog, Elapsed, PacingDecision, PermitId, Window};
use orderbell::domain::rate_limit::RateLimit;
use orderbell::domain::{digest, digest_group};
use proptest::prelude::*;
use uuid::Uuid;

use crate::pacing::receiver::allowance;
use crate::support::cases::cases;

/// No send takes longer.
const LONGEST_SEND: SignedDuration = SignedDuration::from_secs(15);

/// One credential in use, in virtual time.
struct Scene {
    allowance: RateLimit,
    window: Window,
    now: Elapsed,
    /// What is under way, and when it will end.
    under_way: Vec<(Elapsed, PermitId)>,
}

impl Scene {
    fn new(allowance: RateLimit) -> Self {
        Self { allowance, window: Window::default(), now: SignedDuration::ZERO, under_way: Vec::new() }
    }

    fn pass_until(&mut self, at: Elapsed) {
        while let Some(next) = self.under_way.iter().copied().min().filter(|(end, _)| *end <= at) {
            self.under_way.retain(|one| *one != next);
            self.now = self.now.max(next.0);
            self.window.ended(next.1, self.now);
        }
        self.now = self.now.max(at);
    }

    fn send(&mut self, takes: SignedDuration) {
        let permit = self.window.take(self.now);
        self.under_way.push((self.now + takes, permit));
    }

    fn plan(&self, waiting: Backlog) -> PacingDecision {
        self.window.plan(self.allowance, waiting, self.now)
    }

    /// Waits as a worker does until something may be sent. Answers how it goes, after how many looks.
    fn admitted(&mut self, waiting: Backlog) -> Result<(PacingDecision, usize), TestCaseError> {
        for looks in 0..1000 {
            let next_end = self.under_way.iter().map(|(end, _)| *end).min();
            let next = match self.plan(waiting) {
                PacingDecision::Later(until) => {
                    prop_assert!(until.is_none_or(|until| until > self.now), "it says now, and does not go");
                    until.into_iter().chain(next_end).min()
                }
                plan => return Ok((plan, looks)),
            };
            prop_assert!(next.is_some(), "{waiting:?} waits for ever");
            self.pass_until(next.unwrap_or(self.now));
        }
        Err(TestCaseError::fail("a thousand looks, and nothing goes"))
    }
}

/// Something that happened before: so many sent, at once, each taking so long, and then a while.
type Before = Vec<(u8, i64, i64)>;

fn before() -> impl Strategy<Value = Before> {
    proptest::collection::vec((0..12u8, 0..15_000i64, 0..40_000i64), 0..8)
}

/// The credential after all that.
fn used(allowance: RateLimit, before: Before) -> Scene {
    let mut scene = Scene::new(allowance);
    for (sends, takes_ms, pass_ms) in before {
        for _ in 0..sends {
            if scene.window.may_go_on(allowance, scene.now) {
                scene.send(SignedDuration::from_millis(takes_ms));
            }
        }
        scene.pass_until(scene.now + SignedDuration::from_millis(pass_ms));
    }
    scene
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn what_waits_is_sent_within_a_window_and_a_send_and_all_of_it_soon(
        allowance in allowance(),
        before in before(),
        shut_s in prop_oneof![Just(0i64), 1..4000i64],
        urgent in 0..300usize,
        ordinary in 0..300usize,
        takes_ms in 0..15_000i64,
    ) {
        let mut scene = used(allowance, before);
        let mut opens = scene.now;
        if shut_s > 0 {
            opens += scene.window.close(SignedDuration::from_secs(shut_s), scene.now);
        }
        let mut waiting = Backlog { urgent, ordinary };
        let begin = opens;
        let mut messages = 0;
        while waiting.urgent + waiting.ordinary > 0 {
            let asked = scene.now.max(opens);
            let (plan, looks) = scene.admitted(waiting)?;
            let waited = scene.now - asked;
            prop_assert!(scene.now >= opens, "it goes while the robot is shut");
            prop_assert!(waited <= allowance.per + LONGEST_SEND, "{waiting:?} waited {waited:#}");
            prop_assert!(looks <= allowance.count as usize * 2 + 4, "{looks} looks for one message");
            let goes = if plan == PacingDecision::Gather { digest::MOST } else { 1 };
            match waiting.urgent {
                0 => waiting.ordinary -= waiting.ordinary.min(goes),
                _ => waiting.urgent -= waiting.urgent.min(goes),
            }
            scene.send(SignedDuration::from_millis(takes_ms));
            messages += 1;
        }
        // The first may find every slot taken, and the ordinary ones then wait for more than the reserve to be free.
        let windows = i32::try_from(messages / allowance.count.max(1) + 3).expect("few");
        let took = scene.now - begin;
        prop_assert!(took <= (allowance.per + LONGEST_SEND) * windows, "{messages} messages took {took:#}");
        let most = 6 + 4 * allowance.count as usize;
        prop_assert!(messages as usize <= most, "{urgent} and {ordinary} made {messages} messages");
    }

    #[test]
    fn ordinary_messages_leave_the_reserve_and_urgent_ones_go_alone_while_it_lasts(
        allowance in allowance(),
        flood in proptest::collection::vec((1..100usize, 0..15_000i64, 0..20_000i64), 1..60),
        urgent in 1..40usize,
    ) {
        let mut scene = Scene::new(allowance);
        for (ordinary, takes_ms, pass_ms) in flood {
            if !matches!(scene.plan(Backlog { urgent: 0, ordinary }), PacingDecision::Later(_)) {
                scene.send(SignedDuration::from_millis(takes_ms));
            }
            scene.pass_until(scene.now + SignedDuration::from_millis(pass_ms));
        }
        let reserve = (allowance.count / 3) as usize;
        let free = scene.window.free(allowance, scene.now) as usize;
        prop_assert!(free >= reserve, "ordinary messages took of the reserve: {free} of {reserve} are free");
        // Whatever else waits.
        match scene.plan(Backlog { urgent, ordinary: 200 }) {
            PacingDecision::Later(until) => {
                let waits = until.map(|until| until - scene.now);
                let is_spread = waits.is_some_and(|waits| waits <= allowance.per / 2);
                prop_assert!(reserve == 0 || is_spread, "an urgent one waits {waits:?}");
            }
            PacingDecision::Gather => prop_assert!(urgent > reserve.min(free), "{urgent} urgent ones merge with {free} free"),
            PacingDecision::Alone => {}
        }
    }

    #[test]
    fn every_delivery_is_chosen_once_and_the_urgent_ones_first(
        given in proptest::collection::vec((any::<[bool; 4]>(), 0..12u8), 1..300),
        plans in proptest::collection::vec(any::<bool>(), 300),
    ) {
        let candidates: Vec<Candidate> = (1i64..).zip(&given).map(|(seq, (flags, order))| {
            let [urgent, rarely, held, more] = *flags;
            Candidate {
                id: DeliveryId(Uuid::from_u128(seq.unsigned_abs().into())),
                kind: Kind::OrderPlaced,
                urgent,
                order_key: (*order > 3).then(|| format!("order-{order}")),
                event_seq: seq,
                steady: rarely && more && !held,
                held: held && more,
                returned: rarely && held && !more,
                fell_back: false,
                catches_up: false,
                tried: false,
            }
        }).collect();
        let urgent: BTreeSet<DeliveryId> =
            candidates.iter().filter(|one| one.urgent || one.steady).map(|one| one.id).collect();
        let alone: BTreeSet<DeliveryId> =
            candidates.iter().filter(|one| one.returned || one.steady).map(|one| one.id).collect();
        let mut groups = digest_group::digest_groups(candidates.clone(), true);
        let mut received = Vec::new();
        let mut urgent_left = urgent.len();
        for is_digest in plans {
            if groups.is_empty() {
                break;
            }
            let waiting = digest_group::waiting(&groups);
            prop_assert_eq!(waiting.urgent + waiting.ordinary, groups.len());
            let chosen = digest_group::choose(&mut groups, is_digest);
            let ids: Vec<DeliveryId> = chosen.iter().flat_map(|group| group.ids.clone()).collect();
            prop_assert!(!ids.is_empty(), "a turn in which nothing goes");
            prop_assert!(ids.len() <= digest::MOST.max(chosen[0].ids.len()));
            prop_assert!(ids.len() == 1 || ids.iter().all(|id| !alone.contains(id)), "one that goes alone is shared");
            let of_urgent = ids.iter().filter(|id| urgent.contains(id)).count();
            prop_assert!(urgent_left == 0 || of_urgent > 0, "ordinary ones go before urgent ones");
            urgent_left -= of_urgent;
            received.extend(ids);
        }
        let each: BTreeSet<DeliveryId> = received.iter().copied().collect();
        prop_assert_eq!((received.len(), each.len()), (candidates.len(), candidates.len()));
    }
}
