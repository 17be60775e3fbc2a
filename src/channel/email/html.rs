//! The HTML of a mail: a frame (`templates/mail.html`), and in it the document, written so that Outlook's old engine, Gmail and
//! telephones show it, in the light and in the dark.
//!
//! What a buyer wrote meets no parser but the reader's, and is escaped.

use crate::channel::email::look::{
    AMOUNT, ASIDE, BAND_MORE, BAND_TITLE, HEADING, ITEM, KEY, LEAD, LIST, LONG_KEY, Look, NAMED, NOTE, PARAGRAPH,
    QUANTITY, QUOTE, SMALL_HEADING, SUM, SUMS_WIDTH, TABLE, VALUE,
};
use crate::channel::email::mirror;
use crate::domain::bidi::{Direction, is_isolate};
use crate::domain::document;
use crate::domain::document::{Block, DARK_PICTURE, Field, Inline, PICTURE, Tone, inline_text, is_wide};

/// Gmail cuts what is longer than about 102 KB, in bytes.
pub const LIMIT_BYTES: usize = 100_000;

const CONTENT: &str = "@@content@@";

/// Wider keys leave their values no room beside them on a telephone.
const KEY_COLUMNS: usize = 26;

/// The frame, with a place for the content. It is short, and its title no copy of the head: filters hold little text in a long
/// page against a mail, and words that its text has less often.
const FRAME: &str = include_str!("../../../templates/mail.html");

/// What the frame takes of the limit.
pub fn frame_bytes() -> usize {
    FRAME.len()
}

/// A whole page. It begins with its head, which is what lists of mails show beside the subject: a hidden line for them would be
/// held against us by filters.
pub fn page(language: &str, look: Look, blocks: &[Block]) -> String {
    let (before, after) = FRAME.split_once(CONTENT).expect("the frame has a place for the content");
    let lang = format!("lang=\"{}\"", escaped(language));
    let before = before.replace("lang=\"und\"", &lang);
    let page = format!("{before}{}{after}", content(look, blocks));
    match document::direction(blocks) {
        Direction::LeftToRight => page,
        Direction::RightToLeft => mirror::mirrored(&page),
    }
}

/// The document as it stands in the page.
pub fn content(look: Look, blocks: &[Block]) -> String {
    let is_head = |block: &Block| matches!(block, Block::Heading { level: 0 | 1, .. });
    let head = blocks.iter().position(is_head);
    let written = blocks.iter().enumerate().map(|(at, one)| match (one, look.ground()) {
        (Block::Heading { content, .. }, Some(ground)) if head == Some(at) => band(ground, content),
        (Block::Heading { content, .. }, Some(_)) if head.is_some_and(|head| head + 1 == at) => {
            format!("<h2 style=\"{LEAD}\">{}</h2>\n", inlines(content))
        }
        _ => block(one),
    });
    written.collect()
}

