//! Cuts a document into parts that each keep within a limit: between blocks, then between items and lines, then between
//! graphemes. Nothing is lost, and nothing is cut inside a grapheme.

use unicode_segmentation::UnicodeSegmentation;

use crate::domain::document::{Block, Document, Field, Inline};
use crate::domain::text::ELLIPSIS;

/// How far back from the limit a blank is looked for, so that words stay whole.
const WORD_GRAPHEMES: usize = 24;

/// Splits a document into parts of which `measure` says at most `limit` each; a document that fits stays whole.
///
/// `measure` must not shrink when something is added. A part is over the limit only where a single grapheme is.
pub fn split(document: &Document, limit: usize, measure: impl Fn(&[Block]) -> usize) -> Vec<Document> {
    if measure(&document.blocks) <= limit {
        return vec![document.clone()];
    }
    let fits = |block: &Block| measure(std::slice::from_ref(block)) <= limit;
    let pieces: Vec<Block> = document.blocks.iter().flat_map(|block| pieces(block, &fits)).collect();
    let parts = runs(&pieces, &|blocks| measure(blocks) <= limit);
    parts.into_iter().map(|blocks| Document { blocks: blocks.to_vec() }).collect()
}

/// Neighbours in runs, each as long as fits, and at least one. A run is found by doubling and halving: measuring it after each
/// item would take as long as the square of its length.
fn runs<'a, T>(items: &'a [T], fits: &dyn Fn(&[T]) -> bool) -> Vec<&'a [T]> {
    let mut runs = Vec::new();
    let mut rest = items;
    while !rest.is_empty() {
        let (mut enough, mut step) = (1, 1);
        while enough < rest.len() && fits(&rest[..(enough + step).min(rest.len())]) {
            enough = (enough + step).min(rest.len());
            step *= 2;
        }
        let mut too_many = (enough + step).min(rest.len() + 1);
        while enough + 1 < too_many {
            let middle = usize::midpoint(enough, too_many);
            match fits(&rest[..middle]) {
                true => enough = middle,
                false => too_many = middle,
            }
        }
        let (run, next) = rest.split_at(enough);
        runs.push(run);
        rest = next;
    }
    runs
}

/// A block as it is when it fits, else in pieces that do.
fn pieces(block: &Block, fits: &dyn Fn(&Block) -> bool) -> Vec<Block> {
    if fits(block) {
        return vec![block.clone()];
    }
    match block {
        Block::Heading { level, content } => {
            let level = *level;
            cut(content, &|content| fits(&Block::Heading { level, content: content.to_vec() }))
                .into_iter()
                .map(|content| Block::Heading { level, content })
                .collect()
        }
        Block::Paragraph(content) => cut(content, &|content| fits(&Block::Paragraph(content.to_vec())))
            .into_iter()
            .map(Block::Paragraph)
            .collect(),
        Block::Quote(blocks) => {
            let fits_quoted = |block: &Block| fits(&Block::Quote(vec![block.clone()]));
            let quoted: Vec<Block> = blocks.iter().flat_map(|block| pieces(block, &fits_quoted)).collect();
            gather(&quoted, &|blocks| Block::Quote(blocks.to_vec()), fits)
        }
        Block::List { ordered: true, items } => {
            // A part would count from one again: the numbers become text.
            let lines = items.iter().enumerate().map(|(index, item)| {
                let number = Inline::Text(format!("{}. ", index + 1));
                Block::Paragraph(std::iter::once(number).chain(item.iter().cloned()).collect())
            });
            lines.flat_map(|line| pieces(&line, fits)).collect()
        }
        Block::List { ordered: false, items } => {
            let list = |items: &[Vec<Inline>]| Block::List { ordered: false, items: items.to_vec() };
            let fits_alone = |item: &[Inline]| fits(&list(&[item.to_vec()]));
            let cut_items: Vec<Vec<Inline>> = items.iter().flat_map(|item| cut(item, &fits_alone)).collect();
            gather(&cut_items, &list, fits)
        }
        Block::Fields(fields) => gather_fields(fields, fits),
        // What is too long as a picture may still go as a link, in pieces.
        Block::Picture { alternative, url } => {
            let text = if alternative.trim().is_empty() { url } else { alternative };
            let link = Inline::Link { content: vec![Inline::Text(text.clone())], url: url.clone() };
            pieces(&Block::Paragraph(vec![link]), fits)
        }
    }
}

/// Puts as many neighbours together as fit.
fn gather<T>(items: &[T], block: &dyn Fn(&[T]) -> Block, fits: &dyn Fn(&Block) -> bool) -> Vec<Block> {
    runs(items, &|items| fits(&block(items))).into_iter().map(block).collect()
}

/// A field that is too long keeps its key; what is over of its value follows as paragraphs.
fn gather_fields(fields: &[Field], fits: &dyn Fn(&Block) -> bool) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Vec<Field> = Vec::new();
    for field in fields {
        if fits(&Block::Fields(vec![field.clone()])) {
            open.push(field.clone());
            continue;
        }
        let as_line = |value: &[Inline]| {
            let mut line = vec![Inline::Strong(field.key.clone()), Inline::Text(field.colon.as_str().to_owned())];
            line.extend_from_slice(value);
            Block::Paragraph(line)
        };
        blocks.extend(gather(&std::mem::take(&mut open), &|fields| Block::Fields(fields.to_vec()), fits));
        blocks.extend(pieces(&as_line(&field.value), fits));
    }
    blocks.extend(gather(&open, &|fields| Block::Fields(fields.to_vec()), fits));
    blocks
}

