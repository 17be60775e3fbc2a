//! Collects what is wrong while a file is read: each with its place, what it means for the daemon, and what must not be shown.

use std::cell::RefCell;
use std::ops::Range;

use crate::diagnostic::excerpt::{Place, excerpt, merged, newlines};
use crate::diagnostic::masked::MaskedText;
use crate::diagnostic::{ConfigPart, Diagnostic, Effect, Severity};
use crate::domain::mask::known::Secrets;

/// A problem before its line is known.
struct Found {
    severity: Severity,
    effect: Effect,
    part: ConfigPart,
    span: Option<Range<usize>>,
    message: String,
    help: Option<String>,
}

/// Collects problems while a file is read; whoever reads a part of it has a reference.
pub struct Diagnostics<'t> {
    file: String,
    text: &'t str,
    collected: RefCell<Collected>,
}

#[derive(Default)]
struct Collected {
    list: Vec<Found>,
    /// Diagnostics of other files.
    elsewhere: Vec<Diagnostic>,
    /// What came out when the templates were tried; none of it keeps the daemon from starting.
    of_templates: Vec<Diagnostic>,
    /// Bytes of the text that must not be shown.
    masks: Vec<Range<usize>>,
    /// Texts that no message may hold.
    hidden: Secrets,
    /// What stands elsewhere and is only referred to: it may be wrong without a mistake in this file.
    references: Vec<Range<usize>>,
    /// Where the text stops making sense, when it has a syntax error: what seems missing from there on may be there.
    broken_at: Option<usize>,
    /// Where something is left out that cannot be read: what is found there may be a consequence.
    left_out: Vec<Range<usize>>,
    /// What is read now.
    part: ConfigPart,
}

impl<'t> Diagnostics<'t> {
    pub fn new(file: String, text: &'t str) -> Self {
        Self { file, text, collected: RefCell::default() }
    }

