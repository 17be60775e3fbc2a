//! The orders at Keeta of the month: what becomes of each, and how much of it each webhook says.

use std::collections::BTreeMap;

use orderbell::domain::sign;
use serde_json::{Value, json};

use crate::report_month::chance::Chance;
use crate::report_month::month::{ADDRESS, APP, APP_SECRET, DAY, HOUR, KEETA, MINUTE, Month, REASONS, SECOND};

const SHOPS: [(u64, &str, &str); 3] =
    [(466_601, "Harbour Noodle House", "HKD"), (466_602, "Peak Congee", "HKD"), (466_603, "Salmiya Grill", "KWD")];
const DISHES: [(&str, i64); 16] = [
    ("Wonton noodles", 4800),
    ("Beef brisket", 6200),
    ("糖醋排骨", 7200),
    ("Lemon tea", 1800),
    ("Milk tea", 1900),
    ("Egg tart", 900),
    ("Congee", 3600),
    ("Fish balls", 2500),
    ("Siu mai", 2800),
    ("Char siu", 5900),
    ("Rice roll", 2600),
    ("Pineapple bun", 1100),
    ("Machboos", 2750),
    ("Falafel", 1250),
    ("Karak", 500),
    ("Shawarma", 1500),
];

impl Month {
    pub fn meal(&mut self, number: u64, placed: i64) {
        let shop = SHOPS[self.chance.below(3) as usize];
        let order = Meal { number: 5_123_440_000_000_000 + number, shop, placed };
        let is_accepted = self.chance.percent(93);
        let accepted = placed + self.chance.range(4 * SECOND, 290 * SECOND);
        let is_cancelled = !is_accepted || self.chance.percent(3);
        // Of some, only what came later is ever sent.
        if !self.chance.percent(2) {
            self.meal_placed(&order, is_accepted.then_some(accepted));
        }
        if is_accepted {
            self.step(&order, 1002, accepted, json!({ "status": 30 }));
            if self.chance.percent(if is_cancelled { 30 } else { 65 }) {
                let completed = accepted + self.chance.range(10 * MINUTE, HOUR);
                self.step(&order, 1003, completed, json!({ "status": 40 }));
            }
        }
        if self.chance.percent(6) {
            let at = accepted + self.chance.range(MINUTE, 20 * MINUTE);
            self.step(&order, 1006, at, json!({ "logisticsStatus": 30 }));
        }
        if is_cancelled {
            self.meal_cancelled(&order, is_accepted.then_some(accepted));
        }
        if is_accepted && self.chance.percent(7) {
            for _ in 0..self.chance.range(1, 3) {
                self.refund(&order, accepted);
            }
        }
    }

    fn meal_placed(&mut self, order: &Meal, accepted: Option<i64>) {
        let mut placed = order.placed;
        let delay = self.delay();
        if self.chance.percent(1) {
            // The platform's clock is ahead.
            placed = order.placed + delay + self.chance.range(SECOND, 4 * MINUTE);
        }
        let lines = self.lines(order.shop.2 == "KWD");
        let sum: i64 = lines.iter().map(|(_, count, price)| count * price).sum();
        let total = if self.chance.percent(1) { 0 } else { sum + self.chance.range(-200, 900) };
        let shape = match self.chance.below(100) {
            0..70 => Shape::Wrapped(total),
            70..94 => Shape::Listed(total),
            94..96 => Shape::Priced,
            96..97 => Shape::Unpriced,
            _ => Shape::Bare,
        };
        let status = match self.chance.below(400) {
            0 => 50,
            1 | 2 if accepted.is_some() => 30,
            _ => 10,
        };
        let first = order.message(shape, placed, &lines, status);
        let id = self.message_id();
        let at = order.placed + delay;
        self.envelope(1001, &id, order.shop.0, &first, at);
        // Sent once more, and fuller.
        let is_short = !matches!(shape, Shape::Wrapped(_) | Shape::Listed(_));
        if (is_short && self.chance.percent(60)) || self.chance.percent(1) {
            let fuller = order.message(Shape::Wrapped(total), order.placed, &lines, 10);
            let id = if self.chance.percent(50) { id } else { self.message_id() };
            let later = at + MINUTE + self.delay();
            self.envelope(1001, &id, order.shop.0, &fuller, later);
        }
    }

