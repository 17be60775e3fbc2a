//! A document in WeCom's first dialect of Markdown: headings, bold, links, quotes and three colours; nothing else is known
//! to it, and nothing escapes.
//!
//! Source: developer.work.weixin.qq.com, path 91770, read through mirrors in November 2026. On the related renderer of
//! WeChat a backslash is shown as it is, and full-width look-alikes work (reports of operators).

use crate::domain::document::{Block, Field, Inline, Tone, inline_text};
use crate::domain::text::{calm, closing_marks, list_marker};

/// Each line of the source is a line on the screen: the vendor's own examples rely on it.
pub const LINE_BREAK: &str = "\n";
/// Blocks are set apart by an empty line.
pub const BLOCK_BREAK: &str = "\n\n";
/// The dialect has no lists, so items get a bullet that is text. What begins with a dash would be a list to some clients.
const BULLET: &str = "• ";
/// Sets the further lines of an item below its first: blanks at the start of a line are swallowed, this one is not.
pub const INDENT: &str = "\u{3000}";

/// Writes blocks as the `content` of a markdown message.
pub fn write(blocks: &[Block]) -> String {
    join(blocks.iter().map(block), BLOCK_BREAK)
}

/// The word that a colour has in this dialect.
pub fn toned(tone: Tone, text: &str) -> String {
    let colour = match tone {
        Tone::Info => "info",
        Tone::Comment => "comment",
        Tone::Warning | Tone::Quoted => "warning",
    };
    format!("<font color=\"{colour}\">{text}</font>")
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading { level, content } => {
            let marks = "#".repeat(usize::from((*level).clamp(1, 6)));
            format!("{marks} {}", inlines(content, Place::Start).replace(LINE_BREAK, " "))
        }
        Block::Paragraph(content) => inlines(content, Place::Start),
        // Quotes in quotes are of the second dialect only.
        Block::Quote(blocks) => {
            let inner = write(blocks);
            let lines = inner.lines().map(|line| line.trim_start_matches("> ")).filter(|line| !line.trim().is_empty());
            join(lines.map(|line| format!("> {line}")), LINE_BREAK)
        }
        Block::List { ordered, items } => {
            let items = items.iter().enumerate().map(|(index, item)| match ordered {
                // After a number a dash would begin a list within.
                true => format!("{}. {}", index + 1, item_line(item, Place::Start)),
                false => format!("{BULLET}{}", item_line(item, Place::Within)),
            });
            join(items, LINE_BREAK)
        }
        Block::Fields(fields) => join(fields.iter().map(field), LINE_BREAK),
        // A robot's markdown shows no pictures.
        Block::Picture { alternative, url } => {
            let text = if alternative.trim().is_empty() { url } else { alternative };
            link(&escape(text, Place::Within), url)
        }
    }
}

/// The key in grey, so that the eye finds the values.
fn field(field: &Field) -> String {
    let key = format!("{}{}", inlines(&field.key, Place::Within), field.colon.as_str().trim_end());
    let key = toned(Tone::Comment, &key.replace(LINE_BREAK, " "));
    format!("{key} {}", inlines(&field.value, Place::Within)).trim_end().to_owned()
}

fn item_line(item: &[Inline], place: Place) -> String {
    inlines(item, place).replace(LINE_BREAK, &format!("{LINE_BREAK}{INDENT}"))
}

/// Where a text stands in its line: only at the start can a `#`, a dash or a number be markup.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Within,
}

fn inlines(content: &[Inline], mut place: Place) -> String {
    let mut out = String::new();
    for inline in content {
        match inline {
            Inline::Text(text) => out.push_str(&escape(text, place)),
            Inline::Strong(content) => out.push_str(&strong(content)),
            // Italics are of the second dialect only.
            Inline::Emphasis(content) => out.push_str(&inlines(content, place)),
            Inline::Toned { tone, content } => {
                out.push_str(&toned(*tone, &inlines(content, Place::Within).replace(LINE_BREAK, " ")));
            }
            Inline::Link { content, url } => {
                let text = inlines(content, Place::Within).replace(LINE_BREAK, " ");
                calm(&mut out);
                out.push_str(&link(if inline_text(content).is_empty() { url } else { &text }, url));
            }
            Inline::Break => out.push_str(LINE_BREAK),
        }
        place = if matches!(inline, Inline::Break) { Place::Start } else { Place::Within };
    }
    out
}

/// The marks count only directly beside a visible character, so blanks go outside.
fn strong(content: &[Inline]) -> String {
    let inner = inlines(content, Place::Within).replace(LINE_BREAK, " ");
    let text = inner.trim();
    if text.is_empty() {
        return inner;
    }
    let (before, rest) = inner.split_at(inner.len() - inner.trim_start().len());
    let after = &rest[text.len()..];
    format!("{before}**{text}**{after}")
}

