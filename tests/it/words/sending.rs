//! A message on its way to a robot that checks what the real one checks.

use std::time::Duration;

use jiff::Timestamp;
use orderbell::channel::dingtalk::DingTalk;
use orderbell::channel::http::{Http, Settings};
use orderbell::channel::{Attempt, Channel};
use orderbell::domain::message::{Part, PartForm};
use orderbell::domain::retry::{Answer, Outcome};
use orderbell::domain::secret::Secret;
use orderbell::domain::template::Templates;
use orderbell::sandbox::Sandbox;
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::{RobotRules, Rules};
use tokio::net::TcpListener;

use crate::words::golden::message;
use crate::words::samples;

fn robot(sandbox: &Sandbox, settings: &str) -> DingTalk {
    toml::from_str(&format!("webhook = \"{}\"\n{settings}", sandbox.robot_url("bell"))).unwrap()
}

async fn sandbox() -> Sandbox {
    let demands = RobotRules { secret: Some(Secret::new("SEC-1")), keyword: Some("Harbour".to_owned()) };
    Sandbox::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), Rules::new().robot("bell", demands))
}

fn parts(channel: &DingTalk) -> Vec<Part> {
    let sample = samples::all().remove(0);
    let composed = Templates::built_in().unwrap().compose(&sample.view("zh-CN", &samples::riyadh())).unwrap();
    channel.write(&message(&sample, composed), PartForm::Full)
}

async fn send(channel: &DingTalk, part: &Part) -> Answer {
    let settings = Settings { allow_private: true, timeout: Duration::from_secs(5), ..Settings::default() };
    let sample = samples::all().remove(0);
    let attempt = Attempt { key: "key".to_owned(), kind: sample.event.kind, now: Timestamp::now() };
    channel.send(&Http::new(&settings).unwrap(), part, &attempt).await
}

#[tokio::test]
async fn a_robot_in_signed_and_keyword_mode_takes_the_exact_bytes() {
    let sandbox = sandbox().await;
    let channel = robot(&sandbox, "secret = \"SEC-1\"\nkeyword = \"Harbour\"");
    let parts = parts(&channel);
    let answer = send(&channel, &parts[0]).await;
    assert_eq!(answer.outcome, Outcome::Delivered, "{}", answer.detail);
    let received = sandbox.messages();
    assert_eq!(received[0].body, parts[0].body);
    assert_eq!(received[0].key.as_deref(), Some(samples::DELIVERY.to_string().as_str()));
    assert!(!send(&channel, &parts[0]).await.detail.contains("SEC"));
    assert!(sandbox.messages()[1].repeat, "the second telling is known by its key");
}

#[tokio::test]
async fn a_wrong_setting_is_said_in_words_that_help() {
    let sandbox = sandbox().await;
    let unsigned = robot(&sandbox, "keyword = \"Harbour\"");
    let answer = send(&unsigned, &parts(&unsigned)[0]).await;
    assert_eq!(answer.outcome, Outcome::Misconfigured);
    assert!(answer.detail.contains("`secret`"), "{}", answer.detail);
}

#[tokio::test]
async fn what_went_wrong_on_the_way_is_judged() {
    let sandbox = sandbox().await;
    let channel = robot(&sandbox, "secret = \"SEC-1\"\nkeyword = \"Harbour\"");
    let part = &parts(&channel)[0];
    let cases = [
        (Fault::LostAnswer, Outcome::Unknown),
        (Fault::Garbage, Outcome::Retry { after: None }),
        (Fault::Status { status: 503, body: "down".to_owned() }, Outcome::Retry { after: None }),
        (Fault::Errcode { errcode: 430_101, errmsg: "unsafe link".to_owned() }, Outcome::ContentRefused),
    ];
    for (fault, expected) in cases {
        sandbox.order("bell", fault.clone(), Times::Next(1));
        assert_eq!(send(&channel, part).await.outcome, expected, "{fault:?}");
    }
}
