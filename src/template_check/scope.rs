//! What of a configuration templates depend on, as far as it could be read.

use jiff::tz::TimeZone;

use crate::platform::kinds::Source;

/// What of a configuration templates depend on, as far as it could be read.
pub struct CheckScope<'a> {
    /// By name.
    pub sources: Vec<(&'a str, &'a Source)>,
    pub channels: Vec<ScopeChannel<'a>>,
    /// The kinds of channels that there are.
    pub kinds: Vec<&'a str>,
    /// The names of the reports.
    pub reports: &'a [String],
    /// Of channels that set none.
    pub language: &'a str,
    pub timezone: &'a TimeZone,
    /// ISO 4217 code for amounts that come without one.
    pub currency: &'a str,
}

/// A channel that messages are written for.
pub struct ScopeChannel<'a> {
    pub name: &'a str,
    /// Empty where there is no such kind.
    pub kind: &'a str,
    pub timezone: &'a TimeZone,
    pub language: Option<&'a str>,
}
