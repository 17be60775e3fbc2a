//! Random sequences of messages about one order, under ids and times of chance, against a model of a few lines: how many
//! events they are, what is known in the end, and that the ledger adds up to it. Some come at once, and share a commit.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use orderbell::domain::event::{DeliveryId, Event, EventId};
use orderbell::domain::order::Order;
use orderbell::domain::route::Target;
use orderbell::domain::route_decision::RouteDecisions;
use orderbell::domain::secret::Secret;
use orderbell::platform::keeta::settings::{Keeta, Verify};
use orderbell::platform::{Incoming, Method, Platform, WebhookRequest};
use orderbell::store::ingest::Record;
use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::cases::cases;
use crate::support::keeta::{self, Envelope};
use crate::support::kept;
use crate::support::stores;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + seconds).expect("a time")
}

/// What an order may hold: how many of each of three items, the first with a note or without, and what it costs.
#[derive(Clone, Debug, PartialEq)]
struct Content {
    quantities: [u64; 3],
    note: Option<&'static str>,
    total: i64,
}

/// One message: its id, what it says and in which of two ways, and its time.
#[derive(Clone, Debug)]
struct OrderMessage {
    id: u8,
    content: Content,
    reversed: bool,
    second: i64,
}

fn content() -> impl Strategy<Value = Content> {
    let note = prop::sample::select(vec![None, None, Some("no onion"), Some("NO PEANUTS")]);
    // One item is always there: an order without any says nothing of its items.
    ((1..3u64, 0..2u64, 0..3u64), note, 1..3i64).prop_map(|((a, b, c), note, total)| Content {
        quantities: [a, b, c],
        note,
        total: total * 100,
    })
}

fn message() -> impl Strategy<Value = OrderMessage> {
    (0..9u8, content(), any::<bool>(), 0..4i64).prop_map(|(id, content, reversed, second)| OrderMessage {
        id,
        content,
        reversed,
        second,
    })
}

const NAMES: [&str; 3] = ["ribs", "tea", "tart"];

impl OrderMessage {
    /// The message; where it is written the other way, each dish has a line of its own.
    fn message(&self, number: u64) -> Value {
        let mut message = keeta::order(number);
        let mut products = Vec::new();
        for (index, (name, quantity)) in NAMES.iter().zip(self.content.quantities).enumerate() {
            let remark = self.content.note.filter(|_| index == 0).unwrap_or_default();
            let line = |count: u64| json!({ "name": name, "count": count, "price": 5, "remark": remark });
            match self.reversed {
                true => products.extend((0..quantity).map(|_| line(1))),
                false => products.extend((quantity > 0).then(|| line(quantity))),
            }
        }
        if self.reversed {
            products.reverse();
        }
        message["orderInfo"]["products"] = json!(products);
        message["orderInfo"]["feeDtl"]["customerFee"]["payTotal"] = json!(self.content.total);
        message
    }

    fn record(&self, number: u64, received: i64) -> Record {
        let id = format!("m-{number}-{}", self.id);
        let body = Envelope::new(1001, &id, &self.message(number).to_string(), at(self.second)).body();
        let address = format!("{}/hooks/keeta", keeta::PUBLIC);
        let platform = Keeta {
            app_id: keeta::APP,
            app_secret: Secret::new(keeta::SECRET),
            verify: Verify::Enforce,
            registered_url: None,
            shops: Default::default(),
            max_age: SignedDuration::from_hours(24),
        };
        let headers = http::HeaderMap::new();
        let (method, now) = (Method::Post, at(received));
        let request = WebhookRequest {
            method,
            query: None,
            headers: &headers,
            body: &body,
            address: &address,
            currency: "SAR",
            now,
        };
        let Ok(Incoming::Webhook(webhook)) = platform.receive(&request) else { panic!("it is believed") };
        let event = Event {
            id: EventId(Uuid::now_v7()),
            kind: webhook.kind,
            source: "keeta".to_owned(),
            occurred_at: webhook.occurred_at,
            received_at: now,
            shop: webhook.shop,
            order: webhook.order,
            data: webhook.data,
            proof: webhook.signature,
        };
        Record {
            event,
            body: webhook.body,
            dedupe_keys: webhook.dedupe_keys,
            targets: vec![(Target::always("kitchen"), DeliveryId(Uuid::now_v7()))],
            urgent: Vec::new(),
            decisions: RouteDecisions::default(),
        }
    }
}

/// What should come of them: an id that came before changes nothing; of the others the newest counts, and of two of one
/// second the later one. Whichever says once more what is known moves the time as of which it is known.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    events: i64,
    repeats: i64,
    known: Option<(Content, i64)>,
}

