//! Sample webhooks of every hook, signed in the source's own token mode: for `demo`, `simulate` and tests.
//!
//! The bodies are made up, because APSDAI publishes none: they have the likeliest names of the table.

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::domain::event::Kind;
use crate::domain::sign;
use crate::platform::SampleWebhook;
use crate::platform::apsdai::{Apsdai, EVENT, TIMESTAMP, TOKEN};

/// Hook, kind and body of each sample; the last is a hook that does not exist.
const BODIES: [(&str, Kind, &str); 10] = [
    ("order_create_hook", Kind::OrderPlaced, include_str!("samples/order_create_hook.json")),
    ("order_pay_hook", Kind::OrderPaid, include_str!("samples/order_pay_hook.json")),
    ("order_cancel_hook", Kind::OrderCancelled, include_str!("samples/order_cancel_hook.json")),
    ("order_refund_hook", Kind::OrderRefund, include_str!("samples/order_refund_hook.json")),
    ("order_out_of_stock_hook", Kind::OrderOutOfStock, include_str!("samples/order_out_of_stock_hook.json")),
    ("order_finish_hook", Kind::OrderCompleted, include_str!("samples/order_finish_hook.json")),
    ("stock_alarm_hook", Kind::StockLow, include_str!("samples/stock_alarm_hook.json")),
    ("key_stock_alarm_hook", Kind::StockKeysLow, include_str!("samples/key_stock_alarm_hook.json")),
    ("order_count_amount_hook", Kind::TotalsReported, include_str!("samples/order_count_amount_hook.json")),
    ("order_gift_hook", Kind::Unrecognised, include_str!("samples/order_gift_hook.json")),
];

/// The samples of a kind; empty for a kind that APSDAI does not send.
pub fn samples(apsdai: &Apsdai, kind: &Kind, seed: u64, now: Timestamp) -> Vec<SampleWebhook> {
    let of_kind = BODIES.iter().filter(|(_, known, _)| known == kind);
    of_kind.map(|(hook, _, body)| signed(apsdai, hook, &personalised(apsdai, body, seed, now), now)).collect()
}

/// Gives the body an order number of its own and moves its times to now.
fn personalised(apsdai: &Apsdai, body: &str, seed: u64, now: Timestamp) -> Value {
    let mut body: Value = serde_json::from_str(body).unwrap_or_default();
    let local = now.to_zoned(apsdai.timezone.clone());
    if let Some(members) = body.as_object_mut() {
        // Alarms have no number of their own, and two of them are not to be taken for one.
        members.insert("notice_id".to_owned(), json!(seed));
        for (name, value) in members.iter_mut() {
            match name.as_str() {
                "order_no" => *value = json!(format!("AP{seed:012}")),
                "created_at" | "paid_at" => *value = json!(local.strftime("%Y-%m-%d %H:%M:%S").to_string()),
                _ => {}
            }
        }
    }
    let days = body.get_mut("data").and_then(Value::as_array_mut);
    for (ago, day) in (0_i64..).zip(days.into_iter().flatten()) {
        let date = local.date().saturating_sub(ago.days());
        day["date"] = json!(date.to_string());
    }
    body
}

fn signed(apsdai: &Apsdai, hook: &str, body: &Value, now: Timestamp) -> SampleWebhook {
    let milliseconds = now.as_millisecond();
    let token = match (&apsdai.secret, &apsdai.password) {
        (Some(secret), _) => sign::apsdai_token(secret.expose(), milliseconds),
        (None, password) => password.as_ref().map(|password| password.expose().to_owned()).unwrap_or_default(),
    };
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("user-agent", "apsdai-hook".to_owned()),
        (TOKEN, token),
        (TIMESTAMP, milliseconds.to_string()),
        (EVENT, hook.to_owned()),
    ];
    let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    SampleWebhook { shop: None, headers, body: body.to_string().into_bytes() }
}
