//! What every channel's writer must keep, whatever a document holds: each part within its limit, nothing lost, no grapheme
//! cut, and no value that reads back as markup, a mention or a link.

use orderbell::domain::compose::Composed;
use orderbell::domain::document::lazy::LazyDocument;
use orderbell::domain::document::{Block, Colon, Document, Field, Inline, Tone};
use orderbell::domain::message::PartForm;
use proptest::prelude::*;

use crate::support::cases::cases;
use crate::words::channels::{URL, Writer, writers};
use crate::words::golden::message;
use crate::words::samples;
use crate::words::walk::{addresses, read_aloud, sorts};

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
            let field = |(key, value)| Field { key: vec![Inline::Text(key)], value, colon: Colon::Narrow };
            Block::Fields(fields.into_iter().map(field).collect())
        }),
        value().prop_map(|alternative| Block::Picture { alternative, url: URL.to_owned() }),
    ]
}

/// Everything that a writer must keep, checked on one document in one form.
fn check(writer: &Writer, document: &Document, form: PartForm) -> Result<(), TestCaseError> {
    let sample = samples::all().remove(0);
    let composed = Composed { title: "#1".to_owned(), markdown: String::new(), document: read(document.clone()) };
    let parts = writer.channel.write(&message(&sample, composed), form);
    let limit = match form {
        PartForm::Halved(times) => (writer.limit)(times),
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
    #![proptest_config(cases(48))]

    #[test]
    fn every_writer_keeps_the_limit_and_every_grapheme_and_makes_no_markup_of_values(
        blocks in proptest::collection::vec(block(), 1..8),
        times in 0u8..4,
    ) {
        let document = Document { blocks };
        for writer in writers() {
            let form = if times == 0 { PartForm::Full } else { PartForm::Halved(times) };
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
            _ => Block::Fields(vec![Field { key: content.clone(), value: content, colon: Colon::Narrow }]),
        };
        for writer in writers() {
            check(&writer, &Document { blocks: vec![block.clone()] }, PartForm::Full)?;
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
        let composed = Composed {
            title: "T".to_owned(),
            markdown: String::new(),
            document: read(Document { blocks: blocks.clone() }),
        };
        for part in writer.channel.write(&message(&sample, composed), PartForm::Full) {
            assert!((writer.size)(&part) <= (writer.limit)(0), "{}", writer.name);
            let shown = (writer.shown)(&part).plain_text();
            assert!(shown.contains("the order (…)") && shown.contains("a map (…)"), "{}: {shown:.200}", writer.name);
        }
    }
}

/// A document as if it had been read from Markdown.
fn read(document: Document) -> LazyDocument {
    let mut lazy = LazyDocument::default();
    *lazy = document;
    lazy
}
