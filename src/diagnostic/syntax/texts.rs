//! Texts in quotes: in one line or over several, and where they should have ended.

use std::ops::Range;

use crate::diagnostic::syntax::characters::LookAlike;
use crate::diagnostic::syntax::lines::{is_assignment, line_start};
use crate::diagnostic::syntax::scan::{Bracket, Scanner};

impl Scanner<'_> {
    pub fn string(&mut self) {
        let (start, Some(quote)) = (self.at, self.written()) else { return };
        if let Some(alike) = LookAlike::of(quote) {
            return self.curly(alike);
        }
        let three = quote.to_string().repeat(3);
        if self.text[start..].starts_with(&three) {
            return self.text_in_three(&three);
        }
        let line = start..self.line_end(start);
        if let Some(end) = closing(&self.text[start + 1..line.end], &quote.to_string(), quote == '"') {
            if quote == '"' {
                self.escapes(start + 1..start + 1 + end);
            }
            self.at = start + 1 + end + 1;
            return;
        }
        let inner = self.text[start + 1..line.end].char_indices().rev();
        let mut curly = inner.filter_map(|(at, c)| Some((at, LookAlike::of(c).filter(|alike| alike.meant == quote)?)));
        match (curly.next(), curly.count() % 2) {
            (Some((at, alike)), 0) => {
                let at = start + 1 + at;
                self.mend(at, alike);
                self.at = at + alike.written.len_utf8();
            }
            _ => {
                let end = start + self.text[line.clone()].trim_end().len();
                self.lose(start..end, "this text has no quote at its end", &format!("add {quote} there"));
                self.swallow(line.end);
            }
        }
    }

    /// Looks for a backslash that stands for itself, as in a path.
    fn escapes(&mut self, inner: Range<usize>) {
        let mut letters = self.text[inner.clone()].char_indices();
        while let Some((at, letter)) = letters.next() {
            let next = if letter == '\\' { letters.next() } else { None };
            if next.is_some_and(|(_, next)| !"btnfrexuU\"\\".contains(next)) {
                let at = inner.start + at;
                let help = "in a text a backslash is written \\\\; or put the text in single quotes: 'C:\\…'";
                return self.lose(at..at + 1, "this \\ makes no character with what follows", help);
            }
        }
    }

    /// Goes on at the end of a line of which a text that has no end took the brackets, too.
    fn swallow(&mut self, end: usize) {
        for c in self.text[self.at..end].chars() {
            if self.open.last().is_some_and(|bracket| bracket.closed_by == c) {
                self.open.pop();
            }
        }
        self.at = end;
    }

    /// A text in quotes that are none.
    fn curly(&mut self, alike: LookAlike) {
        let (start, end) = (self.at, self.line_end(self.at));
        let from = start + alike.written.len_utf8();
        let inner = &self.text[from..end];
        let is_like = |c: char| LookAlike::of(c).is_some_and(|other| other.meant == alike.meant);
        let close = inner
            .char_indices()
            .find(|(_, c)| is_like(*c))
            .or_else(|| inner.char_indices().find(|(_, c)| *c == alike.meant));
        self.mend(start, alike);
        // Beside the text.
        self.copy.swap(start, from - 1);
        match close {
            None => {
                self.is_lost = true;
                self.swallow(end);
            }
            Some((offset, closing)) => {
                self.is_lost |= inner[..offset].contains(['\\', alike.meant]);
                if let Some(closing) = LookAlike::of(closing) {
                    self.mend(from + offset, closing);
                }
                self.at = from + offset + closing.len_utf8();
            }
        }
    }

    /// A text over several lines.
    fn text_in_three(&mut self, three: &str) {
        let start = self.at;
        let end = closing(&self.text[start + 3..], three, three.starts_with('"')).map(|end| start + 3 + end);
        // Three quotes behind a key begin a text, and end none.
        let begins = |end: &usize| {
            let line = line_start(self.text, *end);
            line > start && is_assignment(&self.text[line..*end]) && self.text[line..*end].trim_end().ends_with('=')
        };
        if let Some(end) = end.filter(|end| !begins(end)) {
            let more = self.text[end + 3..].chars().take(2).take_while(|c| three.starts_with(*c)).count();
            self.at = end + 3 + more;
            return;
        }
        self.lose(start..start + 3, "this text is never closed", &format!("add {three} where it ends"));
        self.open.push(Bracket { at: start, closed_by: ' ', awaits_key: false });
        self.give_up();
    }
}

/// Where a text ends by its quotes.
fn closing(text: &str, quotes: &str, has_escapes: bool) -> Option<usize> {
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with(quotes) {
            return Some(at);
        }
        let escaped = if has_escapes && rest.starts_with('\\') { 1 } else { 0 };
        at += rest.chars().take(1 + escaped).map(char::len_utf8).sum::<usize>();
    }
    None
}
