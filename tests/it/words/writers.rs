//! What every channel's writer must keep, whatever a document holds: each part within its limit, nothing lost, no grapheme
//! cut, and no value that reads back as markup, a mention or a link.
//!
//! A writer is one entry of [`writers`]: the channel, its limit, and how a reader's client takes a part apart again.

use std::collections::BTreeSet;

use orderbell::channel::Channel;
use orderbell::channel::email::Email;
use orderbell::domain::compose::Composed;
use orderbell::domain::document::Block;
use orderbell::domain::document::Document;
use orderbell::domain::document::Field;
use orderbell::domain::document::Inline;
use orderbell::domain::document::Tone;
use orderbell::domain::document::read::read;
use orderbell::domain::message::Form;
use orderbell::domain::message::Part;
use orderbell::sandbox::mail;
use orderbell::sandbox::mail::Opened;
use proptest::prelude::*;
use serde_json::Value;
use unicode_segmentation::UnicodeSegmentation;

use crate::words::golden::message;
use crate::words::golden::robot;
use crate::words::golden::wecom;
use crate::words::samples;

/// The one address that links and pictures of the random documents have.
const URL: &str = "https://a.example/";

/// One channel under test.
struct Writer {
    name: &'static str,
    channel: Box<dyn Channel>,
    /// Of one part in its form that was halved so many times, in what `size` counts.
    limit: fn(u8) -> usize,
    size: fn(&Part) -> usize,
    /// The part as its readers' clients take it apart.
    shown: fn(&Part) -> Document,
    /// Sorts of markup that it writes for others: a field as bold, a picture as a link.
    own: &'static [(&'static str, &'static str)],
    /// Says what of a part's bytes could call somebody, or be markup that `shown` does not know.
    faults: fn(&Part) -> Vec<String>,
}

fn writers() -> Vec<Writer> {
    let mention = "mention = { user_ids = [\"user-1\"] }";
    vec![
        Writer {
            name: "dingtalk",
            channel: Box::new(robot("")),
            limit: |times| 20_000 >> times,
            size: |part| part.body.len(),
            shown: |part| read(&field(part, "/markdown/text")),
            own: &[("field", "strong"), ("field", "paragraph"), ("list", "paragraph"), ("list", "field")],
            faults: |part| {
                let text = field(part, "/markdown/text");
                let at = body(part).get("at").map(|at| format!("it calls {at}"));
                at.into_iter().chain(text.contains('<').then(|| format!("HTML in {text}"))).collect()
            },
        },
        Writer {
            name: "wecom markdown",
            channel: Box::new(wecom(mention)),
            limit: |times| 4096 >> times,
            size: |part| field(part, "/markdown/content").len(),
            // The dialect has no escapes: a backslash is shown as it is.
            shown: |part| read(&field(part, "/markdown/content").replace('\\', "\\\\").replace("<@user-1>", "")),
            own: &[
                ("field", "tone"),
                ("field", "strong"),
                ("field", "paragraph"),
                ("list", "paragraph"),
                ("picture", "link"),
            ],
            faults: |part| {
                let known = ["<@user-1>", "<font color=\"comment\">", "<font color=\"warning\">", "</font>"];
                let text = field(part, "/markdown/content");
                let tags = text.match_indices('<').map(|(at, _)| &text[at..]);
                let strange = tags.filter(|tag| !known.iter().any(|known| tag.starts_with(known)));
                let calls = text.matches("<@").count();
                let too_many = (calls > usize::from(part.index == 0)).then(|| format!("{calls} calls in {text}"));
                strange.map(|tag| format!("a tag: {tag}")).chain(too_many).collect()
            },
        },
        Writer {
            name: "wecom text",
            channel: Box::new(wecom("format = \"text\"")),
            limit: |times| 2048 >> times,
            size: |part| field(part, "/text/content").len(),
            shown: |part| Document { blocks: vec![Block::Paragraph(vec![Inline::Text(field(part, "/text/content"))])] },
            own: &[("", "paragraph")],
            faults: |part| {
                let text = field(part, "/text/content");
                text.contains('<').then(|| format!("it could call somebody: {text}")).into_iter().collect()
            },
        },
        Writer {
            name: "email",
            channel: Box::new(mailbox()),
            // A server that finds a mail too long will never take it, so none is halved.
            limit: |_| 100_000,
            size: |part| opened(part).html.unwrap_or_default().len(),
            shown: |part| {
                let text = opened(part).text.unwrap_or_default().replace("\r\n", "\n");
                Document { blocks: vec![Block::Paragraph(vec![Inline::Text(text)])] }
            },
            own: &[("", "paragraph")],
            faults: |part| {
                let html = opened(part).html.unwrap_or_default();
                let tags = ["<@", "<font", "<script", "\" onload"].into_iter().filter(|tag| html.contains(tag));
                let addresses = ["href=\"", "src=\""].into_iter().flat_map(|name| html.split(name).skip(1));
                let elsewhere = addresses.filter(|address| !address.starts_with(URL));
                tags.map(str::to_owned).chain(elsewhere.map(|link| format!("{link:.60}"))).collect()
            },
        },
    ]
}

