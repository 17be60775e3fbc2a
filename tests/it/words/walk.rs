//! What stands in a document, piece by piece.

use std::collections::BTreeSet;

use orderbell::domain::bidi::is_isolate;
use orderbell::domain::document::{Block, Document, Inline};
use unicode_segmentation::UnicodeSegmentation;

use crate::words::channels::URL;

/// Everything in a document, one by one: the sort of each piece of markup, its address, and the texts.
pub fn walk(document: &Document, see: &mut dyn FnMut(&'static str, &str)) {
    fn inlines(content: &[Inline], see: &mut dyn FnMut(&'static str, &str)) {
        for inline in content {
            match inline {
                Inline::Text(text) => see("text", text),
                Inline::Break => see("text", " "),
                Inline::Strong(content) => {
                    see("strong", "");
                    inlines(content, see);
                }
                Inline::Emphasis(content) => {
                    see("emphasis", "");
                    inlines(content, see);
                }
                Inline::Toned { content, .. } => {
                    see("tone", "");
                    inlines(content, see);
                }
                Inline::Link { content, url } => {
                    see("link", url);
                    inlines(content, see);
                }
            }
        }
    }
    fn blocks(content: &[Block], see: &mut dyn FnMut(&'static str, &str)) {
        for block in content {
            match block {
                Block::Heading { content, .. } => {
                    see("heading", "");
                    inlines(content, see);
                }
                Block::Paragraph(content) => {
                    see("paragraph", "");
                    inlines(content, see);
                }
                Block::Quote(content) => {
                    see("quote", "");
                    blocks(content, see);
                }
                Block::List { items, .. } => {
                    see("list", "");
                    items.iter().for_each(|item| inlines(item, see));
                }
                Block::Fields(fields) => {
                    see("field", "");
                    for field in fields {
                        inlines(&field.key, see);
                        see("text", " ");
                        inlines(&field.value, see);
                    }
                }
                Block::Picture { alternative, url } => {
                    see("picture", url);
                    see("text", alternative);
                }
            }
            see("text", " ");
        }
    }
    blocks(&document.blocks, see);
}

/// The letters and the dangerous marks in the sequence in which one reads them, look-alikes as what they look like. Marks
/// that a dialect writes itself, such as bullets, numbers and isolates, are left out.
pub fn read_aloud(documents: &[Document]) -> Vec<String> {
    let mut out = Vec::new();
    for document in documents {
        let mut text = String::new();
        walk(document, &mut |sort, piece| {
            if sort == "text" {
                text.push_str(piece);
            }
        });
        // What is shown as plain text names the addresses of its links.
        let text = text.replace(&format!("({URL})"), " ");
        let narrow = |character| match character {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).unwrap(),
            _ => character,
        };
        let plain: String = text.chars().map(narrow).collect();
        let audible = |grapheme: &&str| {
            let first = grapheme.chars().next().unwrap();
            let is_mark = first == '•' || is_isolate(first);
            let is_letter = first.is_alphabetic() || (!first.is_ascii() && !first.is_whitespace() && !is_mark);
            is_letter || "[]`&!<".contains(first)
        };
        out.extend(plain.graphemes(true).filter(audible).map(str::to_owned));
    }
    out
}

/// The sorts of markup in a document.
pub fn sorts(document: &Document) -> BTreeSet<&'static str> {
    let mut sorts = BTreeSet::new();
    walk(document, &mut |sort, _| {
        sorts.insert(sort);
    });
    sorts
}

pub fn addresses(documents: &[Document]) -> Vec<String> {
    let mut addresses = Vec::new();
    for document in documents {
        walk(document, &mut |sort, url| {
            if matches!(sort, "link" | "picture") {
                addresses.push(url.to_owned());
            }
        });
    }
    addresses
}
