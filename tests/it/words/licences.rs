//! Events as APSDAI's webhooks make them: with all details, with none, and with those of an order that has no number.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue};
use orderbell::domain::event::{Event, Kind};
use orderbell::domain::fold::merge;
use orderbell::platform::apsdai::settings::Apsdai;
use orderbell::platform::{Incoming, Method, Platform, WebhookRequest};

use crate::words::samples;
use crate::words::samples::Sample;

fn apsdai() -> Apsdai {
    let settings = "password = \"word\"\ntimezone = \"Asia/Shanghai\"";
    toml::from_str(settings).unwrap()
}

/// What a hook with this body becomes.
fn event_of(hook: &str, body: &[u8]) -> Event {
    let received_at = samples::at("2025-06-04T03:35:40Z");
    let pairs = [
        ("x-apsdai-token", "word".to_owned()),
        ("x-apsdai-timestamp", received_at.as_millisecond().to_string()),
        ("x-apsdai-event", hook.to_owned()),
    ];
    let headers: HeaderMap = pairs
        .into_iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(&value).unwrap()))
        .collect();
    let (method, query, address, currency) = (Method::Post, None, "", "CNY");
    let request = WebhookRequest { method, query, headers: &headers, body, address, currency, now: received_at };
    let Ok(Incoming::Webhook(webhook)) = apsdai().receive(&request) else { panic!("it is believed") };
    Event {
        source: "licences".to_owned(),
        occurred_at: webhook.occurred_at,
        received_at,
        shop: None,
        order: webhook.order,
        ..samples::event(webhook.kind, webhook.data)
    }
}

fn sample(variant: &str, event: Event) -> Sample {
    let order = event.order.as_ref().map(|_| merge(None, &event));
    Sample { name: format!("{}.apsdai_{variant}", event.kind), event, order }
}

/// Each hook in full, with an empty body, and for orders without their number; then the other reasons to say little.
pub fn samples() -> Vec<Sample> {
    let now = samples::at("2025-06-04T03:35:40Z");
    let mut all = Vec::new();
    for kind in apsdai().kinds().iter().filter(|kind| **kind != Kind::Unrecognised) {
        let [made] = &apsdai().samples(kind, "", 7, now)[..] else { panic!("one sample of {kind}") };
        let (_, hook) = made.headers.iter().find(|(name, _)| name == "x-apsdai-event").unwrap();
        all.push(sample("full", event_of(hook, &made.body)));
        all.push(sample("empty", event_of(hook, b"{}")));
        let text = String::from_utf8(made.body.clone()).unwrap();
        if text.contains("order_no") {
            all.push(sample("unnumbered", event_of(hook, text.replace("order_no", "nothing_known").as_bytes())));
        }
    }
    let one_left = br#"{"name":"Photo Tool Pro","stock":1}"#;
    let lines = br#"[{"name":"One","price":"10","quantity":2},{"name":"Two","price":"5.5","quantity":1}]"#;
    let finished = br#"{"data":{"orderNo":"A20250604001","finishTime":"2025-06-04 11:35:00","total":"2079.00"}}"#;
    let cancelled = br#"{"order":{"order_sn":"A20250604001","pay_amount":2079,"cancel_reason":"paid twice"}}"#;
    let refunded = br#"{"data":{"orderNo":"A20250604001","refundAmount":"99.50","reason":"key does not work"}}"#;
    let keys = br#"[{"goods_name":"Photo Tool Pro","stock":2,"threshold":5},{"goods_name":"Disk Tool","stock":0}]"#;
    all.extend([
        sample("wrapped", event_of("order_finish_hook", finished)),
        sample("wrapped", event_of("order_cancel_hook", cancelled)),
        sample("wrapped", event_of("order_refund_hook", refunded)),
        sample("one", event_of("key_stock_alarm_hook", one_left)),
        sample("several", event_of("key_stock_alarm_hook", keys)),
        sample("test", event_of("order_pay_hook", br#"{"test":true}"#)),
        sample("unreadable", event_of("order_pay_hook", b"<xml/>")),
        sample("unfamiliar", event_of("order_pay_hook", br#"{"a":1}"#)),
        sample("unnumbered_lines", event_of("order_create_hook", lines)),
        sample("one", event_of("stock_alarm_hook", one_left)),
        sample("sold_out", event_of("stock_alarm_hook", br#"{"goods_id":1,"stock":0}"#)),
        sample("without_lines", event_of("order_out_of_stock_hook", br#"{"stock":[1],"left":0,"threshold":5}"#)),
        sample("undated", event_of("order_count_amount_hook", br#"{"count":21,"amount":"2079"}"#)),
        sample(
            "bare",
            event_of("order_count_amount_hook", br#"[{"day":"1 June","count":1},{"day":"2 June","amount":9}]"#),
        ),
    ]);
    all
}

#[test]
fn each_hook_is_shown_with_four_shapes_of_body_at_least() {
    let mut shapes: BTreeMap<String, usize> = BTreeMap::new();
    for sample in samples() {
        *shapes.entry(sample.event.kind.to_string()).or_default() += 1;
    }
    assert_eq!(shapes.len(), 9, "{shapes:?}");
    assert!(shapes.values().all(|count| *count >= 4), "{shapes:?}");
}
