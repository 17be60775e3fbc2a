//! Goes through a text as TOML is written, statement by statement, and finds where one stops being one.

use std::ops::Range;

use crate::diagnostic::syntax::characters::LookAlike;
use crate::diagnostic::syntax::findings::Findings;
use crate::diagnostic::syntax::lines::{begins_statement, is_assignment, is_header, is_of_key, line_start};

/// Some editors put it before a text in UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

const SIGNS: &str = ",[]{}#=\"'";

pub struct Scanner<'t> {
    pub text: &'t str,
    pub at: usize,
    pub findings: Findings,
    /// The text with the characters that were meant.
    pub copy: Vec<u8>,
    /// Statements that cannot be read.
    pub lost: Vec<Range<usize>>,
    pub is_lost: bool,
    /// Lists and tables that are open.
    pub open: Vec<Bracket>,
}

pub struct Bracket {
    pub at: usize,
    pub closed_by: char,
    /// Whether a key comes next.
    pub awaits_key: bool,
}

impl<'t> Scanner<'t> {
    pub fn run(text: &'t str) -> Self {
        let (findings, copy) = (Findings::default(), text.as_bytes().to_vec());
        let at = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
        let mut scanner = Self { text, at, findings, copy, lost: Vec::new(), is_lost: false, open: Vec::new() };
        while scanner.at < text.len() {
            let start = scanner.at;
            scanner.blanks();
            match scanner.peek() {
                None => {}
                Some('\n') => scanner.at += 1,
                Some('#') => scanner.comment(),
                Some('[') => scanner.header(),
                Some(_) if scanner.key_and_sign() => scanner.value(),
                Some(_) => scanner.give_up(),
            }
            if std::mem::take(&mut scanner.is_lost) {
                scanner.lost.push(start..scanner.at);
            }
        }
        scanner
    }

    /// The next character as it is meant.
    pub fn peek(&self) -> Option<char> {
        self.written().map(|written| LookAlike::of(written).map_or(written, |alike| alike.meant))
    }

    pub fn written(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    pub fn line_end(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |newline| at + newline)
    }

    fn report(&mut self, span: Range<usize>, message: &str, help: &str) {
        self.findings.add(self.text, span, message, help);
    }

    /// As [`Scanner::report`], of something without which the statement cannot be read.
    pub fn lose(&mut self, span: Range<usize>, message: &str, help: &str) {
        self.report(span, message, help);
        self.is_lost = true;
    }

    /// Goes past one character; one that only looks like the right one is reported, and mended.
    pub fn take(&mut self) {
        let Some(written) = self.written() else { return };
        if let Some(alike) = LookAlike::of(written) {
            self.mend(self.at, alike);
        }
        self.at += written.len_utf8();
    }

    /// As [`Scanner::take`]; nothing may stand between this sign and another one behind it.
    pub fn take_to(&mut self, next: char) {
        let start = self.at;
        self.take();
        if self.peek() == Some(next) {
            self.copy.swap(start, self.at - 1);
        }
    }

    pub fn mend(&mut self, at: usize, alike: LookAlike) {
        self.findings.add_look_alike(self.text, at, alike);
        self.copy[at..at + alike.written.len_utf8()].fill(b' ');
        // A letter of a word would have a blank behind it.
        match u8::try_from(alike.meant) {
            Ok(meant) if !is_of_key(alike.meant) => self.copy[at] = meant,
            _ => self.is_lost = true,
        }
    }

    pub fn blanks(&mut self) {
        while self.peek().is_some_and(|c| matches!(c, ' ' | '\t' | '\r')) {
            self.take();
        }
    }

    pub fn comment(&mut self) {
        self.take();
        self.at = self.line_end(self.at);
    }

    /// Leaves the statement out, up to where the next one begins.
    pub fn give_up(&mut self) {
        self.is_lost = true;
        let is_within = !self.open.is_empty();
        self.open.clear();
        self.at = self.line_end(self.at);
        while is_within && self.at < self.text.len() && !begins_statement(&self.text[self.at + 1..]) {
            self.at = self.line_end(self.at + 1);
        }
    }

