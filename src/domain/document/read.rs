//! Reads Markdown into a document. What the document has no word for becomes text; nothing is lost.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::domain::bidi::is_isolate;
use crate::domain::document::tidy::{SOFT, tidy};
use crate::domain::document::{Block, Colon, Document, Field, Inline, PICTURE, Tone};

/// So many quotes, lists, pictures and runs of emphasis stand within one another at most; what is nested deeper is read as if
/// it stood in the last of them. Whoever handles a document goes into each.
const NESTED: usize = 24;

/// The addresses that a link may have. Others (`javascript:`, `dtmd:`) make a client do things, so they become text.
const LINK_SCHEMES: [&str; 4] = ["https://", "http://", "mailto:", "tel:"];

/// Reads Markdown: CommonMark without extensions. HTML in it is text, but for `<font color="info">`, `"comment"` and
/// `"warning"` with their `</font>`.
pub fn read(markdown: &str) -> Document {
    let mut reader = Reader::default();
    for event in Parser::new_ext(markdown, Options::empty()) {
        reader.hear(event);
    }
    reader.end_paragraph();
    Document { blocks: reader.blocks.pop().unwrap_or_default() }
}

struct Reader {
    /// The blocks of the document, and of each quote that is open.
    blocks: Vec<Vec<Block>>,
    /// The text of the block that is open, and of each inline that is open in it.
    inlines: Vec<Vec<Inline>>,
    lists: Vec<List>,
    /// The tones that are open, and how many runs of inlines were open with each.
    tones: Vec<(Tone, usize)>,
    within: Within,
    /// The address of each link or picture that is open.
    urls: Vec<String>,
    /// How many tags are open that may stand within one another.
    nested: usize,
}

/// What is open, where that makes a difference to what is in it.
#[derive(PartialEq, Eq)]
enum Within {
    Text,
    Code,
    Heading,
}

struct List {
    /// The number of the next item; `None` for bullets.
    number: Option<u64>,
    starts_elsewhere: bool,
    items: Vec<Vec<Inline>>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            blocks: vec![Vec::new()],
            inlines: vec![Vec::new()],
            lists: Vec::new(),
            tones: Vec::new(),
            within: Within::Text,
            urls: Vec::new(),
            nested: 0,
        }
    }
}

