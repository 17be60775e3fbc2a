//! How a session ends: unused, too old, ended here or elsewhere, or because its token is another one.

use jiff::{SignedDuration, Timestamp};
use orderbell::domain::session::SessionKey;
use orderbell::sandbox::rules::Rules;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::logging_in::{Browser, OWNER, TOKENS, header};
use crate::support::watching::NEVER;
use crate::support::{Scene, in_time, stores};

fn key(browser: &Browser) -> SessionKey {
    let (_, value) = browser.cookies[0].split_once('=').expect("a pair");
    SessionKey::read(value).expect("a key")
}

#[tokio::test]
async fn a_session_ends_after_thirty_days_without_use_and_after_ninety() {
    let begin: Timestamp = "2026-11-05T10:10:00Z".parse().expect("a time");
    let scene = Scene::still(begin, Rules::default()).await;
    let daemon = scene.start(TOKENS).await;
    let (used, unused) = (Browser::logged_in(&daemon, OWNER).await, Browser::logged_in(&daemon, OWNER).await);
    for day in 1..=4 {
        scene.forward(SignedDuration::from_hours(22 * 24));
        assert!(used.is_in().await, "{day}");
    }
    assert!(!unused.is_in().await);
    scene.forward(SignedDuration::from_hours(2 * 24));
    assert!(!used.is_in().await, "ninety days are over");
    daemon.stop().await;
}

#[tokio::test]
async fn use_is_written_at_most_once_an_hour() {
    let begin: Timestamp = "2026-11-05T10:10:00Z".parse().expect("a time");
    let scene = Scene::still(begin, Rules::default()).await;
    let daemon = scene.start(TOKENS).await;
    let browser = Browser::logged_in(&daemon, OWNER).await;
    let beside = stores::open_beside(&scene.store()).expect("the store is there");
    for (minutes, noted) in [(59, 0), (1, 60), (59, 60), (1, 120)] {
        scene.forward(SignedDuration::from_mins(minutes));
        assert!(browser.is_in().await);
        let session = beside.session(key(&browser).digest()).await.expect("reading").expect("it is there");
        assert_eq!(session.used_at, begin + SignedDuration::from_mins(noted));
        assert_eq!((session.browser.as_str(), session.begun_at), ("Firefox, Linux", begin));
    }
    daemon.stop().await;
}

#[tokio::test]
async fn a_token_that_is_changed_or_taken_back_ends_its_sessions_and_no_others() {
    let scene = Scene::new(Rules::default()).await;
    let watching = scene.start_watching(NEVER, "", TOKENS).await;
    let owner = Browser::logged_in(&watching, OWNER).await;
    let till = Browser::logged_in(&watching, "hush-till").await;
    let changed = TOKENS.replace("hush-till", "hush-till-2");
    watching.reload("one", "", &changed).await;
    assert!(owner.is_in().await && !till.is_in().await);
    // As it was, it is believed again: on another instance that may be so all the time.
    watching.reload("two", "", TOKENS).await;
    assert!(till.is_in().await);
    watching.reload("three", "", "[admin.tokens.till]\ntoken = \"hush-till\"\naccess = \"write\"\n").await;
    assert!(!owner.is_in().await && till.is_in().await);
    assert!(!till.get("/sessions").await.body.contains("<bdi>admin</bdi>"), "what is of no token is not shown");
    watching.daemon.stop().await;
}

#[tokio::test]
async fn one_or_all_other_sessions_are_ended_and_whoever_comes_second_reads_so() {
    let scene = Scene::new(Rules::default()).await;
    let daemon = scene.start(TOKENS).await;
    let (first, second) = (Browser::logged_in(&daemon, OWNER).await, Browser::logged_in(&daemon, OWNER).await);
    let (third, mut own) = (Browser::logged_in(&daemon, "hush-till").await, Browser::logged_in(&daemon, OWNER).await);
    let list = own.get("/sessions").await;
    assert_eq!(list.body.matches("<article").count(), 4, "{list:?}");
    assert_eq!(list.body.matches("this one").count(), 1, "{list:?}");
    let body = format!("session={}", key(&first).digest());
    let ended = own.post("/sessions/end", &body).await;
    assert_eq!((ended.status, header(&ended, "location")), (303, Some("/sessions?ended=1")));
    assert!(!first.is_in().await && second.is_in().await);
    let again = own.post("/sessions/end", &body).await;
    assert_eq!(header(&again, "location"), Some("/sessions?ended=0"));
    assert!(own.get("/sessions?ended=0").await.body.contains("somebody else was faster"));
    let others = own.post("/sessions/end-others", "").await;
    assert_eq!(header(&others, "location"), Some("/sessions?ended=2"));
    assert!(!second.is_in().await && !third.is_in().await && own.is_in().await);
    for wrong in ["session=", "session=%3Cb%3E", &format!("session={}", "00".repeat(33))] {
        assert_eq!(own.post("/sessions/end", wrong).await.status, 404, "{wrong}");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn what_another_instance_has_ended_is_ended_here() {
    let scene = Scene::new(Rules::default()).await;
    let daemon = scene.start(TOKENS).await;
    let browser = Browser::logged_in(&daemon, OWNER).await;
    let beside = stores::open_beside(&scene.store()).expect("the store is there");
    assert!(beside.end_session(key(&browser).digest()).await.expect("ended"));
    assert!(!browser.is_in().await);
    daemon.stop().await;
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_is_not_begun_without_one() {
    let scene = Scene::new(Rules::default()).await;
    let daemon = scene.start(TOKENS).await;
    let mut browser = Browser::logged_in(&daemon, OWNER).await;
    let mut stream = in_time(TcpStream::connect(daemon.admin())).await.expect("it listens");
    let head = format!(
        "GET /happenings HTTP/1.1\r\nHost: bell\r\nAccept: text/event-stream\r\nCookie: {}\r\n\r\n",
        browser.cookies[0]
    );
    in_time(stream.write_all(head.as_bytes())).await.expect("sent");
    let mut begun = [0; 15];
    in_time(stream.read_exact(&mut begun)).await.expect("an answer");
    assert_eq!(&begun, b"HTTP/1.1 200 OK");
    browser.post("/logout", "").await;
    // The chunk that ends the body, whatever stands before it.
    let mut rest = Vec::new();
    while !rest.ends_with(b"\r\n0\r\n\r\n") {
        rest.push(in_time(stream.read_u8()).await.expect("the stream is ended"));
    }
    browser.headers = vec![("Accept", "text/event-stream".to_owned())];
    assert_eq!(browser.get("/happenings").await.status, 401);
    daemon.stop().await;
}
