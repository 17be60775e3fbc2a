//! Golden files: what each sample looks like in a DingTalk group and in a WeCom group, as text to be read and as the exact
//! bytes, and the exact bytes that a WebHook gets.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use jiff::Timestamp;
use orderbell::channel::Channel;
use orderbell::channel::dingtalk::DingTalk;
use orderbell::channel::email::Email;
use orderbell::channel::email::html;
use orderbell::channel::webhook::Webhook;
use orderbell::channel::wecom::WeCom;
use orderbell::domain::compose::Composed;
use orderbell::domain::compose::View;
use orderbell::domain::compose::plain;
use orderbell::domain::document::Block;
use orderbell::domain::document::Inline;
use orderbell::domain::event::Kind;
use orderbell::domain::message::Enclosed;
use orderbell::domain::message::Form;
use orderbell::domain::message::Message;
use orderbell::domain::message::Part;
use orderbell::domain::template::Templates;
use orderbell::sandbox::mail::open;
use serde_json::Value;

use crate::words::hostile;
use crate::words::samples;
use crate::words::samples::Sample;

pub const LANGUAGES: [&str; 2] = ["en", "zh-CN"];

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
    let (event, order) = (sample.event.clone(), sample.order.clone());
    Message {
        delivery: samples::DELIVERY,
        round: 0,
        event,
        order,
        title,
        markdown,
        document,
        enclosed: Enclosed::default(),
    }
}

fn folder(channel: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(channel)
}

/// Compares with the file, or writes it when `UPDATE_GOLDEN` is set. Answers with what differs.
pub fn compare(path: &Path, actual: &str) -> Option<String> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, actual).unwrap();
        return None;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    (expected != actual).then(|| format!("{}:\n--- expected\n{expected}\n--- actual\n{actual}", path.display()))
}

