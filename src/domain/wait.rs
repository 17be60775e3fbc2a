//! Waits and ages across a clock that is set: a wait is never longer than it was when it began, and what is late is judged by
//! the time that has really gone by.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use crate::domain::pace::Elapsed;

/// Less than this is a clock that is steered, not set.
const SET: SignedDuration = SignedDuration::from_millis(500);
/// So many settings of the clock are remembered, the newest: for longer ago the oldest of these counts.
const REMEMBERED: usize = 64;

/// When a wait ends that is to end at `until` and was `longest` long when it was set. Where the clock was put back since, the
/// wait begins anew.
pub fn cut(until: Timestamp, longest: SignedDuration, now: Timestamp) -> Timestamp {
    let latest = now.checked_add(longest.max(SignedDuration::ZERO)).unwrap_or(Timestamp::MAX);
    until.min(latest)
}

/// How the clock that people set has stood to the one that nobody can.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// From when on the clock was so far ahead of the time elapsed since 1970, the oldest first.
    settings: VecDeque<(Elapsed, SignedDuration)>,
}

impl Timeline {
    /// Takes down what both clocks say. Answers how far the clock was put ahead since, or back where that is negative.
    pub fn note(&mut self, now: Timestamp, elapsed: Elapsed) -> Option<SignedDuration> {
        let offset = now.duration_since(Timestamp::UNIX_EPOCH) - elapsed;
        let before = self.settings.back().map(|(_, before)| *before);
        match before {
            Some(before) if (offset - before).abs() < SET => None,
            _ => {
                self.settings.push_back((elapsed, offset));
                if self.settings.len() > REMEMBERED {
                    self.settings.pop_front();
                }
                before.map(|before| offset - before)
            }
        }
    }

    /// The moment before which everything is older than `age`, as the clock had it. What was made before the clock was put
    /// back is taken to be as old as that, because then it was written down anew.
    pub fn ago(&self, age: SignedDuration, now: Timestamp, elapsed: Elapsed) -> Timestamp {
        let target = elapsed - age;
        let latest = now.duration_since(Timestamp::UNIX_EPOCH) - elapsed;
        let begun = self.settings.iter().rposition(|(from, _)| *from <= target).unwrap_or(0);
        let since = self.settings.iter().skip(begun).map(|(_, offset)| *offset);
        let offset = since.chain([latest]).min().unwrap_or(latest);
        Timestamp::UNIX_EPOCH.checked_add(target + offset).unwrap_or(Timestamp::MIN)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JUMPS: [i64; 5] = [0, 1, 3600, 86_400, 31_536_000];

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn seconds(seconds: i64) -> SignedDuration {
        SignedDuration::from_secs(seconds)
    }

    /// A second, an hour, a day or a year, back or ahead; or not at all.
    fn jump() -> impl Strategy<Value = i64> {
        (0..JUMPS.len(), any::<bool>()).prop_map(|(jump, back)| if back { -JUMPS[jump] } else { JUMPS[jump] })
    }

    proptest! {
        #[test]
        fn however_the_clock_is_set_a_wait_is_over_after_its_own_length(
            wait in 0..50_000i64,
            steps in prop::collection::vec((1..600i64, jump()), 1..60),
        ) {
            let (mut until, mut really, mut off, mut set_back) = (at(wait), 0, 0, 0);
            for (pause, jump) in steps {
                if jump < 0 {
                    set_back = really;
                }
                off += jump;
                until = cut(until, seconds(wait), at(really + off));
                prop_assert!(until <= at(really + off + wait));
                really += pause;
                until = cut(until, seconds(wait), at(really + off));
                // Since the clock was last put back, it is over after its own length.
                prop_assert!(until <= at(set_back.max(0) + off + wait).max(at(really + off)));
            }
        }

        #[test]
        fn a_clock_that_nobody_sets_cuts_nothing(wait in 0..50_000i64, passed in 0..100_000i64) {
            prop_assert_eq!(cut(at(wait), seconds(wait), at(passed)), at(wait));
        }

        #[test]
        fn what_is_late_is_late_by_the_time_that_has_gone_by(
            age in 1..1000i64,
            steps in prop::collection::vec((1..600i64, jump(), any::<bool>()), 1..60),
        ) {
            let (mut timeline, mut really, mut off) = (Timeline::default(), 0, 0);
            // Each as the clock had it, when it really was, and when the clock was last put back behind it.
            let mut made: Vec<(i64, i64, i64)> = Vec::new();
            timeline.note(at(0), seconds(0));
            for (pause, jump, makes) in steps {
                off += jump;
                timeline.note(at(really + off), seconds(really));
                for (noted, _, counted) in made.iter_mut().filter(|(noted, _, _)| *noted > really + off) {
                    (*noted, *counted) = (really + off, really);
                }
                if makes {
                    made.push((really + off, really, really));
                }
                really += pause;
                let before = timeline.ago(seconds(age), at(really + off), seconds(really));
                for (noted, begun, counted) in &made {
                    let is_late = at(*noted) <= before;
                    if is_late {
                        prop_assert!(really - begun >= age, "not before its time: {noted} {before}");
                    }
                    // However often the clock is put back, a year's worth of it at most is on top of that.
                    let back = timeline.settings.iter().zip(timeline.settings.iter().skip(1));
                    let was_put_back = back.filter(|((_, before), (from, after))| after < before && from.as_secs() >= *counted).count() > 0;
                    if !was_put_back {
                        prop_assert!(is_late || really - counted < age, "in time: {noted} {before}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_clock_that_is_steered_is_not_set() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.note(at(0), seconds(0)), None);
        assert_eq!(timeline.note(at(60) + SignedDuration::from_millis(400), seconds(60)), None);
        assert_eq!(timeline.note(at(3660), seconds(60)), Some(seconds(3600)));
        assert_eq!(timeline.ago(seconds(30), at(3670), seconds(70)), at(40), "as the clock had it then");
        assert_eq!(timeline.ago(seconds(5), at(3670), seconds(70)), at(3665));
        assert_eq!(timeline.note(at(71), seconds(71)), Some(seconds(-3600)));
    }
}
