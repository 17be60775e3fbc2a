//! Pictures of figures: a sheet of bar charts as a PNG that can be read on a telephone, and one line of block characters for
//! channels that show no pictures.

mod blocks;
mod drawing;
mod letters;
mod pen;
mod pixels;
pub mod report;
mod scale;
pub mod sheet;
pub mod theme;

use std::sync::Arc;

use resvg::{tiny_skia, usvg};

use crate::domain::picture::sheet::{Bar, Panel, Sheet};
use crate::domain::text;

pub use crate::domain::picture::blocks::bars;

/// A sheet may have this many panels: the hours of a day and three currencies.
pub const MAX_PANELS: usize = 4;

/// A panel may have this many bars: each is then still wider than a pixel of a telephone.
pub const MAX_BARS: usize = 100;

/// Labels are cut to this many graphemes before anything else; what does not fit its place is cut further.
const MAX_LABEL_GRAPHEMES: usize = 120;

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

/// Draws a sheet, 1200 pixels wide, to be shown at half of that or less. The same sheet makes the same bytes.
///
/// # Errors
/// [`PictureError::MissingGlyph`] when a label has a character that the built-in fonts lack: resvg would leave it out
/// without a word. [`PictureError::TooMuch`] beyond [`MAX_PANELS`] and [`MAX_BARS`].
pub fn png(sheet: &Sheet) -> Result<Vec<u8>, PictureError> {
    let sheet = clean(sheet)?;
    let canvas = painted(&sheet.theme.coloured(drawing::svg(&sheet)))?;
    pixels::encode(&canvas).map_err(|error| PictureError::Drawing(error.to_string()))
}

/// The pixels of a drawing.
fn painted(svg: &str) -> Result<tiny_skia::Pixmap, PictureError> {
    let options = usvg::Options {
        fontdb: Arc::clone(letters::database()),
        font_resolver: letters::resolver(),
        ..usvg::Options::default()
    };
    let tree = usvg::Tree::from_str(svg, &options).map_err(|error| PictureError::Drawing(error.to_string()))?;
    let size = tree.size().to_int_size();
    let mut canvas = tiny_skia::Pixmap::new(size.width(), size.height())
        .ok_or_else(|| PictureError::Drawing(format!("no canvas of {} × {}", size.width(), size.height())))?;
    resvg::render(&tree, tiny_skia::Transform::identity(), &mut canvas.as_mut());
    Ok(canvas)
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
    let (title, subtitle) = (label(&sheet.title)?, label(&sheet.subtitle)?);
    Ok(Sheet { language: sheet.language, title, subtitle, panels, theme: sheet.theme })
}

fn within(what: &'static str, count: usize, limit: usize) -> Result<(), PictureError> {
    if count > limit { Err(PictureError::TooMuch { what, count, limit }) } else { Ok(()) }
}

/// One clean line of which every character can be drawn, also of what is cut off.
fn label(text: &str) -> Result<String, PictureError> {
    let line = text::one_line(text);
    match line.chars().find(|character| letters::advance(*character).is_none()) {
        Some(character) => Err(PictureError::MissingGlyph { character, label: text::cap(&line, 40).into_owned() }),
        None => Ok(text::cap(&without_stacks(&line), MAX_LABEL_GRAPHEMES).into_owned()),
    }
}

/// A letter carries two marks at most, as in Vietnamese; a stack of them would climb over its neighbours.
fn without_stacks(line: &str) -> String {
    let mut marks = 0;
    let fits = |character: &char| {
        marks = if letters::advance(*character) == Some(0.0) { marks + 1 } else { 0 };
        marks <= 2
    };
    line.chars().filter(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::language;
    use crate::domain::language::Language;

    /// Draws each character in a cell of its own and counts the pixels that are not white in each.
    fn ink(characters: &[char], language: &Language) -> Vec<usize> {
        const CELL: usize = 40;
        const COLUMNS: usize = 64;
        let rows = characters.len().div_ceil(COLUMNS);
        let mut pen = pen::Pen::new((COLUMNS * CELL) as f32, language);
        for (at, character) in characters.iter().enumerate() {
            let (x, y) = ((at % COLUMNS * CELL) as f32 + 8.0, (at / COLUMNS * CELL) as f32 + 28.0);
            pen.text(&pen::Text::new(character.encode_utf8(&mut [0; 4]), x, y, 24.0));
        }
        let canvas = painted(&pen.sheet((rows * CELL) as f32)).expect("a sheet");
        let mut ink = vec![0; rows * COLUMNS];
        for (at, pixel) in canvas.pixels().iter().enumerate() {
            let (x, y) = (at % (COLUMNS * CELL), at / (COLUMNS * CELL));
            ink[y / CELL * COLUMNS + x / CELL] += usize::from(pixel.red() < 200);
        }
        ink
    }

    #[test]
    fn every_character_that_is_promised_leaves_ink() {
        let promised = |character: &char| {
            letters::advance(*character).is_some_and(|width| width > 0.0)
                && !text::one_line(&character.to_string()).is_empty()
        };
        let characters: Vec<char> = ('!'..='\u{ffff}').filter(promised).collect();
        assert!(characters.len() > 6_500, "{} characters", characters.len());
        for tag in ["en", "zh-HK"] {
            let ink = ink(&characters, language::built_in(tag).expect("a built-in language"));
            let blank: Vec<&char> =
                characters.iter().zip(&ink).filter(|(_, ink)| **ink == 0).map(|(it, _)| it).collect();
            assert!(blank.is_empty(), "{tag}: {blank:?}");
        }
    }

    #[test]
    fn a_character_that_is_not_promised_would_have_been_a_gap() {
        assert_eq!(ink(&['😀', 'ש'], &Language::new("en"))[..2], [0, 0]);
    }
}
