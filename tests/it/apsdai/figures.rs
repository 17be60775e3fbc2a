//! What the alarms and the two-day totals say in every shape that their bodies may have.

use orderbell::domain::event::Kind;
use serde_json::json;

use crate::apsdai::source::parsed;

#[test]
fn an_alarm_names_every_product_in_every_shape() {
    for (hook, kind) in [("stock_alarm_hook", Kind::StockLow), ("key_stock_alarm_hook", Kind::StockKeysLow)] {
        for shape in [
            json!({ "product_name": "Photo Tool Pro", "product_path": "photo-tool-pro", "stock": 4, "threshold": 5 }),
            json!({ "data": { "goodsName": "Photo Tool Pro", "productId": "photo-tool-pro", "inventory": "4", "warning": "5" } }),
            json!([{ "name": "Photo Tool Pro", "path": "photo-tool-pro", "left": 4, "alarm": 5 }]),
            json!({ "content": "{\"product\":{\"name\":\"Photo Tool Pro\",\"path\":\"photo-tool-pro\"},\"key_count\":4,\"min\":5}" }),
            json!({ "products": [{ "title": "Photo Tool Pro", "product_path": "photo-tool-pro", "key_stock": 4, "threshold": 5 }] }),
        ] {
            let incoming = parsed(hook, &shape);
            assert_eq!((&incoming.kind, &incoming.order, incoming.data.details), (&kind, &None, None), "{shape}");
            let [item] = incoming.data.stock() else { panic!("one product: {:?} of {shape}", incoming.data.stock()) };
            let names = (item.name.as_deref(), item.id.as_deref());
            assert_eq!(names, (Some("Photo Tool Pro"), Some("photo-tool-pro")), "{shape}");
            assert_eq!((item.left, item.threshold), (Some(4), Some(5)), "{shape}");
        }
    }
    let several = [json!({ "name": "One", "stock": 0 }), json!({ "name": "Two", "stock": -1 })];
    for shape in [
        json!(several),
        json!({ "data": several }),
        json!({ "list": several }),
        json!({ "data": { "items": several } }),
    ] {
        let stock = parsed("stock_alarm_hook", &shape).data.stock().to_vec();
        let left: Vec<_> = stock.iter().map(|item| (item.name.as_deref(), item.left)).collect();
        assert_eq!(left, [(Some("One"), Some(0)), (Some("Two"), Some(-1))], "{shape}");
    }
}

#[test]
fn the_two_day_totals_are_read_in_every_shape() {
    let days = json!([
        { "date": "2026-01-02", "count": 12, "amount": "1,188.00" },
        { "day": "2026/01/01", "num": "9", "total": 891 },
    ]);
    for shape in [
        days.clone(),
        json!({ "currency": "HKD", "data": days }),
        json!({ "data": { "list": days } }),
        json!({ "data": { "today": { "count": 12, "amount": "1188" }, "yesterday": { "count": 9, "amount": 891.0 } } }),
        json!({ "today_count": 12, "today_amount": "1188.00", "yesterday_count": 9, "yesterday_amount": "891.00" }),
        json!({ "data": { "todayOrderNum": 12, "todayTotalAmount": 1188, "yesterdayOrderNum": 9, "yesterdayTotalAmount": 891 } }),
        json!([{ "day": "today", "count": 12, "amount": 1188 }, { "day": "昨天", "count": 9, "amount": 891 }]),
    ] {
        let totals = parsed("order_count_amount_hook", &shape).data.totals().to_vec();
        let read: Vec<_> = totals
            .iter()
            .map(|day| (day.day.as_deref(), day.count, day.amount.as_ref().map(|money| money.minor)))
            .collect();
        assert_eq!(
            read,
            [(Some("2026-01-02"), Some(12), Some(118_800)), (Some("2026-01-01"), Some(9), Some(89_100))],
            "{shape}"
        );
    }
    let keyed = json!({ "data": { "2026-01-01": { "count": 9 }, "2026-01-02": { "amount": "1188" } } });
    let totals = parsed("order_count_amount_hook", &keyed).data.totals().to_vec();
    assert_eq!((totals[0].count, totals[0].amount.is_none(), totals[1].count), (Some(9), true, None));
    for alone in [json!({ "count": 21, "amount": "2079" }), json!({ "data": [{ "count": 21, "amount": "2079" }] })] {
        let totals = parsed("order_count_amount_hook", &alone).data.totals().to_vec();
        assert_eq!((totals.len(), &totals[0].day, totals[0].count), (1, &None, Some(21)), "no day is invented");
    }
}
