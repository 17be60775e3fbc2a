//! A month of three shops at Keeta and one at APSDAI, drawn from a seed: what the platforms send, signed, and when it arrives.

use std::collections::BTreeMap;

use orderbell::domain::sign;
use serde_json::Value;
use serde_json::json;

use crate::month::chance::Chance;

pub const KEETA: &str = "keeta";
pub const APSDAI: &str = "licences";
pub const ADDRESS: &str = "https://bell.example.com/hooks/keeta";
pub const APP: u64 = 3_762_772_727;
pub const APP_SECRET: &str = "an-app-secret-of-the-month";
pub const APSDAI_SECRET: &str = "a-secret-of-the-month";

/// The first of October 2025 in Hong Kong, in milliseconds.
pub const BEGIN: i64 = 1_759_248_000_000;
const SECOND: i64 = 1000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;
pub const DAYS: i64 = 31;
/// Hong Kong is so far ahead of UTC.
const HONG_KONG: i64 = 8 * HOUR;
/// Local midnights of Hong Kong, Cairo (before and after its change) and London (likewise), in hours of the UTC day.
pub const MIDNIGHTS: [i64; 5] = [16, 21, 22, 23, 0];

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
const LICENCES: [(&str, &str, i64); 4] = [
    ("Photo Tool Pro", "photo-tool-pro", 19_800),
    ("视频剪辑大师", "video-cut", 9900),
    ("Tax Helper", "tax-helper", 4500),
    ("Backup Box", "backup-box", 12_345),
];
const REASONS: [&str; 7] =
    ["sold out", "the shop is closed", "changed my mind", "nobody accepted", "wrong address", "too slow", "rain"];

/// One request, and when it comes.
pub struct Arrival {
    pub at: i64,
    pub source: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// Its platform has sent it, within the time in which it is believed.
    pub is_genuine: bool,
}

/// Everything that comes, the earliest first.
pub fn arrivals(seed: u64, orders: u64) -> Vec<Arrival> {
    let mut month = Month { chance: Chance(seed), messages: 0, arrivals: Vec::new(), licences: Vec::new() };
    for number in 0..orders {
        let placed = month.moment();
        match month.chance.below(4) {
            0 => month.licence(number, placed),
            _ => month.meal(number, placed),
        }
    }
    month.totals();
    month.stock();
    month.strangers();
    // A stable sort, as their sequence is that of those that come in the same millisecond.
    month.arrivals.sort_by_key(|arrival| arrival.at);
    month.arrivals
}

/// What APSDAI knows of one of its orders.
struct Licence {
    placed: i64,
    minor: i64,
    is_kwd: bool,
    is_cancelled: bool,
    total_is_told: bool,
}

struct Month {
    chance: Chance,
    messages: u64,
    arrivals: Vec<Arrival>,
    licences: Vec<Licence>,
}

impl Month {
    /// When an order is placed: any time, more at noon and in the evening, and some around each local midnight.
    fn moment(&mut self) -> i64 {
        let chance = &mut self.chance;
        let day = BEGIN + chance.range(0, DAYS) * DAY;
        if chance.percent(4) {
            let midnight = MIDNIGHTS[chance.below(5) as usize] * HOUR;
            let utc_day = day + HONG_KONG;
            return (utc_day + midnight + chance.range(-40 * SECOND, 40 * SECOND)).max(BEGIN);
        }
        let hour = match chance.below(4) {
            0 => chance.range(0, 24),
            1 => chance.range(11, 15),
            _ => chance.range(17, 23),
        };
        day + hour * HOUR + chance.range(0, HOUR)
    }

    /// How long after it happened a webhook comes.
    fn delay(&mut self) -> i64 {
        let chance = &mut self.chance;
        match chance.below(1000) {
            0..20 => chance.range(MINUTE, 30 * MINUTE),
            20..35 => chance.range(HOUR, 20 * HOUR),
            35..40 => chance.range(DAY, 3 * DAY),
            _ => chance.range(100, 4 * SECOND),
        }
    }

    fn message_id(&mut self) -> String {
        self.messages += 1;
        format!("19{:017}", self.messages)
    }

