//! A part as a WeCom group shows it: the first dialect of Markdown, in which a line is a line and nothing escapes.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::channel::wecom::{Body, Content};
use crate::domain::preview::html::{escaped, heading, link};
use crate::domain::preview::{Preview, PreviewContent, data_address};

/// So many tones stand within one another at most.
const NESTED: usize = 8;

/// What readers see of a body of a request; `None` where it is none to a WeCom robot.
pub fn preview(body: &str) -> Option<Preview> {
    let called = |content: Content| [content.mentioned_list, content.mentioned_mobile_list].concat();
    Some(match serde_json::from_str(body).ok()? {
        Body::Markdown { markdown } => Preview::of(PreviewContent::Html(html(&markdown.content))),
        Body::Text { text } => {
            let content = PreviewContent::Text(text.content.clone());
            Preview { called: called(text), ..Preview::of(content) }
        }
        Body::Image { image } => {
            let bytes = BASE64_STANDARD.decode(&image.base64).unwrap_or_default();
            let content = data_address(&bytes).map(PreviewContent::Picture);
            Preview::of(content.unwrap_or_else(|| PreviewContent::Text(format!("[{} KB]", bytes.len().div_ceil(1000)))))
        }
    })
}

/// The blocks of a text: headings, quotes, and lines that stand together.
fn html(text: &str) -> String {
    let mut out = String::new();
    let lines: Vec<&str> = text.lines().collect();
    for run in lines.chunk_by(|one, next| LineKind::of(one) == LineKind::of(next) && LineKind::of(one).continues()) {
        let shown = |mark: &str| {
            let lines = run.iter().map(|line| inlines(line.strip_prefix(mark).unwrap_or(line)));
            lines.collect::<Vec<_>>().join("<br>\n")
        };
        match LineKind::of(run[0]) {
            LineKind::Empty => {}
            LineKind::Heading(level) => {
                let (begin, end) = heading(level);
                out.push_str(&format!("{begin}{}{end}\n", inlines(run[0][level..].trim_start())));
            }
            LineKind::Quote => {
                out.push_str(&format!("<blockquote dir=\"auto\">{}</blockquote>\n", shown("> ")));
            }
            LineKind::Text => out.push_str(&format!("<p dir=\"auto\">{}</p>\n", shown(""))),
        }
    }
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LineKind {
    Empty,
    /// Of level 1 to 6.
    Heading(usize),
    Quote,
    Text,
}

impl LineKind {
    fn of(line: &str) -> Self {
        let marks = line.len() - line.trim_start_matches('#').len();
        match line {
            _ if line.trim().is_empty() => Self::Empty,
            // Without the blank it is no heading.
            _ if (1..=6).contains(&marks) && line[marks..].starts_with(' ') => Self::Heading(marks),
            _ if line.starts_with("> ") => Self::Quote,
            _ => Self::Text,
        }
    }

    /// Whether lines of it that follow one another are one block.
    fn continues(self) -> bool {
        matches!(self, Self::Quote | Self::Text)
    }
}

/// One line with its marks: bold, code, links, tones and those who are called.
fn inlines(line: &str) -> String {
    let mut out = String::new();
    let mut open: Vec<&str> = Vec::new();
    let mut rest = line;
    // Where one of these was looked for in vain, it is not looked for again.
    let mut absent = [false; 3];
    while let Some(at) = rest.find(['*', '`', '[', '<']) {
        let (before, mark) = rest.split_at(at);
        out.push_str(&escaped(before));
        let mut between = |begin: &str, end: &str, which: usize| {
            let behind = mark.strip_prefix(begin).filter(|_| !absent[which])?;
            let found = behind.split_once(end);
            absent[which] = found.is_none();
            found
        };
        let tone = TONES.iter().find_map(|(begin, tag)| Some((mark.strip_prefix(begin)?, tag)));
        rest = if let Some((behind, tag)) = tone.filter(|_| open.len() < NESTED) {
            out.push_str(tag);
            open.push(TONE_END);
            behind
        } else if let Some(behind) = mark.strip_prefix("</font>").filter(|_| open.last() == Some(&TONE_END)) {
            out.extend(open.pop());
            behind
        } else if let Some(behind) = mark.strip_prefix("**").filter(|_| open.last() == Some(&STRONG_END)) {
            out.extend(open.pop());
            behind
        } else if let Some(behind) = mark.strip_prefix("**").filter(|behind| opens_strong(behind, &open)) {
            out.push_str("<strong>");
            open.push(STRONG_END);
            behind
        } else if let Some((code, behind)) = between("`", "`", 0) {
            out.push_str(&format!("<code>{}</code>", escaped(code)));
            behind
        } else if let Some((user, behind)) = between("<@", ">", 1) {
            out.push_str(&format!("<strong>@{}</strong>", escaped(user)));
            behind
        } else if let Some((text, behind)) = between("[", "](", 2)
            && let Some((address, behind)) = behind.split_once(')')
        {
            let (begin, end) = link(address);
            out.push_str(&format!("{begin}{}{end}", escaped(text)));
            behind
        } else {
            let first = mark.chars().next().map_or(0, char::len_utf8);
            out.push_str(&escaped(&mark[..first]));
            &mark[first..]
        };
    }
    out.push_str(&escaped(rest));
    out.extend(open.into_iter().rev());
    out
}

fn opens_strong(behind: &str, open: &[&str]) -> bool {
    !open.contains(&STRONG_END) && behind.contains("**")
}

const STRONG_END: &str = "</strong>";
const TONE_END: &str = "</span>";

/// How a tone begins, and as what it is shown.
const TONES: [(&str, &str); 3] = [
    ("<font color=\"info\">", "<span class=\"tone-info\">"),
    ("<font color=\"comment\">", "<span class=\"tone-comment\">"),
    ("<font color=\"warning\">", "<span class=\"tone-warning\">"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(content: &str) -> String {
        let body = serde_json::json!({ "msgtype": "markdown", "markdown": { "content": content } }).to_string();
        match preview(&body).expect("a preview").content {
            PreviewContent::Html(html) => html,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_line_is_a_line_and_each_mark_of_the_dialect_is_shown() {
        let expected = "<p class=\"h2\" dir=\"auto\">New <strong>order</strong></p>\n\
            <p dir=\"auto\">• tea<br>\n\u{3000}no ice<br>\n#1 and 2 * 3</p>\n\
            <blockquote dir=\"auto\">hurry<br>\nplease</blockquote>\n\
            <p dir=\"auto\"><span class=\"tone-comment\">Total:</span> <code>&lt;b&gt;</code> <strong>@user-1</strong> \
            <a href=\"https://a.example/1\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">it</a></p>\n";
        let written = "## New **order**\n\n• tea\n\u{3000}no ice\n#1 and 2 * 3\n> hurry\n> please\n\n\
            <font color=\"comment\">Total:</font> `<b>` <@user-1> [it](https://a.example/1)";
        assert_eq!(shown(written), expected);
    }

    #[test]
    fn what_is_no_mark_of_the_dialect_is_text_and_every_tag_ends_where_it_should() {
        for (written, expected) in [
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            (
                "![p](https://e.example/p.png)",
                "!<a href=\"https://e.example/p.png\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">p</a>",
            ),
            ("[x](javascript:alert(1)", "<span>x (javascript:alert(1)</span>"),
            ("**a", "**a"),
            ("<font color=\"info\">**a</font>**", "<span class=\"tone-info\"><strong>a&lt;/font&gt;</strong></span>"),
            ("</font> &lt; <@ [a](b `", "&lt;/font&gt; &amp;lt; &lt;@ [a](b `"),
            ("<font color=\"info\" onclick=x>", "&lt;font color=&quot;info&quot; onclick=x&gt;"),
        ] {
            assert_eq!(shown(written), format!("<p dir=\"auto\">{expected}</p>\n"), "{written}");
        }
    }
}
