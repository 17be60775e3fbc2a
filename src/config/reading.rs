//! A text as TOML, mended where it is none, and what is made of its tables; with everything that is wrong with it.

use toml::de::DeTable;

use crate::config::context::LoadContext;
use crate::config::{hidden, words};
use crate::diagnostic::collect::Diagnostics;
use crate::diagnostic::{Diagnostic, syntax};

/// What was read of a text, and everything that there is to say of it.
pub struct Whole<T> {
    pub config: Option<T>,
    pub problems: Vec<Diagnostic>,
    /// Without any error.
    pub starts: bool,
    /// At least in place of nothing.
    pub is_usable: bool,
}

/// Reads a text as TOML, and of its tables what `read` takes.
pub fn whole<T>(
    text: &str,
    context: &LoadContext<'_>,
    read: impl for<'p> FnOnce(DeTable<'p>, &'p Diagnostics<'p>) -> Option<T>,
) -> Whole<T> {
    let problems = Diagnostics::new(context.file.display().to_string(), text);
    let (mut root, mut errors) = DeTable::parse_recoverable(text);
    let mended;
    let mut lines = text;
    if !errors.iter().all(is_repeat) {
        mended = syntax::mend(text, &problems);
        lines = &mended.lines;
        mended.left_out.iter().for_each(|at| hidden::lines::hide_in_line(*at, lines, &problems));
        (root, errors) = DeTable::parse_recoverable(&mended.text);
    }
    syntax_errors(&errors, lines, &problems);
    let mark = problems.mark();
    let root = root.into_inner();
    hidden::hide_all(&root, context, &problems);
    let config = read(root, &problems);
    problems.forget_consequences(mark);
    if !errors.is_empty() {
        problems.starts().into_iter().for_each(|at| hidden::lines::hide_in_line(at, lines, &problems));
    }
    let starts = config.is_some() && !problems.has_errors();
    let is_usable = config.is_some() && !problems.is_unusable();
    Whole { config, problems: problems.finish(), starts, is_usable }
}

fn is_repeat(error: &toml::de::Error) -> bool {
    error.message() == "duplicate key"
}

/// Reports what is still wrong with the text as TOML.
fn syntax_errors(errors: &[toml::de::Error], text: &str, problems: &Diagnostics<'_>) {
    let (mut said, mut repeated) = (None, 0..0);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let line = text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
        let is_repeat = is_repeat(error);
        // Several errors in one line are one mistake, and so is the content of a table that is here already.
        if said.replace(line) == Some(line) || (is_repeat && repeated.contains(&span.start)) {
            continue;
        }
        if is_repeat {
            if text[line..].trim_start().starts_with('[') {
                repeated = span.start..text[span.start..].find("\n[").map_or(text.len(), |next| span.start + next);
            }
        } else {
            // A second definition is left out, and the rest is what it seems; after any other error it may not be.
            problems.break_at(span.start);
        }
        let invalid = words::syntax(error.message(), text, &span);
        problems.error(span, invalid.message, invalid.help);
    }
}