    fn meal_cancelled(&mut self, order: &Meal, accepted: Option<i64>) {
        let reason = REASONS[self.chance.below(7) as usize];
        let soon = order.placed + self.chance.range(10 * SECOND, 280 * SECOND);
        let late = accepted.unwrap_or(order.placed) + self.chance.range(10 * MINUTE, 3 * DAY);
        match self.chance.below(10) {
            0..3 => self.step(order, 1004, soon, json!({ "status": 50, "opType": 10, "cancelReason": reason })),
            3..5 => self.step(order, 1004, soon, json!({ "status": 50, "opType": 20, "cancelReason": reason })),
            5 => self.step(order, 1004, late, json!({ "status": 50, "opType": 30, "cancelReason": reason })),
            6 => self.step(order, 1004, late, json!({ "status": 50, "opType": 0 })),
            7 => self.step(order, 1004, soon, json!({ "status": 50, "cancelReason": reason })),
            8 => self.system(order, order.placed + 300 * SECOND),
            _ => {
                // Sent twice: by whoever did it, and by the system.
                self.step(order, 1004, soon, json!({ "status": 50, "opType": 10, "cancelReason": reason }));
                let other = soon + self.chance.range(-8 * SECOND, 8 * SECOND);
                self.system(order, other);
            }
        }
    }

    fn system(&mut self, order: &Meal, at: i64) {
        let more = json!({ "status": 50, "opType": 0, "cancelType": 5042, "cancelReason": "nobody accepted" });
        self.step(order, 1008, at, more);
    }

    /// One refund in some of its states; the sequence in which they come is left to chance.
    fn refund(&mut self, order: &Meal, accepted: i64) {
        self.messages += 1;
        let id = 833_443_000_000_000 + self.messages;
        let event = if self.chance.percent(40) { 1007 } else { 1005 };
        let mut at = accepted + self.chance.range(MINUTE, 6 * DAY);
        let mut amount = self.chance.range(100, 3000);
        let states: &[i64] = match self.chance.below(6) {
            0 => &[1001],
            1 => &[1001, 2001],
            2 => &[1001, 2001, 5001],
            3 => &[2001, 5001],
            4 => &[2001, 1001],
            _ => &[2001],
        };
        for state in states {
            let more = json!({
                "status": state, "afterSaleOrderId": id, "isAppeal": 0, "money": amount, "currency": order.shop.2,
                "applyOpType": 10, "applyReason": "cold",
                "refundProducts": [{ "name": "Egg tart", "count": 1, "refundPrice": amount }],
            });
            self.step(order, event, at, more);
            at += self.chance.range(10 * SECOND, 2 * DAY);
            if self.chance.percent(50) {
                amount = (amount + self.chance.range(-90, 200)).max(1);
            }
        }
    }

    fn lines(&mut self, is_kwd: bool) -> Vec<(&'static str, i64, i64)> {
        let dishes = if is_kwd { 12..16 } else { 0..12 };
        let count = self.chance.range(1, 4);
        let line = |chance: &mut Chance| {
            let (name, price) = DISHES[chance.range(dishes.start, dishes.end) as usize];
            (name, chance.range(1, 4), price)
        };
        (0..count).map(|_| line(&mut self.chance)).collect()
    }

