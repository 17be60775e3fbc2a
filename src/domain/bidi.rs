//! Directions of writing: what stands between isolates keeps its own order beside words of the other direction
//! (Unicode UAX #9).

use std::borrow::Cow;

/// In which direction a language or a text is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    #[default]
    LeftToRight,
    RightToLeft,
}

/// Begins a piece whose direction is that of its first letter.
const FIRST_STRONG: char = '\u{2068}';
/// Begins a piece that is written from right to left.
const RIGHT_TO_LEFT: char = '\u{2067}';
/// Ends a piece.
const END: char = '\u{2069}';

/// Whether a character begins or ends an isolate.
pub fn is_isolate(character: char) -> bool {
    matches!(character, '\u{2066}'..=END)
}

/// A value as it stands in words of this direction: between isolates where it has letters of the other one, and in words from
/// right to left also where it has digits, whose signs and separators would change places.
pub fn isolated(value: &str, direction: Direction) -> Cow<'_, str> {
    let jumps = |character: char| match strong(character) {
        Some(own) => own != direction,
        None => direction == Direction::RightToLeft && character.is_numeric(),
    };
    match value.chars().any(jumps) {
        true => Cow::Owned(format!("{FIRST_STRONG}{value}{END}")),
        false => Cow::Borrowed(value),
    }
}

/// An answer that begins with a code and goes on between isolates in words from right to left, as a whole from right to left:
/// `errcode 7 (…)` begins where those who read it begin.
pub fn led_by_code(answer: &str) -> Cow<'_, str> {
    let Some((before, words)) = answer.split_once(RIGHT_TO_LEFT) else { return Cow::Borrowed(answer) };
    let code = before.trim_end_matches([' ', '(']);
    match code.is_empty() {
        true => Cow::Borrowed(answer),
        false => {
            let mark = &before[code.len()..];
            Cow::Owned(format!("{RIGHT_TO_LEFT}{FIRST_STRONG}{code}{END}{mark}{RIGHT_TO_LEFT}{words}{END}"))
        }
    }
}

/// The direction of the first letter that stands in no isolate; `None` where there is none.
pub fn base(text: &str) -> Option<Direction> {
    let mut depth = 0_usize;
    text.chars().find_map(|character| match character {
        END => {
            depth = depth.saturating_sub(1);
            None
        }
        _ if is_isolate(character) => {
            depth += 1;
            None
        }
        _ if depth == 0 => strong(character),
        _ => None,
    })
}

/// A text without the isolates that have no other end, as a cut leaves them or somebody wrote them: what remains is inert.
pub fn paired(text: &str) -> Cow<'_, str> {
    if !text.contains(is_isolate) {
        return Cow::Borrowed(text);
    }
    let (mut open, mut loose) = (Vec::new(), Vec::new());
    for (at, character) in text.char_indices().filter(|(_, character)| is_isolate(*character)) {
        match character {
            END if open.pop().is_none() => loose.push(at),
            END => {}
            _ => open.push(at),
        }
    }
    loose.extend(open);
    Cow::Owned(text.char_indices().filter(|(at, _)| !loose.contains(at)).map(|(_, character)| character).collect())
}

/// The lines of a text in Markdown, each of which keeps its order also where a client takes all lines for left to right.
pub fn directed(markdown: String, direction: Direction) -> String {
    match direction {
        Direction::LeftToRight => markdown,
        Direction::RightToLeft => markdown.split('\n').map(directed_line).collect::<Vec<_>>().join("\n"),
    }
}

/// The isolates stand within the marks of the line: before a mark of a list it would be none, nor one of emphasis beside them.
fn directed_line(line: &str) -> String {
    let words = without_number(line.trim_start_matches([' ', '#', '>', '-', '•'])).trim_start_matches('*');
    let before = &line[..line.len() - words.len()];
    let whole = words.trim_end();
    let inner = match whole.trim_end_matches('*') {
        cut if cut.ends_with('\\') => whole,
        inner => inner,
    };
    let after = &words[inner.len()..];
    match inner.is_empty() || inner.starts_with("![") {
        true => line.to_owned(),
        false => format!("{before}{RIGHT_TO_LEFT}{inner}{END}{after}"),
    }
}

