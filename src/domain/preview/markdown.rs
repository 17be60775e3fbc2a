//! CommonMark as HTML, for a dialect that is a part of it. HTML in it is shown as text; pictures are links.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::domain::preview::html::{escaped, heading, link, placeholder};

/// So many blocks stand within one another at most; deeper ones are shown as if they stood in the last.
const NESTED: usize = 24;

/// The text as HTML. A line break alone is a blank, as DingTalk's clients have it.
pub fn html(markdown: &str) -> String {
    let mut writer = Writer::default();
    for event in Parser::new_ext(markdown, Options::empty()) {
        writer.write(event);
    }
    writer.out
}

#[derive(Default)]
struct Writer {
    out: String,
    /// The ends of the tags that are open.
    open: Vec<String>,
    /// The address and the text of each picture that is open.
    pictures: Vec<(String, String)>,
}

impl Writer {
    fn write(&mut self, event: Event<'_>) {
        match event {
            Event::Start(Tag::Image { dest_url, .. }) => self.pictures.push((dest_url.into_string(), String::new())),
            Event::End(TagEnd::Image) => {
                let Some((address, alternative)) = self.pictures.pop() else { return };
                match self.pictures.last_mut() {
                    Some((_, outer)) => outer.push_str(&alternative),
                    None => self.out.push_str(&placeholder(&alternative, &address)),
                }
            }
            // Marks within the text of a picture are not shown.
            Event::Start(_) | Event::End(_) if !self.pictures.is_empty() => {}
            Event::Start(tag) => self.start(tag),
            Event::End(_) => {
                let end = self.open.pop().unwrap_or_default();
                self.out.push_str(&end);
            }
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::Code(text) if self.pictures.is_empty() => {
                self.out.push_str(&format!("<code>{}</code>", escaped(&text)));
            }
            Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => self.text(&text),
            Event::FootnoteReference(label) => self.text(&format!("[{label}]")),
            Event::SoftBreak => self.text(" "),
            Event::HardBreak if self.pictures.is_empty() => self.out.push_str("<br>\n"),
            Event::HardBreak => self.text(" "),
            Event::Rule => self.out.push_str("<hr>\n"),
            Event::TaskListMarker(done) => self.text(if done { "☑ " } else { "☐ " }),
        }
    }

    fn text(&mut self, text: &str) {
        match self.pictures.last_mut() {
            Some((_, alternative)) => alternative.push_str(text),
            None => self.out.push_str(&escaped(text)),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        let (begin, end) = match tag {
            Tag::Heading { level, .. } => {
                let (begin, end) = heading(level as usize);
                (begin, end.to_owned())
            }
            Tag::Emphasis => ("<em>".to_owned(), "</em>".to_owned()),
            Tag::Strong => ("<strong>".to_owned(), "</strong>".to_owned()),
            Tag::Link { dest_url, .. } => link(&dest_url),
            _ if self.open.len() >= NESTED => (String::new(), "\n".to_owned()),
            Tag::BlockQuote(_) => ("<blockquote dir=\"auto\">".to_owned(), "</blockquote>\n".to_owned()),
            Tag::List(None) => ("<ul dir=\"auto\">".to_owned(), "</ul>\n".to_owned()),
            Tag::List(Some(first)) => (format!("<ol start=\"{first}\" dir=\"auto\">"), "</ol>\n".to_owned()),
            Tag::Item => ("<li>".to_owned(), "</li>\n".to_owned()),
            Tag::CodeBlock(CodeBlockKind::Indented | CodeBlockKind::Fenced(_)) => {
                ("<pre dir=\"auto\">".to_owned(), "</pre>\n".to_owned())
            }
            Tag::Paragraph | Tag::HtmlBlock => ("<p dir=\"auto\">".to_owned(), "</p>\n".to_owned()),
            _ => (String::new(), String::new()),
        };
        self.out.push_str(&begin);
        self.open.push(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_set_is_shown() {
        let shown = html("# One\n\n**a** *b*\nc  \n  d\n\n> q\n\n- x\n\n3. y\n\n[l](https://a.example)");
        for piece in [
            "<p class=\"h1\" dir=\"auto\">One</p>",
            "<strong>a</strong> <em>b</em> c<br>\nd</p>",
            "<blockquote dir=\"auto\"><p dir=\"auto\">q</p>",
            "<ul dir=\"auto\"><li>x</li>",
            "<ol start=\"3\" dir=\"auto\"><li>y</li>",
            "<a href=\"https://a.example\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">l</a>",
        ] {
            assert!(shown.contains(piece), "{piece}: {shown}");
        }
    }

    #[test]
    fn nothing_in_it_does_or_loads_anything() {
        let hostile = "<script>alert(1)</script>\n\n<img src=x onerror=a> [x](javascript:alert(1)) ![p **b** <i>](https://evil.example/p.png)\n\n\
            [d](dtmd://send) [\"](https://a.example/\"onmouseover=x)\n\n```js\n</pre><b>\n```\n\n`<u>`";
        let shown = html(hostile);
        for tag in ["<script", "<img", "<i>", "<b>", "<u>", "href=\"javascript", "href=\"dtmd", "\"onmouseover"] {
            assert!(!shown.contains(tag), "{tag}: {shown}");
        }
        assert!(shown.contains("x (javascript:alert(1))"), "{shown}");
        assert!(shown.contains(">p b &lt;i&gt;</a>"), "{shown}");
    }

    #[test]
    fn however_deep_a_text_is_nested_its_tags_are_few_and_all_end() {
        let shown = html(&format!("{}deep", "> ".repeat(5_000)));
        assert!(shown.contains("deep"), "{}", shown.len());
        assert_eq!(shown.matches("<blockquote").count(), NESTED);
        assert_eq!(shown.matches("</blockquote").count(), NESTED);
    }
}
