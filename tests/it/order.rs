//! Orders add up to the same whatever the sequence in which their events arrive, and however often.

use jiff::{SignedDuration, Timestamp};
use orderbell::domain::changed;
use orderbell::domain::event::{Event, EventId, Kind, SignatureCheck};
use orderbell::domain::fold::{decide, merge};
use orderbell::domain::ledger::Figure;
use orderbell::domain::money::Money;
use orderbell::domain::order::{Order, OrderLine, OrderState, OrderUpdate, RefundUpdate};
use orderbell::domain::payload::Data;
use orderbell::domain::route::{Target, choose};
use proptest::prelude::*;
use uuid::Uuid;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + seconds).expect("a time")
}

fn event(kind: Kind, update: OrderUpdate, occurred: i64, received: i64) -> Event {
    Event {
        id: EventId(Uuid::nil()),
        kind,
        source: "s".to_owned(),
        occurred_at: Some(at(occurred)),
        received_at: at(received),
        shop: None,
        order: Some(OrderUpdate { number: "1".to_owned(), ..update }),
        data: Data::default(),
        proof: SignatureCheck::Valid("test".to_owned()),
    }
}

fn step(kind: Kind, state: OrderState, occurred: i64) -> Event {
    event(kind, OrderUpdate { state: Some(state), ..OrderUpdate::default() }, occurred, occurred)
}

fn placed(total: Option<i64>) -> Event {
    let update = OrderUpdate {
        state: Some(OrderState::Placed),
        placed_at: Some(at(0)),
        total: total.map(|minor| Money::new(minor, "HKD")),
        ..OrderUpdate::default()
    };
    event(Kind::OrderPlaced, update, 0, 0)
}

fn refund(id: &str, minor: i64, occurred: i64) -> Event {
    let refund = Some(RefundUpdate {
        id: id.to_owned(),
        amount: Some(Money::new(minor, "HKD")),
        assumes_currency: false,
        pending: false,
    });
    event(Kind::OrderRefund, OrderUpdate { refund, ..OrderUpdate::default() }, occurred, occurred)
}

/// The sums that the ledger comes to when these events are decided one after another.
fn sums(events: &[Event]) -> (Option<Order>, Vec<(Figure, i64, i64)>) {
    let mut order: Option<Order> = None;
    let mut ledger = Vec::new();
    for event in events {
        let decision = decide(order.as_ref(), event);
        ledger.extend(decision.ledger);
        order = decision.order;
    }
    let figures = Figure::ALL;
    let sum = |figure: Figure| {
        let entries = ledger.iter().filter(|entry| entry.figure == figure);
        entries.fold((0, 0), |(count, minor), entry| {
            (count + entry.count, minor + entry.amount.as_ref().map_or(0, |amount| amount.minor))
        })
    };
    (order, figures.map(|figure| (figure, sum(figure).0, sum(figure).1)).to_vec())
}

#[test]
fn a_late_accepted_never_overwrites_cancelled_and_says_how_late_it_is() {
    let cancelled = decide(None, &step(Kind::OrderCancelled, OrderState::Cancelled, 300)).order;
    let mut accepted = step(Kind::OrderAccepted, OrderState::Accepted, 60);
    accepted.received_at = at(420);
    let decision = decide(cancelled.as_ref(), &accepted);
    assert_eq!(decision.order.map(|order| order.state), Some(OrderState::Cancelled));
    let late = decision.late.expect("it is late");
    assert_eq!((late.by_seconds, late.order_state), (360, OrderState::Cancelled));
    let matched = choose(&accepted, cancelled.as_ref(), &[Target::always("kitchen")]);
    assert_eq!(matched.channels, ["kitchen"], "it is delivered as what it is");
}

