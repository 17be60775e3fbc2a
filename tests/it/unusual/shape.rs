//! A genuine webhook in another shape than documented: a BOM before it, compressed, or with a message that is only nearly JSON.

use std::io::Write;
use std::net::SocketAddr;

use flate2::Compression;
use flate2::write::GzEncoder;
use orderbell::domain::event::{DedupeKey, Kind, SignatureCheck};
use orderbell::domain::payload::{Data, Payload};
use orderbell::platform::{Incoming, Refusal};
use orderbell::sandbox::rules::Rules;
use orderbell::store::history::found::{HistoryAnswer, Question};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::keeta::{Envelope, RECEIVED, placed};
use crate::support::payload::payload;
use crate::support::stores;
use crate::support::{Answer, Daemon, Scene, in_time, read};
use crate::unusual::keeta::{body, envelope, parsed, receive, signature, signed, webhook};
use crate::unusual::licences;

const MARK: &[u8] = b"\xef\xbb\xbf";

#[test]
fn a_mark_before_the_body_is_skipped() {
    let genuine = [MARK, &signed(&envelope(1002, r#"{"orderViewId":7}"#))].concat();
    assert_eq!(webhook(receive(&genuine)).kind, Kind::OrderAccepted);
    for packet in ["", "{}", " null "] {
        assert!(matches!(receive(&[MARK, packet.as_bytes()].concat()), Ok(Incoming::Heartbeat)), "{packet}");
    }
    let order = licences::parsed("order_pay_hook", "\u{feff}{\"order_no\":\"A1\"}").order.unwrap();
    assert_eq!(order.number, "A1");
    assert_eq!(parsed(1002, "\u{feff}{\"orderViewId\":7}").order.unwrap().number, "7", "nor before the message");
}

fn reason_of(data: &Data) -> Option<&str> {
    match &data.payload {
        Payload::Progress(progress) => progress.reason.as_deref(),
        _ => None,
    }
}

#[test]
fn a_message_that_is_only_nearly_json_is_read_under_a_right_signature() {
    for (message, reason, unread) in [
        ("{\"orderViewId\":7,\"cancelReason\":\"no\nnuts\"}", Some("no nuts"), vec![]),
        ("{\"orderViewId\":7,\"cancelReason\":\"no\tnuts\u{1}\"}", Some("no nuts"), vec![]),
        ("{\"orderViewId\":7,\"cancelReason\":\"no nuts\",}", Some("no nuts"), vec![]),
        ("{\"orderViewId\":7,\"cancelReason\":\"no nuts\",\"x\":[1,],}", Some("no nuts"), vec![]),
        ("{\"orderViewId\":7,\"cancelReason\":NaN,\"opType\":-Infinity}", None, vec!["/reason", "/by"]),
    ] {
        let members = envelope(1004, message);
        let cancelled = webhook(receive(&signed(&members)));
        let order = cancelled.order.unwrap();
        assert_eq!((cancelled.kind, order.number.as_str()), (Kind::OrderCancelled, "7"), "{message}");
        assert_eq!(
            (reason_of(&cancelled.data), order.unreadable),
            (reason, unread.iter().map(|at| (*at).to_owned()).collect())
        );
        let key = DedupeKey::Once(format!("sig:{}", signature(&members)));
        assert!(cancelled.dedupe_keys.contains(&key), "{message}");
        let SignatureCheck::Valid(proof) = cancelled.signature else { panic!("it is proved") };
        assert!(proof.contains("not strictly JSON"), "{proof}");
        assert_eq!(receive(&body(&members, &"0".repeat(64))).err(), Some(Refusal::Signature), "{message}");
    }
}

#[test]
fn an_order_with_an_amount_that_is_no_number_is_shown_with_it_unknown() {
    let message = r#"{"baseOrder":{"orderViewId":7},"feeDtl":{"customerFee":{"payTotal":NaN}},"products":[{"name":"Pie","count":NaN,"price":500,}]}"#;
    let order = parsed(1001, message).order.unwrap();
    assert_eq!((order.total, order.lines[0].quantity), (None, None));
    assert_eq!(order.unreadable, ["/lines/0/quantity", "/total"]);
}

#[test]
fn a_message_that_cannot_be_read_at_all_is_an_unrecognised_event_that_names_its_event_id() {
    for message in ["hello", "{\"orderViewId\":7", "{orderViewId:7}", "{'a':1}", "{\"a\":1}}", "{} {}", "NaN", "[1,]"] {
        let members = envelope(1001, message);
        let kept = webhook(receive(&signed(&members)));
        let unrecognised = payload!(kept, Unrecognised);
        assert_eq!(
            (kept.kind, unrecognised.event.as_deref(), unrecognised.malformed),
            (Kind::Unrecognised, Some("1001"), true),
            "{message}"
        );
        assert!(kept.dedupe_keys.contains(&DedupeKey::Once(format!("sig:{}", signature(&members)))));
        assert_eq!(receive(&body(&members, &"0".repeat(64))).err(), Some(Refusal::Signature), "{message}");
    }
    assert!(!payload!(parsed(4711, "{}"), Unrecognised).malformed, "an event that nobody knows is not damaged");
    // What is stored of it is masked where it can be read.
    let kept = parsed(1001, "{\"accessToken\":\"t0p\",\"a\":\"b\nc\"}").body;
    assert!(!String::from_utf8_lossy(&kept).contains("t0p"));
}

#[test]
fn a_licence_order_is_read_leniently_too_and_masked() {
    let order = licences::parsed("order_pay_hook", "{\"order_no\":\"A1\",\"amount\":NaN,\"license_key\":\"K\n1\",}");
    assert!(!String::from_utf8_lossy(&order.body).contains('K'), "{:?}", order.body);
    let order = order.order.unwrap();
    assert_eq!((order.number.as_str(), order.total, order.unreadable), ("A1", None, vec!["/total".to_owned()]));
    let details = licences::parsed("order_pay_hook", "hello").data.details;
    assert_eq!(details, Some(orderbell::domain::data::Details::Unreadable));
}

#[test]
fn the_envelope_itself_is_read_strictly() {
    let genuine = String::from_utf8(signed(&envelope(1002, r#"{"orderViewId":7}"#))).unwrap();
    for odd in [
        genuine.replace("\"}", "\",}"),
        genuine.replace("\"shopId\":466663", "\"shopId\":466663,\"shopId\":466663"),
        genuine.replace("1930106161957212198", "1930106161957212198\\ud83c"),
        format!("{genuine}{{}}"),
    ] {
        assert_ne!(odd, genuine);
        assert!(matches!(receive(odd.as_bytes()).err(), Some(Refusal::Shape(_))), "{odd}");
    }
}

fn packed(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

async fn send(address: SocketAddr, header: &str, body: &[u8]) -> Answer {
    let mut stream = in_time(TcpStream::connect(address)).await.unwrap();
    let length = body.len();
    let head = format!(
        "POST /hooks/keeta HTTP/1.1\r\nHost: bell\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n{header}\r\n\r\n"
    );
    in_time(stream.write_all(head.as_bytes())).await.unwrap();
    // It may be answered before it has come whole.
    let _ = in_time(stream.write_all(body)).await;
    read(&mut stream).await
}

const ROUTES: &str =
    "[[route]]\nevents = [\"order.*\", \"unrecognised\"]\nto = [\"kitchen\"]\n[operator]\nto = [\"owner\"]\n";

async fn start(scene: &Scene) -> Daemon {
    scene.start(&format!("{}{}{ROUTES}", scene.robot("kitchen", ""), scene.robot("owner", ""))).await
}

/// Why webhooks were refused, the newest first, once there are so many.
async fn until_refused(scene: &Scene, count: usize) -> Vec<String> {
    let looking = async {
        loop {
            let sources = vec!["keeta".to_owned()];
            let question = Question { asked: "keeta".to_owned(), sources, around: None, limit: 20 };
            match stores::open_beside(&scene.store()).unwrap().history(question).await.unwrap().found {
                HistoryAnswer::Source(history) if history.refused.len() >= count => {
                    return history.refused.into_iter().map(|refused| refused.reason).collect();
                }
                _ => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    };
    in_time(looking).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_webhook_is_unpacked_within_the_limit_for_bodies() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = start(&scene).await;
    let now = scene.hands.now();
    for (index, header) in
        ["Content-Encoding: gzip", "content-encoding: GZip", "Content-Encoding: x-gzip"].iter().enumerate()
    {
        let answer = send(daemon.address, header, &packed(&placed(20 + index as u64, now))).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, RECEIVED), "{header}");
    }
    // A proxy undid it and left the header; or there is nothing in it.
    assert_eq!(send(daemon.address, "Content-Encoding: gzip", &placed(30, now)).await.status, 200);
    assert_eq!(send(daemon.address, "Content-Encoding: gzip", b"").await.body, RECEIVED);
    assert_eq!(send(daemon.address, "Content-Encoding: identity", &placed(31, now)).await.status, 200);
    let two = [packed(MARK), packed(&placed(32, now))].concat();
    assert_eq!(send(daemon.address, "Content-Encoding: gzip", &two).await.status, 200, "in two pieces, with a mark");
    assert_eq!(scene.until_received("kitchen", 6).await.len(), 6);

    // What is larger when it is unpacked is not held; what just fits is.
    let large = Envelope::new(1001, "m-large", &format!("{{\"a\":\"{}\"}}", "x".repeat(900_000)), now).body();
    assert_eq!(send(daemon.address, "Content-Encoding: gzip", &packed(&large)).await.status, 200);
    for bytes in [1024 * 1024 + 1, 64 * 1024 * 1024] {
        let bomb = packed(&vec![b' '; bytes]);
        assert_eq!(send(daemon.address, "Content-Encoding: gzip", &bomb).await.status, 413, "{bytes}");
    }
    let reasons = until_refused(&scene, 2).await;
    assert!(reasons.iter().all(|reason| reason == "its body is larger than 1048576 bytes"), "{reasons:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compression_that_is_not_undone_is_refused_and_named() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = start(&scene).await;
    let genuine = placed(40, scene.hands.now());
    let broken = &packed(&genuine)[..100];
    // What only a header says, and is not so, keeps no order out; and gzip is undone although no header says it.
    for (number, header) in (41..).zip(["br", "utf-8", "deflate", "aws-chunked"]) {
        let plain = placed(number, scene.hands.now());
        assert_eq!(send(daemon.address, &format!("Content-Encoding: {header}"), &plain).await.status, 200, "{header}");
    }
    assert_eq!(send(daemon.address, "X-A: b", &packed(&placed(45, scene.hands.now()))).await.status, 200);
    for (header, body) in [
        ("Content-Encoding: br", &b"\x1b\x0f\x00\xf8\x25"[..]),
        ("X-A: b", &b"\xff\xfe{\x00}\x00"[..]),
        ("Content-Encoding: gzip", broken),
    ] {
        let answer = send(daemon.address, header, body).await;
        assert_eq!(answer.status, 401, "{header}");
        assert_ne!(answer.code(), 0);
    }
    assert_eq!(send(daemon.address, "X-A: b", b"a=1&b=2").await.status, 401);
    let mut reasons = until_refused(&scene, 4).await;
    reasons.sort();
    let looks = "application/json, begins like";
    let [wide, br, gzip, form] = reasons.as_slice() else { panic!("{reasons:?}") };
    assert_eq!(*wide, format!("its body is encoded as UTF-16, which could not be undone ({looks} UTF-16)"));
    assert!(br.starts_with("its body is encoded as br, which could not be undone (application/json, "), "{br}");
    assert_eq!(*gzip, format!("its body is encoded as gzip, which could not be undone ({looks} gzip)"));
    assert!(form.ends_with(&format!("({looks} a form)")), "{form}");
    let notice = scene.until_received("owner", 1).await;
    assert!(notice[0].text.as_deref().is_some_and(|text| text.contains("Webhooks come compressed")), "{notice:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_message_is_acknowledged_and_the_operator_is_notified_at_once() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = start(&scene).await;
    let damaged = Envelope::new(1001, "m-1", "{\"orderInfo\":{\"baseOr", scene.hands.now()).body();
    for _ in 0..2 {
        let answer = daemon.post(&damaged).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, RECEIVED));
    }
    let parsed = scene.until_received("kitchen", 1).await;
    let text = parsed[0].text.as_deref().unwrap();
    assert!(text.contains("1001") && text.contains("damaged"), "{text}");
    let notices = scene.until_received("owner", 1).await;
    let text = notices[0].text.as_deref().unwrap();
    assert!(text.contains("A webhook came damaged") && text.contains("event 1001"), "{text}");
    let events = "SELECT count(*) FROM events WHERE source = 'keeta'";
    assert_eq!(daemon.connection().query_row(events, [], |row| row.get::<_, i64>(0)).unwrap(), 1, "once");
}
