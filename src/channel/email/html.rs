//! The HTML of a mail: a frame made once from MJML (`templates/mail.mjml`), and in it the document, written so that Outlook's
//! old engine, Gmail and telephones show it, in the light and in the dark.
//!
//! Only the frame goes through MJML. What a buyer wrote meets no parser but the reader's, and is escaped.

use std::sync::LazyLock;

use mrml::prelude::render::RenderOptions;

use crate::domain::document::{Block, Field, Inline, PICTURE};

/// Gmail cuts what is longer than about 102 KB, in bytes.
pub const LIMIT_BYTES: usize = 100_000;

const TITLE: &str = "@@title@@";
const PREVIEW: &str = "@@preview@@";
const CONTENT: &str = "@@content@@";

const HEADING: &str = "margin:0 0 16px;font-size:20px;line-height:28px;font-weight:bold";
const SMALL_HEADING: &str = "margin:16px 0 8px;font-size:17px;line-height:24px;font-weight:bold";
const PARAGRAPH: &str = "margin:0 0 12px";
const LIST: &str = "margin:0 0 12px;padding:0 0 0 22px";
const ITEM: &str = "margin:0 0 6px";
const QUOTE: &str = "border-left:4px solid #d98a1f;background-color:#fdf4e3;padding:8px 12px;font-size:16px;line-height:24px;color:#4a3510";
const KEY: &str =
    "padding:0 14px 4px 0;font-size:14px;line-height:22px;color:#6a7176;vertical-align:top;white-space:nowrap";
const LONG_KEY: &str =
    "padding:4px 0 0;font-size:14px;line-height:22px;color:#6a7176;vertical-align:top;word-break:break-word";
const VALUE: &str =
    "padding:0 0 4px;font-size:16px;line-height:22px;color:#22282c;vertical-align:top;width:100%;word-break:break-word";
/// Wider keys leave their values no room beside them on a telephone.
const KEY_COLUMNS: usize = 26;
const TABLE: &str = "role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\"";

/// The frame, with places for title, preview and content.
static FRAME: LazyLock<String> = LazyLock::new(|| {
    let source = include_str!("../../../templates/mail.mjml");
    let parsed = mrml::parse(source).expect("a test holds that the frame is MJML");
    // Without fonts from elsewhere: whoever serves them would see who reads when.
    let options = RenderOptions { fonts: Default::default(), ..RenderOptions::default() };
    let html = parsed.element.render(&options).expect("a test holds that the frame can be rendered");
    html.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
});

/// What the frame takes of the limit.
pub fn frame_bytes() -> usize {
    FRAME.len()
}

/// A whole page. `preview` is what lists of mails show beside the subject.
pub fn page(language: &str, title: &str, preview: &str, blocks: &[Block]) -> String {
    let (before, after) = FRAME.split_once(CONTENT).expect("the frame has a place for the content");
    let lang = format!("lang=\"{}\"", escaped(language));
    let before =
        before.replace("lang=\"und\"", &lang).replace(TITLE, &escaped(title)).replace(PREVIEW, &escaped(preview));
    format!("{before}{}{after}", content(blocks))
}

