//! What a hostile buyer, shop name or receiver can write stays text: in the document, and in the text that DingTalk gets.

use std::sync::LazyLock;

use orderbell::channel::Channel;
use orderbell::domain::bidi::is_isolate;
use orderbell::domain::data::Courier;
use orderbell::domain::document::read::read;
use orderbell::domain::document::{Block, Document, Inline};
use orderbell::domain::event::{Event, Kind};
use orderbell::domain::figures::sample;
use orderbell::domain::fold::merge;
use orderbell::domain::language::folders::built_in_folders;
use orderbell::domain::message::PartForm;
use orderbell::domain::order::{OrderLine, OrderUpdate};
use orderbell::domain::payload::{CourierProgress, Data, OrderProgress, Payload, Placement};
use orderbell::domain::retry::quoted;
use orderbell::domain::shop::Shop;
use orderbell::domain::template::Templates;
use orderbell::domain::text::one_line;
use proptest::prelude::*;

use crate::support::cases::cases;
use crate::words::golden::{message, robot};
use crate::words::samples;
use crate::words::samples::Sample;

pub const HOSTILE: [&str; 14] = [
    "**bold** _it_ `code` ~~gone~~",
    "<script>alert(1)</script><br><font color=red>x</font>",
    "<@all> @所有人 @all",
    "{{ 7*7 }} {% include \"x\" %} {# gone #}",
    "[win](http://evil.example) ![p](https://evil.example/p.png) <https://evil.example>",
    "dtmd://dingtalkclient/sendMessage?content=hello",
    "one\r\n\r\n# two\n> three\n- four\n1. five",
    "\u{202e}live\u{2066} \u{200b}zero\u{feff}",
    "# heading ##",
    "1. first",
    "- item",
    "===",
    "&lt;b&gt; &#35; &amp;",
    "\\*not\\* \\",
];

/// A sample in which every text that comes from outside says this.
pub fn saying(text: &str, kind: Kind) -> Sample {
    let update = OrderUpdate {
        short_number: Some(text.to_owned()),
        lines: vec![
            OrderLine {
                name: text.to_owned(),
                options: vec![text.to_owned(), text.to_owned()],
                note: Some(text.to_owned()),
                ..OrderLine::default()
            },
            OrderLine { name: text.to_owned(), quantity: Some(1), ..OrderLine::default() },
        ],
        ..samples::update()
    };
    let said = || Some(text.to_owned());
    let data = match kind {
        Kind::OrderPlaced => {
            Payload::Placed(Placement { handover: said(), payment: said(), ..Placement::default() }).into()
        }
        Kind::OrderDelivery => {
            let courier = Some(Courier { name: said(), phone: said() });
            Payload::Delivery(CourierProgress { courier, ..CourierProgress::default() }).into()
        }
        Kind::OrderAccepted | Kind::OrderCancelled => {
            Payload::Progress(OrderProgress { reason: said(), ..OrderProgress::default() }).into()
        }
        _ => Data::default(),
    };
    let shop = Some(Shop { id: "1".to_owned(), name: Some(text.to_owned()) });
    let event = Event { order: Some(update), shop, ..samples::event(kind, data) };
    let order = merge(None, &event);
    Sample { name: "hostile".to_owned(), event, order: Some(order) }
}

