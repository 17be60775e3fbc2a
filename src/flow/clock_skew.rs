//! What the receivers of the channels say of the time: the only clocks beside our own that answers show anyway.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// What was said longer ago than this says nothing of now. Long enough for a shop with two orders a day.
const FRESH: SignedDuration = SignedDuration::from_hours(12);
/// A clock is off from here on. `Date` is exact to a second, and an answer takes a while; platforms refuse what is minutes
/// off.
const OFF: SignedDuration = SignedDuration::from_secs(60);
/// And right again from here on: half of it, so that a clock at the border is not reported again and again.
const RIGHT: SignedDuration = SignedDuration::from_secs(30);

/// The database's clock is asked over a short way, so less of a difference is seen; leases do not hang on it.
const DATABASE_OFF: SignedDuration = SignedDuration::from_secs(5);
const DATABASE_RIGHT: SignedDuration = SignedDuration::from_millis(2500);

/// What a receiver's clock was once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    pub at: Timestamp,
    /// How far it was ahead of this machine's clock.
    pub ahead: SignedDuration,
}

/// The last reading of a channel and the one before.
type Two = (ClockReading, Option<ClockReading>);

/// The last two readings of each channel. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct ClockSkews(Arc<Mutex<BTreeMap<String, Two>>>);

impl ClockSkews {
    /// Takes down what the receiver of a channel said of its clock when it answered `at` this time.
    pub fn note(&self, channel: &str, at: Timestamp, ahead: SignedDuration) {
        let mut channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = ClockReading { at, ahead };
        match channels.get_mut(channel) {
            Some(known) => *known = (reading, Some(known.0)),
            None => drop(channels.insert(channel.to_owned(), (reading, None))),
        }
    }

    /// The readings of the last half day with their channels, the newest of each channel first.
    pub fn latest(&self, now: Timestamp) -> Vec<(String, ClockReading)> {
        let channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let each = channels.iter().flat_map(|(channel, (last, before))| {
            [Some(*last), *before].into_iter().flatten().map(|reading| (channel.clone(), reading))
        });
        each.filter(|(_, reading)| now.duration_since(reading.at).abs() <= FRESH).collect()
    }
}

/// What all receivers together say of this machine's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockVerdict {
    /// It is ahead by so much, behind where that is negative; the first of those who say so said it `since`.
    Off {
        by: SignedDuration,
        since: Timestamp,
    },
    Right,
    /// Nobody said anything, or too few, or they do not agree.
    Unclear,
}

/// Judges by each host's last word: one host alone may be wrong itself, so it takes two that agree; or the only one there
/// is, twice. `host` names whose clock a channel's receiver shows: two robots of one vendor are one host; `None`: a channel
/// that there is no more.
pub fn judge<'a>(readings: &'a [(String, ClockReading)], host: impl Fn(&'a str) -> Option<&'a str>) -> ClockVerdict {
    let mut hosts: BTreeMap<&str, Vec<ClockReading>> = BTreeMap::new();
    for (channel, reading) in readings {
        if let Some(host) = host(channel) {
            hosts.entry(host).or_default().push(*reading);
        }
    }
    hosts.values_mut().for_each(|readings| readings.sort_by_key(|reading| std::cmp::Reverse(reading.at)));
    let is_off = |reading: &ClockReading| reading.ahead.abs() > OFF;
    let mut votes: Vec<ClockReading> = hosts.values().filter_map(|readings| readings.first().copied()).collect();
    if let [only] = votes.as_slice() {
        let before = hosts.values().next().and_then(|readings| readings.get(1)).copied();
        match before {
            Some(before) if is_off(only) && is_off(&before) => votes.push(before),
            _ if is_off(only) => return ClockVerdict::Unclear,
            _ => {}
        }
    }
    let right = votes.iter().filter(|vote| vote.ahead.abs() <= RIGHT).count();
    let (fast, slow): (Vec<&ClockReading>, Vec<&ClockReading>) =
        votes.iter().filter(|vote| is_off(vote)).partition(|vote| vote.ahead.is_negative());
    let mut off = if fast.len() > slow.len() { fast } else { slow };
    off.sort_by_key(|vote| vote.ahead);
    match off.get(off.len() / 2) {
        Some(middle) if off.len() >= 2 && off.len() > right => {
            let since = off.iter().map(|vote| vote.at).min().unwrap_or(middle.at);
            ClockVerdict::Off { by: -middle.ahead, since }
        }
        _ if right > 0 && right >= off.len() => ClockVerdict::Right,
        _ => ClockVerdict::Unclear,
    }
}

