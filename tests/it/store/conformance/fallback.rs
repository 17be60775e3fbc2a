//! Another channel in the place of one that cannot be reached.

use futures_util::future::join_all;
use orderbell::domain::event::Kind;
use orderbell::domain::fallback::CatchUp;
use orderbell::domain::glob::Glob;
use orderbell::domain::order::OrderState;
use orderbell::domain::quiet::Quiet;
use orderbell::domain::retry::{Answer, Outcome, Step};
use orderbell::store::history::change::{ChangeRequest, Meant};
use orderbell::store::ingest::Record;
use orderbell::store::queue::attempt::{Claimed, Fallback, Settle};
use orderbell::store::queue::pending::PendingDelivery;

use crate::store::conformance::place::Place;
use crate::store::conformance::scene::{
    at, claim, due, end, ended, event, one, placed, row, settle, states, tried, urgent,
};

fn to_owner(catch_up: CatchUp) -> Fallback {
    Fallback { channel: "kitchen".to_owned(), to: "owner".to_owned(), catch_up }
}

pub async fn the_fallback_of_a_parked_channel_gets_what_is_urgent_once_and_its_acceptance_counts(place: Place) {
    let store = place.open(0).await;
    let refused = one(&*store, urgent("1", &["kitchen"])).await;
    let ordinary = one(&*store, placed("2", &["kitchen"])).await;
    let wanted = async |now| store.wants_fallback("kitchen", at(0), at(now), None).await.expect("reading");
    assert!(!wanted(1).await, "nothing was tried");
    tried(&*store, refused, 1, Outcome::Misconfigured, Step::Park { probe_at: at(600) }).await;
    assert!(wanted(3).await);
    let ask = async || store.fall_back(to_owner(CatchUp::Never), at(0), at(3), None).await.expect("asked");
    assert_eq!((ask().await, ask().await), (1, 0), "once");
    assert!(!wanted(3).await);
    let owner = due(&*store, "owner", 3).await;
    let [stand_in] = owner.as_slice() else { panic!("one is due: {owner:?}") };
    assert_eq!(stand_in.unreached[0].channel, "kitchen");
    let stand_in = stand_in.id;
    tried(&*store, stand_in, 3, Outcome::Delivered, Step::Delivered).await;
    store.settle_fallback("kitchen", at(4)).await.expect("settled");
    let rows = [row(&*store, refused).await, row(&*store, ordinary).await];
    assert_eq!(
        rows.map(|row| (row.state, row.digest)),
        [("merged".to_owned(), Some(stand_in)), ("waiting".to_owned(), None)]
    );
}

pub async fn behind_hundreds_that_quiet_hours_hold_what_passes_them_is_found(place: Place) {
    let store = place.open(0).await;
    let refused = one(&*store, urgent("0", &["kitchen"])).await;
    tried(&*store, refused, 1, Outcome::Misconfigured, Step::Park { probe_at: at(600) }).await;
    let held = (1..450).map(|number| store.record(urgent(&number.to_string(), &["kitchen"])));
    for recorded in join_all(held).await {
        recorded.expect("recorded");
    }
    let time = |text: &str| text.parse().expect("a time");
    let quiet =
        Quiet { from: time("23:00"), to: time("07:00"), except: vec![Glob::new("order.accepted")], hold: Vec::new() };
    let wanted = async || store.wants_fallback("kitchen", at(0), at(3), Some(quiet.clone())).await.expect("reading");
    assert!(!wanted().await, "all that waits is held");
    let accepted = event(Kind::OrderAccepted, "0", OrderState::Accepted, 2, "1002:0", &["kitchen"]);
    let passing = one(&*store, Record { urgent: vec!["kitchen".to_owned()], ..accepted }).await;
    assert!(wanted().await);
    let asked = store.fall_back(to_owner(CatchUp::Never), at(0), at(3), Some(quiet.clone())).await.expect("asked");
    let owner = due(&*store, "owner", 3).await;
    assert_eq!((asked, owner.len(), owner[0].event.kind.clone()), (1, 1, Kind::OrderAccepted), "{passing}");
    assert_eq!(store.fall_back(to_owner(CatchUp::Never), at(0), at(3), None).await.expect("asked"), 100, "a step");
}

