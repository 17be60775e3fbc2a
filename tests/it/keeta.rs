//! Keeta's webhooks: what is believed, what is not, and what each says.

mod proof;

use jiff::Timestamp;
use orderbell::domain::event::{DedupeKey, Kind, SignatureCheck};
use orderbell::domain::order::OrderState;
use orderbell::domain::secret::Secret;
use orderbell::domain::sign;
use orderbell::platform::keeta::settings::{Keeta, Verify};
use orderbell::platform::{Incoming, Method, ParsedWebhook, Platform, Refusal, WebhookRequest};
use serde_json::{Value, json};

use crate::support::payload::payload;

const ADDRESS: &str = "https://bell.example.com/hooks/keeta-hk";
const SECRET: &str = "app-secret";
const APP: u64 = 3_762_772_727;

fn keeta() -> Keeta {
    Keeta {
        app_id: APP,
        app_secret: Secret::new(SECRET),
        verify: Verify::Enforce,
        registered_url: None,
        shops: [("466663".to_owned(), "My Noodles".to_owned())].into(),
        max_age: jiff::SignedDuration::from_hours(24),
    }
}

fn now() -> Timestamp {
    "2025-06-04T03:36:00Z".parse().expect("a time")
}

/// The text of a value as it enters the signed string.
fn text(raw: &str) -> String {
    serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.to_owned())
}

/// A body of members given as raw JSON, signed by the default recipe.
fn signed(members: &[(&str, &str)]) -> Vec<u8> {
    signed_for(&format!("{ADDRESS}?"), members)
}

fn signed_for(address: &str, members: &[(&str, &str)]) -> Vec<u8> {
    let mut sorted = members.to_vec();
    sorted.sort_unstable();
    let pairs: Vec<String> = sorted.iter().map(|(name, raw)| format!("{name}={}", text(raw))).collect();
    let signature = sign::keeta(address, &pairs.join("&"), SECRET);
    body(members, &signature)
}

fn body(members: &[(&str, &str)], signature: &str) -> Vec<u8> {
    let members: Vec<String> = members.iter().map(|(name, raw)| format!("\"{name}\":{raw}")).collect();
    format!("{{{},\"sig\":\"{signature}\"}}", members.join(",")).into_bytes()
}

/// The members of an envelope around a message.
fn envelope(event_id: u64, message: &str) -> Vec<(&'static str, String)> {
    vec![
        ("eventId", event_id.to_string()),
        ("appId", APP.to_string()),
        ("messageId", "\"1930106161957212198\"".to_owned()),
        ("shopId", "466663".to_owned()),
        ("message", Value::from(message).to_string()),
        ("timestamp", now().as_second().to_string()),
    ]
}

fn borrowed<'a>(members: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    members.iter().map(|(name, raw)| (*name, raw.as_str())).collect()
}

fn receive_by(keeta: &Keeta, body: &[u8]) -> Result<Incoming, Refusal> {
    let headers = http::HeaderMap::new();
    keeta.receive(&WebhookRequest {
        method: Method::Post,
        query: None,
        headers: &headers,
        body,
        address: ADDRESS,
        currency: "HKD",
        now: now(),
    })
}

fn receive(body: &[u8]) -> Result<Incoming, Refusal> {
    receive_by(&keeta(), body)
}

fn webhook(incoming: Result<Incoming, Refusal>) -> ParsedWebhook {
    match incoming {
        Ok(Incoming::Webhook(webhook)) => *webhook,
        other => panic!("a webhook was expected, not {other:?}"),
    }
}

/// What event `event_id` with this message becomes.
fn parsed(event_id: u64, message: &Value) -> ParsedWebhook {
    webhook(receive(&signed(&borrowed(&envelope(event_id, &message.to_string())))))
}

fn order_message() -> Value {
    serde_json::from_str(include_str!("../../src/platform/keeta/samples/1001.json")).expect("the sample is JSON")
}

