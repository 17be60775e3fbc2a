//! What is wrong with a configuration, and how it is shown: to people with the line and a caret, to programs as JSON.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use crate::config::excerpt::{Excerpt, Place, excerpt, merged};
use crate::config::section::Complaint;
use crate::config::wrap::wrapped;
use crate::domain::mask::known::Secrets;

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

/// One thing that is wrong or odd. It never holds a secret's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    #[serde(skip)]
    pub effect: Effect,
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
pub fn render(problems: &[Problem], colour: Colour) -> String {
    let renderer = match colour {
        Colour::Never => Renderer::plain(),
        Colour::Always => Renderer::styled(),
    };
    let mut text = String::new();
    for problem in problems {
        text.push_str(&renderer.render(&[group(problem)]));
        text.push_str("\n\n");
    }
    text.push_str(&count(problems));
    text.push('\n');
    text
}

fn group(problem: &Problem) -> Group<'static> {
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
        _ => (title.element(Origin::path(problem.file.clone())), 0),
    };
    match &problem.help {
        Some(help) => group.element(Level::HELP.message(wrapped(help, WIDTH - gutter - " = help: ".len()))),
        None => group,
    }
}

/// `2 errors, 1 warning`, or that there are none; and how many notes there are besides.
pub fn count(problems: &[Problem]) -> String {
    let counted = |severity: Severity, word: &str| {
        let count = problems.iter().filter(|problem| problem.severity == severity).count();
        let plural = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{count} {word}{plural}"))
    };
    let (errors, warnings) = (counted(Severity::Error, "error"), counted(Severity::Warning, "warning"));
    let none = (errors.is_none() && warnings.is_none()).then(|| "no errors, no warnings".to_owned());
    [none, errors, warnings, counted(Severity::Note, "note")].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A problem before its line is known.
struct Found {
    severity: Severity,
    effect: Effect,
    span: Option<Range<usize>>,
    message: String,
    help: Option<String>,
}

/// Collects problems while a file is read.
pub struct Problems<'t> {
    file: String,
    text: &'t str,
    list: Vec<Found>,
    /// Problems of other files.
    elsewhere: Vec<Problem>,
    /// What came out when the templates were tried; none of it keeps the daemon from starting.
    rehearsed: Vec<Problem>,
    /// Bytes of the text that must not be shown.
    masks: Vec<Range<usize>>,
    /// Texts that no message may hold.
    hidden: Secrets,
    /// What stands elsewhere and is only referred to: it may be wrong without a mistake in this file.
    references: Vec<Range<usize>>,
    /// Where the text stops making sense, when it has a syntax error: what seems missing from there on may be there.
    broken_at: Option<usize>,
}

impl<'t> Problems<'t> {
    pub fn new(file: String, text: &'t str) -> Self {
        Self {
            file,
            text,
            list: Vec::new(),
            elsewhere: Vec::new(),
            rehearsed: Vec::new(),
            masks: Vec::new(),
            hidden: Secrets::default(),
            references: Vec::new(),
            broken_at: None,
        }
    }

