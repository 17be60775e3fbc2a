//! Pieces of HTML for a preview: text that is nothing but text, links that lead where a reader's client lets them lead.

/// The addresses that a link may have. Others (`javascript:`, `dtmd:`, `data:`) make a client do things.
const LINK_SCHEMES: [&str; 4] = ["https://", "http://", "mailto:", "tel:"];

/// A text that is nothing but text, in content and in attributes.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}

/// The begin and the end of a link; where its address is none that a page may have, the address stands behind as text.
pub fn link(address: &str) -> (String, String) {
    let is_allowed = LINK_SCHEMES.iter().any(|scheme| begins_with(address, scheme));
    match is_allowed {
        true => {
            let rel = "rel=\"noopener noreferrer nofollow\" target=\"_blank\"";
            (format!("<a href=\"{}\" {rel}>", escaped(address)), "</a>".to_owned())
        }
        false if address.is_empty() => (String::new(), String::new()),
        false => ("<span>".to_owned(), format!(" ({})</span>", escaped(address))),
    }
}

/// What stands in the place of a picture that is elsewhere: nothing is loaded.
pub fn placeholder(alternative: &str, address: &str) -> String {
    let (begin, end) = link(address);
    let text = if alternative.trim().is_empty() { address } else { alternative };
    format!("<span class=\"picture\">{begin}{}{end}</span>", escaped(text))
}

/// A paragraph that looks as a heading of this level does: the page that shows it has headings of its own.
pub fn heading(level: usize) -> (String, &'static str) {
    (format!("<p class=\"h{}\" dir=\"auto\">", level.clamp(1, 6)), "</p>")
}

fn begins_with(address: &str, scheme: &str) -> bool {
    address.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_web_of_mail_and_of_telephones_are_links() {
        for (address, is_link) in [
            ("https://a.example/?a=1&b=\"2\"", true),
            ("HTTP://a.example", true),
            ("mailto:a@b.example", true),
            ("tel:+1", true),
            ("javascript:alert(1)", false),
            (" https://a.example", false),
            ("dtmd://dingtalkclient/sendMessage?content=x", false),
            ("data:text/html,<script>", false),
            ("//a.example", false),
        ] {
            let (begin, end) = link(address);
            assert_eq!(begin.contains("href"), is_link, "{address}");
            assert!(!begin.contains("\"2\"") && !end.contains("<script>"), "{begin}{end}");
        }
    }

    #[test]
    fn a_picture_elsewhere_is_a_link_with_its_text() {
        let shown = placeholder("chart <b>", "https://a.example/c.png");
        assert!(shown.contains("href=\"https://a.example/c.png\"") && shown.contains(">chart &lt;b&gt;<"), "{shown}");
        assert!(!shown.contains("<img") && !shown.contains("src="), "{shown}");
    }
}
