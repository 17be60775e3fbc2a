//! Finds the values of a text: where each begins and ends, and what is in what.

use crate::domain::json::scalar;

/// In a webhook a value or name takes so many bytes, about.
const BYTES_OF_A_TOKEN: usize = 12;
/// For so many at most there is room from the beginning.
const MANY_TOKENS: usize = 512;

/// Whether a text is JSON by its grammar, and not only nearly.
pub type IsStrict = bool;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonKind {
    Object,
    List,
    /// The name of a member; its value is the next in the list.
    Name,
    Text,
    Number,
    Bool,
    Null,
    /// `NaN`, `Infinity`, `undefined`, `+5` and the like: something came, and nobody can say what it is.
    Unknown,
}

/// How the text of a string or name is written; of other values it is plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// As it is.
    Plain,
    /// Some of it as escapes.
    Escaped,
}

/// One value or name, in the order of the text. A container stands before what is in it.
#[derive(Clone, Copy, Debug)]
pub struct JsonToken {
    pub kind: JsonKind,
    pub spelling: Spelling,
    /// Its bytes in the text.
    pub start: u32,
    pub end: u32,
    /// The place of the first token that is not part of it.
    pub after: u32,
}

/// The values of a text in their order, and whether it is JSON by its grammar; `None` when it is not one value.
pub fn tokens(text: &str) -> Option<(Vec<JsonToken>, IsStrict)> {
    u32::try_from(text.len()).ok()?;
    let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let tokens = Vec::with_capacity((text.len() / BYTES_OF_A_TOKEN).min(MANY_TOKENS));
    let mut reader = Reader { text, at, tokens, open: Vec::new(), is_strict: at == 0 };
    let mut next = Next::Value;
    loop {
        reader.skip_blanks();
        next = match next {
            Next::Value => reader.value()?,
            Next::Element => reader.element()?,
            Next::AnotherElement => {
                // A comma after the last one.
                reader.is_strict &= !matches!(reader.peek(), Some(b'}' | b']'));
                reader.element()?
            }
            Next::Separator => reader.separator()?,
            Next::End => return (reader.at == text.len()).then_some((reader.tokens, reader.is_strict)),
        };
    }
}

/// What may come next.
enum Next {
    Value,
    /// A value or member of the container that is open, or its end.
    Element,
    /// As behind a comma.
    AnotherElement,
    /// A comma, or the end of the container that is open.
    Separator,
    /// Nothing but blanks.
    End,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<JsonToken>,
    /// The containers that are open, outermost first.
    open: Vec<usize>,
    /// Nothing was met so far that is not JSON.
    is_strict: IsStrict,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// The length is within 32 bits, and there are no more tokens than bytes.
    fn push(&mut self, kind: JsonKind, spelling: Spelling, start: usize) {
        let after = self.tokens.len() as u32 + 1;
        self.tokens.push(JsonToken { kind, spelling, start: start as u32, end: self.at as u32, after });
    }

    fn value(&mut self) -> Option<Next> {
        let start = self.at;
        let container = match self.peek()? {
            b'{' => JsonKind::Object,
            b'[' => JsonKind::List,
            b'"' => {
                let spelling = self.skip_string()?;
                self.push(JsonKind::Text, spelling, start);
                return Some(self.after_value());
            }
            _ => {
                let kind = self.word()?;
                self.push(kind, Spelling::Plain, start);
                return Some(self.after_value());
            }
        };
        self.at += 1;
        self.open.push(self.tokens.len());
        self.push(container, Spelling::Plain, start);
        Some(Next::Element)
    }

    fn after_value(&self) -> Next {
        if self.open.is_empty() { Next::End } else { Next::Separator }
    }

    fn element(&mut self) -> Option<Next> {
        match (self.peek()?, self.tokens[*self.open.last()?].kind) {
            (b'}', JsonKind::Object) | (b']', JsonKind::List) => self.close(),
            (b'"', JsonKind::Object) => {
                let start = self.at;
                let spelling = self.skip_string()?;
                self.push(JsonKind::Name, spelling, start);
                self.skip_blanks();
                (self.peek()? == b':').then(|| self.at += 1)?;
                Some(Next::Value)
            }
            (_, JsonKind::List) => Some(Next::Value),
            _ => None,
        }
    }

    fn separator(&mut self) -> Option<Next> {
        match (self.peek()?, self.tokens[*self.open.last()?].kind) {
            (b',', _) => {
                self.at += 1;
                Some(Next::AnotherElement)
            }
            (b'}', JsonKind::Object) | (b']', JsonKind::List) => self.close(),
            _ => None,
        }
    }

    fn close(&mut self) -> Option<Next> {
        self.at += 1;
        let container = self.open.pop()?;
        let after = self.tokens.len() as u32;
        let token = &mut self.tokens[container];
        (token.end, token.after) = (self.at as u32, after);
        Some(self.after_value())
    }

    /// Goes behind the quote that ends a string.
    fn skip_string(&mut self) -> Option<Spelling> {
        let mut spelling = Spelling::Plain;
        self.at += 1;
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            let stop = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '))?;
            self.at += stop;
            match rest[stop..] {
                [b'"', ..] => {
                    self.at += 1;
                    return Some(spelling);
                }
                [b'\\', ..] => {
                    spelling = Spelling::Escaped;
                    self.is_strict &= is_escape(&rest[stop..]);
                    self.at += 2;
                }
                _ => {
                    self.is_strict = false;
                    self.at += 1;
                }
            }
        }
    }

    /// What stands without quotes.
    fn word(&mut self) -> Option<JsonKind> {
        let start = self.at;
        while matches!(self.peek(), Some(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_'))
        {
            self.at += 1;
        }
        Some(match &self.text[start..self.at] {
            "" => return None,
            "true" | "false" => JsonKind::Bool,
            "null" => JsonKind::Null,
            word if scalar::is_number(word) => JsonKind::Number,
            _ => {
                self.is_strict = false;
                JsonKind::Unknown
            }
        })
    }
}

/// Whether a text begins with an escape that there is.
fn is_escape(text: &[u8]) -> bool {
    match text.get(1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => true,
        Some(b'u') => text.get(2..6).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)),
        _ => false,
    }
}
