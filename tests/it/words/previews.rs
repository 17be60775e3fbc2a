//! What was sent as its reader saw it: every sample in every dialect is shown by its form alone, and nothing in it does or loads
//! anything, whatever a buyer wrote.

use orderbell::channel::{Channel, kinds};
use orderbell::domain::figures::sample;
use orderbell::domain::message::{Part, PartForm};
use orderbell::domain::preview::{Preview, PreviewContent};
use orderbell::domain::template::Templates;
use orderbell::flow::resources::preview::of_composed;

use crate::support::snapshots::Snapshots;
use crate::words::golden::{mailbox, message, robot, texts, wecom};
use crate::words::reports;

const LANGUAGES: [&str; 3] = ["en", "zh-HK", "ar"];
const MENTION: &str = "mention = { mobiles = [\"+966-501234567\"], user_ids = [\"user-1\"] }";

/// The tags that the HTML of a message may have, as they are written.
const TAGS: [&str; 27] = [
    "<p dir=\"auto\">",
    "</p>",
    "<br>",
    "<hr>",
    "<strong>",
    "</strong>",
    "<em>",
    "</em>",
    "<code>",
    "</code>",
    "<ul dir=\"auto\">",
    "</ul>",
    "<ol start=\"1\" dir=\"auto\">",
    "</ol>",
    "<li>",
    "</li>",
    "<pre dir=\"auto\">",
    "</pre>",
    "<blockquote dir=\"auto\">",
    "</blockquote>",
    "<span>",
    "<span class=\"picture\">",
    "<span class=\"tone-info\">",
    "<span class=\"tone-comment\">",
    "<span class=\"tone-warning\">",
    "</span>",
    "</a>",
];

/// What is between the tags of a page, and the tags that are none of those.
fn taken_apart(html: &str) -> (String, Vec<&str>) {
    let (mut text, mut others) = (String::new(), Vec::new());
    let mut pieces = html.split('<');
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (tag, behind) = piece.split_once('>').unwrap_or((piece, ""));
        let is_known = TAGS.iter().any(|known| known[1..] == format!("{tag}>"));
        let is_link = tag.starts_with("a href=\"https://") && tag.ends_with("target=\"_blank\"");
        let is_heading = tag.strip_prefix("p class=\"h").is_some_and(|rest| rest[1..] == *"\" dir=\"auto\"");
        if !is_known && !is_link && !is_heading {
            others.push(tag);
        }
        text.push_str(behind);
    }
    let marks = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    (marks.iter().fold(text, |text, (mark, sign)| text.replace(mark, sign)), others)
}

fn html(preview: &Preview) -> &str {
    match &preview.content {
        PreviewContent::Html(html) => html,
        other => panic!("{other:?}"),
    }
}

fn previews(parts: &[Part]) -> Vec<Preview> {
    of_composed(parts).into_iter().map(|one| one.preview).collect()
}

#[test]
fn every_sample_is_shown_to_people_in_the_dialect_of_its_form_and_nothing_in_it_is_live() {
    let templates = Templates::built_in().unwrap();
    let channels = [robot(MENTION), robot("")].map(|robot| Box::new(robot) as Box<dyn Channel>);
    let groups = ["", "mention = { user_ids = [\"user-1\"] }"].map(|text| Box::new(wecom(text)) as Box<dyn Channel>);
    for channel in channels.iter().chain(&groups) {
        for language in LANGUAGES {
            for (name, composed, sample) in texts(&templates, language, channel.kind()) {
                let lines = composed.document.plain_text();
                let shown = previews(&channel.write(&message(&sample, composed), PartForm::Full));
                let whole: String = shown.iter().map(html).collect();
                let (text, others) = taken_apart(&whole);
                assert_eq!(others, [""; 0], "{}, {language}: {name}", channel.kind());
                // One dialect has no escapes, but look-alikes.
                let letters = |text: &str| text.replace(char::is_whitespace, "");
                for line in lines.lines().filter(|_| channel.kind() == "dingtalk") {
                    let line = line.trim_start_matches(['-', '>', ' ', '|']);
                    assert!(letters(&text).contains(&letters(line)), "{language}: {name}: {line}\n{text}");
                }
            }
        }
    }
}

