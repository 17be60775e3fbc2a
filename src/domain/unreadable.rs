//! What came of an order and could not be read, as JSON pointers into the order as it is shown: how it is kept with the order,
//! and how a message says it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::domain::event::Event;
use crate::domain::language::Language;
use crate::domain::order::{Order, OrderLine, OrderUpdate};
use crate::domain::payload::{Data, Payload};
use crate::domain::text::escape_value;

/// So many are kept of one event.
pub const MOST: usize = 500;
/// So many are named in a message; the others are counted.
const NAMED: usize = 8;
/// Where a language has no word for it.
const NAMELESS: &str = "(name unreadable)";
const NOTE: &str = "Could not be read: {places}.";

/// What stays with the order. The others are about what one event says beside it.
const OF_THE_ORDER: [&str; 5] = ["/total", "/lines", "/number", "/short_number", "/placed_at"];

/// What could not be read of an event.
pub fn of_event(event: &Event) -> &[String] {
    match (&event.order, &event.data.unnumbered) {
        (Some(news), _) => &news.unreadable,
        (None, Some(unnumbered)) => &unnumbered.unreadable,
        (None, None) => &[],
    }
}

/// What could not be read of an order as it stands, and of what an event says beside it.
pub fn shown(order: Option<&Order>, event: &Event) -> Vec<String> {
    let Some(order) = order else { return of_event(event).to_vec() };
    let beside = of_event(event).iter().filter(|pointer| part(pointer).is_none());
    order.unreadable.iter().chain(beside).cloned().collect()
}

/// Whether what one more event says of an order has as many lines, of which more can be read.
pub fn has_fuller_lines(order: &Order, news: &OrderUpdate) -> bool {
    let count = |unreadable: &[String]| unreadable.iter().filter(|pointer| part(pointer) == Some("/lines")).count();
    order.lines.len() == news.lines.len() && count(&news.unreadable) < count(&order.unreadable)
}

/// Keeps with the order what is not readable of it after one more event: what neither it nor those before could tell,
/// and what could not be read of the one that the order has a part from.
pub fn settle(before: Option<&Order>, news: &OrderUpdate, order: &mut Order) {
    let earlier = before.map(|before| before.unreadable.as_slice()).unwrap_or_default();
    if earlier.is_empty() && news.unreadable.is_empty() {
        return;
    }
    let nothing = Order::default();
    let before = before.unwrap_or(&nothing);
    let (of_before, of_news): (BTreeSet<&String>, BTreeSet<&String>) =
        (earlier.iter().collect(), news.unreadable.iter().collect());
    let stays = |pointer: &&String| {
        let (known, is_before, is_news) = match part(pointer) {
            Some("/total") => (order.total.is_some(), order.total == before.total, order.total == news.total),
            Some("/short_number") => {
                let is_news = order.short_number == news.short_number;
                (order.short_number.is_some(), order.short_number == before.short_number, is_news)
            }
            Some("/placed_at") => {
                let is_news = order.placed_at == news.placed_at;
                (order.placed_at.is_some(), order.placed_at == before.placed_at, is_news)
            }
            Some("/number") => (true, order.number == before.number, order.number == news.number),
            Some(_) => (!order.lines.is_empty(), order.lines == before.lines, order.lines == news.lines),
            None => return false,
        };
        let (in_before, in_news) = (of_before.contains(pointer), of_news.contains(pointer));
        match (known, is_before, is_news) {
            (false, ..) => true,
            (true, true, true) => in_before && in_news,
            (true, true, false) => in_before,
            (true, false, true) => in_news,
            (true, false, false) => is_missing(order, pointer),
        }
    };
    let mut unreadable: Vec<String> = earlier.iter().chain(&news.unreadable).filter(stays).cloned().collect();
    let mut seen = BTreeSet::new();
    unreadable.retain(|pointer| seen.insert(pointer.clone()));
    order.unreadable = unreadable;
}

/// Of an event that changes an order, whatever could not be read of it stays said: what is known from before may have changed
/// as well.
pub fn keep(news: &OrderUpdate, order: &mut Order) {
    let more = news.unreadable.iter().filter(|pointer| part(pointer).is_some());
    let more: Vec<String> = more.filter(|pointer| !order.unreadable.contains(pointer)).cloned().collect();
    order.unreadable.extend(more);
}

/// Whether what a pointer to a line or to a part of it stands for is not known, where the lines are put together of several
/// events.
fn is_missing(order: &Order, pointer: &str) -> bool {
    let mut steps = pointer.split('/').skip(2);
    let line = steps.next().and_then(|index| index.parse::<usize>().ok()).and_then(|index| order.lines.get(index));
    line.is_none_or(|line| match steps.next() {
        Some("name") => line.name.is_empty() || line.name.contains(char::REPLACEMENT_CHARACTER),
        Some("quantity") => line.quantity.is_none(),
        Some("unit_price") => line.unit_price.is_none(),
        Some("note") => line.note.as_ref().is_none_or(|note| note.contains(char::REPLACEMENT_CHARACTER)),
        _ => true,
    })
}

/// Which part of the order itself a pointer is about.
fn part(pointer: &str) -> Option<&'static str> {
    let begins =
        |part: &&&str| pointer.strip_prefix(**part).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    OF_THE_ORDER.iter().find(begins).copied()
}

