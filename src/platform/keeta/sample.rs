//! Sample webhooks of every kind, signed as Keeta would sign them: for `demo`, `simulate` and tests.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::domain::event::Kind;
use crate::domain::sign;
use crate::platform::keeta::bill;
use crate::platform::keeta::settings::Keeta;
use crate::platform::keeta::verify::default_address;
use crate::platform::sample::{SampleContent, SampleError, visit};
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
pub fn samples(
    keeta: &Keeta,
    kind: &Kind,
    address: &str,
    content: &SampleContent,
    now: Timestamp,
) -> Result<Vec<SampleWebhook>, SampleError> {
    let address = keeta.checked_address(address);
    let names = Names::of(keeta, content)?;
    let (seed, shop) = (content.seed, names.shop);
    let of_kind = MESSAGES.iter().filter(|(_, known, _)| known == kind);
    let mut samples: Vec<SampleWebhook> = of_kind
        .map(|(event_id, _, message)| {
            let message = personalise(message, &names, content, now);
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
    Ok(samples)
}

fn i64_of(small: u64) -> i64 {
    i64::try_from(small).unwrap_or_default()
}

/// What names a sample's order and shop.
struct Names {
    order: u64,
    shop: u64,
    /// Absent where the sample's own shop stays.
    shop_name: Option<String>,
}

impl Names {
    fn of(keeta: &Keeta, content: &SampleContent) -> Result<Self, SampleError> {
        let order = content.order.as_deref().map(|order| number("an order's number", order)).transpose()?;
        // The first one that the configuration names, so that the sample looks like the merchant's own.
        let own = || keeta.shops.keys().find_map(|id| id.parse().ok());
        let shop = content.shop.as_deref().map(|shop| number("a shop's id", shop)).transpose()?.or_else(own);
        let name = |shop: u64| keeta.shops.get(&shop.to_string()).cloned().unwrap_or_default();
        Ok(Self {
            order: order.unwrap_or(SAMPLE_ORDER + content.seed % SEEDS),
            shop: shop.unwrap_or(SAMPLE_SHOP),
            shop_name: shop.map(name),
        })
    }
}

/// An id of Keeta's, which is a number.
fn number(what: &str, text: &str) -> Result<u64, SampleError> {
    let is_number = |number: &u64| *number > 0 && i64::try_from(*number).is_ok() && number.to_string() == text;
    let number = text.parse().ok().filter(is_number);
    number.ok_or_else(|| {
        SampleError(format!("at Keeta, {what} is a whole number of at most 18 digits, and \"{text}\" is none"))
    })
}

/// Gives the message ids of its own, moves its times to now, and says what is asked for.
fn personalise(message: &str, names: &Names, content: &SampleContent, now: Timestamp) -> Value {
    let mut message: Value = serde_json::from_str(message).unwrap_or_default();
    let anchor = ["/orderInfo/baseOrder/ctime", "/opTime", "/createTime"]
        .into_iter()
        .find_map(|path| message.pointer(path).and_then(Value::as_i64));
    let shift = anchor.map(|anchor| now.as_millisecond() - anchor);
    visit(&mut message, &mut |name, value| match name {
        "orderViewId" => *value = json!(names.order),
        "orderViewIdStr" => *value = json!(names.order.to_string()),
        "seqNoStr" => *value = json!(format!("{:04}", names.order % 10_000)),
        "afterSaleOrderId" => {
            let partial = value.as_u64().unwrap_or_default() % 2;
            let refund = SAMPLE_REFUND + names.order % SEEDS * 2 + partial;
            *value = json!(refund);
        }
        "shopId" => *value = json!(names.shop),
        "shopName" => {
            if let Some(name) = &names.shop_name {
                *value = json!(name);
            }
        }
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
    bill::write(&mut message, content);
    message
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
