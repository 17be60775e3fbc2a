//! What a message is made from.

use jiff::tz::TimeZone;

use crate::domain::event::Event;
use crate::domain::order::Order;

/// An event as one channel shows it.
#[derive(Clone, Copy)]
pub struct MessageContext<'a> {
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
