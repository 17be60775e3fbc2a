//! Sample webhooks of every kind, signed as Keeta would sign them: for `demo`, `simulate` and tests.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::domain::event::Kind;
use crate::domain::sign;
use crate::platform::keeta::Keeta;
use crate::platform::keeta::verify::default_address;
use crate::platform::{Platform, SampleWebhook};

/// Event id and message of each sample.
const MESSAGES: [(u64, Kind, &str); 16] = [
    (1001, Kind::OrderPlaced, include_str!("samples/1001.json")),
    (1002, Kind::OrderAccepted, include_str!("samples/1002.json")),
    (1003, Kind::OrderCompleted, include_str!("samples/1003.json")),
    (1004, Kind::OrderCancelled, include_str!("samples/1004.json")),
    (1008, Kind::OrderCancelled, include_str!("samples/1008.json")),
    (1005, Kind::OrderRefund, include_str!("samples/1005.json")),
    (1007, Kind::OrderPartialRefund, include_str!("samples/1007.json")),
    (1006, Kind::OrderDelivery, include_str!("samples/1006.json")),
    (1101, Kind::StoreHours, include_str!("samples/1101.json")),
    (1102, Kind::StoreStatus, include_str!("samples/1102.json")),
    (1201, Kind::MenuImages, include_str!("samples/1201.json")),
    (1202, Kind::MenuSync, include_str!("samples/1202.json")),
    (1301, Kind::AppAuthorised, include_str!("samples/1301.json")),
    (1302, Kind::AppDeauthorised, include_str!("samples/1302.json")),
    (1303, Kind::AppDeauthorised, include_str!("samples/1303.json")),
    (1999, Kind::Unrecognised, include_str!("samples/1999.json")),
];

const SAMPLE_SHOP: u64 = 466_663;
const SAMPLE_ORDER: u64 = 756_823_000_000_000;
const SAMPLE_REFUND: u64 = 833_443_000_000_000;
/// Seeds beyond this would make ids that are no longer of a real one's length.
const SEEDS: u64 = 1_000_000_000;

/// The samples of a kind; empty for a kind that Keeta does not send.
pub fn samples(keeta: &Keeta, kind: &Kind, address: &str, seed: u64, now: Timestamp) -> Vec<SampleWebhook> {
    let address = keeta.checked_address(address);
    let of_kind = MESSAGES.iter().filter(|(_, known, _)| known == kind);
    let mut samples: Vec<SampleWebhook> = of_kind
        .map(|(event_id, _, message)| {
            let shop = shop(keeta);
            let message = personalise(message, shop, seed % SEEDS, now);
            let members = BTreeMap::from([
                ("eventId", json!(event_id)),
                ("appId", json!(keeta.app_id)),
                (
                    "messageId",
                    json!(format!("{}{event_id}", now.as_millisecond() % 1_000_000_000 * 1_000 + i64_of(seed % 1_000))),
                ),
                ("shopId", json!(shop)),
                ("message", json!(message.to_string())),
                ("timestamp", json!(now.as_second())),
            ]);
            SampleWebhook {
                shop: Some(shop.to_string()),
                ..signed(members, &default_address(address), keeta.app_secret.expose())
            }
        })
        .collect();
    if *kind == Kind::AppAuthorised {
        let members = BTreeMap::from([
            ("code", json!(format!("sample-code-{seed}"))),
            ("appId", json!(keeta.app_id)),
            ("timestamp", json!(now.as_second())),
        ]);
        samples.push(signed(members, &default_address(address), keeta.app_secret.expose()));
    }
    samples
}

fn i64_of(small: u64) -> i64 {
    i64::try_from(small).unwrap_or_default()
}

/// The first shop that the configuration names, so that the sample looks like the merchant's own.
fn shop(keeta: &Keeta) -> u64 {
    keeta.shops.keys().find_map(|id| id.parse().ok()).unwrap_or(SAMPLE_SHOP)
}

/// Gives the message ids of its own and moves its times to now.
fn personalise(message: &str, shop: u64, seed: u64, now: Timestamp) -> Value {
    let mut message: Value = serde_json::from_str(message).unwrap_or_default();
    let anchor = ["/orderInfo/baseOrder/ctime", "/opTime", "/createTime"]
        .into_iter()
        .find_map(|path| message.pointer(path).and_then(Value::as_i64));
    let shift = anchor.map(|anchor| now.as_millisecond() - anchor);
    visit(&mut message, &mut |name, value| match name {
        "orderViewId" => *value = json!(SAMPLE_ORDER + seed),
        "orderViewIdStr" => *value = json!((SAMPLE_ORDER + seed).to_string()),
        "seqNoStr" => *value = json!(format!("{:04}", seed % 10_000)),
        "afterSaleOrderId" => {
            let partial = value.as_u64().unwrap_or_default() % 2;
            *value = json!(SAMPLE_REFUND + seed * 2 + partial);
        }
        "shopId" => *value = json!(shop),
        _ => {
            const MILLISECONDS: std::ops::Range<i64> = 1_000_000_000_000..10_000_000_000_000;
            let is_time = name.ends_with("Time") || name == "ctime";
            if let (true, Some(at), Some(shift)) = (is_time, value.as_i64(), shift)
                && MILLISECONDS.contains(&at)
            {
                *value = json!(at + shift);
            }
        }
    });
    message
}

fn visit(value: &mut Value, change: &mut impl FnMut(&str, &mut Value)) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                change(name, value);
                visit(value, change);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, change)),
        _ => {}
    }
}

fn signed(mut members: BTreeMap<&str, Value>, address: &str, secret: &str) -> SampleWebhook {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs: Vec<String> = members.iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
    let signature = sign::keeta(address, &pairs.join("&"), secret);
    members.insert("sig", json!(signature));
    SampleWebhook {
        shop: None,
        headers: vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())],
        body: json!(members).to_string().into_bytes(),
    }
}