/// A line without the number that makes it an item.
fn without_number(line: &str) -> &str {
    let rest = line.trim_start_matches(|character: char| character.is_ascii_digit());
    rest.strip_prefix(". ").filter(|_| rest.len() < line.len()).unwrap_or(line)
}

/// The direction that a letter has by itself; digits, marks and signs have none.
fn strong(character: char) -> Option<Direction> {
    let is_right_to_left = matches!(character,
        '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}');
    match character.is_alphabetic() {
        false => None,
        true if is_right_to_left => Some(Direction::RightToLeft),
        true => Some(Direction::LeftToRight),
    }
}

#[cfg(test)]
mod tests {
    use Direction::{LeftToRight, RightToLeft};

    use super::*;

    fn shown(text: &str) -> String {
        text.replace(['\u{2066}', FIRST_STRONG], "[").replace(RIGHT_TO_LEFT, "<").replace(END, "]")
    }

    #[test]
    fn a_value_that_would_jump_is_isolated_and_no_other() {
        for (value, direction, expected) in [
            ("Lemon tea", LeftToRight, "Lemon tea"),
            ("SAR 46.00", LeftToRight, "SAR 46.00"),
            ("糖醋排骨", LeftToRight, "糖醋排骨"),
            ("شاي 2", LeftToRight, "[شاي 2]"),
            ("שלום", LeftToRight, "[שלום]"),
            ("Lemon tea", RightToLeft, "[Lemon tea]"),
            ("-5", RightToLeft, "[-5]"),
            ("糖醋排骨", RightToLeft, "[糖醋排骨]"),
            ("شاي بالنعناع", RightToLeft, "شاي بالنعناع"),
            ("·", RightToLeft, "·"),
        ] {
            assert_eq!(shown(&isolated(value, direction)), expected);
        }
    }

    #[test]
    fn the_first_letter_outside_of_isolates_says_the_direction() {
        assert_eq!(base("# 5 \u{2068}Tea\u{2069}: طلب"), Some(RightToLeft));
        assert_eq!(base("New order \u{2068}شاي\u{2069}"), Some(LeftToRight));
        assert_eq!(base("12 – \u{2068}Tea\u{2069}"), None);
    }

    #[test]
    fn an_answer_of_words_from_right_to_left_is_read_from_the_right_also_where_a_code_leads_it() {
        for (answer, expected) in [
            ("552 5.2.2 (\u{2067}ممتلئ\u{2069})", "<[552 5.2.2] (<ممتلئ])]"),
            ("errcode 7 (something new)", "errcode 7 (something new)"),
            ("\u{2067}ممتلئ\u{2069}", "<ممتلئ]"),
        ] {
            assert_eq!(shown(&led_by_code(answer)), expected);
        }
    }

    #[test]
    fn what_has_no_other_end_is_dropped() {
        for (text, expected) in [
            ("a\u{2068}b\u{2069}c", "a[b]c"),
            ("a\u{2068}b", "ab"),
            ("a\u{2069}b\u{2067}c\u{2066}d\u{2069}", "abc[d]"),
            ("\u{2069}\u{2069}\u{2068}", ""),
            ("plain", "plain"),
        ] {
            assert_eq!(shown(&paired(text)), expected);
        }
    }

    #[test]
    fn a_line_keeps_its_marks_outside_of_its_isolates() {
        for (line, expected) in [
            ("# طلب جديد", "# <طلب جديد]"),
            ("**ما الذي تغيّر:**", "**<ما الذي تغيّر:]**"),
            ("- **2 ×** شاي  ", "- **<2 ×** شاي]  "),
            ("> **ملاحظة:** بلا سكر", "> **<ملاحظة:** بلا سكر]"),
            ("3. شاي", "3. <شاي]"),
            (r"خمسة \*", r"<خمسة \*]"),
            ("  ", "  "),
            ("![صورة](https://a.example/b.png)", "![صورة](https://a.example/b.png)"),
        ] {
            assert_eq!(shown(&directed(line.to_owned(), RightToLeft)), expected);
            assert_eq!(directed(line.to_owned(), LeftToRight), line);
        }
    }
}