    /// An order of Keeta's moved on.
    fn step(&mut self, order: &Meal, event: u64, at: i64, more: Value) {
        let mut message = more;
        message["orderViewId"] = json!(order.number);
        message["shopId"] = json!(order.shop.0);
        // Where it is left out, the envelope's own time stands for it.
        if !self.chance.percent(1) {
            message["opTime"] = json!(at);
        }
        let shop = if self.chance.below(300) == 0 { 0 } else { order.shop.0 };
        let (id, arrival) = (self.message_id(), at + self.delay());
        self.envelope(event, &id, shop, &message, arrival);
    }

    fn envelope(&mut self, event: u64, id: &str, shop: u64, message: &Value, at: i64) {
        let body = signed(event, id, shop, &message.to_string(), at - 50);
        self.come(KEETA, Vec::new(), &body, at, true);
        match self.chance.below(100) {
            // A resend of the very same, or of the same meaning.
            0..4 => {
                let again = at + MINUTE + self.chance.range(0, SECOND);
                self.come(KEETA, Vec::new(), &body, again, true);
            }
            4 => {
                let (id, again) = (self.message_id(), at + MINUTE + self.chance.range(0, SECOND));
                let body = signed(event, &id, shop, &message.to_string(), again - 50);
                self.come(KEETA, Vec::new(), &body, again, true);
            }
            _ => {}
        }
    }
}

/// An order at Keeta.
struct Meal {
    number: u64,
    shop: (u64, &'static str, &'static str),
    placed: i64,
}

/// How much of an order a telling of it has.
#[derive(Clone, Copy)]
enum Shape {
    /// As the documentation has it, with its total.
    Wrapped(i64),
    /// As live webhooks from Hong Kong have it.
    Listed(i64),
    /// Without a total; its lines have prices.
    Priced,
    /// Without a total, and nothing to make one of.
    Unpriced,
    /// Hardly more than its number.
    Bare,
}

impl Meal {
    fn message(&self, shape: Shape, placed: i64, lines: &[(&str, i64, i64)], status: i64) -> Value {
        let (shop, name, currency) = self.shop;
        let products = |priced: bool| -> Vec<Value> {
            let product = |(name, count, price): &(&str, i64, i64)| match priced {
                true => json!({ "name": name, "count": count, "price": price }),
                false => json!({ "name": name, "count": count }),
            };
            lines.iter().map(product).collect()
        };
        let mut order = json!({
            "baseOrder": { "orderViewId": self.number, "ctime": placed, "currency": currency },
            "merchantOrder": { "seqNoStr": (self.number % 10_000).to_string(), "status": status, "shopId": shop, "shopName": name },
        });
        match shape {
            Shape::Wrapped(total) => {
                order["feeDtl"] = json!({ "customerFee": { "i18n": { "currency": currency }, "payTotal": total } });
                order["products"] = json!(products(true));
                return json!({ "orderInfo": order });
            }
            Shape::Listed(total) => {
                order["feeDtls"] = json!([
                    { "code": "productPrice", "currency": currency, "price": total },
                    { "code": "payTotal", "currency": currency, "price": total },
                ]);
                order["products"] = json!(products(true));
            }
            Shape::Priced => order["products"] = json!(products(true)),
            Shape::Unpriced => order["products"] = json!(products(false)),
            Shape::Bare => return json!({ "baseOrder": { "orderViewId": self.number } }),
        }
        order
    }
}

pub fn signed(event: u64, id: &str, shop: u64, message: &str, at: i64) -> Vec<u8> {
    let seconds = at / 1000;
    let pairs =
        format!("appId={APP}&eventId={event}&message={message}&messageId={id}&shopId={shop}&timestamp={seconds}");
    let signature = sign::keeta(&format!("{ADDRESS}?"), &pairs, APP_SECRET);
    let members: BTreeMap<&str, Value> = BTreeMap::from([
        ("eventId", json!(event)),
        ("appId", json!(APP)),
        ("messageId", json!(id)),
        ("shopId", json!(shop)),
        ("message", json!(message)),
        ("timestamp", json!(seconds)),
        ("sig", json!(signature)),
    ]);
    json!(members).to_string().into_bytes()
}
