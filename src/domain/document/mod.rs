//! A message between its template and its dialect: the small document that a rendered template is read into, and that each
//! channel writes in its own way.

pub mod lazy;
pub mod read;
mod reduce;
pub mod split;
mod tidy;

use crate::domain::bidi;
use crate::domain::bidi::Direction;

/// Where a document shows the picture that is enclosed. Only a template can say so: in a value it is text.
pub const PICTURE: &str = "cid:report";

/// Its counterpart for readers in the dark, which a channel puts beside it by itself.
pub const DARK_PICTURE: &str = "cid:report-dark";

/// One block of a message. Splitting happens between blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// Level 1 to 6. The first heading of a document is its title.
    Heading {
        level: u8,
        content: Vec<Inline>,
    },
    Paragraph(Vec<Inline>),
    /// Words of a buyer or of a receiver, set apart from ours.
    Quote(Vec<Block>),
    List {
        ordered: bool,
        items: Vec<Vec<Inline>>,
    },
    /// A list whose every item is `**Key:** value`.
    Fields(Vec<Field>),
    Picture {
        alternative: String,
        url: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Without the colon.
    pub key: Vec<Inline>,
    pub value: Vec<Inline>,
    pub colon: Colon,
}

/// The colon behind a key, as the template wrote it: it belongs to the language, whatever name the key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colon {
    /// `: `
    Narrow,
    /// `：`, as Chinese and Japanese have it.
    Wide,
}

impl Colon {
    /// As it stands before a value.
    pub fn as_str(self) -> &'static str {
        match self {
            Colon::Narrow => ": ",
            Colon::Wide => "：",
        }
    }
}

/// A run of text inside a block. The texts hold no markup: each dialect escapes them in its own way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inline {
    Text(String),
    Strong(Vec<Inline>),
    Emphasis(Vec<Inline>),
    /// In a colour, where the receiver has any, or words of somebody else. Only a template can say so: in a value, `<` and `>`
    /// are text.
    Toned {
        tone: Tone,
        content: Vec<Inline>,
    },
    Link {
        content: Vec<Inline>,
        url: String,
    },
    /// A line break within a block.
    Break,
}

/// What a colour is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is well; `<font color="info">` in a template.
    Info,
    /// Less important; `<font color="comment">`.
    Comment,
    /// Look here; `<font color="warning">`.
    Warning,
    /// Words of a buyer or of a receiver within an item, on lines of their own; a quote in a list.
    Quoted,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    pub blocks: Vec<Block>,
}

impl Document {
    /// The first heading as plain text; `None` when there is none with a text.
    pub fn title(&self) -> Option<String> {
        self.blocks.iter().find_map(|block| match block {
            Block::Heading { content, .. } => Some(inline_text(content)).filter(|title| !title.is_empty()),
            _ => None,
        })
    }

    /// The whole message without markup: a line for each block, item, field and line break.
    pub fn plain_text(&self) -> String {
        let mut text = String::new();
        for block in &self.blocks {
            write_plain(block, &mut text);
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// The direction of the first words that stand in no isolate: those of the template.
pub fn direction<'a>(blocks: impl IntoIterator<Item = &'a Block>) -> Direction {
    let base = |block: &Block| {
        let mut text = String::new();
        write_plain(block, &mut text);
        bidi::base(&text)
    };
    blocks.into_iter().find_map(base).unwrap_or_default()
}

/// Whether a character belongs to a script that is written without blanks, in wide cells.
pub fn is_wide(character: char) -> bool {
    matches!(character, '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ff60}')
}

/// A run of inlines as one line of plain text, its links by their texts alone.
pub fn inline_text(inlines: &[Inline]) -> String {
    fn write(inlines: &[Inline], out: &mut String) {
        for inline in inlines {
            match inline {
                Inline::Text(text) => out.push_str(text),
                Inline::Strong(content)
                | Inline::Emphasis(content)
                | Inline::Toned { content, .. }
                | Inline::Link { content, .. } => write(content, out),
                Inline::Break => out.push(' '),
            }
        }
    }
    let mut text = String::new();
    write(inlines, &mut text);
    text.trim().to_owned()
}

fn write_inlines(inlines: &[Inline], out: &mut String) {
    for inline in inlines {
        match inline {
            Inline::Text(text) => out.push_str(text),
            Inline::Strong(content) | Inline::Emphasis(content) | Inline::Toned { content, .. } => {
                write_inlines(content, out);
            }
            Inline::Link { content, url } => {
                write_inlines(content, out);
                if inline_text(content) != *url {
                    out.push_str(" (");
                    out.push_str(url);
                    out.push(')');
                }
            }
            Inline::Break => out.push('\n'),
        }
    }
}

fn write_plain(block: &Block, out: &mut String) {
    match block {
        Block::Heading { content, .. } | Block::Paragraph(content) => {
            write_inlines(content, out);
            out.push('\n');
        }
        Block::Quote(blocks) => {
            for block in blocks {
                write_plain(block, out);
            }
        }
        Block::List { ordered, items } => {
            for (index, item) in items.iter().enumerate() {
                match ordered {
                    true => out.push_str(&format!("{}. ", index + 1)),
                    false => out.push_str("- "),
                }
                write_inlines(item, out);
                out.push('\n');
            }
        }
        Block::Fields(fields) => {
            for field in fields {
                let mut value = String::new();
                write_inlines(&field.value, &mut value);
                write_inlines(&field.key, out);
                out.push_str(field.colon.as_str());
                // Further lines of a value stand below its first, and look like no other field.
                out.push_str(&value.replace('\n', "\n  "));
                out.push('\n');
            }
        }
        Block::Picture { alternative, url } => {
            out.push_str(alternative);
            out.push_str(" (");
            out.push_str(url);
            out.push_str(")\n");
        }
    }
}
