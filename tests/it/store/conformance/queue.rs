//! What waits, and attempts: begun, ended, cut off by a crash.

use orderbell::domain::event::{DeliveryId, Kind};
use orderbell::domain::glob::Glob;
use orderbell::domain::message::{Part, PartForm};
use orderbell::domain::order::OrderState;
use orderbell::domain::quiet::Quiet;
use orderbell::domain::retry::{Answer, Outcome, Step};
use orderbell::store::queue::attempt::{Claim, Claimed, Settle};

use crate::store::conformance::place::Place;
use crate::store::conformance::scene::{
    again, at, attempt, begin, claim, due, due_in, end, ended, event, one, placed, row, settle, states, tried, urgent,
};

pub async fn an_attempt_is_on_disk_before_it_is_made_and_its_lease_keeps_others_away(place: Place) {
    let store = place.open(0).await;
    store.record(placed("1", &["kitchen"])).await.expect("recorded");
    let id = due(&*store, "kitchen", 0).await[0].id;
    let Claimed::Yes(attempt) = claim(&*store, id, 1).await else { panic!("it may be made") };
    assert!(due(&*store, "kitchen", 1).await.is_empty());
    settle(&*store, id, attempt, Outcome::Delivered, Step::Delivered).await;
    assert_eq!(states(&*store).await, [("delivered".to_owned(), 1)]);
    assert_eq!(claim(&*store, id, 3).await, Claimed::No, "what is done is not sent again");
}

pub async fn after_a_crash_what_was_under_way_is_due_again_with_the_same_bytes_and_marked_as_maybe_accepted(
    place: Place,
) {
    {
        let store = place.open(0).await;
        store.record(placed("1", &["kitchen"])).await.expect("recorded");
        let id = due(&*store, "kitchen", 0).await[0].id;
        claim(&*store, id, 1).await;
        store.close().await;
    }
    let store = place.open(100).await;
    let again = due(&*store, "kitchen", 100).await;
    let [delivery] = again.as_slice() else { panic!("one delivery is due: {again:?}") };
    assert!(delivery.maybe_accepted);
    assert_eq!(delivery.parts, [Part { index: 0, form: PartForm::Full, body: "hello".to_owned() }]);
}

pub async fn waiting_deliveries_come_when_due_and_the_schedule_counts_only_what_it_should(place: Place) {
    let store = place.open(0).await;
    store.record(placed("1", &["kitchen"])).await.expect("recorded");
    let id = due(&*store, "kitchen", 0).await[0].id;
    let Claimed::Yes(attempt) = claim(&*store, id, 1).await else { panic!("it may be made") };
    settle(&*store, id, attempt, Outcome::Unknown, Step::Wait { until: at(50), spends: true }).await;
    assert!(due(&*store, "kitchen", 49).await.is_empty());
    assert_eq!(store.next_due("kitchen").await.expect("reading"), Some(at(50)));
    let delivery = due(&*store, "kitchen", 50).await.remove(0);
    assert_eq!((delivery.spent, delivery.attempts, delivery.maybe_accepted), (1, 1, true));
}

pub async fn a_channel_in_order_gets_the_next_event_of_an_order_only_when_the_one_before_is_done(place: Place) {
    let store = place.open(0).await;
    store.record(placed("1", &["erp"])).await.expect("recorded");
    store.record(event(Kind::OrderAccepted, "1", OrderState::Accepted, 1, "1002:1", &["erp"])).await.expect("recorded");
    store.record(placed("2", &["erp"])).await.expect("recorded");
    let in_order = async || due_in(&*store, "erp", 10, true).await.0;
    let all = in_order().await;
    let kinds: Vec<_> = all.iter().map(|due| (due.order_key.as_deref().unwrap_or_default(), &due.event.kind)).collect();
    assert_eq!(kinds, [("s/1", &Kind::OrderPlaced), ("s/2", &Kind::OrderPlaced), ("s/1", &Kind::OrderAccepted)]);
    let (placed, accepted) = (all[0].id, all[2].id);
    let begun = |delivery| store.claim(Claim { channel: "erp".to_owned(), in_order: true, ..begin(delivery, 10) });
    assert_eq!(begun(accepted).await.expect("claiming"), Claimed::No, "an earlier one waits");
    let Claimed::Yes(attempt) = begun(placed).await.expect("claiming") else { panic!("it may be made") };
    assert_eq!(begun(accepted).await.expect("claiming"), Claimed::No, "or is being sent");
    assert_eq!(in_order().await.len(), 1, "so it is not looked at");
    settle(&*store, placed, attempt, Outcome::Delivered, Step::Delivered).await;
    assert!(in_order().await.iter().any(|due| due.id == accepted));
    assert!(matches!(begun(accepted).await.expect("claiming"), Claimed::Yes(_)));
}

