//! Whatever a body is, with a valid token it is acknowledged, and nothing panics.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::apsdai::source::{HOOKS, apsdai, headers, parsed, parsed_by, receive};

#[test]
fn hostile_bodies_are_acknowledged_and_crash_nothing() {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(20_000), close.repeat(20_000));
    let wide = format!("[{}1]", "{\"order_no\":1},".repeat(50_000));
    let mut quoted = "{\"order_no\":\"A1\"}".to_owned();
    for _ in 0..8 {
        quoted = json!({ "data": quoted }).to_string();
    }
    let huge = "9".repeat(4000);
    let numbers = format!(
        r#"{{"order_no":{huge},"amount":{huge}e{huge},"quantity":-{huge},"stock":1e99,"created_at":{huge},"count":{huge}}}"#
    );
    let bodies: [&[u8]; 12] = [
        b"\xff\xfe\xfd",
        b"\0",
        b"{\"order_no\":\"a\\u0000b\",\"product_name\":\"\\u0000\"}",
        b"{\"order_no\":\"\\ud800\"}",
        b"{\"order_no\":\"A1\",\"order_no\":\"A2\",\"\":1}",
        b"{\"__proto__\":{\"order_no\":1}}",
        &deep("[", "]").into_bytes(),
        &deep("{\"data\":", "}").into_bytes(),
        &deep("{\"order\":[", "]}").into_bytes(),
        &wide.into_bytes(),
        &quoted.into_bytes(),
        &numbers.into_bytes(),
    ];
    for (hook, kind) in HOOKS {
        for body in bodies {
            let incoming = parsed_by(&apsdai(), hook, body);
            assert_eq!(incoming.kind, kind);
            let text =
                serde_json::to_string(&incoming.data).unwrap() + &serde_json::to_string(&incoming.order).unwrap();
            assert!(!text.contains("\\u0000") && text.len() < 200_000);
        }
    }
    assert_eq!(parsed_by(&apsdai(), "order_pay_hook", bodies[2]).order.unwrap().number, "ab");
}

/// Any JSON, with the names that the table knows sprinkled in.
fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        any::<String>(),
        "(order_?no|amount|data|order|items|product_?name|price|quantity|stock|today_count|date|day|count|created_at|id|test)",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[-+¥0-9.,:/eE TZ年月日@]{0,24}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner.clone()), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
            inner.prop_map(|value| Value::from(value.to_string())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_with_a_valid_token_is_acknowledged(body in any_json(), hook in 0_usize..9) {
        let (hook, kind) = HOOKS[hook].clone();
        prop_assert_eq!(parsed(hook, &body).kind, kind);
    }

    #[test]
    fn any_bytes_with_a_valid_token_are_acknowledged(body in prop::collection::vec(any::<u8>(), 0..200), hook in 0_usize..9) {
        let (hook, kind) = HOOKS[hook].clone();
        prop_assert_eq!(parsed_by(&apsdai(), hook, &body).kind, kind);
    }

    #[test]
    fn any_header_without_the_secret_is_refused(token in "[ -~]{0,60}", stamp in "[0-9]{1,14}") {
        let stamped = headers(&[("x-apsdai-token", &token), ("x-apsdai-timestamp", &stamp)]);
        let refused = receive(&apsdai(), &stamped, b"{}").is_err();
        prop_assert!(refused);
    }
}
