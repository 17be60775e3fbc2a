//! The text of a mail: the document as plain lines, for readers and programs that show no HTML.

use crate::domain::document::{Block, Inline, PICTURE, inline_text};

/// Writes blocks with an empty line between them.
pub fn write(blocks: &[Block]) -> String {
    blocks.iter().map(block).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading { content, .. } => inlines(content).replace('\n', " "),
        Block::Paragraph(content) => inlines(content),
        Block::Quote(blocks) => prefixed(&write(blocks), "> ", "> "),
        Block::List { ordered, items } => {
            let items = items.iter().enumerate().map(|(index, item)| match ordered {
                true => prefixed(&inlines(item), &format!("{}. ", index + 1), "   "),
                false => prefixed(&inlines(item), "- ", "  "),
            });
            items.collect::<Vec<_>>().join("\n")
        }
        Block::Fields(fields) => {
            let fields = fields.iter().map(|field| {
                let key = inlines(&field.key).replace('\n', " ");
                prefixed(&inlines(&field.value), &format!("{key}{}", field.colon.as_str()), "  ")
            });
            fields.collect::<Vec<_>>().join("\n")
        }
        Block::Picture { alternative, url } if url == PICTURE => format!("[{alternative}]"),
        Block::Picture { alternative, url } => format!("{alternative} ({url})"),
    }
}

/// The lines of a text, the first with one prefix and the others with another.
fn prefixed(text: &str, first: &str, others: &str) -> String {
    let lines = text.split('\n').enumerate().map(|(index, line)| {
        let prefix = if index == 0 { first } else { others };
        format!("{prefix}{line}").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn inlines(content: &[Inline]) -> String {
    let mut out = String::new();
    for inline in content {
        match inline {
            Inline::Text(text) => out.push_str(text),
            Inline::Strong(content) | Inline::Emphasis(content) | Inline::Toned { content, .. } => {
                out.push_str(&inlines(content));
            }
            Inline::Link { content, url } => {
                out.push_str(&inlines(content));
                if inline_text(content) != *url {
                    out.push_str(&format!(" ({url})"));
                }
            }
            Inline::Break => out.push('\n'),
        }
    }
    out
}
