//! A document as text that shows its structure and every word of it, for snapshots: no channel's dialect, no escapes.

use orderbell::domain::document::{Block, Document, Inline};

/// Each block by a mark of its own, an empty line between blocks.
pub fn outline(document: &Document) -> String {
    blocks(&document.blocks).join("\n\n")
}

fn blocks(blocks: &[Block]) -> Vec<String> {
    blocks.iter().map(block).collect()
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading { level, content } => format!("{} {}", "#".repeat(usize::from(*level)), inlines(content)),
        Block::Paragraph(content) => inlines(content),
        Block::Quote(quoted) => {
            let quoted = blocks(quoted).join("\n\n");
            quoted.lines().map(|line| format!("> {line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
        }
        Block::List { ordered, items } => {
            let mark = |index: usize| if *ordered { format!("{}.", index + 1) } else { "-".to_owned() };
            let items = items.iter().enumerate().map(|(index, item)| format!("{} {}", mark(index), inlines(item)));
            items.collect::<Vec<_>>().join("\n")
        }
        Block::Fields(fields) => {
            let fields = fields.iter().map(|field| format!("{} := {}", inlines(&field.key), inlines(&field.value)));
            fields.collect::<Vec<_>>().join("\n")
        }
        Block::Picture { alternative, url } => format!("{{picture {url}: {alternative}}}"),
    }
}

fn inlines(content: &[Inline]) -> String {
    let piece = |inline: &Inline| match inline {
        Inline::Text(text) => text.clone(),
        Inline::Strong(content) => format!("{{strong: {}}}", inlines(content)),
        Inline::Emphasis(content) => format!("{{emphasis: {}}}", inlines(content)),
        Inline::Toned { tone, content } => format!("{{{tone:?}: {}}}", inlines(content)),
        Inline::Link { content, url } => format!("{{link {url}: {}}}", inlines(content)),
        Inline::Break => "{break}\n  ".to_owned(),
    };
    content.iter().map(piece).collect()
}
