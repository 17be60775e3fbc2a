//! Money: integer minor units with an ISO 4217 code; the exponent is the currency's.

use std::cell::RefCell;
use std::fmt;

use iso_currency::Currency;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize};

/// Room for any amount with a code of ISO 4217.
const MOST_CHARACTERS: usize = 32;

/// An amount of one currency.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Money {
    /// Minor units: 4600 is SAR 46.00, and KWD 4.600.
    pub minor: i64,
    /// ISO 4217 code, three capital letters.
    pub currency: String,
}

impl Money {
    pub fn new(minor: i64, currency: impl Into<String>) -> Self {
        Self { minor, currency: currency.into() }
    }

    /// Digits after the decimal point: 2 for most, 3 for KWD, BHD and OMR, 0 for JPY; 2 for a code that ISO 4217 does
    /// not list.
    pub fn exponent(&self) -> u32 {
        thread_local! {
            /// The currency that was asked for last: a shop has one, and to look through all takes longer than the rest.
            static LAST: RefCell<(String, u32)> = const { RefCell::new((String::new(), 2)) };
        }
        LAST.with_borrow_mut(|(currency, exponent)| {
            if *currency != self.currency {
                *exponent = Currency::from_code(&self.currency).and_then(Currency::exponent).map_or(2, u32::from);
                currency.clone_from(&self.currency);
            }
            *exponent
        })
    }

    /// The amount in major units, without grouping and without the code: `46.00`.
    pub fn major(&self) -> String {
        let mut major = String::with_capacity(MOST_CHARACTERS);
        self.write_major(&mut major);
        major
    }

    /// `SAR 46.00`
    fn text(&self) -> String {
        let mut text = String::with_capacity(MOST_CHARACTERS);
        text.push_str(&self.currency);
        text.push(' ');
        self.write_major(&mut text);
        text
    }

    fn write_major(&self, out: &mut String) {
        let exponent = self.exponent() as usize;
        if self.minor < 0 {
            out.push('-');
        }
        let digits = self.minor.unsigned_abs().to_string();
        let (whole, fraction) = digits.split_at(digits.len().saturating_sub(exponent));
        out.push_str(if whole.is_empty() { "0" } else { whole });
        if exponent > 0 {
            out.push('.');
            out.extend(std::iter::repeat_n('0', exponent - fraction.len()));
            out.push_str(fraction);
        }
    }

    /// Reads a decimal text in major units, digit by digit: `99`, `99.5`, `1,188.00`, `¥99.00`, `1.5e3`. Digits beyond the
    /// currency's own are rounded, half away from zero: they come from senders that calculate in floats.
    ///
    /// `None` when the text is no number, when its commas do not group by three (`99,50` may be either), or beyond the
    /// range of 64 bits.
    pub fn of_major(text: &str, currency: impl Into<String>) -> Option<Money> {
        let zero = Money::new(0, currency);
        let minor = decimal::scaled(text, zero.exponent())?;
        Some(Money { minor, ..zero })
    }

    /// Reads a text in minor units: `4600` is SAR 46.00. Otherwise as [`Money::of_major`].
    pub fn of_minor(text: &str, currency: impl Into<String>) -> Option<Money> {
        decimal::scaled(text, 0).map(|minor| Money::new(minor, currency))
    }

    /// Adds an amount of the same currency; `None` across currencies or beyond the range of 64 bits.
    pub fn plus(&self, other: &Money) -> Option<Money> {
        (self.currency == other.currency)
            .then(|| self.minor.checked_add(other.minor))
            .flatten()
            .map(|minor| Money::new(minor, &self.currency))
    }

    /// The amount `count` times; `None` beyond the range of 64 bits.
    pub fn times(&self, count: u64) -> Option<Money> {
        let count = i64::try_from(count).ok()?;
        self.minor.checked_mul(count).map(|minor| Money::new(minor, &self.currency))
    }
}

/// Decimal texts as whole numbers.
mod decimal {
    /// More digits than any amount has; what is longer is no amount.
    const MAX_DIGITS: usize = 64;

    /// The number times ten to the power of `exponent`, rounded to a whole one.
    pub fn scaled(text: &str, exponent: u32) -> Option<i64> {
        let text = text.trim_matches(|letter: char| letter.is_whitespace() || is_sign_of_money(letter));
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => {
                (true, rest.trim_start_matches(|letter: char| letter.is_whitespace() || is_sign_of_money(letter)))
            }
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i32>().ok().filter(|power| power.abs() <= 64)?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{}{fraction}", ungrouped(whole)?);
        let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits || digits.len() > MAX_DIGITS {
            return None;
        }
        let shift = i32::try_from(exponent).ok()? + power - i32::try_from(fraction.len()).ok()?;
        let minor = shifted(&digits, shift)?;
        Some(if negative { -minor } else { minor })
    }

    /// What may stand before or after an amount: `¥99.00`, `99.00元`.
    fn is_sign_of_money(letter: char) -> bool {
        matches!(letter, '¥' | '￥' | '$' | '€' | '£' | '元')
    }

