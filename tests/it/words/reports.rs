//! The daily report as it reaches each channel in each language, held by golden files, and its longest cases held to be one
//! message within the limits of each.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::tz::TimeZone;
use orderbell::channel::Channel;
use orderbell::domain::compose::Composed;
use orderbell::domain::event::{Event, EventId, Kind, SignatureCheck};
use orderbell::domain::figures::sample;
use orderbell::domain::mail;
use orderbell::domain::message::{Attachments, Part, PartForm};
use orderbell::domain::message_context::MessageContext;
use orderbell::domain::payload::Payload;
use orderbell::domain::report::Report;
use orderbell::domain::template::Templates;
use orderbell::flow::render::report::ReportAudience;
use serde_json::Value;
use uuid::Uuid;

use crate::support::snapshots::Snapshots;
use crate::words::golden;
use crate::words::golden::{LANGUAGES, mailbox};
use crate::words::samples::Sample;

const ADDRESS: &str = "https://bell.example.com/charts/00000000000000000000000000000000.png";

fn event(report: Report) -> Event {
    let sent_at = report.as_of;
    Event {
        id: EventId(Uuid::from_u128(0x0198_4a10_7d5c_7cc3_98c4_dc0c_0c07_398f)),
        kind: Kind::Report(report.name.clone()),
        source: "orderbell".to_owned(),
        occurred_at: Some(sent_at),
        received_at: sent_at,
        shop: None,
        order: None,
        data: Payload::Report(Box::new(report)).into(),
        proof: SignatureCheck::Own,
    }
}

/// The report of a day, without a picture.
pub fn day(templates: &Templates, language: &str) -> Composed {
    let sample = Sample { name: String::new(), event: event(sample::day("daily").report()), order: None };
    let timezone = TimeZone::get("Asia/Hong_Kong").unwrap();
    templates.compose(&sample.view(language, &timezone)).unwrap_or_else(|error| panic!("{error}"))
}

/// What a channel is sent of a report.
pub fn written(channel: &dyn Channel, language: &str, report: &Report, table: Option<&str>) -> Vec<Part> {
    let templates = Templates::built_in().unwrap();
    let timezone = TimeZone::get("Asia/Hong_Kong").unwrap();
    let mut failure = None;
    let compose = |report: Report, enclosed: Attachments| {
        let sample = Sample { name: String::new(), event: event(report), order: None };
        let view = MessageContext { channel_kind: channel.kind(), ..sample.view(language, &timezone) };
        let composed = templates.compose(&view).map_err(|error| error.to_string())?;
        let message = golden::message(&sample, composed);
        Ok::<_, String>(channel.write(&orderbell::domain::message::Message { enclosed, ..message }, PartForm::Full))
    };
    let reader = ReportAudience { channel, language, templates: &templates, form: PartForm::Full };
    let parts = reader.written(report, table, &mut failure, compose).unwrap();
    assert_eq!(failure, None);
    parts
}

/// What a reader of a mail sees of a report, and the table that goes with it.
pub fn report_text(email: &dyn Channel, language: &str, report: &Report, table: &str) -> (String, String) {
    let parts = written(email, language, report, Some(table));
    let opened = mail::open(parts[0].body.split_once("\r\n").unwrap().1);
    let table = opened.enclosed.last().map(|table| String::from_utf8(table.bytes.clone()).unwrap());
    (opened.text.unwrap(), table.unwrap())
}

/// Pictures by their size, so that the files can be read.
fn shown(channel: &dyn Channel, parts: &[Part]) -> String {
    let shown: Vec<String> = parts.iter().map(|part| channel.shown(part)).collect();
    format!("{}\n", shown.join("\n=== and then\n\n"))
}

#[test]
fn the_report_reads_as_agreed_on_every_channel_in_every_language() {
    let (dingtalk, markdown) = (golden::robot(""), golden::wecom(""));
    let text = golden::wecom("format = \"text\"");
    let channels: [(&str, &dyn Channel); 3] = [("dingtalk", &dingtalk), ("wecom", &markdown), ("wecom.text", &text)];
    let mut snapshots = Snapshots::of("report");
    let webhook: orderbell::channel::webhook::WebhookChannel =
        toml::from_str("url = \"https://erp.example.com/\"").unwrap();
    let mut hold = |name: String, in_language: &dyn Fn(&str) -> String| {
        let texts = LANGUAGES.map(|language| golden::in_language(language, &in_language(language)));
        snapshots.assert(&name, &texts.concat());
    };
    for (name, sample) in sample::all("daily") {
        let report = sample.report();
        for (file, channel) in channels {
            hold(format!("{name}.{file}"), &|language| shown(channel, &written(channel, language, &report, None)));
        }
        let mailed = |language: &str| {
            let email = mailbox(language);
            let parts = written(&email, language, &report, Some(&sample.table()));
            mail::open(parts[0].body.split_once("\r\n").unwrap().1)
        };
        hold(format!("{name}.email"), &|language| {
            let opened = mailed(language);
            format!("Subject: {}\n\n{}", opened.header("subject").unwrap(), opened.text.as_deref().unwrap())
        });
        if name == "day" {
            hold("day.email.html".to_owned(), &|language| mailed(language).html.unwrap());
        }
    }
    let report = sample::day("daily").report();
    let fetched = Report { picture: Some(ADDRESS.to_owned()), ..report.clone() };
    hold("picture.dingtalk".to_owned(), &|language| shown(&dingtalk, &written(&dingtalk, language, &fetched, None)));
    hold("day.webhook".to_owned(), &|language| {
        let [part] = &written(&webhook, language, &report, None)[..] else { panic!("several parts") };
        let body: Value = serde_json::from_str(&part.body).unwrap();
        serde_json::to_string_pretty(&body).unwrap()
    });
    snapshots.end();
}

