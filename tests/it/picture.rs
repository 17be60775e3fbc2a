//! Pictures of figures: that they can be drawn from whatever comes, always the same way, and that no letter is left out.

mod names;

use orderbell::domain::language;
use orderbell::domain::language::Language;
use orderbell::domain::language::folders::built_in_folders;
use orderbell::domain::picture::sheet::{Bar, Panel, Sheet, Unit};
use orderbell::domain::picture::theme::Theme;
use orderbell::domain::picture::{MAX_BARS, MAX_PANELS, PictureError, png};
use proptest::prelude::*;

use crate::support::cases::cases;

const HOURS: [i64; 24] = [0, 0, 0, 0, 0, 0, 0, 2, 5, 3, 4, 9, 18, 14, 6, 3, 4, 8, 17, 21, 12, 7, 3, 1];
const DAYS: [i64; 14] = [
    123_456_750,
    99_999_900,
    4_321_050,
    2_000_000,
    1,
    80_000_000,
    12_000_000,
    70_000_000,
    65_000_000,
    112_345_678,
    90_000_000,
    40_000_000,
    30_000_000,
    85_000_025,
];

const WHITE: [u8; 3] = [255, 255, 255];
const BAR: [u8; 3] = [0x1f, 0x6f, 0xeb];
const PALE_BAR: [u8; 3] = [0x8f, 0xb8, 0xf6];
const BELOW_ZERO: [u8; 3] = [0xcf, 0x22, 0x2e];

fn panel(values: &[i64]) -> Panel {
    let bars = values.iter().enumerate().map(|(at, value)| Bar { label: format!("{at:02}"), value: *value }).collect();
    Panel { title: "Orders by hour".to_owned(), figure: String::new(), unit: Unit::Count, bars, highlight: None }
}

fn money(currency: &str, values: &[i64]) -> Panel {
    let bars = values.iter().enumerate().map(|(at, value)| Bar { label: format!("{} Nov", at + 1), value: *value });
    Panel {
        title: "Net, last 14 days".to_owned(),
        figure: format!("{currency} 850,000.25"),
        unit: Unit::Money(currency.to_owned()),
        bars: bars.collect(),
        highlight: values.len().checked_sub(1),
    }
}

fn sheet(title: &str, panels: Vec<Panel>) -> Sheet<'static> {
    let language = language::built_in("en").unwrap();
    Sheet { language, title: title.to_owned(), subtitle: String::new(), panels, theme: Theme::Light }
}

/// A picture as it is seen.
struct Seen {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

impl Seen {
    fn row(&self, y: usize) -> &[[u8; 3]] {
        &self.pixels[y * self.width..(y + 1) * self.width]
    }

    fn dark(&self) -> usize {
        self.pixels.iter().filter(|pixel| pixel[0] < 128).count()
    }

    fn has(&self, colour: [u8; 3]) -> bool {
        self.pixels.contains(&colour)
    }

    /// How many bars of this colour stand side by side, in the row that has most of them; letters are thinner.
    fn bars(&self, colour: [u8; 3]) -> usize {
        let runs = |y| self.row(y).chunk_by(|a, b| a == b).filter(|run| run[0] == colour && run.len() > 20).count();
        (0..self.height).map(runs).max().unwrap_or(0)
    }
}

/// Draws a sheet and looks at it: it is below 100 kB, 1200 pixels wide, and nothing comes near its edge.
fn seen(sheet: &Sheet) -> Seen {
    let bytes = png(sheet).expect("a picture");
    assert!(bytes.len() < 100_000, "{} bytes", bytes.len());
    read(&bytes)
}

fn read(bytes: &[u8]) -> Seen {
    let mut decoder = ::png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(::png::Transformations::EXPAND);
    let mut reader = decoder.read_info().expect("a PNG");
    let mut data = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut data).expect("its pixels");
    assert_eq!(info.color_type, ::png::ColorType::Rgb, "few enough colours for a palette");
    let pixels = data.chunks(3).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    let seen = Seen { width: info.width as usize, height: info.height as usize, pixels };
    assert_eq!(seen.width, 1200);
    for y in 0..seen.height {
        let row = seen.row(y);
        let edge = if y < 10 || y >= seen.height - 10 { row } else { &[&row[..36], &row[1164..]].concat() };
        assert!(edge.iter().all(|pixel| *pixel == WHITE), "something is at the edge in row {y}");
    }
    seen
}

