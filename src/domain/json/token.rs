//! What a text of JSON is taken apart into.

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonKind {
    Object,
    List,
    /// The name of a member; its value is the next in the list.
    Name,
    Text,
    Number,
    Bool,
    Null,
    /// `NaN`, `Infinity`, `undefined`, `+5` and the like: something came, and nobody can say what it is.
    Unknown,
}

/// One value or name, in the order of the text. A container stands before what is in it.
#[derive(Clone, Copy, Debug)]
pub struct JsonToken {
    pub kind: JsonKind,
    /// Its bytes in the text.
    pub start: u32,
    pub end: u32,
    /// The place of the first token that is not part of it.
    pub after: u32,
}
