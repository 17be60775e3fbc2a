//! What is wrong with a text that is no TOML, said where it went wrong: at the bracket that is never closed, at the quote that
//! is missing. The rest is read from a copy of the same length, in which that is mended or left out.

pub mod characters;
mod findings;
mod headers;
mod lines;
mod scan;
mod texts;

use std::ops::Range;

use crate::diagnostic::collect::Diagnostics;
use crate::diagnostic::syntax::scan::Scanner;

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
    let left_out = findings.starts().filter(is_lost).collect();
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

#[cfg(test)]
mod tests {
    use proptest::prelude::any;
    use proptest::proptest;

    use super::*;
    use crate::diagnostic::syntax::findings::MOST_FINDINGS;

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