    /// A key and the sign behind it. Answers whether a value may follow.
    fn key_and_sign(&mut self) -> bool {
        let start = self.at;
        loop {
            self.blanks();
            match self.peek() {
                Some('"' | '\'') => self.string(),
                Some(c) if is_of_key(c) => self.bare_key(),
                _ => {
                    self.lose(self.at..self.after(), "here should be a key", "write key = \"value\"");
                    return false;
                }
            }
            let end = self.at;
            self.blanks();
            let (at, written) = (self.at, self.written());
            match self.peek() {
                Some('.') => self.take(),
                Some('=') => {
                    self.take();
                    return true;
                }
                Some(':') => {
                    match written {
                        Some(':') => {
                            let help = "write key = \"value\"";
                            self.report(at..at + 1, "between a key and its value stands =, not :", help);
                            self.copy[at] = b'=';
                        }
                        Some(written) => self.mend(at, LookAlike { written, meant: '=' }),
                        None => {}
                    }
                    self.at = self.after();
                    return true;
                }
                None | Some('\n' | '#' | ',' | '}') => {
                    self.lose(start..end, "this key has no value", "write key = \"value\"");
                    return false;
                }
                Some(_) => {
                    self.lose(at..self.after(), "between a key and its value stands =", "write key = \"value\"");
                    return false;
                }
            }
        }
    }

    /// Where the next character ends.
    fn after(&self) -> usize {
        self.at + self.written().map_or(0, char::len_utf8)
    }

    fn bare_key(&mut self) {
        let start = self.at;
        while let Some(written) = self.written().filter(|_| self.peek().is_some_and(is_of_key)) {
            if !written.is_ascii() && LookAlike::of(written).is_none() {
                let help = "write it so: \"…\" = \"value\"";
                self.lose(start..self.after(), "a key with letters beyond a to z stands in quotes", help);
            }
            self.take();
        }
    }

    /// The value of a statement, up to the end of its last line.
    fn value(&mut self) {
        self.open.clear();
        // The value before, as long as nothing separates the next one from it.
        let mut before: Option<Range<usize>> = None;
        loop {
            self.blanks();
            let at = self.at;
            let awaits_key = self.open.last().is_some_and(|bracket| bracket.awaits_key);
            let Some(next) = self.peek() else { return self.end(before.is_some()) };
            match next {
                '\n' if self.open.is_empty() => return self.end(before.is_some()),
                '\n' => {
                    self.at += 1;
                    let may_go_on = awaits_key && before.is_none();
                    let line = &self.text[self.at..];
                    if is_header(line) || (is_assignment(line) && !may_go_on) {
                        return self.end(true);
                    }
                }
                '#' => self.comment(),
                ',' if !self.open.is_empty() => {
                    self.take();
                    before = None;
                    self.await_key(true);
                }
                ']' | '}' if !self.open.is_empty() => {
                    self.close(next);
                    before = Some(at..self.at);
                }
                _ if awaits_key && before.is_none() => {
                    if !self.key_and_sign() {
                        return self.give_up();
                    }
                    self.await_key(false);
                }
                _ if before.is_some() => {
                    self.surplus(&before.take().unwrap_or(at..at));
                    if self.open.is_empty() {
                        return self.give_up();
                    }
                }
                '[' | '{' => {
                    self.take();
                    let closed_by = if next == '[' { ']' } else { '}' };
                    self.open.push(Bracket { at, closed_by, awaits_key: next == '{' });
                }
                '"' | '\'' => {
                    self.string();
                    before = Some(at..self.at);
                }
                _ if self.is_key_in_list() => {
                    self.open_ended(self.open.len() - 1);
                    self.open.pop();
                    self.await_key(true);
                    if self.open.is_empty() {
                        return self.give_up();
                    }
                }
                _ => {
                    self.word();
                    before = Some(at..self.at);
                }
            }
        }
    }

    fn await_key(&mut self, is_next: bool) {
        if let Some(last) = self.open.last_mut() {
            last.awaits_key = is_next && last.closed_by == '}';
        }
    }

    /// The end of a value that goes no further.
    fn end(&mut self, has_value: bool) {
        (0..self.open.len()).for_each(|index| self.open_ended(index));
        self.open.clear();
        if !has_value {
            let end =
                line_start(self.text, self.at) + self.text[line_start(self.text, self.at)..self.at].trim_end().len();
            self.lose(end..end, "this key has no value", "write key = \"value\"");
        }
    }

