//! Long messages: every part within its limit, nothing lost, nothing cut inside a grapheme; in DingTalk's parts the
//! marker, the calls, the keyword and the reduced form.

use orderbell::channel::Channel;
use orderbell::channel::dingtalk::markdown;
use orderbell::domain::document::read::read;
use orderbell::domain::document::split::split;
use orderbell::domain::document::{Block, Colon, Document, Field, Inline, Tone};
use orderbell::domain::message::{Message, Part, PartForm};
use proptest::prelude::*;
use serde_json::Value;
use unicode_segmentation::UnicodeSegmentation;

use crate::words::golden::{message, robot};
use crate::words::samples;

/// Latin, Chinese, Arabic, Hindi, emoji.
const GRAPHEMES: [&str; 15] =
    ["a", "B", "é", " ", "中", "单", "。", "م", "ر", "क्षि", "हि", "न्दी", "👨\u{200d}👩\u{200d}👧", "🇸🇦", "👍🏽"];

fn words() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(GRAPHEMES.to_vec()), 1..60)
        .prop_map(|graphemes| graphemes.concat())
}

fn run() -> impl Strategy<Value = Vec<Inline>> {
    let inline = prop_oneof![
        4 => words().prop_map(Inline::Text),
        1 => words().prop_map(|text| Inline::Strong(vec![Inline::Text(text)])),
        1 => words().prop_map(|text| Inline::Emphasis(vec![Inline::Text(text)])),
        1 => words().prop_map(|text| Inline::Toned { tone: Tone::Warning, content: vec![Inline::Text(text)] }),
        1 => words().prop_map(|text| Inline::Link { content: vec![Inline::Text(text)], url: "https://a.example/".into() }),
        1 => Just(Inline::Break),
    ];
    proptest::collection::vec(inline, 1..5)
}

fn block() -> impl Strategy<Value = Block> {
    prop_oneof![
        run().prop_map(|content| Block::Heading { level: 2, content }),
        run().prop_map(Block::Paragraph),
        run().prop_map(|content| Block::Quote(vec![Block::Paragraph(content)])),
        proptest::collection::vec(run(), 1..8).prop_map(|items| Block::List { ordered: false, items }),
        proptest::collection::vec(run(), 1..8).prop_map(|items| Block::List { ordered: true, items }),
        proptest::collection::vec((words(), run()), 1..8).prop_map(|fields| {
            let field = |(key, value)| Field { key: vec![Inline::Text(key)], value, colon: Colon::Narrow };
            Block::Fields(fields.into_iter().map(field).collect())
        }),
    ]
}

/// The graphemes that one reads, in sequence.
fn graphemes(document: &Document) -> Vec<String> {
    fn inlines(content: &[Inline], out: &mut Vec<String>) {
        for inline in content {
            match inline {
                Inline::Text(text) => out.extend(text.graphemes(true).filter(|g| *g != " ").map(str::to_owned)),
                Inline::Strong(content)
                | Inline::Emphasis(content)
                | Inline::Toned { content, .. }
                | Inline::Link { content, .. } => inlines(content, out),
                Inline::Break => {}
            }
        }
    }
    fn blocks(content: &[Block], out: &mut Vec<String>) {
        for block in content {
            match block {
                Block::Heading { content, .. } | Block::Paragraph(content) => inlines(content, out),
                Block::Quote(content) => blocks(content, out),
                Block::List { items, .. } => items.iter().for_each(|item| inlines(item, out)),
                Block::Fields(fields) => fields.iter().for_each(|field| {
                    inlines(&field.key, out);
                    inlines(&field.value, out);
                }),
                Block::Picture { alternative, .. } => out.push(alternative.clone()),
            }
        }
    }
    let mut out = Vec::new();
    blocks(&document.blocks, &mut out);
    out
}

/// Without the numbers of ordered lists and the colons of fields, which a cut may turn into text.
fn read_aloud(document: &Document) -> Vec<String> {
    let marks = |grapheme: &String| grapheme.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ':' | '：'));
    graphemes(document).into_iter().filter(|grapheme| !marks(grapheme)).collect()
}

proptest! {
    #[test]
    fn parts_keep_within_the_limit_and_lose_nothing(
        blocks in proptest::collection::vec(block(), 1..8),
        limit in 120usize..900,
    ) {
        let document = Document { blocks };
        let parts = split(&document, limit, |blocks| markdown::write(blocks).len());
        for part in &parts {
            prop_assert!(markdown::write(&part.blocks).len() <= limit);
        }
        let together = Document { blocks: parts.into_iter().flat_map(|part| part.blocks).collect() };
        prop_assert_eq!(read_aloud(&together), read_aloud(&document));
    }
}