#[test]
fn what_a_group_and_a_mailbox_show_is_as_agreed() {
    let templates = Templates::built_in().unwrap();
    let mut snapshots = Snapshots::of("previews");
    for name in ["order.placed.full", "order.placed.changed", "order.placed.hostile"] {
        let (_, composed, sample) =
            texts(&templates, "en", "dingtalk").into_iter().find(|(other, ..)| other == name).unwrap();
        let message = message(&sample, composed);
        let shown = |channel: &dyn Channel| format!("{:#?}\n", previews(&channel.write(&message, PartForm::Full)));
        let text = wecom(&format!("format = \"text\"\n{MENTION}"));
        let [dingtalk, wecom, text] = [&robot(MENTION) as &dyn Channel, &wecom(MENTION), &text].map(shown);
        snapshots.assert(name, &format!("{dingtalk}\n=== WeCom\n\n{wecom}\n=== as text\n\n{text}"));
    }
    snapshots.end();
}

#[test]
fn a_mail_is_a_page_that_loads_nothing_and_is_shown_once_for_all_its_recipients() {
    let report = sample::day("daily").report();
    let parts = reports::written(&mailbox("en"), "en", &report, Some("a,b\r\n"));
    let shown = of_composed(&parts);
    let [mail] = shown.as_slice() else { panic!("{} previews", shown.len()) };
    assert_eq!((mail.parts.as_slice(), mail.form.as_str()), (&[1, 2][..], "full"));
    let Preview { title, from, to, content, enclosed, .. } = &mail.preview;
    assert!(title.as_ref().is_some_and(|title| title.contains("105 orders")), "{title:?}");
    assert!(from.as_ref().is_some_and(|from| from.contains("orders@example.com")), "{from:?}");
    assert_eq!(to.as_slice(), ["owner@example.com", "cook@example.com"]);
    assert!(matches!(enclosed.as_slice(), [table] if table.contains("text/csv, 1 KB")), "{enclosed:?}");
    let PreviewContent::Page { html, text } = content else { panic!("{content:?}") };
    assert!(text.contains("Orders"), "{text}");
    assert_eq!(html.matches("src=\"data:image/png;base64,").count(), 2);
    assert!(!html.contains("cid:"), "{html}");

    // A template of the merchant's may show a picture that is elsewhere.
    let (_, mut composed, sample) = texts(&Templates::built_in().unwrap(), "en", "email").remove(0);
    composed.document.blocks.push(orderbell::domain::document::Block::Picture {
        alternative: "our shop".to_owned(),
        url: "https://elsewhere.example/logo.png".to_owned(),
    });
    let parts = mailbox("en").write(&message(&sample, composed), PartForm::Full);
    let PreviewContent::Page { html, .. } = kinds::preview(&parts[0].body).content else { panic!("a page") };
    assert!(html.contains("alt=\"our shop\"") && !html.contains(" src="), "{html}");
}

#[test]
fn the_picture_of_a_report_is_shown_from_what_was_sent_and_never_from_elsewhere() {
    let report = sample::day("daily").report();
    let shown = previews(&reports::written(&wecom(""), "en", &report, None));
    let Some(PreviewContent::Picture(address)) = shown.last().map(|last| &last.content) else { panic!("{shown:?}") };
    assert!(address.starts_with("data:image/png;base64,iVBOR"), "{address}");

    let text = "{\"msgtype\":\"image\",\"image\":{\"base64\":\"PHN2Zz4=\",\"md5\":\"0\"}}";
    assert_eq!(kinds::preview(text).content, PreviewContent::Text("[1 KB]".to_owned()));

    let picture = Some("https://bell.example.com/charts/00000000000000000000000000000000.png".to_owned());
    let fetched = orderbell::domain::report::Report { picture, ..report };
    let shown = previews(&reports::written(&robot(""), "en", &fetched, None));
    let html = html(&shown[0]);
    assert!(
        html.contains("<span class=\"picture\"><a href=\"https://bell.example.com/charts/") && !html.contains("<img")
    );
}

#[test]
fn a_program_gets_json_and_what_nobody_knows_is_text() {
    let json = kinds::preview("{\"title\":\"<b>\",\"id\":\"1\",\"data\":{\"a\":[1,2]}}");
    assert_eq!(json.title.as_deref(), Some("<b>"));
    let PreviewContent::Json(indented) = json.content else { panic!("JSON") };
    assert!(indented.contains("\n  \"data\": {\n    \"a\": [\n"), "{indented}");
    for other in ["", "a b", "[1]", "{\"broken\"", "a@b c@d", "<script>alert(1)</script>", "a b\r\n\r\nc@d"] {
        assert_eq!(kinds::preview(other), Preview::of(PreviewContent::Text(other.to_owned())), "{other}");
    }
}
