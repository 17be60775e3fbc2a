//! A document in DingTalk's dialect of Markdown: the documented subset, with an escaping under which no value is markup.

use crate::domain::document::{Block, Field, Inline};
use crate::domain::text::{calm, closing_marks, list_marker};

/// The line break within a block. A single line feed is swallowed by the clients; two blanks before and after are kept
/// (facts of the developer forum, and CommonMark's own hard break).
const LINE_BREAK: &str = "  \n  ";

/// Blocks are set apart by an empty line.
const BLOCK_BREAK: &str = "\n\n";

/// Writes blocks as the `text` of a markdown message.
pub fn write(blocks: &[Block]) -> String {
    join(blocks.iter().map(block), BLOCK_BREAK)
}

fn block(block: &Block) -> String {
    match block {
        // Deep headings are reported not to render.
        Block::Heading { level, content } => {
            let marks = "#".repeat(usize::from((*level).clamp(1, 4)));
            format!("{marks} {}", line(content).replace(LINE_BREAK, " "))
        }
        Block::Paragraph(content) => line(content),
        // Each line carries its own mark: the clients do not continue a quote by themselves.
        Block::Quote(blocks) => {
            let inner = write(blocks);
            let lines = inner.lines().map(|line| match line.trim() {
                "" => ">".to_owned(),
                text => format!("> {text}"),
            });
            join(lines, "  \n")
        }
        Block::List { ordered, items } => {
            let items = items.iter().enumerate().map(|(index, item)| match ordered {
                true => format!("{}. {}", index + 1, item_line(item, "   ")),
                false => format!("- {}", item_line(item, "  ")),
            });
            join(items, BLOCK_BREAK)
        }
        // Each a paragraph: the blanks of a line break would stand before the facts.
        Block::Fields(fields) => join(fields.iter().map(field), BLOCK_BREAK),
        Block::Picture { alternative, url } => format!("![{}]({})", escape(alternative, Place::Within), address(url)),
    }
}

fn field(field: &Field) -> String {
    let key = line(&field.key).replace(LINE_BREAK, " ");
    format!("**{}{}** {}", key, field.colon.as_str().trim_end(), inlines(&field.value, Place::Within))
        .trim_end()
        .to_owned()
}

/// An item whose further lines are indented below its first, so that they stay in it.
fn item_line(item: &[Inline], indent: &str) -> String {
    line(item).replace(LINE_BREAK, &format!("  \n{indent}"))
}

/// Where a text stands in its line: only at the start can a `#`, a dash or a number be markup.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Within,
}

fn line(content: &[Inline]) -> String {
    inlines(content, Place::Start)
}

fn inlines(content: &[Inline], mut place: Place) -> String {
    let mut out = String::new();
    for inline in content {
        match inline {
            Inline::Text(text) => out.push_str(&escape(text, place)),
            Inline::Strong(content) => out.push_str(&marked(content, "**")),
            Inline::Emphasis(content) => out.push_str(&marked(content, "*")),
            // Colours are shown by some clients alone (third parties), so the words have to do.
            Inline::Toned { content, .. } => out.push_str(&inlines(content, place)),
            Inline::Link { content, url } => {
                let text = inlines(content, Place::Within).replace(LINE_BREAK, " ");
                calm(&mut out);
                out.push_str(&format!("[{text}]({})", address(url)));
            }
            Inline::Break => out.push_str(LINE_BREAK),
        }
        place = if matches!(inline, Inline::Break) { Place::Start } else { Place::Within };
    }
    out
}

/// Emphasis marks count only directly beside a visible character, so blanks go outside.
fn marked(content: &[Inline], mark: &str) -> String {
    let inner = inlines(content, Place::Within).replace(LINE_BREAK, " ");
    let text = inner.trim();
    if text.is_empty() {
        return inner;
    }
    let (before, rest) = inner.split_at(inner.len() - inner.trim_start().len());
    let after = &rest[text.len()..];
    format!("{before}{mark}{text}{mark}{after}")
}

/// Entities for `& < >`, backslashes for the rest: the set that the most deployed bridge to DingTalk uses.
fn escape(text: &str, place: Place) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let marker = if place == Place::Start { list_marker(text) } else { None };
    let closing = closing_marks(text);
    for (at, character) in text.char_indices() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' => {
                out.push('\\');
                out.push(character);
            }
            '#' if closing == Some(at) => out.push_str("\\#"),
            '#' | '-' | '+' | '=' | '~' | '|' if at == 0 && place == Place::Start => {
                out.push('\\');
                out.push(character);
            }
            '.' | ')' if marker == Some(at) => {
                out.push('\\');
                out.push(character);
            }
            '\r' | '\n' => out.push(' '),
            _ => out.push(character),
        }
    }
    out
}

/// An address in which nothing ends the link.
fn address(url: &str) -> String {
    let mut out = String::with_capacity(url.len());
    for character in url.chars() {
        match character {
            '(' => out.push_str("%28"),
            ')' => out.push_str("%29"),
            '<' => out.push_str("%3C"),
            '>' => out.push_str("%3E"),
            '\\' => out.push_str("%5C"),
            _ if character.is_whitespace() || character.is_control() => out.push_str("%20"),
            _ => out.push(character),
        }
    }
    out
}

fn join(pieces: impl Iterator<Item = String>, between: &str) -> String {
    pieces.filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::document::read::read;
    use crate::domain::document::{Colon, Document};

    fn text(text: &str) -> Vec<Inline> {
        vec![Inline::Text(text.to_owned())]
    }

    #[test]
    fn each_block_is_written_in_the_documented_set() {
        let blocks = [
            Block::Heading { level: 1, content: text("New order #1") },
            Block::List { ordered: false, items: vec![[text("tea"), vec![Inline::Break], text("no ice")].concat()] },
            Block::Quote(vec![Block::Paragraph(text("please hurry"))]),
            Block::Fields(vec![
                Field { key: text("Shop"), value: text("Noodle House"), colon: Colon::Narrow },
                Field { key: text("合计"), value: text("SAR 1"), colon: Colon::Wide },
            ]),
        ];
        let expected =
            "# New order #1\n\n- tea  \n  no ice\n\n> please hurry\n\n**Shop:** Noodle House\n\n**合计：** SAR 1";
        assert_eq!(write(&blocks), expected);
    }

    #[test]
    fn a_link_cannot_be_ended_by_its_address_nor_become_a_picture() {
        let link = Inline::Link { content: text("a]b"), url: "https://a.example/(x) y".to_owned() };
        let content = [text("hurry!"), vec![link]].concat();
        assert_eq!(write(&[Block::Paragraph(content)]), r"hurry！[a\]b](https://a.example/%28x%29%20y)");
    }

    proptest! {
        /// Whatever a value holds, reading the text back gives that value and nothing else.
        #[test]
        fn no_text_is_markup(value in "[#>+=~|.)0-9a\\-*_`\\[\\]<>&;!(/:\\\\ @中]{1,40}", note in "[#>+\\-=*0-9.) a]{1,20}") {
            let value = crate::domain::text::one_line(&value);
            let note = crate::domain::text::one_line(&note);
            prop_assume!(!value.is_empty() && !note.is_empty());
            let blocks = vec![
                Block::Heading { level: 1, content: text(&format!("T {value}")) },
                Block::Paragraph(text(&value)),
                Block::Quote(vec![Block::Paragraph(text(&note))]),
                Block::List { ordered: false, items: vec![[text(&value), vec![Inline::Break], text(&note)].concat()] },
            ];
            let document = Document { blocks };
            prop_assert_eq!(read(&write(&document.blocks)), document);
        }
    }
}
