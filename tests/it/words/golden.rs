//! The snapshots of words: the document of every sample in every language, what a webhook gets of every sample, and a dozen
//! samples in each channel's dialect, bytes included.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use orderbell::channel::Channel;
use orderbell::channel::dingtalk::DingTalk;
use orderbell::channel::email::look::Look;
use orderbell::channel::email::{Email, html};
use orderbell::channel::webhook::WebhookChannel;
use orderbell::channel::wecom::WeCom;
use orderbell::domain::compose::{Composed, plain};
use orderbell::domain::document::{Block, Inline};
use orderbell::domain::event::Kind;
use orderbell::domain::mail::open;
use orderbell::domain::message::{Attachments, Message, Part, PartForm};
use orderbell::domain::message_context::MessageContext;
use orderbell::domain::template::Templates;
use serde_json::Value;

use crate::support::snapshots::Snapshots;
use crate::words::outline::outline;
use crate::words::samples::Sample;
use crate::words::walk::sorts;
use crate::words::{hostile, samples};

pub const LANGUAGES: [&str; 2] = ["en", "zh-CN"];

/// The samples that each dialect is held by.
const DIALECT: [&str; 12] = [
    "menu.images.problems",
    "operator.notice.parked",
    "operator.notice.templates",
    "order.cancelled.customer",
    "order.delivery.at_shop",
    "order.partial_refund.items",
    "order.placed.changed",
    "order.placed.full",
    "order.placed.hostile",
    "plain",
    "store.hours.full",
    "totals.reported.apsdai_full",
];

pub fn robot(settings: &str) -> DingTalk {
    let webhook = "webhook = \"https://oapi.dingtalk.com/robot/send?access_token=0123456789abcdef\"\n";
    toml::from_str(&format!("{webhook}{settings}")).unwrap()
}

pub fn wecom(settings: &str) -> WeCom {
    let webhook = "webhook = \"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=0123456789abcdef\"\n";
    toml::from_str(&format!("{webhook}{settings}")).unwrap()
}

pub fn message(sample: &Sample, composed: Composed) -> Message {
    let Composed { title, markdown, document } = composed;
    let (event, order) = (Arc::new(sample.event.clone()), sample.order.clone().map(Arc::new));
    Message {
        delivery: samples::DELIVERY,
        round: 0,
        event,
        order,
        title,
        markdown,
        document,
        enclosed: Attachments::default(),
    }
}

/// Every sample with its words in one language, by its name; with a hostile one, and the plain form.
pub fn texts(templates: &Templates, language: &str, channel_kind: &str) -> Vec<(String, Composed, Sample)> {
    let timezone = samples::riyadh();
    let compose = |sample: &Sample| {
        let view = MessageContext { channel_kind, ..sample.view(language, &timezone) };
        templates.compose(&view).unwrap_or_else(|error| panic!("{error}"))
    };
    let mut texts: Vec<(String, Composed, Sample)> =
        samples::all().into_iter().map(|sample| (sample.name.clone(), compose(&sample), sample)).collect();
    let sample = hostile::saying(&hostile::HOSTILE.join("\n"), Kind::OrderPlaced);
    texts.push(("order.placed.hostile".to_owned(), compose(&sample), sample));
    let sample = samples::all().remove(0);
    texts.push(("plain".to_owned(), plain(&sample.view(language, &timezone)), sample));
    texts
}

/// Those that show the dialect of a channel.
fn dialect(templates: &Templates, language: &str, channel_kind: &str) -> Vec<(String, Composed, Sample)> {
    let mut texts = texts(templates, language, channel_kind);
    texts.retain(|(name, ..)| DIALECT.contains(&name.as_str()));
    assert_eq!(texts.len(), DIALECT.len(), "each is there");
    texts
}

/// One text under the language that it is in; a snapshot holds all languages side by side.
pub fn in_language(language: &str, text: &str) -> String {
    format!("======== {language}\n\n{}\n\n", text.trim_end())
}

#[test]
fn every_sample_reads_as_agreed_in_every_language() {
    let templates = Templates::built_in().unwrap();
    let mut snapshots = Snapshots::of("documents");
    let in_all = LANGUAGES.map(|language| (language, texts(&templates, language, "dingtalk")));
    for (index, (name, ..)) in in_all[0].1.iter().enumerate() {
        let languages = in_all.iter().map(|(language, texts)| {
            let (other, composed, _) = &texts[index];
            assert_eq!(other, name);
            in_language(language, &format!("{}\n\n{}", composed.title, outline(&composed.document)))
        });
        snapshots.assert(name, &languages.collect::<String>());
    }
    snapshots.end();
}

#[test]
fn the_words_are_the_same_for_every_kind_of_channel() {
    let templates = Templates::built_in().unwrap();
    for language in LANGUAGES {
        let expected = texts(&templates, language, "dingtalk");
        for kind in ["wecom", "email", "webhook"] {
            for ((name, composed, _), (_, other, _)) in expected.iter().zip(texts(&templates, language, kind)) {
                assert_eq!(*composed, other, "{kind}, {language}: {name}");
            }
        }
    }
}

