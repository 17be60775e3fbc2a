//! What is wrong with a text that is no TOML, said where it went wrong: at the bracket that is never closed, at the quote that
//! is missing. The rest is read from a copy of the same length, in which that is mended or left out.

pub mod characters;
mod headers;
mod lines;
mod scan;
mod texts;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::config::syntax::characters::LookAlike;
use crate::config::syntax::lines::line_start;
use crate::config::syntax::scan::Scanner;
use crate::diagnostic::collect::Diagnostics;

/// So many lines are said to be wrong one by one.
const MOST_FINDINGS: usize = 50;

/// A copy of the text, byte for byte as long, of which more can be read.
pub struct Mended {
    /// With the characters that were meant, and blanks in place of statements that nobody can read.
    pub text: String,
    /// With the characters that were meant, for lines that are shown.
    pub lines: String,
    /// Where statements are left out.
    pub left_out: Vec<usize>,
}

/// Reports what is wrong with a text as TOML, one error for each line.
pub fn mend(text: &str, problems: &Diagnostics<'_>) -> Mended {
    let Scanner { mut findings, copy, lost, .. } = Scanner::run(text);
    findings.cut();
    let lines = String::from_utf8(copy).unwrap_or_else(|_| text.to_owned());
    let headers = headers(text);
    let mut mended = lines.clone().into_bytes();
    for statement in &lost {
        problems.leave_out(table_around(&headers, statement, text.len()));
        let blanked = mended[statement.clone()].iter_mut().filter(|byte| !matches!(**byte, b'\n' | b'\r'));
        blanked.for_each(|byte| *byte = b' ');
    }
    let is_lost = |at: &usize| lost.iter().any(|statement| statement.contains(at) || statement.end == *at);
    let left_out = findings.by_line.values().map(|finding| finding.span.start).filter(is_lost).collect();
    findings.report(problems);
    let text = String::from_utf8(mended).unwrap_or_else(|_| text.to_owned());
    Mended { text, lines, left_out }
}

/// The table that a statement stands in: what is said of that may be a consequence. Those at the top of the file concern all
/// of it.
fn table_around(headers: &[usize], statement: &Range<usize>, end: usize) -> Range<usize> {
    let next = headers.partition_point(|header| *header < statement.end);
    // A broken header belongs to the table before, which gets its keys.
    match headers[..next].iter().rfind(|header| **header < statement.start) {
        Some(start) => *start..headers.get(next).copied().unwrap_or(end),
        None => 0..end,
    }
}

/// Where the lines with headers begin.
fn headers(text: &str) -> Vec<usize> {
    let starts = text.split_inclusive('\n').scan(0, |at, line| Some((std::mem::replace(at, *at + line.len()), line)));
    starts.filter(|(_, line)| line.trim_start().starts_with('[')).map(|(at, _)| at).collect()
}

/// What was found, by the starts of lines: of several mistakes in a line the first is said.
#[derive(Default)]
pub struct Findings {
    by_line: BTreeMap<usize, Finding>,
}

struct Finding {
    span: Range<usize>,
    message: String,
    help: String,
    look_alikes: Vec<LookAlike>,
}

impl Findings {
    pub fn add(&mut self, text: &str, span: Range<usize>, message: &str, help: &str) {
        let finding = Finding { span, message: message.to_owned(), help: help.to_owned(), look_alikes: Vec::new() };
        self.by_line.entry(line_start(text, finding.span.start)).or_insert(finding);
    }

    /// Another character than the one that was meant.
    pub fn add_look_alike(&mut self, text: &str, at: usize, alike: LookAlike) {
        let (span, look_alikes) = (at..at + alike.written.len_utf8(), vec![alike]);
        let first = || Finding { span, message: alike.words(), help: String::new(), look_alikes };
        let finding = self.by_line.entry(line_start(text, at)).or_insert_with(first);
        if !finding.look_alikes.is_empty() && !finding.look_alikes.contains(&alike) {
            finding.look_alikes.push(alike);
        }
    }

    /// Keeps the first, and of the others how many there are: a text with so many is no configuration.
    fn cut(&mut self) {
        let Some(start) = self.by_line.keys().nth(MOST_FINDINGS).copied() else { return };
        let mut rest = self.by_line.split_off(&start);
        if let (count, Some(mut first)) = (rest.len(), rest.remove(&start)) {
            first.message = format!("from here on {count} more lines cannot be read");
            first.help = "mend the lines before, and check again".to_owned();
            first.look_alikes.clear();
            self.by_line.insert(start, first);
        }
    }

