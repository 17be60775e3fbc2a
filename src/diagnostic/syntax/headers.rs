//! Headers of tables: `[server]`, `[channel.kitchen]`, `[[route]]`.

use crate::diagnostic::syntax::lines::line_start;
use crate::diagnostic::syntax::scan::Scanner;

impl Scanner<'_> {
    pub fn header(&mut self) {
        self.take_to('[');
        let brackets = if self.peek() == Some('[') { 2 } else { 1 };
        if brackets == 2 {
            self.take();
        }
        for bracket in 0..brackets {
            if bracket == 0 {
                self.header_name();
            }
            if self.peek() != Some(']') {
                let end = line_start(self.text, self.at)
                    + self.text[line_start(self.text, self.at)..self.at].trim_end().len();
                self.lose(end..end, "this header has no bracket at its end", "add ] there");
                return self.give_up();
            }
            self.take_to(']');
        }
        self.blanks();
        let at = self.at;
        match self.peek() {
            None | Some('\n') => {}
            Some('#') => self.comment(),
            Some(']') => {
                self.lose(
                    at..at + 1,
                    "this ] closes nothing",
                    "a list of tables has two brackets on each side: [[route]]",
                );
                self.give_up();
            }
            Some(_) => {
                self.lose(at..self.line_end(at), "this stands behind the header", "a header stands alone in its line");
                self.give_up();
            }
        }
    }

    fn header_name(&mut self) {
        loop {
            match self.peek() {
                None | Some('\n' | '#' | ']') => return,
                Some('"' | '\'') => self.string(),
                Some(_) => self.take(),
            }
        }
    }
}