/// The document as it stands in the page.
pub fn content(blocks: &[Block]) -> String {
    blocks.iter().map(block).collect()
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading { level: 0 | 1, content } => format!("<h1 style=\"{HEADING}\">{}</h1>\n", inlines(content)),
        Block::Heading { content, .. } => format!("<h2 style=\"{SMALL_HEADING}\">{}</h2>\n", inlines(content)),
        Block::Paragraph(content) => format!("<p style=\"{PARAGRAPH}\">{}</p>\n", inlines(content)),
        // A cell, because Outlook gives borders to nothing else.
        Block::Quote(blocks) => {
            let inner = content(blocks).replace(&format!("<p style=\"{PARAGRAPH}\">"), "<p style=\"margin:0\">");
            format!(
                "<table {TABLE} class=\"quote\" style=\"margin:0 0 12px\"><tr><td class=\"quote\" style=\"{QUOTE}\">{inner}</td></tr></table>\n"
            )
        }
        Block::List { ordered, items } => {
            let tag = if *ordered { "ol" } else { "ul" };
            let items: String =
                items.iter().map(|item| format!("<li style=\"{ITEM}\">{}</li>\n", inlines(item))).collect();
            format!("<{tag} style=\"{LIST}\">\n{items}</{tag}>\n")
        }
        Block::Fields(fields) => {
            let is_narrow = fields.iter().all(|field| columns(&field.key) <= KEY_COLUMNS);
            let rows: String = fields.iter().map(if is_narrow { field } else { field_below }).collect();
            format!("<table {TABLE} style=\"margin:0 0 12px\">\n{rows}</table>\n")
        }
        Block::Picture { alternative, url } if url == PICTURE => format!(
            "<p style=\"{PARAGRAPH}\"><img src=\"{PICTURE}\" alt=\"{}\" width=\"552\" style=\"display:block;width:100%;max-width:552px;height:auto;border:0\"></p>\n",
            escaped(alternative)
        ),
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

fn field(Field { key, value }: &Field) -> String {
    format!(
        "<tr><td class=\"key\" style=\"{KEY}\">{}</td><td style=\"{VALUE}\">{}</td></tr>\n",
        inlines(key),
        inlines(value)
    )
}

/// The value below its key.
fn field_below(Field { key, value }: &Field) -> String {
    format!(
        "<tr><td class=\"key\" style=\"{LONG_KEY}\">{}</td></tr>\n<tr><td style=\"{VALUE}\">{}</td></tr>\n",
        inlines(key),
        inlines(value)
    )
}

/// About how wide a text is, in Latin letters.
fn columns(content: &[Inline]) -> usize {
    let one = |inline: &Inline| match inline {
        Inline::Text(text) => text.chars().map(|letter| if letter.is_ascii() { 1 } else { 2 }).sum(),
        Inline::Strong(content) | Inline::Emphasis(content) => columns(content),
        Inline::Toned { content, .. } | Inline::Link { content, .. } => columns(content),
        Inline::Break => 0,
    };
    content.iter().map(one).sum()
}

fn inlines(content: &[Inline]) -> String {
    content
        .iter()
        .map(|inline| match inline {
            Inline::Text(text) => escaped(&unbroken(text)),
            Inline::Strong(content) => format!("<strong>{}</strong>", inlines(content)),
            Inline::Emphasis(content) => format!("<em>{}</em>", inlines(content)),
            // A colour would have to be readable on white and on black.
            Inline::Toned { content, .. } => inlines(content),
            Inline::Link { content, url } if is_web(url) => {
                format!("<a href=\"{}\" style=\"color:#0b62c4\">{}</a>", escaped(url), inlines(content))
            }
            Inline::Link { content, .. } => inlines(content),
            Inline::Break => "<br>\n".to_owned(),
        })
        .collect()
}

/// The text with blanks at which no line is broken before a dot that separates, and between a currency and its amount.
fn unbroken(text: &str) -> String {
    let is_currency = |word: &str| {
        // Chinese has no blank before it: 「单，HKD」.
        let code = word.rsplit(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
        code.len() == 3 && code.bytes().all(|letter| letter.is_ascii_uppercase())
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

    #[test]
    fn the_frame_has_its_places_and_loads_nothing() {
        for place in [TITLE, PREVIEW, CONTENT] {
            assert!(FRAME.contains(place), "{place}");
        }
        assert!(FRAME.len() < 12_000, "{}", FRAME.len());
        for loads in ["<link", "@import", "<script", "<img", "url("] {
            assert!(!FRAME.contains(loads), "{loads}");
        }
        assert!(page("zh-CN", "t", "p", &[]).contains("lang=\"zh-CN\""), "{}", *FRAME);
    }

    #[test]
    fn a_line_begins_with_no_dot_and_parts_no_amount_from_its_currency() {
        let shown = |text: &str| unbroken(text).replace('\u{a0}', "_");
        assert_eq!(shown("Order #1 · SAR 46.00 · House of XYZ"), "Order #1_· SAR_46.00_· House of XYZ");
        assert_eq!(shown("−SAR 19.00 (CNY 5) HKD -1.00"), "−SAR_19.00 (CNY_5) HKD_-1.00");
        assert_eq!(shown("105 单，HKD 9,593.00"), "105 单，HKD_9,593.00");
        for same in ["", " ", "a  b", "for you 2", "ABCD 5", "large, Spice: Mild"] {
            assert_eq!(shown(same), same);
        }
    }

    #[test]
    fn values_stand_below_keys_that_leave_them_no_room() {
        let table = |keys: &[&str]| {
            let text = |text: &str| vec![Inline::Text(text.to_owned())];
            content(&[Block::Fields(keys.iter().map(|key| Field { key: text(key), value: text("1") }).collect())])
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
        let field = Field { key: text(), value: text() };
        let page = page(
            "en",
            "<t>",
            "\"p\"",
            &[Block::Paragraph(vec![link]), Block::Fields(vec![field]), Block::Quote(vec![Block::Paragraph(text())])],
        );
        assert!(!page.contains("<img") && !page.contains("javascript") && !page.contains("<t>"), "{page}");
        assert_eq!(
            page.matches("&lt;/td&gt;&lt;img src=x onerror=&quot;a&quot;&gt; &amp; &#39;b&#39; @@content@@").count(),
            4
        );
    }
}
