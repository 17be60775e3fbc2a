//! What becomes of a delivery after each outcome, as a table.

use jiff::{SignedDuration, Timestamp};
use orderbell::domain::event::DeliveryId;
use orderbell::domain::message::PartForm;
use orderbell::domain::retry::{DEFAULT_WAITS, DeliveryProgress, Outcome, Step, next};
use uuid::Uuid;

const WAITS: [SignedDuration; 2] = [SignedDuration::from_secs(5), SignedDuration::from_secs(30)];

fn now() -> Timestamp {
    Timestamp::from_second(1_750_000_000).expect("a time")
}

fn row(attempts: u32, spent: u32, form: PartForm) -> DeliveryProgress {
    DeliveryProgress { delivery: DeliveryId(Uuid::from_u128(7)), attempts, spent, form, late: false, probes: 0 }
}

/// A wait in seconds as it may turn out with a tenth more or less, and whether a step of the schedule is used up.
fn waits(step: &Step, seconds: f64, spends: bool) -> bool {
    let Step::Wait { until, spends: spent } = step else { return false };
    let waited = until.duration_since(now()).as_secs_f64();
    *spent == spends && (waited - seconds).abs() <= seconds / 10.0 + 0.001
}

#[test]
fn what_may_pass_is_tried_again_by_the_schedule_and_then_given_up() {
    for outcome in [Outcome::Retry { after: None }, Outcome::Unknown] {
        for (spent, seconds) in [(0, 5.0), (1, 30.0)] {
            let step = next(&outcome, row(spent + 1, spent, PartForm::Full), &WAITS, now());
            assert!(waits(&step, seconds, true), "{outcome:?} after {spent}: {step:?}");
        }
        assert_eq!(next(&outcome, row(3, 2, PartForm::Full), &WAITS, now()), Step::Dead, "{outcome:?}");
        assert_eq!(next(&outcome, row(1, 0, PartForm::Full), &[], now()), Step::Dead, "{outcome:?} without a schedule");
    }
    let whole: SignedDuration = DEFAULT_WAITS.iter().sum();
    assert!(whole > SignedDuration::from_hours(20), "a receiver may be away for most of a day: {whole}");
}

#[test]
fn what_the_receiver_asks_for_is_the_least_and_has_its_bounds() {
    let after = |seconds| Outcome::Retry { after: Some(SignedDuration::from_secs(seconds)) };
    let step = |seconds| next(&after(seconds), row(1, 0, PartForm::Full), &WAITS, now());
    assert!(waits(&step(1), 5.0, true), "the schedule is longer");
    let exactly = |seconds| Step::Wait { until: now() + SignedDuration::from_secs(seconds), spends: true };
    assert_eq!(step(60), exactly(60), "never less than was asked for");
    assert_eq!(step(1_000_000), exactly(12 * 3600), "and never for days");
    assert!(waits(&step(-60), 5.0, true));
}

#[test]
fn a_shut_credential_waits_as_long_as_it_is_shut_and_uses_up_nothing() {
    for spent in [0, 2, 100] {
        let step = next(
            &Outcome::Throttled { wait: SignedDuration::from_mins(10) },
            row(spent + 1, spent, PartForm::Full),
            &WAITS,
            now(),
        );
        assert_eq!(step, Step::Wait { until: now() + SignedDuration::from_mins(10), spends: false });
    }
}

#[test]
fn a_wrong_setting_is_probed_less_and_less_often_and_never_given_up() {
    for (probes, minutes) in [(0, 10.0), (1, 20.0), (2, 40.0), (5, 320.0), (6, 360.0), (100, 360.0)] {
        let row = DeliveryProgress { probes, ..row(1, 0, PartForm::Full) };
        let Step::Park { probe_at } = next(&Outcome::Misconfigured, row, &WAITS, now()) else { panic!("{probes}") };
        assert!(waits(&Step::Wait { until: probe_at, spends: false }, minutes * 60.0, false), "{probes}: {probe_at}");
    }
}

#[test]
fn the_forms_go_one_way_and_end() {
    use PartForm::{Full, Halved, Reduced};
    let table = [
        (Outcome::TooLong, Full, Step::Recompose(Halved(1))),
        (Outcome::TooLong, Halved(1), Step::Recompose(Halved(2))),
        (Outcome::TooLong, Halved(2), Step::Recompose(Halved(3))),
        (Outcome::TooLong, Halved(3), Step::Dead),
        (Outcome::TooLong, Reduced, Step::Dead),
        (Outcome::ContentRefused, Full, Step::Recompose(Reduced)),
        (Outcome::ContentRefused, Halved(2), Step::Recompose(Reduced)),
        (Outcome::ContentRefused, Reduced, Step::Dead),
    ];
    for (outcome, form, expected) in table {
        assert_eq!(next(&outcome, row(1, 0, form), &WAITS, now()), expected, "{outcome:?} of {form:?}");
    }
    // Whatever a receiver says by turns, it ends.
    for first in [Outcome::TooLong, Outcome::ContentRefused] {
        let mut form = Full;
        let mut outcome = first;
        let mut steps = 0;
        while let Step::Recompose(following) = next(&outcome, row(steps + 1, 0, form), &WAITS, now()) {
            form = following;
            outcome = if outcome == Outcome::TooLong { Outcome::ContentRefused } else { Outcome::TooLong };
            steps += 1;
            assert!(steps < 10, "it never ends");
        }
    }
}

#[test]
fn a_full_mailbox_is_tried_late_once_and_uses_up_nothing() {
    let step = |late| next(&Outcome::Full, DeliveryProgress { late, ..row(3, 0, PartForm::Full) }, &[], now());
    assert!(waits(&step(false), 6.0 * 3600.0, false), "{:?}", step(false));
    assert_eq!(step(true), Step::Dead);
    assert_eq!(Outcome::Full.as_str(), "full");
}

#[test]
fn an_acceptance_is_the_end_and_so_is_a_final_refusal() {
    let step = |outcome| next(&outcome, row(1, 0, PartForm::Full), &WAITS, now());
    assert_eq!(step(Outcome::Delivered), Step::Delivered);
    assert_eq!(step(Outcome::Partial { refused: vec!["a@example.com".to_owned()] }), Step::Delivered);
    assert_eq!((step(Outcome::Rejected), step(Outcome::Bug)), (Step::Dead, Step::Dead));
}

#[test]
fn deliveries_that_fail_together_do_not_come_back_together() {
    let until = |number| {
        let row = DeliveryProgress { delivery: DeliveryId(Uuid::from_u128(number)), ..row(1, 0, PartForm::Full) };
        match next(&Outcome::Unknown, row, &WAITS, now()) {
            Step::Wait { until, .. } => until,
            step => panic!("{step:?}"),
        }
    };
    let mut times: Vec<Timestamp> = (0..100).map(until).collect();
    assert_eq!(times, (0..100).map(until).collect::<Vec<_>>(), "the same in every run");
    times.sort_unstable();
    times.dedup();
    assert!(times.len() > 90, "{}", times.len());
}