    pub fn text(&self) -> &'t str {
        self.text
    }

    /// What is wrong with something that is only referred to makes wait what it belongs to; any other error makes the
    /// configuration unusable.
    pub fn error(&self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        let refers = self.collected.borrow().references.contains(&self.whole(span.clone()));
        let effect = if refers { Effect::Waits } else { Effect::Unusable };
        self.push((Severity::Error, effect), Some(span), message.into(), help.into());
    }

    /// An error for which built-in words are used.
    pub fn without_words(&self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.push((Severity::Error, Effect::BuiltIn), Some(span), message.into(), help.into());
    }

    /// From here on what is found belongs to this part.
    pub fn enter(&self, part: ConfigPart) {
        self.collected.borrow_mut().part = part;
    }

    /// The value here is in another file or in the environment.
    pub fn refers(&self, span: Range<usize>) {
        self.collected.borrow_mut().references.push(self.whole(span));
    }

    /// The span in whole characters: what was read may be a copy with others of the same length.
    fn whole(&self, span: Range<usize>) -> Range<usize> {
        self.text.floor_char_boundary(span.start)..self.text.ceil_char_boundary(span.end)
    }

    /// Why something waits, where anything since `mark` makes it wait.
    pub fn waits_since(&self, mark: usize) -> Option<String> {
        let collected = self.collected.borrow();
        let mut since = collected.list.iter().skip(mark);
        since.find(|found| found.effect == Effect::Waits).map(|found| found.message.clone())
    }

    /// Without what was found since `mark` nothing works.
    pub fn insist(&self, mark: usize) {
        self.collected.borrow_mut().list.iter_mut().skip(mark).for_each(|found| found.effect = Effect::Unusable);
    }

    /// Whether anything keeps the configuration from being used at all.
    pub fn is_unusable(&self) -> bool {
        let is_unusable = |found: &Found| found.severity == Severity::Error && found.effect == Effect::Unusable;
        self.collected.borrow().list.iter().any(is_unusable)
    }

    pub fn warning(&self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.push((Severity::Warning, Effect::Unusable), Some(span), message.into(), help.into());
    }

    /// What was set on purpose, but is not to stay.
    pub fn note(&self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.push((Severity::Note, Effect::Unusable), Some(span), message.into(), help.into());
    }

    /// A warning about something that stands nowhere in the file.
    pub fn absence(&self, message: impl Into<String>, help: impl Into<String>) {
        self.push((Severity::Warning, Effect::Unusable), None, message.into(), help.into());
    }

    fn push(&self, (severity, effect): (Severity, Effect), span: Option<Range<usize>>, message: String, help: String) {
        // A text whose closing quote is missing runs on over lines that must not be shown.
        let message = message.lines().next().unwrap_or_default().to_owned();
        let span = span.map(|span| self.whole(span));
        let Collected { list, part, .. } = &mut *self.collected.borrow_mut();
        if !list.iter().any(|found| found.span == span && found.message == message) {
            let help = (!help.is_empty()).then_some(help);
            list.push(Found { severity, effect, part: part.clone(), span, message, help });
        }
    }

    /// Takes over problems of other files.
    pub fn elsewhere(&self, problems: impl IntoIterator<Item = Diagnostic>) {
        self.collected.borrow_mut().elsewhere.extend(problems);
    }

    /// Takes over what does not keep the daemon from starting, whatever its severity.
    pub fn of_templates(&self, problems: impl IntoIterator<Item = Diagnostic>) {
        self.collected.borrow_mut().of_templates.extend(problems);
    }

    /// Whether anything keeps the daemon from starting.
    pub fn has_errors(&self) -> bool {
        let collected = self.collected.borrow();
        let of_this_file = collected.list.iter().map(|found| found.severity);
        let mut all = of_this_file.chain(collected.elsewhere.iter().map(|problem| problem.severity));
        all.any(|severity| severity == Severity::Error)
    }

    /// From here on these bytes are shown as `***`.
    pub fn mask(&self, span: Range<usize>) {
        if !span.is_empty() {
            self.collected.borrow_mut().masks.push(self.whole(span));
        }
    }

    /// As [`Diagnostics::mask`]; and the text that stands there is shown in no message either.
    pub fn hide(&self, span: Range<usize>, text: &str) {
        self.mask(span);
        let hidden = &mut self.collected.borrow_mut().hidden;
        *hidden = std::mem::take(hidden).text(text);
    }

    /// The text, without what must not be shown as far as that is known by now.
    pub fn masked(&self) -> MaskedText<'t> {
        let Collected { masks, hidden, .. } = &*self.collected.borrow();
        MaskedText { text: self.text, masks: merged(masks.clone()), hidden: hidden.clone().whole().mask() }
    }

    /// The text cannot be trusted from this byte on.
    pub fn break_at(&self, at: usize) {
        let broken_at = &mut self.collected.borrow_mut().broken_at;
        *broken_at = Some(broken_at.map_or(at, |before| before.min(at)));
    }

    /// Something in this part of the text cannot be read.
    pub fn leave_out(&self, range: Range<usize>) {
        self.collected.borrow_mut().left_out.push(range);
    }

    pub fn is_broken(&self) -> bool {
        let collected = self.collected.borrow();
        collected.broken_at.is_some() || !collected.left_out.is_empty()
    }

    /// Forgets what was found since `mark` behind a syntax error, or where something is left out: it may be a consequence.
    pub fn forget_consequences(&self, mark: usize) {
        if !self.is_broken() {
            return;
        }
        let Collected { list, broken_at, left_out, .. } = &mut *self.collected.borrow_mut();
        let broken_at = broken_at.unwrap_or(usize::MAX);
        let is_sure = |span: &Range<usize>| {
            span.end <= broken_at && !left_out.iter().any(|range| range.start < span.end && span.start < range.end)
        };
        let since = list.split_off(mark).into_iter();
        list.extend(since.filter(|found| found.span.as_ref().is_some_and(is_sure)));
    }

    /// How many there are so far.
    pub fn mark(&self) -> usize {
        self.collected.borrow().list.len()
    }

    /// Where each of them stands.
    pub fn starts(&self) -> Vec<usize> {
        self.collected.borrow().list.iter().filter_map(|found| Some(found.span.as_ref()?.start)).collect()
    }

    /// Everything that was found, in the order of the file; then what stands nowhere in it, then other files.
    pub fn finish(self) -> Vec<Diagnostic> {
        let Self { file, text, collected } = self;
        let Collected { mut list, elsewhere, of_templates, masks, hidden, .. } = collected.into_inner();
        list.sort_by_key(|found| (found.span.as_ref().map_or(usize::MAX, |span| span.start), found.severity));
        // An example in our own words may begin like a secret.
        let (masks, hidden) = (merged(masks), hidden.whole().mask());
        let newlines = newlines(text);
        let problem = |found: Found| {
            let place = found.span.as_ref().map(|span| Place::among(text, span, &newlines));
            Diagnostic {
                effect: found.effect,
                part: found.part,
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
        list.into_iter().map(problem).chain(elsewhere).chain(of_templates).collect()
    }
}
