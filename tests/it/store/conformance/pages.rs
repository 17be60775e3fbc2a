//! Lists from the newest to the oldest, a page at a time, and how channels and sources stand.

use orderbell::domain::event::{DeliveryId, Kind, SignatureCheck};
use orderbell::domain::glob::Glob;
use orderbell::domain::message::{Part, PartForm};
use orderbell::domain::order::OrderState;
use orderbell::domain::retry::{Outcome, Step};
use orderbell::domain::shop::Shop;
use orderbell::store::Store;
use orderbell::store::history::change::Applied;
use orderbell::store::history::list::DeliveryFilter;
use orderbell::store::history::pages::{EventFilter, OrderFilter};
use orderbell::store::ingest::RefusedWebhook;
use orderbell::store::queue::attempt::{Claim, Settle};
use uuid::Uuid;

use crate::store::conformance::place::Place;
use crate::store::conformance::scene::{at, attempt, begin, end, ended, event, one, placed, row, tried};

/// All deliveries that a filter lets through, page by page.
async fn delivered(store: &dyn Store, filter: &DeliveryFilter, rows: u32) -> Vec<DeliveryId> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = store.deliveries_page(filter.clone(), before, rows).await.expect("reading");
        assert!(page.rows.len() <= rows as usize);
        all.extend(page.rows.iter().map(|row| row.id));
        before = page.next;
        if before.is_none() {
            return all;
        }
    }
}

async fn events(store: &dyn Store, filter: &EventFilter, rows: u32) -> Vec<String> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = store.events_page(filter.clone(), before, rows).await.expect("reading");
        all.extend(page.rows.into_iter().map(|row| row.order.unwrap_or_default()));
        before = page.next;
        if before.is_none() {
            return all;
        }
    }
}

async fn orders(store: &dyn Store, filter: &OrderFilter, rows: u32) -> Vec<String> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = store.orders_page(filter.clone(), before, rows).await.expect("reading");
        all.extend(page.rows.into_iter().map(|row| row.order.number));
        before = page.next;
        if before.is_none() {
            return all;
        }
    }
}

pub async fn every_row_stands_on_one_page_the_newest_first(place: Place) {
    let store = place.open(0).await;
    let mut ids = Vec::new();
    for number in 0..25 {
        ids.push(one(&*store, placed(&format!("{number:02}"), &["kitchen"])).await);
    }
    ids.reverse();
    let numbers: Vec<String> = (0..25).rev().map(|number| format!("{number:02}")).collect();
    for rows in [1, 7, 25, 26, 200] {
        assert_eq!(delivered(&*store, &DeliveryFilter::default(), rows).await, ids, "{rows}");
        assert_eq!(events(&*store, &EventFilter::default(), rows).await, numbers, "{rows}");
        assert_eq!(orders(&*store, &OrderFilter::default(), rows).await, numbers, "{rows}");
    }
    let page = store.deliveries_page(DeliveryFilter::default(), None, 25).await.expect("reading");
    assert_eq!(page.next, None, "a page that is full knows that it is the last");
}