/// A message in Markdown that says below its heading what could not be read, where something could not: whatever its template
/// says, and whoever wrote it.
pub fn noted(markdown: String, order: Option<&Order>, event: &Event, words: Option<&Language>) -> String {
    let unreadable = shown(order, event);
    if unreadable.is_empty() {
        return markdown;
    }
    let places = words.map_or_else(|| unreadable.join(", "), |words| in_words(&unreadable, words));
    let says = words.and_then(|words| words.word("unreadable.note")).unwrap_or(NOTE).replace("{places}", &places);
    let note = format!("**{}**", escape_value(&says));
    let markdown = markdown.trim_start();
    match markdown.split_once('\n') {
        Some((heading, rest)) if heading.starts_with("# ") => format!("{heading}\n\n{note}\n\n{rest}"),
        None if markdown.starts_with("# ") => format!("{markdown}\n\n{note}"),
        _ => format!("{note}\n\n{markdown}"),
    }
}

/// The pointers in words: `name of item 2, total`; of many the first few, and how many more there are.
fn in_words(pointers: &[String], words: &Language) -> String {
    let mut named: Vec<String> = Vec::new();
    for pointer in pointers {
        let text = place(pointer, words);
        if !named.contains(&text) {
            named.push(text);
        }
    }
    let more = named.len().saturating_sub(NAMED);
    named.truncate(NAMED);
    let listed = named.join(words.word("format.list_separator").unwrap_or(", "));
    match i64::try_from(more).ok().filter(|more| *more > 0).and_then(|more| words.plural(more, "and_more")) {
        Some(more) => format!("{listed} {more}"),
        None => listed,
    }
}

/// One pointer in words: `/lines/1/name` is `unreadable.lines_name` of the language file, with 2 for `{number}`. Where there is
/// no such word, what is around it is named, and in the end the pointer itself.
fn place(pointer: &str, words: &Language) -> String {
    let steps = pointer.split('/').skip(1);
    let number = steps.clone().find_map(|step| step.parse::<usize>().ok());
    let names: Vec<&str> = steps.filter(|step| step.parse::<usize>().is_err()).collect();
    let ends_in_number = pointer.ends_with(|letter: char| letter.is_ascii_digit());
    let whole = names.join("_");
    let mut keys = if ends_in_number { vec![format!("{whole}_item")] } else { Vec::new() };
    keys.extend((1..=names.len()).rev().map(|length| names[..length].join("_")));
    let found = keys.iter().find_map(|key| words.word(&format!("unreadable.{key}")));
    let number = number.map(|number| number.saturating_add(1).to_string()).unwrap_or_default();
    found.map_or_else(|| pointer.to_owned(), |word| word.replace("{number}", &number))
}

/// An order as a message shows it: with what could not be read of it and of the event, and with a word where a name could not
/// be read.
pub fn order_in_words<'a>(order: &'a Order, event: &Event, words: Option<&Language>) -> Cow<'a, Order> {
    let unreadable = shown(Some(order), event);
    if unreadable == order.unreadable && order.lines.iter().all(is_named) {
        return Cow::Borrowed(order);
    }
    let mut order = Order { unreadable, ..order.clone() };
    name_all(&mut order.lines, words);
    Cow::Owned(order)
}

/// As [`order_in_words`], what an event says beside its order.
pub fn data_in_words<'a>(data: &'a Data, words: Option<&Language>) -> Cow<'a, Data> {
    let lines = data.unnumbered.as_ref().map(|unnumbered| unnumbered.lines.as_slice()).unwrap_or_default();
    let items = data.refund().map(|refund| refund.items.as_slice()).unwrap_or_default();
    let changed = data.changed.iter().flat_map(|changed| &changed.lines);
    let mut changed = changed.flat_map(|line| line.was.iter().chain(&line.is));
    if lines.iter().all(is_named) && items.iter().all(|item| !item.name.is_empty()) && changed.all(is_named) {
        return Cow::Borrowed(data);
    }
    let mut data = data.clone();
    let changed = data.changed.iter_mut().flat_map(|changed| &mut changed.lines);
    changed.flat_map(|line| line.was.iter_mut().chain(&mut line.is)).for_each(|line| name(line, words));
    data.unnumbered.iter_mut().for_each(|unnumbered| name_all(&mut unnumbered.lines, words));
    if let Payload::Refund(refund) = &mut data.payload {
        let items = refund.items.iter_mut().filter(|item| item.name.is_empty());
        items.for_each(|item| item.name = nameless(words).to_owned());
    }
    Cow::Owned(data)
}

/// What stands in the place of a name that could not be read.
pub fn nameless(words: Option<&Language>) -> &str {
    words.and_then(|words| words.word("label.nameless")).unwrap_or(NAMELESS)
}

fn is_named(line: &OrderLine) -> bool {
    !line.name.is_empty()
}

fn name_all(lines: &mut [OrderLine], words: Option<&Language>) {
    lines.iter_mut().for_each(|line| name(line, words));
}

fn name(line: &mut OrderLine, words: Option<&Language>) {
    if !is_named(line) {
        line.name = nameless(words).to_owned();
    }
}