/// How many blocks of each sort, links, and emphases a document has: what a value must not be able to change.
fn shape(document: &Document) -> String {
    fn inlines(content: &[Inline], out: &mut String) {
        for inline in content {
            match inline {
                Inline::Text(_) => {}
                Inline::Strong(content) => {
                    out.push('s');
                    inlines(content, out);
                }
                Inline::Emphasis(_) => out.push('e'),
                Inline::Toned { .. } => out.push('t'),
                Inline::Link { .. } => out.push('l'),
                Inline::Break => out.push('b'),
            }
        }
    }
    fn blocks(content: &[Block], out: &mut String) {
        for block in content {
            match block {
                Block::Heading { level, content } => {
                    out.push_str(&format!("H{level}"));
                    inlines(content, out);
                }
                Block::Paragraph(content) => {
                    out.push('P');
                    inlines(content, out);
                }
                Block::Quote(content) => {
                    out.push('Q');
                    blocks(content, out);
                    out.push('q');
                }
                Block::List { items, .. } => items.iter().for_each(|item| {
                    out.push('I');
                    inlines(item, out);
                }),
                Block::Fields(fields) => fields.iter().for_each(|field| {
                    out.push('F');
                    inlines(&field.key, out);
                    inlines(&field.value, out);
                }),
                Block::Picture { .. } => out.push('!'),
            }
        }
    }
    let mut out = String::new();
    blocks(&document.blocks, &mut out);
    out
}

/// Without blanks, bullets, isolates, and what belongs to a list or to fields in one reading and not in the other.
fn letters(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_whitespace() && !is_isolate(*character) && *character != '-')
        .collect()
}

#[test]
fn no_value_becomes_markup_in_any_message() {
    let templates = Templates::built_in().unwrap();
    let timezone = samples::riyadh();
    let robot = robot("");
    for language in built_in_folders() {
        for kind in [Kind::OrderPlaced, Kind::OrderAccepted, Kind::OrderCancelled, Kind::OrderDelivery, Kind::OrderPaid]
        {
            let harmless = saying("x", kind.clone());
            let expected = shape(&templates.compose(&harmless.view(language, &timezone)).unwrap().document);
            for text in HOSTILE {
                let sample = saying(text, kind.clone());
                let composed = templates.compose(&sample.view(language, &timezone)).unwrap();
                let document = composed.document.clone();
                assert_eq!(shape(&document), expected, "{text} in {kind}:\n{}", composed.markdown);
                let shown = one_line(text).replace("://", "：//");
                assert!(document.plain_text().contains(&shown), "{shown} is not in\n{}", document.plain_text());
                assert!(!composed.title.contains('\n') && !composed.title.is_empty());

                let parts = robot.write(&message(&sample, composed), PartForm::Full);
                let body: serde_json::Value = serde_json::from_str(&parts[0].body).unwrap();
                let sent = body["markdown"]["text"].as_str().unwrap();
                let again = read(sent);
                assert_eq!(letters(&again.plain_text()), letters(&document.plain_text()), "{sent}");
                assert!(!shape(&again).contains(['l', '!', 'e']), "{sent}");
                assert!(!sent.contains('<') && !sent.contains("://"), "{sent}");
                assert!(body.get("at").is_none(), "nobody is called by what a buyer writes");
            }
        }
    }
}

/// A report in which every text that comes from outside says this.
fn reporting(text: &str) -> Sample {
    let samples = sample::all("daily");
    let mut report = samples.iter().find(|(what, _)| *what == "troubled").unwrap().1.report();
    let name = || Some(text.to_owned());
    report.shops.iter_mut().for_each(|one| one.shop = Some(Shop { id: "1".to_owned(), name: name() }));
    report.products.iter_mut().for_each(|product| product.name = text.to_owned());
    report.cancellations.reasons.iter_mut().for_each(|reason| reason.reason = text.to_owned());
    report.stock.iter_mut().for_each(|low| low.name = name());
    report.service.parked.iter_mut().for_each(|parked| parked.reason = quoted("errcode 7", text));
    report.acceptance.iter_mut().for_each(|acceptance| acceptance.slowest_order = text.to_owned());
    let data = Payload::Report(Box::new(report)).into();
    let event = samples::event(Kind::Report("daily".to_owned()), data);
    Sample { name: "hostile".to_owned(), event, order: None }
}