/// As [`judge`], by the database alone: it said `theirs` when it was `ours`, or up to `passed` before.
pub fn judge_by_database(ours: Timestamp, theirs: Option<Timestamp>, passed: SignedDuration) -> ClockVerdict {
    let Some(theirs) = theirs else { return ClockVerdict::Right };
    let by = ours.duration_since(theirs);
    // While the answer was on its way, ours went on.
    let (most, least) = (by.abs(), (by - passed).abs().min(by.abs()));
    match () {
        () if least > DATABASE_OFF => ClockVerdict::Off { by, since: ours },
        () if most <= DATABASE_RIGHT => ClockVerdict::Right,
        () => ClockVerdict::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    /// What is made of channels that said so many seconds one after another. The host of a channel is its name up to a dot.
    fn said(words: &[(&str, i64)]) -> ClockVerdict {
        let clocks = ClockSkews::default();
        for (second, (channel, ahead)) in (0..).zip(words) {
            clocks.note(channel, at(second), SignedDuration::from_secs(*ahead));
        }
        judge(&clocks.latest(at(60)), |channel| (channel != "gone").then(|| channel.split('.').next().unwrap()))
    }

    fn off(seconds: i64, since: i64) -> ClockVerdict {
        ClockVerdict::Off { by: SignedDuration::from_secs(seconds), since: at(since) }
    }

    #[test]
    fn a_database_is_believed_alone_but_not_for_the_time_its_answer_took() {
        let judged = |ahead_ms, passed_ms| {
            let ours = at(0) + SignedDuration::from_millis(ahead_ms);
            judge_by_database(ours, Some(at(0)), SignedDuration::from_millis(passed_ms))
        };
        assert_eq!(judge_by_database(at(0), None, SignedDuration::ZERO), ClockVerdict::Right, "it has none of its own");
        for (ahead, passed) in [(0, 0), (2500, 0), (-2500, 5000)] {
            assert_eq!(judged(ahead, passed), ClockVerdict::Right, "{ahead}");
        }
        for (ahead, passed) in [(4000, 0), (-4000, 0), (9000, 5000)] {
            assert_eq!(judged(ahead, passed), ClockVerdict::Unclear, "{ahead}");
        }
        for (ahead, passed) in [(6000, 20), (-6000, 20), (15000, 5000)] {
            let since = at(0) + SignedDuration::from_millis(ahead);
            assert_eq!(judged(ahead, passed), ClockVerdict::Off { by: SignedDuration::from_millis(ahead), since });
        }
    }

    #[test]
    fn it_takes_two_hosts_or_the_only_one_twice() {
        for (words, expected) in [
            (&[][..], ClockVerdict::Unclear),
            (&[("a", 300)], ClockVerdict::Unclear),
            (&[("a", 300), ("a", 290)], off(-300, 0)),
            (&[("a", 2), ("a", 300)], ClockVerdict::Unclear),
            (&[("a.1", 300), ("a.2", 300)], off(-300, 0)),
            (&[("a", 300), ("b", 301)], off(-301, 0)),
            (&[("a", -90), ("b", -95), ("c", -95)], off(95, 0)),
            (&[("a", 300), ("b", 1)], ClockVerdict::Right),
            (&[("a", 300), ("a", 300), ("b", 1)], ClockVerdict::Right),
            (&[("a", 300), ("b", 1), ("c", 300)], off(-300, 0)),
            (&[("a", 300), ("b", -300)], ClockVerdict::Unclear),
            (&[("a", 300), ("gone", 300)], ClockVerdict::Unclear),
            (&[("a", 61), ("b", 61)], off(-61, 0)),
            (&[("a", 60), ("b", 60)], ClockVerdict::Unclear),
            (&[("a", 300), ("a", 300), ("a", 45)], ClockVerdict::Unclear),
            (&[("a", 300), ("b", 300), ("a", 0), ("b", -1)], ClockVerdict::Right),
            (&[("a", 300), ("a", 2)], ClockVerdict::Right),
        ] {
            assert_eq!(said(words), expected, "{words:?}");
        }
    }

    #[test]
    fn what_was_said_long_ago_counts_for_nothing() {
        let clocks = ClockSkews::default();
        clocks.note("a", at(0), SignedDuration::from_secs(300));
        assert_eq!(clocks.latest(at(12 * 3600)).len(), 1);
        assert_eq!(clocks.latest(at(12 * 3600 + 1)), []);
    }
}