pub async fn a_page_has_what_every_filter_lets_through(place: Place) {
    let store = place.open(0).await;
    let mut ids = Vec::new();
    for number in 0..6 {
        let channel = if number < 4 { "kitchen" } else { "owner" };
        let mut record = placed(&number.to_string(), &[channel]);
        record.event.received_at = at(number * 100);
        record.event.shop = (number % 2 == 1).then(|| Shop { id: "7".to_owned(), name: None });
        if let Some(order) = &mut record.event.order {
            order.short_number = Some(format!("29{number}"));
        }
        let id = one(&*store, record).await;
        if number % 2 == 0 {
            tried(&*store, id, number * 100 + 1, Outcome::Rejected, Step::Dead).await;
        }
        ids.push(id);
    }
    let accepted = event(Kind::OrderAccepted, "0", OrderState::Accepted, 700, "1002:0", &["kitchen"]);
    ids.push(one(&*store, accepted).await);
    let any = DeliveryFilter::default;
    let text = |text: &str| Some(text.to_owned());
    let of = |numbers: &[usize]| numbers.iter().map(|number| ids[*number]).collect::<Vec<_>>();
    for rows in [1, 3, 100] {
        for (filter, wanted) in [
            (DeliveryFilter { state: text("dead"), ..any() }, &[4, 2, 0][..]),
            (DeliveryFilter { state: text("waiting"), ..any() }, &[6, 5, 3, 1]),
            (DeliveryFilter { state: text("dead"), channel: text("kitchen"), ..any() }, &[2, 0]),
            (DeliveryFilter { state: text("waiting"), channel: text("nobody"), ..any() }, &[]),
            (DeliveryFilter { state: text("delivered"), ..any() }, &[]),
            (DeliveryFilter { channel: text("kitchen"), ..any() }, &[6, 3, 2, 1, 0]),
            (DeliveryFilter { kind: Some(Glob::new("order.acc*")), ..any() }, &[6]),
            (DeliveryFilter { kind: Some(Glob::new("ORDER.*")), ..any() }, &[]),
            (DeliveryFilter { source: text("s"), state: text("dead"), ..any() }, &[4, 2, 0]),
            (DeliveryFilter { source: text("t"), ..any() }, &[]),
            (DeliveryFilter { since: Some(at(300)), until: Some(at(500)), ..any() }, &[4, 3]),
            (DeliveryFilter { state: text("dead"), since: Some(at(100)), ..any() }, &[4, 2]),
            (DeliveryFilter { orders: Some(vec![("s".to_owned(), "0".to_owned())]), ..any() }, &[6, 0]),
        ] {
            assert_eq!(delivered(&*store, &filter, rows).await, of(wanted), "{filter:?}");
            assert_eq!(store.count(filter).await.expect("reading"), wanted.len() as u64);
        }
        let all = EventFilter::default;
        for (filter, wanted) in [
            (EventFilter { kind: Some(Glob::new("order.placed")), ..all() }, &["5", "4", "3", "2", "1", "0"][..]),
            (EventFilter { source: text("t"), ..all() }, &[]),
            (EventFilter { shop: text("7"), ..all() }, &["5", "3", "1"]),
            (EventFilter { since: Some(at(500)), ..all() }, &["0", "5"]),
            (EventFilter { until: Some(at(200)), ..all() }, &["1", "0"]),
            (EventFilter { until: Some(at(-1)), ..all() }, &[]),
        ] {
            assert_eq!(events(&*store, &filter, rows).await, wanted, "{filter:?}");
        }
        let all = OrderFilter::default;
        for (filter, wanted) in [
            (OrderFilter { number: text("3"), ..all() }, &["3"][..]),
            (OrderFilter { number: text("#293"), ..all() }, &["3"]),
            (OrderFilter { number: text("s/4"), ..all() }, &["4"]),
            (OrderFilter { number: text("nothing"), ..all() }, &[]),
            (OrderFilter { shop: text("7"), ..all() }, &["5", "3", "1"]),
            (OrderFilter { source: text("t"), ..all() }, &[]),
            (OrderFilter { number: text("3"), shop: text("8"), ..all() }, &[]),
        ] {
            assert_eq!(orders(&*store, &filter, rows).await, wanted, "{filter:?}");
        }
    }
}

