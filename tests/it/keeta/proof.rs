//! What proves a webhook of Keeta genuine, and all that does not.

use orderbell::domain::event::{Kind, SignatureCheck};
use orderbell::platform::Refusal;
use orderbell::platform::keeta::settings::{Keeta, Verify};
use serde_json::Value;

use crate::keeta::{
    ADDRESS, APP, body, borrowed, envelope, keeta, now, receive, receive_by, signed, signed_for, webhook,
};

#[test]
fn a_forged_webhook_is_refused() {
    let members = envelope(1002, r#"{"orderViewId":1}"#);
    let forged = body(&borrowed(&members), &"0".repeat(64));
    assert_eq!(receive(&forged).err(), Some(Refusal::Signature));
    // One changed digit anywhere breaks it.
    let genuine = String::from_utf8(signed(&borrowed(&members))).expect("text");
    let altered = genuine.replace("466663", "466664");
    assert_eq!(receive(altered.as_bytes()).err(), Some(Refusal::Signature));
    assert!(receive(genuine.to_uppercase().replace("SIG", "sig").as_bytes()).is_err());
}

#[test]
fn the_signature_is_compared_without_regard_to_case() {
    let members = envelope(1002, r#"{"orderViewId":1}"#);
    let text = String::from_utf8(signed(&borrowed(&members))).expect("text");
    let (head, signature) = text.split_at(text.len() - 66);
    assert_eq!(webhook(receive(format!("{head}{}", signature.to_uppercase()).as_bytes())).kind, Kind::OrderAccepted);
}

#[test]
fn each_recipe_of_the_list_is_taken_and_named() {
    let members = envelope(1002, r#"{"orderViewId":1}"#);
    let recipes = [
        (format!("{ADDRESS}?"), "address as registered, with '?'"),
        (format!("{ADDRESS}/?"), "address with the other trailing slash, with '?'"),
        (ADDRESS.to_owned(), "address as registered, without '?'"),
        (format!("{ADDRESS}/"), "address with the other trailing slash, without '?'"),
    ];
    for (address, name) in recipes {
        let incoming = webhook(receive(&signed_for(&address, &borrowed(&members))));
        assert_eq!(incoming.signature, SignatureCheck::Valid(name.to_owned()));
    }
    assert_eq!(receive(&signed_for("", &borrowed(&members))).err(), Some(Refusal::Signature));
}

#[test]
fn the_registered_address_goes_before_the_public_one() {
    let keeta = Keeta { registered_url: Some("https://old.example.com/k".to_owned()), ..keeta() };
    let members = envelope(1002, r#"{"orderViewId":1}"#);
    assert!(receive_by(&keeta, &signed_for("https://old.example.com/k?", &borrowed(&members))).is_ok());
    assert_eq!(receive_by(&keeta, &signed(&borrowed(&members))).err(), Some(Refusal::Signature));
}

#[test]
fn values_enter_the_signature_as_they_came() {
    // 1.50 and 1e2 and a 25-digit number would not survive a float; an escape and the letter itself are the same text.
    for extra in [
        "1.50",
        "1e2",
        "1234567890123456789012345",
        "null",
        "true",
        "\"\"",
        r#""\u7cd6""#,
        "\"糖\"",
        r#"{"b": 1, "a":null}"#,
    ] {
        let mut members = envelope(1002, r#"{"orderViewId":1}"#);
        members.push(("extra", extra.to_owned()));
        assert!(receive(&signed(&borrowed(&members))).is_ok(), "{extra}");
    }
}

#[test]
fn observe_records_what_no_recipe_matches_and_marks_it() {
    let keeta = Keeta { verify: Verify::Observe, ..keeta() };
    let members = envelope(1002, r#"{"orderViewId":1}"#);
    assert_eq!(
        webhook(receive_by(&keeta, &body(&borrowed(&members), &"0".repeat(64)))).signature,
        SignatureCheck::Invalid
    );
    assert!(matches!(webhook(receive_by(&keeta, &signed(&borrowed(&members)))).signature, SignatureCheck::Valid(_)));
    // Its time is not proved either, so it is nothing to refuse it by.
    let mut old = members;
    old[5].1 = "1".to_owned();
    assert_eq!(webhook(receive_by(&keeta, &body(&borrowed(&old), &"0".repeat(64)))).signature, SignatureCheck::Invalid);
}

#[test]
fn another_application_and_a_wrong_time_are_refused() {
    let mut members = envelope(1002, r#"{"orderViewId":1}"#);
    members[1].1 = "42".to_owned();
    assert_eq!(receive(&signed(&borrowed(&members))).err(), Some(Refusal::AnotherApp("42".to_owned())));
    for (shift, off_by_seconds) in [(-90_000, 90_000), (90_000, -90_000)] {
        let mut members = envelope(1002, r#"{"orderViewId":1}"#);
        members[5].1 = (now().as_second() + shift).to_string();
        assert_eq!(receive(&signed(&borrowed(&members))).err(), Some(Refusal::Stale { off_by_seconds }));
        let unlimited = Keeta { max_age: jiff::SignedDuration::ZERO, ..keeta() };
        assert!(receive_by(&unlimited, &signed(&borrowed(&members))).is_ok());
    }
    // A wrong signature says nothing about clocks.
    members[1].1 = APP.to_string();
    members[5].1 = "1".to_owned();
    assert_eq!(receive(&body(&borrowed(&members), &"0".repeat(64))).err(), Some(Refusal::Signature));
}

#[test]
fn all_seven_fields_are_needed_in_their_shape() {
    for missing in ["eventId", "appId", "messageId", "shopId", "message", "timestamp"] {
        let mut members = envelope(1002, "{}");
        members.retain(|(name, _)| *name != missing);
        let refusal = receive(&signed(&borrowed(&members))).err();
        assert!(matches!(&refusal, Some(Refusal::Shape(what)) if what.contains(missing)), "{missing}: {refusal:?}");
    }
    let odd = [
        ("messageId", "\"a b\""),
        ("messageId", "\"\""),
        ("messageId", "\"1&shopId=2\""),
        ("eventId", "1.5"),
        ("eventId", "-1"),
        ("shopId", "\"x\""),
        ("shopId", "null"),
        ("timestamp", "\"\""),
        ("timestamp", "99999999999999999999999"),
    ];
    for (name, raw) in odd {
        let mut members = envelope(1002, "{}");
        members.iter_mut().filter(|(known, _)| *known == name).for_each(|member| member.1 = raw.to_owned());
        let refusal = receive(&signed(&borrowed(&members))).err();
        assert!(matches!(refusal, Some(Refusal::Shape(_))), "{name} = {raw}: {refusal:?}");
    }
    let digits_as_text = envelope(1002, r#"{"orderViewId":"1"}"#)
        .into_iter()
        .map(|(name, raw)| {
            (
                name,
                if matches!(name, "appId" | "shopId" | "timestamp" | "eventId") { format!("\"{raw}\"") } else { raw },
            )
        })
        .collect::<Vec<_>>();
    assert!(receive(&signed(&borrowed(&digits_as_text))).is_ok());
}

#[test]
fn a_captured_request_cannot_be_split_differently_under_its_signature() {
    // The buyer's note smuggles what looks like further fields into the signed string.
    let smuggled = r#"{"remark":"x&messageId=7&shopId=1&timestamp=1749008160","orderViewId":1}"#;
    let members = envelope(1002, smuggled);
    let signature = String::from_utf8(signed(&borrowed(&members))).expect("text");
    let signature = &signature[signature.len() - 66..signature.len() - 2];
    let tail = r#"1749008160","orderViewId":1}&messageId=1930106161957212198&shopId=466663&timestamp="#.to_owned()
        + &now().as_second().to_string();
    let resplit: Vec<(&str, String)> = vec![
        ("appId", APP.to_string()),
        ("eventId", "1002".to_owned()),
        ("message", Value::from(r#"{"remark":"x"#).to_string()),
        ("messageId", "\"7\"".to_owned()),
        ("shopId", "1".to_owned()),
        ("timestamp", Value::from(tail).to_string()),
    ];
    assert!(matches!(receive(&body(&borrowed(&resplit), signature)).err(), Some(Refusal::Shape(_))));
    // An odd member name could hold a '=' of its own.
    let mut odd_name = envelope(1002, "{}");
    odd_name.push(("a=b", "1".to_owned()));
    assert!(matches!(receive(&signed(&borrowed(&odd_name))).err(), Some(Refusal::Shape(_))));
}

#[test]
fn duplicate_members_are_refused() {
    let mut members = envelope(1002, "{}");
    members.push(("shopId", "1".to_owned()));
    assert!(matches!(receive(&signed(&borrowed(&members))).err(), Some(Refusal::Shape(_))));
}
