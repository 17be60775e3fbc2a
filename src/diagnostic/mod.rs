//! What is wrong with a configuration or a template, and how it is shown: to people with the line and a caret, to programs
//! as JSON.

pub mod collect;
pub mod encoding;
mod excerpt;
pub mod masked;
pub mod suggest;
pub mod syntax;
pub mod wrap;

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use crate::diagnostic::encoding::WrongEncoding;
use crate::diagnostic::excerpt::{Excerpt, Place};
use crate::diagnostic::wrap::wrapped;
use crate::domain::settings::InvalidValue;

/// What a problem means for the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The daemon does not start, or a message would not go out as it was meant.
    Error,
    /// It does.
    Warning,
    /// It does; and what is noted was set on purpose, but is not to stay. It counts as neither.
    Note,
}

/// What an error means for a daemon that starts again, or reads its configuration again. At a first start any error is too
/// many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The configuration cannot be used; the one last in force is.
    Unusable,
    /// What a secret belongs to waits for it: a channel is parked, a source answers 503.
    Waits,
    /// Built-in words are used in place of a template.
    BuiltIn,
}

/// What of a configuration something belongs to, for commands that need no more than a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ConfigPart {
    /// The file as a whole.
    #[default]
    File,
    /// Its own keys.
    Top,
    Server,
    Store,
    /// Each by its name.
    Source(String),
    Channel(String),
    Report(String),
    /// What no command asks for by itself.
    Rest,
}

/// One thing that is wrong or odd. It never holds a secret's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    #[serde(skip)]
    pub effect: Effect,
    #[serde(skip)]
    pub part: ConfigPart,
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The configuration file, as it was named.
    pub file: String,
    /// Bytes of the file; absent where the problem is something that is nowhere in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<Range<usize>>,
    /// From 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// In characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    #[serde(skip)]
    excerpt: Option<Excerpt>,
}

/// Texts are broken into lines of so many characters.
const WIDTH: usize = 80;

/// Whether the text is for a terminal that shows colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Never,
    Always,
}

/// Writes problems for people: each with its line, a caret under what is wrong, and what would be right.
pub fn render(problems: &[Diagnostic], colour: Colour) -> String {
    let renderer = match colour {
        Colour::Never => Renderer::plain(),
        Colour::Always => Renderer::styled(),
    };
    let mut text: String = problems.iter().map(|problem| renderer.render(&[group(problem)]) + "\n\n").collect();
    text.push_str(&count(problems));
    text.push('\n');
    text
}

/// Writes one problem as [`render`] does, in plain text.
pub fn render_one(problem: &Diagnostic) -> String {
    Renderer::plain().render(&[group(problem)])
}

fn group(problem: &Diagnostic) -> Group<'static> {
    let (level, name) = match problem.severity {
        Severity::Error => (Level::ERROR, "error: "),
        Severity::Warning => (Level::WARNING, "warning: "),
        Severity::Note => (Level::NOTE, "note: "),
    };
    let title = level.primary_title(wrapped(&problem.message, WIDTH - name.len()));
    let (group, gutter) = match (&problem.excerpt, problem.line) {
        (Some(excerpt), Some(line)) => {
            let snippet = Snippet::source(excerpt.line.clone())
                .path(problem.file.clone())
                .line_start(line)
                .annotation(AnnotationKind::Primary.span(excerpt.span.clone()));
            (title.element(snippet), line.to_string().len())
        }
        (None, Some(line)) => {
            let origin = Origin::path(problem.file.clone()).line(line).char_column(problem.column.unwrap_or(1));
            (title.element(origin), 0)
        }
        _ => (title.element(Origin::path(problem.file.clone())), 0),
    };
    match &problem.help {
        Some(help) => group.element(Level::HELP.message(wrapped(help, WIDTH - gutter - " = help: ".len()))),
        None => group,
    }
}

