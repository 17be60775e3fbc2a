//! The letters of the pictures: which characters the built-in fonts have, how wide each is, and how resvg comes by them.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::LazyLock;

use resvg::usvg::FontResolver;
use resvg::usvg::fontdb;
use skrifa::FontRef;
use skrifa::MetadataProvider;
use skrifa::instance::LocationRef;
use skrifa::instance::Size;
use unicode_segmentation::UnicodeSegmentation;

use crate::domain::text::ELLIPSIS;

/// The family of `latin.ttf`. resvg draws nothing at all, without an error, for a family that it does not know.
pub const FAMILY: &str = "Noto Sans";

/// European letters, digits, signs of currencies; and what these have not: Chinese characters and punctuation. Their
/// licence is `fonts/OFL.txt`, their maker `fonts/make.py`.
static FILES: [&[u8]; 2] = [include_bytes!("fonts/latin.ttf"), include_bytes!("fonts/han.otf")];

/// The fonts, and nothing of what the machine has: pictures are the same everywhere.
pub fn fonts() -> &'static Arc<fontdb::Database> {
    static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
        let mut fonts = fontdb::Database::new();
        for file in FILES {
            fonts.load_font_source(fontdb::Source::Binary(Arc::new(file)));
        }
        Arc::new(fonts)
    });
    &FONTS
}

/// Looks a character that the first font lacks up in the other one. resvg's own way of doing so warns in the log of each.
pub fn resolver() -> FontResolver<'static> {
    FontResolver {
        select_font: FontResolver::default_font_selector(),
        select_fallback: Box::new(|_, tried, fonts| {
            fonts.faces().map(|face| face.id).find(|face| !tried.contains(face))
        }),
    }
}

/// The width of a character at size 1; `None` when no font has it.
pub fn advance(character: char) -> Option<f32> {
    FILES.iter().find_map(|file| {
        let font = FontRef::new(file).ok()?;
        let glyph = font.charmap().map(character).filter(|glyph| glyph.to_u32() != 0)?;
        let (size, location) = (Size::unscaled(), LocationRef::default());
        let units = f32::from(font.metrics(size, location).units_per_em);
        Some(font.glyph_metrics(size, location).advance_width(glyph)? / units)
    })
}

/// The width of a text at this size; kerning makes it a little less.
pub fn width(text: &str, size: f32) -> f32 {
    text.chars().filter_map(advance).sum::<f32>() * size
}

/// The text and the size at which it fits: at most `size` and not much smaller, cut with `…` where that does not do.
pub fn fitted(text: &str, size: f32, room: f32) -> (Cow<'_, str>, f32) {
    const LEAST: f32 = 0.7;
    let full = width(text, size);
    if full <= room {
        return (Cow::Borrowed(text), size);
    }
    if full * LEAST <= room {
        return (Cow::Borrowed(text), size * room / full);
    }
    let size = size * LEAST;
    let mut left = room - width(ELLIPSIS.encode_utf8(&mut [0; 4]), size);
    let mut end = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        left -= width(grapheme, size);
        if left < 0.0 {
            break;
        }
        end = at + grapheme.len();
    }
    (Cow::Owned(format!("{}{ELLIPSIS}", text[..end].trim_end())), size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_of_one_width_and_chinese_is_square() {
        assert!("0123456789".chars().all(|digit| advance(digit) == advance('0')));
        assert_eq!(advance('单'), Some(1.0));
        assert_eq!(width("新订单", 36.0), 108.0);
    }

    #[test]
    fn what_no_font_has_has_no_width() {
        assert_eq!(advance('😀'), None);
        assert_eq!(advance('\u{0}'), None);
        assert_eq!(advance('ش'), None);
    }

    #[test]
    fn a_text_shrinks_before_it_is_cut() {
        assert_eq!(fitted("订单", 40.0, 80.0), (Cow::Borrowed("订单"), 40.0));
        assert_eq!(fitted("订单", 40.0, 60.0), (Cow::Borrowed("订单"), 30.0));
        let (cut, size) = fitted("每小时订单数", 40.0, 120.0);
        assert_eq!(cut, "每小时…");
        assert!(width(&cut, size) <= 120.0);
        assert_eq!(fitted("每小时订单数", 40.0, 0.0).0, "…");
    }
}
