//! What of an order cannot be read is said: in its pointers, in the message of every dialect, and it takes nothing else along.

use jiff::tz::TimeZone;
use orderbell::domain::compose::{Composed, plain};
use orderbell::domain::event::{Event, EventId, Kind};
use orderbell::domain::fold::merge;
use orderbell::domain::message_context::MessageContext;
use orderbell::domain::order::Order;
use orderbell::domain::template::Templates;
use orderbell::domain::unreadable;
use orderbell::platform::ParsedWebhook;
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::cases::cases;
use crate::unusual::keeta::{now, parsed};
use crate::unusual::licences;

static ZONE: TimeZone = TimeZone::UTC;

fn event(webhook: ParsedWebhook) -> Event {
    Event {
        id: EventId(Uuid::nil()),
        kind: webhook.kind,
        source: "keeta".to_owned(),
        occurred_at: webhook.occurred_at,
        received_at: now(),
        shop: webhook.shop,
        order: webhook.order,
        data: webhook.data,
        proof: webhook.signature,
    }
}

fn pointers(webhook: ParsedWebhook) -> Vec<String> {
    unreadable::of_event(&event(webhook)).to_vec()
}

/// What a message about an event by itself says.
fn message(templates: &Templates, event: &Event, language: &str) -> Composed {
    let order = event.order.is_some().then(|| merge(None, event));
    templates.compose(&view(event, order.as_ref(), language)).unwrap()
}

fn view<'a>(event: &'a Event, order: Option<&'a Order>, language: &'a str) -> MessageContext<'a> {
    MessageContext { event, order, language, timezone: &ZONE, channel: "kitchen", channel_kind: "dingtalk" }
}

fn english(webhook: ParsedWebhook) -> String {
    message(&Templates::built_in().unwrap(), &event(webhook), "en").markdown
}

/// An order of one product, given as raw JSON.
fn of_product(product: &str) -> ParsedWebhook {
    parsed(
        1001,
        &format!(
            r#"{{"baseOrder":{{"orderViewId":7,"currency":"SAR"}},"products":[{{"name":"Tea","count":1,"price":500}},{product}]}}"#
        ),
    )
}