#[test]
fn a_genuine_order_is_read_whole() {
    let placed = parsed(1001, &order_message());
    assert_eq!(placed.kind, Kind::OrderPlaced);
    assert_eq!(placed.signature, SignatureCheck::Valid("address as registered, with '?'".to_owned()));
    assert_eq!(placed.occurred_at, Some("2025-06-04T03:35:38.025Z".parse().expect("a time")));
    assert_eq!(placed.shop.as_ref().and_then(|shop| shop.name.as_deref()), Some("My Noodles"));
    let order = placed.order.expect("an order");
    assert_eq!((order.number.as_str(), order.short_number.as_deref()), ("756823555555859", Some("29332222")));
    assert_eq!(order.state, Some(OrderState::Placed));
    assert_eq!(order.total.map(|total| total.to_string()).as_deref(), Some("SAR 46.00"));
    let [ribs, tea] = order.lines.as_slice() else { panic!("two lines were expected: {:?}", order.lines) };
    assert_eq!((ribs.name.as_str(), ribs.note.as_deref()), ("糖醋排骨", Some("no onion 不要葱")));
    assert_eq!(ribs.options, ["large", "Spice: Mild"]);
    assert_eq!(
        (tea.quantity, tea.unit_price.as_ref().map(ToString::to_string).as_deref()),
        (Some(2), Some("SAR 5.00"))
    );
    assert_eq!(payload!(placed, Placed).payment.as_deref(), Some("Apple Pay"));
}

#[test]
fn the_order_is_found_in_every_shape_that_was_seen() {
    let wrapped = order_message();
    let bare = wrapped["orderInfo"].clone();
    let nested = json!({ "data": wrapped });
    for message in [wrapped, bare, nested] {
        let order = parsed(1001, &message).order.expect("an order");
        assert_eq!((order.number.as_str(), order.lines.len()), ("756823555555859", 2));
    }
    let thin =
        parsed(1001, &json!({ "tagCodes": [112_005], "baseOrder": { "orderViewId": 5_123_443_030_093_253_u64 } }));
    let order = thin.order.expect("an order");
    assert_eq!(order.number, "5123443030093253");
    assert_eq!((order.total, order.lines.len(), order.placed_at), (None, 0, None));
}

#[test]
fn a_total_that_was_not_sent_is_the_sum_of_the_lines_and_says_so() {
    let mut message = order_message();
    message["orderInfo"]["feeDtl"] = Value::Null;
    let order = parsed(1001, &message).order.expect("an order");
    assert_eq!(order.total.map(|total| total.minor), Some(4600));
    assert!(order.total_is_approximate);

    message["orderInfo"]["feeDtls"] = json!([{ "code": "payTotal", "currency": "HKD", "price": 5100 }]);
    message["orderInfo"]["baseOrder"]["currency"] = Value::Null;
    let order = parsed(1001, &message).order.expect("an order");
    assert_eq!(order.total.map(|total| total.to_string()).as_deref(), Some("HKD 51.00"));
    assert!(!order.total_is_approximate);
}

#[test]
fn every_event_id_is_read_as_its_kind() {
    let order = json!({ "orderViewId": 1, "shopId": 466_663, "status": 30, "opTime": 1_749_008_143_025_i64 });
    let refund = json!({ "orderViewId": 1, "status": 2001, "afterSaleOrderId": 8, "money": 2800, "currency": "HKD", "opTime": 1_749_008_143_025_i64 });
    let delivery = json!({ "orderViewId": 1, "logisticsStatus": 25, "opTime": 1_749_008_143_025_i64 });
    let hours = json!({ "businessHourOfTheWeek": { "mon": [{ "startTime": 36_000, "endTime": 79_200 }] } });
    let cases = [
        (1001, order_message(), Kind::OrderPlaced),
        (1002, order.clone(), Kind::OrderAccepted),
        (1003, order.clone(), Kind::OrderCompleted),
        (1004, order.clone(), Kind::OrderCancelled),
        (1008, order.clone(), Kind::OrderCancelled),
        (1005, refund.clone(), Kind::OrderRefund),
        (1007, refund, Kind::OrderPartialRefund),
        (1006, delivery, Kind::OrderDelivery),
        (1101, hours, Kind::StoreHours),
        (1102, json!({ "fromStatus": 3, "toStatus": 4 }), Kind::StoreStatus),
        (1201, json!({ "taskId": 5, "errorList": [] }), Kind::MenuImages),
        (1202, json!({ "taskId": "5", "errorSpuDTOList": [] }), Kind::MenuSync),
        (1301, json!({ "authId": 7, "shopName": "A" }), Kind::AppAuthorised),
        (1302, json!({ "authId": 7 }), Kind::AppDeauthorised),
        (1303, json!({ "authId": 7, "shopIds": [1, 2] }), Kind::AppDeauthorised),
        (4711, order, Kind::Unrecognised),
        // Known ids whose message holds nothing of what the event is about.
        (1001, json!({ "hello": 1 }), Kind::Unrecognised),
        (1006, json!({ "orderViewId": 1 }), Kind::Unrecognised),
    ];
    for (event_id, message, kind) in cases {
        assert_eq!(parsed(event_id, &message).kind, kind, "event {event_id}");
    }
}

