//! Strings: their escapes decoded, whatever they hold.

use std::borrow::Cow;

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
