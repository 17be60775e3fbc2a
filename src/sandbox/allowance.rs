//! How many messages a robot takes: the rule of DingTalk and WeCom as a pure function of a clock, and a clock that can run fast.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Messages that a robot takes within [`WINDOW`].
pub const PER_WINDOW: usize = 20;
pub const WINDOW: Duration = Duration::from_secs(60);

/// Time since the start, `speed` times as fast as real time: with 60 a minute passes in a second.
#[derive(Clone, Copy, Debug)]
pub struct MockClock {
    begun: Instant,
    speed: u32,
}

impl MockClock {
    /// A `speed` of 0 is taken as 1.
    pub fn start(speed: u32) -> Self {
        Self { begun: Instant::now(), speed: speed.max(1) }
    }

    pub fn now(&self) -> Duration {
        self.begun.elapsed().saturating_mul(self.speed)
    }
}

/// What one robot has taken lately.
#[derive(Clone, Debug, Default)]
pub struct RobotAllowance {
    taken: VecDeque<Duration>,
    blocked_until: Option<Duration>,
}

/// The robot is blocked for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RobotBlocked(pub Duration);

impl RobotAllowance {
    /// Takes one message at `now`, which never goes back.
    ///
    /// # Errors
    /// [`RobotBlocked`] for the message that is one too many within a window, and for every one until `blocked_for` later; those do not
    /// prolong it.
    pub fn admit(&mut self, now: Duration, blocked_for: Duration) -> Result<(), RobotBlocked> {
        match self.blocked_until {
            Some(until) if now < until => return Err(RobotBlocked(until - now)),
            Some(_) => *self = Self::default(),
            None => {}
        }
        while self.taken.front().is_some_and(|taken| now.saturating_sub(*taken) >= WINDOW) {
            self.taken.pop_front();
        }
        if self.taken.len() >= PER_WINDOW {
            self.blocked_until = Some(now + blocked_for);
            return Err(RobotBlocked(blocked_for));
        }
        self.taken.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCKED: Duration = Duration::from_secs(600);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn twenty_pass_and_the_next_one_shuts_for_ten_minutes() {
        let mut allowance = RobotAllowance::default();
        for n in 0..20 {
            assert_eq!(allowance.admit(SECOND * n, BLOCKED), Ok(()), "{n}");
        }
        assert_eq!(allowance.admit(SECOND * 59, BLOCKED), Err(RobotBlocked(BLOCKED)));
        assert_eq!(
            allowance.admit(SECOND * 300, BLOCKED),
            Err(RobotBlocked(SECOND * 359)),
            "asking again does not prolong it"
        );
        assert_eq!(allowance.admit(SECOND * 658, BLOCKED), Err(RobotBlocked(SECOND)));
        assert_eq!(allowance.admit(SECOND * 659, BLOCKED), Ok(()));
    }

    #[test]
    fn the_window_rolls() {
        let mut allowance = RobotAllowance::default();
        for n in 0..20 {
            allowance.admit(SECOND * n, BLOCKED).unwrap();
        }
        // Each place is free again sixty seconds after it was taken, and not before.
        for n in 0..20 {
            assert_eq!(allowance.admit(SECOND * (60 + n), BLOCKED), Ok(()), "{n}");
        }
        assert_eq!(allowance.admit(SECOND * 79, BLOCKED), Err(RobotBlocked(BLOCKED)));
    }

    #[test]
    fn a_shut_robot_opens_with_its_whole_allowance() {
        let mut allowance = RobotAllowance::default();
        let taken =
            |allowance: &mut RobotAllowance, at| (0..30).take_while(|_| allowance.admit(at, BLOCKED).is_ok()).count();
        assert_eq!(taken(&mut allowance, SECOND), 20);
        assert_eq!(taken(&mut allowance, SECOND + BLOCKED), 20);
    }

    #[test]
    fn each_vendor_shuts_for_a_time_of_its_own() {
        let mut allowance = RobotAllowance::default();
        let taken =
            |allowance: &mut RobotAllowance, at| (0..30).take_while(|_| allowance.admit(at, WINDOW).is_ok()).count();
        assert_eq!(taken(&mut allowance, SECOND), 20);
        assert_eq!(taken(&mut allowance, SECOND + WINDOW), 20);
    }

    #[test]
    fn a_fast_clock_runs_as_many_times_faster() {
        let clock = MockClock::start(1_000_000);
        let before = clock.now();
        while clock.now() - before < Duration::from_secs(60) {}
        assert!(clock.begun.elapsed() < Duration::from_secs(30));
    }
}