pub async fn a_channel_catches_up_with_what_its_fallback_was_sent(place: Place) {
    let store = place.open(0).await;
    let id = one(&*store, urgent("1", &["kitchen"])).await;
    tried(&*store, id, 1, Outcome::Misconfigured, Step::Park { probe_at: at(600) }).await;
    assert_eq!(store.fall_back(to_owner(CatchUp::Digest), at(0), at(3), None).await.expect("asked"), 1);
    let to_catch_up = async || store.to_catch_up("kitchen", 10).await.expect("reading");
    assert!(to_catch_up().await.is_empty(), "the fallback has not taken it yet");
    let owner = due(&*store, "owner", 3).await[0].id;
    tried(&*store, owner, 3, Outcome::Delivered, Step::Delivered).await;
    assert_eq!(to_catch_up().await, [(id, Kind::OrderPlaced, Some("s/1".to_owned()))]);
    let (known, _) = store.load(vec![id], at(700)).await.expect("reading");
    assert_eq!(known[0].meanwhile, ["owner"]);
    tried(&*store, id, 700, Outcome::Delivered, Step::Delivered).await;
    assert!(to_catch_up().await.is_empty());
}

pub async fn what_a_person_asks_for_once_more_goes_out_though_a_fallback_was_sent_it(place: Place) {
    let store = place.open(0).await;
    store.record(placed("1", &["kitchen"])).await.expect("recorded");
    let kitchen = due(&*store, "kitchen", 0).await[0].id;
    let Claimed::Yes(attempt) = claim(&*store, kitchen, 0).await else { panic!("nobody has it") };
    let fallback = Fallback { channel: "kitchen".to_owned(), to: "owner".to_owned(), catch_up: CatchUp::Never };
    let answer = Answer { outcome: Outcome::Rejected, detail: "no".to_owned() };
    let dead = Settle { fallback: Some(fallback), answer, ..end(kitchen, attempt, Step::Dead) };
    ended(&*store, dead).await;
    let owner = due(&*store, "owner", 2).await[0].id;
    let Claimed::Yes(attempt) = claim(&*store, owner, 2).await else { panic!("nobody has it") };
    settle(&*store, owner, attempt, Outcome::Delivered, Step::Delivered).await;
    let changes = place.open_beside().await;
    for (channel, delivery) in [("kitchen", kitchen), ("owner", owner)] {
        changes.make_changes(ChangeRequest::Redeliver, &[Meant::Delivery(delivery)], at(5)).await.expect("changed");
        store.settle_fallback("kitchen", at(6)).await.expect("changed");
        assert_eq!(due(&*store, channel, 6).await.len(), 1, "{channel} is to get it once more");
        let Claimed::Yes(attempt) = claim(&*store, delivery, 6).await else { panic!("nobody has it") };
        // What stands in for the other one is called off only while nobody asks for it.
        settle(&*store, delivery, attempt, Outcome::Retry { after: None }, Step::Wait { until: at(7), spends: true })
            .await;
        assert_eq!(due(&*store, channel, 8).await.len(), 1, "{channel} still is");
        let Claimed::Yes(attempt) = claim(&*store, delivery, 8).await else { panic!("nobody has it") };
        settle(&*store, delivery, attempt, Outcome::Delivered, Step::Delivered).await;
    }
    assert_eq!(states(&*store).await, [("delivered".to_owned(), 3), ("delivered".to_owned(), 3)]);
}

pub async fn who_has_got_a_message_before_it_was_asked_for_once_more_does_not_make_it_delivered(place: Place) {
    let store = place.open(0).await;
    store.record(placed("1", &["owner"])).await.expect("recorded");
    let mail = due(&*store, "owner", 0).await[0].id;
    for outcome in [Outcome::Full, Outcome::Delivered] {
        let Claimed::Yes(attempt) = claim(&*store, mail, 0).await else { panic!("nobody has it") };
        settle(&*store, mail, attempt, outcome, Step::Wait { until: at(5), spends: false }).await;
    }
    let (hours, stands) = (6 * 3600, |due: &PendingDelivery| (due.accepted, due.late.clone()));
    assert_eq!(stands(&due(&*store, "owner", hours).await[0]), (true, vec![0]));
    let changes = place.open_beside().await;
    changes.make_changes(ChangeRequest::Redeliver, &[Meant::Delivery(mail)], at(hours)).await.expect("changed");
    assert_eq!(stands(&due(&*store, "owner", hours).await[0]), (false, Vec::new()));
}