#[test]
fn words_stand_for_known_numbers_and_unknown_numbers_stay_numbers() {
    let cancelled = parsed(1008, &json!({ "orderViewId": 1, "opType": 0, "cancelType": 5042, "cancelReason": "late" }));
    assert_eq!(payload!(cancelled, Progress).by.and_then(|by| by.word).as_deref(), Some("system"));
    assert_eq!(payload!(cancelled, Progress).cancel_type, Some(5042));
    let delivery = payload!(parsed(1006, &json!({ "orderViewId": 1, "logisticsStatus": 77 })), Delivery)
        .delivery
        .expect("a status");
    assert_eq!((delivery.code, delivery.word), (77, None));
}

#[test]
fn encrypted_personal_data_is_dropped() {
    let message =
        json!({ "orderViewId": 1, "logisticsStatus": 25, "courierName": "ENC_cmlkZXI=", "courierPhone": "ENC_cGg=" });
    let webhook = parsed(1006, &message);
    assert_eq!(payload!(webhook, Delivery).courier, None);
    let mut order = order_message();
    order["orderInfo"]["products"][0]["remark"] = json!("for ENC_bmFtZQ== please");
    let note = parsed(1001, &order).order.and_then(|order| order.lines[0].note.clone()).expect("a note");
    assert!(!note.contains("ENC_"), "{note}");
}

#[test]
fn opening_hours_are_read_and_nothing_to_nothing_is_closed() {
    let hours = parsed(
        1101,
        &json!({ "businessHourOfTheWeek": { "sun": [{ "startTime": 0, "endTime": 0 }], "mon": [{ "startTime": 36_000, "endTime": 86_400 }] } }),
    );
    let week = payload!(hours, Hours).week;
    assert_eq!(
        (week[0].day.as_str(), week[0].spans[0].from.as_str(), week[0].spans[0].to.as_str()),
        ("mon", "10:00", "24:00")
    );
    assert_eq!((week[1].day.as_str(), week[1].spans.len()), ("sun", 0));
}

#[test]
fn a_heartbeat_is_whatever_is_empty() {
    for packet in ["", "  \r\n", "{}", " { } ", "null", "\"\"", "[]"] {
        assert!(matches!(receive(packet.as_bytes()), Ok(Incoming::Heartbeat)), "{packet:?}");
    }
    for packet in ["\0", "{}{}", "nul", "nulll", "0", "[[]]", "\"a\""] {
        assert!(matches!(receive(packet.as_bytes()), Err(Refusal::Shape(_))), "{packet:?}");
    }
}

#[test]
fn strange_bytes_are_refused_and_crash_nothing() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let digits = format!("{{\"appId\":{}}}", "9".repeat(400));
    let cases: [&[u8]; 6] =
        [b"\xff\xfe{}", b"{\"a\":", deep.as_bytes(), digits.as_bytes(), b"a=1&b=2", b"{\"a\":\"\\ud800\"}"];
    for case in cases {
        assert!(matches!(receive(case).err(), Some(Refusal::Shape(_))));
    }
}

