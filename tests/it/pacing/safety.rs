//! No window of a receiver holds more than each channel's allowance: over channels that share the credential, slow and
//! overlapping sends, further parts, reloads, crashes and restarts by whatever wall clock.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use orderbell::domain::pace::{Backlog, Elapsed, PermitId};
use orderbell::domain::rate_limit::RateLimit;
use orderbell::flow::pacers::{Pacer, Pacers};
use orderbell::store::queue::attempt::PacingState;
use proptest::prelude::*;

use crate::pacing::receiver::{Sent, allowance, most_in_a_window};
use crate::support::cases::cases;

const CREDENTIAL: &str = "robot";

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// Time goes by: so many sixty-fourths of the longest window, and so many milliseconds.
    Pass {
        part: u8,
        milliseconds: i64,
    },
    /// A channel sends as many of these as it is let, each in so many parts, until it has so many under way.
    Send {
        channel: usize,
        waiting: Backlog,
        parts: u8,
        at_once: usize,
    },
    /// A slot is taken, and the attempt cannot be stored.
    NotClaimed {
        channel: usize,
    },
    /// One of those under way is answered.
    Answered {
        which: usize,
    },
    /// The receiver says that the robot is shut.
    Shut {
        channel: usize,
        seconds: i64,
    },
    Yes {
        channel: usize,
    },
    /// A worker looks what need not be remembered any more; the store may not be able to be written.
    Forget {
        channel: usize,
        received: bool,
    },
    /// A channel gives way to a successor, which begins when the sends under way have been answered.
    Reload {
        channel: usize,
        answered_ms: i64,
    },
    /// Whatever is under way is cut; so many milliseconds later the next daemon starts, by another wall clock.
    Crash {
        down_ms: i64,
        wall_jump_s: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let channel = || 0..3usize;
    let waiting = (0..6usize, 0..60usize).prop_map(|(urgent, ordinary)| Backlog { urgent, ordinary });
    prop_oneof![
        8 => (0..80u8, 0..3000i64).prop_map(|(part, milliseconds)| Step::Pass { part, milliseconds }),
        8 => (channel(), waiting, 1..4u8, 1..9usize)
            .prop_map(|(channel, waiting, parts, at_once)| Step::Send { channel, waiting, parts, at_once }),
        1 => channel().prop_map(|channel| Step::NotClaimed { channel }),
        8 => any::<usize>().prop_map(|which| Step::Answered { which }),
        1 => (channel(), 1..900i64).prop_map(|(channel, seconds)| Step::Shut { channel, seconds }),
        1 => channel().prop_map(|channel| Step::Yes { channel }),
        2 => (channel(), any::<bool>()).prop_map(|(channel, received)| Step::Forget { channel, received }),
        1 => (channel(), 0..2000i64).prop_map(|(channel, answered_ms)| Step::Reload { channel, answered_ms }),
        1 => (0..5000i64, -90_000..90_000i64)
            .prop_map(|(down_ms, wall_jump_s)| Step::Crash { down_ms, wall_jump_s }),
    ]
}

/// One message under way.
struct UnderWay {
    channel: usize,
    permit: PermitId,
    begin: SignedDuration,
    parts_left: u8,
}

/// What the store holds of pacing.
#[derive(Default)]
struct Kept {
    slots: BTreeSet<i64>,
    closed: Option<(Timestamp, u32)>,
    attempts: i64,
}

/// Channels on one credential, and the receiver.
struct Scene {
    allowances: Vec<RateLimit>,
    /// Real time, and what this daemon's clock that never goes back read it as at its start.
    real: SignedDuration,
    started: SignedDuration,
    wall_ahead: SignedDuration,
    pacers: Vec<Arc<Pacer>>,
    joined: Pacers,
    under_way: Vec<UnderWay>,
    kept: Kept,
    sent: Vec<Sent>,
}

fn name(channel: usize) -> String {
    format!("channel-{channel}")
}

impl Scene {
    fn new(allowances: Vec<RateLimit>) -> Self {
        let mut scene = Self {
            allowances,
            real: SignedDuration::ZERO,
            started: SignedDuration::ZERO,
            wall_ahead: SignedDuration::ZERO,
            pacers: Vec::new(),
            joined: Pacers::default(),
            under_way: Vec::new(),
            kept: Kept::default(),
            sent: Vec::new(),
        };
        scene.start();
        scene
    }

    fn elapsed(&self) -> Elapsed {
        self.real - self.started
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_second(1_790_000_000).expect("a time") + self.real + self.wall_ahead
    }

    fn start(&mut self) {
        self.started = self.real;
        let slot = |attempt: &i64| (CREDENTIAL.to_owned(), *attempt);
        let closed = |(until, closings)| (CREDENTIAL.to_owned(), until, closings);
        let taken = PacingState {
            slots: self.kept.slots.iter().map(slot).collect(),
            closed: self.kept.closed.map(closed).into_iter().collect(),
        };
        self.joined = Pacers::take_up(taken, self.wall(), self.elapsed());
        self.pacers = (0..self.allowances.len()).map(|channel| self.join(channel)).collect();
    }

