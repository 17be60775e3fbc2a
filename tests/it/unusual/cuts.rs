//! Values are not escaped in the string that Keeta signs, so one signed string can be cut into members in several ways. However a
//! captured request is cut, it makes at most one event.

use std::collections::BTreeSet;

use crate::support::cases::cases;
use crate::unusual::keeta::{Members, body, envelope, parameters, receive, signature, signed, webhook};
use orderbell::domain::event::{DedupeKey, Kind};
use orderbell::platform::{Incoming, ParsedWebhook};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What a store knows of events: the keys that a duplicate is recognised by.
#[derive(Default)]
struct Known(BTreeSet<String>);

impl Known {
    /// Whether a webhook is a new event.
    fn takes(&mut self, webhook: &ParsedWebhook) -> bool {
        let key = |key: &DedupeKey| match key {
            DedupeKey::Once(key) => Some(key.clone()),
            // Another content under it would be an event.
            DedupeKey::Unchanged(_) => None,
            DedupeKey::Latest { key, content, .. } | DedupeKey::Guarded { key, content, .. } => {
                Some(format!("{key} {content:?}"))
            }
        };
        let keys: Vec<String> = webhook.dedupe_keys.iter().filter_map(key).collect();
        let is_new = !keys.iter().any(|key| self.0.contains(key));
        if is_new {
            self.0.extend(keys);
        }
        is_new
    }
}

/// Every way to cut a signed string at the places where a member may begin, as bodies with its signature.
fn cuts(members: &Members) -> Vec<Vec<u8>> {
    const MOST_PLACES: usize = 11;
    let (signed, signature) = (parameters(members), signature(members));
    let is_plain = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    let begins = |at: &usize| signed[at + 1..].split_once('=').is_some_and(|(name, _)| is_plain(name));
    let places: Vec<usize> = signed.match_indices('&').map(|(at, _)| at).filter(begins).collect();
    let places = &places[places.len().saturating_sub(MOST_PLACES)..];
    let mut bodies = Vec::new();
    for chosen in 0_u32..1 << places.len() {
        let mut cut: Vec<(&str, &str)> = Vec::new();
        let mut rest = signed.as_str();
        let mut taken = 0;
        for (index, at) in places.iter().enumerate() {
            if chosen >> index & 1 == 1 {
                let (piece, after) = rest.split_at(at - taken);
                cut.extend(piece.split_once('='));
                (rest, taken) = (&after[1..], at + 1);
            }
        }
        cut.extend(rest.split_once('='));
        // In another sequence the same members are another string.
        if cut.is_sorted_by(|a, b| a.0 < b.0) {
            let cut: Vec<(&str, String)> =
                cut.into_iter().map(|(name, text)| (name, Value::from(text).to_string())).collect();
            bodies.push(body(&cut, &signature));
        }
    }
    bodies
}

fn believed(body: &[u8]) -> Option<ParsedWebhook> {
    match receive(body) {
        Ok(Incoming::Webhook(webhook)) => Some(*webhook),
        _ => None,
    }
}

#[test]
fn a_message_that_is_json_can_be_cut_in_one_way_only() {
    let note = "x&messageId=7&shopId=1&timestamp=1749008160&sig=0";
    let members = envelope(1002, &json!({ "orderViewId": 1, "cancelReason": note }).to_string());
    let believed: Vec<ParsedWebhook> = cuts(&members).iter().filter_map(|body| believed(body)).collect();
    assert!(cuts(&members).len() > 3 && believed.len() == 1, "{} of {}", believed.len(), cuts(&members).len());
    assert_eq!(believed[0].kind, Kind::OrderAccepted);
    assert_eq!(believed[0].dedupe_keys.len(), 2, "and needs no key beside its two");
}

#[test]
fn a_member_that_nobody_knows_makes_the_signature_a_key() {
    let mut members = envelope(1002, r#"{"orderViewId":1}"#);
    members.push(("region", "\"HK\"".to_owned()));
    let key = DedupeKey::Once(format!("sig:{}", signature(&members)));
    assert!(webhook(receive(&signed(&members))).dedupe_keys.contains(&key));
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("&messageId=7"),
        Just("&messageId=8"),
        Just("&shopId=1"),
        Just("&timestamp=1749008160"),
        Just("&message="),
        Just("&messageA="),
        Just("&n="),
        Just("&region=x"),
        Just("{}"),
        Just("\"}"),
        Just("\""),
        Just("x"),
        Just("\n"),
        Just(","),
        Just("&"),
        Just("="),
    ];
    prop::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
}

/// A message with a buyer's note in it: JSON, or broken in one of the ways in which it may come.
fn any_message() -> impl Strategy<Value = String> {
    (pieces(), 0_u8..7).prop_map(|(note, shape)| {
        let strict = json!({ "orderViewId": 7, "cancelReason": note }).to_string();
        match shape {
            0..=2 => strict,
            3 => strict.replace("7,", "NaN,"),
            4 => format!("{},}}", strict.trim_end_matches('}')),
            5 => strict.replace("\\n", "\n"),
            _ => note,
        }
    })
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn one_captured_request_cut_in_every_way_makes_at_most_one_event(
        message in any_message(),
        event_id in prop_oneof![Just(1004_u64), Just(1002), Just(1102), Just(4711)],
        region in prop::option::of(pieces()),
        backwards in any::<bool>(),
    ) {
        let mut members = envelope(event_id, &message);
        members.extend(region.map(|region| ("region", Value::from(region).to_string())));
        let mut bodies = cuts(&members);
        bodies.push(signed(&members));
        if backwards {
            bodies.reverse();
        }
        let mut known = Known::default();
        let events = bodies.iter().filter_map(|body| believed(body)).filter(|webhook| known.takes(webhook)).count();
        prop_assert!(events <= 1, "{} events of {} cuts", events, bodies.len());
        if serde_json::from_str::<Value>(&message).is_ok() {
            prop_assert_eq!(events, 1, "the genuine one is taken, whatever came before it");
        }
    }
}