fn mailbox() -> Email {
    let text = "smtp = \"smtps://smtp.example.com\"\nfrom = \"bell@example.com\"\nto = [\"owner@example.com\"]";
    toml::from_str(text).unwrap()
}

/// A mail without the line of its envelope, taken apart.
fn opened(part: &Part) -> Opened {
    mail::open(part.body.split_once("\r\n").unwrap().1)
}

fn body(part: &Part) -> Value {
    serde_json::from_str(&part.body).unwrap()
}

fn field(part: &Part, pointer: &str) -> String {
    body(part).pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Latin, Chinese, Arabic, Devanagari and emoji of several characters, with blanks.
const LETTERS: [&str; 18] = [
    "a",
    "B",
    "é",
    "e\u{301}",
    " ",
    "中",
    "单",
    "م",
    "ر",
    "عَ",
    "क्षि",
    "हि",
    "न्दी",
    "👨\u{200d}👩\u{200d}👧",
    "🇸🇦",
    "👍🏽",
    "❤\u{fe0f}",
    "7",
];

/// What means something to one dialect or another.
const MARKS: [&str; 27] = [
    "*",
    "**",
    "_",
    "`",
    "[",
    "]",
    "(",
    ")",
    "<",
    ">",
    "#",
    "!",
    "&",
    "\\",
    "~",
    "|",
    "-",
    "+",
    "=",
    "1.",
    "&lt;",
    "@",
    "<@all>",
    "](http：//x)",
    "<font color=\"info\">",
    "\" onload=\"x",
    "{{ x }}",
];

/// A value as it stands in a document: one line, with a letter in it, and without blanks at its ends.
fn value() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => proptest::sample::select(LETTERS.to_vec()),
        1 => proptest::sample::select(MARKS.to_vec()),
    ];
    proptest::collection::vec(piece, 1..60)
        .prop_map(|pieces| orderbell::domain::text::one_line(&pieces.concat()))
        .prop_filter("a value says something", |text| text.chars().any(char::is_alphabetic))
}

fn run() -> impl Strategy<Value = Vec<Inline>> {
    let marked = || value().prop_map(|text| vec![Inline::Text(text)]);
    let inline = prop_oneof![
        5 => value().prop_map(Inline::Text),
        1 => marked().prop_map(Inline::Strong),
        1 => marked().prop_map(Inline::Emphasis),
        1 => marked().prop_map(|content| Inline::Toned { tone: Tone::Warning, content }),
        1 => marked().prop_map(|content| Inline::Link { content, url: URL.to_owned() }),
        1 => Just(Inline::Break),
    ];
    // Breaks at the ends are no lines; neighbouring texts would be one.
    proptest::collection::vec(inline, 1..5).prop_filter_map("a run begins and ends with words", |run| {
        let is_break = |inline: Option<&Inline>| matches!(inline, Some(Inline::Break));
        // Two emphases without a word between cannot be read from any template.
        let is_marked = |inline: &Inline| matches!(inline, Inline::Strong(_) | Inline::Emphasis(_));
        let touching = run.windows(2).any(|pair| pair.iter().all(is_marked));
        (!touching && !is_break(run.first()) && !is_break(run.last())).then_some(run)
    })
}

