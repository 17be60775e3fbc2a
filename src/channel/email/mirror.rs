//! Mirrors the page of a mail for a language that is written from right to left.

use std::borrow::Cow;

use crate::channel::email::look::AMOUNT;

const LEFT: &str = " align=\"left\"";
const RIGHT: &str = " align=\"right\"";

/// A column as wide as what stands in it.
const NARROW: &str = "width:1%";

/// The page with its directions and its styles mirrored. Quotes in texts are escaped, so that no text is taken for a style.
/// Amounts read from left to right everywhere: their column goes to the other side, and in it their decimals stay below each
/// other.
pub fn mirrored(page: &str) -> String {
    let page =
        page.replacen("<html ", "<html dir=\"rtl\" ", 1).replacen(" class=\"body\"", " class=\"body\" dir=\"rtl\"", 1);
    let sides = [(LEFT, " align=\0"), (RIGHT, LEFT), (" align=\0", RIGHT)];
    let page = sides.iter().fold(page, |page, (from, to)| page.replace(from, to));
    let mut pieces = page.split(" style=\"");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (style, rest) = piece.split_once('"').unwrap_or((piece, ""));
        if let Some(more) = style.strip_prefix(AMOUNT) {
            let before = out.strip_suffix(LEFT).map_or(out.len(), str::len);
            out.truncate(before);
            out.push_str(&format!("{RIGHT} style=\"{AMOUNT};{NARROW}{more}\"{rest}"));
            continue;
        }
        let rules: Vec<Cow<'_, str>> = style.split(';').map(rule).collect();
        out.push_str(&format!(" style=\"{}\"{rest}", rules.join(";")));
    }
    out
}

fn rule(rule: &str) -> Cow<'_, str> {
    let Some((name, value)) = rule.split_once(':') else { return Cow::Borrowed(rule) };
    let sides: Vec<&str> = value.split_whitespace().collect();
    match (name.trim(), sides.as_slice()) {
        ("direction", _) => Cow::Borrowed("direction:rtl"),
        ("margin" | "padding", [top, right, bottom, left]) => {
            Cow::Owned(format!("{name}:{top} {left} {bottom} {right}"))
        }
        ("border-radius", [first, second, third, fourth]) => {
            Cow::Owned(format!("{name}:{second} {first} {fourth} {third}"))
        }
        ("text-align" | "float", ["left"]) => Cow::Owned(format!("{name}:right")),
        ("text-align" | "float", ["right"]) => Cow::Owned(format!("{name}:left")),
        _ if name.contains("-left") => Cow::Owned(format!("{}:{value}", name.replace("-left", "-right"))),
        _ if name.contains("-right") => Cow::Owned(format!("{}:{value}", name.replace("-right", "-left"))),
        _ => Cow::Borrowed(rule),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_are_mirrored_and_texts_are_not() {
        let page = "<html lang=\"ar\"><td class=\"body\" align=\"left\" style=\"padding:1px 2px 3px 4px;border-left:4px solid #d98a1f;text-align:left\">\
                    style=&quot;text-align:left&quot; padding:1px 2px 3px 4px</td><p style=\"margin:0 0 12px;direction:ltr\">";
        let expected = "<html dir=\"rtl\" lang=\"ar\"><td class=\"body\" dir=\"rtl\" align=\"right\" style=\"padding:1px 4px 3px 2px;border-right:4px solid #d98a1f;text-align:right\">\
                        style=&quot;text-align:left&quot; padding:1px 2px 3px 4px</td><p style=\"margin:0 0 12px;direction:rtl\">";
        assert_eq!(mirrored(page), expected);
    }

    #[test]
    fn amounts_change_the_side_and_stay_below_each_other() {
        let page = format!(
            "<td align=\"right\" style=\"{AMOUNT};padding-top:6px;\">1</td><td align=\"right\" style=\"{AMOUNT};\">"
        );
        let expected = format!(
            "<td align=\"right\" style=\"{AMOUNT};width:1%;padding-top:6px;\">1</td><td align=\"right\" style=\"{AMOUNT};width:1%;\">"
        );
        assert_eq!(mirrored(&page), expected);
    }
}
