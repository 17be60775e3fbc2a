//! Values as shops write them: amounts, moments, days, counts, an e-mail address that is shown masked.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use unicode_segmentation::UnicodeSegmentation;

use crate::domain::money::Money;
use crate::domain::text::clean_line;
use crate::platform::apsdai::settings::AmountUnit;
use crate::platform::field::JsonField;

/// Longest order number and longest word of the platform's, in characters.
const MAX_WORD: usize = 64;
/// Longest domain of an address, in characters.
const MAX_DOMAIN: usize = 100;

/// A word or number of the platform's own, as text; longer than 64 characters it is none.
pub fn word(field: &JsonField) -> Option<String> {
    let cleaned = clean_line(&field.raw_text()?, MAX_WORD + 1);
    (1..=MAX_WORD).contains(&cleaned.chars().count()).then_some(cleaned)
}

/// `99`, `"99.00"`, `"¥1,188.00"`, `"CNY 99"`; exact, never through a float. In minor units are whole numbers in whatever
/// spelling, and texts without a decimal point.
pub fn money(field: &JsonField, unit: AmountUnit, currency: &str) -> Option<Money> {
    let text = field.raw_text()?;
    let text = text.trim();
    let text = text.strip_prefix(currency).or_else(|| text.strip_suffix(currency)).unwrap_or(text).trim();
    match unit {
        AmountUnit::Minor if !text.contains('.') => Money::of_minor(text, currency),
        _ => Money::of_major(text, currency),
    }
}

/// Three letters that may be a currency's code, in capitals; `RMB` is CNY's other name.
pub fn currency(field: &JsonField) -> Option<String> {
    let code = field.raw_text()?.trim().to_ascii_uppercase();
    let code = if code == "RMB" { "CNY".to_owned() } else { code };
    (code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase())).then_some(code)
}

/// A moment: a number from 10^12 in milliseconds, from 10^9 in seconds, or a text with its offset or in `zone`.
pub fn instant(field: &JsonField, zone: &TimeZone) -> Option<Timestamp> {
    const SECONDS: i64 = 1_000_000_000;
    const MILLISECONDS: i64 = 1_000_000_000_000;
    let text = field.raw_text()?;
    let text = text.trim();
    if let Some(at) = compact(text).and_then(|at| in_zone(at, zone)) {
        return Some(at);
    }
    match text.parse::<i64>() {
        Ok(number @ MILLISECONDS..) => Timestamp::from_millisecond(number).ok(),
        Ok(number @ SECONDS..) => Timestamp::from_second(number).ok(),
        Ok(_) => None,
        Err(_) => text.parse().ok().or_else(|| civil(text).and_then(|at| in_zone(at, zone))),
    }
}

/// A day as `2026-01-01`: from a date or moment in any of its spellings; another text stays as it is.
pub fn day(field: &JsonField, zone: &TimeZone, today: civil::Date) -> Option<String> {
    let word = word(field)?;
    let date = match days_ago(&word) {
        Some(days) => today.checked_sub(jiff::Span::new().days(days)).ok(),
        None => instant(field, zone).map(|at| at.to_zoned(zone.clone()).date()).or_else(|| date(&word)),
    };
    Some(date.map_or(word, |date| date.to_string()))
}

/// How many days ago a word says that it was.
fn days_ago(word: &str) -> Option<i64> {
    match word.to_lowercase().as_str() {
        "today" | "今天" | "今日" => Some(0),
        "yesterday" | "昨天" | "昨日" => Some(1),
        _ => None,
    }
}

/// A date alone, `20260101` included.
pub fn date(text: &str) -> Option<civil::Date> {
    let compact = (text.len() == 8).then(|| civil::Date::strptime("%Y%m%d", text).ok()).flatten();
    compact.or_else(|| civil(text).map(civil::DateTime::date))
}

/// `b***@example.com`.
pub fn masked_email(field: &JsonField) -> Option<String> {
    let text = field.raw_text()?;
    let (name, domain) = text.trim().rsplit_once('@')?;
    let first = name.graphemes(true).next()?;
    let shown = format!("{first}***@{domain}");
    let shown = clean_line(&shown, MAX_DOMAIN);
    (!domain.is_empty() && !shown.contains(' ')).then_some(shown)
}

/// `20260101080000`. As a number of milliseconds it would be in the year 2612.
fn compact(text: &str) -> Option<civil::DateTime> {
    let digits = text.len() == 14 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| civil::DateTime::strptime("%Y%m%d%H%M%S", text).ok()).flatten()
}

