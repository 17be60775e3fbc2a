//! A mail server that falls silent, breaks off or answers too early: what it costs, and that no mail is lost by it.

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use orderbell::channel::email::Email;
use orderbell::channel::kinds::ChannelConfig;
use orderbell::channel::smtp::server::Timeouts;
use orderbell::domain::retry::Outcome;
use orderbell::sandbox::fault::{Fault, MailPhase, Times};
use orderbell::sandbox::rules::Rules;
use orderbell::sandbox::smtp::MailServer;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::email::{AT_ONCE, COOK, mail, mailbox, outcomes, send, send_body, to_mail};
use crate::support::{Scene, in_time, keeta, of};

#[tokio::test]
async fn a_server_that_falls_silent_is_waited_for_only_so_long() {
    let short = Duration::from_millis(200);
    for patience in [
        Timeouts { reply: short, ..Timeouts::default() },
        Timeouts { connect: short, reply: short, content: short, answer: short },
    ] {
        // Greets and then says nothing.
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let silent = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            stream.write_all(b"220 hello\r\n").await.expect("written");
            std::future::pending::<()>().await;
        });
        let begun = Instant::now();
        let answer = send(&mailbox(&address, patience), "silent").await;
        assert_eq!((answer.outcome, answer.detail.as_str()), (Outcome::Retry { after: None }, "EHLO: timed out"));
        assert!(begun.elapsed() >= short);
        silent.abort();
    }
}

/// Converses as a mail server does, up to the mail; then the mail is the test's.
async fn up_to_the_mail(listener: &TcpListener) -> BufReader<TcpStream> {
    let (stream, _) = listener.accept().await.expect("a connection");
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 hello\r\n").await.expect("written");
    let mut line = String::new();
    while line != "DATA\r\n" {
        line.clear();
        assert!(stream.read_line(&mut line).await.expect("a command") > 0, "it hung up");
        let reply = if line == "DATA\r\n" { "354 go ahead\r\n" } else { "250 yes\r\n" };
        stream.write_all(reply.as_bytes()).await.expect("written");
    }
    stream
}

#[tokio::test]
async fn a_mail_that_broke_off_before_its_end_was_not_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let server = async {
        let mut stream = up_to_the_mail(&listener).await;
        let mut begin = vec![0; 4096];
        stream.read_exact(&mut begin).await.expect("the begin of the mail");
        begin
    };
    // More than all buffers on the way hold, so that the end cannot have left us when the connection is cut.
    let body = format!("bell@orderbell.test {COOK}\r\nSubject: x\r\n\r\n{}", "long\r\n".repeat(6_000_000));
    let email = mailbox(&address, Timeouts::default());
    let (answer, begin) = in_time(async { tokio::join!(send_body(&email, "cut", body), server) }).await;
    assert!(begin.starts_with(b"Subject: x\r\n\r\nlong\r\n"));
    assert_eq!(answer.outcome, Outcome::Retry { after: None }, "it is no unknown one: {}", answer.detail);
    assert!(answer.detail.starts_with("sending the mail: the connection was "), "{}", answer.detail);
}

