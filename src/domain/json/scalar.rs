//! What single values say: strings with their escapes decoded, numbers by their text. No digit passes through a float.

use std::borrow::Cow;

/// Of the digits that are left without the zeros at their ends, 64 bits hold no more.
const MAX_DIGITS: usize = 20;
/// So many digits are within 64 bits, whichever they are.
const SHORT_DIGITS: usize = 18;

/// The text of a string with its quotes, and whether something in it could not be decoded: a surrogate without its other half
/// is U+FFFD, an escape that there is not is the character behind its backslash.
pub fn decoded(raw: &str) -> (Cow<'_, str>, bool) {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return (Cow::Borrowed(inner), false);
    }
    let mut text = String::with_capacity(inner.len());
    let mut damaged = false;
    let mut rest = inner;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let mut letters = after.chars();
        let letter = letters.next();
        rest = letters.as_str();
        match letter {
            Some(letter @ ('"' | '\\' | '/')) => text.push(letter),
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('u') => match character(rest) {
                Some((character, length)) => {
                    text.push(character);
                    rest = &rest[length..];
                }
                None => {
                    text.push(char::REPLACEMENT_CHARACTER);
                    damaged = true;
                    rest = unit(rest).map_or(rest, |_| &rest[4..]);
                }
            },
            Some(letter) => {
                text.push(letter);
                damaged = true;
            }
            None => damaged = true,
        }
    }
    text.push_str(rest);
    (Cow::Owned(text), damaged)
}

/// The character of the four digits behind `\u`, or of two such escapes, and how many bytes they take.
fn character(rest: &str) -> Option<(char, usize)> {
    let first = unit(rest)?;
    if let Some(character) = char::from_u32(u32::from(first)) {
        return Some((character, 4));
    }
    let second = rest[4..].strip_prefix("\\u").and_then(unit)?;
    let character = char::decode_utf16([first, second]).next()?.ok()?;
    Some((character, 10))
}

fn unit(rest: &str) -> Option<u16> {
    let digits = rest.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

/// Whether a text is a number by JSON's grammar.
pub fn is_number(text: &str) -> bool {
    if has_digits_alone(text) {
        return text == "0" || !text.starts_with('0');
    }
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, power) = match text.split_once(['e', 'E']) {
        Some((mantissa, power)) => (mantissa, Some(power.strip_prefix(['+', '-']).unwrap_or(power))),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    has_digits_alone(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(has_digits_alone)
        && power.is_none_or(has_digits_alone)
}

fn has_digits_alone(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The value of a number that is whole and within 64 bits, with or without sign. `text` is a number by JSON's grammar.
pub fn whole(text: &str) -> Option<i128> {
    // Most are short and have digits alone.
    if text.len() <= SHORT_DIGITS && has_digits_alone(text) {
        return text.parse::<i64>().ok().map(i128::from);
    }
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    // A power beyond 64 bits shifts further than any text is long.
    let power: i64 = power.parse().ok()?;
    let shift = power.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let shift = shift.checked_add(i64::try_from(digits.len() - significant.len()).ok()?)?;
    let shift = usize::try_from(shift).ok()?;
    if significant.len().checked_add(shift)? > MAX_DIGITS {
        return None;
    }
    let number = significant.parse::<i128>().ok()?.checked_mul(10_i128.checked_pow(shift as u32)?)?;
    let number = if negative { -number } else { number };
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_value_is_found_in_every_spelling_and_exactly() {
        for (text, expected) in [
            ("2", Some(2)),
            ("2.0", Some(2)),
            ("3.6e3", Some(3600)),
            ("3600E-2", Some(36)),
            ("0.000", Some(0)),
            ("-0.0", Some(0)),
            ("0e999999999999999999999", Some(0)),
            ("-7.5e1", Some(-75)),
            ("7.64765525957454E14", Some(764_765_525_957_454)),
            ("1.234567890123456789E18", Some(1_234_567_890_123_456_789)),
            ("18446744073709551615", Some(18_446_744_073_709_551_615)),
            ("18446744073709551616", None),
            ("-9223372036854775808", Some(-9_223_372_036_854_775_808)),
            ("-9223372036854775809", None),
            ("1e20", None),
            ("1e99999999999999999999", None),
            ("2.5", None),
            ("1e-1", None),
        ] {
            assert!(is_number(text), "{text}");
            assert_eq!(whole(text), expected, "{text}");
        }
        let padded = format!("1{}e-{}", "0".repeat(5000), 5000);
        assert_eq!(whole(&padded), Some(1));
    }

    #[test]
    fn what_only_looks_like_a_number_is_none() {
        for text in ["", "-", "01", "+1", "1.", ".5", "1e", "1e+", "0x1F", "NaN", "1_000", "1.2.3", "1e5e5", "--1"] {
            assert!(!is_number(text), "{text}");
        }
    }
}