#[test]
fn the_samples_of_the_dialects_have_every_sort_of_markup_that_any_sample_has() {
    let templates = Templates::built_in().unwrap();
    for language in LANGUAGES {
        let all = |texts: &[(String, Composed, Sample)]| {
            texts.iter().flat_map(|(_, composed, _)| sorts(&composed.document)).collect::<BTreeSet<_>>()
        };
        let (shown, every) = (dialect(&templates, language, "dingtalk"), texts(&templates, language, "dingtalk"));
        assert_eq!(all(&shown), all(&every), "{language}");
    }
}

#[test]
fn dingtalk_is_sent_its_dialect_as_agreed() {
    let templates = Templates::built_in().unwrap();
    let robot = robot("mention = { mobiles = [\"+966-501234567\"] }");
    let mut snapshots = Snapshots::of("dingtalk");
    for language in LANGUAGES {
        for (name, composed, sample) in dialect(&templates, language, robot.kind()) {
            let parts = robot.write(&message(&sample, composed), PartForm::Full);
            let [part] = parts.as_slice() else { panic!("{name} is {} parts", parts.len()) };
            let body: Value = serde_json::from_str(&part.body).unwrap();
            let markdown = &body["markdown"];
            let (title, text) = (markdown["title"].as_str().unwrap(), markdown["text"].as_str().unwrap());
            assert_eq!(part.body, part.body.trim_end(), "{name}: snapshots say nothing of blanks at the end");
            snapshots.assert(
                &format!("{name}.{language}"),
                &format!("{title}\n\n{text}\n\n======== bytes\n\n{}", part.body),
            );
        }
    }
    snapshots.end();
}

/// What the parts of a message to a WeCom group show, one below the other.
fn shown(parts: &[Part]) -> String {
    let content = |part: &Part| {
        let body: Value = serde_json::from_str(&part.body).unwrap();
        let kind = body["msgtype"].as_str().unwrap();
        let (content, mobiles) = (&body[kind]["content"], &body[kind]["mentioned_mobile_list"]);
        let called = if mobiles.is_null() { String::new() } else { format!("\n(calls {mobiles})") };
        format!("{}{called}\n", content.as_str().unwrap())
    };
    parts.iter().map(content).collect::<Vec<_>>().join("\n=== and then\n\n")
}

#[test]
fn wecom_is_sent_its_dialect_and_its_texts_as_agreed() {
    let templates = Templates::built_in().unwrap();
    let mention = "mention = { mobiles = [\"+966-501234567\"], user_ids = [\"user-1\"] }";
    let markdown = wecom(mention);
    let text = wecom(&format!("format = \"text\"\n{mention}"));
    let mut snapshots = Snapshots::of("wecom");
    for language in LANGUAGES {
        for (name, composed, sample) in dialect(&templates, language, markdown.kind()) {
            let message = message(&sample, composed);
            let (markdown, text) = (markdown.write(&message, PartForm::Full), text.write(&message, PartForm::Full));
            let bytes: Vec<&str> = markdown.iter().map(|part| part.body.as_str()).collect();
            let (markdown, bytes, text) = (shown(&markdown), bytes.join("\n"), shown(&text));
            let all = format!("{markdown}\n======== as text\n\n{text}\n======== bytes\n\n{bytes}");
            snapshots.assert(&format!("{name}.{language}"), &all);
        }
    }
    snapshots.end();
}

#[test]
fn every_sample_goes_to_a_webhook_as_agreed() {
    let templates = Templates::built_in().unwrap();
    let webhook: WebhookChannel = toml::from_str("url = \"https://erp.example.com/orderbell\"").unwrap();
    let written = |(name, composed, sample): &(String, Composed, Sample)| {
        let parts = webhook.write(&message(sample, composed.clone()), PartForm::Full);
        let [part] = parts.as_slice() else { panic!("{name} is {} parts", parts.len()) };
        part.body.clone()
    };
    let [english, chinese] = LANGUAGES.map(|language| texts(&templates, language, webhook.kind()));
    let (mut snapshots, mut wrong) = (Snapshots::of("webhook"), Vec::new());
    for (english, chinese) in english.iter().zip(&chinese) {
        let name = &english.0;
        let (bytes, other) = (written(english), written(chinese));
        // Snapshots say nothing of blanks at the end.
        assert_eq!(bytes, bytes.trim_end(), "{name}");
        wrong.extend(against_the_contract(&serde_json::from_str(&bytes).unwrap(), name));
        snapshots.assert(name, &bytes);
        // In another language only the words differ.
        let mut bodies = [bytes, other].map(|bytes| serde_json::from_str::<Value>(&bytes).unwrap());
        for (body, (_, composed, _)) in bodies.iter_mut().zip([english, chinese]) {
            let body = body.as_object_mut().unwrap();
            assert_eq!(body.remove("title").unwrap(), composed.title, "{name}");
            assert_eq!(body.remove("text").unwrap(), composed.markdown, "{name}");
        }
        assert_eq!(bodies[0], bodies[1], "{name}");
    }
    assert_eq!(wrong, [""; 0]);
    snapshots.end();
}

