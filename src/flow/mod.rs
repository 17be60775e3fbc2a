//! The walks: what happens from a webhook to a message, across the rooms.

pub mod backups;
pub mod changes;
pub mod channel_queue;
pub mod chart_cache;
pub mod clock_skew;
pub mod command_lease;
pub mod composing;
pub mod config_summary;
pub mod configuration_file;
pub mod context;
pub mod delivery;
pub mod delivery_list;
mod delivery_log;
pub mod health;
pub mod heartbeat;
pub mod ids;
pub mod instance;
pub mod intake;
pub mod leadership;
pub mod lease_keeper;
pub mod metrics;
pub mod notice;
pub mod notifier;
pub mod orphaned;
pub mod pacers;
pub mod readiness;
mod recipient_round;
pub mod refusals;
pub mod render;
pub mod report_schedule;
pub mod report_send;
pub mod reports;
pub mod request_shape;
pub mod resources;
pub mod routing;
pub mod samples;
pub mod schedule;
pub mod service_manager;
pub mod sessions;
pub mod settings_check;
pub mod setup_assistant;
pub mod shared_messages;
pub mod source_activity;
pub mod store_health;
pub mod supervisor;
pub mod tenure;
pub mod test_send;
pub mod unproven;
pub mod watch;
pub mod why;
pub mod worker;
pub mod worker_pool;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::domain::pace::Elapsed;
use crate::domain::wait::Timeline;
use jiff::{SignedDuration, Timestamp};
use rustix::time::ClockId;

/// What time it is; an argument, so that tests decide.
#[derive(Clone)]
pub struct Clock(Arc<Hands>);

type Reading<T> = dyn Fn() -> T + Send + Sync;

struct Hands {
    now: Box<Reading<Timestamp>>,
    /// Since some beginning; never goes back, and nobody can set it.
    elapsed: Box<Reading<Elapsed>>,
    /// How many seconds of this clock pass in a real one.
    speed: u32,
    /// How the clock was set, as far as somebody has looked.
    timeline: Mutex<Timeline>,
}

impl Clock {
    /// A clock by whose own readings time also goes by.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let now = Arc::new(now);
        let (begin, furthest) = (now(), AtomicI64::new(0));
        let reading = now.clone();
        let elapsed = move || {
            let passed = i64::try_from(reading().duration_since(begin).as_nanos()).unwrap_or(i64::MAX);
            let before = furthest.fetch_max(passed, Ordering::AcqRel);
            Elapsed::from_nanos(before.max(passed))
        };
        Self::with(move || now(), elapsed)
    }

    /// A clock whose readings may jump, beside one that never does.
    pub fn with(
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        elapsed: impl Fn() -> Elapsed + Send + Sync + 'static,
    ) -> Self {
        Self::made(Box::new(now), Box::new(elapsed), 1)
    }

    /// This machine's clocks.
    #[expect(clippy::disallowed_methods, reason = "the door to this machine's clocks")]
    pub fn system() -> Self {
        let begin = since_boot();
        Self::with(Timestamp::now, move || since_boot() - begin)
    }

    /// A clock that starts at this machine's time and runs `speed` times as fast.
    #[expect(clippy::disallowed_methods, reason = "the door to this machine's clocks")]
    pub fn fast(speed: u32) -> Self {
        let (begin, first) = (Instant::now(), Timestamp::now());
        let passed = move || Elapsed::try_from(begin.elapsed().saturating_mul(speed)).unwrap_or(Elapsed::MAX);
        let now = move || first.checked_add(passed()).unwrap_or(Timestamp::MAX);
        Self::made(Box::new(now), Box::new(passed), speed.max(1))
    }

    fn made(now: Box<Reading<Timestamp>>, elapsed: Box<Reading<Elapsed>>, speed: u32) -> Self {
        let mut timeline = Timeline::default();
        timeline.note(now(), elapsed());
        Self(Arc::new(Hands { now, elapsed, speed, timeline: Mutex::new(timeline) }))
    }

    pub fn now(&self) -> Timestamp {
        (self.0.now)()
    }

    /// Time since some beginning, by a clock that never goes back.
    pub fn elapsed(&self) -> Elapsed {
        (self.0.elapsed)()
    }

    /// The moment before which everything is older than `age` by the time that has really gone by, in the time that this clock
    /// had then: it may have been set since.
    pub fn ago(&self, age: SignedDuration) -> Timestamp {
        let (now, elapsed) = (self.now(), self.elapsed());
        let mut timeline = self.0.timeline.lock().unwrap_or_else(PoisonError::into_inner);
        timeline.note(now, elapsed);
        timeline.ago(age, now, elapsed)
    }

    /// How much of this clock's time goes by while so much really does.
    pub fn of_real(&self, time: SignedDuration) -> SignedDuration {
        time.saturating_mul(i32::try_from(self.0.speed).unwrap_or(i32::MAX))
    }

    /// How long it really takes until so much time of this clock has gone by.
    pub fn real(&self, time: SignedDuration) -> Duration {
        Duration::try_from(time).unwrap_or(Duration::ZERO) / self.0.speed
    }
}

/// Time since this machine was started, also while it was suspended: a lease that ends meanwhile has ended.
fn since_boot() -> Elapsed {
    #[cfg(target_os = "linux")]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: ClockId = ClockId::Monotonic;
    let read = rustix::time::clock_gettime(CLOCK);
    Elapsed::new(read.tv_sec, i32::try_from(read.tv_nsec).unwrap_or_default())
}

/// Something of which there is one at a time, replaced as a whole while others use it: whoever took one goes on with
/// that one.
pub struct Current<T>(Arc<RwLock<Arc<T>>>);

impl<T> Current<T> {
    pub fn new(first: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(first))))
    }

    /// The one in force.
    pub fn get(&self) -> Arc<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts the next one in force, and answers the one before, which may still be in use.
    pub fn replace(&self, next: T) -> Arc<T> {
        std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), Arc::new(next))
    }
}

impl<T> Clone for Current<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
