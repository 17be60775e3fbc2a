//! `orderbell serve --setup` as a program: what it prints, what it refuses, and that the same process goes on as the daemon.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use url::form_urlencoded::Serializer;

use crate::support::address::own_address;
use crate::support::running::Running;
use crate::support::{Answer, get, in_time, read};

fn serve(folder: &Path, setup: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
    command.args(["serve", setup]).current_dir(folder).stdin(Stdio::null());
    command.env_remove("ORDERBELL_CONFIG").env_remove("ORDERBELL_LOG").env_remove("ORDERBELL_LOG_FORMAT");
    command
}

async fn press(at: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Answer {
    let body = Serializer::new(String::new()).extend_pairs(fields).finish();
    let form = "Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin";
    ask(
        at,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: {at}\r\n{form}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ),
    )
    .await
}

async fn ask(at: SocketAddr, request: &str) -> Answer {
    let mut stream = in_time(TcpStream::connect(at)).await.unwrap();
    in_time(stream.write_all(request.as_bytes())).await.unwrap();
    read(&mut stream).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_process_goes_on_as_the_daemon_at_the_same_address() {
    let folder = tempfile::tempdir().unwrap();
    let (page, hooks) = (own_address(), own_address().to_string());
    let program = Running::start(serve(folder.path(), &format!("--setup={page}")));
    program.until(&format!("http://{page}/"));
    program.until(&format!("ssh -L {}:{page}", page.port()));
    let wecom = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=5f1c77";
    let general = [
        ("language", "en"),
        ("timezone", "Asia/Hong_Kong"),
        ("listen", &hooks),
        ("public_url", "https://bell.example.com"),
    ];
    let keeta = [("kind", "keeta"), ("value.app_id", "77"), ("value.app_secret", "5f1c78"), ("then", "next")];
    let channel = [("kind", "wecom"), ("value.webhook", wecom), ("then", "next")];
    for (path, fields) in
        [("general", &general[..]), ("source/0", &keeta), ("channel/0", &channel), ("save", &[]), ("start", &[])]
    {
        let answer = press(page, &format!("/setup/{path}"), fields).await;
        assert_eq!(answer.status, 303, "{path}: {}", answer.body);
    }
    // Whoever asks at once waits for the daemon, and is not refused.
    let today =
        ask(page, &format!("GET / HTTP/1.1\r\nHost: {page}\r\nAccept: text/html\r\nConnection: close\r\n\r\n")).await;
    assert!(today.status == 200 && today.body.contains("<h1>Today</h1>"), "{}", today.body);
    program.until("webhooks are taken at");
    assert_eq!(get(hooks.parse().unwrap(), "/healthz").await.status, 200);
    assert!(folder.path().join("orderbell.db").exists());
}

#[test]
fn what_cannot_be_listened_at_is_said_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap();
    for (at, code, says) in [
        (
            format!("--setup={taken}"),
            1,
            "is another orderbell running? else choose another port, as in --setup=127.0.0.1:",
        ),
        ("--setup=0.0.0.0:0".to_owned(), 2, "it answers this machine alone"),
        ("--setup=localhost".to_owned(), 2, "invalid value 'localhost'"),
    ] {
        let done = serve(folder.path(), &at).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.code() == Some(code) && said.contains(says), "{at}: {:?} {said}", done.status);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_configuration_it_serves_as_ever() {
    let folder = tempfile::tempdir().unwrap();
    let (page, hooks) = (own_address(), own_address());
    let text = format!("[server]\nlisten = \"{hooks}\"\n[source.a]\nplatform = \"apsdai\"\nsecret = \"5f1c77\"\n");
    std::fs::write(folder.path().join("orderbell.toml"), &text).unwrap();
    let program = Running::start(serve(folder.path(), &format!("--setup={page}")));
    program.until("there is a configuration, so that --setup changes nothing; the page is shown where");
    program.until("webhooks are taken at");
    assert!(TcpStream::connect(page).await.is_err(), "no page without [admin]");
    assert_eq!(std::fs::read_to_string(folder.path().join("orderbell.toml")).unwrap(), text);
}
