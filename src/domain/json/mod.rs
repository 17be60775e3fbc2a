//! JSON as it really comes: values with the exact text of their numbers, also where the text is not strictly JSON.
//!
//! It is read into one flat list, without recursion, in linear time: no depth of nesting can overflow a stack.

pub mod read;
mod scalar;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::domain::json::read::{JsonKind, JsonToken, Spelling};

/// A text that was read.
#[derive(Debug)]
struct Document {
    text: String,
    tokens: Vec<JsonToken>,
    is_strict: bool,
}

impl Document {
    /// The text of a value or name as it came.
    fn raw(&self, at: u32) -> &str {
        let token = self.tokens[at as usize];
        &self.text[token.start as usize..token.end as usize]
    }

    /// The text of a string or name.
    fn decoded(&self, at: u32) -> Cow<'_, str> {
        let raw = self.raw(at);
        match self.tokens[at as usize].spelling {
            Spelling::Plain => Cow::Borrowed(raw.get(1..raw.len() - 1).unwrap_or_default()),
            Spelling::Escaped => scalar::decoded(raw).0,
        }
    }

    /// Whether a member's name is this one. Most differ by their lengths already.
    fn is_named(&self, at: u32, name: &str) -> bool {
        let token = self.tokens[at as usize];
        match token.spelling {
            Spelling::Plain => {
                (token.end - token.start) as usize == name.len() + 2 && self.raw(at)[1..].starts_with(name)
            }
            Spelling::Escaped => scalar::decoded(self.raw(at)).0 == name,
        }
    }
}

/// One value of a text.
#[derive(Clone, Debug)]
pub struct Node {
    document: Rc<Document>,
    at: u32,
    /// Members of this name, with other values, stand before it.
    contested: bool,
}

impl Node {
    /// Reads a text as one value. It takes all that is JSON, and beyond it: raw control characters in strings, a comma after the
    /// last item, a word such as `NaN` in the place of a value, lone surrogates, a BOM.
    ///
    /// `None` when it cannot be read even so.
    pub fn read(text: &str) -> Option<Node> {
        let (tokens, is_strict) = read::tokens(text)?;
        // A word by itself is no text in JSON, but a text in words.
        if tokens.first()?.kind == JsonKind::Unknown {
            return None;
        }
        Some(Node { document: Rc::new(Document { text: text.to_owned(), tokens, is_strict }), at: 0, contested: false })
    }

    /// Whether the whole text is JSON by its grammar, and not only nearly.
    pub fn is_strict(&self) -> bool {
        self.document.is_strict
    }

    fn token(&self) -> JsonToken {
        self.document.tokens[self.at as usize]
    }

    fn at(&self, at: u32) -> Node {
        Node { document: self.document.clone(), at, contested: false }
    }

    pub fn kind(&self) -> JsonKind {
        self.token().kind
    }

    /// Its text as it came.
    pub fn raw(&self) -> &str {
        self.document.raw(self.at)
    }

    /// The text in which it stands.
    pub fn whole_text(&self) -> &str {
        &self.document.text
    }

    /// Where its text begins and ends in the whole.
    pub fn span(&self) -> (usize, usize) {
        (self.token().start as usize, self.token().end as usize)
    }

    /// Whether an earlier member of the same name had another value.
    pub fn is_contested(&self) -> bool {
        self.contested
    }