#[test]
fn no_name_of_a_shop_or_a_product_becomes_markup_in_a_report() {
    let templates = Templates::built_in().unwrap();
    let timezone = samples::riyadh();
    let robot = robot("");
    for language in built_in_folders() {
        let composed = |text: &str| templates.compose(&reporting(text).view(language, &timezone)).unwrap();
        let expected = shape(&composed("x").document);
        for text in HOSTILE {
            let composed = composed(text);
            let document = composed.document.clone();
            assert_eq!(shape(&document), expected, "{text}:\n{}", composed.markdown);
            let shown = one_line(text).replace("://", "：//");
            let received = document.plain_text().matches(&shown).count();
            // Seven shops, two products, two reasons, four that are low in stock, a channel that rests, an order.
            assert!(received >= 17, "{shown} stands there {received} times:\n{}", document.plain_text());
            let parts = robot.write(&message(&reporting(text), composed), PartForm::Full);
            let body: serde_json::Value = serde_json::from_str(&parts[0].body).unwrap();
            let sent = body["markdown"]["text"].as_str().unwrap();
            assert!(!shape(&read(sent)).contains(['l', '!', 'e']), "{sent}");
            assert!(!sent.contains('<') && !sent.contains("://") && body.get("at").is_none(), "{sent}");
        }
    }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn no_value_at_all_changes_the_shape(text in "[#>+=~|.)0-9a\\-*_`\\[\\]<>&;!(/:\\\\ @中\n\t{}%]{0,40}[a-z中]") {
        static TEMPLATES: LazyLock<Templates> = LazyLock::new(|| Templates::built_in().unwrap());
        let timezone = samples::riyadh();
        let shape_of = |text: &str| {
            let sample = saying(text, Kind::OrderPlaced);
            let composed = TEMPLATES.compose(&sample.view("en", &timezone)).unwrap();
            let parts = robot("").write(&message(&sample, composed.clone()), PartForm::Full);
            let body: serde_json::Value = serde_json::from_str(&parts[0].body).unwrap();
            let again = read(body["markdown"]["text"].as_str().unwrap());
            (shape(&composed.document), shape(&again))
        };
        prop_assert_eq!(shape_of(&text), shape_of("x"));
    }
}

#[test]
fn a_template_in_a_value_is_not_executed() {
    let templates = Templates::built_in().unwrap();
    let sample = saying("{{ 7*7 }}", Kind::OrderPlaced);
    let composed = templates.compose(&sample.view("en", &samples::riyadh())).unwrap();
    assert!(composed.document.plain_text().contains("{{ 7*7 }}"));
    assert!(!composed.markdown.contains("49"));
}

#[test]
fn a_note_of_five_thousand_characters_arrives_whole_and_within_the_limit() {
    let templates = Templates::built_in().unwrap();
    for language in built_in_folders() {
        let note: String = "没有花生 **x** [y](http://z) <@all> ".chars().cycle().take(5_000).collect();
        let mut sample = saying("x", Kind::OrderPlaced);
        if let Some(order) = &mut sample.order {
            order.lines[0].note = Some(note.clone());
        }
        let composed = templates.compose(&sample.view(language, &samples::riyadh())).unwrap();
        let parts = robot("").write(&message(&sample, composed), PartForm::Full);
        assert!(parts.iter().all(|part| part.body.len() <= 20_000));
        let text: String = parts
            .iter()
            .map(|part| {
                let body: serde_json::Value = serde_json::from_str(&part.body).unwrap();
                read(body["markdown"]["text"].as_str().unwrap()).plain_text()
            })
            .collect();
        assert!(letters(&text).contains(&letters(&one_line(&note).replace("://", "：//"))));
    }
}

#[test]
fn a_plain_form_is_as_safe() {
    for text in HOSTILE {
        let sample = saying(text, Kind::OrderPlaced);
        let timezone = samples::riyadh();
        let composed = orderbell::domain::compose::plain(&sample.view("en", &timezone));
        assert_eq!(shape(&composed.document), "H1FFFII", "{}", composed.markdown);
    }
}
