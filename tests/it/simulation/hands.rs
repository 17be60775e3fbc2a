//! The hands of the virtual clock: real time, which nobody in the daemon sees; the machine's calendar, which jumps; and what
//! has elapsed since the daemon started, which does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use orderbell::flow::Clock;

/// A Monday at midnight in Hong Kong.
const BEGIN: &str = "2026-11-01T16:00:00Z";

pub const SECOND: i64 = 1000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// All in milliseconds. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Hands(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    real: AtomicI64,
    wall_ahead: AtomicI64,
    started: AtomicI64,
}

fn begin() -> Timestamp {
    BEGIN.parse().expect("a time")
}

impl Hands {
    /// Real time since the beginning.
    pub fn real(&self) -> i64 {
        self.0.real.load(Ordering::Acquire)
    }

    pub fn go_to(&self, real: i64) {
        assert!(real >= self.real(), "time goes back");
        self.0.real.store(real, Ordering::Release);
    }

    /// Somebody sets the machine's clock.
    pub fn jump(&self, by: i64) {
        self.0.wall_ahead.fetch_add(by, Ordering::AcqRel);
    }

    /// A daemon starts: its monotonic clock begins anew.
    pub fn start(&self) {
        self.0.started.store(self.real(), Ordering::Release);
    }

    pub fn wall(&self) -> Timestamp {
        begin() + SignedDuration::from_millis(self.real() + self.0.wall_ahead.load(Ordering::Acquire))
    }

    /// The real time at which the daemon's monotonic clock will read this; not sooner.
    pub fn when_elapsed(&self, elapsed: SignedDuration) -> i64 {
        let milliseconds = elapsed.as_nanos().div_euclid(1_000_000) + i128::from(elapsed.as_nanos() % 1_000_000 != 0);
        self.0.started.load(Ordering::Acquire) + i64::try_from(milliseconds).unwrap_or(i64::MAX / 2)
    }

    /// The real time at which the calendar will read this, if nobody sets it.
    pub fn when_wall(&self, at: Timestamp) -> i64 {
        let wait = at.duration_since(self.wall()).as_millis();
        self.real() + i64::try_from(wait).unwrap_or(i64::MAX / 2).max(0)
    }

    pub fn clock(&self) -> Clock {
        let (calendar, monotonic) = (self.clone(), self.clone());
        let elapsed =
            move || SignedDuration::from_millis(monotonic.real() - monotonic.0.started.load(Ordering::Acquire));
        Clock::with(move || calendar.wall(), elapsed)
    }
}

/// Real time as the trace shows it.
pub fn shown(real: i64) -> String {
    let (day, rest) = (real.div_euclid(DAY), real.rem_euclid(DAY));
    let (hour, minute, second) = (rest / HOUR, rest / MINUTE % 60, rest / SECOND % 60);
    format!("day {day} {hour:02}:{minute:02}:{second:02}.{:03}", rest % SECOND)
}
