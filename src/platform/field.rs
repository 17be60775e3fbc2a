//! Reads one JSON field at a time, tolerant of other types than the documented one: an odd field is absent, never a fault
//! of the whole webhook. Which parts of an order came and could not be read is gathered meanwhile.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{self, Display};

use jiff::Timestamp;

use crate::domain::json::Node;
use crate::domain::json::read::JsonKind;
use crate::domain::text::clean_line;
use crate::domain::unreadable::MOST;

/// Longest free text that is kept of one field, in graphemes.
const MAX_TEXT: usize = 1000;
/// Longest id or number that is kept.
const MAX_ID: usize = 64;

/// A field as it came; none when absent. What is asked of a field that is not there is not there either.
#[derive(Clone, Debug, Default)]
pub struct JsonField(Option<Node>);

impl JsonField {
    /// A whole text; none when it cannot be read as one JSON value.
    pub fn of(text: &str) -> Self {
        Self(Node::read(text))
    }

    fn kind(&self) -> Option<JsonKind> {
        self.0.as_ref().map(Node::kind)
    }

    /// Whether its whole text is JSON, and not only nearly.
    pub fn is_strict(&self) -> bool {
        self.0.as_ref().is_some_and(Node::is_strict)
    }

    /// Whether it is there, be it null.
    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    pub fn is_object(&self) -> bool {
        self.kind() == Some(JsonKind::Object)
    }

    pub fn is_list(&self) -> bool {
        self.kind() == Some(JsonKind::List)
    }

    pub fn is_number(&self) -> bool {
        self.kind() == Some(JsonKind::Number)
    }

    pub fn is_text(&self) -> bool {
        self.kind() == Some(JsonKind::Text)
    }

    /// Whether it holds something that could have been read: not null, and no text in which nothing is to be seen.
    pub fn says_something(&self) -> bool {
        match self.kind() {
            None | Some(JsonKind::Null) => false,
            Some(JsonKind::Text) => self.text().is_some(),
            Some(_) => true,
        }
    }

    /// Whether a character of it is lost, or it stood there before with another value.
    pub fn is_marred(&self) -> bool {
        self.0.as_ref().is_some_and(|node| node.is_contested() || node.is_damaged())
    }

    /// This one, or the other where this one is absent or null.
    pub fn or(self, other: JsonField) -> JsonField {
        if matches!(self.kind(), None | Some(JsonKind::Null)) { other } else { self }
    }

    /// Its text as it came; empty when it is not there.
    pub fn raw(&self) -> &str {
        self.0.as_ref().map(Node::raw).unwrap_or_default()
    }

    /// The member of an object; of several of one name the last.
    pub fn get(&self, name: &str) -> JsonField {
        JsonField(self.0.as_ref().and_then(|node| node.get(name)))
    }

    /// The members of an object; of several of one name the last.
    pub fn members(&self) -> BTreeMap<String, JsonField> {
        let members = self.0.iter().flat_map(Node::last_members);
        members.map(|(name, node)| (name, JsonField(Some(node)))).collect()
    }

    /// The items of a list; empty when it is none.
    pub fn list(&self) -> impl Iterator<Item = JsonField> + use<> {
        let mut items = self.0.as_ref().map(Node::items);
        std::iter::from_fn(move || items.as_mut()?.next().map(|node| JsonField(Some(node))))
    }

