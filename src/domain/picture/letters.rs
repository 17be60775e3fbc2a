//! The letters of the pictures: which characters the built-in fonts have, how wide each is, and how resvg comes by them.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use resvg::usvg::{FontResolver, fontdb};
use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};
use unicode_segmentation::UnicodeSegmentation;

use crate::domain::text::ELLIPSIS;

/// A font that is built in. The licence is `assets/fonts/OFL.txt`, the maker `assets/fonts/make.py`.
pub struct Font {
    /// The family in the file. resvg draws nothing at all, without an error, for a family that it does not know.
    pub family: &'static str,
    file: &'static [u8],
    /// Whose shapes of Chinese characters it has, as `han` in `[language]` of a `words.toml` names them.
    han: Option<&'static str>,
}

/// European letters, digits, signs of currencies; and what these have not: Arabic letters, Chinese characters and punctuation.
/// Hong Kong's has only what the mainland's lacks or writes otherwise.
pub static FONTS: [Font; 4] = [
    Font { family: "Noto Sans", file: include_bytes!("../../../assets/fonts/latin.ttf"), han: None },
    Font { family: "Noto Sans Arabic", file: include_bytes!("../../../assets/fonts/arabic.ttf"), han: None },
    Font { family: "Noto Sans CJK SC", file: include_bytes!("../../../assets/fonts/han.otf"), han: Some("SC") },
    Font { family: "Noto Sans CJK HK", file: include_bytes!("../../../assets/fonts/han-hk.otf"), han: Some("HK") },
];

/// Whose forms depend on their neighbours.
pub static ARABIC: &Font = &FONTS[1];

/// The fonts, and nothing of what the machine has: pictures are the same everywhere.
pub fn database() -> &'static Arc<fontdb::Database> {
    static DATABASE: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
        let mut database = fontdb::Database::new();
        for font in &FONTS {
            database.load_font_source(fontdb::Source::Binary(Arc::new(font.file)));
        }
        Arc::new(database)
    });
    &DATABASE
}

/// A resolver that never looks for a letter in another font than it is asked for: [`runs`] knows where each is. resvg's own
/// search warns in the log of each letter, and leaves gaps where two characters are one letter.
pub fn resolver() -> FontResolver<'static> {
    FontResolver { select_font: FontResolver::default_font_selector(), select_fallback: Box::new(|_, _, _| None) }
}

/// A text in pieces, each with the font that has all of its characters; Chinese ones in these shapes where a font has them.
pub fn runs<'a>(text: &'a str, han: Option<&str>) -> Vec<(&'static Font, &'a str)> {
    let mut runs = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let font = font_of(first, han);
        let end = rest.find(|character| font_of(character, han) != font).unwrap_or(rest.len());
        runs.push((&FONTS[font.unwrap_or(0)], &rest[..end]));
        rest = &rest[end..];
    }
    runs
}

/// Which of [`FONTS`] has a character.
fn font_of(character: char, han: Option<&str>) -> Option<usize> {
    let of = |is_asked: &dyn Fn(&Font) -> bool| {
        FONTS.iter().position(|font| is_asked(font) && font.advance(character).is_some())
    };
    of(&|font| font.han.is_some() && font.han == han).or_else(|| of(&|_| true))
}

/// The width of a character at size 1, which is the same in every font that has it; `None` when none has.
pub fn advance(character: char) -> Option<f32> {
    FONTS.iter().find_map(|font| font.advance(character))
}

impl Font {
    fn advance(&self, character: char) -> Option<f32> {
        let font = FontRef::new(self.file).ok()?;
        let glyph = font.charmap().map(character).filter(|glyph| glyph.to_u32() != 0)?;
        let (size, location) = (Size::unscaled(), LocationRef::default());
        let units = f32::from(font.metrics(size, location).units_per_em);
        Some(font.glyph_metrics(size, location).advance_width(glyph)? / units)
    }
}

/// The width of a text at this size; kerning, and joined letters, make it a little less.
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
        assert_eq!(advance('ש'), None);
    }

    #[test]
    fn each_piece_of_a_text_has_its_font() {
        let in_shapes =
            |text, han| runs(text, han).iter().map(|(font, piece)| (font.family, *piece)).collect::<Vec<_>>();
        let runs = |text| in_shapes(text, None);
        let (latin, arabic, han, hong_kong) = ("Noto Sans", "Noto Sans Arabic", "Noto Sans CJK SC", "Noto Sans CJK HK");
        assert_eq!(runs("صافي SAR"), [(arabic, "صافي"), (latin, " SAR")]);
        assert_eq!(runs("11月14日 SAR"), [(latin, "11"), (han, "月"), (latin, "14"), (han, "日"), (latin, " SAR")]);
        assert_eq!(runs(""), []);
        // 骨 has a shape of its own in Hong Kong, 日 has not, 单 is not written there, and 麪 on the mainland is not.
        assert_eq!(runs("骨日单麪"), [(han, "骨日单"), (hong_kong, "麪")]);
        assert_eq!(
            in_shapes("骨日单麪5", Some("HK")),
            [(hong_kong, "骨"), (han, "日单"), (hong_kong, "麪"), (latin, "5")]
        );
        assert_eq!(in_shapes("骨", Some("nowhere")), [(han, "骨")]);
    }

    #[test]
    fn a_character_is_as_wide_in_every_font_that_has_it() {
        for character in '\u{80}'..='\u{ffff}' {
            let widths: Vec<f32> = FONTS.iter().filter_map(|font| font.advance(character)).collect();
            assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{character}: {widths:?}");
        }
    }

    #[test]
    fn the_files_have_the_families_that_are_asked_for() {
        let families: Vec<&str> = database().faces().map(|face| face.families[0].0.as_str()).collect();
        assert_eq!(families, FONTS.each_ref().map(|font| font.family));
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