pub async fn a_page_looks_at_so_many_rows_and_says_where_it_goes_on(place: Place) {
    let store = place.open(0).await;
    let oldest = one(&*store, placed("0", &["owner"])).await;
    let mut more = placed("1", &[]);
    // More than are looked at for one page, and fewer than would be found by what holds them alone.
    more.targets =
        (0..2_600).map(|_| (orderbell::domain::route::Target::always("kitchen"), DeliveryId(Uuid::now_v7()))).collect();
    store.record(more).await.expect("recorded");
    let wanted = DeliveryFilter { kind: Some(Glob::new("nothing")), ..DeliveryFilter::default() };
    let first = store.deliveries_page(wanted.clone(), None, 10).await.expect("reading");
    assert!(first.rows.is_empty());
    let next = first.next.expect("there are more to look at");
    assert_eq!(delivered(&*store, &wanted, 10).await, []);
    let behind = store.deliveries_page(wanted, Some(next), 10).await.expect("reading");
    assert!(behind.next.is_some_and(|behind| behind < next), "each page goes on behind the one before");
    let of_owner = DeliveryFilter { channel: Some("owner".to_owned()), ..DeliveryFilter::default() };
    assert_eq!(delivered(&*store, &of_owner, 10).await, [oldest]);
}

pub async fn what_waits_and_what_is_dead_is_counted_by_channel(place: Place) {
    let store = place.open(0).await;
    for number in 0..5 {
        let id = one(&*store, placed(&number.to_string(), &["kitchen"])).await;
        match number {
            0 => tried(&*store, id, 1, Outcome::Rejected, Step::Dead).await,
            1 => tried(&*store, id, 1, Outcome::Delivered, Step::Delivered).await,
            _ => {}
        }
    }
    let channels = ["kitchen", "owner"].map(str::to_owned).to_vec();
    let loads = store.channel_loads(channels).await.expect("reading");
    let [kitchen, owner] = loads.as_slice() else { panic!("{loads:?}") };
    assert_eq!((kitchen.waiting, kitchen.dead, kitchen.accepted_at), (3, 1, Some(at(2))));
    assert_eq!(kitchen.due_at, Some(at(0)));
    assert_eq!((owner.waiting, owner.dead, owner.due_at, owner.accepted_at), (0, 0, None, None));
}

pub async fn what_came_of_a_sources_webhooks_is_counted(place: Place) {
    let store = place.open(0).await;
    for (number, received) in [("0", 0), ("1", 90_000), ("2", 90_001)] {
        let mut record = placed(number, &[]);
        record.event.received_at = at(received);
        store.record(record.clone()).await.expect("recorded");
        store.record(record).await.expect("recorded");
    }
    let mut unproven = placed("3", &[]);
    unproven.event.received_at = at(90_002);
    unproven.event.proof = SignatureCheck::Invalid;
    store.record(unproven).await.expect("recorded");
    let reason = "its signature fits none".to_owned();
    let refused = RefusedWebhook { source: "s".to_owned(), at: at(90_003), reason: reason.clone(), bytes: 2, count: 4 };
    store.note_refusals(vec![refused]).await.expect("noted");
    let sources = ["s", "t"].map(str::to_owned).to_vec();
    let states = store.source_states(sources, at(9_000)).await.expect("reading");
    let [known, unknown] = states.as_slice() else { panic!("{states:?}") };
    let counts = &known.counts;
    assert_eq!((counts.believed, counts.unproven, counts.refused, counts.duplicates), (2, 1, 4, 2));
    let believed = known.believed.as_ref().expect("one was believed");
    assert_eq!((believed.at, believed.recipe.as_deref()), (at(90_001), Some("test")));
    assert_eq!(known.refused, Some((at(90_003), reason)));
    assert!(known.active_at >= Some(at(90_001)), "{known:?}");
    assert_eq!(*unknown, Default::default());
}