    fn meal(&mut self, number: u64, placed: i64) {
        let shop = SHOPS[self.chance.below(3) as usize];
        let order = Meal { number: 5_123_440_000_000_000 + number, shop, placed };
        let is_accepted = self.chance.percent(93);
        let accepted = placed + self.chance.range(4 * SECOND, 290 * SECOND);
        let is_cancelled = !is_accepted || self.chance.percent(3);
        // Of some, only what came later is ever told.
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
                // Told twice: by whoever did it, and by the system.
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

    fn come(
        &mut self,
        source: &'static str,
        headers: Vec<(&'static str, String)>,
        body: &[u8],
        at: i64,
        genuine: bool,
    ) {
        self.arrivals.push(Arrival { at, source, headers, body: body.to_vec(), is_genuine: genuine });
    }

    fn licence(&mut self, number: u64, placed: i64) {
        // Its texts have no milliseconds.
        let placed = placed / SECOND * SECOND;
        let is_kwd = self.chance.percent(30);
        let (name, path, price) = LICENCES[self.chance.below(4) as usize];
        let quantity = self.chance.range(1, 4);
        let total_is_told = !self.chance.percent(2);
        let mut body = json!({ "order_no": format!("AP{number:09}"), "created_at": text(placed) });
        let minor = match self.chance.percent(30) {
            true => {
                let (other, other_path, other_price) = LICENCES[self.chance.below(4) as usize];
                let lines = [(name, path, quantity), (other, other_path, 1)];
                let lines = lines.map(|(name, path, quantity)| {
                    json!({ "product_name": name, "product_path": path, "quantity": quantity })
                });
                body["products"] = json!(lines);
                price * quantity + other_price
            }
            false => {
                body["product_name"] = json!(name);
                body["product_path"] = json!(path);
                body["quantity"] = json!(quantity);
                price * quantity
            }
        };
        if is_kwd {
            body["currency"] = json!("KWD");
        }
        if total_is_told {
            body["amount"] = json!(major(minor, is_kwd));
        }
        let paid = placed + self.chance.range(5, 600) * SECOND;
        let is_cancelled = self.chance.percent(8);
        self.licences.push(Licence { placed, minor, is_kwd, is_cancelled, total_is_told });
        if !self.chance.percent(3) {
            self.hook("order_create_hook", &body, placed);
        }
        if !is_cancelled {
            let mut body = body.clone();
            body["paid_at"] = json!(text(paid));
            self.hook("order_pay_hook", &body, paid);
            if self.chance.percent(60) {
                body["license_key"] = json!("AAAA-BBBB-CCCC-DDDD");
                let finished = paid + self.chance.range(1, 120) * SECOND;
                body["time"] = json!(finished);
                self.hook("order_finish_hook", &body, finished);
            }
        } else {
            let at = placed + self.chance.range(60, 3 * 86_400) * SECOND;
            let mut body = body.clone();
            body["reason"] = json!(REASONS[self.chance.below(7) as usize]);
            body["time"] = json!(text(at));
            self.hook("order_cancel_hook", &body, at);
        }
        if self.chance.percent(4) {
            let mut at = paid + self.chance.range(60, 4 * 86_400) * SECOND;
            for _ in 0..self.chance.range(1, 3) {
                let mut body = body.clone();
                let back = self.chance.range(100, minor + 1);
                body["refund_amount"] = json!(major(back, is_kwd));
                body["time"] = json!(at);
                self.hook("order_refund_hook", &body, at);
                at += self.chance.range(60, 86_400) * SECOND;
            }
        }
    }

    /// One hook of APSDAI's, about something that happened at a time; now and then sent twice.
    fn hook(&mut self, event: &str, body: &Value, happened: i64) {
        let at = happened + self.delay();
        let headers = token(event, at - self.chance.range(10, 500));
        let body = body.to_string().into_bytes();
        if self.chance.percent(3) {
            let again = at + self.chance.range(20 * SECOND, 2 * MINUTE);
            self.come(APSDAI, headers.clone(), &body, again, true);
        }
        self.come(APSDAI, headers, &body, at, true);
    }

    /// Each morning the platform tells its own figures of the two days before; on some days they are not ours.
    fn totals(&mut self) {
        for day in 0..DAYS {
            let mut days = Vec::new();
            for day in [day, day - 1].into_iter().filter(|day| *day >= 0) {
                days.push(self.total(day));
            }
            // On some days it is too early to.
            let early = if day % 9 == 7 { HOUR } else { 0 };
            let at = BEGIN + (day + 1) * DAY + 10 * MINUTE - early;
            let body = json!({ "currency": "HKD", "data": days });
            let headers = token("order_count_amount_hook", at - 20);
            self.come(APSDAI, headers, &body.to_string().into_bytes(), at, true);
        }
    }

    fn total(&self, day: i64) -> Value {
        let begin = BEGIN + day * DAY;
        let of_day = |licence: &&Licence| (begin..begin + DAY).contains(&licence.placed);
        let of_day: Vec<&Licence> = self.licences.iter().filter(of_day).collect();
        let sum = |with_cancelled: bool| -> i64 {
            let counts = |licence: &&&Licence| {
                !licence.is_kwd && licence.total_is_told && (with_cancelled || !licence.is_cancelled)
            };
            of_day.iter().filter(counts).map(|licence| licence.minor).sum()
        };
        let cancelled = of_day.iter().filter(|licence| licence.is_cancelled).count();
        let (all, kept) = (of_day.len(), of_day.len() - cancelled);
        let (count, minor) = match day % 8 {
            2 => (kept, sum(false)),
            3 => (all, sum(true)),
            4 => (all + 2, sum(false) + 29_700),
            5 => (kept.saturating_sub(3), sum(false) - 9900),
            6 => (all, sum(false) + 123),
            7 => (kept + cancelled / 2, sum(false)),
            _ => (all, sum(false)),
        };
        let date = text(begin);
        json!({ "date": &date[..10], "count": count, "amount": major(minor, false) })
    }

    fn stock(&mut self) {
        for _ in 0..40 {
            let (name, path, _) = LICENCES[self.chance.below(4) as usize];
            let left = self.chance.range(0, 20);
            let body = json!({ "products": [
                { "product_name": name, "product_path": path, "stock": left, "threshold": 20 },
            ] });
            let at = BEGIN + self.chance.range(0, DAYS * DAY);
            self.come(APSDAI, token("stock_alarm_hook", at - 20), &body.to_string().into_bytes(), at, true);
        }
    }

    /// What is not believed, and a heartbeat now and then.
    fn strangers(&mut self) {
        for day in 0..DAYS {
            for _ in 0..self.chance.range(1, 8) {
                let at = BEGIN + day * DAY + self.chance.range(0, DAY);
                self.stranger(at);
            }
            let at = BEGIN + day * DAY + self.chance.range(0, DAY);
            self.come(KEETA, Vec::new(), b"{}", at, true);
        }
        // Somebody tries for a while; across a local midnight of Hong Kong.
        for attempt in 0..300 {
            self.stranger(BEGIN + 12 * DAY - 40 * SECOND + attempt * 250);
        }
    }

    fn stranger(&mut self, at: i64) {
        let message = json!({ "orderViewId": 7, "opTime": at, "opType": 10 }).to_string();
        match self.chance.below(3) {
            0 => {
                let body = signed(1004, "1", 466_601, &message, at);
                let body = String::from_utf8(body).expect("UTF-8").replace("\"sig\":\"", "\"sig\":\"0");
                self.come(KEETA, Vec::new(), body.as_bytes(), at, false);
            }
            1 => {
                let body = signed(1004, "1", 466_601, &message, at - 3 * DAY);
                self.come(KEETA, Vec::new(), &body, at, false);
            }
            _ => {
                let mut headers = token("order_cancel_hook", at);
                headers[0].1.replace_range(..1, "!");
                self.come(APSDAI, headers, b"{}", at, false);
            }
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

fn signed(event: u64, id: &str, shop: u64, message: &str, at: i64) -> Vec<u8> {
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

fn token(event: &str, at: i64) -> Vec<(&'static str, String)> {
    vec![
        ("x-apsdai-token", sign::apsdai_token(APSDAI_SECRET, at)),
        ("x-apsdai-timestamp", at.to_string()),
        ("x-apsdai-event", event.to_owned()),
    ]
}

/// `2025-10-01 00:00:00` in Hong Kong; the month of the test and what is left of the year.
fn text(at: i64) -> String {
    let seconds = (at - BEGIN).div_euclid(1000);
    let (mut day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let mut month = 10;
    for length in [31, 30] {
        if day >= length {
            (day, month) = (day - length, month + 1);
        }
    }
    format!("2025-{month}-{:02} {:02}:{:02}:{:02}", day + 1, second / 3600, second / 60 % 60, second % 60)
}

fn major(minor: i64, is_kwd: bool) -> String {
    match is_kwd {
        true => format!("{}.{:03}", minor / 1000, minor % 1000),
        false => format!("{}.{:02}", minor / 100, minor % 100),
    }
}
