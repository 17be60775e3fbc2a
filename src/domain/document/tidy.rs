//! Tidies a run of inlines as it was read: neighbours joined, ends of lines resolved, nothing empty left.

use crate::domain::document::{Inline, is_wide};

/// Where a line of the source ended: a blank or nothing, which only its neighbours tell.
pub const SOFT: char = '\n';

/// Joins neighbouring texts, resolves soft breaks, and takes breaks and blanks off the ends.
pub fn tidy(inlines: Vec<Inline>) -> Vec<Inline> {
    let mut tidied: Vec<Inline> = Vec::with_capacity(inlines.len());
    for inline in inlines {
        let inline = match inline {
            Inline::Strong(content) => Inline::Strong(tidy(content)),
            Inline::Emphasis(content) => Inline::Emphasis(tidy(content)),
            Inline::Toned { tone, content } => Inline::Toned { tone, content: tidy(content) },
            Inline::Link { content, url } => Inline::Link { content: tidy(content), url },
            other => other,
        };
        match (tidied.last_mut(), inline) {
            (Some(Inline::Text(text)), Inline::Text(more)) => text.push_str(&more),
            (None, Inline::Break) => {}
            (_, Inline::Strong(content) | Inline::Emphasis(content) | Inline::Toned { content, .. })
                if content.is_empty() => {}
            (_, inline) => tidied.push(inline),
        }
    }
    while matches!(tidied.last(), Some(Inline::Break)) {
        tidied.pop();
    }
    for inline in &mut tidied {
        if let Inline::Text(text) = inline
            && text.contains(SOFT)
        {
            *text = join_lines(text);
        }
    }
    tidied.retain(|inline| !matches!(inline, Inline::Text(text) if text.is_empty()));
    tidied
}

/// The lines of a text as one: with a blank between, but not between two wide characters, which Chinese has none between.
fn join_lines(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for (index, line) in text.split(SOFT).enumerate() {
        let ends_wide = joined.chars().next_back().is_some_and(is_wide);
        let starts_wide = line.chars().next().is_some_and(is_wide);
        if index > 0 && !(ends_wide && starts_wide) {
            joined.push(' ');
        }
        joined.push_str(line);
    }
    joined
}
