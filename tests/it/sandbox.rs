//! What the sandbox's receivers check, and what they do on command, tried on real sockets.

mod robots;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use orderbell::domain::secret::Secret;
use orderbell::domain::sign;
use orderbell::sandbox::Sandbox;
use orderbell::sandbox::fault::{Fault, FaultRule, Times};
use orderbell::sandbox::inbox::{Counts, MockVerdict};
use orderbell::sandbox::rules::{Rules, WebhookRules};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SOON: Duration = Duration::from_secs(5);
const JSON: (&str, &str) = ("Content-Type", "application/json; charset=utf-8");

async fn start(rules: Rules) -> Sandbox {
    Sandbox::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), rules)
}

/// One request on a connection of its own; None when it was closed without an answer.
async fn ask(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut request = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // A cut may arrive as a reset; what counts is whether there was an answer.
    let _ = stream.read_to_string(&mut answer).await;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().unwrap(), body.to_owned()))
}

fn markdown(text: &str, key: &str) -> String {
    json!({ "msgtype": "markdown", "markdown": { "title": "A title", "text": text }, "msgUuid": key }).to_string()
}

/// Posts to a robot and gives back the code and the words.
async fn say(sandbox: &Sandbox, query: &str, body: &str) -> (i64, String) {
    let (status, answer) =
        ask(sandbox.address(), "POST", &format!("/robot/send?{query}"), &[JSON], body).await.expect("an answer");
    assert_eq!(status, 200);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    (answer["errcode"].as_i64().unwrap(), answer["errmsg"].as_str().unwrap().to_owned())
}

async fn code(sandbox: &Sandbox, query: &str, body: &str) -> i64 {
    say(sandbox, query, body).await.0
}

async fn post_hook(sandbox: &Sandbox, name: &str, headers: &[(&str, &str)], body: &str) -> u16 {
    ask(sandbox.address(), "POST", &format!("/webhook/{name}"), headers, body).await.expect("an answer").0
}

#[tokio::test]
async fn a_receiver_without_signatures_takes_anything_and_counts_repeats() {
    let sandbox = start(Rules::new()).await;
    let body = r#"{"title":"T","text":"words"}"#;
    assert_eq!(post_hook(&sandbox, "erp", &[("X-Orderbell-Delivery", "d1")], body).await, 200);
    assert_eq!(post_hook(&sandbox, "erp", &[("X-Orderbell-Delivery", "d1")], body).await, 200);
    assert_eq!(post_hook(&sandbox, "erp", &[("webhook-id", "d2")], body).await, 200);
    let (status, _) = ask(sandbox.address(), "GET", "/webhook/erp", &[], "").await.unwrap();
    assert_eq!(status, 405);
    let first = &sandbox.messages()[0];
    assert_eq!((first.title.as_deref(), first.text.as_deref()), (Some("T"), Some("words")));
    assert_eq!((first.key.as_deref(), first.header("x-orderbell-delivery")), (Some("d1"), Some("d1")));
    assert_eq!(sandbox.counts(), Counts { accepted: 2, repeats: 1, refused: 1, faults: 0 });
}

#[tokio::test]
async fn an_apsdai_receiver_checks_token_time_and_event() {
    let rules = Rules::new()
        .hook("signed", WebhookRules::Apsdai(Secret::new("key")))
        .hook("password", WebhookRules::ApsdaiPassword(Secret::new("word")));
    let sandbox = start(rules).await;
    let now = Timestamp::now().as_millisecond();
    let send = async |name: &str, token: &str, ms: i64, event: &str| {
        let ms = ms.to_string();
        let headers = [("X-Apsdai-Token", token), ("X-Apsdai-Timestamp", ms.as_str()), (event, "order_create_hook")];
        post_hook(&sandbox, name, &headers, "{}").await
    };
    const EVENT: &str = "X-Apsdai-Event";
    assert_eq!(send("signed", &sign::apsdai_token("key", now), now, EVENT).await, 200);
    assert_eq!(send("signed", &sign::apsdai_token("other", now), now, EVENT).await, 401);
    assert_eq!(send("signed", &sign::apsdai_token("key", now), now + 1, EVENT).await, 401);
    assert_eq!(send("signed", &sign::apsdai_token("key", now), now, "X-Other").await, 401);
    let old = now - 301_000;
    assert_eq!(send("signed", &sign::apsdai_token("key", old), old, EVENT).await, 401);
    assert_eq!(send("password", "word", now, EVENT).await, 200);
    assert_eq!(send("password", "wrong", now, EVENT).await, 401);
    assert_eq!(send("password", "word", old, EVENT).await, 401);
    assert_eq!(post_hook(&sandbox, "signed", &[], "{}").await, 401);
}

