//! Mail servers that offer ways to log in that they do not know, or only ways that we do not know, and odd replies.

use std::sync::{Arc, Mutex};

use orderbell::channel::email::Email;
use orderbell::channel::email::answers::remedy;
use orderbell::domain::retry::Outcome;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::unusual_answers::send;

/// What a scripted mail server offers and says.
#[derive(Clone, Copy)]
struct Script {
    hello: &'static str,
    /// Its reply to `AUTH PLAIN`; a yes where absent.
    plain: Option<&'static str>,
    /// Its reply at the end of `AUTH LOGIN`; a yes where absent.
    login: Option<&'static str>,
    /// Whether it hangs up after a refused log-in.
    hangs_up: bool,
}

const BOTH: Script =
    Script { hello: "250-mock\r\n250 AUTH PLAIN LOGIN\r\n", plain: None, login: None, hangs_up: false };

/// A mail server that follows the script; what it was asked at `AUTH` is kept.
async fn mail_server(script: Script) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, script, kept.clone()));
        }
    });
    (address, asked)
}

async fn serve(stream: TcpStream, script: Script, asked: Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    let mut say = "220 mock\r\n".to_owned();
    loop {
        if stream.write_all(say.as_bytes()).await.is_err() {
            return;
        }
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let mechanism =
            line.strip_prefix("AUTH ").map(|rest| rest.split_whitespace().next().unwrap_or(rest).to_owned());
        if let Some(mechanism) = &mechanism {
            asked.lock().expect("nobody panics").push(mechanism.clone());
        }
        say = match (line.get(..4), mechanism.as_deref()) {
            (Some("EHLO"), _) => script.hello.to_owned(),
            (_, Some("PLAIN")) => script.plain.unwrap_or("235 yes").to_owned() + "\r\n",
            (_, Some("LOGIN")) => {
                for prompt in ["334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n"] {
                    let _ = stream.write_all(prompt.as_bytes()).await;
                    let _ = stream.read_line(&mut line).await;
                }
                script.login.unwrap_or("235 yes").to_owned() + "\r\n"
            }
            (Some("DATA"), _) => {
                let _ = stream.write_all(b"354 go on\r\n").await;
                while line != ".\r\n" {
                    line.clear();
                    if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                "250 taken\r\n".to_owned()
            }
            _ => "250 ok\r\n".to_owned(),
        };
        if mechanism.is_some() && script.hangs_up && say.starts_with('5') {
            let _ = stream.write_all(say.as_bytes()).await;
            return;
        }
    }
}

/// A mailbox that logs in; each test has a password of its own, because what is known of an account is shared.
fn mailbox(address: &str, password: &str) -> Email {
    let text = format!(
        "smtp = \"smtp+plain://{address}\"\nfrom = \"bell@orderbell.test\"\nto = [\"cook@orderbell.test\"]\nusername = \"bell\"\npassword = {password:?}"
    );
    toml::from_str(&text).expect("a mailbox")
}

const MAIL: &str = "bell@orderbell.test cook@orderbell.test\r\nSubject: x\r\n\r\ny\r\n";

/// The mechanisms that were tried so far.
fn tried(asked: &Mutex<Vec<String>>) -> Vec<String> {
    std::mem::take(&mut *asked.lock().expect("nobody panics"))
}

#[tokio::test]
async fn a_server_that_knows_only_one_of_the_mechanisms_it_offers_is_logged_in_to_and_remembered() {
    let refusals = [
        "504 5.7.4 Unrecognized authentication type",
        "504",
        "535 5.7.8 Error: authentication failed: no mechanism available",
        "553 authentication mechanism PLAIN is not supported",
        "502 5.5.1 not implemented",
    ];
    for (at, plain) in refusals.into_iter().enumerate() {
        let (address, asked) = mail_server(Script { plain: Some(plain), ..BOTH }).await;
        let email = mailbox(&address, &format!("one-{at}"));
        let answer = send(&email, MAIL).await;
        assert_eq!(answer.outcome, Outcome::Delivered, "{plain}: {}", answer.detail);
        assert_eq!(tried(&asked), ["PLAIN", "LOGIN"], "{plain}");
        // A mailbox that is read anew from the configuration knows it still.
        let again = email.clone();
        drop(email);
        assert_eq!(send(&again, MAIL).await.outcome, Outcome::Delivered);
        assert_eq!(tried(&asked), ["LOGIN"], "{plain}: it is remembered");
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_at_the_wrong_mechanism_is_asked_for_the_right_one_the_next_time() {
    let script = Script { plain: Some("504 5.5.4 unknown"), hangs_up: true, ..BOTH };
    let (address, asked) = mail_server(script).await;
    let email = mailbox(&address, "hangs-up");
    assert_eq!(send(&email, MAIL).await.outcome, Outcome::Retry { after: None });
    tried(&asked);
    assert_eq!(send(&email, MAIL).await.outcome, Outcome::Delivered);
    assert_eq!(tried(&asked), ["LOGIN"]);
}

#[tokio::test]
async fn a_wrong_password_is_tried_by_one_mechanism_alone() {
    let refusals = [
        "535 5.7.8 Error: authentication failed: authentication failure",
        "535 Error: 登录失败，请检查账号或密码",
        "534 5.7.9 Application-specific password required",
        "538 5.7.11 Encryption required for requested authentication mechanism",
        "454 4.7.0 Temporary authentication failure",
    ];
    for (at, plain) in refusals.into_iter().enumerate() {
        let (address, asked) = mail_server(Script { plain: Some(plain), ..BOTH }).await;
        let answer = send(&mailbox(&address, &format!("wrong-{at}")), MAIL).await;
        assert_ne!(answer.outcome, Outcome::Delivered);
        assert_eq!(tried(&asked), ["PLAIN"], "{plain}: too many failed log-ins shut an account");
    }
    let script = Script { plain: Some("504 5.5.4 unknown"), login: Some("535 5.7.8 wrong password"), ..BOTH };
    let (address, asked) = mail_server(script).await;
    let email = mailbox(&address, "wrong-at-login");
    for wanted in [&["PLAIN", "LOGIN"][..], &["LOGIN"]] {
        let answer = send(&email, MAIL).await;
        assert_eq!(answer.outcome, Outcome::Misconfigured);
        assert!(answer.redacted_detail().contains("username or password is wrong"), "{}", answer.detail);
        assert_eq!(tried(&asked), wanted);
    }
}

#[tokio::test]
async fn a_server_that_refuses_every_mechanism_it_offers_is_said_to_do_so() {
    let (plain, login) = (Some("504 5.5.4 unknown"), Some("535 5.5.4 mechanism not supported"));
    let (address, asked) = mail_server(Script { plain, login, ..BOTH }).await;
    let email = mailbox(&address, "refuses-all");
    for wanted in [&["PLAIN", "LOGIN"][..], &["PLAIN"]] {
        let answer = send(&email, MAIL).await;
        assert_eq!(answer.outcome, Outcome::Misconfigured);
        assert!(answer.redacted_detail().contains("refuses the ways to log in"), "{}", answer.detail);
        assert_eq!(tried(&asked), wanted);
    }
}

#[tokio::test]
async fn what_a_server_offers_that_we_do_not_know_is_said_with_what_to_do() {
    let table = [
        ("250-mock\r\n250 AUTH CRAM-MD5\r\n", "offers only CRAM-MD5", "PLAIN or LOGIN"),
        (
            "250-mock\r\n250-AUTH XOAUTH2 OAUTHBEARER\r\n250 SIZE\r\n",
            "offers only OAuth (XOAUTH2, OAUTHBEARER)",
            "app password",
        ),
        ("250-mock\r\n250 AUTH=CRAM-MD5 X-HUSH\r\n", "offers only CRAM-MD5 and another", "PLAIN or LOGIN"),
        ("250 mock\r\n", "offers no log-in", "submission"),
        ("502 5.5.1 EHLO not implemented\r\n", "the server does not know EHLO", "submission"),
        ("500 what?\r\n", "the server does not know EHLO", "submission"),
    ];
    for (hello, own, change) in table {
        let (address, asked) = mail_server(Script { hello, ..BOTH }).await;
        let answer = send(&mailbox(&address, hello), MAIL).await;
        assert_eq!(answer.outcome, Outcome::Misconfigured);
        assert!(answer.redacted_detail().contains(own), "{hello}: {}", answer.detail);
        let found = remedy(&answer.detail).unwrap_or_else(|| panic!("no remedy for {}", answer.detail));
        assert!(found.cure().contains(change), "{hello}: {}", found.cure());
        assert!(!found.cure().contains("copy") && !found.cure().contains("as the provider shows"), "{}", found.cure());
        assert_eq!(tried(&asked), [""; 0]);
    }
}

#[tokio::test]
async fn a_reply_in_an_unusual_dress_is_read_and_no_reply_is_taken_for_that_to_another_command() {
    // Blanks for dashes, bare line feeds, tabs, GBK, a line without a code.
    let dressed = "250 mock\r\n250 SIZE 100\n250\tAUTH PLAIN\r\n";
    let (address, _) = mail_server(Script { hello: dressed, ..BOTH }).await;
    let answer = send(&mailbox(&address, "dressed"), MAIL).await;
    assert_eq!(answer.outcome, Outcome::Delivered, "{}", answer.detail);
    // A second reply that nobody asked for puts every later one out of step.
    let (address, _) = mail_server(Script { plain: Some("235 yes\r\n354 go on\r\n250 taken"), ..BOTH }).await;
    let answer = send(&mailbox(&address, "surplus"), MAIL).await;
    assert_eq!(answer.outcome, Outcome::Retry { after: None }, "{}", answer.detail);
}
