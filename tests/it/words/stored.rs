//! Events and orders as earlier versions stored them: read, and written again as the same bytes.

use std::collections::BTreeSet;
use std::fmt::Debug;

use orderbell::domain::event::{Event, Kind};
use orderbell::domain::order::Order;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// One of each kind and variant, a line each. What stands there was written by a version that knew no payloads by kind; it is
/// never written anew.
const EVENTS: &str = include_str!("../../stored/events.jsonl");
const ORDERS: &str = include_str!("../../stored/orders.jsonl");

fn read_and_written_again<T: DeserializeOwned + Serialize + PartialEq + Debug>(lines: &str) -> Vec<T> {
    let one = |line: &str| {
        let read: T = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
        // Wherever a value is read from, it is the same.
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::from_value::<T>(value).unwrap(), read);
        read
    };
    lines.lines().map(one).collect()
}

#[test]
fn stored_events_are_written_again_as_they_were() {
    let events: Vec<Event> = read_and_written_again(EVENTS);
    let kinds: BTreeSet<&Kind> = events.iter().map(|event| &event.kind).collect();
    let missing: Vec<&Kind> = Kind::ALL.iter().filter(|kind| !kinds.contains(kind)).collect();
    assert!(missing.is_empty(), "no stored event of {missing:?}");
    assert!(kinds.iter().any(|kind| matches!(kind, Kind::Report(_))), "no stored report");
}

#[test]
fn stored_orders_are_written_again_as_they_were() {
    assert!(read_and_written_again::<Order>(ORDERS).len() > 30);
}

/// What is left out of an event because it is unknown was named to templates all the same.
#[test]
fn every_key_of_data_stands_in_some_stored_event() {
    let known = orderbell::domain::template::values::value_of(&orderbell::domain::payload::Data::default());
    let mut missing: BTreeSet<String> = known.try_iter().unwrap().map(|key| key.to_string()).collect();
    assert_eq!(missing.len(), 27);
    for line in EVENTS.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        for key in value["data"].as_object().unwrap().keys() {
            missing.remove(key);
        }
    }
    assert!(missing.is_empty(), "{missing:?} stands in no stored event");
}
