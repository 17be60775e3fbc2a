//! A number with a whole value is that whole number in every spelling, to the last of its digits.

use orderbell::domain::event::DedupeKey;
use proptest::prelude::*;

use crate::support::cases::cases;
use crate::support::payload::payload;
use crate::unusual::keeta::{envelope, parsed, receive, signed, webhook};
use crate::unusual::licences;

/// An order as a Java map writes it.
const JAVA: &str = r#"{"orderInfo":{
    "baseOrder":{"orderViewId":7.64765525957454E14,"ctime":1.749008138025E12,"currency":"SAR"},
    "merchantOrder":{"status":1.0E1,"seqNoStr":29332222.0},
    "feeDtl":{"customerFee":{"payTotal":4600.0,"tip":1E2}},
    "products":[{"name":"Pie","count":2.0,"price":3.6e3,"groups":[
        {"groupName":"Extra","shopProductGroupSkuList":[{"spuName":"Egg","count":2.0}]}]}]}}"#;

#[test]
fn an_order_with_its_numbers_as_java_writes_them_is_read_whole() {
    let placed = parsed(1001, JAVA);
    let order = placed.order.expect("an order");
    assert_eq!((order.number.as_str(), order.short_number.as_deref()), ("764765525957454", Some("29332222")));
    assert_eq!(order.placed_at, Some("2025-06-04T03:35:38.025Z".parse().unwrap()));
    assert_eq!(order.total.map(|total| total.to_string()).as_deref(), Some("SAR 46.00"));
    let line = &order.lines[0];
    assert_eq!((line.quantity, line.unit_price.as_ref().map(|price| price.minor)), (Some(2), Some(3600)));
    assert_eq!(line.options, ["Extra: Egg ×2"]);
    assert_eq!(payload!(placed, Placed).charges.and_then(|charges| charges.tip).map(|tip| tip.minor), Some(100));
}