/// The head of a message in its colour: what happened and to which order large, and below it the rest of the line.
fn band(ground: &str, content: &[Inline]) -> String {
    let title = inline_text(content);
    let (first, rest) = title.split_once(" · ").unwrap_or((&title, ""));
    let text = |text: &str| escaped(&unbroken(text));
    let more = match rest {
        "" => String::new(),
        rest => format!("<p style=\"{BAND_MORE}\">{}</p>", text(rest)),
    };
    format!(
        "<table {TABLE} style=\"margin:0 0 16px\"><tr><td class=\"band\" bgcolor=\"{ground}\" style=\"padding:14px 16px;border-radius:6px;background-color:{ground};color:#ffffff\"><h1 style=\"{BAND_TITLE}\">{}</h1>{more}</td></tr></table>\n",
        text(first)
    )
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading { level: 0 | 1, content } => format!("<h1 style=\"{HEADING}\">{}</h1>\n", inlines(content)),
        Block::Heading { content, .. } => format!("<h2 style=\"{SMALL_HEADING}\">{}</h2>\n", inlines(content)),
        Block::Paragraph(content) => format!("<p style=\"{PARAGRAPH}\">{}</p>\n", inlines(content)),
        // A cell, because Outlook gives borders to nothing else.
        Block::Quote(blocks) => {
            let inner: String = blocks.iter().map(self::block).collect();
            let inner = inner.replace(&format!("<p style=\"{PARAGRAPH}\">"), "<p style=\"margin:0\">");
            format!(
                "<table {TABLE} class=\"quote\" style=\"margin:0 0 12px\"><tr><td class=\"quote\" style=\"{QUOTE}\">{inner}</td></tr></table>\n"
            )
        }
        Block::List { ordered: false, items } if items.iter().all(|item| quantity(item).is_some()) => {
            let rows: String = items.iter().filter_map(|item| quantity(item)).map(counted).collect();
            format!("<table {TABLE} style=\"margin:0 0 8px\">\n{rows}</table>\n")
        }
        Block::List { ordered, items } => {
            let tag = if *ordered { "ol" } else { "ul" };
            let items: String =
                items.iter().map(|item| format!("<li style=\"{ITEM}\">{}</li>\n", inlines(item))).collect();
            format!("<{tag} style=\"{LIST}\">\n{items}</{tag}>\n")
        }
        // One amount alone is a fact like any other.
        Block::Fields(fields) if fields.iter().filter(|field| is_amount(field)).count() < 2 => table(fields),
        Block::Fields(fields) => fields.chunk_by(|one, next| is_amount(one) == is_amount(next)).map(table).collect(),
        Block::Picture { alternative, url } if url == PICTURE => report_picture(alternative),
        Block::Picture { alternative, url } => match is_web(url) {
            true => format!(
                "<p style=\"{PARAGRAPH}\"><img src=\"{}\" alt=\"{}\" style=\"max-width:100%;height:auto;border:0\"></p>\n",
                escaped(url),
                escaped(alternative)
            ),
            false => format!("<p style=\"{PARAGRAPH}\">{}</p>\n", escaped(alternative)),
        },
    }
}

/// How many of it, and what it is, where an item begins with a number of pieces: `**2 ×** Lemon tea`.
fn quantity(item: &[Inline]) -> Option<(&[Inline], &[Inline])> {
    let (Inline::Strong(count), rest) = item.split_first()? else { return None };
    inline_text(count).ends_with('×').then_some((count.as_slice(), rest))
}

fn counted((count, rest): (&[Inline], &[Inline])) -> String {
    format!(
        "<tr><td style=\"{QUANTITY}\">{}</td><td style=\"{NAMED}\">{}</td></tr>\n",
        inlines(count).replace(' ', "&nbsp;"),
        inlines(rest).trim_start()
    )
}

/// Whether the first line of the value is an amount of money and nothing else: then its decimals stand below those of its
/// neighbours.
fn is_amount(field: &Field) -> bool {
    let value = inline_text(field.value.split(|inline| *inline == Inline::Break).next().unwrap_or_default());
    let value = value.replace(is_isolate, "");
    let value = value.strip_prefix('−').unwrap_or(&value);
    let is_digit = |character: char| character.is_ascii_digit();
    let (Some(first), Some(last)) = (value.find(is_digit), value.rfind(is_digit)) else { return false };
    let (before, amount, after) = (&value[..first], &value[first..=last], &value[last + 1..]);
    let has_currency = match (before, after) {
        (currency, "") => currency.strip_suffix(' ').is_some_and(is_code) || is_sign(currency.trim_end()),
        ("", currency) => currency.strip_prefix(' ').is_some_and(is_code) || is_sign(currency.trim_start()),
        _ => false,
    };
    has_currency && amount.chars().all(|character| is_digit(character) || ",. \u{a0}\u{202f}".contains(character))
}