impl Reader {
    fn hear(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => {
                let nests = nests(&tag.to_end());
                self.nested += usize::from(nests);
                match nests && self.nested > NESTED {
                    true => self.pass(&tag.to_end()),
                    false => self.start(tag),
                }
            }
            Event::End(tag) => {
                let is_passed = nests(&tag) && self.nested > NESTED;
                self.nested -= usize::from(nests(&tag));
                if is_passed {
                    return self.pass(&tag);
                }
                // A tone ends with whatever it stands in.
                while self.end_tone() {}
                self.end(tag);
            }
            Event::InlineHtml(text) if tone(&text).is_some() && self.tones.len() < NESTED => {
                self.inlines.push(Vec::new());
                self.tones.extend(tone(&text).map(|tone| (tone, self.inlines.len())));
            }
            Event::InlineHtml(text) if text.eq_ignore_ascii_case("</font>") && self.end_tone() => {}
            Event::Text(text) if self.within == Within::Code => self.lines(&text),
            Event::Text(text) | Event::Code(text) | Event::InlineHtml(text) => self.push(Inline::Text(text.into())),
            Event::Html(text) | Event::InlineMath(text) | Event::DisplayMath(text) => self.lines(&text),
            Event::FootnoteReference(label) => self.push(Inline::Text(format!("[{label}]"))),
            Event::SoftBreak => self.push(Inline::Text(SOFT.into())),
            Event::HardBreak => self.push(Inline::Break),
            Event::Rule => {
                self.end_paragraph();
                self.push(Inline::Text("———".to_owned()));
                self.end_paragraph();
            }
            Event::TaskListMarker(done) => self.push(Inline::Text(if done { "☑ " } else { "☐ " }.to_owned())),
        }
    }

    /// Begins or ends what is nested too deeply: only that its lines are lines of their own is kept.
    fn pass(&mut self, tag: &TagEnd) {
        if matches!(tag, TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::Item) {
            self.end_paragraph();
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Emphasis | Tag::Strong => self.inlines.push(Vec::new()),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                // A value in it may stand between isolates.
                self.urls.push(dest_url.replace(is_isolate, ""));
                self.inlines.push(Vec::new());
            }
            Tag::BlockQuote(_) => {
                self.end_paragraph();
                match self.lists.is_empty() {
                    true => self.blocks.push(Vec::new()),
                    false => self.inlines.push(Vec::new()),
                }
            }
            Tag::List(number) => {
                self.end_paragraph();
                let starts_elsewhere = number.is_some_and(|number| number != 1);
                self.lists.push(List { number, starts_elsewhere, items: Vec::new() });
            }
            Tag::Item => self.inlines.push(Vec::new()),
            Tag::Heading { .. } => {
                self.end_paragraph();
                self.within = Within::Heading;
            }
            Tag::CodeBlock(_) => {
                self.end_paragraph();
                self.within = Within::Code;
            }
            _ => self.end_paragraph(),
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Emphasis => {
                let content = self.close();
                self.push(Inline::Emphasis(content));
            }
            TagEnd::Strong => {
                let content = self.close();
                self.push(Inline::Strong(content));
            }
            TagEnd::Link => self.end_link(),
            TagEnd::Image => self.end_picture(),
            TagEnd::Heading(level) => {
                self.within = Within::Text;
                if !self.lists.is_empty() {
                    return self.end_paragraph();
                }
                let content = tidy(self.take());
                self.block(Block::Heading { level: level as u8, content });
            }
            TagEnd::BlockQuote(_) if self.lists.is_empty() => {
                self.end_paragraph();
                let blocks = self.blocks.pop().unwrap_or_default();
                if !blocks.is_empty() {
                    self.block(Block::Quote(blocks));
                }
            }
            TagEnd::BlockQuote(_) => {
                let content = tidy(self.close());
                self.push(Inline::Toned { tone: Tone::Quoted, content });
                self.end_paragraph();
            }
            TagEnd::Item => {
                let content = tidy(self.close());
                if let Some(list) = self.lists.last_mut() {
                    list.items.push(content);
                }
            }
            TagEnd::List(_) => self.end_list(),
            TagEnd::CodeBlock => {
                self.within = Within::Text;
                self.end_paragraph();
            }
            _ => self.end_paragraph(),
        }
    }

    /// Text of several lines whose breaks count: HTML, code.
    fn lines(&mut self, text: &str) {
        for (index, line) in text.lines().enumerate() {
            if index > 0 {
                self.push(Inline::Break);
            }
            self.push(Inline::Text(line.to_owned()));
        }
        if text.ends_with('\n') {
            self.push(Inline::Break);
        }
    }

    fn end_link(&mut self) {
        let url = self.urls.pop().unwrap_or_default();
        let content = self.close();
        let allowed = LINK_SCHEMES.iter().any(|scheme| starts_with_ignoring_case(&url, scheme));
        if allowed {
            self.push(Inline::Link { content, url });
            return;
        }
        for inline in content {
            self.push(inline);
        }
        if !url.is_empty() {
            self.push(Inline::Text(format!(" ({})", url.replace("://", "：//"))));
        }
    }

    /// A picture is a block of its own; within a list or a heading, where there are no blocks, it is a link.
    fn end_picture(&mut self) {
        let url = self.urls.pop().unwrap_or_default();
        let content = self.close();
        let alternative = crate::domain::document::inline_text(&content);
        let is_web = ["https://", "http://"].iter().any(|scheme| starts_with_ignoring_case(&url, scheme));
        let shown = is_web || url == PICTURE;
        if shown && self.lists.is_empty() && self.inlines.len() == 1 && self.within == Within::Text {
            self.end_paragraph();
            self.block(Block::Picture { alternative, url });
        } else {
            self.urls.push(url);
            self.inlines.push(content);
            self.end_link();
        }
    }

    /// A list within an item has no block to be: its items become lines of that item.
    fn end_list(&mut self) {
        let Some(List { mut number, starts_elsewhere, items }) = self.lists.pop() else { return };
        let inner = !self.lists.is_empty();
        if !inner && !starts_elsewhere {
            if number.is_some() {
                self.block(Block::List { ordered: true, items });
            } else {
                self.bullets(items);
            }
            return;
        }
        for item in items {
            self.push(Inline::Text(number.map_or("– ".to_owned(), |number| format!("{number}. "))));
            number = number.map(|number| number.saturating_add(1));
            for inline in item {
                self.push(inline);
            }
            self.push(Inline::Break);
        }
        self.end_paragraph();
    }

    /// Bullets that stand together are one list to Markdown, even where a template means the lines of an order and the
    /// facts about it: each run of facts becomes fields.
    fn bullets(&mut self, items: Vec<Vec<Inline>>) {
        let (mut plain, mut fields) = (Vec::new(), Vec::new());
        for item in items {
            match as_field(&item) {
                Some(field) => {
                    self.list(&mut plain);
                    fields.push(field);
                }
                None => {
                    self.fields(&mut fields);
                    plain.push(item);
                }
            }
        }
        self.list(&mut plain);
        self.fields(&mut fields);
    }

    fn list(&mut self, items: &mut Vec<Vec<Inline>>) {
        if !items.is_empty() {
            self.block(Block::List { ordered: false, items: std::mem::take(items) });
        }
    }

    fn fields(&mut self, fields: &mut Vec<Field>) {
        if !fields.is_empty() {
            self.block(Block::Fields(std::mem::take(fields)));
        }
    }

    /// Ends the innermost tone, if nothing else was opened within it. Answers whether there was one.
    fn end_tone(&mut self) -> bool {
        let Some((tone, _)) = self.tones.pop_if(|(_, depth)| *depth == self.inlines.len()) else { return false };
        let content = self.close();
        self.push(Inline::Toned { tone, content });
        true
    }

    fn push(&mut self, inline: Inline) {
        if let Some(open) = self.inlines.last_mut() {
            open.push(inline);
        }
    }

    fn block(&mut self, block: Block) {
        if let Some(open) = self.blocks.last_mut() {
            open.push(block);
        }
    }

    fn take(&mut self) -> Vec<Inline> {
        self.inlines.last_mut().map(std::mem::take).unwrap_or_default()
    }

    fn close(&mut self) -> Vec<Inline> {
        self.inlines.pop().unwrap_or_default()
    }

    /// Ends what was open: a paragraph of the document, or a line of the item that is open.
    fn end_paragraph(&mut self) {
        if !self.lists.is_empty() {
            if self.inlines.last().is_some_and(|open| !matches!(open.last(), None | Some(Inline::Break))) {
                self.push(Inline::Break);
            }
            return;
        }
        let mut content = tidy(self.take());
        if let Some(Inline::Text(text)) = content.first_mut() {
            *text = text.trim_start().to_owned();
        }
        if let Some(Inline::Text(text)) = content.last_mut() {
            *text = text.trim_end().to_owned();
        }
        content.retain(|inline| !matches!(inline, Inline::Text(text) if text.is_empty()));
        if !content.is_empty() {
            self.block(Block::Paragraph(content));
        }
    }
}

