//! The week itself: one moment after another, the earliest first, and after each step the promises.

mod attempts;
mod befalls;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use orderbell::domain::event::DeliveryId;
use orderbell::domain::retry;
use orderbell::domain::retry::Answer;
use tokio::sync::oneshot;

use crate::simulation::arrivals::Arrival;
use crate::simulation::chance::Chance;
use crate::simulation::daemon::Daemon;
use crate::simulation::hands::{DAY, HOUR, Hands, MINUTE, SECOND, shown};
use crate::simulation::mock::Counter;
use crate::simulation::promises::Judge;
use crate::simulation::receiver::{Fate, MockReceiver};
use crate::simulation::settings::{ReceiverName, WorkerSettings};
use crate::simulation::truth::Truth;
use crate::simulation::{arrivals, settings};

const DAYS: i64 = 7;
/// In so much time after the week, with everything healed, all is sent: a schedule, a parked channel, a night.
const HEALS_WITHIN: i64 = 4 * DAY;
/// How long a daemon that is to stop waits for what is under way.
const FINISH: i64 = 7 * SECOND;
/// A worker looks at least this often; here less often than in truth, and more often where it matters.
const LOOK: i64 = 5 * MINUTE;
/// A worker that has this many turns in one moment turns in a circle.
const TURNS_AT_ONCE: u32 = 500;
const STEPS_KEPT: usize = 2000;

/// What befalls in fifty weeks; a week in which none of this happens proves nothing of it.
pub const BEFALLS: [&str; 22] = [
    "reloads",
    "messages",
    "digests",
    "merged",
    "delivered",
    "dead",
    "cancelled",
    "returned",
    "redelivered",
    "held",
    "told elsewhere",
    "fell back",
    "caught up",
    "crashes",
    "stops",
    "cut",
    "robots shut",
    "answers throttled",
    "answers unknown",
    "answers misconfigured",
    "answers too_long",
    "answers content_refused",
];

/// What came of a week.
pub struct Outcome {
    pub seed: u64,
    /// What promise was broken, and how.
    pub broken: Option<String>,
    pub counts: BTreeMap<&'static str, u64>,
    /// Of every step.
    pub fingerprint: u64,
    pub last_steps: Vec<String>,
}

impl Outcome {
    pub fn broken(seed: u64, how: String) -> Self {
        let (counts, last_steps) = (BTreeMap::new(), Vec::new());
        Self { seed, broken: Some(how), counts, fingerprint: 0, last_steps }
    }
}

/// Something whose time comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// A message is at its receiver.
    Reaches(usize),
    /// A send ends.
    Ends(usize),
    Arrives(usize),
    /// A worker looks, if this is still the moment that it waits for.
    Looks(usize),
    /// Somebody sets the machine's clock.
    Jumps,
    Person,
    /// A channel's settings change: its worker gives way to the next.
    Reloads(usize),
    Stops,
    /// What is under way when it stops is cut.
    IsCut,
    Starts,
    Audit,
}

/// A send under way.
struct Flight {
    worker: usize,
    fate: Fate,
    thinks: Option<retry::Outcome>,
    covered: Vec<DeliveryId>,
    /// Gone when it was cut.
    answer: Option<oneshot::Sender<Answer>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    Stopping,
    Down,
}

struct Week<'a> {
    seed: u64,
    chance: Chance,
    hands: Hands,
    file: PathBuf,
    workers: &'a [WorkerSettings],
    receivers: BTreeMap<ReceiverName, MockReceiver>,
    counter: Arc<Counter>,
    arrivals: Vec<Arrival>,
    daemon: Option<Daemon>,
    state: State,
    judge: Judge<'a>,
    truth: Truth,
    flights: BTreeMap<usize, Flight>,
    timers: BinaryHeap<Reverse<(i64, u64, Timer)>>,
    sequence: u64,
    awake: Vec<bool>,
    looks_at: Vec<Option<i64>>,
    turns: (i64, u32),
    counts: BTreeMap<&'static str, u64>,
    fingerprint: u64,
    last_steps: VecDeque<String>,
}

