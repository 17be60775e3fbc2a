//! Answers that are too large, too slow, cut or of another sort, over real sockets: what becomes of the message in each kind
//! of channel, that the timeout is kept, and that no more is read than is needed.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use orderbell::channel::dingtalk::DingTalk;
use orderbell::channel::http::{Http, Settings};
use orderbell::channel::webhook::WebhookChannel;
use orderbell::channel::wecom::WeCom;
use orderbell::channel::{Attempt, Channel};
use orderbell::domain::event::Kind;
use orderbell::domain::message::{Part, PartForm};
use orderbell::domain::retry::{Answer, Outcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What a receiver would send of an endless answer if it could.
const ENDLESS: usize = 1 << 30;
/// What it can get rid of all the same: our cap, and what both systems take into their buffers.
const TAKEN: usize = 32 << 20;
const TIMEOUT: Duration = Duration::from_millis(900);
const DATE: &str = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

/// How a receiver ends what it sends.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// With the last byte.
    Closes,
    /// It repeats this until nobody takes it any more.
    GoesOn(&'static str),
    /// It sends one byte of this at a time, each well within the timeout, for ever.
    Dribbles(&'static str),
    /// It neither sends nor closes.
    Hangs,
}

/// A receiver that takes one request and answers so. It says how many bytes it got rid of.
async fn receiver(beginning: String, ending: Ending) -> (SocketAddr, JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"{}") {
            request.push(stream.read_u8().await.unwrap());
        }
        let mut sent = 0;
        for block in beginning.as_bytes().chunks(64 * 1024) {
            // Whoever has read enough goes away.
            if stream.write_all(block).await.is_err() {
                return sent;
            }
            sent += block.len();
        }
        match ending {
            Ending::Closes => {}
            Ending::GoesOn(more) => {
                let block = more.repeat(64 * 1024 / more.len());
                while sent < ENDLESS && stream.write_all(block.as_bytes()).await.is_ok() {
                    sent += block.len();
                }
            }
            Ending::Dribbles(more) => {
                let mut bytes = more.bytes().cycle();
                let mut tick = tokio::time::interval(Duration::from_millis(50));
                while sent < ENDLESS && !is_gone(&mut stream) {
                    tick.tick().await;
                    let byte = bytes.next().unwrap();
                    if stream.write_u8(byte).await.is_err() {
                        break;
                    }
                    sent += 1;
                }
            }
            Ending::Hangs => {
                // Until the other side has had enough.
                let _ = stream.read_u8().await;
            }
        }
        sent
    });
    (address, task)
}

/// Whether the other side has closed.
fn is_gone(stream: &mut TcpStream) -> bool {
    matches!(stream.try_read(&mut [0]), Ok(0))
}

fn client() -> Http {
    Http::new(&Settings { allow_private: true, timeout: TIMEOUT, ..Settings::default() }).unwrap()
}

fn channels(address: SocketAddr) -> [Box<dyn Channel>; 3] {
    let dingtalk = format!("webhook = \"http://{address}/robot/send?access_token=t\"");
    let wecom = format!("webhook = \"http://{address}/cgi-bin/webhook/send?key=k\"");
    let webhook = format!("url = \"http://{address}/hook\"");
    [
        Box::new(toml::from_str::<DingTalk>(&dingtalk).unwrap()),
        Box::new(toml::from_str::<WeCom>(&wecom).unwrap()),
        Box::new(toml::from_str::<WebhookChannel>(&webhook).unwrap()),
    ]
}

async fn send(channel: &dyn Channel, http: &Http) -> Answer {
    let part = Part { index: 0, form: PartForm::Full, body: "{}".to_owned() };
    let attempt = Attempt { key: "key".to_owned(), kind: Kind::Test, now: Timestamp::now() };
    channel.send(http, &part, &attempt).await
}

fn head(status: u16, more: &str) -> String {
    format!("HTTP/1.1 {status} x\r\n{DATE}{more}\r\n")
}

fn whole(status: u16, body: &str) -> String {
    format!("{}{body}", head(status, &format!("Content-Length: {}\r\n", body.len())))
}

fn of_ten_megabytes(status: u16, beginning: &str) -> String {
    let mut body = beginning.to_owned();
    body.extend(std::iter::repeat_n("0123456789abcdef", 10_000_000 / 16));
    whole(status, &body)
}

