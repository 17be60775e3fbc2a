//! WeCom's parts: limits in bytes, who is called by which way, colours, the reduced form, the mark of a repeat, and what a
//! robot that checks like the real one makes of it all.

use std::time::Duration;

use jiff::Timestamp;
use orderbell::channel::http::{Http, Settings};
use orderbell::channel::wecom::WeCom;
use orderbell::channel::{Attempt, Channel};
use orderbell::domain::compose::composed;
use orderbell::domain::event::Kind;
use orderbell::domain::message::{Message, Part, PartForm};
use orderbell::domain::retry::{Answer, Outcome};
use orderbell::sandbox::Sandbox;
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::Rules;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::words::golden::{message, wecom};
use crate::words::samples;

fn said(markdown: &str) -> Message {
    let sample = samples::all().remove(0);
    message(&sample, composed(markdown, &sample.view("en", &samples::riyadh())))
}

fn long_message(lines: usize) -> Message {
    let line = |line| format!("- **2 ×** 柠檬茶 number {line} with less ice and no sugar at all\n");
    let lines: String = (0..lines).map(line).collect();
    said(&format!("# New order #1\n\n{lines}\n> please hurry\n\n[the order](https://shop.example/1)\n"))
}

fn body(part: &Part) -> Value {
    serde_json::from_str(&part.body).unwrap()
}

fn content(part: &Part) -> String {
    let body = body(part);
    body[body["msgtype"].as_str().unwrap()]["content"].as_str().unwrap().to_owned()
}

#[test]
fn a_long_message_goes_in_marked_parts_each_within_the_bytes_of_its_format() {
    let message = long_message(200);
    for (settings, limit) in [("", 4096), ("format = \"text\"", 2048)] {
        let channel = wecom(settings);
        let parts = channel.write(&message, PartForm::Full);
        assert!(parts.len() > 2);
        for (index, part) in parts.iter().enumerate() {
            assert!(content(part).len() <= limit && content(part).len() > limit / 2 || index + 1 == parts.len());
            assert!(content(part).starts_with(&format!("({}/{}) New order #1\n\n", index + 1, parts.len())));
            let marked = channel.marked(part, "possibly a repeat").expect("WeCom knows no keys");
            assert!(content(&marked).len() <= limit && content(&marked).contains("(possibly a repeat)"));
        }
        let received: String = parts.iter().map(content).collect();
        assert!((0..200).all(|line| received.contains(&format!("number {line} with"))));
        for times in 1..=3 {
            let halved = channel.write(&message, PartForm::Halved(times));
            assert!(halved.iter().all(|part| content(part).len() <= limit >> times));
        }
    }
}

#[test]
fn people_are_called_by_the_way_that_works_and_once() {
    let mention = "mention = { mobiles = [\"13800000000\"], user_ids = [\"u-1\", \"u-2\"], all = true }";
    let parts = wecom(mention).write(&long_message(100), PartForm::Full);
    let (text, cards) = parts.split_last().unwrap();
    assert!(cards.len() >= 2);
    for (index, card) in cards.iter().enumerate() {
        assert_eq!(body(card)["msgtype"], "markdown");
        assert_eq!(content(card).ends_with("\n\n<@u-1> <@u-2>"), index == 0);
        assert!(body(card)["markdown"].as_object().unwrap().len() == 1, "markdown has no lists of people");
    }
    let expected = r#"{"msgtype":"text","text":{"content":"New order #1","mentioned_list":["@all"],"mentioned_mobile_list":["13800000000"]}}"#;
    assert_eq!(text.body, expected);
    assert_eq!(usize::from(text.index), cards.len(), "it is a part of its own");

    let parts = wecom(&format!("format = \"text\"\n{mention}")).write(&long_message(100), PartForm::Full);
    for (index, part) in parts.iter().enumerate() {
        let (listed, mobiles) = (&body(part)["text"]["mentioned_list"], &body(part)["text"]["mentioned_mobile_list"]);
        let right = (serde_json::json!(["u-1", "u-2", "@all"]), serde_json::json!(["13800000000"]));
        assert_eq!((listed.clone(), mobiles.clone()) == right, index == 0);
        assert!(index == 0 || listed.is_null() && mobiles.is_null());
    }

    let user_ids: Vec<String> = (0..300).map(|id| format!("colleague-{id}")).collect();
    let parts = wecom(&format!("mention = {{ user_ids = {user_ids:?} }}")).write(&said("# T"), PartForm::Full);
    assert_eq!(body(&parts[1])["text"]["mentioned_list"].as_array().unwrap().len(), 300, "too many for the markdown");

    let parts = wecom("mention = { user_ids = [\"u-1\"] }").write(&said("# T"), PartForm::Full);
    assert_eq!(parts.iter().map(content).collect::<Vec<_>>(), ["# T\n\n<@u-1>"], "nobody needs a second message");
}