/// Whether such a tag may stand within another one of its sort.
fn nests(tag: &TagEnd) -> bool {
    let is_block = matches!(tag, TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::Item);
    is_block || matches!(tag, TagEnd::Emphasis | TagEnd::Strong | TagEnd::Image)
}

/// The item as a field, when it starts with `**Key:**` or `**Key**:`.
fn as_field(item: &[Inline]) -> Option<Field> {
    const COLONS: [char; 2] = [':', '：'];
    let (Inline::Strong(key), rest) = item.split_first()? else { return None };
    let (mut key, mut value) = (key.clone(), rest.to_vec());
    // Within the key, at its end, or behind it.
    let colon = match (key.last_mut(), value.first_mut()) {
        (Some(Inline::Text(text)), _) if text.trim_end().ends_with(COLONS) => {
            let found = text.trim_end().chars().next_back();
            *text = text.trim_end().strip_suffix(COLONS).unwrap_or_default().to_owned();
            found
        }
        (_, Some(Inline::Text(text))) if text.starts_with(COLONS) => {
            let found = text.chars().next();
            *text = text.trim_start_matches(COLONS).to_owned();
            found
        }
        _ => return None,
    };
    let colon = if colon == Some('：') { Colon::Wide } else { Colon::Narrow };
    if let Some(Inline::Text(text)) = value.first_mut() {
        *text = text.trim_start().to_owned();
    }
    key.retain(|inline| !matches!(inline, Inline::Text(text) if text.is_empty()));
    value.retain(|inline| !matches!(inline, Inline::Text(text) if text.is_empty()));
    (!key.is_empty()).then_some(Field { key, value, colon })
}

/// The tone that a tag opens.
fn tone(html: &str) -> Option<Tone> {
    let colour = html.strip_prefix("<font color=")?.strip_suffix('>')?.trim();
    let quoted = |quote: char| colour.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    match quoted('"').or_else(|| quoted('\''))? {
        "info" => Some(Tone::Info),
        "comment" => Some(Tone::Comment),
        "warning" => Some(Tone::Warning),
        _ => None,
    }
}

fn starts_with_ignoring_case(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}
