//! Gathers, while an order is read, which parts of it came and could not be read.

use std::cell::RefCell;

use crate::domain::unreadable::MOST;
use crate::platform::field::JsonField;

/// JSON pointers into the order as it is shown, in the sequence in which they were met, each once.
#[derive(Default)]
pub struct UnreadableFields(RefCell<Vec<String>>);

impl UnreadableFields {
    pub fn note(&self, pointer: impl Into<String>) {
        let (pointer, mut noted) = (pointer.into(), self.0.borrow_mut());
        if noted.len() < MOST && !noted.contains(&pointer) {
            noted.push(pointer);
        }
    }

    /// Reads a field that is shown at `pointer`. Noted is a value that says something which cannot be read, a text of which a
    /// character is lost, and a member that stood there twice with different values.
    pub fn read<T>(&self, field: &JsonField, pointer: &str, read: impl Fn(&JsonField) -> Option<T>) -> Option<T> {
        let value = read(field);
        if field.is_marred() || (value.is_none() && field.says_something()) {
            self.note(pointer);
        }
        value
    }

    /// The object that a field is; what is in it is shown at `pointer` above all.
    pub fn object(&self, field: JsonField, pointer: &str) -> JsonField {
        self.read(&field, pointer, |field| field.is_object().then_some(()));
        field
    }

    /// The items of the list that a field is.
    pub fn list(&self, field: &JsonField, pointer: &str) -> Vec<JsonField> {
        self.read(field, pointer, |field| field.is_list().then(|| field.list().collect())).unwrap_or_default()
    }

    pub fn has(&self, pointer: &str) -> bool {
        self.0.borrow().iter().any(|noted| noted == pointer)
    }

    pub fn into_pointers(self) -> Vec<String> {
        self.0.into_inner()
    }

    /// As [`UnreadableFields::into_pointers`], where others still read with it.
    pub fn take(&self) -> Vec<String> {
        self.0.take()
    }
}