    /// The decoded text of a string or name; a lone surrogate is U+FFFD.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self.kind() {
            JsonKind::Text | JsonKind::Name => Some(self.document.decoded(self.at)),
            _ => None,
        }
    }

    /// Whether it is a string of which not every character could be decoded.
    pub fn is_damaged(&self) -> bool {
        let token = self.token();
        token.kind == JsonKind::Text && token.spelling == Spelling::Escaped && scalar::decoded(self.raw()).1
    }

    /// The value of a number that is whole and within 64 bits, with or without sign, in whatever spelling.
    pub fn whole(&self) -> Option<i128> {
        (self.kind() == JsonKind::Number).then(|| scalar::whole(self.raw())).flatten()
    }

    /// The values of a list, or names and values of an object by turns.
    fn inner(&self) -> impl Iterator<Item = Node> + use<> {
        let node = self.clone();
        let (mut at, after) = match self.kind() {
            JsonKind::Object | JsonKind::List => (self.at + 1, self.token().after),
            _ => (0, 0),
        };
        std::iter::from_fn(move || {
            let inner = (at < after).then(|| node.at(at))?;
            at = inner.token().after;
            Some(inner)
        })
    }

    /// The items of a list, in their sequence; none when it is no list.
    pub fn items(&self) -> impl Iterator<Item = Node> + use<> {
        let is_list = self.kind() == JsonKind::List;
        self.inner().take_while(move |_| is_list)
    }

    /// The members of an object with their decoded names, in their sequence, twins included; none when it is no object.
    pub fn members(&self) -> impl Iterator<Item = (String, Node)> + use<> {
        let is_object = self.kind() == JsonKind::Object;
        let mut inner = self.inner();
        std::iter::from_fn(move || {
            let (name, value) = (inner.next().filter(|_| is_object)?, inner.next()?);
            Some((name.text()?.into_owned(), value))
        })
    }

    /// The members of an object by their names; of several of one name the last.
    pub fn last_members(&self) -> BTreeMap<String, Node> {
        let mut members: BTreeMap<String, Node> = BTreeMap::new();
        for (name, value) in self.members() {
            let earlier = members.get(&name);
            let contested = earlier.is_some_and(|earlier| earlier.contested || earlier.raw() != value.raw());
            members.insert(name, Node { contested, ..value });
        }
        members
    }

    /// The member of this name; of several the last.
    pub fn get(&self, name: &str) -> Option<Node> {
        let (token, document) = (self.token(), &*self.document);
        if token.kind != JsonKind::Object {
            return None;
        }
        let (mut at, mut found, mut contested) = (self.at + 1, None, false);
        while at < token.after {
            let value = at + 1;
            if document.is_named(at, name) {
                contested |= found.is_some_and(|earlier| document.raw(earlier) != document.raw(value));
                found = Some(value);
            }
            at = document.tokens[value as usize].after;
        }
        found.map(|at| Node { contested, ..self.at(at) })
    }

    /// Each value of the text that stands in no other that was asked for: with the name under which it stands, if it is a
    /// member. `visit` says whether to go on with what is in it.
    pub fn walk(&self, mut visit: impl FnMut(Option<Cow<'_, str>>, &Node) -> Inside) {
        let (mut at, after) = (self.at, self.token().after);
        let mut name: Option<u32> = None;
        while at < after {
            let node = self.at(at);
            let token = node.token();
            if token.kind == JsonKind::Name {
                name = Some(at);
                at += 1;
                continue;
            }
            let named = name.take().map(|at| self.document.decoded(at));
            at = match visit(named, &node) {
                Inside::Enter => at + 1,
                Inside::Skip => token.after,
            };
        }
    }
}

/// Whether [`Node::walk`] goes on with what is in a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inside {
    Enter,
    Skip,
}

