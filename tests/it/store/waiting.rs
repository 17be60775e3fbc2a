//! What waits: for a setting, for a fallback, or for a person who asks for it once more.

use orderbell::domain::fallback::CatchUp;
use orderbell::domain::message::PartForm;
use orderbell::domain::retry::{Answer, Outcome, Step};
use orderbell::store::history::change::{ChangeRequest, Meant};
use orderbell::store::queue::attempt::{Claim, Claimed, Fallback, Settle};
use orderbell::store::queue::pending::PendingDelivery;

use crate::store::{at, begin, claim, due, end, open, placed, settle, states};
use crate::support::stores;

#[tokio::test]
async fn what_waits_is_known_by_channel_and_a_mended_setting_makes_it_due() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    for number in ["1", "2", "3"] {
        store.record(placed(number, &["kitchen", "erp"])).await.expect("recorded");
    }
    let outcomes = [Outcome::Delivered, Outcome::Retry { after: None }, Outcome::Misconfigured];
    for channel in ["kitchen", "erp"] {
        for (due, outcome) in due(&store, channel, 10).await.into_iter().zip(outcomes.clone()) {
            let Claimed::Yes(attempt) = claim(&store, due.id, 10).await else { panic!("it waits") };
            let step = match outcome {
                Outcome::Delivered => Step::Delivered,
                Outcome::Misconfigured => Step::Park { probe_at: at(600) },
                _ => Step::Wait { until: at(600), spends: false },
            };
            settle(&store, due.id, attempt, outcome, step).await;
        }
    }
    let waiting = store.waiting().await.expect("readable");
    assert_eq!(waiting, [("erp".to_owned(), 2), ("kitchen".to_owned(), 2)]);
    store.probe_now("kitchen", at(20)).await.expect("to be tried");
    assert_eq!(
        due(&store, "kitchen", 20).await.len(),
        1,
        "the one that waits for the setting, not the one that was refused"
    );
    assert!(due(&store, "erp", 20).await.is_empty(), "another channel's setting has not changed");
    assert_eq!(due(&store, "kitchen", 600).await.len(), 2);
    for (channel, known) in [("kitchen", true), ("nowhere", false)] {
        assert_eq!(store.knows_channel(channel).await.expect("readable"), known, "{channel}");
    }
}

#[tokio::test]
async fn what_was_tried_and_then_carried_has_another_key_when_it_goes_by_itself_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    for number in ["1", "2", "3"] {
        store.record(placed(number, &["kitchen"])).await.expect("recorded");
    }
    let [tried, fresh, leader] = due(&store, "kitchen", 0).await.try_into().expect("three deliveries");
    let [tried, fresh, leader] = [tried.id, fresh.id, leader.id];
    let later = |seconds| Step::Wait { until: at(seconds), spends: true };
    let Claimed::Yes(attempt) = claim(&store, tried, 0).await else { panic!("nobody has it") };
    settle(&store, tried, attempt, Outcome::Retry { after: None }, later(5)).await;
    let shared = Claim { carries: vec![tried, fresh], ..begin(leader, 5) };
    let Claimed::Yes(attempt) = store.claim(shared).await.expect("claiming") else { panic!("nobody has them") };
    settle(&store, leader, attempt, Outcome::TooLong, Step::Recompose(PartForm::Halved(1))).await;
    let shorter = Claim { released: vec![tried, fresh], form: PartForm::Halved(1), attempts: 1, ..begin(leader, 10) };
    assert!(matches!(store.claim(shorter).await.expect("claiming"), Claimed::Yes(_)));
    let (known, _) = store.load(vec![tried, fresh], at(10)).await.expect("reading");
    let rounds: Vec<u32> = known.iter().map(|due| due.round).collect();
    assert_eq!(rounds, [1, 0], "the bytes that were sent under the first key are gone");
    assert!(known.iter().all(|due| due.parts.is_empty()));
}

#[tokio::test]
async fn what_a_person_asks_for_once_more_goes_out_though_a_fallback_was_sent_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    store.record(placed("1", &["kitchen"])).await.expect("recorded");
    let kitchen = due(&store, "kitchen", 0).await[0].id;
    let Claimed::Yes(attempt) = claim(&store, kitchen, 0).await else { panic!("nobody has it") };
    let fallback = Fallback { channel: "kitchen".to_owned(), to: "owner".to_owned(), catch_up: CatchUp::Never };
    let answer = Answer { outcome: Outcome::Rejected, detail: "no".to_owned() };
    let dead = Settle { fallback: Some(fallback), answer, ..end(kitchen, attempt, Step::Dead) };
    store.settle(dead).await.expect("settling");
    let owner = due(&store, "owner", 2).await[0].id;
    let Claimed::Yes(attempt) = claim(&store, owner, 2).await else { panic!("nobody has it") };
    settle(&store, owner, attempt, Outcome::Delivered, Step::Delivered).await;
    let changes = stores::open_beside(&folder.path().join("bell.db")).expect("the store");
    for (channel, delivery) in [("kitchen", kitchen), ("owner", owner)] {
        changes.make_changes(ChangeRequest::Redeliver, &[Meant::Delivery(delivery)], at(5)).await.expect("changed");
        store.settle_fallback("kitchen", at(6)).await.expect("changed");
        assert_eq!(due(&store, channel, 6).await.len(), 1, "{channel} is to get it once more");
        let Claimed::Yes(attempt) = claim(&store, delivery, 6).await else { panic!("nobody has it") };
        // What stands in for the other one is called off only while nobody asks for it.
        settle(&store, delivery, attempt, Outcome::Retry { after: None }, Step::Wait { until: at(7), spends: true })
            .await;
        assert_eq!(due(&store, channel, 8).await.len(), 1, "{channel} still is");
        let Claimed::Yes(attempt) = claim(&store, delivery, 8).await else { panic!("nobody has it") };
        settle(&store, delivery, attempt, Outcome::Delivered, Step::Delivered).await;
    }
    assert_eq!(states(&store).await, [("delivered".to_owned(), 3), ("delivered".to_owned(), 3)]);
}

#[tokio::test]
async fn who_has_got_a_message_before_it_was_asked_for_once_more_does_not_make_it_delivered() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    store.record(placed("1", &["owner"])).await.expect("recorded");
    let mail = due(&store, "owner", 0).await[0].id;
    for outcome in [Outcome::Full, Outcome::Delivered] {
        let Claimed::Yes(attempt) = claim(&store, mail, 0).await else { panic!("nobody has it") };
        settle(&store, mail, attempt, outcome, Step::Wait { until: at(5), spends: false }).await;
    }
    let (hours, stands) = (6 * 3600, |due: &PendingDelivery| (due.accepted, due.late.clone()));
    assert_eq!(stands(&due(&store, "owner", hours).await[0]), (true, vec![0]));
    let changes = stores::open_beside(&folder.path().join("bell.db")).expect("the store");
    changes.make_changes(ChangeRequest::Redeliver, &[Meant::Delivery(mail)], at(hours)).await.expect("changed");
    assert_eq!(stands(&due(&store, "owner", hours).await[0]), (false, Vec::new()));
}