#[test]
fn lateness_goes_by_the_times_and_only_without_them_by_the_state() {
    let before = sums(&[placed(None), step(Kind::OrderCompleted, OrderState::Completed, 100)]).0;
    let accepted = |occurred: Option<i64>| {
        let mut event = step(Kind::OrderAccepted, OrderState::Accepted, 200);
        event.occurred_at = occurred.map(at);
        decide(before.as_ref(), &event).late.is_some()
    };
    assert_eq!(
        [Some(99), Some(100), Some(101), None].map(accepted),
        [true, true, false, true],
        "before, in the same second, after, unknown"
    );
    // A platform's clock that is a day ahead makes nothing late that comes after it.
    let mut ahead = step(Kind::OrderAccepted, OrderState::Accepted, 86_400);
    ahead.received_at = at(110);
    let before = decide(before.as_ref(), &ahead).order;
    let mut next = step(Kind::OrderDelivery, OrderState::Unknown, 120);
    next.order.as_mut().expect("an order").state = None;
    assert_eq!(decide(before.as_ref(), &next).late, None);
}

#[test]
fn support_may_cancel_what_was_completed() {
    let events = [
        placed(None),
        step(Kind::OrderCompleted, OrderState::Completed, 10),
        step(Kind::OrderCancelled, OrderState::Cancelled, 20),
    ];
    let (order, _) = sums(&events);
    assert_eq!(order.map(|order| order.state), Some(OrderState::Cancelled));
    let before = sums(&events[..2]).0;
    assert_eq!(decide(before.as_ref(), &events[2]).late, None);
}

#[test]
fn what_is_not_proven_changes_nothing_and_is_sent_to_nobody() {
    let mut forged = step(Kind::OrderCancelled, OrderState::Cancelled, 10);
    forged.proof = SignatureCheck::Invalid;
    let decision = decide(sums(&[placed(Some(1))]).0.as_ref(), &forged);
    let matched = choose(&forged, decision.order.as_ref(), &[Target::always("kitchen")]);
    assert_eq!((decision.order, matched.channels.len(), decision.ledger.len()), (None, 0, 0));
}

#[test]
fn several_states_of_one_refund_are_one_refund() {
    let (_, figures) = sums(&[placed(Some(5000)), refund("r", 1000, 10), refund("r", 1500, 20), refund("q", 100, 30)]);
    assert_eq!(figures[2], (Figure::Refunded, 2, 1600));
}

#[test]
fn a_total_that_comes_later_corrects_the_figures_of_its_day() {
    let thin = decide(None, &step(Kind::OrderCancelled, OrderState::Cancelled, 10)).order;
    let decision = decide(thin.as_ref(), &placed(Some(5000)));
    let booked: Vec<_> =
        decision.ledger.into_iter().map(|entry| (entry.figure, entry.effect_at, entry.count, entry.amount)).collect();
    let full = Some(Money::new(5000, "HKD"));
    // What was booked of it on the day of its first event is taken back, and booked on the day on which it was placed.
    let expected = [Figure::Orders, Figure::Cancelled]
        .map(|figure| [(figure, at(0), 1, full.clone()), (figure, at(10), -1, None)]);
    assert_eq!(booked, expected.concat());
}

#[test]
fn an_amount_that_nobody_can_mean_spoils_no_sum() {
    let decision = decide(None, &placed(Some(i64::MAX)));
    let booked: Vec<_> = decision.ledger.into_iter().map(|entry| (entry.figure, entry.count, entry.amount)).collect();
    assert_eq!(booked, [(Figure::Orders, 1, None)]);
}

#[test]
fn a_refund_takes_effect_once_and_not_while_somebody_has_to_agree_to_it() {
    let waiting = |occurred| {
        let mut event = refund("r", 1000, occurred);
        event.order.as_mut().and_then(|update| update.refund.as_mut()).expect("a refund").pending = true;
        event
    };
    let book = |events: &[Event]| {
        let mut order: Option<Order> = None;
        let mut booked = Vec::new();
        for event in events {
            let decision = decide(order.as_ref(), event);
            booked.extend(decision.ledger.into_iter().filter(|entry| entry.figure == Figure::Refunded));
            order = decision.order;
        }
        booked
    };
    assert_eq!(book(&[placed(Some(5000)), waiting(10)]), []);
    for events in [
        [waiting(10), refund("r", 900, 20), refund("r", 800, 30)],
        [refund("r", 800, 30), refund("r", 900, 20), waiting(10)],
    ] {
        let mut on_its_day = (0, 0);
        for entry in book(&events) {
            let minor = entry.amount.expect("an amount").minor;
            match entry.effect_at == at(20) {
                true => on_its_day = (on_its_day.0 + entry.count, on_its_day.1 + minor),
                // What was booked by what came later is taken back.
                false => assert_eq!(entry.effect_at, at(30)),
            }
        }
        assert_eq!(on_its_day, (1, 800), "the newest amount, on the day of the first");
    }
}

