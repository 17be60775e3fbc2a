//! Which token is believed, and for how long.

use jiff::SignedDuration;
use orderbell::domain::event::{Kind, SignatureCheck};
use orderbell::domain::sign;
use orderbell::platform::apsdai::settings::Apsdai;
use orderbell::platform::{Method, Platform, PlatformReply, Refusal, WebhookRequest};
use serde_json::Value;

use crate::apsdai::source::{SECRET, apsdai, by_password, headers, now, receive, signed, webhook};

/// A moment at which the plain token holds `+`, `/` and `=`.
fn awkward_moment() -> i64 {
    let start = now().as_millisecond();
    (start - 1000..start)
        .find(|ms| sign::dingtalk(SECRET, *ms).contains('+') && sign::dingtalk(SECRET, *ms).contains('/'))
        .unwrap()
}

#[test]
fn a_signed_token_is_believed_in_every_spelling_and_no_other_is() {
    let ms = awkward_moment();
    let plain = sign::dingtalk(SECRET, ms);
    let encoded = sign::apsdai_token(SECRET, ms);
    let lower = encoded.replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d");
    assert_ne!(encoded, lower);
    let text = ms.to_string();
    let try_with = |token: &str, ms: &str| {
        let headers =
            headers(&[("x-apsdai-token", token), ("x-apsdai-timestamp", ms), ("x-apsdai-event", "order_pay_hook")]);
        receive(&apsdai(), &headers, b"{}")
    };
    for token in [&plain, &encoded, &lower] {
        assert_eq!(webhook(try_with(token, &text)).signature, SignatureCheck::Valid("signed token".to_owned()));
    }
    let other_secret = sign::apsdai_token("another", ms);
    for token in
        ["", SECRET, "%", "%2", "%zz", &plain[1..], &plain.to_lowercase(), &other_secret, &encoded.replace('%', "%25")]
    {
        assert_eq!(try_with(token, &text).err(), Some(Refusal::Token), "{token}");
    }
    assert_eq!(try_with(&plain, &(ms + 1).to_string()).err(), Some(Refusal::Token), "the time is signed");
    for odd in
        ["", "soon", "-1", "0", "1.5", &format!("0{text}"), &format!("+{text}"), &"9".repeat(18), &"9".repeat(30)]
    {
        assert!(matches!(try_with(&plain, odd).err(), Some(Refusal::Shape(_) | Refusal::Token)), "{odd}");
    }
    let untimed = headers(&[("x-apsdai-token", &plain)]);
    assert!(
        matches!(receive(&apsdai(), &untimed, b"{}").err(), Some(Refusal::Shape(what)) if what.contains("Timestamp"))
    );
    let untokened = headers(&[("x-apsdai-timestamp", &text)]);
    assert!(
        matches!(receive(&apsdai(), &untokened, b"{}").err(), Some(Refusal::Shape(what)) if what.contains("Token"))
    );
}

#[test]
fn a_password_is_compared_as_it_is_and_may_come_without_a_time() {
    let try_with = |pairs: &[(&str, &str)]| receive(&by_password(), &headers(pairs), b"{}");
    let ms = now().as_millisecond().to_string();
    let (token, time, event) = ("x-apsdai-token", "x-apsdai-timestamp", ("x-apsdai-event", "order_pay_hook"));
    let timed = webhook(try_with(&[(token, "pass word+%2B"), (time, &ms), event]));
    assert_eq!((timed.signature, timed.occurred_at), (SignatureCheck::Valid("password".to_owned()), Some(now())));
    let untimed = webhook(try_with(&[(token, "pass word+%2B"), event]));
    assert_eq!((untimed.kind, untimed.occurred_at), (Kind::OrderPaid, None));
    for wrong in ["", "pass", "pass word++", "pass word+%2b", "pass word+%252B"] {
        assert_eq!(try_with(&[(token, wrong), (time, &ms), event]).err(), Some(Refusal::Token), "{wrong}");
    }
    let signed = sign::apsdai_token("pass word+%2B", now().as_millisecond());
    assert_eq!(try_with(&[(token, &signed), (time, &ms), event]).err(), Some(Refusal::Token));
    let odd = webhook(try_with(&[(token, "pass word+%2B"), (time, "x"), event]));
    assert_eq!(
        (odd.kind, odd.occurred_at),
        (Kind::OrderPaid, None),
        "a time that is none is no reason to disbelieve it"
    );
    let long_ago = (now().as_millisecond() - 301_000).to_string();
    let stale = try_with(&[(token, "pass word+%2B"), (time, &long_ago), event]);
    assert_eq!(stale.err(), Some(Refusal::Stale { off_by_seconds: 301 }));
}

#[test]
fn a_right_token_at_a_wrong_time_is_stale_and_zero_switches_the_check_off() {
    for (shift, expected) in [(-300, None), (300, None), (-301, Some(301)), (301, Some(-301)), (-86_400, Some(86_400))]
    {
        let ms = now().as_millisecond() + shift * 1000;
        let token = sign::apsdai_token(SECRET, ms);
        let stamped = headers(&[("x-apsdai-token", &token), ("x-apsdai-timestamp", &ms.to_string())]);
        let refused = receive(&apsdai(), &stamped, b"{}").err();
        assert_eq!(refused, expected.map(|off_by_seconds| Refusal::Stale { off_by_seconds }), "{shift} s");
        let unlimited = Apsdai { max_age: SignedDuration::ZERO, ..apsdai() };
        assert!(receive(&unlimited, &stamped, b"{}").is_ok());
    }
}

#[test]
fn only_post_is_taken() {
    let headers = signed("order_pay_hook");
    let (query, body, address, currency) = (None, &b""[..], "", "HKD");
    let request = WebhookRequest { method: Method::Get, query, headers: &headers, body, address, currency, now: now() };
    assert_eq!(apsdai().receive(&request).err(), Some(Refusal::Method));
}

#[test]
fn every_answer_is_json_and_only_zero_says_received() {
    let code = |reply| serde_json::from_str::<Value>(apsdai().reply(reply)).unwrap()["code"].as_i64().unwrap();
    assert_eq!(apsdai().reply(PlatformReply::Received), r#"{"code":0,"message":"success"}"#);
    assert!(code(PlatformReply::Refused) != 0 && code(PlatformReply::NotRemembered) != 0);
}