/// Year, month and day, then hour, minute and second as far as they go, with whatever stands between them:
/// `2026-01-01 08:00:00`, `2026/1/1 08:00`, `2026年1月1日 08:00`.
fn civil(text: &str) -> Option<civil::DateTime> {
    const BETWEEN: &str = "-/.:T年月日时時分秒点 ";
    let (text, _fraction) = text.rsplit_once('.').filter(|(before, _)| before.contains(':')).unwrap_or((text, ""));
    let between = |letter: char| BETWEEN.contains(letter);
    let groups: Vec<&str> = text.split(between).filter(|group| !group.is_empty()).collect();
    if groups.len() == 4 || !(3..=6).contains(&groups.len()) || groups[0].len() != 4 {
        return None;
    }
    let mut numbers = [0_i16; 6];
    for (number, group) in numbers.iter_mut().zip(&groups) {
        *number = group.parse().ok().filter(|number| *number >= 0)?;
    }
    let [year, month, day, hour, minute, second] = numbers;
    let small = |number: i16| i8::try_from(number).ok();
    civil::DateTime::new(year, small(month)?, small(day)?, small(hour)?, small(minute)?, small(second)?, 0).ok()
}

fn in_zone(at: civil::DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_timestamp(at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> JsonField {
        JsonField::of(json)
    }

    fn zone() -> TimeZone {
        TimeZone::get("Asia/Shanghai").expect("a zone")
    }

    #[test]
    fn moments_are_read_in_every_spelling() {
        let eight = "2026-01-01T00:00:00Z".parse::<Timestamp>().expect("a time");
        for json in [
            "1767225600000",
            "1767225600",
            "\"1767225600000\"",
            "\"2026-01-01 08:00:00\"",
            "\"2026-01-01 08:00\"",
            "\"2026/01/01 08:00\"",
            "\"2026/1/1 8:00:00\"",
            "\"2026.01.01 08:00\"",
            "\"2026-01-01T08:00:00\"",
            "\"2026-01-01T08:00:00.000\"",
            "\"2026-01-01T08:00:00+08:00\"",
            "\"2026-01-01T00:00:00Z\"",
            "\"2026-01-01T00:00:00.000Z\"",
            "\"2026年1月1日 08:00\"",
            "\"20260101080000\"",
            "20260101080000",
        ] {
            assert_eq!(instant(&raw(json), &zone()), Some(eight), "{json}");
        }
        for json in
            ["0", "5", "\"\"", "\"soon\"", "\"2026-13-01\"", "\"01/02/2026\"", "\"2026-01-01 08\"", "true", "{}"]
        {
            assert_eq!(instant(&raw(json), &zone()), None, "{json}");
        }
    }

    #[test]
    fn days_are_read_in_every_spelling_and_other_words_stay() {
        let today = civil::date(2026, 1, 2);
        for (json, expected) in [
            ("\"2026-01-01\"", "2026-01-01"),
            ("\"2026/1/1\"", "2026-01-01"),
            ("20260101", "2026-01-01"),
            ("\"2026-01-01 00:00:00\"", "2026-01-01"),
            ("1767225600", "2026-01-01"),
            ("\"today\"", "2026-01-02"),
            ("\"昨日\"", "2026-01-01"),
            ("\"1 Jan\"", "1 Jan"),
        ] {
            assert_eq!(day(&raw(json), &zone(), today).as_deref(), Some(expected), "{json}");
        }
    }

    #[test]
    fn amounts_are_major_units_unless_the_source_says_otherwise() {
        let read = |json: &str, unit| money(&raw(json), unit, "CNY").map(|money| money.minor);
        for (json, major, minor) in [
            ("99", Some(9900), Some(99)),
            ("\"1,188\"", Some(118_800), Some(1188)),
            ("\"99.00\"", Some(9900), Some(9900)),
            ("99.5", Some(9950), Some(9950)),
            ("\"CNY 99\"", Some(9900), Some(99)),
            ("\"¥99.00\"", Some(9900), Some(9900)),
            ("\"free\"", None, None),
            ("null", None, None),
        ] {
            assert_eq!((read(json, AmountUnit::Major), read(json, AmountUnit::Minor)), (major, minor), "{json}");
        }
    }

    #[test]
    fn an_address_shows_its_first_letter_and_its_domain() {
        let shown = |json: &str| masked_email(&raw(json));
        assert_eq!(shown("\"buyer@example.com\"").as_deref(), Some("b***@example.com"));
        for json in ["\"buyer\"", "\"@example.com\"", "\"buyer@\"", "7", "\"a@b c\""] {
            assert_eq!(shown(json), None, "{json}");
        }
    }
}