/// A mailbox as a merchant would write it.
pub fn mailbox(language: &str) -> Email {
    let text = "smtp = \"smtps://smtp.example.com\"\nfrom = \"Harbour Noodle House 海港面馆 <orders@example.com>\"\n\
        to = [\"Owner <owner@example.com>\", \"cook@example.com\"]\nreply_to = \"shop@example.com\"";
    let mut email: Email = toml::from_str(text).unwrap();
    email.inherited.language = language.to_owned();
    email
}

#[test]
fn mails_are_written_as_agreed() {
    let templates = Templates::built_in().unwrap();
    let mut snapshots = Snapshots::of("email");
    for language in LANGUAGES {
        let email = mailbox(language);
        for (name, composed, sample) in texts(&templates, language, email.kind()) {
            let message = message(&sample, composed);
            let content = html::content(Look::of(&message), &message.document.blocks);
            let parts = email.write(&message, PartForm::Full);
            assert_eq!(parts.len(), 2, "{name}: one for each recipient");
            assert_eq!(parts, email.write(&message, PartForm::Full), "{name}: the same bytes each time");
            let mails: Vec<_> = parts.iter().map(|part| part.body.split_once("\r\n").unwrap().1).collect();
            assert!(mails[0] == mails[1] && mails[0].is_ascii(), "{name}");
            assert_eq!(mails[0].matches('\n').count(), mails[0].matches("\r\n").count(), "{name}: lines end in CRLF");
            let opened = open(mails[0]);
            let page = opened.html.as_deref().unwrap();
            assert!(page.contains(&content) && page.len() < 100_000, "{name}");
            if !DIALECT.contains(&name.as_str()) {
                continue;
            }
            let (subject, text) = (opened.header("subject").unwrap(), opened.text.as_deref().unwrap());
            let shown = format!("Subject: {subject}\n\n{text}\n\n======== HTML\n\n{content}");
            snapshots.assert(&format!("{name}.{language}"), &shown);
            if name == "order.placed.full" {
                snapshots.assert(&format!("whole.{language}"), &format!("{page}\n\n======== bytes\n\n{}", mails[0]));
            }
        }
    }
    snapshots.end();
}

#[test]
fn a_message_that_gmail_would_cut_is_several_mails_in_one_conversation() {
    let sample = samples::all().remove(0);
    let mut composed = Templates::built_in().unwrap().compose(&sample.view("en", &samples::riyadh())).unwrap();
    let item = |number: usize| vec![Inline::Text(format!("dish {number} <with> \"much\" to escape, and 糖醋排骨"))];
    composed.document.blocks.push(Block::List { ordered: false, items: (0..2500).map(item).collect() });
    let parts = mailbox("en").write(&message(&sample, composed), PartForm::Full);
    let mails: Vec<_> = parts.iter().map(|part| part.body.split_once("\r\n").unwrap()).collect();
    let opened: Vec<_> = mails.iter().map(|(_, mail)| open(mail)).collect();
    let pieces = mails.len() / 2;
    assert!(pieces > 2 && mails.len() == pieces * 2, "{} mails", mails.len());
    let all = |name: &str| opened.iter().map(|mail| mail.header(name).unwrap()).collect::<BTreeSet<_>>().len();
    assert_eq!((all("message-id"), all("subject"), all("references")), (pieces, 1, 1));
    let pages: Vec<&str> = opened.iter().step_by(2).map(|mail| mail.html.as_deref().unwrap()).collect();
    for (index, page) in pages.iter().enumerate() {
        assert!(page.len() < 100_000, "{}", page.len());
        assert!(page.contains(&format!("({}/{pieces}) New order", index + 1)));
    }
    let texts: String = opened.iter().step_by(2).map(|mail| mail.text.as_deref().unwrap()).collect();
    let whole = pages.concat();
    for number in 0..2500 {
        assert_eq!(texts.matches(&format!("dish {number} <with>")).count(), 1, "{number}");
        assert!(whole.contains(&format!("dish {number} &lt;with&gt;")), "{number}");
    }
    let recipients: BTreeSet<_> = mails.iter().map(|(envelope, _)| envelope.split_once(' ').unwrap().1).collect();
    assert_eq!(recipients, BTreeSet::from(["cook@example.com", "owner@example.com"]));
}

/// What no golden file may say, whoever writes it anew: unknown keys are absent and not null, and every time is UTC with
/// milliseconds.
fn against_the_contract(value: &Value, place: &str) -> Vec<String> {
    match value {
        Value::Null => vec![format!("{place} is null instead of absent")],
        Value::Object(members) => {
            let keys = members.iter();
            keys.flat_map(|(key, value)| against_the_contract(value, &format!("{place}.{key}"))).collect()
        }
        Value::Array(items) => {
            items.iter().flat_map(|item| against_the_contract(item, &format!("{place}[]"))).collect()
        }
        Value::String(text) if text.parse::<Timestamp>().is_ok_and(|at| format!("{at:.3}") != *text) => {
            vec![format!("{place} is {text}, without milliseconds")]
        }
        _ => Vec::new(),
    }
}