#[test]
fn every_word_of_every_language_can_be_drawn() {
    for tag in built_in_folders() {
        let language = language::built_in(tag).unwrap();
        // But those of the page, which browsers draw.
        let drawn = language.keys().filter(|key| !key.starts_with("page."));
        let words: Vec<&str> = drawn.filter_map(|key| language.word(key)).collect();
        assert!(words.len() > 100, "{tag}");
        for words in words.chunks(MAX_PANELS * MAX_BARS) {
            let panels = words.chunks(MAX_BARS).map(|words| {
                let bars = words.iter().map(|word| Bar { label: (*word).to_owned(), value: 1 }).collect();
                Panel { bars, ..panel(&[]) }
            });
            let sheet = Sheet { language, ..sheet(tag, panels.collect()) };
            assert!(png(&sheet).is_ok(), "{tag}: {}", png(&sheet).unwrap_err());
        }
    }
}

#[test]
fn the_words_of_a_chinese_report_can_be_drawn() {
    let words = "以小时计的订单 最近十四天 营业额 净额 毛额 退款 每小时订单数 日报 周报 月报 元 二〇二六年十一月 \
                 星期一二三四五六日 上午下午 昨天今天 比上周同日 取消完成 单 笔 ，。、：；！？（）《》“”￥%";
    let drawn = seen(&Sheet { subtitle: words.to_owned(), ..sheet("日报", vec![]) });
    assert!(drawn.dark() > 1000);
}

#[test]
fn a_letter_that_is_missing_is_an_error_wherever_it_stands() {
    let missing = |change: &dyn Fn(&mut Sheet)| {
        let mut sheet = sheet("Daily report", vec![panel(&HOURS), money("SAR", &DAYS)]);
        assert!(png(&sheet).is_ok());
        change(&mut sheet);
        png(&sheet)
    };
    let error = |character, label: &str| Err(PictureError::MissingGlyph { character, label: label.to_owned() });
    assert_eq!(missing(&|sheet| sheet.title = "Bowl 🍜".to_owned()), error('🍜', "Bowl 🍜"));
    assert_eq!(missing(&|sheet| sheet.subtitle = "דוח".to_owned()), error('ד', "דוח"));
    assert_eq!(missing(&|sheet| sheet.panels[0].title = "日龘".to_owned()), error('龘', "日龘"));
    assert_eq!(missing(&|sheet| sheet.panels[1].figure = "1 😀".to_owned()), error('😀', "1 😀"));
    // Bar 1 has no room for its label; the letter is missed all the same, and so is one that would have been cut off.
    assert_eq!(missing(&|sheet| sheet.panels[0].bars[1].label = "א".to_owned()), error('א', "א"));
    let long = format!("{}א", "long ".repeat(100));
    assert!(matches!(
        missing(&|sheet| sheet.title = long.clone()),
        Err(PictureError::MissingGlyph { character: 'א', .. })
    ));
}

#[test]
fn the_digits_of_the_language_are_looked_at_too() {
    let burmese = Language::new("my-u-nu-mymr");
    assert_eq!(burmese.number(12), "၁၂");
    let sheet = Sheet { language: &burmese, ..sheet("Daily report", vec![panel(&HOURS)]) };
    assert!(matches!(png(&sheet), Err(PictureError::MissingGlyph { .. })), "{:?}", png(&sheet).map(|_| ()));
}

#[test]
fn arabic_letters_are_joined_and_names_and_numbers_stand_among_them() {
    let ink = |title: &str| seen(&sheet(title, vec![])).dark();
    assert!(ink("ععع") < ink("ع ع ع"), "joined letters have less ink than three that stand alone");
    // Letters that become one, beside letters of the other fonts and marks: usvg has failed at such.
    for title in ["الطلبات لا لأ 12 SAR", "SAR لا 5", "شاي 茶 لا tea", "إِلَى الآنَ 3.50", "لا", "لالالا 单 لا é"]
    {
        assert!(ink(title) > 100, "{title}");
    }
}

