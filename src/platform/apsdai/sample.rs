//! Sample webhooks of every hook, signed in the source's own token mode: for `demo`, `simulate` and tests.
//!
//! The bodies are made up, because APSDAI publishes none: they have the likeliest names of the table.

use jiff::{Timestamp, ToSpan};
use serde_json::{Map, Value, json};

use crate::domain::event::Kind;
use crate::domain::money::Money;
use crate::domain::sign;
use crate::platform::apsdai::settings::Apsdai;
use crate::platform::apsdai::verify::{EVENT, TIMESTAMP, TOKEN};
use crate::platform::sample::{PricedItem, SampleContent, SampleItem};
use crate::platform::{SampleWebhook, sample};

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
pub fn samples(apsdai: &Apsdai, kind: &Kind, content: &SampleContent, now: Timestamp) -> Vec<SampleWebhook> {
    let of_kind = BODIES.iter().filter(|(_, known, _)| known == kind);
    of_kind.map(|(hook, _, body)| signed(apsdai, hook, &personalised(apsdai, body, content, now), now)).collect()
}

/// Gives the body an order number of its own, moves its times to now, and says what is asked for.
fn personalised(apsdai: &Apsdai, body: &str, content: &SampleContent, now: Timestamp) -> Value {
    let mut body: Value = serde_json::from_str(body).unwrap_or_default();
    let local = now.to_zoned(apsdai.timezone.clone());
    if let Some(members) = body.as_object_mut() {
        // Alarms have no number of their own, and two of them are not to be taken for one.
        members.insert("notice_id".to_owned(), json!(content.seed));
        for (name, value) in members.iter_mut() {
            match name.as_str() {
                "order_no" => {
                    *value = json!(content.order.clone().unwrap_or_else(|| format!("AP{:012}", content.seed)));
                }
                "created_at" | "paid_at" => *value = json!(local.strftime("%Y-%m-%d %H:%M:%S").to_string()),
                "currency" => {
                    if let Some(currency) = &content.currency {
                        *value = json!(currency);
                    }
                }
                _ => {}
            }
        }
        bill(members, content);
    }
    let days = body.get_mut("data").and_then(Value::as_array_mut);
    for (ago, day) in (0_i64..).zip(days.into_iter().flatten()) {
        let date = local.date().saturating_sub(ago.days());
        day["date"] = json!(date.to_string());
    }
    body
}

/// Total and items. A body names one product beside its total; several stand in a list.
fn bill(members: &mut Map<String, Value>, content: &SampleContent) {
    let text = |members: &Map<String, Value>, name| members.get(name).and_then(Value::as_str).map(str::to_owned);
    let (Some(amount), Some(product)) = (text(members, "amount"), text(members, "product_name")) else { return };
    if content.total.is_none() && content.items.is_empty() {
        return;
    }
    let currency = text(members, "currency").unwrap_or_default();
    let Some(total) = content.total.clone().or_else(|| Money::of_major(&amount, currency)) else { return };
    let quantity = members.get("quantity").and_then(Value::as_u64).unwrap_or(1);
    let own = [SampleItem { quantity, name: product }];
    let items = if content.items.is_empty() { &own } else { content.items.as_slice() };
    let quantities: Vec<u64> = items.iter().map(|item| item.quantity).collect();
    let product = |priced: &PricedItem| {
        let price = Money::new(priced.unit_minor, &total.currency).major();
        json!({ "product_name": items[priced.item].name, "quantity": priced.quantity, "price": price })
    };
    let mut products: Vec<Value> = sample::prices(&quantities, total.minor).iter().map(product).collect();
    members.insert("amount".to_owned(), json!(total.major()));
    for name in ["product_name", "product_path", "quantity", "price"] {
        members.remove(name);
    }
    match (products.len(), products.first_mut().and_then(Value::as_object_mut)) {
        (1, Some(only)) => members.append(only),
        _ => {
            members.insert("products".to_owned(), json!(products));
        }
    }
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
