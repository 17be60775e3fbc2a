//! Reads one JSON field at a time, tolerant of other types than the documented one: an odd field is absent, never a fault
//! of the whole webhook.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::text::clean_line;

/// A field as it came; `None` when absent or null. It keeps every digit, because numbers are read from their text.
pub type Field<'a> = Option<&'a RawValue>;

/// Longest free text that is kept of one field, in graphemes.
const MAX_TEXT: usize = 1000;
/// Longest id or number that is kept.
const MAX_ID: usize = 64;

/// The decoded text of a string, or the digits of a number; not cleaned.
pub fn raw_text(field: Field<'_>) -> Option<String> {
    let text = field?.get();
    match text.as_bytes().first()? {
        b'"' => serde_json::from_str(text).ok(),
        b'-' | b'0'..=b'9' => Some(text.to_owned()),
        _ => None,
    }
}

/// One line of free text, cleaned; `None` when nothing readable is left.
pub fn text(field: Field<'_>) -> Option<String> {
    let cleaned = clean_line(&raw_text(field)?, MAX_TEXT);
    (!cleaned.is_empty()).then_some(cleaned)
}

/// An id, as text: letters, digits, `_`, `-`, `.`, at most 64 of them.
pub fn id(field: Field<'_>) -> Option<String> {
    let text = raw_text(field)?;
    let fits = !text.is_empty() && text.len() <= MAX_ID;
    (fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')))
        .then_some(text)
}

/// A whole number, from a number or a string of digits.
pub fn integer(field: Field<'_>) -> Option<i64> {
    raw_text(field)?.trim().parse().ok()
}

/// A count; negative ones are absent.
pub fn count(field: Field<'_>) -> Option<u64> {
    integer(field)?.try_into().ok()
}

/// A moment in milliseconds, or in seconds when the number is too small for that. Zero is absent.
pub fn instant(field: Field<'_>) -> Option<Timestamp> {
    const SMALLEST_MILLISECONDS: i64 = 100_000_000_000;
    match integer(field)? {
        ..=0 => None,
        seconds @ 1..SMALLEST_MILLISECONDS => Timestamp::from_second(seconds).ok(),
        milliseconds => Timestamp::from_millisecond(milliseconds).ok(),
    }
}

/// An object of a known shape; `None` when it is of another.
pub fn object<'a, T: Deserialize<'a>>(field: Field<'a>) -> Option<T> {
    serde_json::from_str(field?.get()).ok()
}

/// The items of a list; empty when it is none.
pub fn list<'a>(field: Field<'a>) -> Vec<&'a RawValue> {
    object(field).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).expect("valid JSON")
    }

    #[test]
    fn digits_are_kept_whatever_their_number() {
        let long = "1234567890123456789012345";
        assert_eq!(id(Some(&field(long))).as_deref(), Some(long));
        assert_eq!(integer(Some(&field(&"9".repeat(400)))), None);
        assert_eq!(integer(Some(&field("\"4600\""))), Some(4600));
        assert_eq!(integer(Some(&field("46.5"))), None);
    }

    #[test]
    fn an_odd_type_is_absent() {
        assert_eq!(text(Some(&field("{\"a\":1}"))), None);
        assert_eq!(id(Some(&field("\"a b\""))), None);
        assert_eq!(instant(Some(&field("0"))), None);
        assert!(list(Some(&field("\"no list\""))).is_empty());
    }
}