/// What a receiver sends and how it ends, and what comes of it for DingTalk, WeCom and a WebHook.
fn cases() -> Vec<(&'static str, String, Ending, [&'static str; 3])> {
    let endless = |status| head(status, "Transfer-Encoding: chunked\r\n");
    let long = |status| head(status, "Content-Length: 1000\r\n");
    vec![
        (
            "a yes under a wrong content type",
            whole(200, r#"{"errcode":0,"errmsg":"ok"}"#).replace("\r\n\r\n", "\r\nContent-Type: text/html\r\n\r\n"),
            Ending::Closes,
            ["delivered"; 3],
        ),
        ("a page", whole(200, "<html>log in</html>"), Ending::Closes, ["retry", "retry", "delivered"]),
        ("nothing", whole(200, ""), Ending::Closes, ["unknown", "unknown", "delivered"]),
        ("a page of 10 MB", of_ten_megabytes(200, "<html>"), Ending::Closes, ["retry", "retry", "delivered"]),
        (
            "JSON of 10 MB",
            of_ten_megabytes(200, r#"{"errcode":0,"errmsg":""#),
            Ending::Closes,
            ["unknown", "unknown", "delivered"],
        ),
        ("a page of 10 MB about trouble", of_ten_megabytes(503, "<html>"), Ending::Closes, ["retry"; 3]),
        (
            "an endless page",
            format!("{}6\r\n<html>\r\n", endless(200)),
            Ending::GoesOn("4\r\n<br>\r\n"),
            ["retry", "retry", "delivered"],
        ),
        ("endless blanks", endless(200), Ending::GoesOn("4\r\n    \r\n"), ["unknown", "unknown", "delivered"]),
        (
            "an endless page of a shut robot",
            endless(429),
            Ending::GoesOn("4\r\n<br>\r\n"),
            ["throttled", "throttled", "retry"],
        ),
        (
            "an endless page of a receiver that is gone",
            endless(410),
            Ending::GoesOn("4\r\n<br>\r\n"),
            ["retry", "retry", "misconfigured"],
        ),
        (
            "endless headers",
            format!("HTTP/1.1 200 x\r\n{DATE}"),
            Ending::GoesOn("X-Shop: 1234567890123456\r\n"),
            ["unknown"; 3],
        ),
        (
            "JSON that dribbles in",
            format!("{}{{\"errcode\":0,\"errmsg\":\"", long(200)),
            Ending::Dribbles("x"),
            ["unknown", "unknown", "delivered"],
        ),
        ("a page that dribbles in", format!("{}<html>", long(502)), Ending::Dribbles("x"), ["retry"; 3]),
        (
            "headers that dribble in",
            format!("HTTP/1.1 200 x\r\n{DATE}"),
            Ending::Dribbles("X-Shop: 1\r\n"),
            ["unknown"; 3],
        ),
        (
            "half a body, and silence",
            format!("{}{{\"errcode\":0", long(200)),
            Ending::Hangs,
            ["unknown", "unknown", "delivered"],
        ),
        ("half a head, and silence", "HTTP/1.1 200 ".to_owned(), Ending::Hangs, ["unknown"; 3]),
        ("cut within the status line", "HTTP/1.1 2".to_owned(), Ending::Closes, ["unknown"; 3]),
        ("cut within the headers", format!("HTTP/1.1 200 x\r\n{DATE}Content-Le"), Ending::Closes, ["unknown"; 3]),
        ("cut before the body", long(200), Ending::Closes, ["unknown", "unknown", "delivered"]),
        (
            "cut within the body",
            format!("{}{{\"errcode\":0,", long(200)),
            Ending::Closes,
            ["unknown", "unknown", "delivered"],
        ),
        (
            "cut within a chunk",
            format!("{}ff\r\n{{\"errcode\":0,", endless(200)),
            Ending::Closes,
            ["unknown", "unknown", "delivered"],
        ),
        ("cut within a page about trouble", format!("{}<html>", long(500)), Ending::Closes, ["retry"; 3]),
        ("no HTTP at all", "220 smtp.example.com ESMTP\r\n".to_owned(), Ending::Closes, ["unknown"; 3]),
    ]
}

/// Lets one receiver answer one channel, and says what is wrong with what comes of it.
async fn trial(
    name: &'static str,
    beginning: String,
    ending: Ending,
    index: usize,
    outcome: &'static str,
) -> Vec<String> {
    let (address, served) = receiver(beginning, ending).await;
    let (http, channel) = (client(), &channels(address)[index]);
    let begun = Instant::now();
    let answer = send(channel.as_ref(), &http).await;
    let took = begun.elapsed();
    drop(http);
    let sent = tokio::time::timeout(Duration::from_secs(20), served).await.expect("it is let go").unwrap();
    let checks = [
        (answer.outcome.as_str() == outcome, format!("{answer:?}")),
        (took < TIMEOUT * 4, format!("it took {took:?}")),
        (answer.detail.chars().count() < 500, format!("{} bytes of words", answer.detail.len())),
        (sent < TAKEN, format!("{sent} bytes were taken")),
    ];
    let faults = checks.into_iter().filter(|(right, _)| !right);
    faults.map(|(_, fault)| format!("{name}, {}: {fault}", channel.kind())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_a_message_whose_answer_is_broken_is_known_in_time_and_little_of_it_is_read() {
    let mut trials = JoinSet::new();
    for (name, beginning, ending, outcomes) in cases() {
        for (index, outcome) in outcomes.into_iter().enumerate() {
            trials.spawn(trial(name, beginning.clone(), ending, index, outcome));
        }
    }
    let faults = trials.join_all().await.concat();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_body_is_let_go_at_the_cap_and_not_only_when_time_is_up() {
    let timeout = Duration::from_secs(30);
    let body = head(200, "Transfer-Encoding: chunked\r\n");
    for index in 0..3 {
        let (address, served) = receiver(body.clone(), Ending::GoesOn("4\r\n<br>\r\n")).await;
        let http = Http::new(&Settings { allow_private: true, timeout, ..Settings::default() }).unwrap();
        let begun = Instant::now();
        send(channels(address)[index].as_ref(), &http).await;
        assert!(begun.elapsed() < timeout / 3, "it was read for {:?}", begun.elapsed());
        let sent = tokio::time::timeout(timeout, served).await.expect("it is let go").unwrap();
        assert!(sent < TAKEN, "{sent} bytes were taken");
    }
}

#[tokio::test]
async fn the_receivers_clock_is_known_of_refusals_too_and_forgotten_when_none_is_given() {
    let known = [
        whole(200, r#"{"errcode":310000,"errmsg":"invalid timestamp"}"#),
        whole(401, "no"),
        whole(503, "<html>"),
        of_ten_megabytes(200, "<html>"),
        format!("{}{{\"errcode\":0,", head(200, "Content-Length: 1000\r\n")),
    ];
    let unknown = [
        "HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nok".to_owned(),
        "HTTP/1.1 200 x\r\nDate: today\r\nContent-Length: 2\r\n\r\nok".to_owned(),
        "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 x\r\n{DATE}Content-Le"),
    ];
    for index in 0..3 {
        let http = client();
        // By turns, so that what was known before would be seen.
        for (with, without) in known.iter().cycle().zip(&unknown).take(unknown.len().max(known.len())) {
            for (answer, is_known) in [(with, true), (without, false)] {
                let (address, served) = receiver(answer.clone(), Ending::Closes).await;
                let outcome = send(channels(address)[index].as_ref(), &http).await.outcome;
                assert_ne!(outcome, Outcome::Bug);
                let ahead = http.clock_ahead();
                assert_eq!(ahead.is_some(), is_known, "{answer:.200}");
                assert!(ahead.is_none_or(|ahead| ahead < -SignedDuration::from_hours(24 * 365 * 30)), "{ahead:?}");
                served.await.unwrap();
            }
        }
        let (address, served) = receiver(known[1].clone(), Ending::Closes).await;
        send(channels(address)[index].as_ref(), &http).await;
        assert!(http.clock_ahead().is_some());
        served.await.unwrap();
        // Nobody listens there any more.
        send(channels(address)[index].as_ref(), &http).await;
        assert_eq!(http.clock_ahead(), None, "a side that cannot be reached has no clock");
    }
}
