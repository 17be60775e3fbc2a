//! Pictures of figures: a sheet of bar charts as a PNG that can be read on a telephone, and one line of block characters for
//! channels that show no pictures.

mod blocks;
mod drawing;
mod letters;
mod pixels;
mod scale;

use std::sync::Arc;

use resvg::tiny_skia;
use resvg::usvg;

use crate::domain::language::Language;
use crate::domain::text;

pub use crate::domain::picture::blocks::bars;

/// A sheet may have this many panels: the hours of a day and three currencies.
pub const MAX_PANELS: usize = 4;

/// A panel may have this many bars: each is then still wider than a pixel of a telephone.
pub const MAX_BARS: usize = 100;

/// Labels are cut to this many graphemes before anything else; what does not fit its place is cut further.
const MAX_LABEL_GRAPHEMES: usize = 120;

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

/// Why there is no picture. A report is then sent without one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// The fonts have no such character, so it would be a gap.
    #[error("the picture has no letter '{character}' (U+{:04X}), which \"{label}\" needs", u32::from(*.character))]
    MissingGlyph { character: char, label: String },
    #[error("the picture has {count} {what}, and room for {limit}")]
    TooMuch { what: &'static str, count: usize, limit: usize },
    /// A fault of ours.
    #[error("the picture cannot be drawn: {0}")]
    Drawing(String),
}

/// Draws a sheet, 1200 pixels wide and white, to be shown at half of that or less. The same sheet makes the same bytes.
///
/// # Errors
/// [`PictureError::MissingGlyph`] when a label has a character that the built-in fonts lack: resvg would leave it out
/// without a word. [`PictureError::TooMuch`] beyond [`MAX_PANELS`] and [`MAX_BARS`].
pub fn png(sheet: &Sheet) -> Result<Vec<u8>, PictureError> {
    let sheet = clean(sheet)?;
    let svg = drawing::svg(&sheet);
    let options = usvg::Options {
        font_family: letters::FAMILY.to_owned(),
        fontdb: Arc::clone(letters::fonts()),
        font_resolver: letters::resolver(),
        ..usvg::Options::default()
    };
    let tree = usvg::Tree::from_str(&svg, &options).map_err(|error| PictureError::Drawing(error.to_string()))?;
    let size = tree.size().to_int_size();
    let mut canvas = tiny_skia::Pixmap::new(size.width(), size.height())
        .ok_or_else(|| PictureError::Drawing(format!("no canvas of {} × {}", size.width(), size.height())))?;
    resvg::render(&tree, tiny_skia::Transform::identity(), &mut canvas.as_mut());
    pixels::encode(&canvas).map_err(|error| PictureError::Drawing(error.to_string()))
}

/// The sheet with clean labels, each of which can be drawn.
fn clean<'a>(sheet: &Sheet<'a>) -> Result<Sheet<'a>, PictureError> {
    within("panels", sheet.panels.len(), MAX_PANELS)?;
    let panels = sheet.panels.iter().map(|panel| {
        within("bars", panel.bars.len(), MAX_BARS)?;
        let bars = panel.bars.iter().map(|bar| Ok(Bar { label: label(&bar.label)?, value: bar.value }));
        Ok(Panel {
            title: label(&panel.title)?,
            figure: label(&panel.figure)?,
            unit: panel.unit.clone(),
            bars: bars.collect::<Result<_, PictureError>>()?,
            highlight: panel.highlight,
        })
    });
    let panels: Vec<Panel> = panels.collect::<Result<_, PictureError>>()?;
    for panel in &panels {
        // The numbers are ours, but their digits and marks are those of the language.
        label(&drawing::number(sheet.language, &panel.unit, -1_234_567_890))?;
    }
    Ok(Sheet { language: sheet.language, title: label(&sheet.title)?, subtitle: label(&sheet.subtitle)?, panels })
}

fn within(what: &'static str, count: usize, limit: usize) -> Result<(), PictureError> {
    if count > limit { Err(PictureError::TooMuch { what, count, limit }) } else { Ok(()) }
}

/// One clean line of which every character can be drawn, also of what is cut off.
fn label(text: &str) -> Result<String, PictureError> {
    let line = text::one_line(text);
    match line.chars().find(|character| letters::advance(*character).is_none()) {
        Some(character) => Err(PictureError::MissingGlyph { character, label: text::cap(&line, 40).into_owned() }),
        None => Ok(text::cap(&line, MAX_LABEL_GRAPHEMES).into_owned()),
    }
}
