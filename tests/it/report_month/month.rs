//! A month of three shops at Keeta and one at APSDAI, drawn from a seed: what the platforms send, signed, and when it arrives.

use serde_json::json;

use crate::report_month::chance::Chance;
use crate::report_month::licences::{Licence, token};
use crate::report_month::meals::signed;

pub const KEETA: &str = "keeta";
pub const APSDAI: &str = "licences";
pub const ADDRESS: &str = "https://bell.example.com/hooks/keeta";
pub const APP: u64 = 3_762_772_727;
pub const APP_SECRET: &str = "an-app-secret-of-the-month";
pub const APSDAI_SECRET: &str = "a-secret-of-the-month";

/// The first of October 2025 in Hong Kong, in milliseconds.
pub const BEGIN: i64 = 1_759_248_000_000;
pub const SECOND: i64 = 1000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;
pub const DAYS: i64 = 31;
/// Hong Kong is so far ahead of UTC.
const HONG_KONG: i64 = 8 * HOUR;
/// Local midnights of Hong Kong, Cairo (before and after its change) and London (likewise), in hours of the UTC day.
pub const MIDNIGHTS: [i64; 5] = [16, 21, 22, 23, 0];

pub const REASONS: [&str; 7] =
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

/// What is drawn so far.
pub struct Month {
    pub chance: Chance,
    pub messages: u64,
    arrivals: Vec<Arrival>,
    /// For the totals of their platform.
    pub licences: Vec<Licence>,
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
    pub fn delay(&mut self) -> i64 {
        let chance = &mut self.chance;
        match chance.below(1000) {
            0..20 => chance.range(MINUTE, 30 * MINUTE),
            20..35 => chance.range(HOUR, 20 * HOUR),
            35..40 => chance.range(DAY, 3 * DAY),
            _ => chance.range(100, 4 * SECOND),
        }
    }

    pub fn message_id(&mut self) -> String {
        self.messages += 1;
        format!("19{:017}", self.messages)
    }

    pub fn come(
        &mut self,
        source: &'static str,
        headers: Vec<(&'static str, String)>,
        body: &[u8],
        at: i64,
        genuine: bool,
    ) {
        self.arrivals.push(Arrival { at, source, headers, body: body.to_vec(), is_genuine: genuine });
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