/// Every sample with its words in one language, by its name; with a hostile one, and the plain form.
fn texts(templates: &Templates, language: &str, channel_kind: &str) -> Vec<(String, Composed, Sample)> {
    let timezone = samples::riyadh();
    let compose = |sample: &Sample| {
        let view = View { channel_kind, ..sample.view(language, &timezone) };
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

/// The files of a folder that no sample makes any more.
pub fn stale(folder: &Path, known: &BTreeSet<PathBuf>) -> Vec<String> {
    let files = fs::read_dir(folder).map(|files| files.map(|file| file.unwrap().path()).collect::<Vec<_>>());
    let stale = files.unwrap_or_default().into_iter().filter(|path| !known.contains(path));
    stale.map(|path| format!("{}: no sample makes this file any more", path.display())).collect()
}

#[test]
fn every_kind_reads_as_agreed_in_every_language() {
    let templates = Templates::built_in().unwrap();
    let robot = robot("mention = { mobiles = [\"+966-501234567\"] }");
    let (mut wrong, mut known) = (Vec::new(), BTreeSet::new());
    for language in LANGUAGES {
        let folder = folder("dingtalk").join(language);
        for (name, composed, sample) in texts(&templates, language, robot.kind()) {
            let parts = robot.write(&message(&sample, composed), Form::Full);
            let [part] = parts.as_slice() else { panic!("{name} is {} parts", parts.len()) };
            let body: serde_json::Value = serde_json::from_str(&part.body).unwrap();
            let markdown = &body["markdown"];
            let text = format!("{}\n\n{}\n", markdown["title"].as_str().unwrap(), markdown["text"].as_str().unwrap());
            for (extension, actual) in [("md", &text), ("json", &part.body)] {
                let path = folder.join(format!("{name}.{extension}"));
                wrong.extend(compare(&path, actual));
                known.insert(path);
            }
        }
        wrong.extend(stale(&folder, &known));
    }
    assert!(wrong.is_empty(), "UPDATE_GOLDEN=1 writes them anew:\n{}", wrong.join("\n"));
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
fn every_kind_reads_as_agreed_in_a_wecom_group_in_every_language() {
    let templates = Templates::built_in().unwrap();
    let mention = "mention = { mobiles = [\"+966-501234567\"], user_ids = [\"user-1\"] }";
    let markdown = wecom(mention);
    let text = wecom(&format!("format = \"text\"\n{mention}"));
    let (mut wrong, mut known) = (Vec::new(), BTreeSet::new());
    for language in LANGUAGES {
        let folder = folder("wecom").join(language);
        for (name, composed, sample) in texts(&templates, language, markdown.kind()) {
            let message = message(&sample, composed);
            let (markdown, text) = (markdown.write(&message, Form::Full), text.write(&message, Form::Full));
            let bytes: Vec<&str> = markdown.iter().map(|part| part.body.as_str()).collect();
            let files = [("md", shown(&markdown)), ("json", format!("{}\n", bytes.join("\n"))), ("txt", shown(&text))];
            for (extension, actual) in files {
                let path = folder.join(format!("{name}.{extension}"));
                wrong.extend(compare(&path, &actual));
                known.insert(path);
            }
        }
        wrong.extend(stale(&folder, &known));
    }
    assert!(wrong.is_empty(), "UPDATE_GOLDEN=1 writes them anew:\n{}", wrong.join("\n"));
}

#[test]
fn every_kind_goes_to_a_webhook_as_agreed_in_every_language() {
    let templates = Templates::built_in().unwrap();
    let webhook: Webhook = toml::from_str("url = \"https://erp.example.com/orderbell\"").unwrap();
    let (mut wrong, mut known) = (Vec::new(), BTreeSet::new());
    for language in LANGUAGES {
        let folder = folder("webhook").join(language);
        for (name, composed, sample) in texts(&templates, language, webhook.kind()) {
            let parts = webhook.write(&message(&sample, composed), Form::Full);
            let [part] = parts.as_slice() else { panic!("{name} is {} parts", parts.len()) };
            wrong.extend(against_the_contract(&serde_json::from_str(&part.body).unwrap(), &name));
            let path = folder.join(format!("{name}.json"));
            wrong.extend(compare(&path, &part.body));
            known.insert(path);
        }
        wrong.extend(stale(&folder, &known));
    }
    assert!(wrong.is_empty(), "UPDATE_GOLDEN=1 writes them anew:\n{}", wrong.join("\n"));
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
fn every_kind_is_mailed_as_agreed_in_every_language() {
    let templates = Templates::built_in().unwrap();
    let (mut wrong, mut known) = (Vec::new(), BTreeSet::new());
    for language in LANGUAGES {
        let folder = folder("email").join(language);
        let email = mailbox(language);
        for (name, composed, sample) in texts(&templates, language, email.kind()) {
            let content = html::content(&composed.document.blocks);
            let message = message(&sample, composed);
            let parts = email.write(&message, Form::Full);
            assert_eq!(parts.len(), 2, "{name}: one for each recipient");
            assert_eq!(parts, email.write(&message, Form::Full), "{name}: the same bytes each time");
            let mails: Vec<_> = parts.iter().map(|part| part.body.split_once("\r\n").unwrap().1).collect();
            assert!(mails[0] == mails[1] && mails[0].is_ascii(), "{name}");
            let opened = open(mails[0]);
            let page = opened.html.as_deref().unwrap();
            assert!(page.contains(&content) && page.len() < 100_000, "{name}");
            let text =
                format!("Subject: {}\n\n{}\n", opened.header("subject").unwrap(), opened.text.as_deref().unwrap());
            let mut files = vec![
                (folder.join(format!("{name}.txt")), text.as_str()),
                (folder.join(format!("{name}.html")), content.as_str()),
            ];
            if name == "order.placed.full" {
                files.push((folder.join("whole.eml"), mails[0]));
                files.push((folder.join("whole.html"), page));
            }
            for (path, actual) in files {
                wrong.extend(compare(&path, actual));
                known.insert(path);
            }
        }
        wrong.extend(stale(&folder, &known));
    }
    assert!(wrong.is_empty(), "UPDATE_GOLDEN=1 writes them anew:\n{}", wrong.join("\n"));
}

#[test]
fn a_message_that_gmail_would_cut_is_several_mails_in_one_conversation() {
    let sample = samples::all().remove(0);
    let mut composed = Templates::built_in().unwrap().compose(&sample.view("en", &samples::riyadh())).unwrap();
    let item = |number: usize| vec![Inline::Text(format!("dish {number} <with> \"much\" to escape, and 糖醋排骨"))];
    composed.document.blocks.push(Block::List { ordered: false, items: (0..2500).map(item).collect() });
    let parts = mailbox("en").write(&message(&sample, composed), Form::Full);
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