fn link(text: &str, url: &str) -> String {
    let mut address = String::with_capacity(url.len());
    for character in url.chars() {
        match character {
            '(' => address.push_str("%28"),
            ')' => address.push_str("%29"),
            '<' => address.push_str("%3C"),
            '>' => address.push_str("%3E"),
            '\\' => address.push_str("%5C"),
            _ if character.is_whitespace() || character.is_control() => address.push_str("%20"),
            _ => address.push(character),
        }
    }
    format!("[{text}]({address})")
}

/// What could be markup, in this dialect or in a richer one that a client may read it by, becomes its full-width
/// look-alike. What cannot be markup where it stands remains.
fn escape(text: &str, place: Place) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let marker = if place == Place::Start { list_marker(text) } else { None };
    let closing = closing_marks(text);
    let mut before = None;
    for (at, character) in text.char_indices() {
        let rest = &text[at + character.len_utf8()..];
        let within_a_word = |side: Option<char>| side.is_some_and(char::is_alphanumeric);
        let unsafe_here = match character {
            '<' | '>' | '[' | ']' | '`' | '*' => true,
            '_' => !(within_a_word(before) && within_a_word(rest.chars().next())),
            '&' => begins_an_entity(rest),
            '#' => (at == 0 && place == Place::Start) || closing.is_some_and(|from| at >= from),
            '-' | '+' | '=' | '~' | '|' => at == 0 && place == Place::Start,
            '.' | ')' => marker == Some(at),
            _ => false,
        };
        out.push(match character {
            '\r' | '\n' => ' ',
            _ if unsafe_here => wide(character),
            _ => character,
        });
        before = Some(character);
    }
    out
}

/// Whether what follows an `&` makes it the name of a character.
fn begins_an_entity(rest: &str) -> bool {
    let name = rest.split_once(';').map(|(name, _)| name.strip_prefix('#').unwrap_or(name));
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// The full-width look-alike of a visible ASCII character.
pub fn wide(character: char) -> char {
    match character {
        '!'..='~' => char::from_u32(u32::from(character) + 0xfee0).unwrap_or(character),
        _ => character,
    }
}

fn join(pieces: impl Iterator<Item = String>, between: &str) -> String {
    pieces.filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::document::Colon;

    fn text(text: &str) -> Vec<Inline> {
        vec![Inline::Text(text.to_owned())]
    }

    #[test]
    fn each_block_is_written_in_the_documented_set() {
        let link = Inline::Link { content: text("the order"), url: "https://a.example/(x) y".to_owned() };
        let late = Inline::Toned { tone: Tone::Warning, content: text("late") };
        let blocks = [
            Block::Heading { level: 1, content: text("New order #1 ##") },
            Block::List { ordered: false, items: vec![[text("tea"), vec![Inline::Break], text("no ice")].concat()] },
            Block::Quote(vec![Block::Paragraph(text("please")), Block::Quote(vec![Block::Paragraph(text("hurry"))])]),
            Block::Fields(vec![
                Field { key: text("Shop"), value: text("Noodle House"), colon: Colon::Narrow },
                Field { key: text("合计"), value: vec![Inline::Strong(text(" SAR 1 "))], colon: Colon::Wide },
            ]),
            Block::Paragraph(
                [vec![late], vec![Inline::Emphasis(text("!"))], vec![link], vec![Inline::Emphasis(text("x"))]].concat(),
            ),
            Block::Picture { alternative: "map".to_owned(), url: "https://a.example/m.png".to_owned() },
        ];
        let expected = "# New order #1 ＃＃\n\n• tea\n\u{3000}no ice\n\n> please\n> hurry\n\n\
            <font color=\"comment\">Shop:</font> Noodle House\n<font color=\"comment\">合计：</font>  **SAR 1**\n\n\
            <font color=\"warning\">late</font>！[the order](https://a.example/%28x%29%20y)x\n\n\
            [map](https://a.example/m.png)";
        assert_eq!(write(&blocks), expected);
    }

    #[test]
    fn what_could_be_markup_becomes_its_look_alike_and_nothing_else_does() {
        let paragraph = |value: &str| write(&[Block::Paragraph(text(value))]);
        assert_eq!(paragraph("<@all> [a](http：//b) `x` **y**"), "＜@all＞ ［a］(http：//b) ｀x｀ ＊＊y＊＊");
        assert_eq!(paragraph("# one"), "＃ one");
        assert_eq!(paragraph("1. one"), "1． one");
        assert_eq!(paragraph("- one"), "－ one");
        assert_eq!(paragraph("_x_ a_b A&B &lt;"), "＿x＿ a_b A&B ＆lt;");
        assert_eq!(paragraph(r"a\b 5-6 #7"), r"a\b 5-6 #7");
        let list = |ordered| write(&[Block::List { ordered, items: vec![text("- tea")] }]);
        assert_eq!((list(true).as_str(), list(false).as_str()), ("1. － tea", "• - tea"));
    }
}