    /// The whole part without its commas; `None` when they do not group by three.
    fn ungrouped(whole: &str) -> Option<String> {
        let mut groups = whole.split(',');
        let first = groups.next().unwrap_or_default();
        let grouped = whole.contains(',');
        if grouped && !(1..=3).contains(&first.len()) {
            return None;
        }
        groups.all(|group| group.len() == 3).then(|| whole.replace(',', ""))
    }

    fn shifted(digits: &str, shift: i32) -> Option<i64> {
        let digits = digits.trim_start_matches('0');
        let dropped = usize::try_from(-shift).unwrap_or(0);
        let kept = digits.get(..digits.len().saturating_sub(dropped)).unwrap_or_default();
        let number: i64 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
        if shift >= 0 {
            let power = 10_i64.checked_pow(u32::try_from(shift).ok()?);
            return if number == 0 { Some(0) } else { number.checked_mul(power?) };
        }
        // The first dropped digit decides; where more are dropped than there are, it is a zero.
        let first = digits.len().checked_sub(dropped).and_then(|at| digits.as_bytes().get(at)).copied();
        number.checked_add(i64::from(first.is_some_and(|digit| digit >= b'5')))
    }
}

/// `SAR 46.00`: never wrong in any language. Messages to people group digits by the reader's language instead.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// `{ "minor", "currency", "text" }`, as receivers of the WebHook channel see it.
impl Serialize for Money {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut money = serializer.serialize_struct("Money", 3)?;
        money.serialize_field("minor", &self.minor)?;
        money.serialize_field("currency", &self.currency)?;
        money.serialize_field("text", &self.text())?;
        money.end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_exponent_is_the_currencys() {
        assert_eq!(Money::new(4600, "SAR").to_string(), "SAR 46.00");
        assert_eq!(Money::new(4600, "KWD").to_string(), "KWD 4.600");
        assert_eq!(Money::new(4600, "JPY").to_string(), "JPY 4600");
        assert_eq!(Money::new(5, "HKD").to_string(), "HKD 0.05");
        assert_eq!(Money::new(-1999, "HKD").to_string(), "HKD -19.99");
        assert_eq!(Money::new(-7, "KWD").to_string(), "KWD -0.007");
        assert_eq!(Money::new(0, "SAR").to_string(), "SAR 0.00");
        assert_eq!(Money::new(0, "JPY").to_string(), "JPY 0");
        assert_eq!(Money::new(i64::MIN, "no code").to_string(), "no code -92233720368547758.08");
    }

    #[test]
    fn decimal_texts_are_read_digit_by_digit() {
        let read = |text: &str, currency: &str| Money::of_major(text, currency).map(|money| money.minor);
        for (text, minor) in [
            ("99", 9900),
            ("99.00", 9900),
            ("99.5", 9950),
            ("0.1", 10),
            (".5", 50),
            ("5.", 500),
            ("1,188.00", 118_800),
            ("1,234,567.89", 123_456_789),
            ("-3.20", -320),
            ("-¥3.20", -320),
            ("+3.20", 320),
            ("¥ 99.00", 9900),
            ("99.00元", 9900),
            ("1e2", 10_000),
            ("1.5E+3", 150_000),
            ("12345e-2", 12_345),
            ("99.989999999999995", 9999),
            ("0.005", 1),
            ("0.004", 0),
            ("0.0000000001", 0),
            ("0e60", 0),
            ("92233720368547758.07", i64::MAX),
        ] {
            assert_eq!(read(text, "CNY"), Some(minor), "{text}");
        }
        assert_eq!(
            (read("99.00", "JPY"), read("1.5", "KWD"), read("1.2345", "KWD")),
            (Some(99), Some(1500), Some(1235))
        );
        let long = "9".repeat(400);
        for text in [
            "", "-", ".", "abc", "1.2.3", "99,50", "1,18.00", ",100", "1188,000", "12 000", "0x10", "1e400", "NaN",
            "--1", &long,
        ] {
            assert_eq!(read(text, "CNY"), None, "{text}");
        }
        assert_eq!(read("92233720368547758.08", "CNY"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(minor in any::<i64>(), currency in "CNY|JPY|KWD") {
            prop_assume!(minor != i64::MIN);
            let money = Money::new(minor, currency.as_str());
            prop_assert_eq!(Money::of_major(&money.major(), currency), Some(money));
        }

        #[test]
        fn no_text_is_too_odd_to_be_looked_at(text in any::<String>(), digits in "[-+.,0-9eE¥]{0,90}") {
            for text in [text, digits] {
                let _ = Money::of_major(&text, "CNY");
            }
        }
    }

    #[test]
    fn amounts_are_never_added_across_currencies() {
        assert_eq!(Money::new(1, "SAR").plus(&Money::new(1, "HKD")), None);
        assert_eq!(Money::new(i64::MAX, "SAR").plus(&Money::new(1, "SAR")), None);
    }
}