/// `2 errors, 1 warning`, or that there are none; and how many notes there are besides.
pub fn count(problems: &[Diagnostic]) -> String {
    let counted = |severity: Severity, word: &str| {
        let count = problems.iter().filter(|problem| problem.severity == severity).count();
        let plural = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{count} {word}{plural}"))
    };
    let (errors, warnings) = (counted(Severity::Error, "error"), counted(Severity::Warning, "warning"));
    let none = (errors.is_none() && warnings.is_none()).then(|| "no errors, no warnings".to_owned());
    [none, errors, warnings, counted(Severity::Note, "note")].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A problem of another file, such as a template. Nothing of that file is secret.
pub fn in_file(severity: Severity, file: String, at: Option<(&str, Range<usize>)>, said: InvalidValue) -> Diagnostic {
    let place = at.as_ref().map(|(text, span)| Place::of(text, span));
    Diagnostic {
        effect: Effect::BuiltIn,
        part: ConfigPart::Rest,
        severity,
        message: said.message,
        help: (!said.help.is_empty()).then_some(said.help),
        file,
        line: place.as_ref().map(|place| place.line),
        column: place.as_ref().map(|place| place.column),
        excerpt: at.as_ref().zip(place).map(|((text, span), place)| Excerpt::plain(text, &place, span)),
        span: at.map(|(_, span)| span),
    }
}

/// A problem with a file that could not even be read.
pub fn unreadable(file: String, message: String, help: &str) -> Diagnostic {
    Diagnostic {
        effect: Effect::Unusable,
        part: ConfigPart::File,
        ..in_file(Severity::Error, file, None, InvalidValue::new(message, help))
    }
}

/// A file that is no text, so that none of its lines can be shown.
pub fn undecodable(file: String, what: &str, wrong: WrongEncoding) -> Diagnostic {
    let message = format!("{what} cannot be read: {}", wrong.reason);
    let problem = unreadable(file, message, encoding::HELP);
    Diagnostic { line: Some(wrong.line), column: Some(wrong.column), ..problem }
}

/// Why a file cannot be read, without the system's numbers.
pub fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        std::io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::collect::Diagnostics;

    #[test]
    fn a_masked_line_keeps_its_carets_in_place() {
        let text = "a = 1\nsecret = \"abc\", keyword = 5\r\n";
        let problems = Diagnostics::new("orderbell.toml".to_owned(), text);
        problems.mask(15..20);
        problems.error(32..33, "wrong", "");
        problems.error(15..20, "worse", "");
        let found = problems.finish();
        let shown = |problem: &Diagnostic| {
            let excerpt = problem.excerpt.clone().unwrap();
            (excerpt.line[excerpt.span].to_owned(), excerpt.line)
        };
        assert_eq!(shown(&found[0]), ("***".to_owned(), "secret = ***, keyword = 5".to_owned()));
        assert_eq!(shown(&found[1]), ("5".to_owned(), "secret = ***, keyword = 5".to_owned()));
        assert_eq!((found[1].line, found[1].column), (Some(2), Some(27)));
    }

    #[test]
    fn programs_get_the_same_as_people() {
        let problems = Diagnostics::new("orderbell.toml".to_owned(), "a = 1\n");
        problems.warning(4..5, "odd", "be even");
        let found = problems.finish();
        assert_eq!(
            serde_json::to_value(&found[0]).unwrap(),
            serde_json::json!({
                "severity": "warning", "message": "odd", "help": "be even", "file": "orderbell.toml",
                "span": { "start": 4, "end": 5 }, "line": 1, "column": 5,
            })
        );
        assert_eq!(count(&found), "1 warning");
    }

    #[test]
    fn a_note_is_shown_and_counts_as_neither_error_nor_warning() {
        for (severities, counted) in [
            (&[][..], "no errors, no warnings"),
            (&[Severity::Note], "no errors, no warnings, 1 note"),
            (&[Severity::Note, Severity::Note], "no errors, no warnings, 2 notes"),
            (&[Severity::Warning, Severity::Note], "1 warning, 1 note"),
            (&[Severity::Error, Severity::Warning, Severity::Note], "1 error, 1 warning, 1 note"),
        ] {
            let problems = Diagnostics::new("orderbell.toml".to_owned(), "a = 1\n");
            for (at, severity) in severities.iter().enumerate() {
                match severity {
                    Severity::Error => problems.error(at..5, "wrong", "be right"),
                    Severity::Warning => problems.warning(at..5, "odd", "be even"),
                    Severity::Note => problems.note(at..5, "watched only", "end it"),
                }
            }
            assert_eq!(problems.has_errors(), severities.contains(&Severity::Error), "{counted}");
            let found = problems.finish();
            let (shown, json) = (render(&found, Colour::Never), serde_json::to_string(&found).unwrap());
            let notes = severities.iter().filter(|severity| **severity == Severity::Note).count();
            assert_eq!(shown.lines().last(), Some(counted), "{shown}");
            assert_eq!(shown.matches("note: watched only").count(), notes, "{shown}");
            assert_eq!(json.matches(r#""severity":"note""#).count(), notes, "{json}");
        }
    }
}