#[test]
fn half_an_emoji_is_one_character_and_takes_nothing_along() {
    let placed = of_product(r#"{"name":"Lemon tea \ud83c","count":2,"price":500,"remark":"no ice \udf75!"}"#);
    let line = placed.order.as_ref().unwrap().lines[1].clone();
    assert_eq!((line.name.as_str(), line.quantity), ("Lemon tea \u{fffd}", Some(2)));
    assert_eq!(line.note.as_deref(), Some("no ice \u{fffd}!"));
    assert_eq!(pointers(placed), ["/lines/1/name", "/lines/1/note"]);
}

#[test]
fn an_item_without_a_readable_name_is_a_line_all_the_same() {
    for name in [r#""name":"","#, r#""name":"\u200b","#, r#""name":{},"#, r#""name":7,"#, r#""name":null,"#, ""] {
        let placed = of_product(&format!(r#"{{{name}"count":2,"price":500}}"#));
        let line = placed.order.as_ref().unwrap().lines[1].clone();
        assert_eq!((line.name.as_str(), line.quantity), ("", Some(2)), "{name}");
        assert!(english(placed).contains("**2 ×** (name unreadable) · SAR 5.00 each"), "{name}");
        assert_eq!(pointers(of_product(&format!(r#"{{{name}"count":2,"price":500}}"#))), ["/lines/1/name"], "{name}");
    }
    for item in ["5", "null", "[]", "\"Tea\""] {
        let text = english(of_product(item));
        assert!(text.contains("**? ×** (name unreadable)") && text.contains("Could not be read: item 2."), "{text}");
    }
}

#[test]
fn a_number_that_is_none_is_said_to_be_unknown() {
    for (quantity, price) in [("\"two\"", "\"free\""), ("-1", "{}"), ("1.5", "36.5"), ("null", "null")] {
        let text = english(of_product(&format!(r#"{{"name":"Pie","count":{quantity},"price":{price}}}"#)));
        assert!(text.contains("**? ×** Pie · price unknown"), "{text}");
        assert!(text.contains("quantity of item 2, price of item 2"), "{text}");
    }
    let total = parsed(
        1001,
        r#"{"baseOrder":{"orderViewId":7},"feeDtl":{"customerFee":{"payTotal":"much"}},"products":[{"name":"Pie","count":1,"price":5}]}"#,
    );
    assert_eq!(total.order.as_ref().unwrap().total, None, "the sum of the lines is not what the buyer pays");
    assert!(english(total).contains("# New order #7 · total unknown"));
}

#[test]
fn of_a_member_that_stands_twice_the_last_counts_and_it_is_said() {
    let twins = of_product(
        r#"{"name":"Pie","name":"Cake","count":1,"count":3,"price":1,"price":1,"remark":"no nuts","remark":"",
           "groups":[{"groupName":"Size","shopProductGroupSkuList":[{"spuName":"S","spuName":"L"}]}]}"#,
    );
    let line = twins.order.as_ref().unwrap().lines[1].clone();
    assert_eq!(
        (line.name.as_str(), line.quantity, line.note, line.options),
        ("Cake", Some(3), None, vec!["Size: L".to_owned()])
    );
    assert_eq!(pointers(twins), ["/lines/1/name", "/lines/1/quantity", "/lines/1/options/0", "/lines/1/note"]);
}

#[test]
fn an_option_or_a_note_that_cannot_be_read_is_not_left_out() {
    let odd = of_product(
        r#"{"name":"Pie","count":1,"price":1,"remark":{"text":"nuts kill"},"groups":[
            {"groupName":"Extra","shopProductGroupSkuList":[{"spuName":["Egg"],"count":2},{"spuName":"Ham","count":"many"},5]},6]}"#,
    );
    let text = english(odd);
    assert!(text.contains(r"Extra: ? ×2, Extra: Ham ×?, Extra: ?"), "{text}");
    assert!(text.contains("> Note: there is one, and it cannot be read"), "{text}");
    assert!(text.contains("Could not be read: options of item 2, note of item 2."), "{text}");
    let many = format!(
        r#"{{"baseOrder":{{"orderViewId":7}},"products":[{}]}}"#,
        vec![r#"{"name":"Pie","count":1}"#; 501].join(",")
    );
    assert_eq!(pointers(parsed(1001, &many)), ["/lines/500"], "what is beyond the most lines is said too");
}

#[test]
fn an_order_whose_number_cannot_be_read_is_sent_with_all_else() {
    let placed = parsed(1001, r#"{"baseOrder":{"orderViewId":{}},"products":[{"name":"Pie","count":2,"price":500}]}"#);
    assert_eq!((placed.kind.clone(), placed.order.is_none()), (Kind::OrderPlaced, true));
    let text = english(placed);
    assert!(text.contains("**2 ×** Pie") && text.contains("order number"), "{text}");
}

#[test]
fn a_refund_says_what_of_it_cannot_be_read() {
    let refund = parsed(
        1007,
        r#"{"orderViewId":7,"status":2001,"money":"all","applyReason":[],"refundProducts":[{"name":{},"count":1,"refundPrice":500},{"name":"Pie"}]}"#,
    );
    let text = english(refund);
    assert!(text.contains("· amount unknown") && text.contains("**1 ×** (name unreadable) · HKD 5.00"), "{text}");
    assert!(text.contains("Could not be read:"), "{text}");
}

#[test]
fn a_fuller_event_mends_what_could_not_be_read() {
    let readable = r#"{"name":"Pie","count":2,"price":500}"#;
    let placed = event(of_product(r#"{"name":{},"count":2,"price":500}"#));
    let order = merge(None, &placed);
    assert_eq!(order.unreadable, ["/lines/1/name"]);
    let thin = merge(Some(&order), &event(parsed(1002, r#"{"orderViewId":7}"#)));
    assert_eq!(thin.unreadable, ["/lines/1/name"], "nothing new is known of it");
    let mended = merge(Some(&thin), &event(of_product(readable)));
    assert_eq!((mended.lines[1].name.as_str(), mended.unreadable.len()), ("Pie", 0));
    let again = merge(Some(&mended), &placed);
    assert_eq!((again.lines[1].name.as_str(), again.unreadable.len()), ("Pie", 0), "and stays mended");
    let reason = event(parsed(1004, r#"{"orderViewId":7,"cancelReason":{}}"#));
    let cancelled = merge(Some(&mended), &reason);
    assert_eq!(cancelled.unreadable.len(), 0, "a reason is the event's own");
    assert_eq!(unreadable::shown(Some(&cancelled), &reason), ["/reason"]);
}

#[test]
fn a_template_of_the_merchants_own_says_it_too() {
    let own = [(
        "en/order.placed.md".to_owned(),
        "# Mine\n\n{% for line in order.lines %}\n- {{ line.name }}\n{% endfor %}".to_owned(),
    )];
    let templates = Templates::with_overlay(&own.into()).unwrap();
    let placed = event(of_product(r#"{"count":2}"#));
    let text = message(&templates, &placed, "en").markdown;
    assert!(
        text.starts_with("# Mine\n\n**Could not be read: name of item 2.") && text.contains("(name unreadable)"),
        "{text}"
    );
    let order = merge(None, &placed);
    let text = plain(&view(&placed, Some(&order), "zh-CN")).markdown;
    assert!(text.contains("第 2 项的名称") && text.contains("（名称无法读取）"), "{text}");
}

/// A platform's order, and each fact of it that can be lost: where it stands, and how the message shows it.
type Facts = &'static [(&'static str, &'static str)];

const KEETA: Facts = &[
    ("/baseOrder/orderViewIdStr", "70001"),
    ("/merchantOrder/seqNoStr", "#4711"),
    ("/merchantOrder/userGetMode", "Pick-up"),
    ("/baseOrder/payTypeDesc", "Apple Pay"),
    ("/baseOrder/deliveryTime", "04:20"),
    ("/baseOrder/ctime", "03:35"),
    ("/feeDtl/customerFee/payTotal", "SAR 92.00"),
    ("/feeDtl/customerFee/tip", "SAR 3.00"),
    ("/products/0/name", "Ribs"),
    ("/products/0/count", "**4 ×**"),
    ("/products/0/price", "SAR 36.00"),
    ("/products/0/remark", "no peanuts"),
    ("/products/0/spec", "large"),
    ("/products/0/groups/0/groupName", "Spice"),
    ("/products/0/groups/0/shopProductGroupSkuList/0/spuName", "Mild"),
    ("/products/0/groups/0/shopProductGroupSkuList/0/count", "×7"),
    ("/products/0", ""),
    ("/products/0/groups", ""),
    ("/products/0/groups/0", ""),
    ("/products/0/groups/0/shopProductGroupSkuList/0", ""),
    ("/products", ""),
    ("/baseOrder", ""),
    ("/merchantOrder", ""),
    ("/feeDtl", ""),
    ("/feeDtl/customerFee", ""),
    ("/products/1/name", "Lemon tea"),
    ("/products/1/count", "**2 ×**"),
    ("/products/1/price", "SAR 5.00"),
];

fn keeta() -> Value {
    json!({
        "baseOrder": { "orderViewIdStr": "70001", "ctime": 1_749_008_138_025_i64, "deliveryTime": 1_749_010_800_000_i64, "payTypeDesc": "Apple Pay", "currency": "SAR" },
        "merchantOrder": { "seqNoStr": "4711", "userGetMode": "pickup" },
        "feeDtl": { "customerFee": { "i18n": { "currency": "SAR" }, "payTotal": 9200, "tip": 300 } },
        "products": [
            { "name": "Ribs", "count": 4, "price": 3600, "remark": "no peanuts", "spec": "large", "groups": [
                { "groupName": "Spice", "shopProductGroupSkuList": [{ "spuName": "Mild", "count": 7 }] }] },
            { "name": "Lemon tea", "count": 2, "price": 500 },
        ],
    })
}

const LICENCES: Facts = &[
    ("/order_no", "AP1"),
    ("/amount", "CNY 97.00"),
    ("/created_at", "08:00"),
    ("/email", "@example.com"),
    ("/items/0/name", "Photo Tool"),
    ("/items/0/price", "CNY 10.00"),
    ("/items/0/quantity", "**4 ×**"),
    ("/items", ""),
    ("/items/0", ""),
    ("/items/1/name", "Video Tool"),
    ("/items/1/price", "CNY 57.00"),
    ("/items/1/quantity", "**1 ×**"),
];

fn licences() -> Value {
    json!({
        "order_no": "AP1", "amount": "97.00", "created_at": "2025-06-04T08:00:00Z", "email": "buyer@example.com",
        "items": [{ "name": "Photo Tool", "price": 10, "quantity": 4 }, { "name": "Video Tool", "price": 57, "quantity": 1 }],
    })
}

/// Another value than the one that stands there; nothing at all is no value that could not be read.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z]{1,8}".prop_map(Value::from),
        Just(json!("")),
        Just(Value::Null),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..3).prop_map(|members| json!(members)),
        ]
    })
}

/// Whether a value reads as what stands there: then nothing is lost. Names and words can be any text, numbers any whole number;
/// nothing is said where a word, a note, a fee or a time is empty, null or zero, because then there is none.
fn reads(pointer: &str, value: &Value) -> bool {
    let is_list = ["/products", "/groups", "/items"].contains(&pointer) || pointer.ends_with("/groups");
    let is_object =
        pointer.ends_with("/0") || pointer.ends_with("rder") || pointer.contains("fee") && !is_amount(pointer);
    match value {
        // Where everything about an item is gone, its name is too; and a null is no list of products.
        _ if pointer.ends_with("/0") => false,
        Value::Null if is_list || is_object => pointer != "/products" && pointer != "/baseOrder",
        _ if pointer == "/baseOrder" => false,
        Value::Array(items) if is_list => items.is_empty(),
        Value::String(text) if is_list || is_object => text.is_empty() && pointer != "/products",
        Value::Object(_) if is_object => true,
        _ if is_list || is_object => false,
        _ => reads_leaf(pointer, value),
    }
}

fn reads_leaf(pointer: &str, value: &Value) -> bool {
    let is_name = pointer.ends_with("/name") || pointer.ends_with("/spuName");
    let is_count = ["/count", "/quantity"].iter().any(|end| pointer.ends_with(end));
    let is_price = pointer.ends_with("/price");
    let is_of_option = pointer.contains("shopProductGroupSkuList");
    match value {
        // How often an option was chosen may be left open: it was chosen.
        Value::Null if is_count && is_of_option => true,
        Value::String(text) if is_count && is_of_option && text.is_empty() => true,
        // For there is no such moment.
        Value::Number(number) if is_time(pointer) => number.as_f64() == Some(0.0),
        Value::Null => !is_name && !is_count && !is_price && !pointer.ends_with("orderViewIdStr"),
        Value::String(text) if text.is_empty() => {
            !is_name && !is_count && !is_price && !pointer.ends_with("orderViewIdStr")
        }
        Value::Object(_) | Value::Array(_) | Value::Bool(_) => false,
        Value::String(_) => !is_count && !is_price && !is_amount(pointer) && !is_time(pointer) && pointer != "/email",
        Value::Number(number) if is_count => {
            number.as_u64().is_some() || number.as_f64().is_some_and(|f| f.fract() == 0.0)
        }
        Value::Number(_) => !is_name && pointer != "/email",
    }
}

fn is_amount(pointer: &str) -> bool {
    ["/payTotal", "/tip", "/amount"].iter().any(|end| pointer.ends_with(end))
}

fn is_time(pointer: &str) -> bool {
    ["/ctime", "/deliveryTime", "/created_at"].iter().any(|end| pointer.ends_with(end))
}

fn check(
    original: &Value,
    facts: Facts,
    at: usize,
    value: &Value,
    tell: impl Fn(&str) -> ParsedWebhook,
) -> Result<(), TestCaseError> {
    let (pointer, _) = facts[at];
    let mut changed = original.clone();
    *changed.pointer_mut(pointer).unwrap() = value.clone();
    let webhook = tell(&changed.to_string());
    prop_assert_eq!(&webhook.kind, &Kind::OrderPlaced);
    let event = event(webhook);
    let templates = Templates::built_in().unwrap();
    let text = message(&templates, &event, "en").markdown;
    let number = facts[0].1;
    let is_below =
        |other: &str| other.strip_prefix(pointer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    for (other, shown) in facts.iter().filter(|(other, _)| !is_below(other)) {
        // Below a value that is replaced whole there is nothing; the number stands in the heading where no shorter one does.
        let is_shown = text.contains(shown) || (*shown == number && pointer.ends_with("seqNoStr"));
        prop_assert!(is_shown, "{} of {} is not in: {}", shown, other, text);
    }
    if !reads(pointer, value) {
        prop_assert!(!unreadable::of_event(&event).is_empty(), "{} = {}", pointer, value);
        prop_assert!(text.contains("Could not be read:"), "{}", text);
        let chinese = message(&templates, &event, "zh-CN").markdown;
        prop_assert!(chinese.contains("以下内容无法读取"), "{}", chinese);
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn an_order_of_keeta_with_any_one_field_replaced_shows_every_other_fact(at in 0..KEETA.len(), value in any_value()) {
        check(&keeta(), KEETA, at, &value, |message| parsed(1001, message))?;
    }

    #[test]
    fn an_order_of_apsdai_with_any_one_field_replaced_shows_every_other_fact(at in 0..LICENCES.len(), value in any_value()) {
        check(&licences(), LICENCES, at, &value, |body| licences::parsed("order_create_hook", body))?;
    }
}