#[test]
fn a_picture_in_arabic_is_mirrored() {
    let arabic = language::built_in("ar").unwrap();
    let drawn = |language, title: &str| seen(&Sheet { language, ..sheet(title, vec![panel(&[9, 0, 0, 0, 0, 1])]) });
    let (left, right) = (drawn(language::built_in("en").unwrap(), "Report"), drawn(arabic, "تقرير"));
    let middle = |seen: &Seen| {
        let columns: Vec<usize> =
            seen.pixels.iter().enumerate().filter(|(_, pixel)| **pixel == BAR).map(|(at, _)| at % seen.width).collect();
        columns.iter().sum::<usize>() / columns.len()
    };
    assert!(
        middle(&left) < 600 && middle(&right) > 600,
        "the highest bar is the first one: {} {}",
        middle(&left),
        middle(&right)
    );
}

#[test]
fn letters_of_both_fonts_stand_in_one_label() {
    let ink = |title: &str| seen(&sheet(title, vec![])).dark();
    let (latin, han, both) = (ink("11 SAR"), ink("月日订单"), ink("11月 SAR日订单"));
    assert!(latin > 500 && han > 500, "{latin}, {han}");
    assert!(both.abs_diff(latin + han) < both / 20, "{latin} + {han}, but {both}");
    assert_eq!(ink(""), 0);
    // Two characters that are one letter, beside letters of the other font.
    assert_eq!(ink("Cafe\u{301} 订单"), ink("Café 订单"));
}

#[test]
fn the_same_sheet_makes_the_same_bytes() {
    let sheet = sheet("Daily report · 日报", vec![panel(&HOURS), money("SAR", &DAYS), money("KWD", &DAYS)]);
    let first = png(&sheet).unwrap();
    let (again, elsewhere) = std::thread::scope(|scope| {
        let elsewhere = scope.spawn(|| png(&sheet).unwrap());
        (png(&sheet).unwrap(), elsewhere.join().unwrap())
    });
    assert!(first == again && first == elsewhere);
}

#[test]
fn hours_and_three_currencies_are_one_small_picture() {
    let panels = vec![panel(&HOURS), money("SAR", &DAYS), money("KWD", &DAYS), money("JPY", &DAYS)];
    let drawn = seen(&sheet("Daily report", panels));
    assert!(drawn.height < 2400, "{}", drawn.height);
}

#[test]
fn the_day_of_the_report_stands_out() {
    let panel =
        |highlight| Panel { figure: String::new(), highlight, ..money("SAR", &DAYS.map(|value| value + 20_000_000)) };
    let last = seen(&sheet("", vec![panel(Some(13))]));
    assert_eq!((last.bars(BAR), last.bars(PALE_BAR)), (1, 13));
    for none in [None, Some(14), Some(usize::MAX)] {
        let all = seen(&sheet("", vec![panel(none)]));
        assert_eq!((all.bars(BAR), all.bars(PALE_BAR)), (14, 0));
    }
}

#[test]
fn a_day_has_23_24_or_25_hours() {
    for hours in [23, 24, 25] {
        assert_eq!(seen(&sheet("Daily report", vec![panel(&vec![3; hours])])).bars(BAR), hours);
    }
}

#[test]
fn a_day_without_orders_has_no_bar() {
    let none =
        seen(&sheet("Daily report", vec![panel(&[0; 24]), Panel { figure: String::new(), ..money("SAR", &[0; 14]) }]));
    assert!(!none.has(BAR) && !none.has(PALE_BAR) && !none.has(BELOW_ZERO));
}

#[test]
fn one_huge_value_does_not_hide_the_others() {
    let mut values = [1; 24];
    values[12] = i64::MAX;
    assert_eq!(seen(&sheet("Daily report", vec![panel(&values)])).bars(BAR), 24);
    let unlike = seen(&sheet("Daily report", vec![money("XXX", &[i64::MIN, 0, i64::MAX])]));
    assert!(unlike.has(BAR) && unlike.bars(BAR) == 1);
}

