//! Names in the pictures of every language: in its own script and in the others, mixed, with marks, and with tricks. Each is
//! drawn as it reads, or the letter that no font has is an error.

use orderbell::domain::bidi::is_isolate;
use orderbell::domain::language;
use orderbell::domain::language::folders::built_in_folders;
use orderbell::domain::picture::sheet::Sheet;
use orderbell::domain::picture::{PictureError, png};
use orderbell::domain::text::one_line;

use crate::picture::{HOURS, Seen, panel, read, seen, sheet};
use crate::words::tricks::TRICKS;

/// Shops as they are called where the languages are spoken, and one that mixes all.
const NAMES: [&str; 11] = [
    "Harbour Noodle House – Kowloon (No. 2)",
    "海港面馆（九龙湾店）糖醋排骨",
    "海港麵家（銅鑼灣店）糖醋排骨飯、凍檸茶走甜",
    "深水埗嘅餐廳：乾炒牛河、鴛鴦、菠蘿包、魚蛋粉、雲吞麪、燒鵝、煲仔飯",
    "氹仔冇嘢食唔得，佢哋咁鍾意飲嗰啲",
    "Pão de Açúcar · Coração à Moda – São João d'Água, nº 3, 2ª loja",
    "مطعم الميناء – الرياض، فرع العليا ٢",
    "شُكْرًا لِلزَّبَائِنِ",
    "Cafe\u{301} Tie\u{302}\u{301}ng Vie\u{323}\u{302}t",
    "Tea شاي 茶 té 茶餐廳",
    "يقدّم Al-Baik 12 صنفًا، SAR 46.00",
];

fn titled(tag: &str, title: &str) -> Result<Vec<u8>, PictureError> {
    let language = language::built_in(tag).unwrap();
    png(&Sheet { language, ..sheet(title, vec![panel(&HOURS)]) })
}

fn drawn(tag: &str, title: &str) -> Seen {
    read(&titled(tag, title).unwrap_or_else(|error| panic!("{title} in {tag}: {error}")))
}

#[test]
fn a_name_of_every_market_is_drawn_in_the_picture_of_every_language() {
    for tag in built_in_folders() {
        let bare = drawn(tag, "").dark();
        for name in NAMES {
            let ink = drawn(tag, name).dark() - bare;
            assert!(ink > 40 * name.chars().count(), "{name} in {tag}: {ink}");
        }
    }
}

#[test]
fn a_letter_of_a_name_that_no_font_has_is_an_error_in_every_language() {
    for tag in built_in_folders() {
        for (name, missing) in [
            ("海港麵家 🍜", '🍜'),
            ("Bom dia 👍🏽", '👍'),
            ("مطعم 👨\u{200d}👩\u{200d}👧", '👨'),
            ("שלום", 'ש'),
            ("𠮷野家", '𠮷'),
            ("ร้าน", 'ร'),
            ("a\u{20dd}", '\u{20dd}'),
        ] {
            let found = titled(tag, name).unwrap_err();
            assert_eq!(found, PictureError::MissingGlyph { character: missing, label: name.to_owned() }, "{tag}");
        }
    }
}

#[test]
fn a_name_that_turns_the_direction_is_drawn_as_it_is_read_or_not_at_all() {
    let mut refused = 0;
    for tag in built_in_folders() {
        for trick in TRICKS {
            let line = one_line(trick);
            assert!(!line.contains(is_isolate));
            match titled(tag, trick) {
                Ok(picture) => assert!(picture == titled(tag, &line).unwrap(), "{trick:?} in {tag}"),
                Err(PictureError::MissingGlyph { character, .. }) => {
                    assert!(line.contains(character), "{trick:?} in {tag}: {character}");
                    refused += 1;
                }
                Err(error) => panic!("{trick:?} in {tag}: {error}"),
            }
        }
    }
    // Emoji, Hebrew, and a Cyrillic letter among Latin ones.
    assert_eq!(refused, 3 * built_in_folders().len());
}

#[test]
fn a_reader_in_hong_kong_sees_the_shapes_of_hong_kong() {
    let pixels = |tag: &str, title: &str| {
        let language = language::built_in(tag).unwrap();
        seen(&Sheet { language, ..sheet(title, vec![]) }).pixels
    };
    for same in ["Harbour 12", "日月大小", "单"] {
        assert!(pixels("zh-HK", same) == pixels("zh-CN", same), "{same}");
    }
    for other in ["骨", "直", "、", "每日淨額，HK$", "麵"] {
        let differs = pixels("zh-HK", other) != pixels("zh-CN", other);
        // What is not written on the mainland is drawn in Hong Kong's shape for everybody.
        assert_eq!(differs, other != "麵", "{other}");
    }
}
