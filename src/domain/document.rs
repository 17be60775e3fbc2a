//! A message between its template and its dialect: the small document that a rendered template is read into, and that each
//! channel writes in its own way.

/// One block of a message. Splitting happens between blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// Level 1 to 6. The first heading of a document is its title.
    Heading {
        level: u8,
        content: Vec<Inline>,
    },
    Paragraph(Vec<Inline>),
    /// Words of a buyer or of a far side, set apart from ours.
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
}

/// A run of text inside a block. The texts hold no markup: each dialect escapes them in its own way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inline {
    Text(String),
    Strong(Vec<Inline>),
    Emphasis(Vec<Inline>),
    Link {
        content: Vec<Inline>,
        url: String,
    },
    /// A line break within a block.
    Break,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    pub blocks: Vec<Block>,
}
