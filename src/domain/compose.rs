//! From an event to a message: which view a template gets, and what comes out.

use crate::domain::bidi::isolated;
use crate::domain::data::Diff;
use crate::domain::document::Document;
use crate::domain::document::lazy::LazyDocument;
use crate::domain::document::read::read;
use crate::domain::event::Kind;
use crate::domain::language::Language;
use crate::domain::language::folders::{built_in_folders, serving};
use crate::domain::message_context::MessageContext;
use crate::domain::order::OrderLine;
use crate::domain::text::{cap, composed_line, escape_value, one_line};
use crate::domain::{changed, fold, language, unreadable};

/// A title is one line of a chat list or a subject.
const TITLE_GRAPHEMES: usize = 120;

/// The plain form shows so many lines of an order and says how many more there are.
const PLAIN_LINES: usize = 100;
const PLAIN_NAME_GRAPHEMES: usize = 200;

/// A composed text, before a channel writes it in its dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    /// The first heading as plain text; never empty.
    pub title: String,
    /// The rendered template: Markdown with its values escaped.
    pub markdown: String,
    pub document: LazyDocument,
}

/// Reads rendered Markdown and gives it a title: its first heading, else its first line, else the kind in words.
pub fn composed(markdown: &str, view: &MessageContext<'_>) -> Composed {
    let markdown = without_gaps(markdown);
    let document = LazyDocument::new(markdown.clone());
    let title = first_heading(&markdown)
        .or_else(|| document.title())
        .or_else(|| document.plain_text().lines().next().map(composed_line))
        .filter(|title| !title.is_empty())
        .unwrap_or_else(|| kind_in_words(words_for(view.language), view));
    Composed { title: cap(&title, TITLE_GRAPHEMES).into_owned(), markdown, document }
}

/// The heading that a text begins with, without reading all of it; `None` where what it says may depend on what follows.
fn first_heading(markdown: &str) -> Option<String> {
    let line = markdown.lines().next().filter(|line| line.starts_with("# ") && !line.contains('['))?;
    read(line).title()
}

/// The document that rendered Markdown is read into.
pub fn document(markdown: &str) -> Document {
    read(&without_gaps(markdown))
}

/// The built-in plain form: kind, order, shop, total and lines. It needs no template and cannot fail.
pub fn plain(view: &MessageContext<'_>) -> Composed {
    let words = words_for(view.language);
    let say = |key: &str, or: &str| words.and_then(|words| words.word(key)).unwrap_or(or).to_owned();
    let alone = view.event.order.is_some().then(|| fold::merge(None, view.event));
    let order = view.order.or(alone.as_ref());
    let shop = order.and_then(|order| order.shop.as_ref()).or(view.event.shop.as_ref());
    let direction = words.map(Language::direction).unwrap_or_default();
    let escaped = |text: &str| escape_value(&cap(&one_line(text), PLAIN_NAME_GRAPHEMES));
    let name = |text: &str| isolated(&escaped(text), direction).into_owned();

    let mut markdown = format!("# {}", escape_value(&kind_in_words(words, view)));
    if let Some(order) = order {
        let number = order.short_number.as_ref().unwrap_or(&order.number);
        markdown.push_str(&format!(" {}", isolated(&format!("#{}", escaped(number)), direction)));
    }
    markdown.push_str("\n\n");
    let colon = say("format.colon", ":");
    let mut field = |key: &str, or: &str, value: &str| {
        markdown.push_str(&format!("- **{}{}** {value}\n", escape_value(&say(key, or)), colon.trim_end()));
    };
    if let Some(shop) = shop {
        field("label.shop", "Shop", &name(shop.name.as_ref().unwrap_or(&shop.id)));
    }
    if let Some(order) = order {
        field("label.number", "Order number", &name(&order.number));
    }
    if let Some(total) = order.and_then(|order| order.total.as_ref()) {
        let total = words.map_or_else(|| total.to_string(), |words| words.money(total));
        field("label.total", "Total", &isolated(&escape_value(&total), direction));
    }
    let lines = order.map_or(&[][..], |order| &order.lines);
    let item = |line: &OrderLine| {
        let quantity = line.quantity.map(|quantity| format!("{quantity} × ")).unwrap_or_default();
        let called = if line.name.is_empty() { unreadable::nameless(words) } else { &line.name };
        format!("{quantity}{}", name(called))
    };
    // What changed has its note with it: the note may be all that did.
    let noted = |line: &OrderLine| match &line.note {
        Some(note) => format!("{} ({})", item(line), name(note)),
        None => item(line),
    };
    for Diff { was, is } in view.event.data.changed.iter().flat_map(|changed| &changed.lines).take(PLAIN_LINES) {
        let (was, is) = (was.as_ref().map_or("—".to_owned(), noted), is.as_ref().map_or("—".to_owned(), noted));
        markdown.push_str(&format!("\n{was} → {is}\n"));
    }
    markdown.push('\n');
    for line in lines.iter().take(PLAIN_LINES) {
        markdown.push_str(&format!("- {}\n", item(line)));
    }
    if lines.len() > PLAIN_LINES {
        markdown.push_str(&format!("- + {}\n", lines.len() - PLAIN_LINES));
    }
    composed(&unreadable::noted(markdown, order, view.event, words), view)
}

/// The words of the language that a reader gets.
pub fn words_for(language: &str) -> Option<&'static Language> {
    language::built_in(serving(language, built_in_folders())?)
}

fn kind_in_words(words: Option<&Language>, view: &MessageContext<'_>) -> String {
    let kind = match view.event.data.changed {
        Some(_) if view.event.kind == Kind::OrderPlaced => changed::NAME.to_owned(),
        _ => view.event.kind.to_string(),
    };
    let word = words.and_then(|words| {
        words.word(&format!("kind.{kind}")).or_else(|| words.word(&format!("kind.{}.other", view.event.kind.family())))
    });
    word.map_or(kind.clone(), str::to_owned)
}

/// Takes away the gaps that tags and parts without a value leave: none at the ends, none between the items of a list or
/// between facts, at most one empty line in a row elsewhere.
fn without_gaps(markdown: &str) -> String {
    let mut tidied = String::with_capacity(markdown.len());
    let mut gap = false;
    let mut before = Row::Other;
    for line in markdown.trim().lines() {
        if line.trim().is_empty() {
            gap = true;
            continue;
        }
        let row = match () {
            () if line.starts_with("- **") && (line.contains(":**") || line.contains("：**")) => Row::Fact,
            () if line.starts_with("- ") => Row::Item,
            // The second line of an item.
            () if line.starts_with(' ') && !gap => before,
            () => Row::Other,
        };
        if !tidied.is_empty() {
            tidied.push_str(if gap && (row != before || row == Row::Other) { "\n\n" } else { "\n" });
        }
        tidied.push_str(line);
        (before, gap) = (row, false);
    }
    tidied
}

/// What a line of a rendered template is part of, as far as its gaps go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    Item,
    Fact,
    Other,
}