/// A currency's code, such as `SAR`.
fn is_code(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|letter| letter.is_ascii_uppercase())
}

/// A currency's sign, such as `R$`.
fn is_sign(text: &str) -> bool {
    let letters = text.trim_end_matches(is_sign_of_money);
    letters.len() < text.len() && letters.len() < 3 && letters.bytes().all(|letter| letter.is_ascii_uppercase())
}

fn is_sign_of_money(character: char) -> bool {
    matches!(character, '$' | '¢'..='¥' | '\u{20a0}'..='\u{20cf}' | '＄' | '￥')
}

/// Facts that stand together, amounts as a column.
fn table(fields: &[Field]) -> String {
    if fields.len() > 1 && fields.iter().all(is_amount) {
        let rows: String = fields.iter().map(amount).collect();
        return format!("<table {TABLE} style=\"{SUMS_WIDTH}\">\n{rows}</table>\n");
    }
    let is_narrow = fields.iter().all(|field| columns(&field.key) <= KEY_COLUMNS);
    let rows: String = fields.iter().map(if is_narrow { field } else { field_below }).collect();
    format!("<table {TABLE} style=\"margin:0 0 12px\">\n{rows}</table>\n")
}

/// One amount of several; what they come to is strong.
fn amount(Field { key, value, .. }: &Field) -> String {
    let sum = if matches!(value.as_slice(), [Inline::Strong(_)]) { SUM } else { "" };
    let mut lines = value.split(|inline| *inline == Inline::Break);
    let first = inlines(lines.next().unwrap_or_default());
    let row = format!(
        "<tr><td class=\"key\" style=\"{KEY};{sum}\">{}</td><td align=\"right\" style=\"{AMOUNT};{sum}\">{first}</td></tr>\n",
        inlines(key)
    );
    let aside = |line: &[Inline]| {
        let style = format!("padding:0 0 6px;text-align:right;{ASIDE}");
        format!("<tr><td colspan=\"2\" align=\"right\" class=\"aside\" style=\"{style}\">{}</td></tr>\n", inlines(line))
    };
    lines.fold(row, |rows, line| rows + &aside(line))
}

/// The picture of the report, and for readers in the dark its counterpart: whoever does not know `prefers-color-scheme` shows
/// the first and hides the second, as its own style says; Outlook's old engine is kept from the second by a comment.
fn report_picture(alternative: &str) -> String {
    let alternative = escaped(alternative);
    let picture = |class: &str, address: &str, style: &str| {
        let style = format!("{style}width:100%;max-width:552px;height:auto;border:0");
        format!("<img class=\"{class}\" src=\"{address}\" alt=\"{alternative}\" width=\"552\" style=\"{style}\">")
    };
    let light = picture("light", PICTURE, "display:block;");
    let dark = picture("dark", DARK_PICTURE, "display:none;");
    format!("<p style=\"{PARAGRAPH}\">{light}<!--[if !mso]><!-->{dark}<!--<![endif]--></p>\n")
}

fn field(Field { key, value, .. }: &Field) -> String {
    format!(
        "<tr><td class=\"key\" style=\"{KEY}\">{}</td><td style=\"{VALUE}\">{}</td></tr>\n",
        inlines(key),
        valued(value)
    )
}

/// The value below its key.
fn field_below(Field { key, value, .. }: &Field) -> String {
    format!(
        "<tr><td class=\"key\" style=\"{LONG_KEY}\">{}</td></tr>\n<tr><td style=\"{VALUE}\">{}</td></tr>\n",
        inlines(key),
        valued(value)
    )
}

/// A value, its further lines small.
fn valued(value: &[Inline]) -> String {
    let mut lines = value.split(|inline| *inline == Inline::Break);
    let first = inlines(lines.next().unwrap_or_default());
    let asides = lines.map(|line| format!("<br>\n<span class=\"aside\" style=\"{ASIDE}\">{}</span>", inlines(line)));
    asides.fold(first, |value, aside| value + &aside)
}

