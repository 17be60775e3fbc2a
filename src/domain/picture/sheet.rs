//! What a picture shows: a sheet of bar charts.

use crate::domain::language::Language;
use crate::domain::picture::theme::Theme;

/// What is drawn, panels from top to bottom.
///
/// Every text of it is untrusted: it becomes one clean line, is made smaller where it is too long for its place, and is
/// cut with `…` where that does not do.
#[derive(Clone, Debug)]
pub struct Sheet<'a> {
    /// Numbers are grouped as this language does.
    pub language: &'a Language,
    pub title: String,
    /// Below the title, smaller; none when empty.
    pub subtitle: String,
    pub panels: Vec<Panel>,
    pub theme: Theme,
}

/// One bar chart.
#[derive(Clone, Debug)]
pub struct Panel {
    pub title: String,
    /// The one figure to remember, large at the right of the title, such as the amount of the day; none when empty.
    pub figure: String,
    pub unit: Unit,
    /// From left to right.
    pub bars: Vec<Bar>,
    /// The bar that the report is about: it is dark, all others are pale. Where there is none, all bars are dark.
    pub highlight: Option<usize>,
}

/// One value. What is below zero hangs from the line, in red.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Below the bar. Where there is no room for all, every second is shown, or every third, and so on, counted from the
    /// highlighted bar; none when empty.
    pub label: String,
    /// In minor units of the panel's currency, or a count.
    pub value: i64,
}

/// What the values of a panel are.
#[derive(Clone, Debug)]
pub enum Unit {
    Count,
    /// Minor units of this currency, an ISO 4217 code.
    Money(String),
}
