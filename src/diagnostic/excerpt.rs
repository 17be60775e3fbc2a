//! The line of a text that a problem stands in, with its place, and with secrets masked.

use std::ops::Range;

/// The line that a problem stands in, with secrets masked, and the place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    pub line: String,
    pub span: Range<usize>,
}

impl Excerpt {
    /// The line as it stands there, for texts without secrets.
    pub fn plain(text: &str, place: &Place, span: &Range<usize>) -> Self {
        let line = &text[place.bytes.clone()];
        let within = |at: usize| line.floor_char_boundary(at.saturating_sub(place.bytes.start).min(line.len()));
        let start = within(span.start);
        Self { line: line.to_owned(), span: start..within(span.end).max(start) }
    }
}

/// Line and column of a span, and the bytes of its first line.
pub struct Place {
    pub line: usize,
    pub column: usize,
    pub bytes: Range<usize>,
}

impl Place {
    pub fn of(text: &str, span: &Range<usize>) -> Self {
        Self::among(text, span, &newlines(text))
    }

    /// As [`Place::of`], with the [`newlines`] of the text: from its start each place would take as long as the text.
    pub fn among(text: &str, span: &Range<usize>, newlines: &[usize]) -> Self {
        let at = text.floor_char_boundary(span.start);
        // A mark of UTF-8 before the text is no part of its first line.
        let first = text.len() - text.trim_start_matches('\u{feff}').len();
        let start = text[..at].rfind('\n').map_or(first, |newline| newline + 1);
        let at = at.max(start);
        let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
        let end = start + text[start..end].trim_end_matches('\r').len();
        Self {
            line: newlines.partition_point(|newline| *newline < start) + 1,
            column: text[start..at].chars().count() + 1,
            bytes: start..end,
        }
    }
}

/// Where the lines of a text end.
pub fn newlines(text: &str) -> Vec<usize> {
    text.match_indices('\n').map(|(at, _)| at).collect()
}

pub fn merged(mut masks: Vec<Range<usize>>) -> Vec<Range<usize>> {
    masks.sort_by_key(|mask| mask.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for mask in masks {
        match merged.last_mut() {
            Some(last) if mask.start < last.end => last.end = last.end.max(mask.end),
            _ => merged.push(mask),
        }
    }
    merged
}

/// A line without its comment: there may be an old secret in it.
fn code(line: &str) -> &str {
    let mut quote = None;
    let comment = line.char_indices().find(|(_, c)| match (quote, *c) {
        (None, '#') => true,
        (None, '"' | '\'') => {
            quote = Some(*c);
            false
        }
        (Some(open), c) if c == open => {
            quote = None;
            false
        }
        _ => false,
    });
    comment.map_or(line, |(at, _)| line[..at].trim_end())
}

/// Cuts a line out of the text, without its comment, `***` in place of each mask, and moves the span along.
pub fn excerpt(text: &str, place: &Place, span: &Range<usize>, masks: &[Range<usize>]) -> Excerpt {
    const HIDDEN: &str = "***";
    let bytes = &place.bytes;
    let (mut line, mut start, mut end) = (String::new(), None, None);
    let mut at = bytes.start;
    // Moves a place of the text into the line; what lies within a mask falls on its edge.
    let mut follow = |line: &str, from: usize, to: usize, masked: bool| {
        let moved = |place: usize, edge: usize| if masked { edge } else { line.len() + (place - from) };
        if start.is_none() && (from..to).contains(&span.start) {
            start = Some(moved(span.start, line.len()));
        }
        if end.is_none() && from < span.end && span.end <= to {
            end = Some(moved(span.end, line.len() + HIDDEN.len()));
        }
    };
    let within = masks.iter().filter(|mask| mask.start < bytes.end && mask.end > bytes.start);
    for mask in within {
        let (from, to) = (mask.start.max(bytes.start), mask.end.min(bytes.end));
        follow(&line, at, from, false);
        line.push_str(&text[at..from]);
        follow(&line, from, to, true);
        line.push_str(HIDDEN);
        at = to;
    }
    let to = at + code(&text[at..bytes.end]).len();
    follow(&line, at, to, false);
    line.push_str(&text[at..to]);
    let start = start.unwrap_or(line.len());
    let end = end.unwrap_or(line.len()).max(start);
    Excerpt { line, span: start..end }
}