#[tokio::test]
async fn a_standard_webhooks_receiver_checks_signature_and_time() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let sandbox = start(Rules::new().hook("erp", WebhookRules::StandardWebhooks(Secret::new(secret)))).await;
    let now = Timestamp::now().as_second();
    let send = async |secret: &str, seconds: i64, signed: &str, sent: &str| {
        let signature =
            format!("v1,bm90aGluZw== {}", sign::standard_webhooks(secret, "id", seconds, signed.as_bytes()));
        let seconds = seconds.to_string();
        let headers = [("webhook-id", "id"), ("webhook-timestamp", &seconds), ("webhook-signature", &signature)];
        post_hook(&sandbox, "erp", &headers, sent).await
    };
    assert_eq!(send(secret, now, "{}", "{}").await, 200);
    assert_eq!(send(secret, now, "{}", "{ }").await, 401);
    assert_eq!(send("whsec_other", now, "{}", "{}").await, 401);
    assert_eq!(send(secret, now - 301, "{}", "{}").await, 401);
    assert_eq!(send(secret, now + 301, "{}", "{}").await, 401);
    assert!(sandbox.messages()[1].verdict == MockVerdict::Refused("webhook-signature does not match".to_owned()));
}

#[tokio::test]
async fn faults_strike_the_address_that_they_were_ordered_for() {
    let sandbox = start(Rules::new()).await;
    let send =
        async || ask(sandbox.address(), "POST", "/robot/send?access_token=a", &[JSON], &markdown("a", "k")).await;
    let fault = |fault| sandbox.order("a", fault, Times::Next(1));
    fault(Fault::Status { status: 502, body: "bad gateway".to_owned() });
    fault(Fault::Errcode { errcode: -1, errmsg: "system busy".to_owned() });
    fault(Fault::Redirect { location: "http://elsewhere.example/".to_owned() });
    fault(Fault::Garbage);
    fault(Fault::Cut);
    assert_eq!(send().await, Some((502, "bad gateway".to_owned())));
    assert_eq!(post_hook(&sandbox, "other", &[], "{}").await, 200);
    assert_eq!(send().await, Some((200, r#"{"errcode":-1,"errmsg":"system busy"}"#.to_owned())));
    assert_eq!(send().await.map(|(status, _)| status), Some(302));
    let (status, page) = send().await.unwrap();
    assert!(status == 200 && page.starts_with("<!DOCTYPE html>"), "{page}");
    assert_eq!(send().await, None);
    assert_eq!(sandbox.counts(), Counts { accepted: 1, faults: 5, ..Counts::default() });
    assert!(matches!(send().await, Some((200, ok)) if ok.contains(r#""errcode":0"#)));
    assert!(!sandbox.messages().last().unwrap().repeat, "what a fault met was not taken");
}

#[tokio::test]
async fn a_lost_answer_counts_its_message_and_the_retry_is_a_repeat() {
    let sandbox = start(Rules::new()).await;
    sandbox.order("erp", Fault::LostAnswer, Times::Next(1));
    let address = sandbox.address();
    assert_eq!(ask(address, "POST", "/webhook/erp", &[("webhook-id", "1")], "{}").await, None);
    assert_eq!(post_hook(&sandbox, "erp", &[("webhook-id", "1")], "{}").await, 200);
    assert_eq!(sandbox.counts(), Counts { accepted: 1, repeats: 1, ..Counts::default() });
}

#[tokio::test]
async fn a_delayed_answer_comes_late_while_the_message_is_there_at_once() {
    let sandbox = start(Rules::new()).await;
    sandbox.order("erp", Fault::Delay { delay_ms: 100 }, Times::Always);
    let mut collector = sandbox.collector();
    let begun = Instant::now();
    let slow = post_hook(&sandbox, "erp", &[], "{}");
    let came = async {
        collector.wait_for(1, SOON).await.unwrap();
        begun.elapsed()
    };
    let (status, came) = tokio::join!(slow, came);
    assert_eq!(status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(100) && came < begun.elapsed());
    sandbox.clear_faults("erp");
    let begun = Instant::now();
    post_hook(&sandbox, "erp", &[], "{}").await;
    assert!(begun.elapsed() < Duration::from_millis(100));
}

/// The bytes that come back for one request, which may break off.
async fn raw(address: SocketAddr, name: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("POST /webhook/{name} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 2\r\n\r\n{{}}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn something_befalls_the_answer_of_a_fault_or_that_to_a_message_that_was_taken() {
    let sandbox = start(Rules::new()).await;
    let busy = || Some(Box::new(Fault::Status { status: 503, body: "system busy".to_owned() }));
    let mishap = |mishap, answer| sandbox.order("erp", Fault::Rule { rule: mishap, answer }, Times::Next(1));
    mishap(FaultRule::Half, busy());
    mishap(FaultRule::Half, None);
    mishap(FaultRule::Lost, busy());
    mishap(FaultRule::Lost, None);
    mishap(FaultRule::Late { delay_ms: 100 }, busy());
    sandbox.order("erp", Fault::CutRequest, Times::Next(1));
    let half = raw(sandbox.address(), "erp").await;
    assert!(half.starts_with("HTTP/1.1 503 ") && half.contains("content-length: 11\r\n"), "{half}");
    assert!(half.ends_with("\r\n\r\nsyste"), "{half}");
    let half = raw(sandbox.address(), "erp").await;
    assert!(half.starts_with("HTTP/1.1 200 ") && half.ends_with("\r\n\r\n{\"ok\""), "{half}");
    for _ in 0..2 {
        assert_eq!(raw(sandbox.address(), "erp").await, "");
    }
    let begun = Instant::now();
    assert_eq!(post_hook(&sandbox, "erp", &[], "{}").await, 503);
    assert!(begun.elapsed() >= Duration::from_millis(100));
    assert_eq!(raw(sandbox.address(), "erp").await, "");
    let decisions: Vec<_> = sandbox.messages().into_iter().map(|one| one.verdict).collect();
    let struck = |name: &str| MockVerdict::Fault(name.to_owned());
    let (busy, taken) = (struck("status 503"), MockVerdict::Accepted);
    assert_eq!(decisions, [busy.clone(), taken.clone(), busy.clone(), taken, busy, struck("cut request")]);
}

#[tokio::test]
async fn the_clock_of_the_receivers_can_be_moved_with_that_of_a_test() {
    let sandbox = start(Rules::new().hook("erp", WebhookRules::ApsdaiPassword(Secret::new("hush")))).await;
    let later = Timestamp::now() + SignedDuration::from_hours(7);
    let stamp = later.as_millisecond().to_string();
    let headers = [("X-Apsdai-Event", "e"), ("X-Apsdai-Token", "hush"), ("X-Apsdai-Timestamp", stamp.as_str())];
    assert_eq!(post_hook(&sandbox, "erp", &headers, "{}").await, 401);
    sandbox.set_clock_ahead(SignedDuration::from_hours(7));
    assert_eq!(post_hook(&sandbox, "erp", &headers, "{}").await, 200);
}

#[tokio::test]
async fn the_same_receivers_can_be_behind_several_doors() {
    let sandbox = start(Rules::new()).await;
    let door = sandbox.serve_also(TcpListener::bind("127.0.0.1:0").await.unwrap());
    assert_ne!(door, sandbox.address());
    assert_eq!(ask(door, "POST", "/webhook/erp", &[("webhook-id", "1")], "{}").await.unwrap().0, 200);
    assert_eq!(post_hook(&sandbox, "erp", &[("webhook-id", "1")], "{}").await, 200);
    assert_eq!(sandbox.counts(), Counts { accepted: 1, repeats: 1, ..Counts::default() });
    tokio::time::timeout(SOON, sandbox.stop()).await.unwrap();
    assert!(TcpStream::connect(door).await.is_err());
}

#[tokio::test]
async fn a_collector_waits_for_messages_and_notices_a_surplus() {
    let sandbox = start(Rules::new()).await;
    let mut arrivals = sandbox.subscribe();
    let mut collector = sandbox.collector();
    for key in ["1", "1", "2", "3"] {
        post_hook(&sandbox, "erp", &[("webhook-id", key)], "{}").await;
    }
    let keys: Vec<_> =
        collector.wait_for(2, SOON).await.unwrap().into_iter().map(|message| message.key.unwrap()).collect();
    assert_eq!(keys, ["1", "2"]);
    let surplus = collector.nothing_more(SOON).await.unwrap_err();
    assert_eq!(surplus.0.key.as_deref(), Some("3"));
    collector.nothing_more(Duration::from_millis(30)).await.unwrap();
    let missing = collector.wait_for(1, Duration::from_millis(30)).await.unwrap_err();
    assert_eq!((missing.wanted, missing.came.len()), (1, 0));
    assert_eq!(arrivals.recv().await.unwrap().key.as_deref(), Some("1"));
    sandbox.clear();
    assert!(sandbox.messages().is_empty());
    post_hook(&sandbox, "erp", &[("webhook-id", "4")], "{}").await;
    assert_eq!(collector.wait_for(1, SOON).await.unwrap()[0].key.as_deref(), Some("4"));
}

#[tokio::test]
async fn a_person_can_order_faults_and_read_what_came() {
    let sandbox = start(Rules::new()).await;
    let address = sandbox.address();
    let (status, help) = ask(address, "GET", "/", &[], "").await.unwrap();
    assert!(status == 200 && help.contains("/control/fault/"), "{help}");
    let order = async |body: &str| ask(address, "POST", "/control/fault/erp", &[], body).await.unwrap().0;
    assert_eq!(order(r#"{"fault":"status","status":503,"times":1}"#).await, 200);
    assert_eq!(order(r#"{"fault":"cut"}"#).await, 200);
    assert_eq!(order(r#"{"fault":"earthquake"}"#).await, 400);
    assert_eq!(post_hook(&sandbox, "erp", &[], "{}").await, 503);
    for _ in 0..2 {
        assert_eq!(ask(address, "POST", "/webhook/erp", &[], "{}").await, None);
    }
    assert_eq!(ask(address, "DELETE", "/control/fault/erp", &[], "").await.unwrap().0, 200);
    assert_eq!(post_hook(&sandbox, "erp", &[("webhook-id", "1")], r#"{"title":"T"}"#).await, 200);
    let (_, listed) = ask(address, "GET", "/control/messages", &[], "").await.unwrap();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 4);
    assert_eq!(listed[0]["verdict"], json!({ "fault": "status 503" }));
    assert_eq!(listed[3]["address"], json!({ "kind": "webhook", "name": "erp" }));
    assert_eq!(
        (&listed[3]["title"], &listed[3]["key"], &listed[3]["verdict"]),
        (&json!("T"), &json!("1"), &json!("accepted"))
    );
    let (_, counts) = ask(address, "GET", "/control/counts", &[], "").await.unwrap();
    let counts: Value = serde_json::from_str(&counts).unwrap();
    assert_eq!(counts, json!({ "accepted": 1, "repeats": 0, "refused": 0, "faults": 3 }));
    assert_eq!(ask(address, "DELETE", "/control/messages", &[], "").await.unwrap().0, 200);
    assert_eq!(ask(address, "GET", "/control/messages", &[], "").await.unwrap().1, "[]");
    assert_eq!(ask(address, "GET", "/elsewhere", &[], "").await.unwrap().0, 404);
}

#[tokio::test]
async fn a_stopped_sandbox_is_gone_with_its_connections() {
    let sandbox = start(Rules::new()).await;
    let address = sandbox.address();
    let mut idle = TcpStream::connect(address).await.unwrap();
    tokio::time::timeout(SOON, sandbox.stop()).await.unwrap();
    assert!(!matches!(idle.read(&mut [0]).await, Ok(1..)));
    assert!(TcpStream::connect(address).await.is_err());

    let dropped = start(Rules::new()).await;
    let mut idle = TcpStream::connect(dropped.address()).await.unwrap();
    post_hook(&dropped, "erp", &[], "{}").await;
    drop(dropped);
    assert!(!matches!(tokio::time::timeout(SOON, idle.read(&mut [0])).await.unwrap(), Ok(1..)));
}
