//! Untrusted text made fit to be shown: one clean line without tricks, and the escaping that keeps a value from being markup.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;

use crate::domain::bidi;

/// Ends a text that was cut.
pub const ELLIPSIS: char = '…';

/// Longer graphemes are stacks of combining marks, made to smear over their neighbours or to be uncuttable; the longest
/// emoji in use has 41 bytes.
const GRAPHEME_BYTES: usize = 64;

/// How Keeta marks encrypted personal data.
const CIPHERTEXT: &str = "ENC_";

/// Makes untrusted text one clean line of at most `max_graphemes` graphemes, the last of which is `…` when it was cut.
///
/// Line breaks and tabs become one blank; control characters, bidi controls and zero-width characters are dropped, so
/// that a text reads as it is; ciphertext of the platform is removed, so a text that is nothing else becomes empty.
pub fn clean_line(text: &str, max_graphemes: usize) -> String {
    cap(&one_line(text), max_graphemes).into_owned()
}

/// As [`clean_line`], without a limit on the length.
pub fn one_line(text: &str) -> String {
    if is_plain_line(text) {
        return text.to_owned();
    }
    line_of(text.chars().filter_map(visible).collect())
}

/// As [`one_line`], for a text in which isolates keep values in their order: those stay that have both ends, and are inert.
pub fn composed_line(text: &str) -> String {
    let shown = |character| if bidi::is_isolate(character) { Some(character) } else { visible(character) };
    bidi::paired(&line_of(text.chars().filter_map(shown).collect())).into_owned()
}

/// Whether a text is a clean line of ASCII already, as most are. An underscore may belong to a ciphertext.
fn is_plain_line(text: &str) -> bool {
    let mut before = b' ';
    let is_plain = text.bytes().all(|byte| {
        let after_blank = std::mem::replace(&mut before, byte) == b' ';
        matches!(byte, b'!'..=b'~' if byte != b'_') || (byte == b' ' && !after_blank)
    });
    is_plain && before != b' '
}

fn line_of(visible: String) -> String {
    let plain = drop_ciphertext(&visible);
    let readable = drop_loose_joiners(&plain);
    let mut line = String::with_capacity(readable.len());
    for word in readable.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        if word.len() <= GRAPHEME_BYTES {
            line.push_str(word);
            continue;
        }
        for grapheme in word.graphemes(true) {
            line.push_str(&grapheme[..grapheme.floor_char_boundary(GRAPHEME_BYTES)]);
        }
    }
    line
}

/// At most `max_graphemes` graphemes of a text, the last of which is `…` when it was cut.
pub fn cap(text: &str, max_graphemes: usize) -> Cow<'_, str> {
    // Most texts are shorter in bytes already.
    if text.len() <= max_graphemes {
        return Cow::Borrowed(text);
    }
    let Some(kept) = max_graphemes.checked_sub(1) else { return Cow::Borrowed("") };
    let mut starts = text.grapheme_indices(true).map(|(at, _)| at).skip(kept);
    match (starts.next(), starts.next()) {
        (Some(at), Some(_)) => Cow::Owned(cut(text, at)),
        _ => Cow::Borrowed(text),
    }
}

/// At most `max_bytes` bytes of a text, cut between graphemes and ended by `…` when it was cut.
pub fn cap_bytes(text: &str, max_bytes: usize) -> Cow<'_, str> {
    if text.len() <= max_bytes {
        return Cow::Borrowed(text);
    }
    let Some(room) = max_bytes.checked_sub(ELLIPSIS.len_utf8()) else { return Cow::Borrowed("") };
    let ends = text.grapheme_indices(true).map(|(at, _)| at).take_while(|at| *at <= room);
    Cow::Owned(cut(text, ends.last().unwrap_or(0)))
}

fn cut(text: &str, at: usize) -> String {
    format!("{}{ELLIPSIS}", bidi::paired(text[..at].trim_end()))
}

/// A value as it enters Markdown: one line, in which nothing is markup, a link or a mention.
///
/// Addresses lose their colon (`https：//`), because clients make links of bare ones by themselves.
pub fn escape_value(text: &str) -> String {
    if is_inert(text) { text.to_owned() } else { escaped(text) }
}