fn expected(all: &[OrderMessage]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut ids = Vec::new();
    for message in all {
        let is_known_id = ids.contains(&message.id);
        ids.push(message.id);
        let is_event = match &mut outcome.known {
            Some((_, second)) if message.second < *second => false,
            Some((content, second)) if *content == message.content => {
                *second = message.second;
                false
            }
            _ if is_known_id => false,
            known => {
                *known = Some((message.content.clone(), message.second));
                true
            }
        };
        match is_event {
            true => outcome.events += 1,
            false => outcome.repeats += 1,
        }
    }
    outcome
}

fn found(connection: &Connection, number: u64) -> (Outcome, Order, (i64, i64), i64) {
    let number = number.to_string();
    let two = |sql: &str| -> (i64, i64) {
        connection.query_row(sql, [&number], |row| Ok((row.get(0)?, row.get(1)?))).expect("two numbers")
    };
    let (events, repeats) = two("SELECT count(*), sum(repeats) FROM events WHERE order_number = ?1");
    let booked = two("SELECT sum(count), sum(minor) FROM ledger WHERE order_number = ?1 AND figure = 'orders'");
    let (deliveries, _) =
        two("SELECT count(*), 0 FROM deliveries d JOIN events e ON e.id = d.event WHERE e.order_number = ?1");
    let mut orders = kept::json(connection, "SELECT packed FROM orders WHERE number = ?1", [&number]);
    let order: Order = serde_json::from_value(orders.pop().expect("an order")).expect("an order");
    let quantity = |name: &&str| {
        order.lines.iter().filter(|line| line.name == *name).map(|line| line.quantity.expect("a quantity")).sum()
    };
    let note = ["no onion", "NO PEANUTS"]
        .into_iter()
        .find(|note| order.lines.iter().any(|line| line.note.as_deref() == Some(note)));
    let quantities = NAMES.each_ref().map(quantity);
    let content = Content { quantities, note, total: order.total.as_ref().expect("a total").minor };
    let second = order.as_of.expect("a time").as_second() - at(0).as_second();
    (Outcome { events, repeats, known: Some((content, second)) }, order, booked, deliveries)
}

#[test]
fn the_ids_of_duplicates_are_forgotten_with_the_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bell.db");
    let store = stores::open(&file, at(0)).expect("the store opens");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let message = |id: u8, total: i64| OrderMessage {
        id,
        content: Content { quantities: [1, 1, 1], note: None, total },
        reversed: false,
        second: 0,
    };
    let connection = Connection::open(&file).expect("the store opens");
    let keys =
        || connection.query_row("SELECT count(*) FROM repeat_keys", [], |row| row.get::<_, i64>(0)).expect("a number");
    runtime.block_on(async {
        for number in [5, 55] {
            let all = [message(1, 100), message(2, 100), message(3, 200), message(2, 100)];
            for (message, received) in all.iter().zip(10..) {
                store.record(message.record(number, received)).await.expect("recorded");
            }
            let events = "SELECT count(*) FROM events WHERE order_number = ?1";
            let events: i64 = connection.query_row(events, [number.to_string()], |row| row.get(0)).expect("a number");
            assert_eq!(events, 2);
        }
        // Each order: its own key, three ids.
        assert_eq!(keys(), 8);
        let done =
            "UPDATE deliveries SET state = 'delivered' WHERE event IN (SELECT id FROM events WHERE order_number = '5')";
        connection.execute(done, []).expect("changed");
        assert_eq!(store.prune(at(100), 0, 100).await.expect("pruned").0, 2);
        assert_eq!(keys(), 4, "those of the other order stay");
        store.close().await;
    });
}

static NUMBERS: AtomicU64 = AtomicU64::new(1);

#[test]
fn messages_of_one_order_add_up_as_the_newest_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bell.db");
    let store = stores::open(&file, at(0)).expect("the store opens");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let connection = Connection::open(&file).expect("the store opens");
    let drawn = (prop::collection::vec(message(), 1..14), any::<bool>());
    proptest!(cases(96), |((all, at_once) in drawn)| {
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let records = all.iter().zip(10..).map(|(message, received)| message.record(number, received));
        runtime.block_on(async {
            match at_once {
                true => {
                    let recorded = join_all(records.map(|record| store.record(record))).await;
                    assert!(recorded.iter().all(Result::is_ok));
                }
                false => {
                    for record in records {
                        store.record(record).await.expect("recorded");
                    }
                }
            }
        });
        let (outcome, order, booked, deliveries) = found(&connection, number);
        let expected = expected(&all);
        prop_assert_eq!(&outcome, &expected);
        let total = expected.known.map(|(content, _)| content.total);
        prop_assert_eq!((Some(booked.1), booked.0), (total, 1), "one order, and what it costs now");
        prop_assert_eq!((order.revision as i64, deliveries), (outcome.events, outcome.events));
    });
    runtime.block_on(store.close());
}
