//! The orders at APSDAI of the month, its stock, and its own totals of each day.

use orderbell::domain::sign;
use serde_json::{Value, json};

use crate::report_month::month::{APSDAI, APSDAI_SECRET, BEGIN, DAY, DAYS, HOUR, MINUTE, Month, REASONS, SECOND};

const LICENCES: [(&str, &str, i64); 4] = [
    ("Photo Tool Pro", "photo-tool-pro", 19_800),
    ("视频剪辑大师", "video-cut", 9900),
    ("Tax Helper", "tax-helper", 4500),
    ("Backup Box", "backup-box", 12_345),
];

/// What APSDAI knows of one of its orders.
pub struct Licence {
    placed: i64,
    minor: i64,
    is_kwd: bool,
    is_cancelled: bool,
    total_is_stated: bool,
}

impl Month {
    pub fn licence(&mut self, number: u64, placed: i64) {
        // Its texts have no milliseconds.
        let placed = placed / SECOND * SECOND;
        let is_kwd = self.chance.percent(30);
        let (name, path, price) = LICENCES[self.chance.below(4) as usize];
        let quantity = self.chance.range(1, 4);
        let total_is_stated = !self.chance.percent(2);
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
        if total_is_stated {
            body["amount"] = json!(major(minor, is_kwd));
        }
        let paid = placed + self.chance.range(5, 600) * SECOND;
        let is_cancelled = self.chance.percent(8);
        self.licences.push(Licence { placed, minor, is_kwd, is_cancelled, total_is_stated });
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

    /// Each morning the platform sends its own figures of the two days before; on some days they are not ours.
    pub fn totals(&mut self) {
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
                !licence.is_kwd && licence.total_is_stated && (with_cancelled || !licence.is_cancelled)
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

    pub fn stock(&mut self) {
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
}

pub fn token(event: &str, at: i64) -> Vec<(&'static str, String)> {
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
