//! Reads a robot's answer leniently: one `errcode`, however it is dressed, or that none is certain.
//!
//! Strict readers refuse a whole answer for a text in another encoding, a member that stands twice or half an emoji; then a yes
//! would count as no answer, and the message would be sent again. So only what must be there is looked at: the members of the
//! outermost object. Where two readings are possible, there is none.

use std::borrow::Cow;

use crate::channel::charset::{decoded, is_blank};

/// What an answer's body comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerReading {
    Code {
        errcode: i64,
        errmsg: String,
    },
    /// It speaks of an `errcode`, and which one is not certain.
    Doubtful,
    /// An object without an `errcode`, or other JSON.
    Json,
    /// The beginning of JSON.
    Cut,
    Nothing,
    /// Bytes that are no text.
    Binary,
    /// Any other text: HTML of a proxy or a gateway.
    Page,
}

const CODE: &str = "errcode";

/// Reads a body. Its text is given back beside the reading.
pub fn read(body: &[u8], truncated: bool) -> (AnswerReading, Cow<'_, str>) {
    let text = decoded(body);
    let trimmed = text.trim_matches(is_blank);
    let reading = match members(trimmed) {
        Ok(members) => of_members(&members),
        Err(Broken::Cut) => AnswerReading::Cut,
        Err(Broken::Malformed) if trimmed.to_ascii_lowercase().contains(CODE) => AnswerReading::Doubtful,
        Err(Broken::Malformed) => other(trimmed, &text, truncated),
    };
    (reading, text)
}

fn of_members(members: &[(String, &str)]) -> AnswerReading {
    let named = |name: &'static str| {
        let is_it = move |(key, _): &&(String, &str)| key.trim_matches(is_blank) == name;
        members.iter().filter(is_it).map(|(_, value)| *value)
    };
    let codes: Vec<Option<i64>> = named(CODE).map(whole_number).collect();
    let errmsg = || named("errmsg").filter_map(text_of).collect::<Vec<_>>().join(" ");
    match codes.as_slice() {
        [] => AnswerReading::Json,
        [Some(first), others @ ..] if others.iter().all(|other| *other == Some(*first)) => {
            AnswerReading::Code { errcode: *first, errmsg: errmsg() }
        }
        _ => AnswerReading::Doubtful,
    }
}

/// What stands in a body that speaks of no code; `trimmed` is its text without what says nothing at its rim.
fn other(trimmed: &str, text: &str, truncated: bool) -> AnswerReading {
    let is_json = || !truncated && serde_json::from_str::<serde::de::IgnoredAny>(trimmed).is_ok();
    let is_odd = |character: char| character == '\u{fffd}' || character.is_control() && !character.is_whitespace();
    match trimmed.chars().next() {
        None => AnswerReading::Nothing,
        Some('<') => AnswerReading::Page,
        _ if is_json() => AnswerReading::Json,
        Some('{' | '[') => AnswerReading::Cut,
        _ if text.contains(is_odd) => AnswerReading::Binary,
        _ => AnswerReading::Page,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// It ends within the object.
    Cut,
    Malformed,
}

/// The members of the object that is the whole text, each name without its escapes and each value as it is written. What is
/// within a value may be anything as long as its end can be found.
fn members(text: &str) -> Result<Vec<(String, &str)>, Broken> {
    let mut rest = text.strip_prefix('{').ok_or(Broken::Malformed)?;
    let mut members = Vec::new();
    loop {
        rest = rest.trim_start_matches(is_blank);
        if let Some(after) = rest.strip_prefix('}') {
            return if after.is_empty() { Ok(members) } else { Err(Broken::Malformed) };
        }
        let (name, after) = value(rest)?;
        let name = text_of(name).ok_or(Broken::Malformed)?;
        rest = after.trim_start_matches(is_blank);
        let after = rest.strip_prefix(':').ok_or(if rest.is_empty() { Broken::Cut } else { Broken::Malformed })?;
        let (written, after) = value(after.trim_start_matches(is_blank))?;
        members.push((name, written));
        rest = after.trim_start_matches(is_blank);
        match rest.chars().next() {
            Some(',') => rest = &rest[1..],
            Some('}') => {}
            Some(_) => return Err(Broken::Malformed),
            None => return Err(Broken::Cut),
        }
    }
}

/// The value at the beginning of a text, and what is behind it.
fn value(text: &str) -> Result<(&str, &str), Broken> {
    let mut open: Vec<u8> = Vec::new();
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if std::mem::take(&mut is_escaped) => continue,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            b'{' => open.push(b'}'),
            b'[' => open.push(b']'),
            b'}' | b']' if open.is_empty() => return bare(text, at),
            b'}' | b']' if open.pop() != Some(byte) => return Err(Broken::Malformed),
            b',' | b':' if open.is_empty() => return bare(text, at),
            _ => continue,
        }
        let is_over = !is_quoted && open.is_empty() && matches!(byte, b'"' | b'}' | b']');
        if is_over {
            return Ok(text.split_at(at + 1));
        }
    }
    Err(Broken::Cut)
}

/// A value that is neither a text nor in brackets: a number, or a word.
fn bare(text: &str, end: usize) -> Result<(&str, &str), Broken> {
    let (value, rest) = text.split_at(end);
    let value = value.trim_end_matches(is_blank);
    if value.is_empty() { Err(Broken::Malformed) } else { Ok((value, rest)) }
}