#[test]
fn a_day_of_more_refunds_than_sales_hangs_below_the_line_in_red() {
    let mixed = seen(&sheet("Daily report", vec![panel(&[5, -3, 0, 7, -9])]));
    assert_eq!((mixed.bars(BAR), mixed.bars(BELOW_ZERO)), (2, 2));
    let only = seen(&sheet("Daily report", vec![panel(&[-5, -3, -1])]));
    assert!(!only.has(BAR) && only.bars(BELOW_ZERO) == 3);
}

#[test]
fn little_or_nothing_is_a_picture_too() {
    assert_eq!(seen(&sheet("Daily report", vec![panel(&[4])])).bars(BAR), 1);
    seen(&sheet("Daily report", vec![money("SAR", &[85_000_025])]));
    seen(&sheet("Daily report", vec![panel(&[])]));
    seen(&sheet("", vec![]));
}

#[test]
fn too_many_panels_or_bars_are_refused() {
    let panels = |count| png(&sheet("Daily report", vec![panel(&[1]); count]));
    assert!(panels(MAX_PANELS).is_ok());
    let error = |what, count, limit| Err(PictureError::TooMuch { what, count, limit });
    assert_eq!(panels(MAX_PANELS + 1), error("panels", MAX_PANELS + 1, MAX_PANELS));
    let bars = |count| png(&sheet("Daily report", vec![panel(&vec![1; count])]));
    assert!(bars(MAX_BARS).is_ok());
    assert_eq!(bars(MAX_BARS + 1), error("bars", MAX_BARS + 1, MAX_BARS));
}

#[test]
fn a_hostile_label_is_only_letters() {
    let everywhere = |label: &str| {
        let label = || label.to_owned();
        let hostile = |panel: Panel| Panel {
            title: label(),
            figure: label(),
            bars: panel.bars.iter().map(|bar| Bar { label: label(), ..*bar }).collect(),
            unit: Unit::Money(label()),
            ..panel
        };
        let panels = vec![hostile(panel(&HOURS)), hostile(money("SAR", &DAYS))];
        Sheet { subtitle: label(), ..sheet(&label(), panels) }
    };
    for label in [
        "</text><script>alert(1)</script>",
        "\"/><image href='file:///etc/passwd'/>",
        "]]> & &amp; &#0; &lt; <!-- %s {{ x }}",
        "'\"<>&",
        &"word".repeat(10_000),
        &"订".repeat(10_000),
        &format!("e{}", "\u{301}".repeat(500)),
    ] {
        let bytes = png(&everywhere(label)).expect("a picture");
        // Dense text from edge to edge.
        assert!(bytes.len() < 150_000, "{} bytes", bytes.len());
        read(&bytes);
    }
    let plain = png(&everywhere("abc")).unwrap();
    for trick in ["\u{202e}abc", "a\u{0}b\u{1b}c", "abc\u{2066}\u{200b}", " abc\r\n"] {
        let drawn = png(&everywhere(trick)).unwrap();
        assert!(drawn == plain, "{trick:?} is drawn as what is left of it");
    }
    let ink = |title: &str| seen(&sheet(title, vec![])).dark();
    assert!(ink("a<b") > ink("ab") && ink("a&amp;b") > ink("a&b"));
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn any_text_is_drawn_or_has_a_letter_that_is_missing(
        wild in any::<String>(),
        tame in "[ -~¡-ſ一-龥\u{0}-\u{1f}\u{300}-\u{304}]{0,40}",
    ) {
        for title in [wild, tame] {
            let drawn = png(&sheet(&title, vec![]));
            let expected = matches!(drawn, Ok(_) | Err(PictureError::MissingGlyph { .. }));
            prop_assert!(expected, "{drawn:?}");
        }
    }
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn any_values_make_a_picture(values in prop::collection::vec(prop_oneof![any::<i64>(), -50_i64..50], 0..MAX_BARS)) {
        prop_assert!(png(&sheet("", vec![panel(&values)])).is_ok());
    }
}