#[test]
fn two_hundred_shops_are_one_message_within_every_limit_and_say_what_is_left_out() {
    let (dingtalk, markdown) = (golden::robot(""), golden::wecom(""));
    let text = golden::wecom("format = \"text\"");
    let long = "海港面馆（九龙湾国际展贸中心分店）*_[x](http://x)_*";
    for days in [1, 14] {
        let report = sample::shops("daily", 200, days, |number| format!("{long} {number}")).report();
        let report = Report { late: days > 1, ..report };
        assert_eq!(report.shops.len(), 200);
        for language in LANGUAGES {
            let pictures = 1;
            for (channel, limit, most, field) in [
                (&dingtalk as &dyn Channel, 20_000, 1, "/markdown/text"),
                (&markdown, 4_096, 1 + pictures, "/markdown/content"),
                (&text, 2_048, 1 + pictures, "/text/content"),
            ] {
                let parts = written(channel, language, &report, None);
                assert!(parts.len() <= most, "{}: {} parts", channel.kind(), parts.len());
                let body: Value = serde_json::from_str(&parts[0].body).unwrap();
                let words = body.pointer(field).and_then(Value::as_str).unwrap();
                // DingTalk counts the whole request, WeCom what is shown.
                let bytes = if field.starts_with("/markdown/text") { parts[0].body.len() } else { words.len() };
                assert!(bytes <= limit, "{}: {bytes} bytes\n{words}", channel.kind());
                let named = words.matches("海港面馆").count();
                let more = match language {
                    "en" => format!("and {} more shops", 200 - named),
                    _ => format!("还有 {} 家门店", 200 - named),
                };
                assert!(named == 200 || words.contains(&more), "{named} are named\n{words}");
                let late = if language == "en" { "It covers 14 days." } else { "包含 14 天。" };
                assert!(days == 1 || words.contains(late), "{words}");
            }
            let parts = written(&mailbox(language), language, &report, None);
            let opened = mail::open(parts[0].body.split_once("\r\n").unwrap().1);
            let html = opened.html.as_deref().unwrap();
            assert!(html.len() < 100_000, "{} bytes", html.len());
            assert!(html.contains("</html>"));
        }
    }
}

#[test]
fn a_mail_holds_the_picture_that_it_shows_and_the_figures_as_text() {
    for language in LANGUAGES {
        let sample = sample::day("daily");
        let parts = written(&mailbox(language), language, &sample.report(), Some(&sample.table()));
        let opened = mail::open(parts[0].body.split_once("\r\n").unwrap().1);
        let (html, text) = (opened.html.as_deref().unwrap(), opened.text.as_deref().unwrap());
        let [light, dark, table] = &opened.enclosed[..] else { panic!("{:?}", opened.enclosed.len()) };
        for (picture, class) in [(light, "light"), (dark, "dark")] {
            let id = picture.id.as_deref().unwrap();
            assert!(html.contains(&format!("class=\"{class}\" src=\"cid:{id}\"")), "{id}");
            assert!(picture.bytes.starts_with(b"\x89PNG"), "{id}");
        }
        assert_ne!(light.bytes, dark.bytes);
        assert!(html.contains(" alt=\"") && !html.contains("alt=\"\""), "the picture says what it is");
        let table = String::from_utf8(table.bytes.clone()).unwrap();
        let head =
            if language == "en" { "\u{feff}Source,Shop number,Shop," } else { "\u{feff}来源,门店编号,门店," };
        assert!(table.starts_with(head), "{table:.200}");
        assert_eq!(table.lines().count(), sample.table().lines().count());
        let net = if language == "en" { "Net: HKD" } else { "净额：HKD" };
        assert!(text.replace(['*', '\u{a0}'], " ").contains(net), "{text}");
    }
}

#[test]
fn a_wecom_group_is_sent_the_picture_behind_the_words() {
    let group = golden::wecom("");
    let parts = written(&group, "en", &sample::day("daily").report(), None);
    let [_, picture] = &parts[..] else { panic!("{} parts", parts.len()) };
    let body: Value = serde_json::from_str(&picture.body).unwrap();
    let bytes = BASE64_STANDARD.decode(body["image"]["base64"].as_str().unwrap()).unwrap();
    assert!(body["msgtype"] == "image" && bytes.starts_with(b"\x89PNG"));
}
