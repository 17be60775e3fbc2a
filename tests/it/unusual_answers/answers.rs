//! Answers over HTTP: compressed, in other encodings, and robots' answers that strict readers refuse.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use orderbell::channel::dingtalk::DingTalk;
use orderbell::channel::dingtalk::answers::judge;
use orderbell::channel::http::{MAX_ANSWER_BYTES, Response};
use orderbell::channel::webhook::WebhookChannel;
use orderbell::domain::retry::{Answer, Outcome};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::cases::cases;
use crate::support::in_time;
use crate::unusual_answers::{client, send};

/// A server that answers every request with these bytes and closes; its address.
async fn answering(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            // The reader may stop half-way.
            let _ = stream.write_all(&answer).await;
        }
    });
    address
}

fn http_answer(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("memory takes it")
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("memory takes it")
}

/// What a DingTalk robot's answer of these bytes comes to.
async fn robot(answer: Vec<u8>) -> Answer {
    let address = answering(answer).await;
    let robot: DingTalk =
        toml::from_str(&format!("webhook = \"http://{address}/robot/send?access_token=t\"")).expect("a robot");
    send(&robot, "{}").await
}

#[tokio::test]
async fn a_compressed_acceptance_is_one_whatever_the_header_says() {
    let yes = br#"{"errcode":0,"errmsg":"ok"}"#;
    let gz = "Content-Encoding: gzip\r\n";
    let answers = [
        ("gzip", http_answer(gz, &gzip(yes))),
        ("x-gzip", http_answer("Content-Encoding: X-GZIP\r\n", &gzip(yes))),
        ("gzip without a word about it", http_answer("", &gzip(yes))),
        ("gzip in gzip", http_answer("Content-Encoding: gzip, gzip\r\n", &gzip(&gzip(yes)))),
        ("deflate", http_answer("Content-Encoding: deflate\r\n", &zlib(yes))),
        ("plain, though it says gzip", http_answer(gz, yes)),
    ];
    for (name, answer) in answers {
        let answer = robot(answer).await;
        assert_eq!(answer.outcome, Outcome::Delivered, "{name}: {}", answer.detail);
    }
    let refused = robot(http_answer(gz, &gzip(br#"{"errcode":300005,"errmsg":"token is not exist"}"#))).await;
    assert_eq!(refused.outcome, Outcome::Misconfigured, "{}", refused.detail);
}

#[tokio::test]
async fn a_compressed_answer_that_cannot_be_read_is_unknown() {
    let whole = gzip(br#"{"errcode":0,"errmsg":"ok"}"#);
    let broken = [&whole[..12], b"!!!!!!!!!!!!"].concat();
    let headers = "Content-Encoding: gzip\r\n";
    let answers = [
        ("cut", http_answer(headers, &whole[..whole.len() / 2])),
        ("broken", http_answer(headers, &broken)),
        ("brotli", http_answer("Content-Encoding: br\r\n", b"\x1b\x09\x00\xf8\x8d\xa2\xa2\xa2\xa2\xa2\x90\x01")),
    ];
    for (name, answer) in answers {
        let answer = robot(answer).await;
        assert_eq!(answer.outcome, Outcome::Unknown, "{name}: {}", answer.detail);
    }
}

#[tokio::test]
async fn an_answer_that_grows_when_it_is_unpacked_is_read_up_to_the_cap() {
    let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
    let twice = gzip(&bomb);
    for (body, most) in [(bomb, 64 * 1024), (twice, 4096)] {
        assert!(body.len() < most * 2, "{}", body.len());
        let address = answering(http_answer("Content-Encoding: gzip\r\n", &body)).await;
        let response = in_time(client().post(&format!("http://{address}/"), &[], "{}")).await.expect("an answer");
        assert!(response.body.len() <= MAX_ANSWER_BYTES && response.truncated, "{}", response.body.len());
    }
}

#[tokio::test]
async fn what_a_receiver_says_in_another_encoding_is_shown_as_text() {
    let said = "\u{feff}用户不存在";
    let utf16: Vec<u8> = said.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let gbk = b"\xd3\xc3\xbb\xa7\xb2\xbb\xb4\xe6\xd4\xda".to_vec();
    for body in [gzip(said.as_bytes()), utf16, gbk, said.as_bytes().to_vec()] {
        let mut answer = http_answer("", &body);
        answer.splice(9..15, *b"422 No");
        let address = answering(answer).await;
        let text = format!("url = \"http://{address}/\"\nsigning = {{ scheme = \"none\" }}");
        let receiver: WebhookChannel = toml::from_str(&text).expect("a receiver");
        let answer = send(&receiver, "{}").await;
        assert_eq!((answer.outcome, answer.detail.as_str()), (Outcome::Rejected, "HTTP 422: “用户不存在”"));
    }
}

/// A member of an answer: its name, how its value is written, and the code that this is where it is one.
fn member() -> impl Strategy<Value = (&'static str, &'static str, Option<i64>)> {
    let code = prop_oneof![
        Just(("0", Some(0))),
        Just(("\"0\"", Some(0))),
        Just(("0.0", Some(0))),
        Just(("\" 0e3 \"", Some(0))),
        Just(("310000", Some(310_000))),
        Just(("\"3.1e5\"", Some(310_000))),
        Just(("null", None)),
        Just(("\"\"", None)),
        Just(("0.5", None)),
        Just(("[0]", None)),
        Just(("{\"errcode\":0}", None)),
    ];
    let other =
        prop_oneof![Just("\"ok\""), Just("NaN"), Just("\"\\ud83c\""), Just("{\"errcode\":1}"), Just("\"a\tb\"")];
    prop_oneof![
        3 => code.prop_map(|(written, code)| ("errcode", written, code)),
        2 => (prop_oneof![Just("errmsg"), Just("trace")], other).prop_map(|(name, written)| (name, written, None)),
    ]
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn acceptance_is_one_code_that_is_zero_and_whatever_is_doubtful_is_unknown(
        members in proptest::collection::vec(member(), 0..5),
        blanks in prop_oneof![Just(""), Just(" \t"), Just("\u{feff}"), Just("\r\n\u{a0}")],
    ) {
        let written: Vec<String> =
            members.iter().map(|(name, written, _)| format!("{blanks}\"{name}\"{blanks}:{written}")).collect();
        let body = format!("{blanks}{{{}{blanks}}}{blanks}", written.join(","));
        let response =
            Response { status: 200, retry_after: None, date: None, body: body.clone().into_bytes(), truncated: false };
        let codes: Vec<Option<i64>> =
            members.iter().filter(|(name, ..)| *name == "errcode").map(|(.., code)| *code).collect();
        let wanted = match codes.as_slice() {
            [Some(0), others @ ..] if others.iter().all(|code| *code == Some(0)) => Outcome::Delivered,
            [Some(_), others @ ..] if others.iter().all(|code| *code == Some(310_000)) && codes[0] == Some(310_000) => {
                Outcome::Misconfigured
            }
            _ => Outcome::Unknown,
        };
        prop_assert_eq!(judge(&response).answer.outcome, wanted, "{}", body);
    }
}