    fn report(self, problems: &Diagnostics<'_>) {
        for Finding { span, message, help, look_alikes } in self.by_line.into_values() {
            match look_alikes.first() {
                None => problems.error(span, message, help),
                Some(first) => {
                    let meant = if first.meant == ' ' { "a plain space".to_owned() } else { first.meant.to_string() };
                    let cures: Vec<String> = look_alikes.iter().map(|alike| alike.cure()).collect();
                    problems.error(
                        span,
                        format!("{message}, and {meant} is meant"),
                        format!("write {}", cures.join(", ")),
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::any;
    use proptest::proptest;

    use super::*;

    /// What is said of a text: the line and the column of each error, and its message.
    fn said(text: &str) -> Vec<(usize, usize, String)> {
        let problems = Diagnostics::new("orderbell.toml".to_owned(), text);
        let mended = mend(text, &problems);
        assert_eq!((mended.text.len(), mended.lines.len()), (text.len(), text.len()));
        let found = problems.finish().into_iter();
        found.map(|problem| (problem.line.unwrap_or(0), problem.column.unwrap_or(0), problem.message)).collect()
    }

    #[test]
    fn of_many_broken_lines_the_first_are_said_and_the_others_counted() {
        for line in ["a，\n", "a = [1\n", "a = “x\n", "[a\n", "a ＝ 1\n"] {
            let found = said(&line.repeat(5_000));
            assert_eq!(found.len(), MOST_FINDINGS + 1, "{line}");
            let (at, _, message) = &found[MOST_FINDINGS];
            assert_eq!((*at, message.as_str()), (51, "from here on 4950 more lines cannot be read"), "{line}");
        }
        assert_eq!(said(&"a，\n".repeat(MOST_FINDINGS)).len(), MOST_FINDINGS);
    }

    #[test]
    fn nothing_is_said_of_what_is_toml() {
        for text in [
            include_str!("../../../config.example.toml"),
            include_str!("../../../tests/config/contract.toml"),
            "",
            "\u{feff}a = 1\r\nb = \"“x”，\" # ［\r\n",
            "a = [\n  \"a\", # ]\n  'b=c',\n  [1, 2],\n  [true],\n]\n",
            "a = { b = 1, c = [\n 1,\n ],\n d = { e.f = \"x\", \"g h\" = 'i' },\n}\n[b . \"c d\"]\n[[e]] # x\n",
            "a = \"\"\"x\nb = 1\n[c]\n\"\"\"\"\nd = \"\"\n'e' = ''\nf = '''\n\"'''\n",
            "a = \"\\\"\\\\\\t\\u00e9\"\nb = 'C:\\shop'\nc = \"\"\"\n\\\n\"\"\"\n",
            "a = 1979-05-27 07:32:00Z\nb = 07:32:00\nc = -1_000.5e+3\nd = +inf\ne = 0xff\nf = \"\\\"\"",
        ] {
            assert!(toml::de::DeTable::parse(text).is_ok(), "{text}");
            assert_eq!(said(text), Vec::new(), "{text}");
        }
    }

    #[test]
    fn each_slip_is_one_error_where_it_was_made() {
        let rest = "\nb = [1]\n[c]\nd = { e = 1 }\n[[f]]\ng = \"\"\"x\"\"\"\n";
        for (line, column, message) in [
            ("a = { x = 1", 5, "this table is never closed"),
            ("a = [1, 2", 5, "this list is never closed"),
            ("a = [{ x = 1 }", 5, "this list is never closed"),
            ("a = { x = [1 }", 11, "this list is never closed"),
            ("a = [1, { x = 1 ]", 9, "this table is never closed"),
            ("a = \"x", 5, "this text has no quote at its end"),
            ("a = 'x", 5, "this text has no quote at its end"),
            ("a = { x = \"1 }", 11, "this text has no quote at its end"),
            ("a = \"\"\"x", 5, "this text is never closed"),
            ("a = '''x", 5, "this text is never closed"),
            ("a = [\"x, \"y\"]", 6, "a quote is missing in this text, or there is one within it"),
            ("a = \"C:\\shop\"", 8, "this \\ makes no character with what follows"),
            ("a = x", 5, "a text must stand in quotes"),
            ("a = x y # z", 5, "a text must stand in quotes"),
            ("a \"x\"", 3, "between a key and its value stands ="),
            ("a", 1, "this key has no value"),
            ("a =", 4, "this key has no value"),
            ("a = True", 5, "this is neither a text nor true or false"),
            ("[a", 3, "this header has no bracket at its end"),
            ("[[a]", 5, "this header has no bracket at its end"),
            ("[a]]", 4, "this ] closes nothing"),
            ("a = “x”", 5, "“ is a curly quote, and \" is meant"),
            ("a = \"x”", 7, "” is a curly quote, and \" is meant"),
            ("a = ‘x’", 5, "‘ is a curly quote, and ' is meant"),
            ("a ＝ 1", 3, "＝ is a full-width character, and = is meant"),
            ("a：1", 2, "：is a full-width character, and = is meant"),
            ("a = [1，2]", 7, "， is a full-width character, and , is meant"),
            ("a = ［1］", 5, "［ is a full-width character, and [ is meant"),
            ("a = ｛ x = 1 ｝", 5, "｛ is a full-width character, and { is meant"),
            ("a = 1 ＃ x", 7, "＃ is a full-width character, and # is meant"),
            ("a　= 1", 2, "this is a full-width space (U+3000), and a plain space is meant"),
            ("a\u{a0}= 1", 2, "this is a no-break space (U+00A0), and a plain space is meant"),
            ("a–b = 1", 2, "– is a special character, and - is meant"),
            ("a = [\"x\"，]；", 9, "， is a full-width character, and , is meant"),
            ("a = \"it’s", 5, "this text has no quote at its end"),
            ("［a］", 1, "［ is a full-width character, and [ is meant"),
        ] {
            let message = message.replace("：is", "： is");
            assert_eq!(said(&format!("{line}{rest}")), [(1, column, message.clone())], "{line}");
            assert_eq!(said(&format!("[z]\ny = 1\n{line}")), [(3, column, message)], "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>(), signs in "[\"'=:{}\\[\\], .a\n#“”＝，［\\\\]{0,40}") {
            said(&text);
            said(&signs);
        }
    }
}