pub async fn what_waits_is_known_by_channel_and_a_mended_setting_makes_it_due(place: Place) {
    let store = place.open(0).await;
    for number in ["1", "2", "3"] {
        store.record(placed(number, &["kitchen", "erp"])).await.expect("recorded");
    }
    let outcomes = [Outcome::Delivered, Outcome::Retry { after: None }, Outcome::Misconfigured];
    for channel in ["kitchen", "erp"] {
        for (due, outcome) in due(&*store, channel, 10).await.into_iter().zip(outcomes.clone()) {
            let Claimed::Yes(attempt) = claim(&*store, due.id, 10).await else { panic!("it waits") };
            let step = match outcome {
                Outcome::Delivered => Step::Delivered,
                Outcome::Misconfigured => Step::Park { probe_at: at(600) },
                _ => Step::Wait { until: at(600), spends: false },
            };
            settle(&*store, due.id, attempt, outcome, step).await;
        }
    }
    let waiting = store.waiting().await.expect("readable");
    assert_eq!(waiting, [("erp".to_owned(), 2), ("kitchen".to_owned(), 2)]);
    store.probe_now("kitchen", at(20)).await.expect("to be tried");
    assert_eq!(
        due(&*store, "kitchen", 20).await.len(),
        1,
        "the one that waits for the setting, not the one that was refused"
    );
    assert!(due(&*store, "erp", 20).await.is_empty(), "another channel's setting has not changed");
    assert_eq!(due(&*store, "kitchen", 600).await.len(), 2);
    for (channel, known) in [("kitchen", true), ("nowhere", false)] {
        assert_eq!(store.knows_channel(channel).await.expect("readable"), known, "{channel}");
    }
}

pub async fn each_part_comes_back_byte_for_byte_until_it_is_delivered(place: Place) {
    let store = place.open(0).await;
    store.record(placed("1", &["mail"])).await.expect("recorded");
    let id = due(&*store, "mail", 0).await[0].id;
    // Two pieces for ten recipients each. The last bytes of the envelopes are alike in the midst of a character.
    let pieces = ["\0一 picture 图".repeat(4_000), "the rest 尾\r\n".repeat(3_000)];
    let envelope = |recipient: u32| char::from_u32(0x4e00 + 64 * recipient).expect("a character");
    let bodies = pieces.iter().flat_map(|piece| (0..10).map(move |to| format!("to {}{piece}", envelope(to))));
    let composed: Vec<Part> = bodies.zip(0..).map(|(body, index)| Part { index, form: PartForm::Full, body }).collect();
    let claimed =
        store.claim(Claim { composed: composed.clone(), ..again(&*store, id, 1).await }).await.expect("claiming");
    let Claimed::Yes(attempt) = claimed else { panic!("it may be made") };
    assert_eq!(due(&*store, "mail", 100).await[0].parts, composed);
    // The one with which the others go on is delivered and no more to send; and what is composed anew takes its place.
    let later = Step::Wait { until: at(50), spends: true };
    let whole = Some((Answer { outcome: Outcome::Retry { after: None }, detail: "said".to_owned() }, later));
    ended(&*store, Settle { whole, ..end(id, attempt, Step::Delivered) }).await;
    assert_eq!(due(&*store, "mail", 100).await[0].parts, composed[1..]);
    let marked: Vec<Part> =
        composed[1..].iter().map(|part| Part { body: format!("{} once more", part.body), ..part.clone() }).collect();
    store.claim(Claim { composed: marked.clone(), part: 1, ..again(&*store, id, 100).await }).await.expect("claiming");
    assert_eq!(due(&*store, "mail", 200).await[0].parts, marked);
}

pub async fn each_step_leads_where_it_should(place: Place) {
    let store = place.open(0).await;
    let retry = || Outcome::Retry { after: None };
    let cases = [
        (Outcome::Delivered, Step::Delivered, ("delivered", at(2), 0, PartForm::Full)),
        (retry(), Step::Wait { until: at(50), spends: true }, ("waiting", at(50), 1, PartForm::Full)),
        (retry(), Step::Wait { until: at(50), spends: false }, ("waiting", at(50), 0, PartForm::Full)),
        (Outcome::TooLong, Step::Recompose(PartForm::Halved(2)), ("waiting", at(2), 0, PartForm::Halved(2))),
        (Outcome::ContentRefused, Step::Recompose(PartForm::Reduced), ("waiting", at(2), 0, PartForm::Reduced)),
        (Outcome::Rejected, Step::Dead, ("dead", at(2), 0, PartForm::Full)),
        (Outcome::Misconfigured, Step::Park { probe_at: at(600) }, ("waiting", at(600), 0, PartForm::Full)),
    ];
    for (number, (outcome, step, expected)) in cases.into_iter().enumerate() {
        let channel = format!("channel {number}");
        let id = one(&*store, placed(&number.to_string(), &[&channel])).await;
        tried(&*store, id, 1, outcome, step.clone()).await;
        let (known, _) = store.load(vec![id], at(1000)).await.expect("reading");
        let (row, loaded) = (row(&*store, id).await, &known[0]);
        assert_eq!((row.state.as_str(), row.due_at, loaded.spent, loaded.form), expected, "{step:?}");
        assert_eq!((row.attempts, row.answer.as_deref()), (1, Some("said")), "{step:?}");
    }
    // Of several parts the last one counts.
    let id = one(&*store, placed("parts", &["parts"])).await;
    let part = |index| Part { index, form: PartForm::Full, body: format!("part {index}") };
    for index in [0, 1] {
        let composed = if index == 0 { vec![part(0), part(1)] } else { Vec::new() };
        let begun = attempt(&*store, Claim { composed, part: index, ..again(&*store, id, 1).await }).await;
        assert_eq!(row(&*store, id).await.state, "waiting", "part {index}");
        let last = Settle { part: index, more_parts: index == 0, ..end(id, begun, Step::Delivered) };
        ended(&*store, last).await;
        let (known, _) = store.load(vec![id], at(2)).await.expect("reading");
        let left: Vec<u16> = known[0].parts.iter().map(|part| part.index).collect();
        assert_eq!(left, [1][usize::from(index)..], "part {index}");
    }
    assert_eq!(row(&*store, id).await.state, "delivered");
}

