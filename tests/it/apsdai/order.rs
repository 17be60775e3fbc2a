//! What an order hook says in every shape that its body may have.

use orderbell::domain::event::Kind;
use orderbell::domain::money::Money;
use orderbell::domain::order::OrderState;
use orderbell::platform::apsdai::fields::{FieldName, Pointer};
use orderbell::platform::apsdai::settings::{AmountUnit, Apsdai};
use serde_json::{Value, json};

use crate::apsdai::source::{HOOKS, apsdai, at, now, parsed, parsed_by};
use crate::support::payload::payload;

/// One order in every shape that its body may have.
fn order_shapes(extra: &Value) -> Vec<Value> {
    let flat = json!({
        "order_no": "AP202601010001", "amount": "198.00", "currency": "CNY", "product_name": "Photo Tool Pro", "price": "99.00",
        "quantity": 2, "email": "buyer@example.com", "created_at": "2026-01-01 08:00:00", "paid_at": "2026-01-01 08:00:12",
    });
    let camel = json!({
        "orderNo": "AP202601010001", "payAmount": 198, "Currency": "cny", "goodsName": "Photo Tool Pro", "unitPrice": 99.0,
        "num": "2", "buyerEmail": "buyer@example.com", "createTime": 1_767_225_600, "payTime": 1_767_225_612_000_i64,
    });
    let nested = json!({
        "id": "evt_1",
        "order": {
            "number": "AP202601010001", "total_amount": "198", "currency_code": "RMB", "created_at": "2026/01/01 08:00",
            "paid_at": "2026-01-01T08:00:12+08:00", "customer": { "email": "buyer@example.com" },
            "items": [{ "title": "Photo Tool Pro", "price": 99, "qty": 2 }],
        },
    });
    let merged = |shape: &Value| {
        let mut shape = shape.clone();
        shape.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        shape
    };
    let flat = merged(&flat);
    vec![
        flat.clone(),
        merged(&camel),
        merged(&nested),
        json!({ "code": 0, "data": flat }),
        json!({ "payload": { "content": flat } }),
        json!({ "data": flat.to_string() }),
        json!([flat]),
        json!({ "data": [flat] }),
        json!(flat.to_string()),
    ]
}

#[test]
fn an_order_is_read_in_every_shape_of_its_body() {
    let (created, paid) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T00:00:12Z"));
    let extra = json!({ "refund_amount": "1,188.50", "reason": "changed\nmind" });
    for (hook, kind) in
        HOOKS.iter().filter(|(hook, _)| hook.starts_with("order_") && *hook != "order_count_amount_hook")
    {
        let (state, occurred_at) = match kind {
            Kind::OrderPlaced => (Some(OrderState::Placed), created),
            Kind::OrderPaid => (Some(OrderState::Paid), paid),
            Kind::OrderCancelled => (Some(OrderState::Cancelled), now()),
            Kind::OrderRefund => (Some(OrderState::Refunded), now()),
            Kind::OrderCompleted => (Some(OrderState::Completed), now()),
            _ => (None, now()),
        };
        for shape in order_shapes(&extra) {
            let incoming = parsed(hook, &shape);
            assert_eq!((&incoming.kind, incoming.occurred_at), (kind, Some(occurred_at)), "{shape}");
            let order = incoming.order.unwrap_or_else(|| panic!("no order in {shape}"));
            assert_eq!(
                (order.number.as_str(), order.state, order.placed_at),
                ("AP202601010001", state, Some(created)),
                "{shape}"
            );
            assert_eq!((order.total, order.total_is_approximate), (Some(Money::new(19_800, "CNY")), false), "{shape}");
            let [line] = order.lines.as_slice() else { panic!("one line was expected: {:?} of {shape}", order.lines) };
            assert_eq!((line.name.as_str(), line.quantity), ("Photo Tool Pro", Some(2)), "{shape}");
            assert_eq!(line.unit_price, Some(Money::new(9900, "CNY")), "{shape}");
            assert_eq!(incoming.data.buyer.as_deref(), Some("b***@example.com"), "{shape}");
            assert_eq!(incoming.data.details, None, "{shape}");
            match kind {
                Kind::OrderCancelled => {
                    assert_eq!(payload!(incoming, Progress).reason.as_deref(), Some("changed mind"), "{shape}")
                }
                Kind::OrderRefund => {
                    let refund = incoming.data.refund().unwrap();
                    assert_eq!(refund.amount, Some(Money::new(118_850, "CNY")), "{shape}");
                    assert_eq!(refund.request_reason.as_deref(), Some("changed mind"), "{shape}");
                }
                Kind::OrderOutOfStock => {
                    assert_eq!(incoming.data.stock()[0].name.as_deref(), Some("Photo Tool Pro"), "{shape}")
                }
                _ => {}
            }
        }
    }
}

