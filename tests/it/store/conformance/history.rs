//! What is remembered, and what a person changes of it.

use orderbell::domain::event::{DeliveryId, Kind};
use orderbell::domain::order::OrderState;
use orderbell::domain::retry::{Outcome, Step};
use orderbell::store::Store;
use orderbell::store::history::change::{Applied, ChangeRequest, Meant, Obstacle};
use orderbell::store::history::found::{HistoryAnswer, Question};
use orderbell::store::queue::attempt::Claim;

use crate::store::conformance::place::Place;
use crate::store::conformance::scene::{again, at, attempt, due, event, one, placed, row, settle, tried};

async fn changed(
    store: &dyn Store,
    request: ChangeRequest,
    delivery: DeliveryId,
    now: i64,
) -> Result<Applied, Obstacle> {
    let made = store.make_changes(request, &[Meant::Delivery(delivery)], at(now)).await.expect("changed");
    made.into_iter().next().expect("one result").result
}

pub async fn a_delivery_is_cancelled_unless_it_has_arrived(place: Place) {
    let store = place.open(0).await;
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(one(&*store, placed(&number.to_string(), &["kitchen"])).await);
    }
    let [waiting, delivered, under_way, leader, member, dead] = ids[..] else { panic!("six") };
    tried(&*store, delivered, 1, Outcome::Delivered, Step::Delivered).await;
    tried(&*store, dead, 1, Outcome::Rejected, Step::Dead).await;
    attempt(&*store, again(&*store, under_way, 10).await).await;
    let begun = attempt(&*store, Claim { carries: vec![member], ..again(&*store, leader, 10).await }).await;

    // As a command does, beside the daemon.
    let beside = place.open_beside().await;
    let cancelled = async |id| changed(&*beside, ChangeRequest::Cancel, id, 20).await;
    assert_eq!(cancelled(waiting).await, Ok(Applied::Plainly));
    assert_eq!(cancelled(waiting).await, Ok(Applied::Already));
    assert_eq!(cancelled(dead).await, Ok(Applied::Plainly));
    assert_eq!(cancelled(delivered).await, Err(Obstacle::Delivered(at(2))));
    assert_eq!(cancelled(under_way).await, Ok(Applied::WhileUnderWay));
    assert_eq!(cancelled(leader).await, Err(Obstacle::UnderWay), "the others may be arriving with it");
    settle(&*store, leader, begun, Outcome::Retry { after: None }, Step::Wait { until: at(50), spends: true }).await;
    assert_eq!(cancelled(leader).await, Ok(Applied::Releasing(1)));
    assert_eq!(cancelled(DeliveryId(uuid::Uuid::now_v7())).await, Err(Obstacle::Unknown));
    assert_eq!(due(&*store, "kitchen", 20).await.iter().map(|due| due.id).collect::<Vec<_>>(), [member]);
    for id in [waiting, under_way, leader, dead] {
        assert_eq!(row(&*store, id).await.state, "cancelled");
    }
}

pub async fn a_delivery_is_sent_once_more_unless_it_is_under_way(place: Place) {
    let store = place.open(0).await;
    let mut ids = Vec::new();
    for number in 0..4 {
        ids.push(one(&*store, placed(&number.to_string(), &["kitchen"])).await);
    }
    let [delivered, dead, leader, member] = ids[..] else { panic!("four") };
    tried(&*store, delivered, 1, Outcome::Delivered, Step::Delivered).await;
    tried(&*store, dead, 1, Outcome::Rejected, Step::Dead).await;
    let begun = attempt(&*store, Claim { carries: vec![member], ..again(&*store, leader, 10).await }).await;
    let beside = place.open_beside().await;
    let again = async |id| changed(&*beside, ChangeRequest::Redeliver, id, 20).await;
    assert_eq!(again(leader).await, Err(Obstacle::UnderWay));
    settle(&*store, leader, begun, Outcome::Retry { after: None }, Step::Wait { until: at(50), spends: true }).await;
    assert_eq!(again(member).await, Err(Obstacle::Inside(leader)));
    for id in [delivered, dead] {
        assert_eq!(again(id).await, Ok(Applied::Plainly));
        let (known, _) = store.load(vec![id], at(20)).await.expect("reading");
        assert_eq!((known[0].round, known[0].spent, known[0].parts.len()), (1, 0, 0), "composed anew");
    }
    assert_eq!(due(&*store, "kitchen", 20).await.len(), 2);
    assert_eq!(again(leader).await, Ok(Applied::Releasing(1)));
    assert_eq!(due(&*store, "kitchen", 20).await.len(), 4);
}

