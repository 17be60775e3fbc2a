//! Lists of deliveries, page by page, and what each filter lets through.

use orderbell::domain::event::Kind;
use orderbell::domain::glob::Glob;
use orderbell::domain::order::OrderState;
use orderbell::domain::retry::{Outcome, Step};
use orderbell::store::history::list::{DeliveryFilter, Start};

use crate::store::conformance::place::Place;
use crate::store::conformance::scene::{at, event, one, placed, tried};

pub async fn lists_of_any_length_are_read_page_by_page_from_the_newest_so_many(place: Place) {
    let store = place.open(0).await;
    let mut ids = Vec::new();
    for number in 0..25 {
        ids.push(one(&*store, placed(&number.to_string(), &["kitchen"])).await);
    }
    let all = DeliveryFilter::default();
    assert_eq!(store.count(all.clone()).await.expect("reading"), 25);
    for (newest, first) in [(1, Some(ids[24])), (7, Some(ids[18])), (25, Some(ids[0])), (26, None)] {
        assert_eq!(store.first_of_newest(all.clone(), newest).await.expect("reading"), first, "{newest}");
    }
    let (mut read, mut start) = (Vec::new(), Start::Beginning);
    loop {
        let page = store.page(all.clone(), start, 10).await.expect("reading");
        assert!(page.len() <= 10);
        let Some(last) = page.last() else { break };
        start = Start::After(last.id);
        read.extend(page.iter().map(|row| row.id));
    }
    assert_eq!(read, ids);
    let page = store.page(all, Start::At(ids[20]), 3).await.expect("reading");
    assert_eq!(page.iter().map(|row| row.id).collect::<Vec<_>>(), ids[20..23]);
}

pub async fn a_list_has_what_every_filter_lets_through(place: Place) {
    let store = place.open(0).await;
    for number in 0..6 {
        let channel = if number < 4 { "kitchen" } else { "owner" };
        let id = one(&*store, placed(&number.to_string(), &[channel])).await;
        if number % 2 == 0 {
            tried(&*store, id, 1, Outcome::Rejected, Step::Dead).await;
        }
    }
    let accepted = event(Kind::OrderAccepted, "0", OrderState::Accepted, 500, "1002:0", &["kitchen"]);
    store.record(accepted).await.expect("recorded");
    let count = async |filter: DeliveryFilter| {
        let listed = store.page(filter.clone(), Start::Beginning, 100).await.expect("reading").len() as u64;
        assert_eq!(store.count(filter).await.expect("reading"), listed);
        listed
    };
    let any = DeliveryFilter::default;
    let [dead, kitchen] = ["dead", "kitchen"].map(|text| Some(text.to_owned()));
    assert_eq!(count(DeliveryFilter { state: dead.clone(), ..any() }).await, 3);
    assert_eq!(count(DeliveryFilter { channel: kitchen.clone(), ..any() }).await, 5);
    assert_eq!(count(DeliveryFilter { channel: Some("nobody".to_owned()), ..any() }).await, 0);
    assert_eq!(count(DeliveryFilter { kind: Some(Glob::new("order.acc*")), ..any() }).await, 1);
    assert_eq!(count(DeliveryFilter { kind: Some(Glob::new("order.*")), ..any() }).await, 7);
    for none in ["ORDER.*", "order_*", "order.%", "order.*ED"] {
        assert_eq!(count(DeliveryFilter { kind: Some(Glob::new(none)), ..any() }).await, 0, "{none}");
    }
    assert_eq!(count(DeliveryFilter { since: Some(at(500)), ..any() }).await, 1);
    let of = |numbers: std::ops::Range<u32>| Some(numbers.map(|number| ("s".to_owned(), number.to_string())).collect());
    assert_eq!(count(DeliveryFilter { orders: of(0..2), ..any() }).await, 3);
    assert_eq!(count(DeliveryFilter { orders: of(0..40_000), ..any() }).await, 7, "of any number of orders");
    assert_eq!(count(DeliveryFilter { orders: Some(Vec::new()), ..any() }).await, 0);
    let all: Vec<_> = store.page(any(), Start::Beginning, 100).await.expect("reading");
    let some = DeliveryFilter { orders: of(1..6), ..any() };
    let wanted = async |start| store.page(some.clone(), start, 2).await.expect("reading");
    assert_eq!(wanted(Start::At(all[0].id)).await[0].id, all[1].id);
    assert_eq!(wanted(Start::At(all[3].id)).await.iter().map(|row| row.id).collect::<Vec<_>>(), [all[3].id, all[4].id]);
    assert_eq!(wanted(Start::After(all[4].id)).await.iter().map(|row| row.id).collect::<Vec<_>>(), [all[5].id]);
    for (newest, first) in [(1, Some(all[5].id)), (5, Some(all[1].id)), (6, None)] {
        assert_eq!(store.first_of_newest(some.clone(), newest).await.expect("reading"), first, "{newest}");
    }
    assert_eq!(count(DeliveryFilter { state: dead, channel: kitchen, orders: of(2..9), ..any() }).await, 1);
}
