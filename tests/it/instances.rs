//! Several instances on one store: each credential is worked by one at a time, and taken over when that one is gone.

mod command;
mod leases;
mod mail;
mod moved_robot;
mod scene;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use orderbell::domain::report::settings::ReportSettings;
use orderbell::flow::Current;
use orderbell::flow::notifier::Notifier;
use orderbell::flow::reports::ReportMaker;
use orderbell::flow::routing::RoutingSnapshot;

use crate::instances::scene::{House, OneInstance, Sent};

/// Longer than any lease here.
const A_LEASE_S: i64 = 36;

fn shares(pairs: &[(&str, usize)]) -> BTreeMap<String, usize> {
    pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[tokio::test]
async fn a_channel_is_worked_by_one_instance_at_a_time() {
    let mut house = House::new();
    let (one, two) = (house.instance("one", &["erp"]), house.instance("two", &["erp"]));
    for _ in 0..3 {
        one.look().await;
        two.look().await;
    }
    assert_eq!(house.holders()["erp"], "one");
    for _ in 0..6 {
        house.order(&["erp"]).await;
    }
    for _ in 0..6 {
        let sent = house.next(&[&one, &two]).await;
        assert_eq!(sent, Sent { instance: "one".to_owned(), channel: "erp".to_owned() });
    }
}

#[tokio::test]
async fn channels_spread_over_the_instances_and_nothing_moves_that_need_not() {
    let channels = ["a", "b", "c", "d"];
    let mut house = House::new();
    let one = house.instance("one", &channels);
    one.look().await;
    assert_eq!(house.shares(), shares(&[("one", 4)]));
    let two = house.instance("two", &channels);
    two.look().await;
    one.look().await;
    one.settle().await;
    two.look().await;
    assert_eq!(house.shares(), shares(&[("one", 2), ("two", 2)]));
    let acquired = house.table.acquired();
    for _ in 0..5 {
        house.wait(2);
        one.look().await;
        two.look().await;
    }
    assert_eq!(house.table.acquired(), acquired, "it is at rest");
    house.order(&channels).await;
    let mut sent = Vec::new();
    for _ in channels {
        sent.push(house.next(&[&one, &two]).await);
    }
    let holders = house.holders();
    assert!(sent.iter().all(|sent| holders[&sent.channel] == sent.instance), "{sent:?}");
    two.end().await;
    one.look().await;
    assert_eq!(house.shares(), shares(&[("one", 4)]), "who ends properly leaves its leases at once");
}

#[tokio::test]
async fn a_hundred_credentials_are_acquired_and_renewed_by_one_change_each() {
    let names: Vec<String> = (0..100).map(|number| format!("channel-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let house = House::new();
    let one = house.instance("one", &names);
    one.look().await;
    assert_eq!(house.shares(), shares(&[("one", 100)]));
    assert_eq!(one.leases.changes(), 3, "it is announced, acquires them, and leads");
    house.wait(20);
    one.look().await;
    assert_eq!(one.leases.changes(), 3, "it is announced, renews them, and leads on");
}

#[tokio::test]
async fn what_an_instance_that_is_gone_was_sending_is_sent_by_another_when_its_lease_has_ended() {
    let mut house = House::new();
    let (one, two) = (house.instance("one", &["erp"]), house.instance("two", &["erp"]));
    one.look().await;
    one.is_silent.store(true, Ordering::Release);
    house.order(&["erp"]).await;
    assert_eq!(house.next(&[&one]).await.instance, "one");
    house.wait(A_LEASE_S - 2);
    two.look().await;
    assert_eq!(house.holders()["erp"], "one", "its lease runs");
    house.wait(2);
    two.look().await;
    assert_eq!(house.next(&[&two]).await.instance, "two");
    let history = house.store.deliveries(None).await.expect("reading");
    assert_eq!(history[0].attempts, 2, "the first one counts as one whose answer is lost");
    assert!(!house.has_more());
}

#[tokio::test]
async fn one_that_cannot_renew_its_leases_sends_nothing_once_they_are_short_of_the_time_out() {
    let mut house = House::new();
    let (one, two) = (house.instance("one", &["erp", "shop"]), house.instance("two", &["erp", "shop"]));
    one.look().await;
    house.order(&["erp"]).await;
    assert_eq!(house.next(&[&one]).await.channel, "erp");
    one.leases.is_cut.store(true, Ordering::Release);
    // From here on the lease runs for less than the 15 seconds that a send may take.
    house.wait(20);
    house.order(&["erp"]).await;
    house.wait(A_LEASE_S - 20);
    two.look().await;
    assert_eq!(house.shares(), shares(&[("two", 2)]));
    assert_eq!(house.next(&[&one, &two]).await.instance, "two");
    // It learns that it was away, and works none.
    one.leases.is_cut.store(false, Ordering::Release);
    one.look().await;
    house.order(&["shop"]).await;
    assert_eq!(house.next(&[&one, &two]).await.instance, "two");
    assert!(!house.has_more());
}

#[tokio::test]
async fn a_message_whose_lease_ends_while_its_attempt_is_begun_is_not_sent_and_uses_up_no_step() {
    let mut house = House::new();
    let one = house.instance("one", &["erp"]);
    one.look().await;
    one.claim_takes_s.store(A_LEASE_S - 2, Ordering::Release);
    house.order(&["erp"]).await;
    one.wake();
    let row = house.until(|row| row.answer.is_some()).await;
    assert_eq!(row.answer.as_deref(), Some("the lease of the channel ended before the message was sent"));
    assert_eq!((row.state.as_str(), row.due_at), ("waiting", house.now()));
    assert!(!house.has_more(), "it was not sent");
    let (known, _) = house.store.load(vec![row.id], house.now()).await.expect("reading");
    assert_eq!(known[0].spent, 0);
    // The lease has not ended by the database's clock; it is renewed, and the message goes out at once.
    one.look().await;
    assert_eq!(house.next(&[&one]).await.instance, "one");
    house.until(|row| row.state == "delivered").await;
}

#[tokio::test]
async fn a_send_that_is_never_answered_ends_with_its_lease() {
    let mut house = House::new();
    let one = house.instance("one", &["erp"]);
    one.look().await;
    one.is_silent.store(true, Ordering::Release);
    house.order(&["erp"]).await;
    house.next(&[&one]).await;
    house.wait(A_LEASE_S);
    let row = house.until(|row| row.answer.is_some()).await;
    assert_eq!(row.answer.as_deref(), Some("the lease of the channel ended before the answer came"));
}

#[tokio::test]
async fn one_instance_leads_and_another_does_when_it_is_gone() {
    let house = House::new();
    let (one, two) = (house.instance("one", &["erp"]), house.instance("two", &["erp"]));
    let leads = |house: &House| {
        let elapsed = house.now().duration_since(crate::store::conformance::scene::at(0));
        [&one, &two].map(|instance| instance.keeper.leadership.leads(elapsed))
    };
    assert_eq!(leads(&house), [false, false]);
    one.look().await;
    two.look().await;
    assert_eq!(leads(&house), [true, false]);
    for _ in 0..4 {
        house.wait(10);
        one.look().await;
        two.look().await;
        assert_eq!(leads(&house), [true, false], "as long as it renews its lease");
    }
    house.wait(20);
    assert_eq!(leads(&house), [false, false], "it does not know whether another one does");
    two.look().await;
    one.look().await;
    assert_eq!(leads(&house), [false, true]);
}

#[tokio::test]
async fn the_leader_alone_makes_reports_and_goes_on_from_where_the_one_before_was() {
    let house = House::new();
    let (one, two) = (house.instance("one", &["erp"]), house.instance("two", &["erp"]));
    let report = "at = '09:00'\nto = ['erp']\ntimezone = 'UTC'";
    let reports = BTreeMap::from([("daily".to_owned(), toml::from_str::<ReportSettings>(report).expect("a report"))]);
    let routing = Current::new(RoutingSnapshot { reports, ..RoutingSnapshot::default() });
    let maker = |instance: &OneInstance| {
        let (store, leadership) = (house.store.clone(), instance.keeper.leadership.clone());
        ReportMaker::new(store, routing.clone(), Notifier::default(), leadership, instance.keeper.clock.clone())
    };
    let (mut first, mut second) = (maker(&one), maker(&two));
    one.look().await;
    two.look().await;
    second.look().await;
    assert_eq!(house.store.report_past("daily").await.expect("reading").covered, None, "it does not lead");
    first.look().await;
    let begun = house.store.report_past("daily").await.expect("reading").covered.expect("it leads");
    // A day later the other one leads.
    house.wait(24 * 3_600);
    two.look().await;
    one.look().await;
    first.look().await;
    assert_eq!(house.store.report_past("daily").await.expect("reading").covered, Some(begun), "it leads no more");
    second.look().await;
    let covered = house.store.report_past("daily").await.expect("reading").covered;
    assert_eq!(covered, begun.tomorrow().ok());
}
