//! A source file taken apart: what is code, what is comment, what is text in quotes. Each has as many lines as the file.

use std::iter;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Source {
    pub code: String,
    pub comments: String,
    pub strings: String,
}

/// What a character belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    String,
}

impl Source {
    pub fn of(text: &str) -> Self {
        let (mut source, mut rest) = (Self::default(), text);
        let mut before = ' ';
        while !rest.is_empty() {
            let (kind, length) = piece(rest, before);
            let (piece, behind) = rest.split_at(length);
            source.take(kind, piece);
            before = piece.chars().next_back().unwrap_or(' ');
            rest = behind;
        }
        source
    }

    fn take(&mut self, kind: Kind, piece: &str) {
        for letter in piece.chars() {
            let blank = if letter == '\n' { '\n' } else { ' ' };
            let of = |own| if kind == own { letter } else { blank };
            self.code.push(of(Kind::Code));
            self.comments.push(of(Kind::Comment));
            self.strings.push(of(Kind::String));
        }
    }
}

/// What stands at the beginning, and how many bytes of it.
fn piece(rest: &str, before: char) -> (Kind, usize) {
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::Comment, rest.find("*/").map_or(rest.len(), |end| end + 2));
    }
    if rest.starts_with('"') {
        return (Kind::String, quoted(rest));
    }
    let is_begin_of_word = !before.is_alphanumeric() && before != '_';
    if is_begin_of_word && let Some(length) = raw(rest) {
        return (Kind::String, length);
    }
    if rest.starts_with('\'') {
        return (Kind::Code, character(rest));
    }
    (Kind::Code, rest.chars().next().map_or(0, char::len_utf8))
}

/// The length of a text in quotes, those included.
fn quoted(rest: &str) -> usize {
    let mut is_escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a raw text, as in `r#"…"#`.
fn raw(rest: &str) -> Option<usize> {
    let behind = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = behind.chars().take_while(|letter| *letter == '#').count();
    let content = behind[hashes..].strip_prefix('"')?;
    let end: String = iter::once('"').chain(iter::repeat_n('#', hashes)).collect();
    let begin = rest.len() - content.len();
    Some(content.find(&end).map_or(rest.len(), |at| begin + at + end.len()))
}

/// The length of a character in quotes; of the mark alone where it begins a lifetime.
fn character(rest: &str) -> usize {
    let mut letters = rest.char_indices().skip(1);
    match (letters.next(), letters.next()) {
        (Some((_, '\\')), Some((at, _))) => rest[at + 1..].find('\'').map_or(1, |end| at + 1 + end + 1),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

#[test]
fn code_comments_and_texts_are_distinguished() {
    let text =
        "let a = \"b \\\" // c\"; // d \"e\"\nlet f: &'static str = r#\"g \"h\"\n\"#;\nlet i = ('\"', '\\'', 'j');\n";
    let source = Source::of(text);
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
    assert_eq!(words(&source.comments), "// d \"e\"");
    assert_eq!(words(&source.strings), "\"b \\\" // c\" r#\"g \"h\" \"#");
    assert_eq!(words(&source.code), "let a = ; let f: &'static str = ; let i = ('\"', '\\'', 'j');");
    for part in [&source.code, &source.comments, &source.strings] {
        assert_eq!(part.lines().count(), text.lines().count());
    }
}
