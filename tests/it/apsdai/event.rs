//! Which event it is: the header says so, whatever the body is.

use orderbell::domain::data::Details;
use orderbell::domain::event::{Kind, SignatureCheck};
use serde_json::json;

use crate::apsdai::source::{HOOKS, apsdai, now, parsed_by, receive, signed, webhook};

#[test]
fn the_header_alone_says_which_event_it_is() {
    let misleading =
        json!({ "event": "order_cancel_hook", "type": "stock_alarm_hook", "status": "refunded" }).to_string();
    for (hook, kind) in HOOKS {
        for body in ["", "{}", "[]", "null", "test", "\"test\"", "<xml/>", "{\"a\":", misleading.as_str(), "\u{feff}{}"]
        {
            let incoming = parsed_by(&apsdai(), hook, body.as_bytes());
            assert_eq!((incoming.kind, &incoming.order), (kind.clone(), &None), "{hook} {body}");
            assert!(incoming.data.details.is_some(), "{hook} {body}");
            assert_eq!(incoming.occurred_at, Some(now()));
        }
        assert_eq!(parsed_by(&apsdai(), &format!(" {} ", hook.to_uppercase()), b"{}").kind, kind);
    }
    for unknown in ["order_gift_hook", "", "x", "order_pay_hook2"] {
        let incoming = parsed_by(&apsdai(), unknown, br#"{"order_no":"A1"}"#);
        assert_eq!((incoming.kind, incoming.order), (Kind::Unrecognised, None));
        let unrecognised = incoming.data.unrecognised().unwrap();
        assert_eq!(unrecognised.event.as_deref(), Some(unknown).filter(|name| !name.is_empty()));
        assert_eq!(unrecognised.bytes, 17);
    }
}

#[test]
fn without_the_header_the_body_may_name_the_event_and_the_proof_says_so() {
    let mut unnamed = signed("x");
    unnamed.remove("x-apsdai-event");
    let incoming = |body: &str| webhook(receive(&apsdai(), &unnamed, body.as_bytes()));
    for body in [
        r#"{"event":"order_pay_hook","order_no":"A1"}"#,
        r#"{"type":"order_pay_hook"}"#,
        r#"{"data":{"hook":"ORDER_PAY_HOOK"}}"#,
    ] {
        let webhook = incoming(body);
        assert_eq!(webhook.kind, Kind::OrderPaid, "{body}");
        assert!(matches!(webhook.signature, SignatureCheck::Valid(how) if how.contains("from the body")));
    }
    for body in ["", "{}", "no JSON", r#"{"event":7}"#, r#"{"event":"x"}"#] {
        assert_eq!(incoming(body).kind, Kind::Unrecognised, "{body}");
    }
    assert!(matches!(incoming("{}").signature, SignatureCheck::Valid(how) if how.contains("nothing names the event")));
}

#[test]
fn what_came_without_details_says_why() {
    let details = |body: &str| parsed_by(&apsdai(), "order_pay_hook", body.as_bytes()).data.details;
    for body in ["", "  \r\n", "{}", " { } ", "[]", "null", "\"\"", "\u{feff}"] {
        assert_eq!(details(body), Some(Details::Missing), "{body:?}");
    }
    for body in [
        "test",
        "\"Test\"",
        r#"{"test":true}"#,
        r#"{"is_test":"1"}"#,
        r#"{"event":"test"}"#,
        r#"{"test":1,"order_no":"A1"}"#,
    ] {
        assert_eq!(details(body), Some(Details::Test), "{body:?}");
    }
    for body in ["{", "a=1&b=2", "<xml/>", "\0"] {
        assert_eq!(details(body), Some(Details::Unreadable), "{body:?}");
    }
    for body in [r#"{"a":1}"#, "[1,2]", "7", "true", r#"{"order_no":""}"#, r#"{"test":false,"amount":"free"}"#] {
        assert_eq!(details(body), Some(Details::Unfamiliar), "{body:?}");
    }
    assert_eq!(details(r#"{"order_no":"A1"}"#), None);
    assert_eq!(parsed_by(&apsdai(), "order_pay_hook", b"\xff\xfe").data.details, Some(Details::Unreadable));
}
