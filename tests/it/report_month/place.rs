//! Local days by hand, and what a report is about.

use crate::report_month::month::{DAY, HOUR};

/// The days since 1970.
pub fn number_of(year: i64, month: i64, day: i64) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leaps = (year - 1969) / 4;
    assert!(year % 4 != 0 && year > 1970, "no leap year is counted here");
    (year - 1970) * 365 + leaps + BEFORE[usize::try_from(month - 1).expect("a month")] + day - 1
}

/// `2025-10-01` of the number of a day in 2025.
pub fn date(number: i64) -> String {
    let mut month = 12;
    while number_of(2025, month, 1) > number {
        month -= 1;
    }
    format!("2025-{month:02}-{:02}", number - number_of(2025, month, 1) + 1)
}

/// A place's clock in the autumn of 2025, by hand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    HongKong,
    London,
    Cairo,
}

impl Place {
    pub fn name(self) -> &'static str {
        match self {
            Place::HongKong => "Asia/Hong_Kong",
            Place::London => "Europe/London",
            Place::Cairo => "Africa/Cairo",
        }
    }

    /// London put its clocks back on 26 October 2025 at 01:00 UTC, Cairo at the end of 30 October, 21:00 UTC.
    fn ahead(self, at: i64) -> i64 {
        match self {
            Place::HongKong => 8 * HOUR,
            Place::London if at < number_of(2025, 10, 26) * DAY + HOUR => HOUR,
            Place::London => 0,
            Place::Cairo if at < number_of(2025, 10, 30) * DAY + 21 * HOUR => 3 * HOUR,
            Place::Cairo => 2 * HOUR,
        }
    }

    /// The number of the local day.
    pub fn day(self, at: i64) -> i64 {
        (at + self.ahead(at)).div_euclid(DAY)
    }

    pub fn hour(self, at: i64) -> i64 {
        (at + self.ahead(at)).rem_euclid(DAY) / HOUR
    }

    /// When a local day begins.
    pub fn begin(self, day: i64) -> i64 {
        // The first quarter of an hour that belongs to it.
        let mut at = day * DAY - 12 * HOUR;
        while self.day(at) < day {
            at += HOUR / 4;
        }
        at
    }
}

/// What a report is about.
#[derive(Clone)]
pub struct About {
    pub place: Place,
    pub from: i64,
    pub to: i64,
    pub sources: Option<&'static str>,
    pub shops: Option<&'static str>,
}

impl About {
    pub fn has(&self, source: &str, shop: Option<&str>) -> bool {
        self.has_source(source) && self.shops.is_none_or(|only| shop == Some(only))
    }

    pub fn has_source(&self, source: &str) -> bool {
        self.sources.is_none_or(|only| only == source)
    }
}