#[test]
fn a_believed_message_that_is_odd_inside_is_kept_as_unrecognised_or_read_as_far_as_it_goes() {
    let deep = format!("{{\"baseOrder\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(webhook(receive(&signed(&borrowed(&envelope(1001, &deep))))).kind, Kind::Unrecognised);
    let groups = r#"{"shopProductGroupSkuList":[{"spuName":"x","groups":["#.repeat(500) + &"]}]}".repeat(500);
    let nested =
        format!(r#"{{"baseOrder":{{"orderViewId":1}},"products":[{{"name":"a","count":1,"groups":[{groups}]}}]}}"#);
    let order = webhook(receive(&signed(&borrowed(&envelope(1001, &nested))))).order.expect("an order");
    assert!(order.lines[0].options.len() <= 8);
    let huge =
        format!(r#"{{"baseOrder":{{"orderViewId":1}},"feeDtl":{{"customerFee":{{"payTotal":{}}}}}}}"#, "9".repeat(400));
    assert_eq!(webhook(receive(&signed(&borrowed(&envelope(1001, &huge))))).order.and_then(|order| order.total), None);
    let nul = json!({ "orderViewId": 1, "opType": 10, "cancelReason": "a\u{0}b\r\nc\u{202e}d\u{200b}" });
    assert_eq!(payload!(parsed(1004, &nul), Progress).reason.as_deref(), Some("ab cd"));
    for message in ["", "null", "[1]", "\"x\"", "7"] {
        assert_eq!(
            webhook(receive(&signed(&borrowed(&envelope(1002, message))))).kind,
            Kind::Unrecognised,
            "{message}"
        );
    }
}

#[test]
fn repeats_are_recognised_by_meaning() {
    let keys = |event_id: u64, message: Value| parsed(event_id, &message).dedupe_keys;
    let once = |text: &str| DedupeKey::Once(text.to_owned());
    let message = once("message:1930106161957212198");
    assert_eq!(
        keys(1001, order_message()),
        [message.clone(), DedupeKey::Unchanged("order:1001:756823555555859".to_owned())]
    );
    assert_eq!(keys(1004, json!({ "orderViewId": 9 })), [message.clone(), once("order:1004:9")]);
    assert_eq!(
        keys(1005, json!({ "orderViewId": 9, "afterSaleOrderId": 5, "status": 2001 })),
        [message.clone(), once("refund:1005:5:2001")]
    );
    assert_eq!(
        keys(1006, json!({ "orderViewId": 9, "logisticsStatus": 20, "opTime": 17 })),
        [message, once("order:1006:9:20:17")]
    );
    let [_, DedupeKey::Latest { key, window_seconds, .. }] = &keys(1102, json!({ "toStatus": 4 }))[..] else {
        panic!("an event of a shop is compared with the latest")
    };
    assert_eq!((key.as_str(), *window_seconds), ("shop:1102:466663", 300));
}

#[test]
fn the_authorisation_code_comes_flat_by_either_method_and_is_kept_nowhere() {
    let code = "very-secret-code";
    let quoted = format!("\"{code}\"");
    let seconds = now().as_second().to_string();
    let app = APP.to_string();
    let members =
        [("code", quoted.as_str()), ("appId", app.as_str()), ("state", "\"s\""), ("timestamp", seconds.as_str())];
    let posted = webhook(receive(&signed(&members)));
    let query = {
        let mut sorted = [("code", code), ("appId", app.as_str()), ("state", "s"), ("timestamp", seconds.as_str())];
        sorted.sort_unstable();
        let pairs: Vec<String> = sorted.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let signature = sign::keeta(&format!("{ADDRESS}?"), &pairs.join("&"), SECRET);
        format!("{}&sig={signature}", pairs.join("&"))
    };
    let headers = http::HeaderMap::new();
    let get = |query: &str| {
        keeta().receive(&WebhookRequest {
            method: Method::Get,
            query: Some(query),
            headers: &headers,
            body: b"",
            address: ADDRESS,
            currency: "HKD",
            now: now(),
        })
    };
    let gotten = webhook(get(&query));
    for webhook in [&posted, &gotten] {
        assert_eq!(webhook.kind, Kind::AppAuthorised);
        assert!(payload!(webhook, Authorisation).code_received);
        assert!(!format!("{webhook:?}{}", String::from_utf8_lossy(&webhook.body)).contains(code));
    }
    assert_eq!(posted.dedupe_keys, gotten.dedupe_keys);
    assert_eq!(get("a=1").err(), Some(Refusal::Method));
    assert_eq!(get(&query.replace("code=very", "code=other")).err(), Some(Refusal::Signature));
}

#[test]
fn samples_of_every_kind_are_believed_and_are_of_that_kind() {
    let keeta = keeta();
    for kind in keeta.kinds() {
        let samples = keeta.samples(&kind, ADDRESS, 7, now());
        assert!(!samples.is_empty(), "no sample of {kind}");
        for sample in samples {
            assert_eq!(webhook(receive(&sample.body)).kind, kind);
        }
    }
    assert!(keeta.samples(&Kind::StockLow, ADDRESS, 7, now()).is_empty());
}

#[test]
fn a_sample_speaks_of_now_and_of_an_order_of_its_own() {
    let keeta = keeta();
    let placed = |seed| webhook(receive(&keeta.samples(&Kind::OrderPlaced, ADDRESS, seed, now())[0].body));
    assert_eq!(placed(7).occurred_at, Some(now()));
    assert_ne!(placed(7).order.map(|order| order.number), placed(8).order.map(|order| order.number));
    let cancelled = webhook(receive(&keeta.samples(&Kind::OrderCancelled, ADDRESS, 7, now())[0].body));
    assert_eq!(placed(7).order.map(|order| order.number), cancelled.order.map(|order| order.number));
}