    fn open_ended(&mut self, index: usize) {
        let Bracket { at, closed_by, .. } = self.open[index];
        let what = if closed_by == '}' { "table" } else { "list" };
        self.lose(at..at + 1, &format!("this {what} is never closed"), &format!("add {closed_by} where it ends"));
    }

    fn close(&mut self, closing: char) {
        match self.open.iter().rposition(|bracket| bracket.closed_by == closing) {
            Some(index) => {
                (index + 1..self.open.len()).for_each(|inner| self.open_ended(inner));
                self.open.truncate(index);
            }
            None => {
                let right = self.open.pop().map_or(closing, |bracket| bracket.closed_by);
                let message = format!("this {closing} closes nothing");
                self.lose(self.at..self.after(), &message, &format!("what is open here ends with {right}"));
            }
        }
        self.take();
    }

    /// Something behind a value that has ended.
    fn surplus(&mut self, before: &Range<usize>) {
        let written = &self.text[before.clone()];
        let is_separate = before.end != self.at || self.peek().is_some_and(|c| ",]}".contains(c));
        let is_text = !is_separate && written.starts_with(['"', '\'']);
        let curly = written.char_indices().filter_map(|(at, c)| Some((at, LookAlike::of(c)?)));
        let curly: Vec<_> = curly.filter(|(_, alike)| alike.is_quote()).collect();
        match (curly.as_slice(), is_text) {
            ([(at, alike)], true) => {
                self.findings.add_look_alike(self.text, before.start + at, *alike);
                self.is_lost = true;
            }
            (_, true) => {
                let help = "a text ends with the quote that it begins with; one within it is written \\\"";
                self.lose(before.clone(), "a quote is missing in this text, or there is one within it", help);
            }
            _ if self.open.is_empty() => {
                let help = "each key stands in a line of its own, and a comment begins with #";
                self.lose(self.at..self.line_end(self.at), "this stands behind the value", help);
            }
            _ => {
                let end = before.end - written.chars().next_back().map_or(0, char::len_utf8)..before.end;
                self.lose(end, "a comma is missing behind this", "values in brackets have commas between them");
            }
        }
    }

    /// A list cannot hold keys: one that seems to is not closed.
    fn is_key_in_list(&self) -> bool {
        let rest = self.text[self.at..].trim_start_matches(is_of_key);
        let is_word = rest.len() < self.text.len() - self.at;
        let next = rest.trim_start_matches([' ', '\t']).chars().next();
        is_word && self.open.last().is_some_and(|last| last.closed_by == ']') && matches!(next, Some('=' | '＝'))
    }

    /// A value without quotes.
    fn word(&mut self) {
        let start = self.at;
        while self.peek().is_some_and(|c| !c.is_whitespace() && !SIGNS.contains(c)) {
            self.take();
        }
        let word = &self.text[start..self.at];
        let number = word.trim_start_matches(['+', '-']);
        if number.starts_with(|c: char| c.is_ascii_digit()) || ["true", "false", "inf", "nan"].contains(&number) {
            // A date may have a time behind a blank.
            let time = self.text[self.at..].strip_prefix(' ').filter(|_| word.len() == 10 && word.contains('-'));
            if time.is_some_and(|time| time.starts_with(|c: char| c.is_ascii_digit())) {
                self.at += 1;
                self.word();
            }
            return;
        }
        let (message, help) = match word.to_lowercase().as_str() {
            "" => ("here should be a value", "write key = \"value\""),
            "true" | "false" | "yes" | "no" | "on" | "off" => {
                ("this is neither a text nor true or false", "write true or false")
            }
            _ => ("a text must stand in quotes", "write \" before and after it"),
        };
        if word.is_empty() {
            self.at = self.after();
        } else if self.open.is_empty() {
            // With the rest of the line, of which it seems to be made.
            let line = self.text[self.at..self.line_end(self.at)].split('#').next().unwrap_or_default();
            self.at += line.trim_end().len();
        }
        self.lose(start..self.at, message, help);
    }
}
