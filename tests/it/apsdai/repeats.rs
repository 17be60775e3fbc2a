//! What is a repeat, what is another sale in the same millisecond, and what is a replay.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use jiff::SignedDuration;
use orderbell::domain::event::DedupeKey;
use orderbell::domain::sign;
use orderbell::flow::intake::{Intake, IntakeOutcome};
use orderbell::flow::notice::Notices;
use orderbell::flow::notifier::Notifier;
use orderbell::flow::routing::{RoutingSnapshot, SourceEndpoint};
use orderbell::flow::{Clock, Current};
use orderbell::platform::apsdai::settings::Apsdai;
use orderbell::platform::kinds::Source;
use orderbell::platform::{Method, PlatformReply};

use crate::apsdai::source::{SECRET, apsdai, by_password, headers, now, receive, signed, webhook};
use crate::support::stores;

#[test]
fn repeats_are_recognised_by_event_time_and_body() {
    let keys = |apsdai: &Apsdai, headers: &HeaderMap, body: &[u8]| webhook(receive(apsdai, headers, body)).dedupe_keys;
    let guarded = |hook: &str, body: &[u8]| keys(&apsdai(), &signed(hook), body);
    assert_eq!(guarded("order_pay_hook", b"{}"), guarded("ORDER_PAY_HOOK", b"{}"));
    let [DedupeKey::Guarded { key, content, fresh: true }] = &guarded("order_pay_hook", b"{}")[..] else {
        panic!("one key")
    };
    let [DedupeKey::Guarded { key: same, content: other, .. }] = &guarded("order_pay_hook", b"{ }")[..] else {
        panic!("one key")
    };
    assert!(key == same && content != other);
    let [DedupeKey::Guarded { key: same, content: renamed, .. }] = &guarded("order_create_hook", b"{}")[..] else {
        panic!("one key")
    };
    assert!(key == same && content != renamed, "the event's name is not signed, so it is content");
    for (age_ms, expected) in [
        (-60_000, false),
        (-10_001, false),
        (-10_000, true),
        (0, true),
        (10_000, true),
        (10_001, false),
        (60_000, false),
    ] {
        let ms = now().as_millisecond() - age_ms;
        let token = sign::dingtalk(SECRET, ms);
        let stamped = headers(&[("x-apsdai-token", &token), ("x-apsdai-timestamp", &ms.to_string())]);
        let [DedupeKey::Guarded { fresh, .. }] = keys(&apsdai(), &stamped, b"{}")[..] else { panic!("one key") };
        assert_eq!(fresh, expected, "{age_ms} ms old");
    }
    let untimed = headers(&[("x-apsdai-token", "pass word+%2B"), ("x-apsdai-event", "order_pay_hook")]);
    let [DedupeKey::Latest { key, window_seconds: 300, .. }] = &keys(&by_password(), &untimed, b"{}")[..] else {
        panic!("one key")
    };
    let [DedupeKey::Latest { key: other, .. }] = &keys(&by_password(), &untimed, b"{ }")[..] else { panic!("one key") };
    assert_ne!(key, other);
}

/// A daemon's intake with a clock that a test moves.
fn intake(folder: &std::path::Path, clock: Clock) -> Intake {
    let store = stores::open(&folder.join("bell.db"), now()).unwrap();
    let endpoint = |apsdai| SourceEndpoint::new(Source::Apsdai(apsdai), String::new());
    let endpoints =
        [("signed".to_owned(), endpoint(apsdai())), ("password".to_owned(), endpoint(by_password()))].into();
    let routing = Current::new(RoutingSnapshot { endpoints, currency: "CNY".to_owned(), ..RoutingSnapshot::default() });
    let notifier = Notifier::default();
    let notices = Notices::new(store.clone(), routing.clone(), notifier.clone());
    Intake::new(routing, notices, store, notifier, clock)
}

#[tokio::test]
async fn another_body_under_one_proof_is_taken_for_ten_seconds_and_refused_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let seconds = Arc::new(std::sync::atomic::AtomicI64::new(0));
    let clock = seconds.clone();
    let intake = intake(
        folder.path(),
        Clock::new(move || now() + SignedDuration::from_secs(clock.load(std::sync::atomic::Ordering::SeqCst))),
    );
    let untimed = headers(&[("x-apsdai-token", "pass word+%2B"), ("x-apsdai-event", "stock_alarm_hook")]);
    for (second, source, headers, body, expected) in [
        (0, "signed", signed("order_pay_hook"), r#"{"order_no":"A1"}"#, PlatformReply::Received),
        (0, "signed", signed("order_pay_hook"), r#"{"order_no":"A2"}"#, PlatformReply::Received),
        (9, "signed", signed("order_pay_hook"), r#"{"order_no":"A3"}"#, PlatformReply::Received),
        (10, "signed", signed("order_create_hook"), r#"{"order_no":"A2"}"#, PlatformReply::Received),
        (11, "signed", signed("order_pay_hook"), r#"{"order_no":"A4"}"#, PlatformReply::Refused),
        (11, "signed", signed("order_pay_hook"), r#"{"order_no":"A2"}"#, PlatformReply::Received),
        (12, "signed", signed("order_create_hook"), r#"{"order_no":"A2"}"#, PlatformReply::Received),
        (13, "signed", signed("order_create_hook"), r#"{"order_no":"A4"}"#, PlatformReply::Refused),
        (14, "signed", signed("order_cancel_hook"), r#"{"order_no":"A1"}"#, PlatformReply::Refused),
        (15, "signed", signed("made_up_hook"), r#"{}"#, PlatformReply::Refused),
        (299, "signed", signed("order_pay_hook"), r#"{"order_no":"A1"}"#, PlatformReply::Received),
        (301, "signed", signed("order_pay_hook"), r#"{"order_no":"A1"}"#, PlatformReply::Refused),
        (400, "password", untimed.clone(), r#"{"stock":4}"#, PlatformReply::Received),
        (401, "password", untimed.clone(), r#"{"stock":3}"#, PlatformReply::Received),
        (402, "password", untimed.clone(), r#"{"stock":4}"#, PlatformReply::Received),
    ] {
        seconds.store(second, std::sync::atomic::Ordering::SeqCst);
        let outcome = intake.receive(source, Method::Post, None, &headers, Bytes::from(body)).await;
        let IntakeOutcome::Answer(reply, _) = outcome else { panic!("{outcome:?}") };
        assert_eq!(reply, expected, "second {second}: {body}");
    }
    let counted: Vec<(String, u32)> = {
        let connection = rusqlite::Connection::open(folder.path().join("bell.db")).unwrap();
        let mut rows = connection.prepare("SELECT kind, count(*) FROM events GROUP BY kind ORDER BY kind").unwrap();
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    };
    // One notice of the replays, and one of the stale proof.
    let expected = [("operator.notice", 2), ("order.paid", 3), ("order.placed", 1), ("stock.low", 2)];
    assert_eq!(counted, expected.map(|(kind, count)| (kind.to_owned(), count)));
}
