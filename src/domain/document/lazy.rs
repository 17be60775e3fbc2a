//! A document that is read from its Markdown when somebody asks for it: a program gets the Markdown and never does.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use crate::domain::document::Document;
use crate::domain::document::read::read;

/// A document, read when it is needed.
#[derive(Clone, Default)]
pub struct LazyDocument {
    markdown: String,
    read: OnceLock<Document>,
}

impl LazyDocument {
    pub fn new(markdown: String) -> Self {
        Self { markdown, read: OnceLock::new() }
    }
}

impl Deref for LazyDocument {
    type Target = Document;

    fn deref(&self) -> &Document {
        self.read.get_or_init(|| read(&self.markdown))
    }
}

impl DerefMut for LazyDocument {
    fn deref_mut(&mut self) -> &mut Document {
        self.read.get_or_init(|| read(&self.markdown));
        self.read.get_mut().expect("it was read just now")
    }
}

impl PartialEq for LazyDocument {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for LazyDocument {}

impl fmt::Debug for LazyDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
