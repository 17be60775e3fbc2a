//! The robots of the sandbox: what the real ones check, refuse and count.

use jiff::Timestamp;
use orderbell::domain::secret::Secret;
use orderbell::domain::sign;
use orderbell::sandbox::Sandbox;
use orderbell::sandbox::inbox::{Counts, MockVerdict};
use orderbell::sandbox::rules::{RobotRules, Rules, WebhookRules};
use serde_json::{Value, json};

use crate::sandbox::{JSON, ask, code, markdown, post_hook, say, start};

#[tokio::test]
async fn a_robot_takes_markdown_and_text() {
    let sandbox = start(Rules::new()).await;
    assert_eq!(say(&sandbox, "access_token=any", &markdown("Hello", "k1")).await, (0, "ok".to_owned()));
    assert_eq!(code(&sandbox, "access_token=any", r#"{"msgtype":"text","text":{"content":"Hi"}}"#).await, 0);
    let messages = sandbox.messages();
    let first = &messages[0];
    assert_eq!((first.address.kind, first.address.name.as_str()), ("dingtalk", "any"));
    assert_eq!((first.title.as_deref(), first.text.as_deref()), (Some("A title"), Some("Hello")));
    assert_eq!((first.key.as_deref(), first.repeat, &first.verdict), (Some("k1"), false, &MockVerdict::Accepted));
    assert_eq!(first.body, markdown("Hello", "k1"));
    assert_eq!(messages[1].text.as_deref(), Some("Hi"));
    assert_eq!(sandbox.counts(), Counts { accepted: 2, ..Counts::default() });
}

#[tokio::test]
async fn a_robot_refuses_what_is_malformed() {
    let sandbox = start(Rules::new()).await;
    let answer = ask(sandbox.address(), "GET", "/robot/send?access_token=a", &[JSON], "").await.unwrap();
    assert!(answer.0 == 200 && answer.1.contains("43002"), "{answer:?}");
    let plain = [("Content-Type", "text/plain")];
    for headers in [&plain[..], &[]] {
        let answer = ask(sandbox.address(), "POST", "/robot/send?access_token=a", headers, "{}").await.unwrap();
        assert!(answer.0 == 200 && answer.1.contains("43004"), "{answer:?}");
    }
    let markdown =
        |title: &str, text: &str| json!({"msgtype":"markdown","markdown":{"title":title,"text":text}}).to_string();
    for (body, wanted) in [
        ("no JSON".to_owned(), 40035),
        ("{}".to_owned(), 40035),
        (markdown("", "text"), 400402),
        (markdown("title", " "), 400403),
        (r#"{"msgtype":"text","text":{}}"#.to_owned(), 40035),
        (r#"{"msgtype":"image"}"#.to_owned(), 400105),
        (markdown("title", &"x".repeat(20_000)), 460101),
    ] {
        assert_eq!(code(&sandbox, "access_token=a", &body).await, wanted, "{body:.60}");
    }
    assert_eq!(sandbox.counts(), Counts { refused: 10, ..Counts::default() });
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_passes() {
    let sandbox = start(Rules::new()).await;
    let body = markdown(&"x".repeat(20_000 - markdown("", "").len()), "");
    assert_eq!(body.len(), 20_000);
    assert_eq!(code(&sandbox, "access_token=a", &body).await, 0);
}

#[tokio::test]
async fn strict_rules_know_only_what_they_name() {
    let sandbox =
        start(Rules::new().robot("known", RobotRules::default()).hook("known", WebhookRules::None).strict()).await;
    assert_eq!(code(&sandbox, "access_token=known", &markdown("a", "1")).await, 0);
    assert_eq!(code(&sandbox, "access_token=unknown", &markdown("a", "1")).await, 300005);
    assert_eq!(post_hook(&sandbox, "known", &[], "{}").await, 200);
    assert_eq!(post_hook(&sandbox, "unknown", &[], "{}").await, 404);
}

#[tokio::test]
async fn a_signed_robot_checks_signature_and_clock() {
    let robot = RobotRules { secret: Some(Secret::new("SECret")), keyword: None };
    let sandbox = start(Rules::new().robot("a", robot)).await;
    let signed = |secret: &str, ms: i64| {
        let sign = sign::percent_encode(&sign::dingtalk(secret, ms));
        format!("access_token=a&timestamp={ms}&sign={sign}")
    };
    let now = Timestamp::now().as_millisecond();
    let minute = 60_000;
    assert_eq!(code(&sandbox, &signed("SECret", now), &markdown("a", "1")).await, 0);
    assert_eq!(code(&sandbox, &signed("SECret", now - 59 * minute), &markdown("a", "2")).await, 0);
    for (query, wanted) in [
        (signed("SECother", now), "sign not match"),
        (signed("SECret", now).replace("%2B", "+").replace("%3D", "%253D"), "sign not match"),
        ("access_token=a".to_owned(), "sign not match"),
        (signed("SECret", now - 61 * minute), "timestamp is invalid"),
        (signed("SECret", now + 61 * minute), "timestamp is invalid"),
    ] {
        let (code, words) = say(&sandbox, &query, &markdown("a", "3")).await;
        assert!(code == 310000 && words.starts_with(wanted), "{query}: {code} {words}");
    }
}

#[tokio::test]
async fn a_keyword_robot_wants_its_word_in_the_text() {
    let robot = RobotRules { secret: None, keyword: Some("order".to_owned()) };
    let sandbox = start(Rules::new().robot("a", robot)).await;
    assert_eq!(code(&sandbox, "access_token=a", &markdown("an order", "1")).await, 0);
    let (code, words) = say(&sandbox, "access_token=a", &markdown("nothing", "2")).await;
    assert!(code == 310000 && words.starts_with("keywords not in content, more: ["), "{code} {words}");
}

#[tokio::test]
async fn a_robot_shuts_after_twenty_messages_and_opens_on_its_own_clock() {
    let sandbox = start(Rules::new()).await;
    for n in 0..20 {
        assert_eq!(code(&sandbox, "access_token=a", &markdown("a", &n.to_string())).await, 0);
    }
    let (code_, words) = say(&sandbox, "access_token=a", &markdown("a", "20")).await;
    assert!(code_ == 410100 && words.contains("exceed 20 times per minute"), "{code_} {words}");
    assert_eq!(code(&sandbox, "access_token=b", &markdown("a", "20")).await, 0, "another robot has its own allowance");

    // Far more than a minute passes between any two requests.
    let fast = start(Rules::new().speed(100_000_000)).await;
    for n in 0..60 {
        assert_eq!(code(&fast, "access_token=a", &markdown("a", &n.to_string())).await, 0);
    }
}

#[tokio::test]
async fn a_known_key_is_accepted_without_a_second_message() {
    let sandbox = start(Rules::new()).await;
    for key in ["k1", "k1", "k2"] {
        assert_eq!(code(&sandbox, "access_token=a", &markdown("a", key)).await, 0);
    }
    assert_eq!(code(&sandbox, "access_token=b", &markdown("a", "k1")).await, 0);
    let repeats: Vec<_> = sandbox.messages().iter().map(|message| message.repeat).collect();
    assert_eq!(repeats, [false, true, false, false]);
    assert_eq!(sandbox.counts(), Counts { accepted: 3, repeats: 1, ..Counts::default() });
}

#[tokio::test]
async fn a_wecom_robot_checks_what_the_real_one_checks() {
    let sandbox = start(Rules::new().wecom("known").strict()).await;
    let call = async |key: &str, body: &str| {
        let target = format!("/cgi-bin/webhook/send?key={key}");
        let (status, answer) = ask(sandbox.address(), "POST", &target, &[JSON], body).await.expect("an answer");
        assert_eq!(status, 200);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        (answer["errcode"].as_i64().unwrap(), answer["errmsg"].as_str().unwrap().to_owned())
    };
    let message = |kind: &str, content: &str| json!({ "msgtype": kind, kind: { "content": content } }).to_string();
    for (kind, limit) in [("text", 2048), ("markdown", 4096)] {
        // Three bytes each: characters do not count.
        let han = "单".repeat(limit / 3);
        assert_eq!(call("known", &message(kind, &han)).await, (0, "ok".to_owned()));
        let (code, words) = call("known", &message(kind, &format!("{han}单"))).await;
        assert!(code == 40058 && words.starts_with(&format!("{kind}.content exceed max length {limit}")), "{words}");
    }
    assert_eq!(call("unknown", &message("text", "Hi")).await.0, 93000);
    assert_eq!(call("", &message("text", "Hi")).await.0, 93000);
    for (body, wanted) in [
        ("no JSON".to_owned(), 40058),
        ("{}".to_owned(), 40008),
        (message("html", "x"), 40008),
        (message("text", " "), 44004),
        (r#"{"msgtype":"markdown","text":{"content":"x"}}"#.to_owned(), 44004),
        (r#"{"msgtype":"image"}"#.to_owned(), 44001),
        (r#"{"msgtype":"image","image":{"base64":"","md5":""}}"#.to_owned(), 44001),
        (r#"{"msgtype":"text","text":{"content":"x","mentioned_list":"@all"}}"#.to_owned(), 40058),
        (r#"{"msgtype":"text","text":{"content":"x","mentioned_list":["@all"]}}"#.to_owned(), 0),
    ] {
        assert_eq!(call("known", &body).await.0, wanted, "{body:.60}");
    }
    let first = &sandbox.messages()[0];
    assert_eq!((first.address.kind, first.address.name.as_str()), ("wecom", "known"));
    assert_eq!((first.text.as_deref().map(str::len), first.key.as_deref()), (Some(2046), None));
}

#[tokio::test]
async fn a_wecom_robot_takes_twenty_messages_a_minute_and_opens_after_one() {
    let code = async |sandbox: &Sandbox| {
        let body = r#"{"msgtype":"text","text":{"content":"Hi"}}"#;
        let answer = ask(sandbox.address(), "POST", "/cgi-bin/webhook/send?key=a", &[JSON], body).await.unwrap().1;
        serde_json::from_str::<Value>(&answer).unwrap()["errcode"].as_i64().unwrap()
    };
    let sandbox = start(Rules::new()).await;
    for _ in 0..20 {
        assert_eq!(code(&sandbox).await, 0);
    }
    assert_eq!(code(&sandbox).await, 45009);
    // Of another vendor, with the same name: another robot.
    assert_eq!(say(&sandbox, "access_token=a", &markdown("a", "1")).await.0, 0);
}