/// About how wide a text is, in Latin letters.
fn columns(content: &[Inline]) -> usize {
    let one = |inline: &Inline| match inline {
        Inline::Text(text) => text.chars().map(|letter| if is_wide(letter) { 2 } else { 1 }).sum(),
        Inline::Strong(content) | Inline::Emphasis(content) => columns(content),
        Inline::Toned { content, .. } | Inline::Link { content, .. } => columns(content),
        Inline::Break => 0,
    };
    content.iter().map(one).sum()
}

fn inlines(content: &[Inline]) -> String {
    let is_quoted = |inline: Option<&Inline>| matches!(inline, Some(Inline::Toned { tone: Tone::Quoted, .. }));
    content
        .iter()
        .enumerate()
        .map(|(at, inline)| match inline {
            Inline::Text(text) => escaped(&unbroken(text)),
            Inline::Strong(content) => format!("<strong>{}</strong>", inlines(content)),
            Inline::Emphasis(content) => format!("<em>{}</em>", inlines(content)),
            Inline::Toned { tone: Tone::Quoted, content } => {
                format!("<div class=\"note\" style=\"{NOTE}\">{}</div>", inlines(content))
            }
            // A colour would have to be readable on white and on black.
            Inline::Toned { content, .. } => inlines(content),
            Inline::Link { content, url } if is_web(url) => {
                format!("<a href=\"{}\" style=\"color:#0b62c4\">{}</a>", escaped(url), inlines(content))
            }
            Inline::Link { content, .. } => inlines(content),
            // It begins a line by itself.
            Inline::Break if is_quoted(content.get(at + 1)) => "\n".to_owned(),
            Inline::Break => "<br>\n".to_owned(),
        })
        .collect()
}

/// The text with blanks at which no line is broken before a dot that separates, and between a currency and its amount.
fn unbroken(text: &str) -> String {
    let is_currency = |word: &str| {
        // Chinese has no blank before it: 「单，HKD」.
        let code = word.rsplit(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
        is_code(code) || word.ends_with(is_sign_of_money)
    };
    let mut out = String::with_capacity(text.len() + 8);
    let mut before: Option<&str> = None;
    for word in text.split(' ') {
        let stays = |before| {
            word == "·" || is_currency(before) && word.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit())
        };
        if let Some(before) = before {
            out.push_str(if stays(before) { "\u{a0}" } else { " " });
        }
        out.push_str(word);
        before = Some(word);
    }
    out
}

fn is_web(url: &str) -> bool {
    ["https://", "http://", "mailto:"].iter().any(|scheme| url.starts_with(scheme))
}