#[test]
fn a_refund_without_an_amount_counts_and_one_without_a_currency_has_the_orders() {
    let with = |refund: RefundUpdate, occurred| {
        event(Kind::OrderRefund, OrderUpdate { refund: Some(refund), ..OrderUpdate::default() }, occurred, occurred)
    };
    let bare = RefundUpdate { id: "r".to_owned(), amount: None, assumes_currency: false, pending: false };
    let (order, figures) = sums(&[placed(Some(5000)), with(bare.clone(), 10)]);
    assert_eq!((order.expect("an order").refunds["r"].amount.clone(), figures[2]), (None, (Figure::Refunded, 1, 0)));
    let (_, figures) = sums(&[placed(Some(5000)), with(bare.clone(), 10), refund("r", 900, 20)]);
    assert_eq!(figures[2], (Figure::Refunded, 1, 900), "what came later");
    let (_, figures) = sums(&[placed(Some(5000)), refund("r", 900, 10), with(bare.clone(), 20)]);
    assert_eq!(figures[2], (Figure::Refunded, 1, 900), "and what came before");

    let assumed = |currency: &str| RefundUpdate {
        amount: Some(Money::new(700, currency)),
        assumes_currency: true,
        ..bare.clone()
    };
    for events in [[placed(Some(5000)), with(assumed("USD"), 10)], [with(assumed("USD"), 10), placed(Some(5000))]] {
        let order = sums(&events).0.expect("an order");
        assert_eq!(order.refunds["r"].amount, Some(Money::new(700, "HKD")), "whichever came first");
    }
    let order = sums(&[placed(Some(5000)), with(assumed("KWD"), 10)]).0.expect("an order");
    assert_eq!(order.refunds["r"].amount, None, "700 of a third decimal would be something else");
}

#[test]
fn a_repeat_changes_nothing_unless_it_is_fuller() {
    let order = sums(&[placed(None)]).0.expect("an order");
    assert_eq!(merge(Some(&order), &placed(None)), order);
    assert_eq!(merge(Some(&order), &placed(Some(5))).total, Some(Money::new(5, "HKD")));
}

/// The whole order as of a second, received at another.
fn whole(as_of: i64, received: i64, total: i64, quantity: u64) -> Event {
    let tea = OrderLine { name: "tea".to_owned(), quantity: Some(quantity), ..OrderLine::default() };
    let update = OrderUpdate {
        as_of: Some(at(as_of)),
        total: Some(Money::new(total, "HKD")),
        lines: vec![tea],
        ..OrderUpdate::default()
    };
    event(Kind::OrderPlaced, update, 0, received)
}

#[test]
fn a_change_goes_by_the_platforms_time_unless_that_was_far_ahead_of_ours() {
    let known = |as_of, received| merge(None, &whole(as_of, received, 100, 1));
    let changes = |known: &Order, as_of| changed::by(known, &whole(as_of, 100, 200, 2)).is_some();
    assert_eq!([49, 50, 51].map(|as_of| changes(&known(50, 50), as_of)), [false, true, true]);
    // A clock that is a little ahead is one to go by; one that was a day ahead once is not.
    assert!(!changes(&known(160, 50), 159));
    assert!(changes(&known(86_400, 50), 100));
    let mut order = known(86_400, 50);
    order = merge(Some(&order), &whole(90, 100, 100, 1));
    assert_eq!(order.as_of, Some(at(90)), "from then on the new time counts");
}