#[test]
fn every_event_of_an_order_speaks_of_the_same_order_however_its_number_is_spelt() {
    for spelling in
        ["764765525957454", "764765525957454.0", "7.64765525957454E14", "7.64765525957454e+14", "\"764765525957454\""]
    {
        let message =
            format!(r#"{{"orderViewId":{spelling},"status":3.0E1,"opTime":1.749008138025E12,"opType":1.0E1}}"#);
        let accepted = parsed(1002, &message);
        assert_eq!(accepted.order.expect("an order").number, "764765525957454", "{spelling}");
        assert_eq!(payload!(accepted, Progress).by.and_then(|by| by.word).as_deref(), Some("customer"));
        assert_eq!(accepted.occurred_at, Some("2025-06-04T03:35:38.025Z".parse().unwrap()));
        let delivery = format!(r#"{{"orderViewId":{spelling},"logisticsStatus":2.5E1}}"#);
        assert_eq!(payload!(parsed(1006, &delivery), Delivery).delivery.map(|status| status.code), Some(25));
        let refund = format!(
            r#"{{"orderViewId":{spelling},"status":2001.0,"afterSaleOrderId":8.0E2,"money":2.8E3,"refundProducts":[{{"name":"Pie","count":1.0,"refundPrice":2.8e3}}]}}"#
        );
        let refund = payload!(parsed(1007, &refund), Refund);
        assert_eq!((refund.id.as_deref(), refund.amount.map(|amount| amount.minor)), (Some("800"), Some(2800)));
        assert_eq!(refund.items[0].quantity, Some(1));
    }
}

#[test]
fn a_long_id_keeps_every_digit_and_text_stays_text() {
    let number = |raw: &str| parsed(1002, &format!(r#"{{"orderViewId":{raw}}}"#)).order.map(|order| order.number);
    for (raw, expected) in [
        ("1.234567890123456789E18", Some("1234567890123456789")),
        ("1844674407370955161.5e1", Some("18446744073709551615")),
        ("18446744073709551615", Some("18446744073709551615")),
        ("1234567890123456789012345", Some("1234567890123456789012345")),
        ("\"1E3\"", Some("1E3")),
        ("\"007\"", Some("007")),
        ("\"2.0\"", Some("2.0")),
        // Neither whole nor within 64 bits: no order has such a number.
        ("1.5", None),
        ("1e25", None),
        ("1e999999999", None),
    ] {
        assert_eq!(number(raw).as_deref(), expected, "{raw}");
    }
}

#[test]
fn an_envelope_may_spell_its_numbers_in_any_way() {
    let mut members = envelope(1002, r#"{"orderViewId":1}"#);
    for (name, raw) in &mut members {
        match *name {
            "eventId" => *raw = "1.002E3".to_owned(),
            "appId" => *raw = "3.762772727E9".to_owned(),
            "messageId" => *raw = "1.930106161957212198E18".to_owned(),
            "shopId" => *raw = "466663.0".to_owned(),
            "timestamp" => *raw = format!("{raw}.0"),
            _ => {}
        }
    }
    let accepted = webhook(receive(&signed(&members)));
    assert_eq!(accepted.shop.map(|shop| shop.id).as_deref(), Some("466663"));
    assert_eq!(accepted.dedupe_keys[0], DedupeKey::Once("message:1930106161957212198".to_owned()));
    // As text it is no plain message id.
    members.iter_mut().filter(|(name, _)| *name == "messageId").for_each(|(_, raw)| *raw = format!("\"{raw}\""));
    assert!(receive(&signed(&members)).is_err());
}

#[test]
fn events_of_a_shop_read_their_numbers_in_any_spelling() {
    let hours = parsed(1101, r#"{"businessHourOfTheWeek":{"mon":[{"startTime":3.6E4,"endTime":79200.0}]}}"#);
    assert_eq!(payload!(hours, Hours).week[0].spans[0].to, "22:00");
    let status = payload!(parsed(1102, r#"{"fromStatus":3.0,"toStatus":4.0}"#), Status).status.unwrap();
    assert_eq!(status.to.and_then(|to| to.word).as_deref(), Some("suspended"));
    let task = payload!(parsed(1202, r#"{"taskId":5.0,"errorSpuDTOList":[{"name":"Pie","code":1.2E3}]}"#), Task);
    assert_eq!((task.id.as_deref(), task.problems[0].code.as_deref()), (Some("5"), Some("1200")));
    let shops = payload!(parsed(1303, r#"{"authId":7.0,"shopIds":[1.0,2.0E0]}"#), Authorisation).shops;
    assert_eq!(shops, ["1", "2"]);
}

#[test]
fn a_licence_order_is_read_in_any_spelling_of_its_numbers() {
    let body = r#"{"order_no":7.64765525957454E14,"amount":1.98e2,"product_name":"Photo Tool","price":99.0,
        "quantity":2.0,"created_at":1.7672256E9}"#;
    let order = licences::parsed("order_create_hook", body).order.expect("an order");
    assert_eq!(order.number, "764765525957454");
    assert_eq!((order.total.map(|total| total.minor), order.lines[0].quantity), (Some(19_800), Some(2)));
    assert_eq!(order.placed_at, Some("2026-01-01T00:00:00Z".parse().unwrap()));
    let stock = licences::parsed("stock_alarm_hook", r#"{"product_name":"Photo Tool","stock":3.0,"threshold":1E1}"#);
    assert_eq!((stock.data.stock()[0].left, stock.data.stock()[0].threshold), (Some(3), Some(10)));
    let totals = licences::parsed("order_count_amount_hook", r#"{"today_count":1.2E1,"today_amount":1.5e2}"#);
    let totals = totals.data.totals();
    assert_eq!((totals[0].count, totals[0].amount.as_ref().map(|amount| amount.minor)), (Some(12), Some(15_000)));
}

#[test]
fn in_minor_units_a_whole_number_counts_them_and_a_decimal_text_is_in_major_units() {
    let apsdai = licences::apsdai("amount_unit = \"minor\"");
    for (raw, minor) in [
        ("1250", 1250),
        ("1250.0", 1250),
        ("1.25e3", 1250),
        ("1.25E+3", 1250),
        ("\"1250\"", 1250),
        ("12.5", 1250),
        ("\"12.50\"", 1250),
        ("\"1250.0\"", 125_000),
    ] {
        let body = format!(r#"{{"order_no":"A1","amount":{raw}}}"#);
        let total = licences::parsed_by(&apsdai, "order_pay_hook", &body).order.and_then(|order| order.total);
        assert_eq!(total.map(|total| total.minor), Some(minor), "{raw}");
    }
}

/// Spellings of one whole number.
fn spellings(number: u64) -> Vec<String> {
    let digits = number.to_string();
    let mut spellings = vec![digits.clone(), format!("{digits}.0"), format!("{digits}.000"), format!("{digits}e0")];
    for at in 1..digits.len() {
        let (head, tail) = digits.split_at(at);
        let power = tail.len();
        spellings.extend([format!("{head}.{tail}e{power}"), format!("{head}.{tail}00E+{power}")]);
    }
    spellings.extend([format!("{digits}00e-2"), format!("0.{digits}e{}", digits.len())]);
    spellings
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn a_whole_number_is_itself_in_every_spelling(number in any::<u64>()) {
        for spelling in spellings(number) {
            let message = format!(r#"{{"orderViewId":{spelling},"opType":10}}"#);
            let read = parsed(1004, &message).order.map(|order| order.number);
            prop_assert_eq!(read, Some(number.to_string()), "{}", spelling);
        }
    }
}