#[test]
fn an_order_without_its_number_is_sent_all_the_same() {
    for shape in [
        json!({ "amount": "99", "product_name": "Photo Tool Pro" }),
        json!({ "data": { "money": 99, "name": "Photo Tool Pro" } }),
        json!({ "order_no": null, "total": 99.0, "goods_name": "Photo Tool Pro" }),
        json!([{ "order_no": " ", "amount": "99.00", "title": "Photo Tool Pro" }]),
    ] {
        let incoming = parsed("order_pay_hook", &shape);
        assert_eq!(
            (&incoming.kind, &incoming.order, incoming.data.details),
            (&Kind::OrderPaid, &None, None),
            "{shape}"
        );
        let unnumbered = incoming.data.unnumbered.unwrap();
        assert_eq!(unnumbered.total, Some(Money::new(9900, "HKD")), "the configured currency: {shape}");
        assert_eq!(unnumbered.lines[0].name, "Photo Tool Pro");
    }
}

#[test]
fn a_list_of_products_is_a_list_of_lines() {
    let lines = json!([
        { "order_no": "A1", "product_name": "One", "price": "10.00", "quantity": 2 },
        { "order_no": "A1", "product_name": "Two", "price": "5.50", "quantity": 1 },
    ]);
    let order = parsed("order_pay_hook", &lines).order.unwrap();
    assert_eq!((order.number.as_str(), order.lines.len()), ("A1", 2));
    assert_eq!(
        (order.total, order.total_is_approximate),
        (Some(Money::new(2550, "HKD")), true),
        "the sum of the lines"
    );
    let named = json!({ "order_no": "A1", "amount": "20", "goods": lines });
    let order = parsed("order_pay_hook", &named).order.unwrap();
    assert_eq!((order.lines.len(), order.total, order.total_is_approximate), (2, Some(Money::new(2000, "HKD")), false));
    let beside = json!({ "order_no": "A1", "amount": "20", "content": lines });
    assert_eq!(parsed("order_pay_hook", &beside).order.unwrap().total, Some(Money::new(2000, "HKD")));
}

#[test]
fn amounts_are_exact_and_of_their_currency() {
    let total = |amount: Value, currency: &str, amount_unit| {
        let body = json!({ "order_no": "A1", "amount": amount, "currency": currency }).to_string();
        parsed_by(&Apsdai { amount_unit, ..apsdai() }, "order_pay_hook", body.as_bytes()).order.unwrap().total
    };
    for (amount, currency, unit, expected) in [
        (json!("0.07"), "CNY", AmountUnit::Major, Some("CNY 0.07")),
        (json!(99.99), "CNY", AmountUnit::Major, Some("CNY 99.99")),
        (json!("1,234,567.89"), "USD", AmountUnit::Major, Some("USD 1234567.89")),
        (json!("99.00"), "JPY", AmountUnit::Major, Some("JPY 99")),
        (json!("1.5"), "KWD", AmountUnit::Major, Some("KWD 1.500")),
        (json!(9900), "CNY", AmountUnit::Minor, Some("CNY 99.00")),
        (json!("99.00"), "CNY", AmountUnit::Minor, Some("CNY 99.00")),
        (json!("99,50"), "CNY", AmountUnit::Major, None),
        (json!("nine"), "CNY", AmountUnit::Major, None),
        (json!("9".repeat(30)), "CNY", AmountUnit::Major, None),
    ] {
        let read = total(amount.clone(), currency, unit).map(|money| money.to_string());
        assert_eq!(read.as_deref(), expected, "{amount} {currency}");
    }
    // A number is read from its digits, not from what a float makes of them.
    let body = br#"{"order_no":12345678901234567890123,"amount":90071992547409.93,"currency":"CNY"}"#;
    let order = parsed_by(&apsdai(), "order_pay_hook", body).order.unwrap();
    assert_eq!((order.number.as_str(), order.total.unwrap().minor), ("12345678901234567890123", 9_007_199_254_740_993));
}