/// Lives through the week of a seed.
pub async fn live(seed: u64) -> Outcome {
    let in_memory = tempfile::tempdir_in("/dev/shm");
    let folder = in_memory.or_else(|_| tempfile::tempdir()).expect("a folder");
    let file = folder.path().join("bell.db");
    let workers = settings::workers(seed);
    let (hands, counter) = (Hands::default(), Arc::new(Counter::default()));
    let daemon = Daemon::start(&file, &workers, &hands, &counter).await;
    let judge = Judge::new(&file, &workers);
    let mut receivers = BTreeMap::new();
    for worker in &workers {
        let of_it = workers.iter().filter(|other| other.receiver == worker.receiver);
        let allowances = of_it.filter_map(|other| other.allowance).collect();
        receivers
            .entry(worker.receiver)
            .or_insert_with(|| MockReceiver::new(seed, worker.receiver, allowances, DAYS * DAY));
    }
    let mut week = Week {
        seed,
        chance: Chance::of(seed, &["week"]),
        hands,
        file,
        workers: &workers,
        receivers,
        counter,
        arrivals: arrivals::week(seed, DAYS),
        daemon: Some(daemon),
        state: State::Up,
        judge,
        truth: Truth::default(),
        flights: BTreeMap::new(),
        timers: BinaryHeap::new(),
        sequence: 0,
        awake: vec![true; workers.len()],
        looks_at: vec![None; workers.len()],
        turns: (0, 0),
        counts: BTreeMap::new(),
        fingerprint: seed,
        last_steps: VecDeque::new(),
    };
    let broken = week.run().await.err();
    week.sum_up();
    if let Some(daemon) = week.daemon.take() {
        week.flights.clear();
        daemon.stop().await;
    }
    let Week { counts, fingerprint, last_steps, .. } = week;
    Outcome { seed, broken, counts, fingerprint, last_steps: last_steps.into() }
}

