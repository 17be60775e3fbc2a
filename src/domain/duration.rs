//! Lengths of time and sizes as people write them in the configuration: `90s`, `1h30m`, `400d`; `512KiB`, `1MiB`.

use std::borrow::Cow;
use std::fmt;

use jiff::SignedDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// Seconds of each unit, largest first: the order in which they may follow each other.
const UNITS: [(char, i64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Bytes of each unit.
const SIZES: [(&str, u64); 8] = [
    ("B", 1),
    ("KB", 1_000),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// A text that is no length of time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{0}\" is not a length of time; write it like \"90s\", \"5m\", \"2h\" or \"400d\"")]
pub struct InvalidDuration(pub String);

/// A text that is no size.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{0}\" is not a size; write it like \"512KiB\" or \"1MiB\"")]
pub struct InvalidSize(pub String);

/// Reads a length of time: whole numbers with the units `d`, `h`, `m` and `s`, larger units first, each at most once.
///
/// # Errors
/// [`InvalidDuration`] for anything else, a number without a unit included.
pub fn parse(text: &str) -> Result<SignedDuration, InvalidDuration> {
    let wrong = || InvalidDuration(text.to_owned());
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut seconds: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let count: i64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = rest[digits..].chars().next().ok_or_else(wrong)?;
        let (_, each) = units.find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        seconds = count.checked_mul(*each).and_then(|more| seconds.checked_add(more)).ok_or_else(wrong)?;
        rest = &rest[digits + unit.len_utf8()..];
    }
    if text.is_empty() { Err(wrong()) } else { Ok(SignedDuration::from_secs(seconds)) }
}

/// Reads a size in bytes: a whole number with one of the units `B`, `KB`, `MB`, `GB` (thousands) or `KiB`, `MiB`, `GiB`
/// (1024s), or without a unit.
///
/// # Errors
/// [`InvalidSize`] for anything else, and for what is beyond 64 bits.
pub fn parse_size(text: &str) -> Result<u64, InvalidSize> {
    let wrong = || InvalidSize(text.to_owned());
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let count: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let each = match text[digits..].trim_start() {
        "" => 1,
        unit => SIZES.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?.1,
    };
    count.checked_mul(each).ok_or_else(wrong)
}

/// For `#[serde(deserialize_with)]` on a length of time.
///
/// # Errors
/// When the value is no text, or no length of time.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignedDuration, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// For `#[serde(default, deserialize_with)]` on a length of time that may be absent.
///
/// # Errors
/// As [`deserialize`].
pub fn deserialize_option<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SignedDuration>, D::Error> {
    deserialize(deserializer).map(Some)
}

/// For `#[serde(default, deserialize_with)]` on a list of lengths of time.
///
/// # Errors
/// As [`deserialize`].
pub fn deserialize_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SignedDuration>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| parse(text)).collect::<Result<_, _>>().map_err(D::Error::custom)
}

/// For `#[serde(deserialize_with)]` on a size: a text with a unit, or a number of bytes.
///
/// # Errors
/// When the value is neither.
pub fn deserialize_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Size;

    impl Visitor<'_> for Size {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a size such as \"1MiB\", or a number of bytes")
        }

        fn visit_i64<E: Error>(self, bytes: i64) -> Result<u64, E> {
            u64::try_from(bytes).map_err(|_| E::custom(InvalidSize(bytes.to_string())))
        }

        fn visit_u64<E: Error>(self, bytes: u64) -> Result<u64, E> {
            Ok(bytes)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
            parse_size(text).map_err(E::custom)
        }
    }

    deserializer.deserialize_any(Size)
}

/// A length of time as it is written, for the schema of the configuration.
pub struct DurationText;

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time: whole numbers with the units d, h, m and s, larger units first.",
            "type": "string",
            "minLength": 2,
            "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$",
        })
    }
}

/// A size as it is written, for the schema of the configuration.
pub struct SizeText;

impl JsonSchema for SizeText {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let units: Vec<&str> = SIZES.iter().map(|(unit, _)| *unit).collect();
        json_schema!({
            "description": "A size: a whole number with a unit, or a number of bytes.",
            "anyOf": [
                { "type": "string", "pattern": format!("^[0-9]+\\s*({})?$", units.join("|")) },
                { "type": "integer", "minimum": 0 },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::any;
    use proptest::proptest;

    #[test]
    fn lengths_of_time_are_read_as_people_write_them() {
        for (text, seconds) in
            [("90s", 90), ("5m", 300), ("2h", 7_200), ("400d", 34_560_000), ("0s", 0), ("1h30m", 5_400)]
        {
            assert_eq!(parse(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_length_of_time_is_refused() {
        for text in ["", "5", "m", "5 m", "5min", "-5m", "1.5h", "30m1h", "1m1m", "５m", "99999999999999999999s"] {
            assert_eq!(parse(text), Err(InvalidDuration(text.to_owned())), "{text}");
        }
        assert!(parse("9999999999999999d").is_err(), "beyond 64 bits of seconds");
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in
            [("1MiB", 1 << 20), ("512KiB", 512 << 10), ("2MB", 2_000_000), ("4096", 4_096), ("1 GiB", 1 << 30)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "1mib", "1M", "-1MiB", "99999999999999999999GiB", "99999999999GiB"] {
            assert_eq!(parse_size(text), Err(InvalidSize(text.to_owned())), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>()) {
            let _ = (parse(&text), parse_size(&text));
        }

        #[test]
        fn a_length_of_time_is_the_sum_of_its_units(d in 0i64..9_999, h in 0i64..99, m in 0i64..99, s in 0i64..99) {
            let sum = d * 86_400 + h * 3_600 + m * 60 + s;
            assert_eq!(parse(&format!("{d}d{h}h{m}m{s}s")), Ok(SignedDuration::from_secs(sum)));
        }
    }
}