    /// The decoded text of a string, or the digits of a number: a whole one within 64 bits is written without a point or a
    /// power of ten, whatever its spelling. Not cleaned.
    pub fn raw_text(&self) -> Option<Cow<'_, str>> {
        let node = self.0.as_ref()?;
        match node.kind() {
            JsonKind::Text => node.text(),
            JsonKind::Number => Some(node.whole().map_or(node.raw().into(), |whole| whole.to_string().into())),
            _ => None,
        }
    }

    /// One line of free text, cleaned; `None` when nothing readable is left.
    pub fn text(&self) -> Option<String> {
        let cleaned = clean_line(&self.raw_text()?, MAX_TEXT);
        (!cleaned.is_empty()).then_some(cleaned)
    }

    /// What something is called: a text, and no number.
    pub fn name(&self) -> Option<String> {
        if self.is_text() { self.text() } else { None }
    }

    /// An id, as text: letters, digits, `_`, `-`, `.`, at most 64 of them. A number is one when it is whole.
    pub fn id(&self) -> Option<String> {
        let text = self.raw_text()?;
        let is_whole = !self.is_number() || text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
        let fits = is_whole && !text.is_empty() && text.len() <= MAX_ID;
        (fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')))
            .then(|| text.into_owned())
    }

    /// A whole number, from a number in any spelling or a string of digits.
    pub fn integer(&self) -> Option<i64> {
        let node = self.0.as_ref()?;
        match node.kind() {
            JsonKind::Text => node.text()?.trim().parse().ok(),
            JsonKind::Number => node.whole()?.try_into().ok(),
            _ => None,
        }
    }

    /// A count; negative ones are absent.
    pub fn count(&self) -> Option<u64> {
        self.integer()?.try_into().ok()
    }

    /// A moment in milliseconds, or in seconds when the number is too small for that. Zero is absent.
    pub fn instant(&self) -> Option<Timestamp> {
        const SMALLEST_MILLISECONDS: i64 = 100_000_000_000;
        match self.integer()? {
            ..=0 => None,
            seconds @ 1..SMALLEST_MILLISECONDS => Timestamp::from_second(seconds).ok(),
            milliseconds => Timestamp::from_millisecond(milliseconds).ok(),
        }
    }

    /// As [`JsonField::instant`], with the zero that stands for no moment kept apart from what cannot be read.
    pub fn moment(&self) -> Option<Option<Timestamp>> {
        match self.integer() {
            Some(0) => Some(None),
            _ => self.instant().map(Some),
        }
    }
}

/// A pointer to a part of what another one points to. Hardly any is noted, so none is written before.
#[derive(Clone, Copy)]
pub struct Below<P, N>(pub P, pub N);

impl<P: Display, N: Display> Display for Below<P, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, self.1)
    }
}

/// JSON pointers into the order as it is shown, in the sequence in which they were met, each once.
#[derive(Default)]
pub struct UnreadableFields(RefCell<Vec<String>>);

impl UnreadableFields {
    pub fn note(&self, pointer: impl Display) {
        let (pointer, mut noted) = (pointer.to_string(), self.0.borrow_mut());
        if noted.len() < MOST && !noted.contains(&pointer) {
            noted.push(pointer);
        }
    }

    /// Reads a field that is shown at `pointer`. Noted is a value that says something which cannot be read, a text of which a
    /// character is lost, and a member that stood there twice with different values.
    pub fn read<T>(
        &self,
        field: &JsonField,
        pointer: impl Display,
        read: impl Fn(&JsonField) -> Option<T>,
    ) -> Option<T> {
        let value = read(field);
        if field.is_marred() || (value.is_none() && field.says_something()) {
            self.note(pointer);
        }
        value
    }

    /// The object that a field is; what is in it is shown at `pointer` above all.
    pub fn object(&self, field: JsonField, pointer: impl Display) -> JsonField {
        self.read(&field, pointer, |field| field.is_object().then_some(()));
        field
    }

    /// The items of the list that a field is.
    pub fn list(&self, field: &JsonField, pointer: impl Display) -> Vec<JsonField> {
        self.read(field, pointer, |field| field.is_list().then(|| field.list().collect())).unwrap_or_default()
    }

    pub fn has(&self, pointer: impl Display) -> bool {
        let noted = self.0.borrow();
        !noted.is_empty() && noted.contains(&pointer.to_string())
    }

    pub fn into_pointers(self) -> Vec<String> {
        self.0.into_inner()
    }

    /// As [`UnreadableFields::into_pointers`], where others still read with it.
    pub fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_kept_whatever_their_number() {
        let long = "1234567890123456789012345";
        assert_eq!(JsonField::of(long).id().as_deref(), Some(long));
        assert_eq!(JsonField::of(&"9".repeat(400)).integer(), None);
        assert_eq!(JsonField::of("\"4600\"").integer(), Some(4600));
        assert_eq!(JsonField::of("46.5").integer(), None);
        assert_eq!(JsonField::of("4.6e3").integer(), Some(4600));
    }

    #[test]
    fn an_odd_type_is_absent() {
        assert_eq!(JsonField::of("{\"a\":1}").text(), None);
        assert_eq!(JsonField::of("\"a b\"").id(), None);
        assert_eq!(JsonField::of("0").instant(), None);
        assert_eq!(JsonField::of("\"no list\"").list().count(), 0);
    }
}