#[test]
fn an_order_of_an_older_version_is_changed_by_what_it_does_not_say() {
    let mut old = merge(None, &whole(50, 50, 100, 1));
    old.as_of = None;
    assert_eq!(changed::by(&old, &whole(40, 100, 100, 1)), None);
    let changed = changed::by(&old, &whole(40, 100, 100, 2)).expect("another quantity");
    assert_eq!((changed.total, changed.lines.len()), (None, 1));
}

#[test]
fn a_sum_of_the_lines_says_nothing_against_a_total_unless_the_lines_changed() {
    let about = |quantity| {
        let mut event = whole(60, 60, 300, quantity);
        event.order.as_mut().expect("an order").total_is_approximate = true;
        event
    };
    let known = merge(None, &whole(50, 50, 100, 1));
    assert_eq!(changed::by(&known, &about(1)), None);
    assert_eq!(merge(Some(&known), &about(1)).total, known.total);
    let mut more = about(2);
    more.data.changed = changed::by(&known, &more).map(Box::new);
    let order = decide(Some(&known), &more).order.expect("an order");
    assert_eq!((order.total, order.total_is_approximate), (Some(Money::new(300, "HKD")), true));
    // And the total that comes later completes it, without another change.
    let known = merge(None, &about(2));
    assert_eq!(changed::by(&known, &whole(70, 70, 280, 2)), None);
    assert_eq!(merge(Some(&known), &whole(70, 70, 280, 2)).total, Some(Money::new(280, "HKD")));
}

#[test]
fn a_change_that_came_after_the_order_moved_on_is_late_by_whole_seconds() {
    let known = merge(None, &whole(50, 50, 100, 1));
    let mut accepted = step(Kind::OrderAccepted, OrderState::Accepted, 60);
    accepted.occurred_at = Some(at(60) + SignedDuration::from_millis(700));
    accepted.received_at = at(61);
    let known = decide(Some(&known), &accepted).order.expect("an order");
    let late = |second: i64| {
        let mut change = whole(second, 70, 200, 2);
        change.occurred_at = Some(at(second));
        change.data.changed = changed::by(&known, &change).map(Box::new);
        decide(Some(&known), &change).late.map(|late| late.order_state)
    };
    assert_eq!([59, 60, 61].map(late), [Some(OrderState::Accepted), None, None]);
}

proptest! {
    #[test]
    fn state_total_and_figures_do_not_depend_on_the_sequence(
        shuffled in Just(vec![
            placed(Some(5000)),
            step(Kind::OrderAccepted, OrderState::Accepted, 10),
            step(Kind::OrderCompleted, OrderState::Completed, 40),
            step(Kind::OrderCancelled, OrderState::Cancelled, 50),
            refund("r", 700, 60),
            refund("r", 900, 70),
            refund("q", 5, 80),
        ]).prop_shuffle(),
    ) {
        let (order, figures) = sums(&shuffled);
        let order = order.expect("an order");
        prop_assert_eq!(order.state, OrderState::Cancelled);
        prop_assert_eq!(order.total, Some(Money::new(5000, "HKD")));
        prop_assert_eq!(order.latest_at, Some(at(80)));
        prop_assert_eq!(order.revision, 7);
        prop_assert_eq!(figures, vec![
            (Figure::Orders, 1, 5000),
            (Figure::Cancelled, 1, 5000),
            (Figure::Refunded, 2, 905),
        ]);
    }

    #[test]
    fn a_state_never_moves_back(sequence in proptest::collection::vec(0..7usize, 1..20)) {
        let states = [
            OrderState::Placed, OrderState::Paid, OrderState::Accepted, OrderState::Ready,
            OrderState::Completed, OrderState::Cancelled, OrderState::Refunded,
        ];
        let mut order: Option<Order> = None;
        for (time, pick) in sequence.into_iter().enumerate() {
            let before = order.as_ref().map(|order| order.state);
            let time = i64::try_from(time).expect("small");
            order = decide(order.as_ref(), &step(Kind::OrderAccepted, states[pick], time)).order;
            prop_assert!(order.as_ref().map(|order| order.state) >= before);
        }
    }
}
