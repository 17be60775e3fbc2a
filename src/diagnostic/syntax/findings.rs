//! What was found wrong with a text as TOML: one finding for each line.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::diagnostic::collect::Diagnostics;
use crate::diagnostic::syntax::characters::LookAlike;
use crate::diagnostic::syntax::lines::line_start;

/// So many lines are said to be wrong one by one.
pub const MOST_FINDINGS: usize = 50;

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

    /// Where each of them stands.
    pub fn starts(&self) -> impl Iterator<Item = usize> {
        self.by_line.values().map(|finding| finding.span.start)
    }

    /// Keeps the first, and of the others how many there are: a text with so many is no configuration.
    pub fn cut(&mut self) {
        let Some(start) = self.by_line.keys().nth(MOST_FINDINGS).copied() else { return };
        let mut rest = self.by_line.split_off(&start);
        if let (count, Some(mut first)) = (rest.len(), rest.remove(&start)) {
            first.message = format!("from here on {count} more lines cannot be read");
            first.help = "mend the lines before, and check again".to_owned();
            first.look_alikes.clear();
            self.by_line.insert(start, first);
        }
    }

    pub fn report(self, problems: &Diagnostics<'_>) {
        for Finding { span, message, help, look_alikes } in self.by_line.into_values() {
            match look_alikes.first() {
                None => problems.error(span, message, help),
                Some(first) => {
                    let meant = if first.meant == ' ' { "a plain space".to_owned() } else { first.meant.to_string() };
                    let cures: Vec<String> = look_alikes.iter().map(|alike| alike.cure()).collect();
                    let help = format!("write {}", cures.join(", "));
                    problems.error(span, format!("{message}, and {meant} is meant"), help);
                }
            }
        }
    }
}