    pub fn text(&self) -> &'t str {
        self.text
    }

    /// What is wrong with something that is only referred to makes wait what it belongs to; any other error makes the
    /// configuration unusable.
    pub fn error(&mut self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        let effect = if self.references.contains(&span) { Effect::Waits } else { Effect::Unusable };
        self.push((Severity::Error, effect), Some(span), message.into(), help.into());
    }

    /// An error for which built-in words are used.
    pub fn without_words(&mut self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.push((Severity::Error, Effect::BuiltIn), Some(span), message.into(), help.into());
    }

    /// The value here is in another file or in the environment.
    pub fn refers(&mut self, span: Range<usize>) {
        self.references.push(span);
    }

    /// Why something waits, where anything since `mark` makes it wait.
    pub fn waits_since(&self, mark: usize) -> Option<String> {
        let mut since = self.list.iter().skip(mark);
        since.find(|found| found.effect == Effect::Waits).map(|found| found.message.clone())
    }

    /// Without what was found since `mark` nothing works.
    pub fn insist(&mut self, mark: usize) {
        self.list.iter_mut().skip(mark).for_each(|found| found.effect = Effect::Unusable);
    }

    /// Whether anything keeps the configuration from being used at all.
    pub fn is_unusable(&self) -> bool {
        self.list.iter().any(|found| found.severity == Severity::Error && found.effect == Effect::Unusable)
    }

    pub fn warning(&mut self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.push((Severity::Warning, Effect::Unusable), Some(span), message.into(), help.into());
    }

    /// What was set on purpose, but is not to stay.
    pub fn note(&mut self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.push((Severity::Note, Effect::Unusable), Some(span), message.into(), help.into());
    }

    /// A warning about something that stands nowhere in the file.
    pub fn absence(&mut self, message: impl Into<String>, help: impl Into<String>) {
        self.push((Severity::Warning, Effect::Unusable), None, message.into(), help.into());
    }

    fn push(
        &mut self,
        (severity, effect): (Severity, Effect),
        span: Option<Range<usize>>,
        message: String,
        help: String,
    ) {
        // A text whose closing quote is missing runs on over lines that must not be told.
        let message = message.lines().next().unwrap_or_default().to_owned();
        let known = self.list.iter().any(|found| found.span == span && found.message == message);
        if !known {
            self.list.push(Found { severity, effect, span, message, help: (!help.is_empty()).then_some(help) });
        }
    }

    /// Takes over problems of other files.
    pub fn elsewhere(&mut self, problems: impl IntoIterator<Item = Problem>) {
        self.elsewhere.extend(problems);
    }

    /// Takes over what does not keep the daemon from starting, whatever its severity.
    pub fn rehearsed(&mut self, problems: impl IntoIterator<Item = Problem>) {
        self.rehearsed.extend(problems);
    }

    /// Whether anything keeps the daemon from starting.
    pub fn has_errors(&self) -> bool {
        let of_this_file = self.list.iter().map(|found| found.severity);
        let mut all = of_this_file.chain(self.elsewhere.iter().map(|problem| problem.severity));
        all.any(|severity| severity == Severity::Error)
    }

    /// From here on these bytes are shown as `***`.
    pub fn mask(&mut self, span: Range<usize>) {
        if !span.is_empty() {
            self.masks.push(span);
        }
    }

    /// As [`Problems::mask`]; and the text that stands there is shown in no message either.
    pub fn hide(&mut self, span: Range<usize>, text: &str) {
        self.mask(span);
        self.hidden = std::mem::take(&mut self.hidden).text(text);
    }

    /// The text cannot be trusted from this byte on.
    pub fn break_at(&mut self, at: usize) {
        self.broken_at = Some(self.broken_at.map_or(at, |before| before.min(at)));
    }

    pub fn is_broken(&self) -> bool {
        self.broken_at.is_some()
    }

    /// Forgets what was found behind a syntax error since `mark`: it may be a consequence of it.
    pub fn forget_behind_the_break(&mut self, mark: usize) {
        if let Some(broken_at) = self.broken_at {
            let since = self.list.split_off(mark).into_iter();
            self.list.extend(since.filter(|found| found.span.as_ref().is_some_and(|span| span.end <= broken_at)));
        }
    }

    /// How many there are so far.
    pub fn mark(&self) -> usize {
        self.list.len()
    }

    /// Where each of them stands.
    pub fn starts(&self) -> Vec<usize> {
        self.list.iter().filter_map(|found| Some(found.span.as_ref()?.start)).collect()
    }

    /// Everything that was found, in the order of the file; then what stands nowhere in it, then other files.
    pub fn finish(mut self) -> Vec<Problem> {
        self.list.sort_by_key(|found| (found.span.as_ref().map_or(usize::MAX, |span| span.start), found.severity));
        // An example in our own words may begin like a secret.
        let (masks, hidden) = (merged(self.masks), self.hidden.whole().mask());
        let (file, text) = (self.file, self.text);
        let problem = |found: Found| {
            let place = found.span.as_ref().map(|span| Place::of(text, span));
            Problem {
                effect: found.effect,
                severity: found.severity,
                message: hidden.text(&found.message),
                help: found.help.map(|help| hidden.text(&help)),
                file: file.clone(),
                line: place.as_ref().map(|place| place.line),
                column: place.as_ref().map(|place| place.column),
                excerpt: found.span.as_ref().zip(place).map(|(span, place)| excerpt(text, &place, span, &masks)),
                span: found.span,
            }
        };
        self.list.into_iter().map(problem).chain(self.elsewhere).chain(self.rehearsed).collect()
    }
}

/// A problem of another file, such as a template. Nothing of that file is secret.
pub fn in_file(severity: Severity, file: String, at: Option<(&str, Range<usize>)>, said: Complaint) -> Problem {
    let place = at.as_ref().map(|(text, span)| Place::of(text, span));
    Problem {
        effect: Effect::BuiltIn,
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
pub fn unreadable(file: String, message: String, help: &str) -> Problem {
    Problem { effect: Effect::Unusable, ..in_file(Severity::Error, file, None, Complaint::new(message, help)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_line_keeps_its_carets_in_place() {
        let text = "a = 1\nsecret = \"abc\", keyword = 5\r\n";
        let mut problems = Problems::new("orderbell.toml".to_owned(), text);
        problems.mask(15..20);
        problems.error(32..33, "wrong", "");
        problems.error(15..20, "worse", "");
        let found = problems.finish();
        let shown = |problem: &Problem| {
            let excerpt = problem.excerpt.clone().unwrap();
            (excerpt.line[excerpt.span].to_owned(), excerpt.line)
        };
        assert_eq!(shown(&found[0]), ("***".to_owned(), "secret = ***, keyword = 5".to_owned()));
        assert_eq!(shown(&found[1]), ("5".to_owned(), "secret = ***, keyword = 5".to_owned()));
        assert_eq!((found[1].line, found[1].column), (Some(2), Some(27)));
    }

    #[test]
    fn programs_get_the_same_as_people() {
        let mut problems = Problems::new("orderbell.toml".to_owned(), "a = 1\n");
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
            let mut problems = Problems::new("orderbell.toml".to_owned(), "a = 1\n");
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
