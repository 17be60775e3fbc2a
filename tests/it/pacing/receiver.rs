//! A receiver that counts: each message at some moment between the begin and the end of its send, which nobody else knows.

use jiff::SignedDuration;
use orderbell::domain::rate_limit::RateLimit;
use proptest::prelude::*;

/// When a message was sent, in real time that no daemon sees.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    pub begin: SignedDuration,
    pub end: SignedDuration,
}

/// The most messages that a rolling window can hold when each is counted at the worst moment.
pub fn most_in_a_window(sent: &[Sent], per: SignedDuration) -> usize {
    // The fullest windows begin at the latest moment at which one of the messages can be counted.
    let from = |at: SignedDuration| sent.iter().filter(|one| one.end >= at && one.begin < at + per).count();
    sent.iter().map(|one| from(one.end)).max().unwrap_or(0)
}

/// Up to forty within a second to two hours; often few, because there the rules meet.
pub fn allowance() -> impl Strategy<Value = RateLimit> {
    let count = prop_oneof![1..7u32, 1..41u32, Just(18u32)];
    let seconds = prop_oneof![1..120i64, 1..7200i64, Just(60i64)];
    (count, seconds).prop_map(|(count, per)| RateLimit { count, per: SignedDuration::from_secs(per) })
}

#[test]
fn a_window_holds_what_can_be_counted_in_it() {
    let sent = |begin, end| Sent { begin: SignedDuration::from_secs(begin), end: SignedDuration::from_secs(end) };
    let minute = SignedDuration::from_mins(1);
    assert_eq!(most_in_a_window(&[sent(0, 0), sent(60, 60)], minute), 1, "exactly a window apart");
    assert_eq!(most_in_a_window(&[sent(0, 1), sent(60, 60)], minute), 2, "the first may be counted late");
    assert_eq!(most_in_a_window(&[sent(0, 50), sent(10, 20), sent(100, 100)], minute), 2);
    assert_eq!(most_in_a_window(&[], minute), 0);
}
