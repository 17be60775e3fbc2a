//! What comes in: each request gets its answer, whatever it holds, and what is acknowledged is kept and sent.

use orderbell::sandbox::rules::Rules;
use pulldown_cmark::{Event as Markdown, Options, Parser, Tag};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::keeta::{Envelope, RECEIVED};
use crate::support::log::log;
use crate::support::{A_WHILE, Daemon, Scene, begin, get, keeta, kept, of, request};

const NOTE: &str = "**bold** [win](http://evil.example) ![p](https://evil.example/p.png)\n# two\n<b>x</b> <@all> @所有人 {{ 7*7 }} {% include \"x\" %}";

fn deep(open: &str, close: &str) -> String {
    format!("{}1{}", open.repeat(10_000), close.repeat(10_000))
}

async fn lives(daemon: &Daemon, after: &str) {
    let answer = daemon.post(b"{}").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, RECEIVED), "the heartbeat after: {after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_request_gets_its_answer_and_the_daemon_lives_on() {
    let scene = Scene::new(Rules::new()).await;
    let routes =
        "[[route]]\nevents = [\"order.*\", \"unrecognised\"]\nto = [\"kitchen\"]\n[operator]\nto = [\"owner\"]\n";
    let daemon = scene.start(&format!("{}{}{routes}", scene.robot("kitchen", ""), scene.robot("owner", ""))).await;
    let now = scene.hands.now();
    let hour = jiff::SignedDuration::from_hours(1);
    let letter = Envelope::new(1002, "m-1", &json!({ "orderViewId": 1 }).to_string(), now);
    let digits = "9".repeat(400);

    // Half a request that never ends keeps nobody else waiting.
    let mut half = begin(daemon.address, "POST", "/hooks/keeta", 1000).await;
    half.write_all(b"{\"eventId\":10").await.expect("the beginning is taken");

    let refused: Vec<(&str, Vec<u8>)> = vec![
        ("a wrong signature", letter.body_signed(&"0".repeat(64))),
        ("a right signature over another message", {
            letter.clone().with("message", "\"{}\"").body_signed(&letter.signature())
        }),
        ("no signature", letter.body_signed("")),
        ("an old time", Envelope::new(1002, "m-2", "{}", now - 25 * hour).body()),
        ("a time to come", Envelope::new(1002, "m-3", "{}", now + 25 * hour).body()),
        ("another application", letter.clone().with("appId", "1").body()),
        ("a missing member", letter.clone().without("shopId").body()),
        (
            "a message that is no JSON, signed wrongly",
            letter.clone().with("message", "\"hello\"").body_signed(&letter.signature()),
        ),
        ("an empty id", letter.clone().with("messageId", "\"\"").body()),
        ("an id with a line break", letter.clone().with("messageId", "\"a\\r\\nb\"").body()),
        ("an event id of 400 digits", letter.clone().with("eventId", digits.as_str()).body()),
        ("a time of 400 digits", letter.clone().with("timestamp", digits.as_str()).body()),
        ("an application of 400 digits", letter.clone().with("appId", digits.as_str()).body()),
        ("no JSON", b"hello".to_vec()),
        ("a list", b"[1]".to_vec()),
        ("half a body", letter.body()[..100].to_vec()),
        ("invalid UTF-8", b"{\"eventId\":\"\xff\xfe\"}".to_vec()),
        ("lists 10 000 deep", deep("[", "]").into_bytes()),
        ("objects 10 000 deep", deep("{\"a\":", "}").into_bytes()),
        ("a member 10 000 deep, signed wrongly", format!("{{\"message\":{}}}", deep("[", "]")).into_bytes()),
        ("U+0000 alone", b"\0".to_vec()),
    ];
    for (what, body) in &refused {
        let answer = daemon.post(body).await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        assert_ne!(answer.code(), 0, "{what}");
        lives(&daemon, what).await;
    }

    let unknown = daemon.post_to("nobody", &letter.body()).await;
    assert_eq!(unknown.status, 404);
    assert_ne!(unknown.code(), 0);
    for (method, path) in [("POST", "/hooks/%ff"), ("GET", "/"), ("PUT", "/hooks/nobody"), ("GET", "/hooks")] {
        let answer = request(daemon.address, method, path, b"").await;
        assert_eq!(answer.status, 404, "{method} {path}: {answer:?}");
        assert_ne!(answer.code(), 0, "{method} {path}");
    }
    let large = daemon.post(&vec![b' '; 2 * 1024 * 1024]).await;
    assert_eq!(large.status, 413, "{large:?}");
    assert_ne!(large.code(), 0);
    for method in ["PUT", "DELETE", "PATCH", "GET"] {
        let answer = request(daemon.address, method, "/hooks/keeta", &letter.body()).await;
        assert_eq!(answer.status, 405, "{method}: {answer:?}");
        assert!(answer.head.to_lowercase().contains("\r\nallow: post"), "{}", answer.head);
        assert_ne!(answer.code(), 0, "{method}");
    }
    lives(&daemon, "all that").await;
    assert_eq!(of(&daemon.deliveries().await, "kitchen").len(), 0, "what was refused is sent to nobody");
    let counted = |sql: &str| daemon.connection().query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a count");
    assert_eq!(counted("SELECT count(*) FROM events WHERE source = 'keeta'"), 0, "nor kept");

    // All wrong signatures together make one notice, and so do the two wrong times, and the other application.
    let notices = scene.until_received("owner", 3).await;
    let about = |words: &str| {
        notices.iter().filter(|notice| notice.text.as_deref().is_some_and(|text| text.contains(words))).count()
    };
    assert_eq!((about("Webhooks are refused"), about("Webhooks with a wrong time")), (1, 1), "{notices:?}");
    assert_eq!(about("Webhooks of another application"), 1, "{notices:?}");
    scene.nothing_more(A_WHILE).await;
    assert_eq!(scene.received("owner").len(), 3);

    // What did not even reach a source can be found.
    let log = log();
    for (status, path) in [(404, "/hooks/nobody"), (413, "/hooks/keeta"), (405, "/hooks/keeta")] {
        let line =
            |line: &&str| line.contains(&format!("status={status}")) && line.contains(&format!("path=\"{path}\""));
        assert!(log.lines().any(|one| line(&one)), "{status} {path}");
    }
    drop(half);
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_content_is_acknowledged_and_reaches_people_as_nothing_but_text() {
    let scene = Scene::new(Rules::new()).await;
    let routes = "[[route]]\nevents = [\"order.*\"]\nto = [\"kitchen\", \"erp\"]\n";
    let daemon = scene.start(&format!("{}{}{routes}", scene.robot("kitchen", ""), scene.hook("erp", ""))).await;
    let mut message = keeta::order(11);
    message["orderInfo"]["products"][0]["remark"] = json!(NOTE);
    message["orderInfo"]["products"][0]["name"] =
        json!("name\r\nFrom: x\u{202e}bidi\u{2066} \u{200b}zero\u{feff} nul\u{0} end");
    daemon.acknowledged(&Envelope::new(1001, "odd", &message.to_string(), scene.hands.now()).body()).await;
    daemon.until_done().await;

    let taken = scene.until_received("kitchen", 1).await;
    let body: Value = serde_json::from_str(&taken[0].body).expect("JSON");
    assert_eq!(body.get("at"), None, "nobody is called");
    let text = taken[0].text.as_deref().expect("a text");
    let (mut shown, mut headings) = (String::new(), 0);
    for part in Parser::new_ext(text, Options::all()) {
        match part {
            Markdown::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::HtmlBlock | Tag::CodeBlock(_)) => {
                panic!("{part:?} in {text}")
            }
            Markdown::Html(_) | Markdown::InlineHtml(_) | Markdown::Code(_) => panic!("{part:?} in {text}"),
            Markdown::Start(Tag::Heading { .. }) => headings += 1,
            Markdown::Text(words) => shown.push_str(&words),
            _ => {}
        }
    }
    assert_eq!(headings, 2, "the template's own, title and time: {text}");
    for kept in ["**bold**", "[win](", "# two", "<b>x</b>", "<@all>", "@所有人", "{{ 7*7 }}", "{% include"] {
        assert!(shown.contains(kept), "{kept} is missing in {shown}");
    }
    assert!(shown.contains("name From: xbidi zero nul end"), "{shown}");
    for gone in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\0', '\r'] {
        assert!(!text.contains(gone) && !shown.contains(gone), "{gone:?}");
    }
    let json: Value = serde_json::from_str(&scene.until_received("erp", 1).await[0].body).expect("JSON");
    assert_eq!(json["order"]["lines"][0]["name"], "name From: xbidi zero nul end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_believed_and_cannot_be_read_is_acknowledged_and_kept_whole() {
    let scene = Scene::new(Rules::new()).await;
    let routes = "[[route]]\nevents = [\"unrecognised\"]\nto = [\"erp\"]\n";
    let daemon = scene.start(&format!("{}{routes}", scene.hook("erp", ""))).await;
    let now = scene.hands.now();
    let digits = "9".repeat(400);
    let odd = [
        (1999, json!({ "shopId": 1, "what": "is this \u{1f35c}" }).to_string()),
        (1999, "{ \"odd\" : [1.0e+400,\t-0, \"\\u0000\"] }".to_owned()),
        (1002, json!({ "orderViewId": "" }).to_string()),
        (1003, "[1]".to_owned()),
        (1001, deep("{\"orderInfo\":", "}")),
        (1006, format!("{{\"orderViewId\":{digits},\"logisticsStatus\":{digits}}}")),
        (424_242, String::new()),
    ];
    for (index, (event_id, message)) in odd.iter().enumerate() {
        let body = Envelope::new(*event_id, &format!("odd-{index}"), message, now).body();
        daemon.acknowledged(&body).await;
        let (connection, newest) =
            (daemon.connection(), "FROM events WHERE source = 'keeta' ORDER BY seq DESC LIMIT 1");
        let kind: String =
            connection.query_row(&format!("SELECT kind {newest}"), [], |row| row.get(0)).expect("an event");
        let kept = kept::bodies(&connection, &format!("SELECT packed {newest}"), []).pop().expect("an event");
        assert_eq!(kind, "unrecognised", "{message:.80}");
        assert!(kept == body, "{} became {}", String::from_utf8_lossy(&body), String::from_utf8_lossy(&kept));
        lives(&daemon, message).await;
    }
    daemon.until_done().await;
    for received in scene.until_received("erp", odd.len()).await {
        assert!(!received.body.contains("what") && !received.body.contains("\u{1f35c}"), "never shown whole");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_with_a_slash_at_its_end_is_the_same_source() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = scene.start("").await;
    let letter = Envelope::new(1002, "slash", &json!({ "orderViewId": 1 }).to_string(), scene.hands.now());
    let slashed = letter.body_for(&format!("{}/", letter.address()));
    for path in ["/hooks/keeta", "/hooks/keeta/"] {
        for body in [letter.body(), slashed.clone()] {
            let answer = request(daemon.address, "POST", path, &body).await;
            assert_eq!((answer.status, answer.body.as_str()), (200, RECEIVED), "{path}");
        }
    }
    // Beside it stands a notice that no route matches it, as soon as the watch has looked.
    let kinds = "SELECT group_concat(kind) FROM events WHERE kind <> 'operator.notice'";
    assert_eq!(
        daemon.connection().query_row(kinds, [], |row| row.get::<_, String>(0)),
        Ok("order.accepted".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authorisation_code_comes_by_get_or_post_and_is_one_event() {
    let scene = Scene::new(Rules::new()).await;
    let routes = "[[route]]\nevents = [\"app.*\"]\nto = [\"owner\"]\n";
    let daemon = scene.start(&format!("{}{routes}", scene.robot("owner", ""))).await;
    let letter = Envelope::authorisation("a-code", scene.hands.now());
    let answer = get(daemon.address, &format!("/hooks/keeta?{}", letter.query())).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, RECEIVED));
    daemon.acknowledged(&letter.body()).await;
    let rows = daemon.until_done().await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    let forged = get(daemon.address, &format!("/hooks/keeta?{}", letter.query().replace("a-code", "b-code"))).await;
    assert_eq!(forged.status, 401);
    assert_ne!(forged.code(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observing_source_records_what_is_not_proven_and_notifies_nobody() {
    let scene = Scene::new(Rules::new()).await;
    let watch = keeta::source("watch", "verify = \"observe\"");
    let routes = "[[route]]\nevents = [\"order.*\"]\nto = [\"erp\"]\n";
    let daemon = scene.start(&format!("{watch}{}{routes}", scene.hook("erp", ""))).await;
    let mut letter = Envelope::new(1001, "o-1", &keeta::order(21).to_string(), scene.hands.now());
    let forged = letter.body_signed(&"0".repeat(64));
    let answer = daemon.post_to("watch", &forged).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, RECEIVED));
    assert_eq!(daemon.post(&forged).await.status, 401, "the source that enforces refuses the same");
    let (connection, all) = (daemon.connection(), "SELECT packed FROM events ORDER BY seq LIMIT 1");
    assert_eq!(kept::json(&connection, all, [])[0]["proof"], "unproven");
    assert_eq!(kept::bodies(&connection, all, []), [forged]);
    assert!(daemon.deliveries().await.is_empty());

    // The disk is not everybody's: beyond some megabytes in an hour they are refused.
    let padded = letter.clone().with("padding", json!("x".repeat(900_000)).to_string()).body_signed(&"0".repeat(64));
    let mut kept = 0;
    while daemon.post_to("watch", &padded).await.status == 200 {
        kept += 1;
        assert!(kept < 20, "they are kept without an end");
    }
    assert!(kept > 10, "{kept}");
    scene.hands.forward(jiff::SignedDuration::from_hours(1));
    assert_eq!(daemon.post_to("watch", &padded).await.status, 200, "another hour");

    // The genuine one that follows is no repeat of it.
    letter.source = "watch";
    assert_eq!(daemon.post_to("watch", &letter.body()).await.status, 200);
    daemon.until_done().await;
    assert_eq!(scene.until_received("erp", 1).await.len(), 1);
}
