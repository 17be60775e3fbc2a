//! A document as a plain text message of WeCom: for groups that are read in WeChat, which shows no markdown.

use crate::channel::wecom::markdown::{BLOCK_BREAK, INDENT, LINE_BREAK, wide};
use crate::domain::document::{Block, Inline, inline_text};

/// Writes blocks as the `content` of a text message. Nothing is markup in it but `<@user>`, so `<` and `>` become their
/// full-width look-alikes.
pub fn write(blocks: &[Block]) -> String {
    let blocks: Vec<String> = blocks.iter().map(block).filter(|block| !block.is_empty()).collect();
    blocks.join(BLOCK_BREAK)
}

fn block(block: &Block) -> String {
    let lines: Vec<String> = match block {
        Block::Heading { content, .. } | Block::Paragraph(content) => vec![inlines(content)],
        // Words of others stay set apart from ours: a line of theirs cannot look like one of these.
        Block::Quote(blocks) => write(blocks).lines().filter(|line| !line.is_empty()).map(quoted).collect(),
        Block::List { ordered, items } => {
            let number = |index: usize| if *ordered { format!("{}. ", index + 1) } else { "• ".to_owned() };
            let item = |item: &[Inline]| inlines(item).replace(LINE_BREAK, &format!("{LINE_BREAK}{INDENT}"));
            items.iter().enumerate().map(|(index, content)| format!("{}{}", number(index), item(content))).collect()
        }
        Block::Fields(fields) => {
            let field = |key: &str, colon: &str, value: &str| format!("{key}{colon}{value}").trim_end().to_owned();
            fields.iter().map(|f| field(&inlines(&f.key), f.colon.as_str(), &inlines(&f.value))).collect()
        }
        Block::Picture { alternative, url } => vec![with_address(&escape(alternative), url)],
    };
    lines.join(LINE_BREAK)
}

fn quoted(line: &str) -> String {
    if line.starts_with("> ") { line.to_owned() } else { format!("> {line}") }
}

fn inlines(content: &[Inline]) -> String {
    let mut out = String::new();
    for inline in content {
        match inline {
            Inline::Text(text) => out.push_str(&escape(text)),
            Inline::Strong(content) | Inline::Emphasis(content) | Inline::Toned { content, .. } => {
                out.push_str(&inlines(content));
            }
            Inline::Link { content, url } if inline_text(content) == *url => out.push_str(&escape(url)),
            Inline::Link { content, url } => out.push_str(&with_address(&inlines(content), url)),
            Inline::Break => out.push_str(LINE_BREAK),
        }
    }
    out
}

fn with_address(text: &str, url: &str) -> String {
    let address = escape(url);
    if text.trim().is_empty() { address } else { format!("{text} ({address})") }
}

fn escape(text: &str) -> String {
    let safe = |character| match character {
        '<' | '>' => wide(character),
        '\r' | '\n' => ' ',
        _ => character,
    };
    text.chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_message_reads_as_lines_and_calls_nobody() {
        let text = |text: &str| vec![Inline::Text(text.to_owned())];
        let link = Inline::Link { content: text("the order"), url: "https://a.example/1".to_owned() };
        let blocks = [
            Block::Heading { level: 1, content: text("New order") },
            Block::List { ordered: false, items: vec![[text("tea"), vec![Inline::Break], text("no ice")].concat()] },
            Block::Quote(vec![Block::Paragraph(text("<@all> hurry"))]),
            Block::Paragraph(vec![link]),
        ];
        let expected = "New order\n\n• tea\n\u{3000}no ice\n\n> ＜@all＞ hurry\n\nthe order (https://a.example/1)";
        assert_eq!(write(&blocks), expected);
    }
}
