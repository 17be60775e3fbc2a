//! The reduced form of a document, for a receiver that has refused its content.

use crate::domain::document::{Block, Document, Inline, Tone};

impl Document {
    /// The document without free text, links and pictures: quotes are the words of others, and go as a whole.
    pub fn reduced(&self) -> Document {
        let kept = |block: &Block| match block {
            Block::Quote(_) | Block::Picture { .. } => None,
            Block::Heading { level, content } => Some(Block::Heading { level: *level, content: unlinked(content) }),
            Block::Paragraph(content) => Some(Block::Paragraph(unlinked(content))),
            Block::List { ordered, items } => {
                Some(Block::List { ordered: *ordered, items: items.iter().map(|item| unlinked(item)).collect() })
            }
            Block::Fields(fields) => {
                let mut fields = fields.clone();
                for field in &mut fields {
                    field.value = unlinked(&field.value);
                }
                Some(Block::Fields(fields))
            }
        };
        Document { blocks: self.blocks.iter().filter_map(kept).collect() }
    }
}

/// The inlines without what is quoted, with the texts of their links alone.
fn unlinked(content: &[Inline]) -> Vec<Inline> {
    let mut kept = Vec::new();
    for inline in content {
        match inline {
            Inline::Toned { tone: Tone::Quoted, .. } => {
                while matches!(kept.last(), Some(Inline::Break)) {
                    kept.pop();
                }
            }
            Inline::Link { content, .. } => kept.extend(unlinked(content)),
            Inline::Strong(content) => kept.push(Inline::Strong(unlinked(content))),
            Inline::Emphasis(content) => kept.push(Inline::Emphasis(unlinked(content))),
            Inline::Toned { tone, content } => kept.push(Inline::Toned { tone: *tone, content: unlinked(content) }),
            other => kept.push(other.clone()),
        }
    }
    kept
}