pub async fn what_was_sent_is_kept_byte_for_byte(place: Place) {
    let store = place.open(0).await;
    let id = one(&*store, placed("1", &["kitchen"])).await;
    let tail = "x".repeat(5_000);
    let part = |index: u16, head: &str| Part { index, form: PartForm::Full, body: format!("{head}{tail}") };
    let composed = vec![part(0, "first"), part(1, "second")];
    let number = attempt(&*store, Claim { composed: composed.clone(), ..begin(id, 1) }).await;
    ended(&*store, Settle { more_parts: true, ..end(id, number, Step::Delivered) }).await;
    let sent = store.sent(id).await.expect("reading").expect("the delivery");
    assert_eq!(sent.round, 0);
    let bodies: Vec<_> = sent.parts.iter().map(|part| (part.part, part.body.as_str(), part.is_done)).collect();
    assert_eq!(bodies, [(0, composed[0].body.as_str(), true), (1, composed[1].body.as_str(), false)]);
    let second = Claim { begins: false, attempts: 1, composed: Vec::new(), part: 1, ..begin(id, 2) };
    let number = attempt(&*store, second).await;
    ended(&*store, Settle { part: 1, ..end(id, number, Step::Delivered) }).await;
    let sent = store.sent(id).await.expect("reading").expect("the delivery");
    assert!(sent.parts.iter().all(|part| part.is_done), "{sent:?}");
    assert_eq!(store.sent(DeliveryId(Uuid::nil())).await.expect("reading"), None);
}

pub async fn those_that_wait_or_are_dead_come_channel_by_channel_and_leave_when_they_are_changed(place: Place) {
    let store = place.open(0).await;
    let (mut dead, mut waiting) = (Vec::new(), Vec::new());
    for number in 0..7 {
        let channel = if number % 3 == 0 { "owner" } else { "kitchen" };
        dead.push(one(&*store, placed(&format!("d{number}"), &[channel])).await);
        tried(&*store, dead[number], 1, Outcome::Rejected, Step::Dead).await;
        waiting.push(one(&*store, placed(&format!("w{number}"), &[channel])).await);
    }
    let of = |state: &str| DeliveryFilter { state: Some(state.to_owned()), ..DeliveryFilter::default() };
    let held =
        async |filter, most| store.first_held(filter, most).await.expect("reading").expect("a state that is held");
    assert_eq!(held(of("waiting"), 100).await, waiting);
    let of_owner = DeliveryFilter { channel: Some("owner".to_owned()), ..of("waiting") };
    assert_eq!(held(of_owner, 2).await, [waiting[0], waiting[3]]);
    let nothing =
        DeliveryFilter { kind: Some(Glob::new("order.cancelled")), source: Some("s".to_owned()), ..of("dead") };
    assert_eq!(held(nothing, 3).await, []);
    for wanted in [&[1, 2, 4][..], &[0, 3, 5], &[6], &[]] {
        let wanted: Vec<_> = wanted.iter().map(|number| dead[*number]).collect();
        assert_eq!(held(of("dead"), 3).await, wanted, "a repeat goes on behind what was changed");
        store.revive(&wanted, at(20)).await.expect("changing");
    }
    assert_eq!(store.first_held(of("delivered"), 3).await.expect("reading"), None);
}

pub async fn two_who_ask_for_one_round_have_it_sent_once(place: Place) {
    let store = place.open(0).await;
    let id = one(&*store, placed("1", &["kitchen"])).await;
    tried(&*store, id, 1, Outcome::Rejected, Step::Dead).await;
    let asked = async |round| store.redeliver_once(id, round, at(10)).await.expect("changing").expect("the delivery");
    assert_eq!(asked(0).await.result, Ok(Applied::Plainly));
    assert_eq!(asked(0).await.result, Ok(Applied::Already), "the second press");
    assert_ne!(asked(7).await.result, Ok(Applied::Already), "a round that is still to come");
    assert_eq!(store.sent(id).await.expect("reading").map(|sent| sent.round), Some(1));
    // Also when it has arrived meanwhile.
    tried(&*store, id, 11, Outcome::Delivered, Step::Delivered).await;
    assert_eq!(asked(0).await.result, Ok(Applied::Already));
    assert_eq!(row(&*store, id).await.state, "delivered");
    assert_eq!(asked(1).await.result, Ok(Applied::Plainly));
    assert_eq!(store.redeliver_once(DeliveryId(Uuid::nil()), 0, at(10)).await.expect("changing"), None);
}
