//! A text as its readers could take it: with its escapes resolved, once and again, or without its line breaks; each byte with
//! the place that it comes from.

use std::borrow::Cow;
use std::ops::Range;

/// How often escapes are resolved: JSON within JSON within a query is as deep as programs go.
const DEPTH: usize = 3;

/// One reading of a text.
pub struct TextReading<'t> {
    pub bytes: Cow<'t, [u8]>,
    /// Where each byte begins and ends in the text; the same places where absent.
    places: Option<Vec<(u32, u32)>>,
    /// Its line breaks and blanks are left out.
    pub is_folded: bool,
}

/// What `+` stands for: itself, or a blank in forms.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plus {
    Itself,
    Blank,
}

impl<'t> TextReading<'t> {
    fn plain(text: &'t [u8]) -> Self {
        Self { bytes: Cow::Borrowed(text), places: None, is_folded: false }
    }

    /// The place in the text of a range of this view.
    pub fn place(&self, range: Range<usize>) -> Range<usize> {
        match &self.places {
            None => range,
            Some(_) if range.is_empty() => 0..0,
            Some(places) => places[range.start].0 as usize..places[range.end - 1].1 as usize,
        }
    }

    /// Without its escapes; `None` where it has none.
    fn resolved(&self, plus: Plus) -> Option<TextReading<'static>> {
        let has_plus = plus == Plus::Blank && self.bytes.contains(&b'+');
        if !has_plus && !self.bytes.iter().any(|byte| matches!(byte, b'%' | b'\\' | b'&')) {
            return None;
        }
        let (mut bytes, mut places) = (Vec::with_capacity(self.bytes.len()), Vec::with_capacity(self.bytes.len()));
        let (mut at, mut changed) = (0, false);
        while at < self.bytes.len() {
            let token = match self.bytes[at] {
                b'+' if plus == Plus::Blank => Token::byte(b' ', 1),
                _ => Token::read(&self.bytes[at..]),
            };
            changed |= token.out() != &self.bytes[at..at + token.length];
            let Range { start, end } = self.place(at..at + token.length);
            bytes.extend_from_slice(token.out());
            places.resize(bytes.len(), (narrow(start), narrow(end)));
            at += token.length;
        }
        changed.then_some(TextReading { bytes: Cow::Owned(bytes), places: Some(places), is_folded: false })
    }

    /// Without line breaks and blanks; `None` where it has none.
    fn folded(&self) -> Option<TextReading<'static>> {
        if !self.bytes.iter().any(u8::is_ascii_whitespace) {
            return None;
        }
        let kept = || self.bytes.iter().enumerate().filter(|(_, byte)| !byte.is_ascii_whitespace());
        let places = kept().map(|(at, _)| self.place(at..at + 1)).map(|place| (narrow(place.start), narrow(place.end)));
        let bytes = kept().map(|(_, byte)| *byte).collect();
        Some(TextReading { bytes: Cow::Owned(bytes), places: Some(places.collect()), is_folded: true })
    }
}

/// Texts are far shorter than this.
fn narrow(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// All readings of a text.
pub fn views(text: &str) -> Vec<TextReading<'_>> {
    let mut views = vec![TextReading::plain(text.as_bytes())];
    for depth in 0..DEPTH {
        let last = &views[depth];
        let Some(next) = last.resolved(Plus::Itself) else { break };
        views.push(next);
    }
    let more: Vec<TextReading<'_>> =
        views.iter().flat_map(|view| [view.resolved(Plus::Blank), view.folded()]).flatten().collect();
    views.extend(more);
    views
}

/// A text without its escapes.
pub fn resolved(text: &[u8]) -> Vec<u8> {
    TextReading::plain(text).resolved(Plus::Itself).map_or_else(|| text.to_vec(), |view| view.bytes.into_owned())
}

/// A text that breaks off, without the escape that was begun at its end.
pub fn without_begun_escape(text: &[u8]) -> &[u8] {
    const LONGEST: usize = 12;
    let from = text.len().saturating_sub(LONGEST);
    let is_begun = |at: &usize| matches!(text[*at], b'%' | b'\\' | b'&') && Token::read(&text[*at..]).length == 1;
    (from..text.len()).find(is_begun).map_or(text, |at| &text[..at])
}

/// What stands at one place: one byte, or an escape and what it stands for.
struct Token {
    length: usize,
    out: [u8; 4],
    out_length: usize,
}