impl Week<'_> {
    fn now(&self) -> i64 {
        self.hands.real()
    }

    fn at(&mut self, at: i64, timer: Timer) {
        self.sequence += 1;
        self.timers.push(Reverse((at, self.sequence, timer)));
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn note(&mut self, step: String) {
        let line = format!("{} | {} | {step}", shown(self.now()), self.hands.wall());
        for byte in line.bytes() {
            self.fingerprint = (self.fingerprint ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.last_steps.len() == STEPS_KEPT {
            self.last_steps.pop_front();
        }
        self.last_steps.push_back(line);
    }

    fn plan(&mut self) {
        for number in 0..self.arrivals.len() {
            self.at(self.arrivals[number].at, Timer::Arrives(number));
        }
        let week = DAYS * DAY;
        let mut chance = Chance::of(self.seed, &["plan"]);
        for _ in 0..chance.between(0, 4) {
            self.at(chance.between(0, week), Timer::Jumps);
        }
        for _ in 0..chance.between(2, 9) {
            self.at(chance.between(0, week), Timer::Person);
        }
        for _ in 0..chance.between(2, 10) {
            self.at(chance.between(0, week), Timer::Stops);
        }
        for _ in 0..chance.between(1, 4) {
            let worker = chance.between(0, self.workers.len() as i64 - 1) as usize;
            self.at(chance.between(0, week), Timer::Reloads(worker));
        }
        // When many messages are under way.
        for number in 0..self.arrivals.len() {
            let soon = self.arrivals[number].at + chance.between(1, SECOND);
            if chance.once_in_a_while(40) {
                self.at(soon, Timer::Stops);
            } else if chance.once_in_a_while(40) {
                let worker = chance.between(0, self.workers.len() as i64 - 1) as usize;
                self.at(soon, Timer::Reloads(worker));
            }
        }
        for day in 1..=DAYS {
            self.at(day * DAY, Timer::Audit);
        }
    }

    async fn run(&mut self) -> Result<(), String> {
        self.plan();
        let week = DAYS * DAY;
        while let Some(Reverse((at, _, timer))) = self.next(week).await? {
            self.hands.go_to(at.max(self.now()));
            self.happen(timer).await?;
        }
        self.note("the week is over, and everything heals".to_owned());
        self.receivers.values_mut().for_each(MockReceiver::heal);
        if self.state != State::Up {
            self.start().await?;
        }
        self.awake.fill(true);
        while !self.judge.waiting().is_empty() {
            let end = week + HEALS_WITHIN;
            let Some(Reverse((at, _, timer))) = self.next(end).await? else {
                self.judge.audit(&mut self.truth)?;
                let waiting = self.judge.waiting();
                return Err(format!("{} still wait, such as {:?}", waiting.len(), &waiting[..waiting.len().min(5)]));
            };
            self.hands.go_to(at.max(self.now()));
            if !matches!(timer, Timer::Stops | Timer::Jumps | Timer::Person | Timer::Reloads(_)) {
                self.happen(timer).await?;
            }
        }
        self.judge.audit(&mut self.truth)
    }

    /// Gives every worker that is awake its turn, and then answers what comes next, before `end`.
    async fn next(&mut self, end: i64) -> Result<Option<Reverse<(i64, u64, Timer)>>, String> {
        while let Some(worker) = self.awake.iter().position(|awake| *awake).filter(|_| self.state == State::Up) {
            self.awake[worker] = false;
            if !self.daemon().is_retiring(worker) {
                self.turn(worker).await?;
            }
        }
        let comes = self.timers.peek().is_some_and(|Reverse((at, _, _))| *at < end);
        Ok(if comes { self.timers.pop() } else { None })
    }

    async fn happen(&mut self, timer: Timer) -> Result<(), String> {
        match timer {
            Timer::Reaches(number) => self.reaches(number),
            Timer::Ends(number) => self.ends(number).await,
            Timer::Arrives(number) => self.arrives(number).await,
            Timer::Looks(worker) => {
                if self.looks_at[worker] == Some(self.now()) {
                    self.awake[worker] = true;
                }
                Ok(())
            }
            Timer::Jumps => {
                let by = self.chance.one_of(&[-3 * HOUR, -HOUR, -10 * SECOND, SECOND, HOUR, 2 * HOUR]);
                self.jump(by);
                self.awake.fill(true);
                self.note(format!("the clock is set by {} s", by / SECOND));
                Ok(())
            }
            Timer::Person => self.person().await,
            Timer::Reloads(worker) => self.reloads(worker).await,
            Timer::Stops => self.stops().await,
            Timer::IsCut => self.is_cut().await,
            Timer::Starts => self.start().await,
            Timer::Audit => self.judge.audit(&mut self.truth),
        }
    }

    fn jump(&mut self, by: i64) {
        self.hands.jump(by);
        self.receivers.values_mut().for_each(MockReceiver::may_be_asked);
    }

    async fn turn(&mut self, worker: usize) -> Result<(), String> {
        let now = self.now();
        self.turns = if self.turns.0 == now { (now, self.turns.1 + 1) } else { (now, 1) };
        if self.turns.1 > TURNS_AT_ONCE {
            return Err(format!("{} turns in a circle", self.workers[worker].name));
        }
        let next = self.daemon().runners[worker].turn().await;
        self.settle(worker).await?;
        self.look_again(worker, next).await;
        Ok(())
    }

    fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("it is up")
    }

    fn cancel(&mut self, timer: Timer) {
        self.timers.retain(|Reverse((_, _, other))| *other != timer);
    }

    /// What the store says of the week.
    fn sum_up(&mut self) {
        for state in ["delivered", "merged", "dead", "cancelled"] {
            let count = self.judge.in_state(state).len() as u64;
            if count > 0 {
                *self.counts.entry(state).or_default() += count;
            }
        }
        for (what, step) in [
            ("held", "held"),
            ("returned", "returned"),
            ("told elsewhere", "told_elsewhere"),
            ("fell back", "fell_back"),
            ("caught up", "caught_up"),
        ] {
            let count = self.judge.steps(step);
            if count > 0 {
                *self.counts.entry(what).or_default() += count;
            }
        }
    }
}

fn owed_worker(truth: &Truth, delivery: DeliveryId) -> usize {
    truth.owed[&delivery].worker
}

fn answers(outcome: &retry::Outcome) -> &'static str {
    match outcome {
        retry::Outcome::Delivered => "answers delivered",
        retry::Outcome::Partial { .. } => "answers partial",
        retry::Outcome::Retry { .. } => "answers retry",
        retry::Outcome::Unknown => "answers unknown",
        retry::Outcome::Throttled { .. } => "answers throttled",
        retry::Outcome::Misconfigured => "answers misconfigured",
        retry::Outcome::TooLong => "answers too_long",
        retry::Outcome::ContentRefused => "answers content_refused",
        retry::Outcome::Full => "answers full",
        retry::Outcome::Rejected => "answers rejected",
        retry::Outcome::Bug => "answers bug",
    }
}
