//! From an event to a message: which view a template gets, and what comes out.

use jiff::tz::TimeZone;

use crate::domain::document::Document;
use crate::domain::event::Event;
use crate::domain::order::Order;

/// What a message is made from.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub event: &'a Event,
    /// The order as it stands now, when the event is about one.
    pub order: Option<&'a Order>,
    /// The channel's language, a tag such as `zh-CN`.
    pub language: &'a str,
    /// In which times are shown.
    pub timezone: &'a TimeZone,
    /// The channel's name, for `<kind>.<channel name>.md`.
    pub channel: &'a str,
    /// The channel's kind, for `<kind>.<channel kind>.md`.
    pub channel_kind: &'a str,
}

/// A composed text, before a channel writes it in its dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    /// The first heading as plain text; never empty.
    pub title: String,
    /// The rendered template: Markdown with its values escaped.
    pub markdown: String,
    pub document: Document,
}
