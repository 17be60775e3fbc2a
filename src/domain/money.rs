//! Money: integer minor units with an ISO 4217 code; the exponent is the currency's.

use std::fmt;

use iso_currency::Currency;
use serde::Deserialize;
use serde::Serialize;
use serde::ser::SerializeStruct;

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
        Currency::from_code(&self.currency).and_then(Currency::exponent).map_or(2, u32::from)
    }

    /// The amount in major units, without grouping and without the code: `46.00`.
    pub fn major(&self) -> String {
        let exponent = self.exponent() as usize;
        let sign = if self.minor < 0 { "-" } else { "" };
        let digits = format!("{:0width$}", self.minor.unsigned_abs(), width = exponent + 1);
        match exponent {
            0 => format!("{sign}{digits}"),
            _ => {
                let (whole, fraction) = digits.split_at(digits.len() - exponent);
                format!("{sign}{whole}.{fraction}")
            }
        }
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

/// `SAR 46.00`: never wrong in any language. Messages to people group digits by the reader's language instead.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.currency, self.major())
    }
}

/// `{ "minor", "currency", "text" }`, as receivers of the WebHook channel see it.
impl Serialize for Money {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut money = serializer.serialize_struct("Money", 3)?;
        money.serialize_field("minor", &self.minor)?;
        money.serialize_field("currency", &self.currency)?;
        money.serialize_field("text", &self.to_string())?;
        money.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponent_is_the_currencys() {
        assert_eq!(Money::new(4600, "SAR").to_string(), "SAR 46.00");
        assert_eq!(Money::new(4600, "KWD").to_string(), "KWD 4.600");
        assert_eq!(Money::new(4600, "JPY").to_string(), "JPY 4600");
        assert_eq!(Money::new(5, "HKD").to_string(), "HKD 0.05");
        assert_eq!(Money::new(-1999, "HKD").to_string(), "HKD -19.99");
    }

    #[test]
    fn amounts_are_never_added_across_currencies() {
        assert_eq!(Money::new(1, "SAR").plus(&Money::new(1, "HKD")), None);
        assert_eq!(Money::new(i64::MAX, "SAR").plus(&Money::new(1, "SAR")), None);
    }
}