pub async fn a_name_means_a_delivery_by_its_id_or_those_of_an_order(place: Place) {
    let store = place.open(0).await;
    let id = |text: &str| DeliveryId(text.parse().expect("an id"));
    let [first, second] = [id("01aaaaaa-1111-7000-8000-000000000001"), id("01aaaaaa-1122-7000-8000-000000000002")];
    let mut record = placed("7", &["kitchen", "owner"]);
    record.targets[0].1 = first;
    record.targets[1].1 = second;
    let event = record.event.id;
    store.record(record).await.expect("recorded");
    let meant = async |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        store.resolve(ChangeRequest::Cancel, &names).await.expect("reading")
    };
    let obstacle = async |name: &str| match meant(&[name]).await.remove(0) {
        Meant::Settled(settled) => settled.result.expect_err("an obstacle"),
        Meant::Delivery(id) => panic!("{name} is {id}"),
    };
    let both = [Meant::Delivery(first), Meant::Delivery(second)];
    assert_eq!(meant(&["7"]).await, both);
    assert_eq!(meant(&["01AAAAAA-112", "s/7", "01aaaaaa1111"]).await.len(), 2, "each once");
    assert_eq!(meant(&["01aaaaaa-11 1"]).await.len(), 1);
    assert!(matches!(obstacle("01aaaaaa").await, Obstacle::Ambiguous(both) if both.len() == 2));
    assert_eq!(obstacle("01aaaaa").await, Obstacle::NoId);
    assert_eq!(obstacle("01bbbbbb").await, Obstacle::Unknown);
    assert_eq!(obstacle(&event.to_string()).await, Obstacle::IsEvent);
    let rows = store.deliveries(None).await.expect("reading");
    let names = store.short_names(&rows).await.expect("reading");
    let names: Vec<_> = names.iter().map(|name| (name.id.as_str(), name.order.as_deref())).collect();
    assert_eq!(names, [("01aaaaaa-111", Some("7")), ("01aaaaaa-112", Some("7"))]);
}

pub async fn the_dead_are_sent_once_more_and_what_lives_is_left_alone(place: Place) {
    let store = place.open(0).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        let channel = if number < 3 { "kitchen" } else { "owner" };
        let id = one(&*store, placed(&number.to_string(), &[channel])).await;
        if number > 0 {
            tried(&*store, id, 1, Outcome::Rejected, Step::Dead).await;
        }
        ids.push(id);
    }
    assert_eq!(store.dead(Some("kitchen")).await.expect("reading"), ids[1..3], "in the sequence of their making");
    assert_eq!(store.dead(None).await.expect("reading"), ids[1..]);
    assert_eq!(changed(&*store, ChangeRequest::Cancel, ids[1], 3).await, Ok(Applied::Plainly));
    assert_eq!(store.revive(&ids, at(5)).await.expect("revived"), 3, "one lives, and one is dead no more");
    assert!(store.dead(None).await.expect("reading").is_empty());
    assert_eq!(row(&*store, ids[1]).await.state, "cancelled");
    let (known, _) = store.load(vec![ids[0], ids[2]], at(5)).await.expect("reading");
    assert_eq!(known.iter().map(|due| due.round).collect::<Vec<_>>(), [0, 1]);
}

pub async fn an_order_is_remembered_with_its_events_deliveries_and_attempts(place: Place) {
    let store = place.open(0).await;
    let id = one(&*store, placed("7", &["kitchen"])).await;
    store.record(placed("7", &["kitchen"])).await.expect("recorded");
    let accepted = event(Kind::OrderAccepted, "7", OrderState::Accepted, 9, "1002:7", &[]);
    store.record(accepted).await.expect("recorded");
    tried(&*store, id, 1, Outcome::Retry { after: None }, Step::Wait { until: at(50), spends: true }).await;
    let asked = async |asked: &str| {
        let question = Question { asked: asked.to_owned(), sources: Vec::new(), around: None, limit: 5 };
        store.history(question).await.expect("reading").found
    };
    let HistoryAnswer::Orders { orders, more: 0 } = asked("#7").await else { panic!("one order") };
    let [order] = orders.as_slice() else { panic!("one order: {orders:?}") };
    assert_eq!(order.order.as_ref().map(|order| order.state), Some(OrderState::Accepted));
    let events: Vec<_> = order.events.iter().map(|event| (event.event.kind.clone(), event.repeats)).collect();
    assert_eq!(events, [(Kind::OrderPlaced, 1), (Kind::OrderAccepted, 0)]);
    let delivery = &order.events[0].deliveries[0];
    assert_eq!((delivery.id, delivery.attempts, delivery.answer.as_deref()), (id, 1, Some("said")));
    let tries: Vec<_> =
        delivery.tries.iter().map(|tried| (tried.at, tried.ended_at, tried.outcome.as_deref())).collect();
    assert_eq!(tries, [(at(1), Some(at(2)), Some("retry"))]);
    assert!(matches!(asked(&id.to_string()).await, HistoryAnswer::Delivery(_)));
    assert!(matches!(asked("s").await, HistoryAnswer::Source(_)));
    assert!(matches!(asked("8").await, HistoryAnswer::Nothing));
}