impl Token {
    fn out(&self) -> &[u8] {
        &self.out[..self.out_length]
    }

    fn byte(byte: u8, length: usize) -> Self {
        Self { length, out: [byte, 0, 0, 0], out_length: 1 }
    }

    fn character(character: char, length: usize) -> Self {
        let mut out = [0; 4];
        let out_length = character.encode_utf8(&mut out).len();
        Self { length, out, out_length }
    }

    fn read(bytes: &[u8]) -> Self {
        let escape = match bytes[0] {
            b'%' => hex(bytes.get(1..3)).and_then(|code| u8::try_from(code).ok()).map(|byte| Self::byte(byte, 3)),
            b'\\' => backslash(bytes),
            b'&' => entity(bytes),
            _ => None,
        };
        escape.unwrap_or_else(|| Self::byte(bytes[0], 1))
    }
}

fn hex(digits: Option<&[u8]>) -> Option<u32> {
    let digits = digits.filter(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit))?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// The escapes of JSON and of programming languages.
fn backslash(bytes: &[u8]) -> Option<Token> {
    let simple = |byte| Some(Token::byte(byte, 2));
    match bytes.get(1)? {
        b'u' | b'U' if bytes.get(2) == Some(&b'{') => {
            let end = bytes.iter().take(12).position(|byte| *byte == b'}')?;
            Some(Token::character(char::from_u32(hex(bytes.get(3..end))?)?, end + 1))
        }
        b'u' | b'U' => {
            let first = hex(bytes.get(2..6))?;
            let second = || match bytes.get(6..8)? {
                br"\u" | br"\U" => hex(bytes.get(8..12)).filter(|unit| (0xdc00..0xe000).contains(unit)),
                _ => None,
            };
            match first {
                0xd800..0xdc00 => {
                    let code = 0x10000 + ((first - 0xd800) << 10) + (second()? - 0xdc00);
                    Some(Token::character(char::from_u32(code)?, 12))
                }
                _ => Some(Token::character(char::from_u32(first)?, 6)),
            }
        }
        b'x' | b'X' => hex(bytes.get(2..4)).and_then(|code| u8::try_from(code).ok()).map(|byte| Token::byte(byte, 4)),
        b'0'..=b'3' if bytes.get(2..4).is_some_and(|rest| rest.iter().all(|digit| (b'0'..b'8').contains(digit))) => {
            Some(Token::byte((bytes[1] - b'0') << 6 | (bytes[2] - b'0') << 3 | (bytes[3] - b'0'), 4))
        }
        b'0' => simple(0),
        b'n' => simple(b'\n'),
        b'r' => simple(b'\r'),
        b't' => simple(b'\t'),
        b'b' => simple(8),
        b'f' => simple(12),
        byte @ (b'"' | b'\'' | b'\\' | b'/') => simple(*byte),
        _ => None,
    }
}

/// The entities of HTML that a program writes.
fn entity(bytes: &[u8]) -> Option<Token> {
    let end = bytes.iter().take(10).position(|byte| *byte == b';')?;
    let name = std::str::from_utf8(&bytes[1..end]).ok()?.to_ascii_lowercase();
    let character = match name.as_str() {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(digits) => hex(Some(digits.as_bytes()))?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some(Token::character(character, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved_and_what_is_none_stays() {
        let resolved = |text: &str| String::from_utf8_lossy(&resolved(text.as_bytes())).into_owned();
        for (text, plain) in [
            ("%41%2b%2F%", "A+/%"),
            (r#"\"\\\/\u00e9\uD83D\uDE00\x41\n"#, "\"\\/é😀A\n"),
            (r"\u{1f600}\ud800 \q \u12", "😀\\ud800 \\q \\u12"),
            ("&amp;lt;&#39;&#x3C;&nothing;&", "&lt;'<&nothing;&"),
            (r"\000a\0b", "\0a\0b"),
            ("100 % & more \\", "100 % & more \\"),
        ] {
            assert_eq!(resolved(text), plain, "{text}");
        }
    }

    #[test]
    fn each_byte_of_a_view_knows_its_place() {
        let text = "a%2541\r\n b";
        let views = views(text);
        let found = views.iter().find_map(|view| {
            let at = view.bytes.windows(3).position(|bytes| bytes == b"aAb")?;
            Some(&text[view.place(at..at + 3)])
        });
        assert_eq!(found, Some(text));
    }
}