/// A text that is nothing but text, in content and in attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{a0}' => out.push_str("&nbsp;"),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::document::Colon;

    #[test]
    fn the_frame_has_its_places_and_loads_nothing() {
        assert!(FRAME.contains(CONTENT));
        assert!(FRAME.len() < 4_000, "{}", FRAME.len());
        for loads in ["<link", "@import", "<script", "<img", "url("] {
            assert!(!FRAME.contains(loads), "{loads}");
        }
        assert!(!FRAME.contains("display:none;"), "filters hold hidden text against a mail");
        assert!(page("zh-CN", Look::Good, &[]).contains("lang=\"zh-CN\""), "{FRAME}");
    }

    #[test]
    fn a_line_begins_with_no_dot_and_parts_no_amount_from_its_currency() {
        let shown = |text: &str| unbroken(text).replace('\u{a0}', "_");
        assert_eq!(shown("Order #1 · SAR 46.00 · House of XYZ"), "Order #1_· SAR_46.00_· House of XYZ");
        assert_eq!(shown("−SAR 19.00 (CNY 5) HKD -1.00"), "−SAR_19.00 (CNY_5) HKD_-1.00");
        assert_eq!(shown("105 单，HKD 9,593.00"), "105 单，HKD_9,593.00");
        assert_eq!(shown("Pedido #1 · −R$ 46,00 · USD 1,00"), "Pedido #1_· −R$_46,00_· USD_1,00");
        for same in ["", " ", "a  b", "for you 2", "ABCD 5", "large, Spice: Mild"] {
            assert_eq!(shown(same), same);
        }
    }

    #[test]
    fn amounts_are_a_column_that_ends_in_their_sum_and_other_facts_are_none() {
        let text = |text: &str| vec![Inline::Text(text.to_owned())];
        let field = |key: &str, value: Vec<Inline>| Field { key: text(key), value, colon: Colon::Narrow };
        let sum = vec![Inline::Strong(text("SAR 46.00"))];
        let fields = [
            field("Payment", text("Apple Pay")),
            field("Items", text("\u{2068}SAR 65.00\u{2069}")),
            field("Discounts", text("−SAR 19.00")),
            field("Total", sum),
            field("Placed", text("06:35")),
        ];
        let page = content(Look::Plain, &[Block::Fields(fields.to_vec())]);
        assert_eq!((page.matches("<table").count(), page.matches("align=\"right\"").count()), (3, 3), "{page}");
        assert_eq!(page.matches(SUM).count(), 2, "{page}");
        for value in ["SAR", "sar 1", "SAR 1 each", "XX 1", "ABC1", "$", "US 1", "A1$2", "ABC$ 1", "12 orders", ""] {
            assert!(!is_amount(&field("Items", text(value))), "{value}");
        }
        for value in ["R$ 1.234,56", "−R$ 0,05", "HK$1,234.50", "¥5", "12,00 €", "1\u{202f}234,00 CHF"] {
            assert!(is_amount(&field("Items", text(value))), "{value}");
        }
    }

    #[test]
    fn values_stand_below_keys_that_leave_them_no_room() {
        let table = |keys: &[&str]| {
            let text = |text: &str| vec![Inline::Text(text.to_owned())];
            let field = |key: &&str| Field { key: text(key), value: text("1"), colon: Colon::Narrow };
            content(Look::Plain, &[Block::Fields(keys.iter().map(field).collect())])
        };
        let rows = |keys: &[&str]| table(keys).matches("<tr>").count();
        assert_eq!(rows(&["By the platform, by itself", "海港面馆（九龙湾店）总店"]), 2);
        assert!(table(&["Orders"]).contains("white-space:nowrap"));
        for long in ["Harbour Noodle House, Kowloon", "海港面馆（九龙湾国际展贸店）"] {
            assert_eq!(rows(&[long, "Peak"]), 4, "{long}");
            assert!(!table(&[long]).contains("nowrap"), "{long}");
        }
    }

    #[test]
    fn what_somebody_wrote_is_no_markup() {
        let text = || vec![Inline::Text("</td><img src=x onerror=\"a\"> & 'b' @@content@@".to_owned())];
        let link = Inline::Link { content: text(), url: "javascript:alert(1)".to_owned() };
        let field = Field { key: text(), value: text(), colon: Colon::Narrow };
        let head = Block::Heading { level: 1, content: text() };
        let note = Inline::Toned { tone: Tone::Quoted, content: text() };
        let item = vec![Inline::Strong(vec![Inline::Text("1 ×".to_owned())]), note];
        let page = page(
            "en",
            Look::Stop,
            &[
                head,
                Block::Paragraph(vec![link]),
                Block::List { ordered: false, items: vec![item] },
                Block::Fields(vec![field]),
                Block::Quote(vec![Block::Paragraph(text())]),
            ],
        );
        assert!(!page.contains("<img") && !page.contains("javascript") && !page.contains("<t>"), "{page}");
        assert_eq!(
            page.matches("&lt;/td&gt;&lt;img src=x onerror=&quot;a&quot;&gt; &amp; &#39;b&#39; @@content@@").count(),
            6
        );
    }
}