/// Whether a text is a clean line of ASCII in which nothing is markup, as most numbers, times and names are.
fn is_inert(text: &str) -> bool {
    let mut before = b' ';
    let mut is_plain = |byte: u8| {
        let before = std::mem::replace(&mut before, byte);
        match byte {
            b'/' => before != b':' && before != b' ',
            b' ' | b',' | b'.' | b':' | b'-' | b'+' | b'(' | b')' => before != b' ',
            _ => byte.is_ascii_alphanumeric(),
        }
    };
    text.bytes().all(&mut is_plain) && before != b' ' && list_marker(text).is_none()
}

fn escaped(text: &str) -> String {
    let line = composed_line(text).replace("://", "：//");
    let mut escaped = String::with_capacity(line.len() + 8);
    let (marker, closing) = (list_marker(&line), closing_marks(&line));
    for (at, character) in line.char_indices() {
        let at_the_start = at == 0 && matches!(character, '#' | '+' | '-' | '=' | '.' | ')' | ':' | '|');
        let anywhere = matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '~');
        if anywhere || at_the_start || marker == Some(at) || closing == Some(at) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Where the `.` or `)` stands that would make a line the start of a numbered list.
pub fn list_marker(line: &str) -> Option<usize> {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0 && matches!(line.as_bytes().get(digits), Some(b'.' | b')'))).then_some(digits)
}

/// Where the `#`s begin that would vanish from the end of a heading.
pub fn closing_marks(line: &str) -> Option<usize> {
    let kept = line.trim_end_matches('#').len();
    (kept < line.len()).then_some(kept)
}

/// An exclamation mark directly before a link would make a picture of it, so it becomes its full-width look-alike.
pub fn calm(before_a_link: &mut String) {
    if before_a_link.ends_with('!') {
        before_a_link.pop();
        before_a_link.push('！');
    }
}

/// The character as it may be shown: blanks of every sort as a blank, what cannot be seen not at all.
fn visible(character: char) -> Option<char> {
    match character {
        _ if character.is_whitespace() => Some(' '),
        _ if character.is_control() => None,
        // Bidi controls make a text read as another one.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{061c}' => None,
        '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{180e}' | '\u{00ad}' => None,
        _ => Some(character),
    }
}

fn drop_ciphertext(text: &str) -> Cow<'_, str> {
    let is_cipher = |character: char| character.is_ascii_alphanumeric() || "+/=_-".contains(character);
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(CIPHERTEXT) {
        let after = &rest[at + CIPHERTEXT.len()..];
        let end = after.find(|character| !is_cipher(character)).unwrap_or(after.len());
        let through = if end == 0 { at + CIPHERTEXT.len() } else { at };
        kept.push_str(&rest[..through]);
        rest = &after[end..];
    }
    if kept.is_empty() && rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

/// Joiners hold emoji and Indic syllables together; next to ASCII, or in a row, they only hide in a text.
fn drop_loose_joiners(text: &str) -> Cow<'_, str> {
    let is_joiner = |character: char| matches!(character, '\u{200c}' | '\u{200d}');
    if !text.contains(is_joiner) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if !is_joiner(character) {
            kept.push(character);
            continue;
        }
        while characters.next_if(|next| is_joiner(*next)).is_some() {}
        let before = kept.chars().next_back();
        let after = characters.peek().copied();
        if let (Some(before), Some(after)) = (before, after)
            && !before.is_ascii()
            && !after.is_ascii()
        {
            kept.push(character);
        }
    }
    Cow::Owned(kept)
}