/// The value of a decimal text that is whole and within 64 bits: `2`, `2.0`, `3.6e3`.
pub fn whole(text: &str) -> Option<i128> {
    scalar::is_number(text).then(|| scalar::whole(text)).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What was read, as strict JSON.
    fn strict(node: &Node) -> String {
        let text = |text: Option<Cow<'_, str>>| serde_json::Value::from(text.unwrap_or_default()).to_string();
        match node.kind() {
            JsonKind::Object => {
                let members =
                    node.members().map(|(name, value)| format!("{}:{}", text(Some(name.into())), strict(&value)));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
            JsonKind::List => format!("[{}]", node.items().map(|item| strict(&item)).collect::<Vec<_>>().join(",")),
            JsonKind::Text | JsonKind::Name => text(node.text()),
            JsonKind::Unknown => "null".to_owned(),
            _ => node.raw().to_owned(),
        }
    }

    fn read(text: &str) -> Option<String> {
        Node::read(text).as_ref().map(strict)
    }

    #[test]
    fn what_is_nearly_json_is_read() {
        for (text, expected) in [
            ("{\"a\":1,}", r#"{"a":1}"#),
            ("[1,2, ]", "[1,2]"),
            (
                "{\"a\":NaN,\"b\":-Infinity,\"c\":undefined,\"d\":+5,\"e\":01}",
                r#"{"a":null,"b":null,"c":null,"d":null,"e":null}"#,
            ),
            ("{\"a\":\"one\ntwo\tthree\u{1}\"}", r#"{"a":"one\ntwo\tthree\u0001"}"#),
            (r#"{"a":"tea \ud83c","\udc00":1}"#, "{\"a\":\"tea \u{fffd}\",\"\u{fffd}\":1}"),
            (r#"["\ud83c\udf75","\ud83c\ud83c\udf75","\u12","\x"]"#, "[\"🍵\",\"\u{fffd}🍵\",\"\u{fffd}12\",\"x\"]"),
            ("\u{feff}{}", "{}"),
            (" [ true , false , null ] ", "[true,false,null]"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
            assert_eq!(Node::read(text).unwrap().is_strict(), is_json(text), "{text}");
        }
    }

    #[test]
    fn what_is_not_is_not() {
        for text in [
            "", " ", "{", "[", "\"", "{\"a\"}", "{\"a\":}", "{\"a\":1", "[1,,2]", "[,]", "{,}", "[1 2]", "{a:1}",
            "[1]]", "{}{}", "{'a':1}", "[1}", "\"\\", "no JSON", "hello", "NaN", "1,",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn of_twins_the_last_counts_and_another_value_before_it_is_seen() {
        let twins = Node::read(r#"{"a":1,"\u0061":2,"b":3,"b":3}"#).unwrap();
        let get = |name: &str| twins.get(name).map(|node| (node.raw().to_owned(), node.is_contested()));
        assert_eq!(get("a"), Some(("2".to_owned(), true)));
        assert_eq!(get("b"), Some(("3".to_owned(), false)));
        assert_eq!(get("c"), None);
    }

    #[test]
    fn no_depth_is_too_deep() {
        let deep = format!("{{\"a\":{}1{},\"b\":2}}", "[{\"x\":".repeat(200_000), "}]".repeat(200_000));
        let root = Node::read(&deep).unwrap();
        assert_eq!(root.get("b").and_then(|node| node.whole()), Some(2));
    }

    proptest! {
        #[test]
        fn all_that_is_json_is_read_as_it_is(text in any_json()) {
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            let read: serde_json::Value = serde_json::from_str(&read(&text).unwrap()).unwrap();
            prop_assert_eq!(read, value);
        }

        #[test]
        fn no_text_is_too_odd_to_be_looked_at(text in "[{}\\[\\],:\"\\\\nulNa0-9eE.+ \\-ud8é]{0,40}") {
            prop_assert_eq!(Node::read(&text).is_some_and(|root| root.is_strict()), is_json(&text));
        }

        #[test]
        fn only_what_is_json_by_its_grammar_is_strict(
            text in any_json(),
            at in any::<prop::sample::Index>(),
            odd in "[{}\\[\\],:\"\\\\bnu0-9eE.+ \\-\u{0}\u{1f}\t\u{feff}é]{0,2}",
        ) {
            let is_strict = |text: &str| Node::read(text).is_some_and(|root| root.is_strict());
            prop_assert!(is_strict(&text));
            let at = text.floor_char_boundary(at.index(text.len() + 1));
            let other = format!("{}{odd}{}", &text[..at], &text[at..]);
            prop_assert_eq!(is_strict(&other), is_json(&other), "{:?}", other);
        }
    }

    fn is_json(text: &str) -> bool {
        serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
    }

    fn any_json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|value| value.to_string()),
            any::<i64>().prop_map(|value| value.to_string()),
            any::<String>().prop_map(|value| serde_json::Value::from(value).to_string()),
        ];
        leaf.prop_recursive(4, 30, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(" , "))),
                prop::collection::btree_map("[a-e\"\\\\é]{0,2}", inner, 0..5).prop_map(|members| {
                    let members =
                        members.into_iter().map(|(name, value)| format!("{} : {value}", serde_json::Value::from(name)));
                    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
                }),
            ]
        })
    }
}