/// A whole number in any spelling, also as a text.
fn whole_number(written: &str) -> Option<i64> {
    match text_of(written) {
        Some(text) => integral(text.trim_matches(is_blank)),
        None => integral(written),
    }
}

/// The integer that a decimal number is, exactly: `0.0` and `3.6e1` are integers, `1e-400` is none.
fn integral(number: &str) -> Option<i64> {
    /// More digits than any code has, and enough zeros for all that fit.
    const DIGITS: usize = 64;
    let (sign, number) = number.strip_prefix('-').map_or((1, number), |rest| (-1, rest));
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |text: &str| text.len() <= DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || mantissa.ends_with('.') || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let exponent: i64 = exponent.parse().ok()?;
    let digits = format!("{whole}{fraction}");
    let kept = digits.trim_end_matches('0');
    let significant = kept.trim_start_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let zeros = exponent.checked_add(i64::try_from(whole.len()).ok()? - i64::try_from(kept.len()).ok()?)?;
    let zeros = usize::try_from(zeros).ok().filter(|zeros| significant.len() + zeros <= 19)?;
    let value: i128 = format!("{significant}{}", "0".repeat(zeros)).parse().ok()?;
    i64::try_from(sign * value).ok()
}

/// A text without its quotes and escapes; what cannot be read in it is U+FFFD. `None` where the value is no text.
fn text_of(written: &str) -> Option<String> {
    let mut rest = written.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::with_capacity(rest.len());
    // A character may be escaped as two units of UTF-16.
    let mut units: Vec<u16> = Vec::new();
    while let Some((before, escape)) = rest.split_once('\\') {
        let sort = escape.chars().next()?;
        rest = &escape[sort.len_utf8()..];
        if !before.is_empty() {
            text.push_str(&taken(&mut units));
            text.push_str(before);
        }
        if sort == 'u' {
            let unit = rest.get(..4).and_then(|digits| u16::from_str_radix(digits, 16).ok());
            rest = if unit.is_some() { &rest[4..] } else { rest };
            units.push(unit.unwrap_or(0xfffd));
            continue;
        }
        text.push_str(&taken(&mut units));
        text.push(if matches!(sort, 'n' | 'r' | 't' | 'b' | 'f') { ' ' } else { sort });
    }
    text.push_str(&taken(&mut units));
    text.push_str(rest);
    Some(text)
}

fn taken(units: &mut Vec<u16>) -> String {
    String::from_utf16_lossy(&std::mem::take(units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_integer_that_it_is_exactly_or_none() {
        let table = [
            ("0", Some(0)),
            ("-0.0", Some(0)),
            ("0e9", Some(0)),
            ("310000.000", Some(310_000)),
            ("3.1e5", Some(310_000)),
            ("3100000e-1", Some(310_000)),
            ("-1.0", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("0.4", None),
            ("1e-400", None),
            ("1e400", None),
            ("1e99999999999999999999", None),
            ("", None),
            (".0", None),
            ("0.", None),
            ("0x0", None),
            ("0 1", None),
            ("NaN", None),
            ("０", None),
        ];
        for (written, value) in table {
            assert_eq!(integral(written), value, "{written}");
        }
    }

    #[test]
    fn a_text_is_read_whatever_is_escaped_in_it() {
        let table = [
            (r#""a\"b\\c\/d""#, "a\"b\\c/d"),
            (r#""\ud83c\udf4b""#, "\u{1f34b}"),
            (r#""\ud83c""#, "\u{fffd}"),
            (r#""\ud83cx\udf4b""#, "\u{fffd}x\u{fffd}"),
            (r#""\u00e9\u4e2d""#, "é中"),
            (r#""\uZZ""#, "\u{fffd}ZZ"),
            (r#""\中""#, "中"),
            (r#""""#, ""),
        ];
        for (written, text) in table {
            assert_eq!(text_of(written).as_deref(), Some(text), "{written}");
        }
        assert_eq!((text_of("0"), text_of("\"")), (None, None));
    }

    #[test]
    fn no_answer_is_read_in_two_ways() {
        let reading = |body: &str| read(body.as_bytes(), false).0;
        let accepted = AnswerReading::Code { errcode: 0, errmsg: String::new() };
        for body in [r#"{"errcode":0}"#, r#"{"a":{"errcode":1},"errcode":"0",}"#, r#"{"errcode":0,"b":"}{"}"#] {
            assert_eq!(reading(body), accepted, "{body}");
        }
        for body in [
            r#"{"errcode":0,"errcode":1}"#,
            r#"{"errcode":0}}"#,
            r#"{"errcode":0]"#,
            r#"{"errcode":0} x"#,
            r#"{"errcode":}"#,
            r#"{errcode:0}"#,
            r#"{'errcode':0}"#,
            r#"{"errcode":[0]}"#,
            r#"errcode=0"#,
        ] {
            assert_eq!(reading(body), AnswerReading::Doubtful, "{body}");
        }
        for body in [r#"{"errcode":0"#, r#"{"errcode":"0"#, r#"{"errcode":0,"errmsg":"ok"#, r#"{"errcode"#, "{"] {
            assert_eq!(reading(body), AnswerReading::Cut, "{body}");
        }
        let deep = format!("{{\"errcode\":0,\"deep\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
        assert_eq!(reading(&deep), accepted);
        assert_eq!((reading(" \u{feff}\0"), reading("ok")), (AnswerReading::Nothing, AnswerReading::Page));
    }
}