pub async fn urgent_ones_come_first_and_which_they_are_may_change(place: Place) {
    let store = place.open(0).await;
    for number in 0..6 {
        let number = number.to_string();
        let record = if number.as_str() < "4" { placed(&number, &["kitchen"]) } else { urgent(&number, &["kitchen"]) };
        store.record(record).await.expect("recorded");
    }
    let orders = async |limit| {
        let batch = store.due_batch("kitchen", at(0), limit, false).await.expect("reading");
        let of = |urgent: bool| {
            let found = batch.candidates.iter().filter(move |candidate| candidate.urgent == urgent);
            found.map(|candidate| candidate.order_key.clone().expect("of an order")).collect::<Vec<_>>()
        };
        assert!(batch.candidates.is_sorted_by_key(|candidate| !candidate.urgent), "urgent ones first");
        (of(true), of(false))
    };
    let keys = |numbers: &[u8]| numbers.iter().map(|number| format!("s/{number}")).collect::<Vec<_>>();
    assert_eq!(orders(100).await, (keys(&[4, 5]), keys(&[0, 1, 2, 3])));
    assert_eq!(orders(1).await, (keys(&[4]), keys(&[0])), "at most so many of each");
    store.rank("kitchen", vec![Glob::new("order.*")]).await.expect("ranked");
    assert_eq!(orders(100).await, (keys(&[0, 1, 2, 3, 4, 5]), Vec::new()));
    store.rank("kitchen", vec![Glob::new("stock.*")]).await.expect("ranked");
    assert_eq!(orders(100).await, (Vec::new(), keys(&[0, 1, 2, 3, 4, 5])));
    // Said again, also after a restart, it changes nothing; said of another channel, nothing here.
    store.close().await;
    let store = place.open(0).await;
    for channel in ["kitchen", "office"] {
        store.rank(channel, vec![Glob::new("stock.*")]).await.expect("ranked");
    }
    store.rank("office", vec![Glob::new("order.*")]).await.expect("ranked");
    let batch = store.due_batch("kitchen", at(0), 100, false).await.expect("reading");
    assert!(batch.candidates.iter().all(|candidate| !candidate.urgent));
}

pub async fn quiet_hours_hold_what_does_not_pass_them_and_let_go_when_they_change(place: Place) {
    let store = place.open(0).await;
    let held = one(&*store, placed("1", &["kitchen"])).await;
    let accepted = event(Kind::OrderAccepted, "2", OrderState::Accepted, 0, "1002:2", &["kitchen"]);
    let passing = one(&*store, accepted).await;
    let time = |text: &str| text.parse().expect("a time");
    let quiet =
        Quiet { from: time("23:00"), to: time("07:00"), except: vec![Glob::new("order.accepted")], hold: Vec::new() };
    let going = store.hold(vec![held, passing], (quiet.clone(), at(500)), at(1)).await.expect("held");
    assert_eq!(going, [passing]);
    let waiting = async |now| due(&*store, "kitchen", now).await.iter().map(|due| due.id).collect::<Vec<_>>();
    assert_eq!(waiting(499).await, [passing]);
    assert_eq!(waiting(500).await.len(), 2, "their end has come");
    store.release_held("kitchen", Some((quiet.clone(), at(500))), at(2)).await.expect("released");
    assert_eq!(waiting(2).await, [passing], "they are as they were");
    store.release_held("kitchen", Some((quiet, at(400))), at(3)).await.expect("released");
    assert_eq!(waiting(3).await.len(), 2, "they end at another time, so it is judged anew");
    let batch = store.due_batch("kitchen", at(3), 100, false).await.expect("reading");
    let was_held = |id: DeliveryId| batch.candidates.iter().any(|candidate| candidate.id == id && candidate.held);
    assert!(was_held(held) && !was_held(passing));
}