/// Full-width digits, signs and letters, as input methods write them, as those of ASCII.
pub fn narrow(text: &str) -> String {
    let narrow = |letter: char| match letter {
        '！'..='～' => u32::from(letter).checked_sub(0xFEE0).and_then(char::from_u32).unwrap_or(letter),
        letter => letter,
    };
    text.chars().map(narrow).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn line_breaks_and_tabs_become_one_blank() {
        assert_eq!(clean_line("  two\r\n\r\nlines\tand\u{2028}more\u{85} ", 99), "two lines and more");
    }

    #[test]
    fn what_cannot_be_seen_is_dropped() {
        assert_eq!(clean_line("a\u{0}b\u{202e}c\u{200b}d\u{feff}e\u{ad}f\u{1b}[31m", 99), "abcdef[31m");
    }

    #[test]
    fn isolates_stay_in_pairs_where_values_are_composed_and_nowhere_else() {
        assert_eq!(one_line("a \u{2068}b\u{2069}"), "a b");
        assert_eq!(composed_line("a\u{202e} \u{2068}b\u{2069}\u{2067}"), "a \u{2068}b\u{2069}");
        assert_eq!(escape_value("\u{2066}*x*\u{2069}\u{2069}\u{2068}"), "\u{2066}\\*x\\*\u{2069}");
        assert_eq!(cap("a \u{2068}bcd\u{2069}", 5), "a b…");
    }

    #[test]
    fn joiners_stay_where_they_join_something() {
        assert_eq!(clean_line("👨\u{200d}👩\u{200d}👧", 99), "👨\u{200d}👩\u{200d}👧");
        assert_eq!(clean_line("क्\u{200d}ष", 99), "क्\u{200d}ष");
        assert_eq!(clean_line("pa\u{200d}ss\u{200c}word\u{200d}", 99), "password");
    }

    #[test]
    fn ciphertext_is_removed() {
        assert_eq!(clean_line("ENC_bmFtZQ==", 99), "");
        assert_eq!(clean_line("for ENC_bmFtZQ==, floor 2", 99), "for , floor 2");
        assert_eq!(clean_line("ENC_\u{200b}bmFtZQ==", 99), "");
        assert_eq!(clean_line("ENC_ is a prefix", 99), "ENC_ is a prefix");
    }

    #[test]
    fn a_long_text_is_cut_between_graphemes() {
        assert_eq!(clean_line("a👨\u{200d}👩\u{200d}👧bcd", 3), "a👨\u{200d}👩\u{200d}👧…");
        assert_eq!(clean_line("abc", 3), "abc");
        assert_eq!(clean_line("abcd", 1), "…");
        assert_eq!(clean_line("abcd", 0), "");
    }

    #[test]
    fn a_text_is_cut_to_bytes_between_graphemes() {
        assert_eq!(cap_bytes("新订单", 9), "新订单");
        assert_eq!(cap_bytes("新订单", 8), "新…");
        assert_eq!(cap_bytes("a👨\u{200d}👩\u{200d}👧b", 19), "a…");
        assert_eq!(cap_bytes("新订单", 2), "");
    }

    #[test]
    fn a_stack_of_marks_is_cut_down() {
        let smear = format!("a{}", "\u{301}".repeat(500));
        assert!(clean_line(&smear, 9).len() <= GRAPHEME_BYTES);
    }

    #[test]
    fn a_value_is_no_markup() {
        assert_eq!(escape_value("# *x* [a](http://b)"), r"\# \*x\* \[a\](http：//b)");
        assert_eq!(escape_value("12. <@all> & `x`"), r"12\. \<@all\> \& \`x\`");
        assert_eq!(escape_value("SAR 1,234.00"), "SAR 1,234.00");
        assert_eq!(escape_value("1. no list, http://no.link #"), r"1\. no list, http：//no.link \#");
    }

    proptest! {
        #[test]
        fn a_text_that_needs_no_escaping_is_what_escaping_makes_of_it(text in "[-a1 :/.,()+#]{0,12}|[ -~]{0,12}") {
            prop_assert_eq!(escape_value(&text), escaped(&text));
        }

        #[test]
        fn a_clean_line_stays_as_it_is(text in any::<String>(), graphemes in 1usize..40) {
            let clean = clean_line(&text, graphemes);
            prop_assert_eq!(&clean_line(&clean, graphemes), &clean);
        }

        #[test]
        fn a_plain_line_is_what_it_is_made_of_at_length(text in "[ -~]{0,60}") {
            prop_assert_eq!(one_line(&text), line_of(text.chars().filter_map(visible).collect()));
        }

        #[test]
        fn a_clean_line_is_one_line_within_its_limit(
            text in "[a-z\\n\\r\\t\u{200d}\u{202e}\u{0}😀é中ENC_=]{0,60}",
            graphemes in 0usize..40,
        ) {
            let clean = clean_line(&text, graphemes);
            prop_assert!(clean.graphemes(true).count() <= graphemes);
            let hidden = clean.chars().any(|character| character.is_control() || character == '\u{202e}');
            prop_assert!(!hidden);
            prop_assert!(!clean.contains("  ") && clean.trim() == clean);
        }
    }
}