    fn join(&self, channel: usize) -> Arc<Pacer> {
        self.joined.join(CREDENTIAL, &name(channel), Some(self.allowances[channel]), self.elapsed())
    }

    /// Stores an attempt and begins it.
    fn begin(&mut self, channel: usize, permit: PermitId, parts_left: u8) {
        let pacer = self.pacers[channel].clone();
        let freed = pacer.freed(self.elapsed());
        self.kept.slots.retain(|attempt| !freed.contains(attempt));
        self.kept.attempts += 1;
        if pacer.credential().is_some() {
            self.kept.slots.insert(self.kept.attempts);
        }
        pacer.bind(permit, self.kept.attempts);
        self.under_way.push(UnderWay { channel, permit, begin: self.real, parts_left });
    }

    fn send(&mut self, channel: usize, mut waiting: Backlog, parts: u8, at_once: usize) {
        while self.under_way.iter().filter(|one| one.channel == channel).count() < at_once {
            let (_, permit) = self.pacers[channel].admit(waiting, self.elapsed());
            let Some(permit) = permit else { return };
            self.begin(channel, permit, parts - 1);
            match waiting.urgent {
                0 => waiting.ordinary -= 1,
                _ => waiting.urgent -= 1,
            }
        }
    }

    fn answered(&mut self, which: usize) {
        if self.under_way.is_empty() {
            return;
        }
        let UnderWay { channel, permit, begin, parts_left } = self.under_way.remove(which % self.under_way.len());
        self.sent.push(Sent { begin, end: self.real });
        self.pacers[channel].ended(permit, self.elapsed());
        if parts_left > 0
            && let Some(permit) = self.pacers[channel].go_on(self.elapsed())
        {
            self.begin(channel, permit, parts_left - 1);
        }
    }

    fn reload(&mut self, channel: usize, answered_ms: i64) {
        self.pacers[channel].leave(&name(channel));
        self.real += SignedDuration::from_millis(answered_ms);
        while let Some(at) = self.under_way.iter().position(|one| one.channel == channel) {
            // What has more parts goes on with the successor.
            self.under_way[at].parts_left = 0;
            self.answered(at);
        }
        self.pacers[channel] = self.join(channel);
    }

    fn happen(&mut self, step: Step) {
        let among = self.allowances.len();
        match step {
            Step::Pass { part, milliseconds } => {
                let longest = self.allowances.iter().map(|allowance| allowance.per).max().expect("a channel");
                self.real += longest * i32::from(part) / 64 + SignedDuration::from_millis(milliseconds);
            }
            Step::Send { channel, waiting, parts, at_once } => self.send(channel % among, waiting, parts, at_once),
            Step::NotClaimed { channel } => {
                let pacer = &self.pacers[channel % among];
                if let (_, Some(permit)) = pacer.admit(Backlog { urgent: 1, ordinary: 0 }, self.elapsed()) {
                    pacer.give_back(permit);
                }
            }
            Step::Answered { which } => self.answered(which),
            Step::Shut { channel, seconds } => {
                let (wait, closings) =
                    self.pacers[channel % among].close(SignedDuration::from_secs(seconds), self.elapsed());
                self.kept.closed = Some((self.wall() + wait, closings));
            }
            Step::Yes { channel } => {
                if self.pacers[channel % among].accepted(self.elapsed()) {
                    self.kept.closed = None;
                }
            }
            Step::Forget { channel, received } => {
                let freed = self.pacers[channel % among].freed(self.elapsed());
                if received {
                    self.kept.slots.retain(|attempt| !freed.contains(attempt));
                } else {
                    self.pacers[channel % among].not_forgotten(freed);
                }
            }
            Step::Reload { channel, answered_ms } => self.reload(channel % among, answered_ms),
            Step::Crash { down_ms, wall_jump_s } => {
                self.real += SignedDuration::from_millis(down_ms);
                self.wall_ahead += SignedDuration::from_secs(wall_jump_s);
                // What is cut may still have been on its way when the next daemon starts.
                let cut = std::mem::take(&mut self.under_way);
                self.sent.extend(cut.iter().map(|one| Sent { begin: one.begin, end: self.real }));
                self.start();
            }
        }
    }

    /// Everything sent so far, what is under way counted now.
    fn all_sent(&self) -> Vec<Sent> {
        let under_way = self.under_way.iter().map(|one| Sent { begin: one.begin, end: self.real });
        self.sent.iter().copied().chain(under_way).collect()
    }
}

fn allowances() -> impl Strategy<Value = Vec<RateLimit>> {
    prop_oneof![
        allowance().prop_map(|one| vec![one]),
        allowance().prop_map(|one| vec![one; 2]),
        proptest::collection::vec(allowance(), 2..4),
    ]
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn no_window_of_the_receiver_ever_holds_more_than_any_allowance(
        allowances in allowances(),
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut scene = Scene::new(allowances.clone());
        steps.into_iter().for_each(|step| scene.happen(step));
        let sent = scene.all_sent();
        for RateLimit { count, per } in allowances {
            let most = most_in_a_window(&sent, per);
            prop_assert!(most <= count as usize, "{most} within {per:#}, of {count}: {sent:#?}");
        }
    }
}