/// Cuts a run of inlines: between lines, else between graphemes.
fn cut(content: &[Inline], fits: &dyn Fn(&[Inline]) -> bool) -> Vec<Vec<Inline>> {
    let mut runs = Vec::new();
    let mut open: Vec<Inline> = Vec::new();
    let content = reachable(content, fits);
    for line in content.split(|inline| *inline == Inline::Break) {
        let mut longer = open.clone();
        if !open.is_empty() {
            longer.push(Inline::Break);
        }
        longer.extend_from_slice(line);
        if fits(&longer) {
            open = longer;
            continue;
        }
        if !open.is_empty() {
            runs.push(std::mem::take(&mut open));
        }
        let mut rest = line.to_vec();
        while !rest.is_empty() && !fits(&rest) {
            let (head, tail) = cut_at(&rest, longest(&rest, fits));
            runs.push(head);
            rest = tail;
        }
        open = rest;
    }
    if !open.is_empty() {
        runs.push(open);
    }
    runs
}

/// The run with the links that can be written at all. One whose address alone is over the limit keeps its text, and a mark
/// that something is gone.
fn reachable(content: &[Inline], fits: &dyn Fn(&[Inline]) -> bool) -> Vec<Inline> {
    let mut kept = Vec::with_capacity(content.len());
    for inline in content {
        match inline {
            Inline::Link { content, url }
                if !fits(&[Inline::Link { content: vec![Inline::Text(ELLIPSIS.into())], url: url.clone() }]) =>
            {
                kept.extend(content.iter().cloned());
                kept.push(Inline::Text(format!(" ({ELLIPSIS})")));
            }
            Inline::Strong(content) => kept.push(Inline::Strong(reachable(content, fits))),
            Inline::Emphasis(content) => kept.push(Inline::Emphasis(reachable(content, fits))),
            Inline::Toned { tone, content } => {
                kept.push(Inline::Toned { tone: *tone, content: reachable(content, fits) });
            }
            other => kept.push(other.clone()),
        }
    }
    kept
}

/// How many graphemes of the run fit; at least one, so that the cutting ends. Words are left whole where that is cheap.
fn longest(content: &[Inline], fits: &dyn Fn(&[Inline]) -> bool) -> usize {
    let (mut enough, mut too_many) = (1, graphemes(content));
    while enough + 1 < too_many {
        let middle = usize::midpoint(enough, too_many);
        match fits(&cut_at(content, middle).0) {
            true => enough = middle,
            false => too_many = middle,
        }
    }
    let head = text_of(&cut_at(content, enough).0);
    let after_blank = head.graphemes(true).rev().take(WORD_GRAPHEMES).position(|grapheme| grapheme == " ");
    match after_blank {
        Some(back) if enough > back => enough - back,
        _ => enough,
    }
}

fn graphemes(content: &[Inline]) -> usize {
    content.iter().map(graphemes_of).sum()
}

fn graphemes_of(inline: &Inline) -> usize {
    match inline {
        Inline::Text(text) => text.graphemes(true).count(),
        Inline::Strong(content)
        | Inline::Emphasis(content)
        | Inline::Toned { content, .. }
        | Inline::Link { content, .. } => graphemes(content).max(1),
        Inline::Break => 1,
    }
}

fn text_of(content: &[Inline]) -> String {
    content
        .iter()
        .map(|inline| match inline {
            Inline::Text(text) => text.clone(),
            Inline::Strong(content)
            | Inline::Emphasis(content)
            | Inline::Toned { content, .. }
            | Inline::Link { content, .. } => text_of(content),
            Inline::Break => "\n".to_owned(),
        })
        .collect()
}

/// Cuts a run after so many graphemes. What is strong, emphasised, toned or a link is so on both sides of the cut.
fn cut_at(content: &[Inline], count: usize) -> (Vec<Inline>, Vec<Inline>) {
    let mut left = count;
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    for inline in content {
        let size = graphemes_of(inline);
        if left == 0 {
            tail.push(inline.clone());
            continue;
        }
        if size <= left {
            left -= size;
            head.push(inline.clone());
            continue;
        }
        let (before, after) = cut_inline(inline, left);
        left = 0;
        head.push(before);
        tail.push(after);
    }
    (head, tail)
}

fn cut_inline(inline: &Inline, count: usize) -> (Inline, Inline) {
    match inline {
        Inline::Text(text) => {
            let at = text.grapheme_indices(true).nth(count).map_or(text.len(), |(at, _)| at);
            (Inline::Text(text[..at].to_owned()), Inline::Text(text[at..].to_owned()))
        }
        Inline::Strong(content) => {
            let (before, after) = cut_at(content, count);
            (Inline::Strong(before), Inline::Strong(after))
        }
        Inline::Emphasis(content) => {
            let (before, after) = cut_at(content, count);
            (Inline::Emphasis(before), Inline::Emphasis(after))
        }
        Inline::Toned { tone, content } => {
            let (before, after) = cut_at(content, count);
            (Inline::Toned { tone: *tone, content: before }, Inline::Toned { tone: *tone, content: after })
        }
        Inline::Link { content, url } => {
            let (before, after) = cut_at(content, count);
            (Inline::Link { content: before, url: url.clone() }, Inline::Link { content: after, url: url.clone() })
        }
        Inline::Break => (Inline::Break, Inline::Break),
    }
}