#[test]
fn colours_come_from_a_template_alone() {
    let sent = |markdown: &str| content(&wecom("").write(&said(markdown), PartForm::Full)[0]);
    let template = "# <font color=\"warning\">Cancelled</font> **<font color='info'>x</font>** <font color=\"red\">y";
    let expected =
        "# <font color=\"warning\">Cancelled</font> **<font color=\"info\">x</font>** ＜font color=\"red\"＞y";
    assert_eq!(sent(template), expected);
    assert_eq!(sent("a **<font color=\"info\">b** c</font>"), "a **<font color=\"info\">b</font>** c＜/font＞");
    // As a value enters a template: escaped.
    let value = orderbell::domain::text::escape_value("<font color=\"warning\">x</font>");
    assert_eq!(sent(&value), "＜font color=\"warning\"＞x＜/font＞");
}

#[test]
fn a_reduced_form_has_no_free_text_and_no_links() {
    let parts = wecom("").write(&long_message(2), PartForm::Reduced);
    let [part] = parts.as_slice() else { panic!("{} parts", parts.len()) };
    assert!(content(part).contains("number 1") && content(part).contains("the order"));
    assert!(!content(part).contains("hurry") && !content(part).contains("://"));
    let parts = wecom("").write(&said("> only a note"), PartForm::Reduced);
    assert_eq!(content(&parts[0]), "only a note", "an empty text would be refused");
}

#[test]
fn a_part_is_marked_once_and_otherwise_the_same() {
    for settings in ["", "format = \"text\"\nmention = { mobiles = [\"13800000000\"] }"] {
        let channel = wecom(settings);
        let part = channel.write(&said("# New order"), PartForm::Full).remove(0);
        let marked = channel.marked(&part, "possibly a repeat").unwrap();
        assert_eq!((marked.index, marked.form), (part.index, part.form));
        assert!(content(&marked).ends_with(&content(&part)));
        assert_eq!(body(&marked)["text"]["mentioned_mobile_list"], body(&part)["text"]["mentioned_mobile_list"]);
        assert_eq!(channel.marked(&marked, "possibly a repeat"), None, "the next repeat has the same bytes");
    }
}

#[test]
fn channels_of_one_robot_share_their_credential_and_do_not_show_it() {
    let credential = wecom("").credential();
    assert_eq!(credential, wecom("format = \"text\"").credential());
    assert!(credential.len() == 16 && !credential.contains("0123456789abcdef"));
}

async fn send(sandbox: &Sandbox, part: &Part) -> Answer {
    let channel: WeCom = toml::from_str(&format!("webhook = \"{}\"", sandbox.wecom_url("bell"))).unwrap();
    let settings = Settings { allow_private: true, timeout: Duration::from_secs(5), ..Settings::default() };
    let attempt = Attempt { key: "key".to_owned(), kind: Kind::Test, now: Timestamp::now() };
    channel.send(&Http::new(&settings).unwrap(), part, &attempt).await
}

#[tokio::test]
async fn a_robot_takes_the_exact_bytes_and_its_answers_are_judged() {
    let sandbox = Sandbox::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), Rules::new().wecom("bell").strict());
    let parts = wecom("mention = { mobiles = [\"13800000000\"] }").write(&long_message(3), PartForm::Full);
    for part in &parts {
        let answer = send(&sandbox, part).await;
        assert_eq!(answer.outcome, Outcome::Delivered, "{}", answer.detail);
    }
    assert_eq!(
        sandbox.messages().iter().map(|message| &message.body).collect::<Vec<_>>(),
        [&parts[0].body, &parts[1].body]
    );
    let cases = [
        (Fault::LostAnswer, Outcome::Unknown),
        (Fault::Garbage, Outcome::Retry { after: None }),
        (Fault::Status { status: 200, body: String::new() }, Outcome::Unknown),
        (Fault::Status { status: 502, body: "{\"errcode\":0}".to_owned() }, Outcome::Retry { after: None }),
        (Fault::Errcode { errcode: 93_008, errmsg: "not in the group".to_owned() }, Outcome::Misconfigured),
        (Fault::Errcode { errcode: 123_456, errmsg: "new".to_owned() }, Outcome::Unknown),
    ];
    for (fault, expected) in cases {
        sandbox.order("bell", fault.clone(), Times::Next(1));
        assert_eq!(send(&sandbox, &parts[0]).await.outcome, expected, "{fault:?}");
    }
}