#[test]
fn a_source_can_say_where_its_details_are() {
    let pointers = [
        (FieldName::OrderNumber, "/meta/nr"),
        (FieldName::OrderTotal, "/sums/0/v"),
        (FieldName::Products, "/basket"),
        (FieldName::ProductName, "/what/label"),
        (FieldName::ProductQuantity, "/how~1many"),
    ];
    let fields = pointers.map(|(detail, pointer)| (detail, Pointer::new(pointer).unwrap())).into();
    let apsdai = Apsdai { fields, ..apsdai() };
    let body = json!({
        "order_no": "wrong", "amount": "1", "meta": { "nr": 4711 }, "sums": [{ "v": "99" }],
        "basket": [{ "what": { "label": "Photo Tool" }, "how/many": 3 }, { "what": "{\"label\":\"Video Tool\"}" }],
    });
    let order = parsed_by(&apsdai, "order_pay_hook", body.to_string().as_bytes()).order.unwrap();
    assert_eq!((order.number.as_str(), order.total), ("4711", Some(Money::new(9900, "HKD"))));
    let lines: Vec<_> = order.lines.iter().map(|line| (line.name.as_str(), line.quantity)).collect();
    assert_eq!(lines, [("Photo Tool", Some(3)), ("Video Tool", None)]);
    // Another hook of the same source may have another body.
    let plain = parsed_by(&apsdai, "order_cancel_hook", br#"{"order_no":"A2"}"#);
    assert_eq!(plain.order.unwrap().number, "A2");
}

#[test]
fn a_refund_is_what_a_refund_hook_says_and_not_what_stands_in_every_order() {
    let refund = |hook: &str, extra: Value| {
        let mut body = json!({ "order_no": "AP1", "amount": "198.00" });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        parsed(hook, &body).order.unwrap().refund
    };
    let amount = |hook: &str, extra: Value| refund(hook, extra).map(|refund| refund.amount.map(|amount| amount.minor));
    assert_eq!(amount("order_create_hook", json!({ "refund_amount": "0.00" })), None);
    assert_eq!(amount("order_finish_hook", json!({ "refund_amount": "198.00" })), None);
    assert_eq!(amount("order_cancel_hook", json!({ "refund_amount": "0.00" })), None);
    assert_eq!(amount("order_cancel_hook", json!({ "refund_amount": "198.00" })), Some(Some(19_800)));
    assert_eq!(amount("order_refund_hook", json!({ "refund_amount": "40" })), Some(Some(4_000)));
    assert_eq!(amount("order_refund_hook", json!({})), Some(None), "it is one all the same");
    let assumes = |extra: Value| refund("order_refund_hook", extra).unwrap().assumes_currency;
    assert!(assumes(json!({ "refund_amount": "40" })));
    assert!(!assumes(json!({ "refund_amount": "40", "currency": "USD" })));
}

#[test]
fn what_the_test_button_makes_up_is_no_order() {
    let incoming = parsed("order_create_hook", &json!({ "order_no": "AP1", "amount": "198.00", "test": true }));
    assert_eq!(incoming.order, None);
    assert_eq!(incoming.data.unnumbered.unwrap().total.unwrap().minor, 19_800, "and is shown");
}