fn long_message(lines: usize) -> Message {
    let sample = samples::all().remove(0);
    let mut source = String::from("# New order #1\n\n");
    for line in 0..lines {
        source.push_str(&format!("- **2 ×** 柠檬茶 number {line} with less ice and no sugar at all\n"));
    }
    source.push_str(
        "\n> **Note:** please hurry\n\n[the order](https://shop.example/1)\n\n![map](https://shop.example/m.png)\n",
    );
    let composed = orderbell::domain::compose::composed(&source, &sample.view("en", &samples::riyadh()));
    message(&sample, composed)
}

fn body(part: &Part) -> Value {
    serde_json::from_str(&part.body).unwrap()
}

fn text(part: &Part) -> String {
    body(part)["markdown"]["text"].as_str().unwrap().to_owned()
}

#[test]
fn a_long_message_goes_in_marked_parts_each_within_twenty_thousand_bytes() {
    let robot = robot("mention = { mobiles = [\"+966-501234567\"], user_ids = [\"user-1\"], all = true }");
    let message = long_message(600);
    let parts = robot.write(&message, PartForm::Full);
    assert!(parts.len() >= 3);
    for (index, part) in parts.iter().enumerate() {
        let marker = format!("({}/{}) ", index + 1, parts.len());
        assert!(part.body.len() <= 20_000, "{}", part.body.len());
        assert!(body(part)["markdown"]["title"].as_str().unwrap().starts_with(&marker));
        assert!(text(part).starts_with(&marker));
        assert_eq!(usize::from(part.index), index);
        assert_eq!(text(part).contains("@所有人 @+966-501234567 @user-1"), index == 0);
        assert_eq!(body(part).get("at").is_some(), index == 0);
    }
    assert_ne!(body(&parts[0])["msgUuid"], body(&parts[1])["msgUuid"]);
    let received: String = parts.iter().map(|part| read(&text(part)).plain_text()).collect();
    assert!((0..600).all(|line| received.contains(&format!("number {line} with"))));
    assert_eq!(robot.write(&message, PartForm::Full), parts, "the same message gives the same bytes");
}

#[test]
fn a_title_that_a_shorter_marker_leaves_more_of_takes_no_part_beyond_the_limit() {
    let (robot, mut message) = (robot(""), long_message(250));
    for mark in ["*", "单"] {
        message.title = mark.repeat(100);
        let most = (0..32).map(|more| {
            // At some length or other a part is filled up to its last byte.
            let text = format!("a{}", "b".repeat(more));
            message.document.blocks.insert(0, Block::Paragraph(vec![Inline::Text(text)]));
            let parts = robot.write(&message, PartForm::Full);
            message.document.blocks.remove(0);
            parts.iter().map(|part| part.body.len()).max().unwrap()
        });
        assert_eq!(most.max().filter(|most| *most > 20_000), None, "{mark}");
    }
}

#[test]
fn a_halved_form_keeps_within_half_of_the_limit() {
    let message = long_message(200);
    for times in 1..=3 {
        let parts = robot("").write(&message, PartForm::Halved(times));
        assert!(parts.iter().all(|part| part.body.len() <= 20_000 >> times));
        assert!(body(&parts[0])["msgUuid"].as_str().unwrap().ends_with(&format!("-halved{times}")));
    }
}

#[test]
fn a_reduced_form_has_no_free_text_links_or_pictures() {
    let parts = robot("").write(&long_message(2), PartForm::Reduced);
    let [part] = parts.as_slice() else { panic!("{} parts", parts.len()) };
    let text = text(part);
    assert!(text.contains("柠檬茶 number 1") && text.contains("the order"));
    assert!(!text.contains("hurry") && !text.contains("://") && !text.contains("map"), "{text}");
}

#[test]
fn the_keyword_is_in_every_part() {
    let message = long_message(600);
    for part in robot("keyword = \"bell\"").write(&message, PartForm::Full) {
        assert!(text(&part).ends_with("\n\nHarbour Noodle House · bell"), "{}", text(&part));
        assert!(part.body.len() <= 20_000);
    }
    for part in robot("keyword = \"order\"").write(&message, PartForm::Full) {
        assert_eq!(text(&part).matches(" · order").count(), 0, "it is in the marker line already");
    }
}

#[test]
fn channels_of_one_robot_share_their_credential_and_do_not_show_it() {
    let credential = robot("").credential();
    assert_eq!(credential, robot("keyword = \"x\"").credential());
    assert!(credential.len() == 16 && !credential.contains("0123456789abcdef"));
}

#[test]
fn a_reduced_form_with_nothing_left_still_says_its_title() {
    let sample = samples::all().remove(0);
    let composed = orderbell::domain::compose::composed("> only a note", &sample.view("en", &samples::riyadh()));
    let parts = robot("").write(&message(&sample, composed), PartForm::Reduced);
    assert_eq!(text(&parts[0]), "only a note");
}