#[tokio::test]
async fn the_reply_to_the_whole_mail_is_awaited_ten_minutes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let (say, dot_came) = oneshot::channel();
    let silent = tokio::spawn(async move {
        let mut stream = up_to_the_mail(&listener).await;
        let mut line = String::new();
        while line != ".\r\n" {
            line.clear();
            assert!(stream.read_line(&mut line).await.expect("a line") > 0, "it hung up");
        }
        say.send(()).expect("the test waits");
        // Says nothing, and notices when the other side gives up.
        stream.read_line(&mut line).await.expect("the end")
    });
    let email = mailbox(&address, Timeouts::default());
    let begun = tokio::time::Instant::now();
    let sending =
        tokio::spawn(async move { (send_body(&email, "silent", mail("silent")).await, tokio::time::Instant::now()) });
    in_time(dot_came).await.expect("the whole mail");
    // From here on the clock jumps to whatever is waited for next.
    tokio::time::pause();
    let (answer, ended) = sending.await.expect("no panic");
    let waited = ended - begun;
    assert!(waited >= Duration::from_secs(600) && waited < Duration::from_secs(630), "{waited:?}");
    assert_eq!((answer.outcome, answer.detail.as_str()), (Outcome::Unknown, "after the mail: timed out"));
    assert_eq!(silent.await.expect("no panic"), 0, "the connection is given up then");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_silent_after_the_mail_gets_it_again_under_the_same_id() {
    for (phase, taken) in [(MailPhase::Answer, 2), (MailPhase::Dot, 1)] {
        let scene = Scene::new(Rules::new()).await;
        let mail = scene.mailbox("mail", MailServer::default(), &format!("[{COOK:?}]"), AT_ONCE).await;
        let mut config = scene.config(&format!("{mail}{}{}", scene.robot("robot", ""), to_mail()));
        let Some(ChannelConfig::Email(email)) = config.channels.get_mut("mail").map(|channel| &mut channel.way) else {
            panic!("a mailbox")
        };
        email.inherited.timeouts.answer = Duration::from_millis(300);
        scene.sandbox.order("smtp", Fault::Silence { phase }, Times::Next(1));
        let daemon = scene.start_with(config, scene.folder.path()).await;
        daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
        let rows = daemon.until_done().await;
        assert_eq!(of(&rows, "mail")[0].state, "delivered", "{phase:?}");
        assert_eq!(outcomes(&daemon), ["unknown", "delivered"], "{phase:?}");
        let sql = "SELECT answer FROM attempts WHERE outcome = 'unknown'";
        let words: String = daemon.connection().query_row(sql, [], |row| row.get(0)).expect("an attempt");
        assert_eq!(words, "after the mail: timed out");
        let came = scene.came_to(COOK);
        assert_eq!(came.len(), taken, "{phase:?}");
        assert!(came.iter().all(|mail| mail.key.is_some() && mail.key == came[0].key && mail.body == came[0].body));
        assert_eq!(scene.received(COOK).len(), 1, "{phase:?}: who knows the id shows one");
        daemon.stop().await;
    }
}

#[tokio::test]
async fn a_server_is_reached_within_the_timeout_or_not_at_all() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    // Takes the connection, and does not get on with TLS.
    let silent = tokio::spawn(async move {
        let _connection = listener.accept().await.expect("a connection");
        std::future::pending::<()>().await;
    });
    let text = format!("smtp = \"smtps://{address}\"\nfrom = \"bell@orderbell.test\"\nto = [{COOK:?}]");
    let mut email: Email = toml::from_str(&text).expect("a mailbox");
    email.inherited.allow_private = true;
    email.inherited.timeout = SignedDuration::from_millis(200);
    let begun = Instant::now();
    let answer = send(&email, "silent").await;
    assert_eq!((answer.outcome, answer.detail.as_str()), (Outcome::Retry { after: None }, "connecting: timed out"));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    silent.abort();
}

#[tokio::test]
async fn what_is_said_before_the_handshake_is_no_answer_after_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let in_between = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.write_all(b"220 hello\r\n").await.expect("written");
        stream.read_line(&mut line).await.expect("EHLO");
        stream.write_all(b"250-hello\r\n250 STARTTLS\r\n").await.expect("written");
        stream.read_line(&mut line).await.expect("STARTTLS");
        stream.write_all(b"220 go\r\n250-injected\r\n250 AUTH PLAIN\r\n").await.expect("written");
        std::future::pending::<()>().await;
    });
    let text = format!("smtp = \"smtp://{address}\"\nfrom = \"bell@orderbell.test\"\nto = [{COOK:?}]");
    let mut email: Email = toml::from_str(&text).expect("a mailbox");
    email.inherited.allow_private = true;
    let answer = send(&email, "injected").await;
    assert_eq!(answer.outcome, Outcome::Misconfigured);
    assert_eq!(answer.detail, "STARTTLS: the server went on unencrypted after STARTTLS");
    in_between.abort();
}