fn block() -> impl Strategy<Value = Block> {
    prop_oneof![
        run().prop_map(|content| Block::Heading { level: 2, content }),
        run().prop_map(Block::Paragraph),
        run().prop_map(|content| Block::Quote(vec![Block::Paragraph(content)])),
        (any::<bool>(), proptest::collection::vec(run(), 1..5))
            .prop_map(|(ordered, items)| Block::List { ordered, items }),
        proptest::collection::vec((value(), run()), 1..5).prop_map(|fields| {
            let field = |(key, value)| Field { key: vec![Inline::Text(key)], value };
            Block::Fields(fields.into_iter().map(field).collect())
        }),
        value().prop_map(|alternative| Block::Picture { alternative, url: URL.to_owned() }),
    ]
}

/// Everything in a document, one by one: the sort of each piece of markup, its address, and the texts.
fn walk(document: &Document, see: &mut dyn FnMut(&'static str, &str)) {
    fn inlines(content: &[Inline], see: &mut dyn FnMut(&'static str, &str)) {
        for inline in content {
            match inline {
                Inline::Text(text) => see("text", text),
                Inline::Break => see("text", " "),
                Inline::Strong(content) => {
                    see("strong", "");
                    inlines(content, see);
                }
                Inline::Emphasis(content) => {
                    see("emphasis", "");
                    inlines(content, see);
                }
                Inline::Toned { content, .. } => {
                    see("tone", "");
                    inlines(content, see);
                }
                Inline::Link { content, url } => {
                    see("link", url);
                    inlines(content, see);
                }
            }
        }
    }
    fn blocks(content: &[Block], see: &mut dyn FnMut(&'static str, &str)) {
        for block in content {
            match block {
                Block::Heading { content, .. } => {
                    see("heading", "");
                    inlines(content, see);
                }
                Block::Paragraph(content) => {
                    see("paragraph", "");
                    inlines(content, see);
                }
                Block::Quote(content) => {
                    see("quote", "");
                    blocks(content, see);
                }
                Block::List { items, .. } => {
                    see("list", "");
                    items.iter().for_each(|item| inlines(item, see));
                }
                Block::Fields(fields) => {
                    see("field", "");
                    for field in fields {
                        inlines(&field.key, see);
                        see("text", " ");
                        inlines(&field.value, see);
                    }
                }
                Block::Picture { alternative, url } => {
                    see("picture", url);
                    see("text", alternative);
                }
            }
            see("text", " ");
        }
    }
    blocks(&document.blocks, see);
}

/// The letters and the dangerous marks in the sequence in which one reads them, look-alikes as what they look like. Marks
/// that a dialect writes itself, such as bullets and numbers, are left out.
fn read_aloud(documents: &[Document]) -> Vec<String> {
    let mut out = Vec::new();
    for document in documents {
        let mut text = String::new();
        walk(document, &mut |sort, piece| {
            if sort == "text" {
                text.push_str(piece);
            }
        });
        // What is shown as plain text names the addresses of its links.
        let text = text.replace(&format!("({URL})"), " ");
        let narrow = |character| match character {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).unwrap(),
            _ => character,
        };
        let plain: String = text.chars().map(narrow).collect();
        let heard = |grapheme: &&str| {
            let first = grapheme.chars().next().unwrap();
            let is_letter = first.is_alphabetic() || (!first.is_ascii() && !first.is_whitespace() && first != '•');
            is_letter || "[]`&!<".contains(first)
        };
        out.extend(plain.graphemes(true).filter(heard).map(str::to_owned));
    }
    out
}

/// The sorts of markup in a document.
fn sorts(document: &Document) -> BTreeSet<&'static str> {
    let mut sorts = BTreeSet::new();
    walk(document, &mut |sort, _| {
        sorts.insert(sort);
    });
    sorts
}

fn addresses(documents: &[Document]) -> Vec<String> {
    let mut addresses = Vec::new();
    for document in documents {
        walk(document, &mut |sort, url| {
            if matches!(sort, "link" | "picture") {
                addresses.push(url.to_owned());
            }
        });
    }
    addresses
}

/// Everything that a writer must keep, checked on one document in one form.
fn check(writer: &Writer, document: &Document, form: Form) -> Result<(), TestCaseError> {
    let sample = samples::all().remove(0);
    let composed = Composed { title: "#1".to_owned(), markdown: String::new(), document: document.clone() };
    let parts = writer.channel.write(&message(&sample, composed), form);
    let limit = match form {
        Form::Halved(times) => (writer.limit)(times),
        _ => (writer.limit)(0),
    };
    for part in &parts {
        let size = (writer.size)(part);
        prop_assert!(size <= limit, "{}: {size} of {limit}: {}", writer.name, part.body);
        prop_assert_eq!((writer.faults)(part), Vec::<String>::new(), "{}: {}", writer.name, &part.body);
    }
    let shown: Vec<Document> = parts.iter().map(writer.shown).collect();
    let whole = std::slice::from_ref(document);
    prop_assert_eq!(read_aloud(&shown), read_aloud(whole), "{}: {:?}", writer.name, &parts);

    let mut allowed = sorts(document);
    allowed.insert("paragraph");
    for (sort, written_as) in writer.own {
        if sort.is_empty() || allowed.contains(sort) {
            allowed.insert(written_as);
        }
    }
    for document in &shown {
        let found: Vec<_> = sorts(document).difference(&allowed).copied().collect();
        prop_assert!(found.is_empty(), "{}: {found:?} came into being: {parts:?}", writer.name);
    }
    // A link that is cut is one on both sides of each cut.
    let (before, after) = (addresses(whole), addresses(&shown));
    prop_assert!(after.iter().all(|url| url == URL) && after.len() < before.len() + parts.len().max(1) * 2);
    prop_assert!(!before.is_empty() || after.is_empty(), "{}: {parts:?}", writer.name);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(192) })]

    #[test]
    fn every_writer_keeps_the_limit_and_every_grapheme_and_makes_no_markup_of_values(
        blocks in proptest::collection::vec(block(), 1..8),
        times in 0u8..4,
    ) {
        let document = Document { blocks };
        for writer in writers() {
            let form = if times == 0 { Form::Full } else { Form::Halved(times) };
            check(&writer, &document, form)?;
        }
    }

    /// One value alone, so that nothing around it hides what it becomes.
    #[test]
    fn a_value_alone_becomes_no_markup_wherever_it_stands(text in value(), place in 0usize..5) {
        let content = vec![Inline::Text(text)];
        let block = match place {
            0 => Block::Heading { level: 1, content },
            1 => Block::Paragraph(content),
            2 => Block::Quote(vec![Block::Paragraph(content)]),
            3 => Block::List { ordered: false, items: vec![content] },
            _ => Block::Fields(vec![Field { key: content.clone(), value: content }]),
        };
        for writer in writers() {
            check(&writer, &Document { blocks: vec![block.clone()] }, Form::Full)?;
        }
    }
}

#[test]
fn a_link_that_is_longer_than_a_message_is_left_out_with_a_mark() {
    let url = format!("https://a.example/{}", "x".repeat(120_000));
    let link = Inline::Link { content: vec![Inline::Text("the order".to_owned())], url: url.clone() };
    let blocks = vec![Block::Paragraph(vec![link]), Block::Picture { alternative: "a map".to_owned(), url }];
    for writer in writers() {
        let sample = samples::all().remove(0);
        let composed =
            Composed { title: "T".to_owned(), markdown: String::new(), document: Document { blocks: blocks.clone() } };
        for part in writer.channel.write(&message(&sample, composed), Form::Full) {
            assert!((writer.size)(&part) <= (writer.limit)(0), "{}", writer.name);
            let shown = (writer.shown)(&part).plain_text();
            assert!(shown.contains("the order (…)") && shown.contains("a map (…)"), "{}: {shown:.200}", writer.name);
        }
    }
}
