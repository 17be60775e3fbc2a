//! Mirrors the page of a mail for a language that is written from right to left.

use std::borrow::Cow;

/// The page with its directions and its styles mirrored. Quotes in texts are escaped, so that no text is taken for a style.
pub fn mirrored(page: &str) -> String {
    let page =
        page.replacen("<html ", "<html dir=\"rtl\" ", 1).replacen(" class=\"body\"", " class=\"body\" dir=\"rtl\"", 1);
    let sides =
        [(" align=\"left\"", " align=\0"), (" align=\"right\"", " align=\"left\""), (" align=\0", " align=\"right\"")];
    let page = sides.iter().fold(page, |page, (from, to)| page.replace(from, to));
    let mut pieces = page.split(" style=\"");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (style, rest) = piece.split_once('"').unwrap_or((piece, ""));
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
}
